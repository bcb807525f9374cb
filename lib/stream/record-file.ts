/** `-o FILE`: events hold raw traffic, so the file belongs to one user; with a limit it is continued in further files. */
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, ftruncateSync, openSync, renameSync, statSync } from 'node:fs';
import { Batch } from './batch.js';
import { CommandError, EXIT } from './exit.js';
import { typeOf } from './head.js';
import { LineReader } from './ndjson.js';
import { type Destination, FdOutput } from './output.js';

/** How many process_infos a further file begins with; the oldest are left out beyond that. */
const MOST_PROCESSES = 4096;

/** The user who called sudo; undefined without sudo. */
function invokingUser(): { uid: number; gid: number } | undefined {
  const { SUDO_UID, SUDO_GID } = process.env;
  if (process.geteuid?.() !== 0 || SUDO_UID === undefined || SUDO_GID === undefined) return undefined;
  if (!/^\d{1,10}$/.test(SUDO_UID) || !/^\d{1,10}$/.test(SUDO_GID)) return undefined;
  return { uid: Number(SUDO_UID), gid: Number(SUDO_GID) };
}

/**
 * Opens `path` empty, with mode 0600 and, under sudo, the invoking user as its owner. A link that somebody else laid
 * there must not make root write (or give away) another file: symbolic links and hard-linked files are refused.
 */
function openPrivate(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const next: Record<string, string> = {
      ELOOP: 'It is a symbolic link: name the file itself',
      ENOENT: 'Make its directory first',
      EACCES: 'You may not write there: name another file',
      EISDIR: 'It is a directory: name a file in it',
    };
    throw new CommandError(EXIT.io, `cannot open ${path} for writing: ${code}`, next[code ?? '']);
  }
  const stat = fstatSync(fd);
  if (!stat.isFile()) return fd;
  const user = invokingUser();
  const owners = [process.geteuid?.(), user?.uid];
  if (stat.nlink !== 1 || !owners.includes(stat.uid)) {
    closeSync(fd);
    throw new CommandError(EXIT.io, `will not write to ${path}: it belongs to somebody else or has another name too`, 'Name a new file');
  }
  try {
    fchmodSync(fd, 0o600);
    ftruncateSync(fd, 0);
    if (user !== undefined) fchownSync(fd, user.uid, user.gid);
  } catch (error) {
    closeSync(fd);
    throw new CommandError(
      EXIT.io,
      `cannot make ${path} private: ${(error as NodeJS.ErrnoException).code}`,
      'Name a file on another file system',
    );
  }
  return fd;
}

/** Opens the file that `-o` names; with `rotateBytes` it is continued in further files. Throws a {@link CommandError}. */
export function openRecordFile(path: string, rotateBytes?: number): Destination {
  const output = new FdOutput(openPrivate(path));
  return rotateBytes === undefined ? output : new RotatingFile(path, rotateBytes, output);
}

/**
 * The newest events are always in FILE; when it is full it becomes FILE.1, the next time FILE.2, and so on. Each file
 * begins with a copy of the sensor_start and of the process_infos before it, so that it can be read alone.
 */
class RotatingFile implements Destination {
  error: NodeJS.ErrnoException | undefined;
  onError: ((error: NodeJS.ErrnoException) => void) | undefined;
  readonly #path: string;
  readonly #most: number;
  #output: FdOutput;
  /** Full files whose last bytes are still being written. */
  readonly #ending = new Set<FdOutput>();
  /** Bytes that earlier files were given. */
  #accepted = 0;
  #bytes = 0;
  #headBytes = 0;
  #number = 0;
  readonly #batch = new Batch();
  readonly #sensors = new Map<string, Buffer>();
  readonly #processes = new Map<string, Buffer>();
  /** What arrives here are our own lines: none is too long. */
  readonly #reader = new LineReader(
    { line: (buf, start, end) => this.#line(buf, start, end), overlong() {} },
    { maxLineBytes: Number.MAX_SAFE_INTEGER },
  );

  constructor(path: string, most: number, output: FdOutput) {
    this.#path = path;
    this.#most = most;
    this.#output = output;
    output.onError = (error) => this.#fail(error);
  }

  write(parts: readonly Buffer[]): void {
    if (this.error !== undefined) return;
    for (const part of parts) this.#reader.feed(part);
    this.#output.write(this.#batch.take());
  }

  acceptedBytes(): number {
    return this.#accepted + this.#output.acceptedBytes();
  }

  queuedBytes(): number {
    let bytes = this.#output.queuedBytes();
    for (const output of this.#ending) bytes += output.queuedBytes();
    return bytes;
  }

  async drained(bytes: number): Promise<void> {
    await Promise.all([this.#output, ...this.#ending].map((output) => output.drained(bytes)));
  }

  #line(buf: Buffer, start: number, end: number): void {
    const length = end - start + 1;
    if (this.#bytes > this.#headBytes && this.#bytes + length > this.#most) this.#rotate();
    this.#bytes += length;
    this.#batch.line(buf, start, end);
    const type = typeOf(buf, start, end);
    if (type === 'sensor_start' || type === 'process_info' || type === 'process_exit') this.#remember(type, buf.subarray(start, end));
  }

  #remember(type: string, line: Buffer): void {
    let event: { id?: unknown; data?: { pid?: unknown; start_us?: unknown } };
    try {
      event = JSON.parse(line.toString()) as typeof event;
    } catch {
      return;
    }
    if (type === 'sensor_start') {
      this.#sensors.set(String(event.id), Buffer.from(line));
      return;
    }
    const key = `${event.data?.pid}.${event.data?.start_us}`;
    this.#processes.delete(key);
    if (type === 'process_exit') return;
    this.#processes.set(key, Buffer.from(line));
    if (this.#processes.size > MOST_PROCESSES) this.#processes.delete(this.#processes.keys().next().value as string);
  }

  #rotate(): void {
    const full = this.#output;
    full.write(this.#batch.take());
    try {
      do this.#number++;
      while (statSync(`${this.#path}.${this.#number}`, { throwIfNoEntry: false }) !== undefined);
      renameSync(this.#path, `${this.#path}.${this.#number}`);
      this.#output = new FdOutput(openPrivate(this.#path));
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException);
      return;
    }
    this.#output.onError = full.onError;
    this.#accepted += full.acceptedBytes();
    this.#ending.add(full);
    void full.drained(0).then(() => {
      this.#ending.delete(full);
      full.close();
    });
    this.#bytes = 0;
    for (const line of [...this.#sensors.values(), ...this.#processes.values()]) {
      this.#batch.line(line, 0, line.length);
      this.#bytes += line.length + 1;
    }
    this.#headBytes = this.#bytes;
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.error !== undefined) return;
    this.error = error;
    this.onError?.(error);
  }
}
