/** A file whose time of modification says that the sensor lives: for liveness probes. */
import { closeSync, constants, futimesSync, openSync } from 'node:fs';
import { CommandError, EXIT } from '../stream/exit.js';

export class Pulse {
  #fd: number | undefined;

  /** Makes the file if need be, and keeps it open: the right to open it may be given up later. Throws a {@link CommandError}. */
  constructor(path: string) {
    try {
      this.#fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new CommandError(
        EXIT.io,
        `cannot open the heartbeat file ${path}: ${code ?? String(error)}`,
        code === 'ELOOP' ? 'It is a symbolic link: name the file itself' : 'Name a file in a directory that exists and may be written',
      );
    }
  }

  beat(): void {
    if (this.#fd === undefined) return;
    const now = Date.now() / 1000;
    try {
      futimesSync(this.#fd, now, now);
    } catch {
      // A file system that has become read-only: then the file grows old, as it should.
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
