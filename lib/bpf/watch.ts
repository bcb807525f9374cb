/** Changes to one name in a directory, by inotify(7): with what Node's fs.watch leaves out. */
import { isNativeError } from './errors.js';
import { native, type WatchHandle } from './native.js';

/** Bits of what has happened. */
export const WATCH = {
  modify: 0x2,
  closeWrite: 0x8,
  movedFrom: 0x40,
  movedTo: 0x80,
  create: 0x100,
  delete: 0x200,
  /** The directory itself is gone: nothing more will be told. */
  selfGone: 0x400 | 0x800 | 0x8000,
} as const;

export class NameWatch {
  readonly #handle: WatchHandle;

  /** `tell` gets the bits of all that has happened since it was last called. @throws an error with `code` when the directory cannot be watched */
  constructor(directory: string, name: string, tell: (mask: number) => void) {
    try {
      this.#handle = native().watchOpen(directory, name, tell);
    } catch (error) {
      if (!isNativeError(error)) throw error;
      throw Object.assign(new Error(`cannot watch ${directory}: ${error.errno}`), { code: error.errno });
    }
  }

  close(): void {
    native().watchClose(this.#handle);
  }
}

/**
 * The content of a regular file that others may write, at most `most` bytes. `written`: somebody has it open for writing;
 * undefined where the file system cannot tell. Never waits. @throws an error with `code`: EISDIR, ENOTSUP, EFBIG …
 */
export function readWhole(path: string, most: number): { bytes: Buffer; written?: boolean } {
  try {
    return native().readWhole(path, most);
  } catch (error) {
    if (!isNativeError(error)) throw error;
    throw Object.assign(new Error(`cannot ${error.step} ${path}: ${error.errno}`), { code: error.errno });
  }
}
