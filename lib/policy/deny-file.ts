/**
 * The deny-file, and the allow-file, which has the same lines: one entry each, `#` begins a comment at the start of a line
 * or after a space. docs/deny-file.md is its manual.
 */
import { readEgress } from './egress-entry.js';
import type { Entry, PolicyError } from './entry.js';
import { FILE_VERBS, type FileEntry, type FileVerb } from './entry.js';
import { utf8, Wrong } from './wrong.js';

/** A file of 100,000 addresses has 2 MB. */
export const MOST_BYTES = 64 * 1024 * 1024;
const LONGEST_LINE = 8192;
/** Errors that are worth reading. */
const MOST_ERRORS = 20;

export interface DenyFile {
  entries: Entry[];
  /** In order. A file with any of them is refused whole. */
  errors: PolicyError[];
}

const SHORT_VERBS: Readonly<Record<string, readonly FileVerb[]>> = {
  read: ['open_read'],
  write: ['open_write'],
  delete: ['unlink'],
};

/** Lines that were read before, by their content: most of a file that was edited is as it was. */
export class KnownLines {
  #before = new Map<string, Entry | undefined>();
  #now = new Map<string, Entry | undefined>();

  /** From here on lines that are not met again are forgotten at the next call. */
  turn(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  /** @throws Wrong */
  read(content: string, line: number): Entry | undefined {
    const met = this.#now.has(content);
    const known = met || this.#before.has(content);
    const entry = met ? this.#now.get(content) : known ? this.#before.get(content) : readEntry(content, line);
    if (!met) this.#now.set(content, entry);
    return entry === undefined || entry.line === line ? entry : { ...entry, line };
  }
}

/** Reads a whole file. Never throws. CRLF and a BOM are accepted. */
export function parseDenyFile(bytes: Buffer, known = new KnownLines()): DenyFile {
  known.turn();
  // A character for each byte: what is no UTF-8 stays what it is.
  const text = bytes.toString('latin1').replace(/^\xef\xbb\xbf/, '');
  const file: DenyFile = { entries: [], errors: [] };
  let line = 0;
  for (let from = 0; from < text.length; ) {
    let end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    line++;
    const content = text.slice(from, text.charCodeAt(end - 1) === 13 && end > from ? end - 1 : end);
    from = end + 1;
    try {
      const entry = known.read(content, line);
      if (entry !== undefined) file.entries.push(entry);
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      file.errors.push({ line, column: columnOf(content, error.at), message: error.message, next: error.next });
      if (file.errors.length >= MOST_ERRORS) break;
    }
  }
  return file;
}

/** In characters, from 1. */
function columnOf(line: string, at: number): number {
  return [...utf8(line.slice(0, at))].length + 1;
}

function readEntry(content: string, line: number): Entry | undefined {
  if (content.length > LONGEST_LINE) throw new Wrong(LONGEST_LINE, `is longer than ${LONGEST_LINE} bytes`, 'Write one entry a line');
  const nul = content.indexOf('\0');
  if (nul >= 0) throw new Wrong(nul, 'holds a NUL byte', 'This is no text file');
  const from = content.search(/[^ \t]/);
  if (from < 0 || content[from] === '#') return undefined;
  const end = endOfEntry(content, from);
  const text = content.slice(from, end);
  const said = { line, text: utf8(text) };
  // A path is the rest of its line: names of files have spaces.
  const path = /(?:^|[ \t])\//.exec(text);
  if (path !== null) return readFile(text, from, path.index === 0 && text[0] === '/' ? 0 : path.index + 1, said);
  const space = text.search(/[ \t]/);
  if (space >= 0) throw new Wrong(from + space, 'there is more than one word', 'Write one entry a line, a comment behind " #"');
  return { kind: 'egress', ...said, ...readEgress(text, from) };
}

/** Up to a comment or the space at the end. `\` takes both their meaning. */
function endOfEntry(content: string, from: number): number {
  let end = from;
  for (let at = from; at < content.length; at++) {
    const char = content[at] as string;
    if (char === '\\' && at + 1 < content.length) {
      at++;
      end = at + 1;
    } else if (char === '#' && /[ \t]/.test(content[at - 1] ?? '')) break;
    else if (char !== ' ' && char !== '\t') end = at + 1;
  }
  return end;
}

function readFile(text: string, offset: number, path: number, said: { line: number; text: string }): FileEntry {
  const verbs = new Set<FileVerb>();
  for (const { 0: word, index } of text.slice(0, path).matchAll(/[^ \t,]+/g)) {
    const known = SHORT_VERBS[word] ?? ((FILE_VERBS as readonly string[]).includes(word) ? [word as FileVerb] : undefined);
    if (known === undefined)
      throw new Wrong(offset + index, `"${utf8(word)}" is no verb`, `Verbs are read, write, delete, ${FILE_VERBS.join(', ')}`);
    for (const verb of known) verbs.add(verb);
  }
  const pattern = text.slice(path);
  checkPattern(pattern, offset + path);
  return { kind: 'file', ...said, ...(verbs.size === 0 ? {} : { verbs: [...verbs] }), pattern: Buffer.from(pattern, 'latin1') };
}

/** Brackets and braces are closed, `\` stands before something, and no segment is `.` or `..`. */
function checkPattern(pattern: string, offset: number): void {
  let brace = -1;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === '\\') {
      if (at + 1 === pattern.length) throw new Wrong(offset + at, 'ends with a backslash', 'Write \\\\ for the character itself');
      at++;
    } else if (char === '[') {
      const close = pattern.indexOf(']', at + (pattern[at + 1] === '!' || pattern[at + 1] === '^' ? 3 : 2));
      if (close < 0) throw new Wrong(offset + at, 'this [ has no ]', 'Write \\[ for the character itself');
      at = close;
    } else if (char === '{') {
      if (brace >= 0) throw new Wrong(offset + at, 'braces stand in braces', 'Write two entries');
      brace = at;
    } else if (char === '}' && brace >= 0) brace = -1;
  }
  if (brace >= 0) throw new Wrong(offset + brace, 'this { has no }', 'Write \\{ for the character itself');
  const dots = /\/\.\.?(?=\/|$)/.exec(pattern);
  if (dots !== null)
    throw new Wrong(
      offset + dots.index + 1,
      `"${dots[0].slice(1)}" is no part of a canonical path`,
      'Write the path as realpath(1) prints it',
    );
}
