/**
 * Whether bytes are frames of a WebSocket whose handshake was not seen: each frame has to end where the next one begins,
 * all are masked or none, fragments follow what they belong to, and text is text. Evidence is counted; nothing throws.
 */
import { isUtf8 } from 'node:buffer';
import { ByteStore } from '../byte-store.js';
import { type FrameHeader, likelyHeader, OPCODE, unmask } from './frame.js';

/** Evidence, of both ends together, from which on it is one. */
export const ENOUGH = 3;
/** Frames longer than this are not believed in. */
const LONGEST = 64 * 1024 * 1024;
/** What of a text is looked at. */
const SAMPLE_BYTES = 256;
/** A text this long is not valid by accident. */
const TELLING_BYTES = 8;
/** Control characters that no text of a program has. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;

/** The frames of one end, from the first byte of one on. */
export class FrameChain {
  /** What speaks for frames so far. */
  evidence = 0;
  private readonly header = new ByteStore();
  private readonly sample = new ByteStore();
  private readonly mask = Buffer.alloc(4);
  private left = 0;
  private text = false;
  /** Bytes of a text that are still to be looked at. */
  private wanted = 0;
  /** A frame was read to which nothing has followed yet. */
  private unconfirmed = false;
  /** A message goes on in the next frame; undefined when it is not known. */
  private open: boolean | undefined;

  /** @param masked as it has to be, where that is known */
  constructor(public masked: boolean | undefined) {}

  get heldBytes(): number {
    return this.header.heldBytes + this.sample.heldBytes;
  }

  /** Returns false when these are no frames. */
  push(bytes: Buffer): boolean {
    let pos = 0;
    while (pos < bytes.length) {
      if (this.left > 0) {
        const end = Math.min(bytes.length, pos + this.left);
        this.left -= end - pos;
        if (this.wanted > 0 && !this.look(bytes.subarray(pos, end))) return false;
        pos = end;
        continue;
      }
      this.header.append(bytes.subarray(pos, pos + 1));
      pos++;
      const view = this.header.view();
      const header = likelyHeader(view, 0, this.masked, LONGEST);
      if (header === false) return false;
      if (header === undefined) continue;
      if (!this.frame(header, view)) return false;
      this.header.clear();
    }
    return true;
  }

  /** The other end speaks, or nothing follows: a frame that ends here ends where it should. */
  pause(): void {
    if (this.left === 0 && this.header.length === 0) this.confirm();
  }

  private confirm(): void {
    if (this.unconfirmed) this.evidence++;
    this.unconfirmed = false;
  }

  private frame(header: FrameHeader, bytes: Buffer): boolean {
    const { opcode, fin, rsv1, length, masked, size } = header;
    // Software sends no empty piece of a message that goes on: but zeros are what other protocols are full of.
    if (!fin && length === 0) return false;
    if (opcode === OPCODE.continuation ? this.open === false : opcode < 8 && this.open === true) return false;
    if (opcode < 8) this.open = !fin;
    this.confirm();
    this.unconfirmed = true;
    this.masked = masked;
    this.left = length;
    this.text = opcode === OPCODE.text && !rsv1;
    this.wanted = this.text ? Math.min(length, SAMPLE_BYTES) : 0;
    if (masked) bytes.copy(this.mask, 0, size - 4, size);
    return true;
  }

  /** The beginning of a text. */
  private look(piece: Buffer): boolean {
    const { sample, masked } = this;
    const raw = piece.subarray(0, this.wanted);
    const phase = sample.length;
    sample.append(masked ? unmask(raw, this.mask, phase) : raw);
    this.wanted -= raw.length;
    if (this.wanted > 0) return true;
    const seen = sample.take();
    if (!isText(seen)) return false;
    if (seen.length < TELLING_BYTES) return true;
    const json = seen[0] === 0x7b || seen[0] === 0x5b;
    this.evidence += 1 + Number(json) + Number(masked === true);
    return true;
  }
}

/** UTF-8, perhaps cut within its last character, without control characters. */
function isText(bytes: Buffer): boolean {
  for (let cut = 0; cut < 4 && cut <= bytes.length; cut++)
    if (isUtf8(bytes.subarray(0, bytes.length - cut))) return !CONTROLS.test(bytes.toString('latin1'));
  return false;
}
