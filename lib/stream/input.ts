/**
 * Reads stdin into buffers that are used again and again: what Node allocates for each read outlives it until the next
 * garbage collection, and a filter that passes on gigabytes would hold tens of megabytes of them.
 */
import { fstatSync, read } from 'node:fs';
import type { Socket } from 'node:net';

/** A pipe holds 64 KiB unless somebody made it larger; of a file more can be had at once. */
const PIPE_BYTES = 64 * 1024;
const FILE_BYTES = 256 * 1024;

export interface InputHandler {
  /** Bytes, to be kept as they are until `doneWith(mark())`. Returns false to be left alone until {@link Input.resume}. */
  chunk(bytes: Buffer): boolean;
  end(): void;
  error(error: NodeJS.ErrnoException): void;
  /** A number for everything that was handed over until now. */
  mark(): number;
  /** Whether what was handed over until that mark is needed no more. */
  doneWith(mark: number): boolean;
}

export interface Input {
  resume(): void;
  /** Reads no more. */
  stop(): void;
}

/** Buffers of one size: given out one by one, and taken back when what they held is needed no more. */
class Pool {
  readonly #free: Buffer[] = [];
  readonly #busy: { buffer: Buffer; mark: number }[] = [];
  #current: Buffer | undefined;
  constructor(
    readonly size: number,
    readonly handler: InputHandler,
  ) {}

  /** The next buffer to read into; the one before it has been handed over. */
  next(): Buffer {
    if (this.#current !== undefined) this.#busy.push({ buffer: this.#current, mark: this.handler.mark() });
    for (let first = this.#busy[0]; first !== undefined && this.handler.doneWith(first.mark); first = this.#busy[0]) {
      this.#free.push(first.buffer);
      this.#busy.shift();
    }
    this.#current = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.size);
    return this.#current;
  }
}

/** Begins to read stdin. What is neither a file nor a pipe nor a socket (a terminal) is read as Node does it. */
export async function readInput(handler: InputHandler): Promise<Input> {
  const stat = fstatSync(0);
  // Node makes an empty stream of a directory instead of an error.
  if (stat.isDirectory()) {
    handler.error(Object.assign(new Error('is a directory'), { code: 'EISDIR' }));
    return { resume() {}, stop() {} };
  }
  if (stat.isFIFO() || stat.isSocket()) return readSocket(handler);
  const { isatty } = await import('node:tty');
  return isatty(0) ? readTerminal(handler) : readFile(handler);
}

async function readSocket(handler: InputHandler): Promise<Input> {
  const { Socket } = await import('node:net');
  const pool = new Pool(PIPE_BYTES, handler);
  let stopped = false;
  const socket: Socket = new Socket({
    fd: 0,
    readable: true,
    writable: false,
    onread: {
      buffer: () => pool.next(),
      callback: (length: number, buffer: Uint8Array) => !stopped && handler.chunk((buffer as Buffer).subarray(0, length)),
    },
  } as ConstructorParameters<typeof Socket>[0]);
  socket.on('end', () => handler.end());
  socket.on('error', (error) => handler.error(error));
  socket.resume();
  return {
    resume: () => void socket.resume(),
    stop() {
      stopped = true;
      socket.pause();
    },
  };
}

function readFile(handler: InputHandler): Input {
  const pool = new Pool(FILE_BYTES, handler);
  let stopped = false;
  const next = (): void => {
    const buffer = pool.next();
    read(0, buffer, 0, buffer.length, null, (error, length) => {
      if (stopped) return;
      if (error !== null) handler.error(error);
      else if (length === 0) handler.end();
      else if (handler.chunk(buffer.subarray(0, length))) next();
    });
  };
  next();
  return {
    resume: next,
    stop() {
      stopped = true;
    },
  };
}

function readTerminal(handler: InputHandler): Input {
  const { stdin } = process;
  stdin.on('data', (chunk: Buffer) => {
    if (!handler.chunk(chunk)) stdin.pause();
  });
  stdin.on('end', () => handler.end());
  stdin.on('error', (error) => handler.error(error));
  return {
    resume: () => void stdin.resume(),
    stop() {
      stdin.removeAllListeners('data');
      stdin.pause();
    },
  };
}
