/**
 * Where lines go: a file descriptor, written in the background, so that a slow reader never stops the process from
 * handling signals, and what waits is known in bytes.
 */
import { closeSync, fstatSync, writev, writevSync } from 'node:fs';

/** Somewhere to write to. Errors are kept in `error`; what is written after one is dropped. */
export interface Destination {
  /** Parts in order, taken over. */
  write(parts: readonly Buffer[]): void;
  /** Bytes that were given to `write` until now. Less `queuedBytes()`, it is how many are through: in order. */
  acceptedBytes(): number;
  /** Bytes that were written and not yet taken. */
  queuedBytes(): number;
  /** Resolves when at most `bytes` wait, or when writing has failed. */
  drained(bytes: number): Promise<void>;
  /** The first error: EPIPE when the reader is gone. */
  readonly error: NodeJS.ErrnoException | undefined;
  /** Called once, with the first error. */
  onError: ((error: NodeJS.ErrnoException) => void) | undefined;
}

/** Linux takes at most 1024 parts in one writev(2). */
const MOST_PARTS = 1024;
/** Pause before a descriptor that another process made non-blocking is tried again. */
const RETRY_MS = 2;

export class FdOutput implements Destination {
  error: NodeJS.ErrnoException | undefined;
  onError: ((error: NodeJS.ErrnoException) => void) | undefined;
  readonly #fd: number;
  #waiting: Buffer[] = [];
  #accepted = 0;
  #queued = 0;
  #writing = false;
  #drains: { bytes: number; done: () => void }[] = [];
  /**
   * A file takes what it is given, so it is written at once: to hand each write to another thread and hear of it costs more
   * than the write, far more where a virtual CPU has to be woken.
   */
  readonly #isFile: boolean;

  constructor(fd: number) {
    this.#fd = fd;
    this.#isFile = isRegularFile(fd);
  }

  write(parts: readonly Buffer[]): void {
    if (this.error !== undefined) return;
    for (const part of parts) {
      if (part.length === 0) continue;
      this.#waiting.push(part);
      this.#queued += part.length;
      this.#accepted += part.length;
    }
    if (!this.#writing && this.#waiting.length > 0) this.#next();
  }

  acceptedBytes(): number {
    return this.#accepted;
  }

  queuedBytes(): number {
    return this.#queued;
  }

  drained(bytes: number): Promise<void> {
    if (this.#queued <= bytes || this.error !== undefined) return Promise.resolve();
    return new Promise((done) => this.#drains.push({ bytes, done }));
  }

  /** Closes the descriptor. What still waits is lost. */
  close(): void {
    closeSync(this.#fd);
  }

  #next(): void {
    this.#writing = true;
    const parts = this.#waiting.length <= MOST_PARTS ? this.#waiting : this.#waiting.slice(0, MOST_PARTS);
    this.#waiting = this.#waiting.length <= MOST_PARTS ? [] : this.#waiting.slice(MOST_PARTS);
    if (this.#isFile) this.#writeNow(parts);
    else writev(this.#fd, parts, null, (error, written) => this.#wrote(parts, error, written));
  }

  #writeNow(parts: Buffer[]): void {
    let written = 0;
    let failure: NodeJS.ErrnoException | null = null;
    try {
      written = writevSync(this.#fd, parts);
    } catch (error) {
      failure = error as NodeJS.ErrnoException;
    }
    this.#wrote(parts, failure, written);
  }

  #wrote(parts: Buffer[], error: NodeJS.ErrnoException | null, written: number): void {
    if (error !== null && error.code !== 'EAGAIN') {
      this.error = error;
      this.#waiting = [];
      this.#queued = 0;
      this.#settle();
      this.onError?.(error);
      return;
    }
    let taken = error === null ? written : 0;
    this.#queued -= taken;
    let first = 0;
    while (first < parts.length && taken >= (parts[first] as Buffer).length) taken -= (parts[first++] as Buffer).length;
    if (first < parts.length) {
      const rest = parts.slice(first);
      rest[0] = (rest[0] as Buffer).subarray(taken);
      this.#waiting = rest.concat(this.#waiting);
    }
    this.#settle();
    if (error !== null) setTimeout(() => this.#next(), RETRY_MS);
    else if (this.#waiting.length > 0) this.#next();
    else this.#writing = false;
  }

  #settle(): void {
    if (this.#drains.length === 0) return;
    const due = this.#drains.filter((drain) => this.error !== undefined || this.#queued <= drain.bytes);
    if (due.length === 0) return;
    this.#drains = this.#drains.filter((drain) => !due.includes(drain));
    for (const drain of due) drain.done();
  }
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
