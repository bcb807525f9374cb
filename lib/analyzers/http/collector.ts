/** The sink of a body that becomes one event: joined, up to a limit. */
import type { BodySink } from './body.js';

/** Pieces from here on are copied one by one; smaller ones together. */
const KEEP_BYTES = 1024;
const BLOCK_BYTES = 4096;
/** Bodies up to this size are joined in one buffer that is used over and over: allocating it anew is what costs most. */
const SCRATCH_BYTES = 1024 * 1024;

let scratch = Buffer.alloc(0);

export class Collector implements BodySink {
  limited = false;
  private readonly pieces: Buffer[] = [];
  private length = 0;
  /** Small pieces: `used` bytes of it are written, and not among the pieces yet. */
  private block: Buffer | undefined;
  private used = 0;
  private given = false;

  /** @param limit bytes that are held */
  constructor(private readonly limit: number) {}

  get heldBytes(): number {
    return this.length + (this.block ? this.block.length - this.used : 0);
  }

  take(decoded: Buffer): void {
    if (this.given) return;
    const room = this.limit - this.length;
    if (decoded.length > room) this.limited = true;
    const piece = decoded.length > room ? decoded.subarray(0, room) : decoded;
    if (piece.length === 0) return;
    this.length += piece.length;
    if (piece.length < KEEP_BYTES) this.copy(piece);
    else {
      this.endBlock();
      this.pieces.push(Buffer.from(piece));
    }
  }

  private copy(piece: Buffer): void {
    if (!this.block || this.used + piece.length > this.block.length) {
      this.endBlock();
      // The first block fits its piece: most bodies are one piece.
      this.block = this.pieces.length === 0 ? Buffer.allocUnsafe(piece.length) : Buffer.allocUnsafeSlow(BLOCK_BYTES);
    }
    piece.copy(this.block, this.used);
    this.used += piece.length;
  }

  private endBlock(): void {
    if (this.block) this.pieces.push(this.block.subarray(0, this.used));
    this.block = undefined;
    this.used = 0;
  }

  gap(): void {}

  giveUp(): void {
    this.given = true;
    this.limited = true;
    this.pieces.length = 0;
    this.length = 0;
    this.block = undefined;
    this.used = 0;
  }

  /** What was joined, valid until another body is. A character that the limit cuts is left out. */
  bytes(): Buffer {
    this.endBlock();
    const all = join(this.pieces, this.length);
    return this.limited ? all.subarray(0, wholeCharacters(all)) : all;
  }
}

function join(pieces: readonly Buffer[], length: number): Buffer {
  if (pieces.length === 1) return pieces[0] as Buffer;
  if (length > SCRATCH_BYTES) return Buffer.concat(pieces, length);
  if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(Math.min(SCRATCH_BYTES, Math.max(length, scratch.length * 2)));
  let at = 0;
  for (const piece of pieces) at += piece.copy(scratch, at);
  return scratch.subarray(0, length);
}

/** Length without a character of UTF-8 that is cut at the end. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
