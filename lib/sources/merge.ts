/**
 * Several streams as one, by boot time. Lines of one input keep their order; between inputs the earliest goes first, and
 * what is equal goes by the inputs' first lines, so that the order of the arguments makes no difference.
 *
 * A line of one input may go when no other can have an earlier one: each input says by its own last line, at the latest
 * by its heartbeat, up to when it has told everything. A live input that says nothing for two heartbeats is not waited for.
 */
import { closeSync, constants, createReadStream, fstatSync, open as openFile } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Batch } from '../stream/batch.js';
import { passAll } from '../stream/compose.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { count, facts, num, text } from '../stream/facts.js';
import { head, readHead } from '../stream/head.js';
import { LineFilter } from '../stream/line-filter.js';
import type { Outlet, Source } from '../stream/source.js';

const READ_BYTES = 64 * 1024;
/** An input is left alone while so much of it waits for the others. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;
/** Streams of one input whose clocks are known: an input may be merged itself. */
const MOST_STREAMS = 1024;
/** A heartbeat's length where none has been seen. */
const HEARTBEAT_MS = 1000;
/** Heartbeats that a live input may be silent before it is not waited for. */
const PATIENCE = 2;

interface Waiting {
  key: number;
  line: Buffer;
}

interface Clock {
  boot: string;
  offset: number;
}

/** One input: what waits of it, and up to when it has told everything. */
class Input {
  readonly waiting: Waiting[] = [];
  at = 0;
  bytes = 0;
  ended = false;
  /** Not before anything of it was seen. */
  first: string | undefined;
  /** Of its last line: no later one is earlier. */
  mark = Number.NEGATIVE_INFINITY;
  heartbeatMs = HEARTBEAT_MS;
  /** It is being waited for since then, by performance.now. */
  awaited: number | undefined;
  /** It has been silent for too long. */
  skipped = false;
  live = false;
  malformed = 0;
  reading: Readable | undefined;
  wake: (() => void) | undefined;
  readonly clocks = new Map<string, Clock>();
  clock: Clock | undefined;

  constructor(
    readonly name: string,
    readonly index: number,
  ) {}

  get head(): Waiting | undefined {
    return this.waiting[this.at];
  }

  take(): Waiting {
    const taken = this.waiting[this.at++] as Waiting;
    this.bytes -= taken.line.length;
    if (this.at > 1024) {
      this.waiting.splice(0, this.at);
      this.at = 0;
    }
    if (this.bytes < MOST_WAITING_BYTES) {
      this.wake?.();
      this.wake = undefined;
    }
    return taken;
  }
}

export function openMerge(files: readonly string[], warn: (sentence: string) => void = () => {}): Source {
  if (files.filter((file) => file === '-').length > 1) throw new CommandError(EXIT.usage, 'stdin can be read once only');
  return new Merge(files, warn);
}

class Merge implements Source {
  readonly name = 'merge';
  readonly #inputs: Input[];
  readonly #warn: (sentence: string) => void;
  #stopped = false;
  #failure: CommandError | undefined;
  #wake: (() => void) | undefined;
  /** The wall clock's offset of each boot, to put different machines in one order: settled before the first line goes. */
  readonly #boots = new Map<string, number>();
  #settled = false;

  constructor(files: readonly string[], warn: (sentence: string) => void) {
    this.#inputs = files.map((name, index) => new Input(name, index));
    this.#warn = warn;
  }

  stop(): void {
    this.#stopped = true;
    for (const input of this.#inputs) {
      input.reading?.destroy();
      input.wake?.();
    }
    this.#wake?.();
  }

