/** The chunked transfer coding (RFC 9112 §7.1), at any cut. Takes bare LF for CRLF, and blanks after a size. */
import { FieldReader } from './fields.js';
import { LineReader } from './line-reader.js';

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done' | 'fault';

const CR = 0x0d;
const LF = 0x0a;
// Thirteen digits stay below 2^53. Extensions are not looked at.
const SIZE = /^0*([0-9A-Fa-f]{1,13})[ \t]*(?:;.*)?$/s;

/** Hexadecimal digits' values; -1 for other bytes. */
const HEX = new Int8Array(256).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}
const PLAIN_DIGITS = 7;

export class ChunkedReader {
  readonly trailers = new FieldReader();
  state: State = 'size';
  /** After a fault: the line that was no size, with its line end, when it was taken. It may be the start of a message. */
  faultLine = '';
  /** Bytes of this chunk that are still to come. */
  private left = 0;
  private readonly lines = new LineReader();

  /**
   * Takes bytes from `from` on, hands the pieces of the body to `data` and returns the position after the last byte
   * that it took. The state is then `done`, `fault`, or any other when it goes on.
   */
  push(bytes: Buffer, from: number, data: (piece: Buffer) => void): number {
    let pos = from;
    while (pos < bytes.length && this.state !== 'done' && this.state !== 'fault') {
      if (this.state === 'data') {
        const end = Math.min(bytes.length, pos + this.left);
        this.left -= end - pos;
        if (this.left === 0) this.state = 'data-end';
        data(bytes.subarray(pos, end));
        pos = end;
      } else if (this.state === 'data-end') {
        const byte = bytes[pos];
        if (byte === LF) this.state = 'size';
        else if (byte !== CR) this.state = 'fault';
        if (this.state !== 'fault') pos++;
      } else {
        const after = this.state === 'size' && !this.lines.begun ? this.plainSize(bytes, pos) : pos;
        if (after > pos) {
          pos = after;
          continue;
        }
        pos = this.lines.push(bytes, pos);
        if (this.lines.complete) this.line();
      }
    }
    return pos;
  }

  /**
   * Takes a size line that has nothing but a few digits and is here whole, without making a text of it: nearly all are so.
   * Returns the position after it, `from` when it is another.
   */
  private plainSize(bytes: Buffer, from: number): number {
    let pos = from;
    let size = 0;
    for (let digit = HEX[bytes[pos] as number]; digit !== undefined && digit >= 0; digit = HEX[bytes[pos] as number]) {
      if (pos - from >= PLAIN_DIGITS) return from;
      size = size * 16 + digit;
      pos++;
    }
    if (pos === from) return from;
    if (bytes[pos] === CR) pos++;
    if (bytes[pos] !== LF) return from;
    this.sized(size);
    return pos + 1;
  }

  private sized(size: number): void {
    this.left = size;
    this.state = size === 0 ? 'trailer' : 'data';
  }

  private line(): void {
    const { tooLong, end } = this.lines;
    const line = this.lines.take();
    if (this.state === 'trailer') {
      if (line === '') this.state = 'done';
      else if (tooLong) this.trailers.tooLong();
      else this.trailers.line(line);
      return;
    }
    const size = SIZE.exec(line);
    if (size) {
      this.sized(Number.parseInt(size[1] as string, 16));
    } else {
      this.state = 'fault';
      if (!tooLong) this.faultLine = line + end;
    }
  }

  /** `n` bytes are missing. True when they were all of the chunk being read, so that the place is still known. */
  skip(n: number): boolean {
    if (this.state !== 'data' || n > this.left) return false;
    this.left -= n;
    if (this.left === 0) this.state = 'data-end';
    return true;
  }

  /** Bytes held of lines and trailers. */
  get heldBytes(): number {
    return this.lines.heldBytes + this.trailers.bytes;
  }
}
