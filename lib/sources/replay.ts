/** Recorded events as a source: the original bytes of files, compressed or not, and of stdin. */
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Batch } from '../stream/batch.js';
import { passAll } from '../stream/compose.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { cannotReadStdin } from '../stream/filter.js';
import { head, readHead } from '../stream/head.js';
import { LineFilter } from '../stream/line-filter.js';
import type { Outlet, Source } from '../stream/source.js';
import type { Stage } from '../stream/stage.js';
import { whereStage } from './where.js';

const READ_BYTES = 256 * 1024;
/** The longest single wait of `--speed`: so long a gap in the recording is not sat through at once, and a stop is heard. */
const LONGEST_WAIT_MS = 200;

interface Input {
  name: string;
  fd: number;
}

/**
 * Opens `files` (`-` is stdin) for a replay in that order.
 * @param speed `1` paces the events as they were recorded, `10` ten times as fast; undefined does not wait at all
 * @param where which events (where.ts); undefined for all
 * @throws CommandError when a file cannot be read or `speed` is no number: before anything is written
 */
export function openReplay(files: readonly string[], speed?: string, where?: string): Source {
  const selection = where === undefined ? undefined : whereStage(where);
  const factor = speed === undefined ? undefined : Number(speed);
  if (factor !== undefined && !(factor > 0 && Number.isFinite(factor))) {
    throw new CommandError(EXIT.usage, `option --speed: "${speed}" is not a number above 0`);
  }
  if (files.includes('-') && fstatSync(0).isDirectory()) throw cannotReadStdin('EISDIR');
  const inputs = files.map((name): Input => ({ name, fd: name === '-' ? 0 : open(name) }));
  return new Replay(inputs, factor, selection);
}

function open(name: string): number {
  try {
    const fd = openSync(name, 'r');
    if (!fstatSync(fd).isDirectory()) return fd;
    closeSync(fd);
  } catch (error) {
    throw cannotRead(name, error as NodeJS.ErrnoException);
  }
  throw new CommandError(EXIT.io, `cannot read ${name}: it is a directory`, 'Name the files in it');
}

function cannotRead(name: string, error: NodeJS.ErrnoException): CommandError {
  const what = name === '-' ? 'stdin' : name;
  if (error.code === 'Z_BUF_ERROR') {
    return new CommandError(EXIT.io, `${what} is cut short: its gzip data ends too early`, 'What could be read was replayed');
  }
  if (error.code?.startsWith('Z_'))
    return new CommandError(EXIT.io, `${what} is damaged: ${error.message}`, 'What could be read was replayed');
  const next: Record<string, string> = { ENOENT: 'There is no such file', EACCES: 'You may not read it: it may belong to root' };
  return new CommandError(EXIT.io, `cannot read ${what}: ${error.code ?? error.message}`, next[error.code ?? '']);
}

class Replay implements Source {
  readonly name = 'replay';
  readonly #inputs: readonly Input[];
  readonly #speed: number | undefined;
  readonly #selection: Stage | undefined;
  #stopped = false;
  #reading: Readable | undefined;
  /** `--speed`: the recording's time and ours at the first event. */
  #origin: { recorded: number; now: number } | undefined;

  constructor(inputs: readonly Input[], speed: number | undefined, selection: Stage | undefined) {
    this.#selection = selection;
    this.#inputs = inputs;
    this.#speed = speed;
  }

  async run(outlet: Outlet): Promise<number> {
    let malformed = 0;
    for (const input of this.#inputs) {
      if (this.#stopped) break;
      malformed += await this.#replay(input, outlet);
    }
    return malformed > 0 && !this.#stopped ? EXIT.malformed : EXIT.ok;
  }

  stop(): void {
    this.#stopped = true;
    this.#reading?.destroy();
  }

  /** One file to its end. Resolves with the number of malformed lines. */
  async #replay({ name, fd }: Input, outlet: Outlet): Promise<number> {
    const batch = new Batch();
    const lines = new LineFilter(this.#selection ?? passAll, batch, { warn() {} });
    try {
      for await (const chunk of this.#chunks(fd)) {
        lines.feed(chunk);
        await this.#give(batch, outlet);
        if (this.#stopped) return lines.malformed;
      }
    } catch (error) {
      if (this.#stopped) return lines.malformed;
      lines.end();
      await this.#give(batch, outlet);
      throw cannotRead(name, error as NodeJS.ErrnoException);
    }
    lines.end();
    await this.#give(batch, outlet);
    return lines.malformed;
  }

  /** The bytes of a file, decompressed when they begin as gzip does. */
  async *#chunks(fd: number): AsyncGenerator<Buffer> {
    const raw: Readable = fd === 0 ? process.stdin : createReadStream('', { fd, highWaterMark: READ_BYTES });
    this.#reading = raw;
    const iterator = raw[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let first = Buffer.alloc(0);
    while (first.length < 2) {
      const { value, done } = await iterator.next();
      if (done === true) break;
      first = Buffer.concat([first, value]);
    }
    const all = (async function* (): AsyncGenerator<Buffer> {
      if (first.length > 0) yield first;
      yield* { [Symbol.asyncIterator]: () => iterator };
    })();
    if (first[0] !== 0x1f || first[1] !== 0x8b) {
      yield* all;
      return;
    }
    const unzip = createGunzip({ chunkSize: READ_BYTES });
    // An error of either stream comes out of `unzip`.
    pipeline(Readable.from(all, { objectMode: false }), unzip, () => {});
    yield* unzip as AsyncIterable<Buffer>;
  }

  async #give(batch: Batch, outlet: Outlet): Promise<void> {
    const parts = batch.take();
    if (parts.length === 0) return;
    const lines = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (this.#speed === undefined) outlet.pushLines(lines);
    else await this.#pace(lines, outlet, this.#speed);
    await outlet.drained();
  }

  /** Gives each line when it is due. A line without a time is due with the one before it. */
  async #pace(lines: Buffer, outlet: Outlet, speed: number): Promise<void> {
    let given = 0;
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(10, start);
      const time = timestampOf(lines, start, end);
      if (time !== undefined) {
        this.#origin ??= { recorded: time, now: performance.now() };
        const due = this.#origin.now + (time - this.#origin.recorded) / speed;
        if (due > performance.now() && start > given) {
          outlet.pushLines(lines.subarray(given, start));
          given = start;
        }
        for (let wait = due - performance.now(); wait > 0 && !this.#stopped; wait = due - performance.now()) {
          await new Promise((resolve) => setTimeout(resolve, Math.min(wait, LONGEST_WAIT_MS)));
        }
        if (this.#stopped) return;
      }
      start = end + 1;
    }
    if (given < lines.length) outlet.pushLines(given === 0 ? lines : lines.subarray(given));
  }
}

function timestampOf(lines: Buffer, start: number, end: number): number | undefined {
  if (readHead(lines, start, end)) return Number.isFinite(head.timestamp) ? head.timestamp : undefined;
  const { timestamp } = JSON.parse(lines.toString('utf8', start, end)) as { timestamp?: unknown };
  return typeof timestamp === 'number' ? timestamp : undefined;
}
