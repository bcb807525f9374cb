/**
 * Zstandard (RFC 8878), block by block: a block gives at most 128 KiB, and what is wanted of it is asked after each. Why not
 * by a library: docs/decisions/0004-http1-and-bodies.md. The checksum of a frame is not looked at.
 */
import { ByteStore } from '../byte-store.js';
import type { Decoder, DecoderState, Take } from './decoder.js';
import { BlockState, decodeBlock } from './zstd-block.js';
import { check, DAMAGED } from './zstd-tables.js';

/** The window that RFC 9659 allows on the web. A frame that asks for more is a fault. */
export const ZSTD_WINDOW_LIMIT = 8 * 1024 * 1024;

const BLOCK_BYTES = 128 * 1024;
const MAGIC = 0xfd2fb528;
/** Skippable frames have 16 of them. */
const SKIPPABLE = 0x184d2a50;
/** What tables take beside the window, about. */
const STATE_BYTES = 16 * 1024;

type Step = 'magic' | 'descriptor' | 'header' | 'block' | 'raw' | 'repeat' | 'compressed' | 'skip-length' | 'skip';

export class Zstd implements Decoder {
  state: DecoderState = 'more';
  private step: Step = 'magic';
  /** Bytes that the step needs; of `raw` and `skip`: that are still to come. */
  private need = 4;
  /** Those that are there of them, when not all are. */
  private readonly part = new ByteStore();
  private frames = 0;
  private descriptor = 0;
  private window = 0;
  /** The whole of the frame's content, where it is said. */
  private contentBytes: number | undefined;
  private frameBytes = 0;
  private last = false;
  private repeat = 0;
  private block = new BlockState();
  /** The window, and room after it. */
  private history = EMPTY;
  private used = 0;

  get heldBytes(): number {
    return this.part.heldBytes + this.history.length + (this.history.length > 0 ? STATE_BYTES : 0);
  }

  push(bytes: Buffer, take: Take): void {
    try {
      let at = 0;
      while (at < bytes.length && this.state === 'more') at += this.some(bytes.subarray(at), take);
    } catch (error) {
      if (error !== DAMAGED) throw error;
      this.state = 'fault';
    }
    if (this.state !== 'more') this.close();
  }

  end(): void {
    if (this.state === 'more' && this.frames > 0 && this.step === 'magic' && this.part.length === 0) this.state = 'done';
    this.close();
  }

  close(): void {
    this.part.clear();
    this.history = EMPTY;
    this.used = 0;
  }

  /** Takes some of the bytes, at least one; returns how many. */
  private some(bytes: Buffer, take: Take): number {
    const n = Math.min(bytes.length, this.need - this.part.length);
    const piece = bytes.subarray(0, n);
    if (this.step === 'skip' || this.step === 'raw') {
      this.need -= n;
      if (this.step === 'raw') this.plain(piece, take);
      if (this.need === 0) this.passed();
      return n;
    }
    if (this.part.length + n < this.need) {
      this.part.append(piece);
      return n;
    }
    if (this.part.length === 0) this.whole(piece, take);
    else {
      this.part.append(piece);
      this.whole(this.part.take(), take);
    }
    return n;
  }

  private go(step: Step, need: number): void {
    this.step = step;
    this.need = need;
    if (need === 0) this.passed();
  }

  /** All bytes of a `raw` or `skip` are there. */
  private passed(): void {
    if (this.step === 'raw') this.blockEnd();
    else this.frameEnd();
  }

  /** What a step needs is there. */
  private whole(bytes: Buffer, take: Take): void {
    switch (this.step) {
      case 'magic': {
        const magic = bytes.readUInt32LE(0);
        this.frames++;
        if (magic === MAGIC) this.go('descriptor', 1);
        else {
          check((magic & 0xfffffff0) >>> 0 === SKIPPABLE);
          this.go('skip-length', 4);
        }
        break;
      }
      case 'skip-length':
        this.go('skip', bytes.readUInt32LE(0));
        break;
      case 'descriptor':
        this.descriptor = bytes[0] as number;
        this.go('header', headerBytes(this.descriptor));
        break;
      case 'header':
        this.header(bytes);
        break;
      case 'block':
        this.blockHeader(bytes);
        break;
      case 'repeat': {
        const from = this.room(this.repeat);
        this.history.fill(bytes[0] as number, from, from + this.repeat);
        this.give(from, from + this.repeat, take);
        break;
      }
      case 'compressed': {
        const limit = this.blockLimit;
        const from = this.room(limit);
        const before = Math.min(this.frameBytes, this.window);
        const place = { bytes: this.history, from, limit: from + limit, before, window: this.window };
        this.give(from, decodeBlock(bytes, this.block, place), take);
        break;
      }
    }
  }

