/**
 * A policy file that anybody may write at any time: read while nobody has it open for writing, and followed through its
 * symlinks. What counts besides: a file that grew and was then left alone by a writer that stays. What does not: the
 * moment between a truncation and the writing.
 */
import { lstatSync, readlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { NameWatch, readWhole, WATCH } from '../../bpf/index.js';
import { MOST_BYTES } from '../../policy/deny-file.js';

/** As long is a file left alone that grew without being closed. */
const QUIET_MS = 20;
/** Where nothing can be watched (the directory is gone), it is looked for so often. */
const LOOK_MS = 250;
/** Links that a path may have. Linux follows as many. */
const MOST_LINKS = 40;

export class Unreadable extends Error {}

const WHY: Readonly<Record<string, string>> = {
  EISDIR: 'is a directory',
  ENOTSUP: 'is no regular file',
  EFBIG: `has more than ${MOST_BYTES} bytes`,
};

/** @throws Unreadable */
function read(path: string): { bytes: Buffer; written?: boolean } {
  try {
    return readWhole(path, MOST_BYTES);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new Unreadable(WHY[code] ?? `cannot be read: ${code}`);
  }
}

/** The names through which a path leads: its own, and those of the links on the way, each with its directory. */
function namesOnTheWay(path: string): { directory: string; name: string }[] {
  const names: { directory: string; name: string }[] = [];
  let rest = resolve(path).split('/').slice(1);
  let at = '/';
  for (let links = 0; rest.length > 0 && links <= MOST_LINKS; ) {
    const [name = '', ...more] = rest;
    const full = join(at, name);
    let target: string | undefined;
    try {
      if (lstatSync(full).isSymbolicLink()) target = readlinkSync(full);
    } catch {
      // It is not there (yet): its coming is waited for.
      names.push({ directory: at, name });
      return names;
    }
    if (target !== undefined || more.length === 0) names.push({ directory: at, name });
    if (target === undefined) [at, rest] = [full, more];
    else {
      links++;
      if (target.startsWith('/')) at = '/';
      rest = [...target.split('/').filter((part) => part !== '' && part !== '.'), ...more];
      // `..` of a link's target leads out of where the link is.
      while (rest[0] === '..') [at, rest] = [dirname(at), rest.slice(1)];
    }
  }
  return names;
}

export class PolicyFile {
  readonly path: string;
  #watches: NameWatch[] = [];
  #names = '';
  #last: Buffer | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #changed: (content: Buffer | Unreadable) => void;

  /** `changed` gets each content that counts and differs from the one before, and why there is none. */
  constructor(path: string, changed: (content: Buffer | Unreadable) => void) {
    this.path = path;
    this.#changed = changed;
  }

  /** The content now, and from now on whatever comes. @throws Unreadable */
  begin(): Buffer {
    this.#watch();
    this.#last = read(this.path).bytes;
    return this.#last;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#quiet);
    clearTimeout(this.#look);
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  #watch(): void {
    const names = namesOnTheWay(this.path);
    const text = JSON.stringify(names);
    if (text === this.#names) return;
    const before = this.#watches;
    this.#names = text;
    this.#watches = [];
    let whole = true;
    for (const { directory, name } of names) {
      try {
        this.#watches.push(new NameWatch(directory, basename(name), (mask) => this.#onChange(mask)));
      } catch {
        whole = false;
      }
    }
    for (const watch of before) watch.close();
    if (!whole) this.#lookAgain();
  }

  #lookAgain(): void {
    if (this.#closed) return;
    this.#names = '';
    clearTimeout(this.#look);
    this.#look = setTimeout(() => {
      this.#watch();
      this.#read(WATCH.movedTo);
    }, LOOK_MS);
  }

  #onChange(mask: number): void {
    if (this.#closed) return;
    if ((mask & WATCH.selfGone) !== 0) this.#lookAgain();
    if ((mask & ~(WATCH.modify | WATCH.closeWrite)) !== 0) this.#watch();
    this.#read(mask);
  }

  /** `mask`: what has happened; 0: nothing, it was only left alone for a while. */
  #read(mask: number): void {
    if (this.#closed) return;
    clearTimeout(this.#quiet);
    let content: Buffer;
    let written: boolean;
    try {
      const found = read(this.path);
      content = found.bytes;
      // Where leases are unknown, only a writer's end tells that it is whole.
      written = found.written ?? (mask & (WATCH.closeWrite | WATCH.movedTo)) === 0;
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (mask !== 0) this.#changed(error);
      return;
    }
    const last = this.#last ?? Buffer.alloc(0);
    if (content.equals(last)) return;
    if (written) {
      if (mask !== 0) this.#quiet = setTimeout(() => this.#read(0), QUIET_MS);
      // Whole lines more than before, and its writer pauses.
      if (mask !== 0 || content.at(-1) !== 10 || content.length < last.length || !content.subarray(0, last.length).equals(last)) return;
    }
    this.#last = content;
    this.#changed(content);
  }
}
