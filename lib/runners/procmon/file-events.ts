/** What is done to files, from the records of the system calls' ends. */
import type { RecordLines, SharedText } from '../../bpf/record-lines.js';
import { FileOperation, PathFact, RecFile } from '../../bpf/records.gen.js';
import { textField } from '../../stream/payload.js';
import type { Emitter } from '../emitter.js';
import type { WhoSaid } from '../processes.js';
import { errnoField } from './errno.js';
import { fileIdOf, type Process } from './model.js';
import { isPlain, joinPath } from './paths.js';

/** Opens that --dedup remembers; the oldest is forgotten first. */
const OPENS_KNOWN = 65_536;

const TYPES: Readonly<Record<number, string>> = {
  [FileOperation.FILE_OPEN]: 'file_open',
  [FileOperation.FILE_DELETE]: 'file_delete',
  [FileOperation.DIR_DELETE]: 'dir_delete',
  [FileOperation.DIR_CREATE]: 'dir_create',
  [FileOperation.FILE_RENAME]: 'file_rename',
  [FileOperation.FILE_LINK]: 'file_link',
  [FileOperation.FILE_SYMLINK]: 'file_symlink',
  [FileOperation.FILE_TRUNCATE]: 'file_truncate',
  [FileOperation.FILE_CHMOD]: 'file_chmod',
  [FileOperation.CWD_CHANGE]: 'cwd_change',
};

/** include/uapi/asm-generic/fcntl.h; those that differ on arm64 are swapped there. */
const ARM = process.arch === 'arm64';
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;
const O_PATH = 0o10000000;
const FLAGS: readonly (readonly [number, string])[] = [
  [O_CREAT, 'O_CREAT'],
  [0o200, 'O_EXCL'],
  [0o400, 'O_NOCTTY'],
  [0o1000, 'O_TRUNC'],
  [0o2000, 'O_APPEND'],
  [0o4000, 'O_NONBLOCK'],
  [0o10000, 'O_DSYNC'],
  [0o20000, 'O_ASYNC'],
  [ARM ? 0o200000 : 0o40000, 'O_DIRECT'],
  [ARM ? 0o400000 : 0o100000, 'O_LARGEFILE'],
  [ARM ? 0o40000 : 0o200000, 'O_DIRECTORY'],
  [ARM ? 0o100000 : 0o400000, 'O_NOFOLLOW'],
  [0o1000000, 'O_NOATIME'],
  [0o2000000, 'O_CLOEXEC'],
  [0o4000000, 'O_SYNC'],
  [O_PATH, 'O_PATH'],
  [O_TMPFILE, 'O_TMPFILE'],
];
const ACCESS = ['read', 'write', 'read_write', 'read_write'] as const;
const RENAME_EXCHANGE = 2;

const namesKnown = new Map<number, string[]>();

