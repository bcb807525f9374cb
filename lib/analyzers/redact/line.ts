/**
 * One event as a line of JSON: which of its strings are looked at and how, what was found in them, and the line with
 * that replaced. All that is not secret stays as it is written.
 */
import { fitsText } from '../../stream/payload.js';
import { isPlaceholder } from './names.js';
import { type Scanned, type StringToken, scanStrings, textOf } from './strings.js';

/** A part of a string's value that goes. */
export interface Cut {
  start: number;
  end: number;
  /** What is numbered in its place; absent: nothing, since what stands for it is in an earlier piece. */
  secret?: string;
}

/** A string in which something may be cut. */
export interface Edit {
  token: StringToken;
  value: string;
  base64: boolean;
  cuts: Cut[];
  /** Strings of the JSON in it that are edited by themselves: `token` is a place in `value`. */
  inner?: Edit[];
}

/** Facts that name things: others refer to them, and they hold nothing that came from outside. */
const NAMES_OF_THINGS = new Set(
  'conn parent_conn exchange socket cgroup_id file_id exe_file_id boot_id direction library function origin sender role'.split(' '),
);
const HEAD = new Set(['id', 'source', 'event_type', 'from']);

/** Whether what stands there is looked at. */
export function isLookedAt(token: StringToken): boolean {
  if (token.depth === 1) return token.isKey || !HEAD.has(token.name);
  if (token.top === 'from') return false;
  return token.isKey || token.depth !== 2 || token.top !== 'data' || !NAMES_OF_THINGS.has(token.name);
}

export interface ReadLine extends Scanned {
  text: string;
  type: string;
  timestamp: number;
  /** A fact right in `data`; undefined where it is no string. */
  fact(name: string): string | undefined;
  token(name: string): StringToken | undefined;
}

/** Reads a line that is known to be one JSON object. */
export function readLine(text: string): ReadLine {
  const scanned = scanStrings(text);
  const token = (name: string): StringToken | undefined =>
    scanned.strings.find((each) => !each.isKey && each.depth === 2 && each.index < 0 && each.top === 'data' && each.name === name);
  const type = scanned.strings.find((each) => !each.isKey && each.depth === 1 && each.name === 'event_type');
  const timestamp = /^\s*\{(?:"id":"[^"\\]*",)?"timestamp":([\d.]+)/.exec(text.slice(0, 200))?.[1];
  return {
    ...scanned,
    text,
    type: type === undefined ? '' : textOf(text, type),
    timestamp: timestamp === undefined ? Number.NaN : Number(timestamp),
    token,
    fact: (name) => {
      const found = token(name);
      return found === undefined ? undefined : textOf(text, found);
    },
  };
}

/** The value of a string as it is looked through: base64 as its bytes, one character each. */
export function editOf(text: string, token: StringToken): Edit {
  const value = textOf(text, token);
  const base64 = !token.isKey && token.name.endsWith('_b64');
  return { token, value: base64 ? Buffer.from(value, 'base64').toString('latin1') : value, base64, cuts: [] };
}

/** How a secret is known again: the same in an address, in JSON and in a header. */
function identity(secret: string): string {
  if (secret.startsWith('-----BEGIN')) return secret.replace(/\\+[nrt]|\s+/g, '');
  if (/^\d{4}[ -][\d -]+$/.test(secret)) return secret.replace(/[ -]/g, '');
  let same = secret.includes('\\') ? secret.replace(/\\+\//g, '/').replace(/\\+u0040/g, '@') : secret;
  if (same.includes('%')) {
    try {
      same = decodeURIComponent(same);
    } catch {
      // No encoding: as it stands.
    }
  }
  return same;
}

/** The value with what was cut replaced; the same string when nothing was. */
function edited(edit: Edit, redact: (secret: string) => string): string {
  const { value, cuts } = edit;
  const changes: { start: number; end: number; text: string }[] = [];
  const inner = edit.inner ?? [];
  let i = 0;
  for (const cut of cuts) {
    for (; i < inner.length && (inner[i] as Edit).token.start < cut.start; i++) changes.push(change(inner[i] as Edit, redact));
    changes.push({ start: cut.start, end: cut.end, text: cut.secret === undefined ? '' : redact(identity(cut.secret)) });
  }
  for (; i < inner.length; i++) changes.push(change(inner[i] as Edit, redact));
  let out = '';
  let at = 0;
  for (const { start, end, text } of changes) {
    out += value.slice(at, start) + text;
    at = end;
  }
  return at === 0 ? value : out + value.slice(at);
}

function change(edit: Edit, redact: (secret: string) => string): { start: number; end: number; text: string } {
  const { start, end } = edit.token;
  return { start, end, text: JSON.stringify(edited(edit, redact)) };
}

/** The line with what was cut replaced; undefined when nothing was. */
export function rewritten(text: string, edits: readonly Edit[], redact: (secret: string) => string): string | undefined {
  let out = '';
  let at = 0;
  for (const edit of edits) {
    const value = edited(edit, redact);
    if (value === edit.value) continue;
    const { start, end } = edit.token;
    const [key, literal] = literalOf(edit, value);
    if (key !== undefined) {
      const keyStart = text.lastIndexOf(`"${edit.token.name}"`, start);
      out += `${text.slice(at, keyStart)}"${key}"${text.slice(keyStart + edit.token.name.length + 2, start)}${literal}`;
    } else {
      out += text.slice(at, start) + literal;
    }
    at = end;
  }
  return at === 0 ? undefined : out + text.slice(at);
}

/** A payload is text or base64 by its bytes (docs/events.md, "Bytes"): that may turn with what was in it. */
function literalOf(edit: Edit, value: string): [string | undefined, string] {
  const { token, base64 } = edit;
  const bytes = (): Buffer => Buffer.from(value, base64 ? 'latin1' : 'utf8');
  if (!token.isKey && token.depth === 2 && token.index < 0 && /^(?:payload|body)(?:_b64)?$/.test(token.name)) {
    const text = fitsText(bytes());
    if (base64 && text) return [token.name.slice(0, -4), JSON.stringify(bytes().toString('utf8'))];
    if (!base64 && !text && bytes().toString('utf8') === value) return [`${token.name}_b64`, `"${bytes().toString('base64')}"`];
  }
  return [undefined, base64 ? `"${bytes().toString('base64')}"` : JSON.stringify(value)];
}

/** Options of programs whose value is the next argument, beside those with a telling name. */
const USER_OPTION = /^(?:-u|--user|--proxy-user|-U)$/;

/** What an argument says of the one after it. */
export function announcesNext(argument: string): 'value' | 'user' | 'no' {
  if (USER_OPTION.test(argument)) return 'user';
  return /^--?[A-Za-z]/.test(argument) && !argument.includes('=') ? 'value' : 'no';
}

/** The password in `name:password`. */
export function passwordOf(value: string): Cut | undefined {
  const colon = value.indexOf(':');
  if (colon < 1 || /[\s/]/.test(value) || isPlaceholder(value.slice(colon + 1))) return undefined;
  return { start: colon + 1, end: value.length, secret: value.slice(colon + 1) };
}
