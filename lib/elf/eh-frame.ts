/**
 * Where functions begin and end, by the stack unwinding tables: `.eh_frame_hdr` is sorted by address, so one lookup reads
 * some pages of a table of megabytes. Linux Standard Base, "Exception Frames"; only the encodings that linkers write.
 */
import type { ElfImage } from './image.js';

export interface Bounds {
  start: number;
  end: number;
}

/** The table's encodings: count as a 4-byte number, entries as signed 4 bytes relative to the table. */
const UDATA4 = 0x03;
const DATAREL_SDATA4 = 0x3b;
const MAX_ENTRIES = 16_000_000;

export class UnwindTable {
  readonly #image: ElfImage;
  /** Address of the section, of its first entry, and the number of entries. */
  readonly #base: number;
  readonly #entries: number;
  readonly #count: number;

  constructor(image: ElfImage) {
    this.#image = image;
    const table = image.unwindTable();
    const head = table && image.bytes(table.address, 12);
    this.#base = table?.address ?? 0;
    this.#entries = this.#base + 12;
    // The count is a pointer-encoded number as well; linkers use udata4 behind a four-byte pointer to .eh_frame.
    const known = head !== undefined && head.length === 12 && head[0] === 1 && head[2] === UDATA4 && head[3] === DATAREL_SDATA4;
    this.#count = known ? Math.min(head.readUInt32LE(8), Math.floor((table?.bytes ?? 0) / 8), MAX_ENTRIES) : 0;
  }

  #entry(index: number): { start: number; description: number } | undefined {
    const bytes = this.#image.bytes(this.#entries + index * 8, 8);
    if (bytes === undefined || bytes.length < 8) return undefined;
    return { start: this.#base + bytes.readInt32LE(0), description: this.#base + bytes.readInt32LE(4) };
  }

  /** The function that `address` lies in; undefined when the table has none (it may cover a part of the code only). */
  find(address: number): Bounds | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entry(middle);
      if (entry === undefined) return undefined;
      if (entry.start <= address) low = middle + 1;
      else high = middle;
    }
    const entry = low > 0 ? this.#entry(low - 1) : undefined;
    if (entry === undefined) return undefined;
    // A frame description: length, back pointer to its CIE, start and length of the code.
    const frame = this.#image.bytes(entry.description, 16);
    if (frame === undefined || frame.length < 16) return undefined;
    if (entry.description + 8 + frame.readInt32LE(8) !== entry.start) return undefined;
    const end = entry.start + frame.readUInt32LE(12);
    return address < end ? { start: entry.start, end } : undefined;
  }
}
