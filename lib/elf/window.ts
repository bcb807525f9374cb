/** Random access to a file in pieces: a binary of 300 MB is looked at without being read. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const PAGE_BYTES = 64 * 1024;
const PAGES_KEPT = 32;

/** A file open for reading, with its last pages kept. Reads past the end give what there is. */
export class FileWindow {
  readonly path: string;
  readonly size: number;
  readonly dev: number;
  readonly ino: number;
  readonly #fd: number;
  readonly #pages = new Map<number, Buffer>();

  /** Throws what open(2) throws. Refuses what is not a regular file, which could block or never end. */
  constructor(path: string | Buffer) {
    this.path = typeof path === 'string' ? path : path.toString('latin1');
    this.#fd = openSync(path, 'r');
    const stat = fstatSync(this.#fd);
    this.size = stat.size;
    this.dev = stat.dev;
    this.ino = stat.ino;
    if (!stat.isFile()) {
      closeSync(this.#fd);
      throw new Error('not a regular file');
    }
  }

  #page(index: number): Buffer {
    const kept = this.#pages.get(index);
    if (kept !== undefined) return kept;
    const page = Buffer.allocUnsafe(PAGE_BYTES);
    let filled = 0;
    while (filled < PAGE_BYTES) {
      const n = readSync(this.#fd, page, filled, PAGE_BYTES - filled, index * PAGE_BYTES + filled);
      if (n === 0) break;
      filled += n;
    }
    if (this.#pages.size >= PAGES_KEPT) this.#pages.delete(this.#pages.keys().next().value as number);
    const bytes = page.subarray(0, filled);
    this.#pages.set(index, bytes);
    return bytes;
  }

  /** Bytes from `offset`, fewer than `length` where the file ends; none for an offset that no file has. */
  read(offset: number, length: number): Buffer {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= this.size || length <= 0) return Buffer.alloc(0);
    const end = Math.min(offset + length, this.size);
    const first = Math.floor(offset / PAGE_BYTES);
    const last = Math.floor((end - 1) / PAGE_BYTES);
    if (first === last) return this.#page(first).subarray(offset - first * PAGE_BYTES, end - first * PAGE_BYTES);
    // Long stretches go past the cache, so that a scan does not empty it.
    const out = Buffer.alloc(end - offset);
    let filled = 0;
    while (filled < out.length) {
      const n = readSync(this.#fd, out, filled, out.length - filled, offset + filled);
      if (n === 0) break;
      filled += n;
    }
    return out.subarray(0, filled);
  }

  /** Fills `buffer` from `offset` on; how many bytes there were. Keeps nothing. */
  readInto(buffer: Uint8Array, offset: number): number {
    if (!Number.isSafeInteger(offset) || offset < 0) return 0;
    let filled = 0;
    while (filled < buffer.length) {
      const n = readSync(this.#fd, buffer, filled, buffer.length - filled, offset + filled);
      if (n === 0) break;
      filled += n;
    }
    return filled;
  }

  /** What tells one state of the file from another on this host, and when it was last changed (ctime). */
  state(): { state: string; changedMs: number } {
    const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(this.#fd, { bigint: true });
    return { state: [dev, ino, size, mtimeNs, ctimeNs].join(':'), changedMs: Number(ctimeNs / 1_000_000n) };
  }

  /** A path that leads to this very file, whatever happens to its name and to the process that showed it. Until it is closed. */
  get descriptorPath(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  close(): void {
    this.#pages.clear();
    closeSync(this.#fd);
  }
}
