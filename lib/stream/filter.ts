/**
 * Runs a source and stages as a process that keeps the promises of the contract: backpressure, a reader that goes away,
 * signals, exit status. Used by every command and by `tracer pipe`.
 */
import { Batch } from './batch.js';
import { compose, sinkStage } from './compose.js';
import { CommandError, EXIT } from './exit.js';
import { type Input, type InputHandler, readInput } from './input.js';
import { LineFilter } from './line-filter.js';
import { LineWriter } from './line-writer.js';
import type { Destination } from './output.js';
import type { Outlet, Source } from './source.js';
import type { Stage, TextSink } from './stage.js';

/** Reading pauses when this much waits to be written, and goes on at a quarter of it. */
const HIGH_WATER_BYTES = 1024 * 1024;
const LOW_WATER_BYTES = HIGH_WATER_BYTES / 4;
/** After SIGINT a filter reads on, because its source got the signal too and has its last events to say: so long without input, and at most so long. */
const QUIET_MS = 500;
const LINGER_MS = 3000;

/** A view that is drawn anew in place is so at most this often. */
const REDRAW_MS = 50;

/** EX_SOFTWARE of sysexits(3): a bug of ours. */
const INTERNAL = 70;

export interface Pipeline {
  /** Absent: lines are read from stdin. */
  source?: Source | undefined;
  stages: readonly Stage[];
  sink?: TextSink | undefined;
  output: Destination;
  /** The source's own exit status counts even when the reader is gone: it ran a command. */
  statusOfCommand?: boolean;
  /** Says a sentence on stderr. */
  warn(sentence: string): void;
}

/** The signals that end a run. The first one asks nicely; a second one ends the process at once, as if nobody had caught it. */
class Signals {
  /** What the first signal does. */
  onFirst: (signal: NodeJS.Signals) => void = () => {};
  /** A signal that is somebody else's does not count. */
  isOurs: (signal: NodeJS.Signals) => boolean = () => true;
  static readonly names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  #seen = false;
  readonly #handler = (signal: NodeJS.Signals): void => {
    if (!this.isOurs(signal)) return;
    if (this.#seen) {
      this.release();
      process.kill(process.pid, signal);
      return;
    }
    this.#seen = true;
    this.onFirst(signal);
  };

  constructor() {
    for (const name of Signals.names) process.on(name, this.#handler);
  }

  release(): void {
    for (const name of Signals.names) process.removeListener(name, this.#handler);
  }
}

/** Has a view drawn anew some time after events have come. */
class Redraw {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly sink: TextSink | undefined,
    readonly batch: Batch,
    readonly output: Destination,
  ) {}

  soon(): void {
    const { sink, batch, output } = this;
    if (sink?.draw === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      sink.draw?.((text) => batch.text(text));
      output.write(batch.take());
    }, REDRAW_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Runs to the end and resolves with the exit status. Rejects with a {@link CommandError} when input or output fails. */
export async function run(pipeline: Pipeline): Promise<number> {
  const { output, warn, source } = pipeline;
  const batch = new Batch();
  const stages = pipeline.sink === undefined ? pipeline.stages : [...pipeline.stages, sinkStage(pipeline.sink, batch)];
  const filter = new LineFilter(compose(stages), batch, { warn });
  const signals = new Signals();
  const redraw = new Redraw(pipeline.sink, batch, output);
  let status: number = EXIT.ok;
  let failure: unknown;
  try {
    if (source === undefined) await readStdin(filter, batch, output, signals, redraw);
    else status = await runSource(source, filter, batch, stages.length === 0, output, signals, redraw);
  } catch (error) {
    failure = error;
  }
  redraw.stop();
  if (output.error === undefined) {
    filter.end();
    output.write(batch.take());
    await output.drained(0);
  }
  signals.release();
  if (failure !== undefined) throw failure;
  if (output.error !== undefined) {
    if (output.error.code === 'EPIPE') return pipeline.statusOfCommand === true ? status : EXIT.ok;
    const error = outputError(output.error);
    // The command's own status would hide that events are missing.
    throw pipeline.statusOfCommand === true ? new CommandError(EXIT.commandFailed, error.message, error.next) : error;
  }
  if (filter.failures > 0) {
    const { stack } = filter.failure instanceof Error ? filter.failure : new Error(String(filter.failure));
    const fate = stages.some((stage) => stage.transformLine !== undefined) ? 'left out' : 'passed on as they were';
    warn(`internal error on ${filter.failures} event(s), which were ${fate}: ${stack}`);
    return INTERNAL;
  }
  if (status === EXIT.malformed || (status === EXIT.ok && filter.malformed > 0)) {
    warn('the input has malformed lines: each is in the output as a "malformed" event that says where and why');
    return EXIT.malformed;
  }
  return status;
}

/** The person's words for a failed write. */
export function outputError(error: NodeJS.ErrnoException, what = 'the output'): CommandError {
  const next: Record<string, string> = {
    ENOSPC: 'The disk is full: make room, or write elsewhere',
    EDQUOT: 'The disk quota is used up: make room, or write elsewhere',
    EFBIG: 'The file may not grow further: see ulimit -f, or use --rotate-bytes',
    EIO: 'The device reports an error',
  };
  return new CommandError(
    EXIT.io,
    `cannot write ${what}: ${error.code ?? error.message}`,
    next[error.code ?? ''] ?? 'Check where stdout goes',
  );
}

/** The person's words for a stdin that cannot be read. */
export function cannotReadStdin(reason: string): CommandError {
  return new CommandError(EXIT.io, `cannot read stdin: ${reason}`, 'Give it events by a pipe, or by < FILE');
}

/** Reads stdin to its end, to a signal or to the end of the reader. */
async function readStdin(filter: LineFilter, batch: Batch, output: Destination, signals: Signals, redraw: Redraw): Promise<void> {
  let input: Input | undefined;
  let linger: NodeJS.Timeout | undefined;
  let quiet: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      signals.onFirst = () => {
        linger = setTimeout(resolve, LINGER_MS);
        quiet = setTimeout(resolve, QUIET_MS);
      };
      output.onError = () => resolve();
      const resume = (): void => {
        if (output.error === undefined) input?.resume();
      };
      const handler: InputHandler = {
        chunk(bytes) {
          quiet?.refresh();
          if (output.queuedBytes() === 0) batch.reuse();
          filter.feed(bytes);
          output.write(batch.take());
          redraw.soon();
          if (output.queuedBytes() <= HIGH_WATER_BYTES) return true;
          void output.drained(LOW_WATER_BYTES).then(resume);
          return false;
        },
        end: resolve,
        error: (error) => reject(cannotReadStdin(error.code ?? error.message)),
        mark: () => output.acceptedBytes(),
        doneWith: (mark) => output.acceptedBytes() - output.queuedBytes() >= mark,
      };
      readInput(handler).then((begun) => {
        input = begun;
      }, reject);
    });
  } finally {
    clearTimeout(linger);
    clearTimeout(quiet);
    input?.stop();
  }
}

