/**
 * A source: what stands at the head of a pipeline. Sensors (lib/runners) and files (lib/sources) are sources.
 */
import type { AnyEvent } from './event.js';
import type { LineWriter } from './line-writer.js';

/** Where a source puts its events, in order. */
export interface Outlet {
  /** One event, as an object. */
  push(event: AnyEvent): void;
  /**
   * Complete NDJSON lines, each ended by `\n`, printed elsewhere (the addon, a recorded file). Taken over, not copied.
   * `released` is called when its memory may be used again; where lines are looked at on the way, never.
   */
  pushLines(lines: Buffer, released?: () => void): void;
  /**
   * Where a source prints a line at once, byte by byte, if nobody on the way looks at the events: undefined when there is no
   * place for one of at most so many bytes, or nobody who reads it. {@link LineWriter.end} gives it.
   */
  beginLine?(most: number): LineWriter | undefined;
  /** True when nobody on the way looks at the events, so that a source which can print them itself should. */
  readonly prefersLines?: boolean;
  /** Bytes written and not yet taken by the reader. A sensor drops and counts (`loss`, where: `queue`) past its limit; it never waits. */
  queuedBytes(): number;
  /** Resolves when `queuedBytes()` has fallen low enough to go on. For sources that may wait (files). */
  drained(): Promise<void>;
}

export interface Source {
  readonly name: string;
  /** Runs until it ends by itself or by `stop`; resolves with the exit status (lib/stream/exit.ts). Rejects with a {@link CommandError}. */
  run(outlet: Outlet): Promise<number>;
  /** Asks it to detach, flush, say `sensor_end` and end. `reason` goes into `sensor_end`. Idempotent. */
  stop(reason: string): void;
  /**
   * SIGINT came. True when it is not for this source: at a terminal Ctrl-C reaches the command that it runs as well, and
   * the command answers it. Absent: SIGINT is like any other reason to stop.
   */
  leavesInterruptToCommand?(): boolean;
}
