/** Lines out of pieces: ended by LF, a CR before it taken off; latin1 text. What a line has over the limit is dropped, and said. */
import { ByteStore } from '../byte-store.js';

/** A field line, a chunk size with its extensions: what is longer is not held. */
export const LINE_LIMIT = 256 * 1024;

const CR = 0x0d;
const LF = 0x0a;

export class LineReader {
  /** A whole line is there to be taken. */
  complete = false;
  /** That line was over the limit; only its beginning is kept. */
  tooLong = false;
  /** How that line ended. */
  end: '\n' | '\r\n' = '\n';
  private readonly store = new ByteStore();
  private text = '';

  /** Reads up to the end of the line; returns the position after it, or the end of the bytes when it is not complete. */
  push(bytes: Buffer, from: number): number {
    const newline = bytes.indexOf(LF, from);
    const end = newline < 0 ? bytes.length : newline;
    if (newline >= 0 && this.store.length === 0 && end - from <= LINE_LIMIT) {
      this.finish(bytes, from, end);
      return newline + 1;
    }
    const kept = Math.min(end - from, LINE_LIMIT - this.store.length);
    if (kept < end - from) this.tooLong = true;
    if (kept > 0) this.store.append(bytes.subarray(from, from + kept));
    if (newline < 0) return bytes.length;
    const line = this.store.take();
    this.finish(line, 0, line.length);
    return newline + 1;
  }

  /** The line; forgets it. */
  take(): string {
    const { text } = this;
    this.text = '';
    this.complete = false;
    this.tooLong = false;
    return text;
  }

  /** Drops what is held of a line that is not complete. */
  forget(): void {
    this.store.clear();
    this.tooLong = false;
  }

  /** A part of a line was taken, and not its end. */
  get begun(): boolean {
    return this.store.length > 0;
  }

  get heldBytes(): number {
    return this.store.heldBytes;
  }

  private finish(bytes: Buffer, from: number, to: number): void {
    const cr = to > from && bytes[to - 1] === CR;
    this.end = cr ? '\r\n' : '\n';
    this.text = bytes.toString('latin1', from, cr ? to - 1 : to);
    this.complete = true;
  }
}
