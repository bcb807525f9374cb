/**
 * HPACK (RFC 7541) as an onlooker has to read it. The dynamic table is counted from its newest entry, so what was
 * inserted since we joined is known by its index however little is known of the rest: a reference beyond that is
 * *unknown*, not an error, and names come back as the table refills.
 */
import { huffmanText } from './huffman.js';
import { STATIC_TABLE } from './static-table.js';

/** Bytes of a dynamic table (as RFC 7541 §4.1 counts them) that are kept; entries beyond are unknown. */
export const TABLE_LIMIT = 128 * 1024;
/** RFC 7541 §4.1. */
const ENTRY_BYTES = 32;
/** SETTINGS_HEADER_TABLE_SIZE before anybody says otherwise (RFC 9113 §6.5.2). */
const FIRST_CAPACITY = 4096;
const STATIC_ENTRIES = STATIC_TABLE.length;
const NO_INDEX = -1;

/**
 * `unknown`: at least one field, or a part of one, stands in a part of the table that was not seen.
 * `fault`: this is no header block, or not all of it; fields before the fault were given.
 */
export type BlockState = 'whole' | 'unknown' | 'fault';

/** A field, lower-case name; latin1 text, one character per byte. `undefined` is what is not known of it. */
export type TakeField = (name: string | undefined, value: string | undefined) => void;

interface Entry {
  name: string | undefined;
  value: string | undefined;
  size: number;
}

export class HpackDecoder {
  /** Oldest first, from `start` on. */
  private entries: Entry[] = [];
  private start = 0;
  private size = 0;
  private capacity: number;
  /** Entries that we do not have may lie beyond those that we have. */
  private hidden: boolean;
  private pos = 0;
  /** Set by `integer` and `string` when the block is at fault. */
  private bad = false;

  /** @param whole every block of this direction is given, from the first one on */
  constructor(whole: boolean) {
    this.hidden = !whole;
    // How large the table of a connection that was joined has become is not known. Too much kept does no harm.
    this.capacity = whole ? FIRST_CAPACITY : TABLE_LIMIT;
  }

  /** Bytes of memory behind the table. */
  get heldBytes(): number {
    return this.size * 2;
  }

  /** A block is missing: nobody knows how many entries it inserted. */
  lose(): void {
    this.entries = [];
    this.start = 0;
    this.size = 0;
    this.hidden = true;
    this.capacity = TABLE_LIMIT;
  }

  /** Reads one whole header block. */
  decode(block: Buffer, take: TakeField): BlockState {
    let state: BlockState = 'whole';
    this.pos = 0;
    this.bad = false;
    while (this.pos < block.length) {
      const first = block[this.pos] as number;
      let name: string | undefined;
      let value: string | undefined;
      if (first >= 0x80) {
        const index = this.integer(block, 7);
        if (index === 0 || this.bad) return this.fault();
        if (index <= STATIC_ENTRIES) [name, value] = STATIC_TABLE[index - 1] as readonly [string, string];
        else {
          const entry = this.entry(index);
          if (entry) {
            name = entry.name;
            value = entry.value;
          } else if (!this.hidden) return this.fault();
        }
      } else if (first >= 0x20 && first < 0x40) {
        const capacity = this.integer(block, 5);
        if (this.bad) return this.fault();
        this.resize(capacity);
        continue;
      } else {
        const indexed = first >= 0x40;
        const index = this.integer(block, indexed ? 6 : 4);
        if (this.bad) return this.fault();
        if (index === 0) name = this.string(block)?.toLowerCase();
        else if (index <= STATIC_ENTRIES) name = (STATIC_TABLE[index - 1] as readonly [string, string])[0];
        else {
          const entry = this.entry(index);
          if (entry) name = entry.name;
          else if (!this.hidden) return this.fault();
        }
        value = this.bad ? undefined : this.string(block);
        if (this.bad) return this.fault();
        if (indexed) this.insert(name, value);
      }
      if (name === undefined || value === undefined) state = 'unknown';
      take(name, value);
    }
    return state;
  }

  /** After a fault no later index can be trusted. */
  private fault(): BlockState {
    this.lose();
    return 'fault';
  }

  private entry(index: number): Entry | undefined {
    const at = this.entries.length - (index - STATIC_ENTRIES);
    return at >= this.start ? this.entries[at] : undefined;
  }

  private insert(name: string | undefined, value: string | undefined): void {
    const size = (name?.length ?? 0) + (value?.length ?? 0) + ENTRY_BYTES;
    this.entries.push({ name, value, size });
    this.size += size;
    this.evict();
  }

  /** A dynamic table size update (§6.3): the encoder's word for what it uses, within what SETTINGS allow it. */
  private resize(capacity: number): void {
    this.capacity = capacity;
    this.evict();
  }

  private evict(): void {
    const room = Math.min(this.capacity, TABLE_LIMIT);
    if (this.size <= room) return;
    // Entries that the encoder still has.
    if (room < this.capacity) this.hidden = true;
    while (this.size > room && this.start < this.entries.length) this.size -= (this.entries[this.start++] as Entry).size;
    if (this.start === this.entries.length || this.start > 512) {
      this.entries = this.entries.slice(this.start);
      this.start = 0;
    }
  }

  /** An integer of `bits` prefix bits (§5.1), below 2^31. */
  private integer(block: Buffer, bits: number): number {
    const most = (1 << bits) - 1;
    let value = (block[this.pos++] as number) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = block[this.pos++];
      if (byte === undefined) break;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.bad = true;
    return NO_INDEX;
  }

  /** A string literal (§5.2). */
  private string(block: Buffer): string | undefined {
    const first = block[this.pos];
    if (first === undefined) {
      this.bad = true;
      return undefined;
    }
    const length = this.integer(block, 7);
    const from = this.pos;
    const to = from + length;
    if (this.bad || to > block.length) {
      this.bad = true;
      return undefined;
    }
    this.pos = to;
    const text = first >= 0x80 ? huffmanText(block, from, to) : block.toString('latin1', from, to);
    if (text === undefined) this.bad = true;
    return text;
  }
}
