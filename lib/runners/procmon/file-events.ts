/** What is done to files, from the records of the system calls' ends. */
import { FileOperation, PathFact, RecFile } from '../../bpf/records.gen.js';
import { textField } from '../../stream/payload.js';
import type { Emitter } from '../emitter.js';
import { errnoField } from './errno.js';
import { fileIdOf, type Process } from './model.js';
import { joinPath } from './paths.js';

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

export class FileEvents {
  readonly #emitter: Emitter;
  readonly #dedup: boolean;
  readonly #record = new RecFile();
  readonly #opens = new Set<string>();
  #suppressed = 0;

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
      const access = (open_flags & O_PATH) !== 0 ? 'path' : (ACCESS[open_flags & 3] as string);
      if (this.#dedup && access !== 'write' && access !== 'read_write' && (open_flags & (O_CREAT | 0o1000)) === 0) {
        if (this.#isRepeated(`${process.pid}.${process.start} ${access} ${result < 0 ? result : 0} ${path.toString('latin1')}`))
          return false;
      }
      const data = {
        ...who,
        ...pathField,
        access,
        flags: flagNames(open_flags),
        ...((open_flags & (O_CREAT | (O_TMPFILE & ~0o200000))) === 0 ? {} : { mode: octal(mode) }),
        ...((facts & PathFact.FILE_CREATED) === 0 ? {} : { created: true }),
        ...id,
        ...errnoField(result),
      };
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

  #isRepeated(key: string): boolean {
    const repeated = this.#opens.delete(key);
    this.#opens.add(key);
    if (repeated) this.#suppressed++;
    else if (this.#opens.size > OPENS_KNOWN) this.#opens.delete(this.#opens.values().next().value as string);
    return repeated;
  }
}

const ROOT = Buffer.from('/');