/** The names of an open's flags. Programs use few combinations. */
function flagNames(flags: number): string[] {
  const known = namesKnown.get(flags);
  if (known !== undefined) return known;
  const names = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  if (namesKnown.size < 1024) namesKnown.set(flags, names);
  return names;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function accessOf(flags: number): string {
  return (flags & O_PATH) !== 0 ? 'path' : (ACCESS[flags & 3] as string);
}

/** The open makes a file, or a file without a name: then its mode counts. */
function mayMake(flags: number): boolean {
  return (flags & (O_CREAT | (O_TMPFILE & ~0o200000))) !== 0;
}

/** What a file_open says between its path and the file. */
function openFields({ open_flags, mode, facts }: RecFile): object {
  return {
    access: accessOf(open_flags),
    flags: flagNames(open_flags),
    ...(mayMake(open_flags) ? { mode: octal(mode) } : {}),
    ...((facts & PathFact.FILE_CREATED) === 0 ? {} : { created: true }),
  };
}

/** Tails of lines that are kept. */
const TAILS_KNOWN = 4096;

export class FileEvents {
  readonly #emitter: Emitter;
  readonly #dedup: boolean;
  readonly #record = new RecFile();
  readonly #opens = new Set<string>();
  #suppressed = 0;
  readonly #tails = new Map<number | string, SharedText>();

  constructor(emitter: Emitter, dedup: boolean) {
    this.#emitter = emitter;
    this.#dedup = dedup;
  }

  /** How many opens --dedup has left out since this was last said. */
  saySuppressed(ns: number): void {
    if (this.#suppressed === 0) return;
    this.#emitter.emit('meta', 'throttle', { rule: 'dedup', suppressed: this.#suppressed }, ns);
    this.#suppressed = 0;
  }

  /** False when it is left out. */
  tell(process: Process, bytes: Buffer, view: DataView, at: number, ts: number): boolean {
    const record = this.#record.at(bytes, view, at);
    const { lines } = this.#emitter;
    if (lines !== undefined && this.#printsItself(record)) {
      this.#print(lines, process, record, bytes, at, ts);
      return true;
    }
    const { operation, facts, base_len, name_len, new_base_len, new_name_len, result, mode } = record;
    const text = record.text(record.len);
    const base = text.subarray(0, base_len);
    const name = text.subarray(base_len, base_len + name_len);
    const cut = (facts & PathFact.PATH_CUT) !== 0;
    // What the kernel had itself is whole; a name has its place before it.
    const path = cut ? (name_len > 0 ? name : base.subarray(1)) : name_len > 0 ? joinPath(base, name) : base_len === 0 ? ROOT : base;
    const pathField = { ...textField('path', path), ...(cut && name[0] !== 0x2f ? { path_partial: true } : {}) };
    const id = (facts & PathFact.HAS_FILE) !== 0 ? { file_id: fileIdOf(record) } : {};
    const who = process.who?.who;
    if (operation === FileOperation.FILE_OPEN) {
      const { open_flags } = record;
      const access = accessOf(open_flags);
      if (this.#dedup && access !== 'write' && access !== 'read_write' && (open_flags & (O_CREAT | 0o1000)) === 0) {
        if (this.#isRepeated(`${process.pid}.${process.start} ${access} ${result < 0 ? result : 0} ${path.toString('latin1')}`))
          return false;
      }
      const data = { ...who, ...pathField, ...openFields(record), ...id, ...errnoField(result) };
      this.#emitter.emit('file', 'file_open', data, ts, 0);
      return true;
    }
    const newCut = (facts & PathFact.NEW_PATH_CUT) !== 0;
    const from = base_len + name_len;
    const newName = text.subarray(from + new_base_len, from + new_base_len + new_name_len);
    const isSymlink = operation === FileOperation.FILE_SYMLINK;
    const newPath =
      new_name_len === 0 ? undefined : isSymlink || newCut ? newName : joinPath(text.subarray(from, from + new_base_len), newName);
    const data = {
      ...who,
      ...pathField,
      ...(newPath === undefined ? {} : textField('new_path', newPath)),
      ...(newCut && newName[0] !== 0x2f ? { new_path_partial: true } : {}),
      ...(operation === FileOperation.FILE_RENAME && (record.open_flags & RENAME_EXCHANGE) !== 0 ? { exchanged: true } : {}),
      ...(operation === FileOperation.FILE_TRUNCATE ? { size_bytes: record.size } : {}),
      ...(operation === FileOperation.FILE_CHMOD || operation === FileOperation.DIR_CREATE ? { mode: octal(mode) } : {}),
      ...id,
      ...errnoField(result),
    };
    this.#emitter.emit('file', TYPES[operation] ?? 'file_open', data, ts, 0);
    return true;
  }

  /** An open whose path needs no work: most of what there is. */
  #printsItself(record: RecFile): boolean {
    if (this.#dedup || record.operation !== FileOperation.FILE_OPEN || (record.facts & PathFact.PATH_CUT) !== 0) return false;
    const { base_len, name_len } = record;
    if (name_len === 0) return true;
    const name = record.text(record.len).subarray(base_len, base_len + name_len);
    return isPlain(name[0] === SLASH ? name.subarray(1) : name);
  }

  /** The same line as {@link tell} makes, by the addon. */
  #print(lines: RecordLines, process: Process, record: RecFile, bytes: Buffer, at: number, ts: number): void {
    const said = process.who as WhoSaid;
    const tail = this.#tail(lines, record);
    // Room for one text may have been made by forgetting all others.
    if (said.head?.age !== lines.age)
      said.head = this.#emitter.share(lines, `,"source":"file","event_type":"file_open","data":${JSON.stringify(said.who).slice(0, -1)}`);
    if (tail.age !== lines.age) this.#print(lines, process, record, bytes, at, ts);
    else this.#emitter.lineOfOpen(lines, bytes, at, record.len, said.head, tail, ts);
  }

  #tail(lines: RecordLines, record: RecFile): SharedText {
    const { open_flags, result, facts, mode } = record;
    const isUsual = result >= 0 && !mayMake(open_flags) && (facts & PathFact.FILE_CREATED) === 0;
    const key = isUsual ? open_flags : `${open_flags} ${Math.min(0, result)} ${facts & PathFact.FILE_CREATED} ${mode}`;
    const known = this.#tails.get(key);
    if (known !== undefined && known.age === lines.age) return known;
    const text = this.#emitter.share(lines, `,${JSON.stringify({ ...openFields(record), ...errnoField(result) }).slice(1, -1)}`);
    if (this.#tails.size >= TAILS_KNOWN) this.#tails.clear();
    this.#tails.set(key, text);
    return text;
  }

  #isRepeated(key: string): boolean {
    const repeated = this.#opens.delete(key);
    this.#opens.add(key);
    if (repeated) this.#suppressed++;
    else if (this.#opens.size > OPENS_KNOWN) this.#opens.delete(this.#opens.values().next().value as string);
    return repeated;
  }
}

const ROOT = Buffer.from('/');
const SLASH = 0x2f;
