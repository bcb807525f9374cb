/**
 * A source with its analyzers as a Node stream of NDJSON text:
 *
 *     new SslRunner({ comm: 'python3' }).addAnalyzer(chunkMerger()).addAnalyzer(httpParser()).pipe(process.stdout)
 */
import { Readable } from 'node:stream';
import { Batch } from './batch.js';
import { compose } from './compose.js';
import type { AnyEvent } from './event.js';
import { LineFilter } from './line-filter.js';
import type { Outlet, Source } from './source.js';
import type { Stage } from './stage.js';

/** A source that may wait does so while more than this was not yet read. */
const HIGH_WATER_BYTES = 1024 * 1024;

export class Runner extends Readable {
  readonly #open: () => Source | Promise<Source>;
  readonly #stages: Stage[] = [];
  #source: Source | undefined;
  #started = false;
  #stopReason: string | undefined;
  #wake: (() => void) | undefined;
  /** The source's exit status (lib/stream/exit.ts), once it has ended. */
  exitStatus: number | undefined;

  /** @param open makes the source; called when somebody first reads */
  constructor(open: () => Source | Promise<Source>) {
    super({ highWaterMark: HIGH_WATER_BYTES });
    this.#open = open;
  }

  /** Puts a stage behind those added before. Only before reading begins. */
  addAnalyzer(stage: Stage): this {
    if (this.#started) throw new Error('addAnalyzer: the runner has started: add analyzers before anything reads from it');
    this.#stages.push(stage);
    return this;
  }

  /** Asks the source to end: what it and the analyzers hold still comes, then the stream ends. */
  stop(reason = 'stop'): void {
    this.#stopReason = reason;
    this.#source?.stop(reason);
  }

  override _read(): void {
    if (this.#started) {
      this.#wake?.();
      this.#wake = undefined;
      return;
    }
    this.#started = true;
    this.#run().then(
      () => this.push(null),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.stop('reader gone');
    this.#wake?.();
    done(error);
  }

  async #run(): Promise<void> {
    const source = await this.#open();
    this.#source = source;
    if (this.destroyed) return;
    const batch = new Batch();
    const filter = new LineFilter(compose(this.#stages), batch, { warn: (sentence) => this.emit('warning', sentence) });
    let due = false;
    const flush = (): void => {
      due = false;
      if (this.destroyed) return;
      for (const part of batch.take()) this.push(part);
    };
    const later = (): void => {
      if (due) return;
      due = true;
      setImmediate(flush);
    };
    const outlet: Outlet = {
      push: (event: AnyEvent) => {
        filter.event(event);
        later();
      },
      pushLines: (lines) => {
        filter.feed(lines);
        later();
      },
      queuedBytes: () => this.readableLength,
      drained: async () => {
        flush();
        if (this.readableLength < HIGH_WATER_BYTES || this.destroyed) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      },
    };
    if (this.#stopReason !== undefined) source.stop(this.#stopReason);
    this.exitStatus = await source.run(outlet);
    filter.end();
    flush();
    if (filter.failure !== undefined) throw filter.failure;
  }
}
