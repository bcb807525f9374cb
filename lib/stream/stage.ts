/**
 * A stage: a synchronous object transform. It exists once and is used in four ways: as a command (filter.ts), inside
 * `tracer pipe`, as a through2 stream, and by `addAnalyzer`.
 *
 * Rules (docs/events.md): what a stage does not know it pushes on unchanged, *the same object*, at once; a derived
 * event is pushed right after the last event it was made of; no clock, chance, file system or network.
 */
import type { AnyEvent, SslDataEvent } from './event.js';
import type { LineWriter } from './line-writer.js';

export type Push = (event: AnyEvent) => void;
/** What an `sse_event` says, as bytes: valid during the call. */
export interface SsePiece {
  exchange: string;
  /** Of the event that it would be. */
  id: string;
  timestamp: number;
  event: string;
  data: Buffer;
}
/** Takes a server-sent event; false when it has to come as an event. */
export type TakeSse = (piece: SsePiece) => boolean;
/** Writes the line `buf[start..end)`. */
export type WriteLine = (buf: Buffer, start: number, end: number) => void;

export interface Stage {
  /** The plain name: `http`, `show`. */
  readonly name: string;
  /**
   * The event types that `transform` looks at. A line of any other type passes without being parsed.
   * Absent: every event is handed over.
   */
  readonly consumes?: ReadonlySet<string>;
  /** It only adds to events (append.ts) and passes all of them on: `--keep` has nothing to keep. */
  readonly adds?: boolean;
  /** It takes events of a newer version of the contract as well: it looks at strings only. Others are passed by. */
  readonly readsAnyVersion?: boolean;
  /** Called once, when the first stream of a newer contract is met, for stages put together: `isNewer` tells its events. */
  meetNewer?(isNewer: (event: AnyEvent) => boolean): void;
  /** True while the stage holds events that it may push on later: the harness asks after each event, and remembers its line. */
  readonly holds?: boolean;
  /** Handles one event. Never throws on any JSON object. */
  transform(event: AnyEvent, push: Push): void;
  /**
   * The same for an `ssl_data` event of which only what ./data-line.ts reads is there, and its payload as bytes, valid
   * during the call. Only the harness calls it, and only where no later stage wants such events: the event is not whole, but
   * its line is written where it is pushed on.
   */
  transformData?(event: SslDataEvent, payload: Buffer, push: Push): void;
  /**
   * Called once, before the first event, and only inside `tracer pipe`: server-sent events may be given to the stage behind by
   * `take` instead of being pushed. They have the numbers of the events that they would be.
   */
  giveSse?(take: TakeSse): void;
  /** Takes what the stage before gives; false, and nothing done, when the event itself is wanted: it is none of ours. */
  transformSse?(piece: SsePiece, push: Push): boolean;
  /**
   * Called once, before the first event, and only for a stage that stands alone: the stage may print events that it makes
   * here, byte for byte as JSON.stringify would, instead of pushing them.
   */
  writeTo?(lines: LineWriter): void;
  /**
   * The same for a line, known to be one JSON object and handed over whatever its type: for a stage that changes lines
   * in place. Only the harness calls it, and only for a stage that stands alone. Lines are written by `write`, without
   * their newline, and those that were held by the `write` of a later call.
   */
  transformLine?(buf: Buffer, start: number, end: number, write: WriteLine): void;
  /** End of input: pushes what is held, marked `partial`. */
  flush(push: Push): void;
}

/** A sink's stage ends the way of events: it makes text for people instead. Chunks are written as they are. */
export interface TextSink {
  readonly name: string;
  transform(event: AnyEvent, write: (text: string) => void): void;
  /** For a view that is drawn anew in place: called some time after events have come, a few times a second at most. */
  draw?(write: (text: string) => void): void;
  flush(write: (text: string) => void): void;
}
