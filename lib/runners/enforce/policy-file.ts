/**
 * A policy file that anybody may write at any time: read whole when it is whole, and followed through its symlinks.
 * What counts: a name that came to mean another file, a writer that closed it, and a file that grew and was then left
 * alone. What does not: the moment between a truncation and the writing.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { NameWatch, WATCH } from '../../bpf/index.js';
import { MOST_BYTES } from '../../policy/deny-file.js';

/** As long is a file left alone that grew without being closed. */
const QUIET_MS = 20;
/** Where nothing can be watched (the directory is gone), it is looked for so often. */
const LOOK_MS = 250;
/** Links that a path may have. Linux follows as many. */
const MOST_LINKS = 40;

export class Unreadable extends Error {}

/** The whole content. Never waits, whatever the name stands for. @throws Unreadable */
export function readWhole(path: string): Buffer {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw new Unreadable(`cannot be opened: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Unreadable('is no regular file');
    if (stat.size > MOST_BYTES) throw new Unreadable(`has ${stat.size} bytes; a policy may have ${MOST_BYTES}`);
    const parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const part = Buffer.allocUnsafe(Math.max(65_536, stat.size - length + 1));
      const n = readSync(fd, part, 0, part.length, null);
      if (n === 0) return Buffer.concat(parts);
      length += n;
      if (length > MOST_BYTES) throw new Unreadable(`has more than ${MOST_BYTES} bytes`);
      parts.push(part.subarray(0, n));
    }
  } catch (error) {
    if (error instanceof Unreadable) throw error;
    throw new Unreadable(`cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  } finally {
    closeSync(fd);
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
    this.#last = readWhole(this.path);
    return this.#last;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#quiet);
    clearTimeout(this.#look);
    for (const watch of this.#watches) watch.close();
    this.#watches = [];
  }

  /** Whether the way to it has changed. */
  #watch(): boolean {
    const names = namesOnTheWay(this.path);
    const text = JSON.stringify(names);
    if (text === this.#names) return false;
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
    return true;
  }

  #lookAgain(): void {
    if (this.#closed) return;
    this.#names = '';
    clearTimeout(this.#look);
    this.#look = setTimeout(() => {
      this.#watch();
      this.#read(false);
    }, LOOK_MS);
  }

  #onChange(mask: number): void {
    if (this.#closed) return;
    if ((mask & WATCH.selfGone) !== 0) this.#lookAgain();
    const moved = (mask & ~(WATCH.modify | WATCH.closeWrite)) !== 0 && this.#watch();
    if (moved || (mask & (WATCH.closeWrite | WATCH.movedTo | WATCH.movedFrom | WATCH.delete)) !== 0) {
      clearTimeout(this.#quiet);
      this.#read(false);
    } else if ((mask & (WATCH.modify | WATCH.create)) !== 0) {
      clearTimeout(this.#quiet);
      // A second name of a file (link(2)) comes without anything being written.
      this.#quiet = setTimeout(() => this.#read((mask & WATCH.modify) !== 0, true), QUIET_MS);
    }
  }

  /** `grown`: it only counts when what was there before is its beginning, and it ends with a line. */
  #read(grown: boolean, created = false): void {
    if (this.#closed) return;
    let content: Buffer;
    try {
      content = readWhole(this.path);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (!grown) this.#changed(error);
      return;
    }
    const last = this.#last ?? Buffer.alloc(0);
    // Just made, and its writer has not begun.
    if (created && content.length === 0) return;
    if (grown && (content.length < last.length || content.at(-1) !== 10 || !content.subarray(0, last.length).equals(last))) return;
    if (this.#last !== undefined && content.equals(this.#last)) return;
    this.#last = content;
    this.#changed(content);
  }
}
