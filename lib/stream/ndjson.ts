/**
 * NDJSON in batches: chunks as a pipe gives them become lines, in place and without copies. Own code because split2
 * re-splits a long line on every chunk and dies of one bad line (docs/decisions/0001-ndjson-reader.md); split2 with
 * JSON.parse is its oracle in the tests.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { MAX_LINE_BYTES } from './event.js';

/** The longest piece of an overlong line that one `malformed` event carries: its base64 still fits a line. */
export const MAX_PIECE_BYTES = 8 * 1024 * 1024;

/** What is known of a line's bytes. */
export enum Coding {
  Ascii = 0,
  Utf8 = 1,
  Invalid = 2,
}

export interface LineHandler {
  /**
   * One line, not blank, in `buf[start..end)`: without BOM, newline and carriage return. When `buf[end]` is a newline,
   * the line may be written with it. Valid during the call; the buffer itself is never written to again.
   */
  line(buf: Buffer, start: number, end: number, coding: Coding): void;
  /** A piece of a line that is longer than {@link MAX_LINE_BYTES}, at `offset` in it. */
  overlong(piece: Buffer, offset: number): void;
}

function codingOf(buf: Buffer, start: number, end: number): Coding {
  const part = buf.subarray(start, end);
  if (isAscii(part)) return Coding.Ascii;
  return isUtf8(part) ? Coding.Utf8 : Coding.Invalid;
}

/** Where to cut `buf` at or before `at` so that no UTF-8 character is cut. */
function characterBorder(buf: Buffer, at: number): number {
  for (let back = 0; back < 4 && at - back > 0; back++) {
    const byte = buf[at - back] as number;
    if ((byte & 0xc0) !== 0x80) return at - back;
  }
  return at;
}

/** Cuts chunks into lines. The same bytes give the same calls, however they were cut. */
export class LineReader {
  /** Number of the line that the handler is being given, from 1; blank lines count. */
  number = 0;
  readonly #handler: LineHandler;
  readonly #maxLine: number;
  readonly #maxPiece: number;
  /** The beginning of an unfinished line: `#heldBytes` of `#held`. Handed over with the line, then begun anew. */
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  /** In an overlong line: the bytes of it that were handed over. */
  #given = 0;
  #overlong = false;

  constructor(handler: LineHandler, limits: { maxLineBytes?: number; maxPieceBytes?: number } = {}) {
    this.#handler = handler;
    this.#maxLine = limits.maxLineBytes ?? MAX_LINE_BYTES;
    this.#maxPiece = limits.maxPieceBytes ?? MAX_PIECE_BYTES;
  }

  /** Takes a chunk over: it must not be written to afterwards. */
  feed(chunk: Buffer): void {
    let start = 0;
    if (this.#heldBytes > 0 || this.#overlong) {
      const newline = chunk.indexOf(10);
      if (newline < 0) {
        this.#hold(chunk);
        return;
      }
      this.#hold(chunk.subarray(0, newline + 1));
      this.#endHeld();
      start = newline + 1;
    }
    const last = chunk.lastIndexOf(10);
    if (last >= start) {
      const coding = codingOf(chunk, start, last + 1);
      while (start <= last) {
        const newline = chunk.indexOf(10, start);
        this.#line(chunk, start, newline, coding);
        start = newline + 1;
      }
    }
    if (start < chunk.length) this.#hold(start === 0 ? chunk : chunk.subarray(start));
  }

  /** End of input: the last line needs no newline. */
  end(): void {
    if (this.#heldBytes > 0 || this.#overlong) this.#endHeld();
  }

  #hold(part: Buffer): void {
    const needed = this.#heldBytes + part.length;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafe(needed * 2);
      this.#held.copy(larger, 0, 0, this.#heldBytes);
      this.#held = larger;
    }
    part.copy(this.#held, this.#heldBytes);
    this.#heldBytes = needed;
    // Over the limit even if a BOM and a CRLF are not counted.
    if (needed > (this.#overlong ? this.#maxPiece + 2 : this.#maxLine + 5)) this.#pieces(this.#takeHeld(), false);
  }

  #takeHeld(): Buffer {
    const all = this.#held.subarray(0, this.#heldBytes);
    this.#held = Buffer.alloc(0);
    this.#heldBytes = 0;
    return all;
  }

  #endHeld(): void {
    const all = this.#takeHeld();
    const end = all[all.length - 1] === 10 ? all.length - 1 : all.length;
    if (this.#overlong) this.#pieces(all, true);
    else this.#line(all, 0, end, undefined);
  }

  /** Hands out pieces of an overlong line; keeps what may belong to the next piece, or ends the line. */
  #pieces(all: Buffer, ends: boolean): void {
    if (!this.#overlong) {
      this.#overlong = true;
      this.#given = 0;
      this.number++;
    }
    const end = ends ? lineEnd(all, all.length) : all.length;
    let at = this.#given === 0 && hasBom(all, 0, end) ? 3 : 0;
    // While the line goes on, its last two bytes may still turn out to be a CRLF.
    while (end - at > this.#maxPiece + (ends ? 0 : 2)) {
      const cut = characterBorder(all, at + this.#maxPiece);
      this.#handler.overlong(all.subarray(at, cut), this.#given);
      this.#given += cut - at;
      at = cut;
    }
    if (!ends) {
      this.#held = all.subarray(at);
      this.#heldBytes = this.#held.length;
      return;
    }
    if (end > at) this.#handler.overlong(all.subarray(at, end), this.#given);
    this.#overlong = false;
  }

  #line(buf: Buffer, from: number, to: number, known: Coding | undefined): void {
    let start = from;
    let end = to;
    if (end > start && buf[end - 1] === 13) end--;
    if (hasBom(buf, start, end)) start += 3;
    if (end - start > this.#maxLine) {
      this.#pieces(buf.subarray(from, to), true);
      return;
    }
    this.number++;
    if (buf[start] !== 0x7b && isBlank(buf, start, end)) return;
    // A batch that is not UTF-8 is asked line by line: one bad line must not taint its neighbours.
    const coding = known === undefined || known === Coding.Invalid ? codingOf(buf, start, end) : known;
    this.#handler.line(buf, start, end, coding);
  }
}

/** The end of a line's content, before `\n`, `\r\n` or `\r`. */
function lineEnd(buf: Buffer, length: number): number {
  let end = length;
  if (end > 0 && buf[end - 1] === 10) end--;
  if (end > 0 && buf[end - 1] === 13) end--;
  return end;
}

function hasBom(buf: Buffer, start: number, end: number): boolean {
  return buf[start] === 0xef && end - start >= 3 && buf[start + 1] === 0xbb && buf[start + 2] === 0xbf;
}

function isBlank(buf: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = buf[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  }
  return true;
}