/** Lines that were pushed: written when the output is through with its first `until` bytes. */
interface Lent {
  until: number;
  released: () => void;
}

/** What a source pushes in one turn of the event loop is written at once. */
class SourceOutlet implements Outlet {
  readonly #lent: Lent[] = [];
  #writer: LineWriter | undefined;
  #due = false;
  constructor(
    readonly filter: LineFilter,
    readonly batch: Batch,
    /** No stage looks at the events: lines go through as they are. */
    readonly straight: boolean,
    readonly output: Destination,
    readonly redraw: Redraw,
  ) {}

  get prefersLines(): boolean {
    return this.straight;
  }

  push(event: object): void {
    if (this.output.error !== undefined) return;
    if (this.straight) this.batch.event(event);
    else this.filter.event(event);
    this.#later();
  }

  pushLines(lines: Buffer, released?: () => void): void {
    if (this.output.error !== undefined) return;
    if (this.straight) {
      this.batch.lines(lines);
      if (released !== undefined) this.#lent.push({ until: Number.POSITIVE_INFINITY, released });
    } else {
      this.filter.feed(lines);
    }
    this.#later();
  }

  beginLine(most: number): LineWriter | undefined {
    if (this.output.error !== undefined || !this.straight) return undefined;
    this.#writer ??= new LineWriter(this.batch);
    if (!this.#writer.begin(most)) return undefined;
    this.#later();
    return this.#writer;
  }

  queuedBytes(): number {
    return this.output.queuedBytes();
  }

  async drained(): Promise<void> {
    this.flush();
    if (this.output.queuedBytes() > HIGH_WATER_BYTES) await this.output.drained(LOW_WATER_BYTES);
  }

  flush(): void {
    this.output.write(this.batch.take());
    const accepted = this.output.acceptedBytes();
    const through = accepted - this.output.queuedBytes();
    for (const lent of this.#lent) if (lent.until > accepted) lent.until = accepted;
    while (this.#lent.length > 0 && (this.#lent[0] as Lent).until <= through) (this.#lent.shift() as Lent).released();
  }

  #later(): void {
    if (this.#due) return;
    this.#due = true;
    this.redraw.soon();
    setImmediate(() => {
      this.#due = false;
      this.flush();
    });
  }
}

async function runSource(
  source: Source,
  filter: LineFilter,
  batch: Batch,
  straight: boolean,
  output: Destination,
  signals: Signals,
  redraw: Redraw,
): Promise<number> {
  const outlet = new SourceOutlet(filter, batch, straight, output, redraw);
  signals.isOurs = (signal) => signal !== 'SIGINT' || source.leavesInterruptToCommand?.() !== true;
  signals.onFirst = (signal) => source.stop(signal);
  output.onError = (error) => source.stop(error.code === 'EPIPE' ? 'reader gone' : `output: ${error.code ?? error.message}`);
  const status = await source.run(outlet);
  outlet.flush();
  return status;
}