  /** §3.1.1.1. */
  private header(bytes: Buffer): void {
    const { descriptor } = this;
    check((descriptor & 8) === 0);
    const single = (descriptor & 0x20) !== 0;
    let at = single ? 0 : 1;
    const base = 2 ** (10 + ((bytes[0] as number) >> 3));
    const window = base + (base / 8) * ((bytes[0] as number) & 7);
    // A dictionary is something that nobody has here.
    for (let i = dictionaryBytes(descriptor); i > 0; i--) check(bytes[at++] === 0);
    this.contentBytes = undefined;
    const n = bytes.length - at;
    if (n > 0) this.contentBytes = n === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUIntLE(at, n) + (n === 2 ? 256 : 0);
    this.window = single ? (this.contentBytes as number) : window;
    check(this.window <= ZSTD_WINDOW_LIMIT);
    this.block = new BlockState();
    this.frameBytes = 0;
    this.used = 0;
    this.go('block', 3);
  }

  private get blockLimit(): number {
    return Math.min(this.window, BLOCK_BYTES);
  }

  /** §3.1.1.2. */
  private blockHeader(bytes: Buffer): void {
    const value = bytes.readUIntLE(0, 3);
    const size = value >> 3;
    this.last = (value & 1) !== 0;
    check(size <= this.blockLimit);
    switch ((value >> 1) & 3) {
      case 0:
        this.go('raw', size);
        break;
      case 1:
        this.repeat = size;
        this.go('repeat', 1);
        break;
      case 2:
        check(size > 0);
        this.go('compressed', size);
        break;
      default:
        throw DAMAGED;
    }
  }

  /** A piece of a block that is not compressed. */
  private plain(piece: Buffer, take: Take): void {
    const from = this.room(piece.length);
    piece.copy(this.history, from);
    this.hand(from, from + piece.length, take);
  }

  /** Hands on a block, which ends with that. */
  private give(from: number, to: number, take: Take): void {
    this.hand(from, to, take);
    this.blockEnd();
  }

  private hand(from: number, to: number, take: Take): void {
    this.used = to;
    this.frameBytes += to - from;
    if (to > from && !take(this.history.subarray(from, to))) this.state = 'stopped';
  }

  private blockEnd(): void {
    if (!this.last) {
      this.go('block', 3);
      return;
    }
    check(this.contentBytes === undefined || this.contentBytes === this.frameBytes);
    this.go('skip', (this.descriptor & 4) === 0 ? 0 : 4);
  }

  private frameEnd(): void {
    this.go('magic', 4);
  }

  /** Makes room for `n` bytes after the window; returns where they go. */
  private room(n: number): number {
    const { window, history, used } = this;
    if (used + n <= history.length) return used;
    // Half a window of room, so that each byte is moved twice at most.
    const most = window + Math.max(BLOCK_BYTES, window / 2);
    const kept = Math.min(used, window);
    if (history.length < most) {
      const larger = Buffer.allocUnsafeSlow(Math.min(Math.ceil(most), Math.max(kept + n, history.length * 2)));
      history.copy(larger, 0, used - kept, used);
      this.history = larger;
    } else history.copyWithin(0, used - kept, used);
    this.used = kept;
    return kept;
  }
}

const EMPTY = Buffer.alloc(0);

function dictionaryBytes(descriptor: number): number {
  return [0, 1, 2, 4][descriptor & 3] as number;
}

/** Bytes of a frame's header after its descriptor: window, dictionary, content size. */
function headerBytes(descriptor: number): number {
  const single = (descriptor >> 5) & 1;
  const form = descriptor >> 6;
  return 1 - single + dictionaryBytes(descriptor) + (form === 0 ? single : 2 ** form);
}
