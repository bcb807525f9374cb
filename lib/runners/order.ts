/**
 * Puts the records of several CPUs in the order of their times, exactly, and says up to when nothing earlier can come.
 *
 * A record's time is taken after its place in the ring, its `floor` before it (bpf/records.h). So nothing that stands
 * behind a record has a time below that record's floor; and once the ring has been seen empty, nothing that comes later
 * has a time below the moment just before that look. Records above that horizon wait.
 */
import { RecStamp } from '../bpf/records.gen.js';

/** Gets records in order; the bytes are reused after it returns. */
export type RecordHandler = (bytes: Buffer, view: DataView, at: number, ts: number) => void;

export interface EmptyCheck {
  /** Boot time now, in nanoseconds. */
  now(): number;
  /** Bytes in the ring that are not drained. */
  pending(): number;
}

interface Held {
  ts: number;
  bytes: Buffer;
}

const HEADER_BYTES = 8;

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class TimeOrder {
  readonly #stamp = new RecStamp();
  readonly #handle: RecordHandler;
  #held: Held[] = [];
  #horizon = 0;

  constructor(handle: RecordHandler) {
    this.#handle = handle;
  }

  /** Boot time in nanoseconds below which everything has been handed over. */
  get horizon(): number {
    return this.#horizon;
  }

  /** Takes one batch of the ring: records as u32 length, u32 unused, bytes, padding to 8. */
  batch(buffer: Buffer, ring: EmptyCheck): void {
    const view = viewOf(buffer);
    const stamp = this.#stamp;
    const places: number[] = [];
    const times: number[] = [];
    let sorted = true;
    let last = 0;
    let horizon = this.#horizon;
    for (let at = 0; at + HEADER_BYTES <= buffer.length; ) {
      const length = view.getUint32(at, true);
      stamp.at(buffer, view, at + HEADER_BYTES);
      const { ts, floor } = stamp;
      if (ts < last) sorted = false;
      last = ts;
      if (floor > horizon) horizon = floor;
      places.push(at + HEADER_BYTES);
      times.push(ts);
      at += HEADER_BYTES + ((length + 7) & ~7);
    }
    const before = ring.now();
    if (ring.pending() === 0 && before > horizon) horizon = before;
    this.#horizon = horizon;

    const order = places.map((_, index) => index);
    if (!sorted) order.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b);
    let held = 0;
    for (const index of order) {
      const ts = times[index] as number;
      while (held < this.#held.length && (this.#held[held] as Held).ts <= ts && (this.#held[held] as Held).ts <= horizon)
        this.#give(this.#held[held++] as Held);
      const at = places[index] as number;
      if (ts <= horizon) {
        this.#handle(buffer, view, at, ts);
        continue;
      }
      this.#held.splice(0, held);
      held = 0;
      this.#hold(ts, buffer.subarray(at, at + view.getUint32(at - HEADER_BYTES, true)));
    }
    this.#held.splice(0, held);
    this.#release();
  }

  /** Nothing is in the ring, and nothing was since before `now`: hands over what was held and moves the horizon there. */
  empty(now: number): void {
    if (now > this.#horizon) this.#horizon = now;
    this.#release();
  }

  #give(held: Held): void {
    this.#handle(held.bytes, viewOf(held.bytes), 0, held.ts);
  }

  #hold(ts: number, bytes: Buffer): void {
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1] as Held).ts > ts) at--;
    this.#held.splice(at, 0, { ts, bytes: Buffer.from(bytes) });
  }

  #release(): void {
    let given = 0;
    while (given < this.#held.length && (this.#held[given] as Held).ts <= this.#horizon) this.#give(this.#held[given++] as Held);
    if (given > 0) this.#held.splice(0, given);
  }
}
