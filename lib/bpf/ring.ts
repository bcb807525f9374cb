/**
 * The reader's end of a ring buffer. It drains on a timer of a few milliseconds while there is traffic, in turns that
 * leave the event loop to others, and sleeps without any wake-up while there is none.
 */
import { native, type ObjectHandle, type RingHandle } from './native.js';

export interface RingConsumer {
  /**
   * Records in order, each as u32 payload length, u32 to ignore, payload, padding to a multiple of 8. The buffer is
   * reused: what is to be kept must be copied before this returns.
   */
  batch(records: Buffer): void;
  /** True while no more can be taken: records stay in the ring meanwhile, where the programs count what finds no room. */
  full?(): boolean;
}

export interface RingOptions {
  /** Bytes copied at once. Grows by itself when one record is longer. */
  slabBytes?: number;
  /**
   * Global variable of the object that asks for a wake-up: programs read it after they have reserved a record. `""`
   * when the programs leave waking to the kernel. Default: `ring_wanted` where the object has it.
   */
  wanted?: string;
  /** Pause between two drains while there is traffic, in milliseconds. */
  pauseMs?: number;
}

const SLAB_BYTES = 512 * 1024;
const PAUSE_MS = 4;
/** One turn of draining ends after this, so that signals, timers and writes have their turn too. */
const TURN_MS = 10;
/** A batch of this size means that waiting the full pause would let the ring fill. */
const BUSY_BYTES = 128 * 1024;

/** An open ring keeps the process alive. */
export class Ring {
  readonly #handle: RingHandle;
  readonly #consumer: RingConsumer;
  readonly #pauseMs: number;
  #slab: Buffer;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #closed = false;
  /** Bytes drained so far, headers included. */
  drainedBytes = 0;

  /** Made by `BpfObject.ring`. */
  constructor(object: ObjectHandle, map: string, consumer: RingConsumer, options: RingOptions & { wanted: string }) {
    this.#consumer = consumer;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
    this.#slab = Buffer.allocUnsafeSlow(options.slabBytes ?? SLAB_BYTES);
    this.#handle = native().ringOpen(object, map, options.wanted, () => this.#turn());
    native().ringArm(this.#handle);
  }

  /** Bytes that programs have reserved and that are not drained yet. */
  pending(): number {
    return this.#closed ? 0 : native().ringPending(this.#handle);
  }

  /** Drains synchronously what is there now, and no more than that. For the end, after the programs are detached. */
  drainNow(): void {
    let left = this.pending();
    while (left > 0) {
      const got = this.#drain();
      if (!got) break;
      left -= got;
    }
  }

  /** Ends the thread and unmaps. What is not drained is lost. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    native().ringClose(this.#handle);
  }

  /** One batch. Returns its bytes. */
  #drain(): number {
    let got = native().ringDrain(this.#handle, this.#slab);
    if (got < 0) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(-got, this.#slab.length * 2));
      got = native().ringDrain(this.#handle, this.#slab);
    }
    if (got > 0) {
      this.drainedBytes += got;
      this.#consumer.batch(this.#slab.subarray(0, got));
    }
    return got;
  }

  #turn(): void {
    this.#timer = undefined;
    this.#immediate = undefined;
    if (this.#closed) return;
    if (this.#consumer.full?.()) {
      this.#again(this.#pauseMs);
      return;
    }
    const start = performance.now();
    let bytes = 0;
    let got: number;
    do {
      got = this.#drain();
      bytes += got;
      if (this.#closed) return;
      // A slab that came back half empty means that the ring has been emptied: what came meanwhile waits for company.
    } while (got > this.#slab.length / 2 && performance.now() - start < TURN_MS && !this.#consumer.full?.());
    if (got > this.#slab.length / 2) this.#again(0);
    else if (bytes > BUSY_BYTES) this.#again(1);
    // A record that is reserved and not yet submitted wakes nobody when it was begun before we asked: wait on the timer.
    else if (bytes > 0 || native().ringPending(this.#handle) > 0) this.#again(this.#pauseMs);
    else native().ringArm(this.#handle);
  }

  #again(ms: number): void {
    if (ms === 0) this.#immediate = setImmediate(() => this.#turn());
    else this.#timer = setTimeout(() => this.#turn(), ms);
  }
}