  async run(outlet: Outlet): Promise<number> {
    for (const input of this.#inputs) void this.#read(input);
    while (this.#failure === undefined) {
      this.#give(outlet);
      await outlet.drained();
      if (this.#stopped || this.#inputs.every((input) => input.ended && input.head === undefined)) break;
      if (this.#ready() !== undefined) continue;
      await this.#pause();
    }
    if (this.#stopped || this.#failure !== undefined) for (const input of this.#inputs) input.reading?.destroy();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#inputs.some((input) => input.malformed > 0) && !this.#stopped ? EXIT.malformed : EXIT.ok;
  }

  /** Everything that may go now, as one piece. */
  #give(outlet: Outlet): void {
    const lines: Buffer[] = [];
    let bytes = 0;
    for (let next = this.#ready(); next !== undefined && bytes < MOST_WAITING_BYTES; next = this.#ready()) {
      const { line } = next.take();
      lines.push(line);
      bytes += line.length;
    }
    if (lines.length > 0) outlet.pushLines(Buffer.concat(lines));
  }

  /** False while an input has to be waited for that has nothing to give. */
  #patient(input: Input): boolean {
    const now = performance.now();
    input.awaited ??= now;
    if (!input.live || now - input.awaited < PATIENCE * input.heartbeatMs) return false;
    input.skipped = true;
    this.#warn(`${input.name} has been silent for ${PATIENCE} heartbeats and is not waited for; what it says later may come out of order`);
    return true;
  }

  /** The clocks by which all is put in order follow from the first lines of all inputs, in whatever order these come. */
  #settle(): boolean {
    if (this.#settled) return true;
    if (!this.#inputs.some((input) => input.first !== undefined)) return false;
    for (const input of this.#inputs)
      if (input.first === undefined && !input.ended && !input.skipped && !this.#patient(input)) return false;
    this.#settled = true;
    for (const { first } of this.#inputs) {
      if (first === undefined) continue;
      const event = facts(JSON.parse(Buffer.from(first, 'latin1').toString('utf8')));
      const data = facts(event.data);
      const [boot, offset] = [text(data, 'boot_id'), num(data, 'clock_offset_us')];
      if (event.event_type !== 'sensor_start' || boot === undefined || offset === undefined) continue;
      this.#boots.set(boot, Math.min(this.#boots.get(boot) ?? offset, offset));
    }
    for (const input of this.#inputs) for (const each of input.waiting) this.#date(input, each);
    return true;
  }

  #date(input: Input, waiting: Waiting): void {
    input.mark = Math.max(input.mark, this.#keyOf(input, waiting.line));
    waiting.key = input.mark;
  }

  /** The input whose line goes next; undefined when another has to be waited for. */
  #ready(): Input | undefined {
    if (!this.#settle()) return undefined;
    let best: Input | undefined;
    for (const input of this.#inputs) {
      if (input.head !== undefined && (best === undefined || before(input, input.head.key, best, (best.head as Waiting).key))) best = input;
    }
    const wanted = best?.head;
    if (best === undefined || wanted === undefined) return undefined;
    for (const input of this.#inputs) {
      if (input.ended || input.head !== undefined) {
        input.awaited = undefined;
        continue;
      }
      if (input.skipped || (input.first !== undefined && before(best, wanted.key, input, input.mark))) continue;
      const now = performance.now();
      input.awaited ??= now;
      if (!input.live || now - input.awaited < PATIENCE * input.heartbeatMs) return undefined;
      input.skipped = true;
      this.#warn(
        `${input.name} has been silent for ${PATIENCE} heartbeats and is not waited for; what it says later may come out of order`,
      );
    }
    return best;
  }

  /** Until an input has more, or the longest wait is over. */
  async #pause(): Promise<void> {
    let due = Number.POSITIVE_INFINITY;
    for (const input of this.#inputs)
      if (input.awaited !== undefined && input.live && !input.skipped) due = Math.min(due, input.awaited + PATIENCE * input.heartbeatMs);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (Number.isFinite(due)) timer = setTimeout(resolve, Math.max(1, due - performance.now()));
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }

  async #read(input: Input): Promise<void> {
    const batch = new Batch();
    const lines = new LineFilter(passAll, batch, { warn() {} });
    try {
      const stream = await openInput(input);
      input.reading = stream;
      for await (const chunk of stream) {
        lines.feed(chunk as Buffer);
        this.#hold(input, batch);
        if (this.#stopped) return;
        if (input.bytes >= MOST_WAITING_BYTES)
          await new Promise<void>((resolve) => {
            input.wake = resolve;
          });
      }
      lines.end();
      this.#hold(input, batch);
    } catch (error) {
      if (this.#stopped) return;
      const { code, message } = error as NodeJS.ErrnoException;
      this.#failure ??=
        error instanceof CommandError
          ? error
          : new CommandError(EXIT.io, `cannot read ${input.name}: ${code ?? message}`, NEXT[code ?? '']);
    } finally {
      input.malformed = lines.malformed;
      input.ended = true;
      this.#wake?.();
    }
  }

  #hold(input: Input, batch: Batch): void {
    for (const part of batch.take()) {
      for (let start = 0; start < part.length; ) {
        const newline = part.indexOf(10, start);
        const end = newline < 0 ? part.length : newline + 1;
        const line = Buffer.from(part.subarray(start, end));
        input.first ??= line.toString('latin1');
        const waiting = { key: 0, line };
        if (this.#settled) this.#date(input, waiting);
        input.waiting.push(waiting);
        input.bytes += line.length;
        start = end;
      }
    }
    if (input.bytes > 0) {
      input.skipped = false;
      input.awaited = undefined;
    }
    this.#wake?.();
  }

  /** Boot time in microseconds, on the wall clock that its boot began with; a line without a time goes with the one before. */
  #keyOf(input: Input, line: Buffer): number {
    const end = line.length - 1;
    const known = readHead(line, 0, end);
    const type = known ? head.type : undefined;
    let { id, timestamp } = head;
    if (!known || type === 'sensor_start' || type === 'clock_sync' || type === 'heartbeat') {
      const event = facts(JSON.parse(line.toString('utf8', 0, end)));
      id = text(event, 'id') ?? '';
      timestamp = num(event, 'timestamp') ?? Number.NaN;
      const eventType = text(event, 'event_type');
      // What sets the clock speaks of the lines behind it: its own time is by the clock before.
      const key = eventType === 'clock_sync' ? this.#timeOf(input, id, timestamp) : undefined;
      this.#learn(input, id, eventType, facts(event.data));
      if (key !== undefined) return key;
    }
    return this.#timeOf(input, id, timestamp);
  }

  #timeOf(input: Input, id: string, timestamp: number): number {
    if (!Number.isFinite(timestamp)) return Number.NEGATIVE_INFINITY;
    const clock = input.clocks.get(id.slice(0, id.lastIndexOf('-'))) ?? input.clock;
    const us = Math.round(timestamp * 1000);
    if (clock === undefined) return us;
    return us - clock.offset + (this.#boots.get(clock.boot) ?? clock.offset);
  }

  #learn(input: Input, id: string, type: string | undefined, data: ReturnType<typeof facts>): void {
    const stream = id.slice(0, id.lastIndexOf('-'));
    if (type === 'sensor_start') {
      const offset = num(data, 'clock_offset_us');
      const boot = text(data, 'boot_id');
      if (offset === undefined || boot === undefined) return;
      input.clock = { boot, offset };
      if (input.clocks.size < MOST_STREAMS) input.clocks.set(stream, input.clock);
      // A boot that no first line has told of.
      if (!this.#boots.has(boot) && this.#boots.size < MOST_STREAMS) this.#boots.set(boot, offset);
    } else if (type === 'clock_sync') {
      const offset = num(data, 'offset_us');
      const clock = input.clocks.get(stream) ?? input.clock;
      if (offset === undefined || clock === undefined) return;
      clock.offset = offset;
    } else if (type === 'heartbeat') {
      input.heartbeatMs = Math.min(Math.max(count(data, 'window_ms') ?? HEARTBEAT_MS, 10), 60_000);
    }
  }
}

/** Whether `a`'s line at `key` goes before what `b` has, or may still have, at `other`. */
function before(a: Input, key: number, b: Input, other: number): boolean {
  if (key !== other) return key < other;
  if (a.first !== b.first) return (a.first ?? '') < (b.first ?? '');
  return a.index < b.index;
}

const NEXT: Readonly<Record<string, string>> = { ENOENT: 'There is no such file', EACCES: 'You may not read it: it may belong to root' };

/** A fifo is opened when somebody opens its other end, and read without a thread that waits for it. */
async function openInput(input: Input): Promise<Readable> {
  const fd =
    input.name === '-'
      ? 0
      : await new Promise<number>((resolve, reject) => {
          openFile(input.name, constants.O_RDONLY, (error, opened) => (error === null ? resolve(opened) : reject(error)));
        });
  const stat = fstatSync(fd);
  if (stat.isDirectory()) {
    if (fd !== 0) closeSync(fd);
    throw new CommandError(EXIT.io, `cannot read ${input.name}: it is a directory`, 'Name the files in it');
  }
  input.live = !stat.isFile();
  if (stat.isFIFO() || stat.isSocket()) return new Socket({ fd, readable: true, writable: false });
  return createReadStream('', { fd, highWaterMark: READ_BYTES });
}
