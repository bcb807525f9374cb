/**
 * Puts the records of several CPUs, and of several rings, in the order of their times, exactly, and says up to when
 * nothing earlier can come.
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
  /** Bytes in the ring of that number that are not drained. */
  pending(ring: number): number;
}

interface Held {
  ts: number;
  bytes: Buffer;
  ring: number;
}

const HEADER_BYTES = 8;

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What the record at `at` takes, with its header and padding. */
function spaceOf(view: DataView, at: number): number {
  return HEADER_BYTES + ((view.getUint32(at, true) + 7) & ~7);
}

export class TimeOrder {
  readonly #stamp = new RecStamp();
  /** By ring. */
  readonly #handlers: readonly RecordHandler[];
  /** Of each ring, up to when everything in it has been taken. */
  readonly #horizons: number[];
  #held: Held[] = [];
  #horizon = 0;

  constructor(...handlers: RecordHandler[]) {
    this.#handlers = handlers;
    this.#horizons = handlers.map(() => 0);
  }

  /** Boot time in nanoseconds below which everything has been handed over. */
  get horizon(): number {
    return this.#horizon;
  }

  /** Takes one batch of a ring: records as u32 length, u32 unused, bytes, padding to 8. */
  batch(buffer: Buffer, rings: EmptyCheck, ring = 0): void {
    const view = viewOf(buffer);
    const stamp = this.#stamp;
    let sorted = true;
    let last = 0;
    let floors = this.#horizons[ring] as number;
    for (let at = 0; at + HEADER_BYTES <= buffer.length; at += spaceOf(view, at)) {
      stamp.at(buffer, view, at + HEADER_BYTES);
      const { ts, floor } = stamp;
      if (ts < last) sorted = false;
      last = ts;
      if (floor > floors) floors = floor;
    }
    this.#horizons[ring] = floors;
    this.#look(rings);
    const held = this.#held.at(-1)?.ts ?? 0;
    const first = buffer.length < HEADER_BYTES ? 0 : stamp.at(buffer, view, HEADER_BYTES).ts;
    if (sorted && held <= first) this.#pass(buffer, view, ring);
    else this.#sort(buffer, view, ring);
  }

  /** A batch in order, behind everything that is held: as most are. */
  #pass(buffer: Buffer, view: DataView, ring: number): void {
    const handle = this.#handlers[ring] as RecordHandler;
    const horizon = this.#horizon;
    this.#release();
    for (let at = 0; at + HEADER_BYTES <= buffer.length; at += spaceOf(view, at)) {
      const { ts } = this.#stamp.at(buffer, view, at + HEADER_BYTES);
      if (ts <= horizon) handle(buffer, view, at + HEADER_BYTES, ts);
      else this.#hold(ts, buffer.subarray(at + HEADER_BYTES, at + HEADER_BYTES + view.getUint32(at, true)), ring);
    }
  }

  #sort(buffer: Buffer, view: DataView, ring: number): void {
    const handle = this.#handlers[ring] as RecordHandler;
    const horizon = this.#horizon;
    const places: number[] = [];
    const times: number[] = [];
    for (let at = 0; at + HEADER_BYTES <= buffer.length; at += spaceOf(view, at)) {
      places.push(at + HEADER_BYTES);
      times.push(this.#stamp.at(buffer, view, at + HEADER_BYTES).ts);
    }
    const order = places.map((_, index) => index);
    order.sort((a, b) => (times[a] as number) - (times[b] as number) || a - b);
    let held = 0;
    for (const index of order) {
      const ts = times[index] as number;
      while (held < this.#held.length && (this.#held[held] as Held).ts <= ts && (this.#held[held] as Held).ts <= horizon)
        this.#give(this.#held[held++] as Held);
      const at = places[index] as number;
      if (ts <= horizon) {
        handle(buffer, view, at, ts);
        continue;
      }
      this.#held.splice(0, held);
      held = 0;
      this.#hold(ts, buffer.subarray(at, at + view.getUint32(at - HEADER_BYTES, true)), ring);
    }
    this.#held.splice(0, held);
    this.#release();
  }

  /** Looks which rings are empty, and hands over what need not be held any longer. */
  look(rings: EmptyCheck): void {
    this.#look(rings);
    this.#release();
  }

  /** Nothing is in the rings, and nothing was since before `now`: hands over what was held and moves the horizon there. */
  empty(now: number): void {
    this.#horizons.forEach((horizon, ring) => {
      if (now > horizon) this.#horizons[ring] = now;
    });
    this.#join();
    this.#release();
  }

  #look(rings: EmptyCheck): void {
    for (let ring = 0; ring < this.#horizons.length; ring++) {
      const before = rings.now();
      if (rings.pending(ring) === 0 && before > (this.#horizons[ring] as number)) this.#horizons[ring] = before;
    }
    this.#join();
  }

  /** What one ring may still bring holds up all. */
  #join(): void {
    const least = Math.min(...this.#horizons);
    if (least > this.#horizon) this.#horizon = least;
  }

  #give(held: Held): void {
    (this.#handlers[held.ring] as RecordHandler)(held.bytes, viewOf(held.bytes), 0, held.ts);
  }

  #hold(ts: number, bytes: Buffer, ring: number): void {
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1] as Held).ts > ts) at--;
    this.#held.splice(at, 0, { ts, bytes: Buffer.from(bytes), ring });
  }

  #release(): void {
    let given = 0;
    while (given < this.#held.length && (this.#held[given] as Held).ts <= this.#horizon) this.#give(this.#held[given++] as Held);
    if (given > 0) this.#held.splice(0, given);
  }
}
