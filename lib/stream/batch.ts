/** Collects what a filter writes while it handles one chunk, so that there is one write per batch and no copy of what passes through. */

/** Ranges from here on are written in place; shorter ones are cheaper to copy next to their neighbours. */
const IN_PLACE_BYTES = 8 * 1024;
const SLAB_BYTES = 128 * 1024;
/** Full slabs that are kept to be used again: as many as a large chunk fills. */
const SPARE_SLABS = 4;
const NONE: Buffer = Buffer.alloc(0);

export class Batch {
  #parts: Buffer[] = [];
  #slab: Buffer = NONE;
  /** `#slab[#from..#to)` is not yet among the parts. */
  #from = 0;
  #to = 0;
  /** Slabs that are full and may still have to be written, and those that were. */
  #full: Buffer[] = [];
  #spare: Buffer[] = [];
  /** A range of an input chunk that is still growing. */
  #range: Buffer | undefined;
  #rangeStart = 0;
  #rangeEnd = 0;

  /** A line of an input chunk, without its newline: neighbours are written as one. */
  line(buf: Buffer, start: number, end: number): void {
    if (buf === this.#range && start === this.#rangeEnd) {
      this.#rangeEnd = end;
    } else {
      this.#settle();
      this.#range = buf;
      this.#rangeStart = start;
      this.#rangeEnd = end;
    }
    if (end < buf.length && buf[end] === 10) {
      this.#rangeEnd = end + 1;
    } else {
      this.#settle();
      this.text('\n');
    }
  }

  /** Complete lines, taken over. */
  lines(buf: Buffer): void {
    this.#settle();
    this.#range = buf;
    this.#rangeStart = 0;
    this.#rangeEnd = buf.length;
  }

  /** Text as it is. */
  text(text: string): void {
    if (this.#range !== undefined) this.#settle();
    // A UTF-16 unit takes at most three bytes of UTF-8.
    const most = text.length * 3;
    if (most > SLAB_BYTES) {
      this.#endSlab();
      this.#parts.push(Buffer.from(text, 'utf8'));
      return;
    }
    if (most > this.#slab.length - this.#to) this.#newSlab();
    this.#to += this.#slab.write(text, this.#to, 'utf8');
  }

  /**
   * A place for a line of at most so many bytes: from {@link end} on in the buffer that comes back, until the next call.
   * Undefined where there is none so large. {@link wrote} says how far it was used.
   */
  place(most: number): Buffer | undefined {
    if (most > SLAB_BYTES) return undefined;
    if (this.#range !== undefined) this.#settle();
    if (most > this.#slab.length - this.#to) this.#newSlab();
    return this.#slab;
  }

  /** Where a {@link place} begins. */
  get end(): number {
    return this.#to;
  }

  /** A place was written up to there. */
  wrote(end: number): void {
    this.#to = end;
  }

  /** An event that was made here. */
  event(event: object): void {
    this.text(`${JSON.stringify(event)}\n`);
  }

  /** What was collected since the last call, in order. */
  take(): Buffer[] {
    this.#settle();
    this.#endSlab();
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** Everything taken so far has been written: its memory may be used again. Only between batches. */
  reuse(): void {
    this.#from = 0;
    this.#to = 0;
    if (this.#full.length === 0) return;
    this.#spare = this.#full;
    this.#full = [];
  }

  #settle(): void {
    const range = this.#range;
    if (range === undefined) return;
    this.#range = undefined;
    const length = this.#rangeEnd - this.#rangeStart;
    if (length >= IN_PLACE_BYTES) {
      this.#endSlab();
      this.#parts.push(range.subarray(this.#rangeStart, this.#rangeEnd));
      return;
    }
    if (length > this.#slab.length - this.#to) this.#newSlab();
    range.copy(this.#slab, this.#to, this.#rangeStart, this.#rangeEnd);
    this.#to += length;
  }

  #endSlab(): void {
    if (this.#to > this.#from) this.#parts.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #newSlab(): void {
    this.#endSlab();
    if (this.#slab !== NONE && this.#full.length < SPARE_SLABS) this.#full.push(this.#slab);
    this.#slab = this.#spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#from = 0;
    this.#to = 0;
  }
}
