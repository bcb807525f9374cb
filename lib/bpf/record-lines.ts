/**
 * Lines of ssl_data and file_open, printed by the addon many at once. What many of them have in common (the session and
 * its direction, the thread) is printed here once and kept; numbers and bytes go from the record into the line without becoming JavaScript
 * values.
 */
import { native } from './native.js';

/** A stretch of text that many lines share. Valid as long as its `age` is that of {@link RecordLines}. */
export interface SharedText {
  readonly at: number;
  readonly length: number;
  readonly age: number;
}

const ITEM_WORDS = 5;
const PLAN_ITEMS = 4096;
const TEXT_BYTES = 1024 * 1024;
/** Of bpf/native/lines.c. */
const LONGEST_ESCAPE = 6;
const FIXED_ROOM = 1024;
/** Room for one call: more is printed in several. */
const ROOM_BYTES = 2 * 1024 * 1024;
const SLAB_BYTES = 4 * 1024 * 1024;
/** Slabs that wait to be used again. */
const SPARE_SLABS = 4;

/**
 * What is printed stands here, one text behind the other. Memory that is new for each of them would be given back only when
 * the collector runs, which in a flood is a hundred megabytes later.
 */
interface Slab {
  readonly bytes: Buffer;
  used: number;
  /** Texts in it that are still looked at. */
  texts: number;
}

export class RecordLines {
  readonly #stream: string;
  readonly #plan = new Uint32Array(PLAN_ITEMS * ITEM_WORDS);
  readonly #planBytes = Buffer.from(this.#plan.buffer);
  readonly #texts = Buffer.allocUnsafeSlow(TEXT_BYTES);
  #used = 0;
  #age = 0;
  #batch: Buffer | undefined;
  #room = 0;
  readonly #spare: Slab[] = [];
  #slab: Slab | undefined;
  /** Lines waiting to be printed, and how many of them are file_open. */
  count = 0;
  opens = 0;

  /** `stream`: the id of each line up to its number, as `q7f3k2m9xd-`. */
  constructor(stream: string) {
    this.#stream = stream;
  }

  /** Texts of another age are gone: make them anew. Changes in `share` only, and only when nothing waits. */
  get age(): number {
    return this.#age;
  }

  /**
   * Keeps a text, in UTF-8. Undefined when it does not fit any more: print what waits, then call it again; all texts made
   * before are gone then.
   */
  share(text: string): SharedText | undefined {
    const length = Buffer.byteLength(text);
    if (this.#used + length > TEXT_BYTES) {
      if (this.count > 0) return undefined;
      this.#used = 0;
      this.#age++;
      if (length > TEXT_BYTES) throw new RangeError(`a text of ${length} bytes cannot be shared`);
    }
    const at = this.#used;
    this.#used += this.#texts.write(text, at);
    return { at, length, age: this.#age };
  }

  /**
   * One line for the ssl_data record at `at` of `batch`, whose payload has `bytes` bytes. `head`: from the comma behind
   * the timestamp to `"offset":`. `tail`: what stands between the latency and the payload, comma first. False when it
   * cannot wait with the others (another batch, or too many): print what waits, then call it again.
   */
  add(batch: Buffer, at: number, bytes: number, head: SharedText, tail: SharedText): boolean {
    return this.#add(batch, at, Math.ceil(bytes / 3) * 4, head, tail);
  }

  /** The same for a file_open whose texts have `bytes` bytes. `head`: up to the path. `tail`: what stands behind it, comma first. */
  addOpen(batch: Buffer, at: number, bytes: number, head: SharedText, tail: SharedText): boolean {
    if (!this.#add(batch, at, bytes * LONGEST_ESCAPE, head, tail)) return false;
    this.opens++;
    return true;
  }

  #add(batch: Buffer, at: number, most: number, head: SharedText, tail: SharedText): boolean {
    if (head.age !== this.#age || tail.age !== this.#age) throw new Error('texts of another age must be made anew');
    const room = head.length + tail.length + most + FIXED_ROOM;
    if (this.count > 0 && (batch !== this.#batch || this.count === PLAN_ITEMS || this.#room + room > ROOM_BYTES)) return false;
    this.#batch = batch;
    this.#room += room;
    const word = this.count++ * ITEM_WORDS;
    const plan = this.#plan;
    plan[word] = at;
    plan[word + 1] = head.at;
    plan[word + 2] = head.length;
    plan[word + 3] = tail.at;
    plan[word + 4] = tail.length;
    return true;
  }

  /**
   * Prints what waits, numbered from `firstN`; the batch must still hold its bytes. The text may be kept until `release`
   * is called, and for ever when it is not. Undefined when nothing waits.
   */
  take(firstN: number, clockOffsetUs: number): { text: Buffer; release: () => void } | undefined {
    const { count } = this;
    if (count === 0 || this.#batch === undefined) return undefined;
    const slab = this.#slabFor(this.#room);
    const out = slab.bytes.subarray(slab.used, slab.used + this.#room);
    const written = native().formatRecords(this.#batch, this.#planBytes, count, this.#texts, this.#stream, firstN, clockOffsetUs, out);
    this.count = 0;
    this.opens = 0;
    this.#room = 0;
    this.#batch = undefined;
    slab.used += written;
    slab.texts++;
    return { text: out.subarray(0, written), release: () => this.#release(slab) };
  }

  #release(slab: Slab): void {
    slab.texts--;
    if (slab.texts > 0 || slab.bytes.length !== SLAB_BYTES) return;
    slab.used = 0;
    if (slab !== this.#slab && this.#spare.length < SPARE_SLABS) this.#spare.push(slab);
  }

  /** One with so much room left. */
  #slabFor(room: number): Slab {
    const current = this.#slab;
    if (current !== undefined && current.bytes.length - current.used >= room) return current;
    const next = room > SLAB_BYTES ? undefined : this.#spare.pop();
    this.#slab = next ?? { bytes: Buffer.allocUnsafeSlow(Math.max(room, SLAB_BYTES)), used: 0, texts: 0 };
    return this.#slab;
  }
}
