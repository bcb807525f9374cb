/**
 * Prints lines byte by byte into a batch, as JSON.stringify would print the event, without making the event or a string of
 * it. For the few types of which a stream has the most: a printer of one type knows its fields and their order. Checked
 * against JSON.stringify in test/stream/line-writer.test.ts.
 */
import { isUtf8 } from 'node:buffer';
import type { Batch } from './batch.js';
import { utf8Text } from './payload.js';

/** Most bytes that JSON needs for a byte of UTF-8 or a unit of UTF-16: `\u001f`. */
export const JSON_GROWTH = 6;
/** Most bytes of UTF-8 for a unit of UTF-16. */
export const UTF8_GROWTH = 3;
/** Most bytes of a number: `-0.0000012345678901234567`. */
export const NUMBER_BYTES = 25;

const HEX = '0123456789abcdef';
/** The letter that stands for a byte after a backslash: 0 for a byte that stands for itself, `u` for one written as `\u00xx`. */
const ESCAPE = new Uint8Array(256).fill(0x75, 0, 0x20);
for (const [letter, byte] of Object.entries({ '"': 0x22, '\\': 0x5c, b: 8, f: 12, n: 10, r: 13, t: 9 }))
  ESCAPE[byte] = letter.charCodeAt(0);

/** Milliseconds below this have at most three decimals where `n * 1000` is whole: doubles are closer than a thousandth there. */
const EXACT_BELOW = 2 ** 42;
const SPLIT = 1e8;

export class LineWriter {
  readonly #out: Batch;
  #buf: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(out: Batch) {
    this.#out = out;
  }

  /** Begins a line of at most so many bytes; false when it has to be printed otherwise. */
  begin(most: number): boolean {
    const buf = this.#out.place(most);
    if (buf === undefined) return false;
    this.#buf = buf;
    this.#at = this.#out.end;
    return true;
  }

  /** The line is whole. What was begun and not ended is not there. */
  end(): void {
    this.#buf[this.#at++] = 0x0a;
    this.#out.wrote(this.#at);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#buf.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Characters of ASCII as they are. */
  ascii(text: string): void {
    const buf = this.#buf;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) buf[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  /** `text[from..to)` as it is, in UTF-8. No half of a surrogate pair may be in it. */
  utf16(text: string, from: number, to: number): void {
    const buf = this.#buf;
    let at = this.#at;
    for (let i = from; i < to; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7e) {
        this.#at += buf.write(text.slice(from, to), this.#at, 'utf8');
        return;
      }
      buf[at++] = unit;
    }
    this.#at = at;
  }

  number(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < EXACT_BELOW) this.#digits(value, 1);
    else this.ascii(Number.isFinite(value) ? String(value) : 'null');
  }

  /** A time in milliseconds: a number, printed faster where it has at most three decimals. */
  time(ms: number): void {
    const thousandths = Math.round(ms * 1000);
    if (!(ms >= 0) || ms >= EXACT_BELOW || thousandths / 1000 !== ms) {
      this.number(ms);
      return;
    }
    const whole = Math.floor(thousandths / 1000);
    this.#digits(whole, 1);
    let rest = thousandths - whole * 1000;
    if (rest === 0) return;
    this.#buf[this.#at++] = 0x2e;
    for (let unit = 100; rest > 0; unit /= 10) {
      const digit = Math.floor(rest / unit);
      this.#buf[this.#at++] = 0x30 + digit;
      rest -= digit * unit;
    }
  }

  /** A string, with its quotes. */
  string(text: string): void {
    const buf = this.#buf;
    let at = this.#at;
    buf[at++] = 0x22;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7e || ESCAPE[unit] !== 0) {
        this.#at += buf.write(JSON.stringify(text), this.#at, 'utf8');
        return;
      }
      buf[at++] = unit;
    }
    buf[at++] = 0x22;
    this.#at = at;
  }

  /** The text that bytes stand for as UTF-8, with quotes. What is not UTF-8 in it becomes U+FFFD. */
  text(bytes: Buffer): void {
    if (!this.utf8(bytes)) this.#at += this.#buf.write(JSON.stringify(utf8Text(bytes)), this.#at, 'utf8');
  }

  /** The same; false, and nothing printed, when the bytes are not UTF-8. */
  utf8(bytes: Buffer): boolean {
    const buf = this.#buf;
    let at = this.#at;
    let seen = 0;
    buf[at++] = 0x22;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      const letter = ESCAPE[byte] as number;
      if (letter === 0) {
        buf[at++] = byte;
        seen |= byte;
        continue;
      }
      buf[at++] = 0x5c;
      buf[at++] = letter;
      if (letter !== 0x75) continue;
      buf[at++] = 0x30;
      buf[at++] = 0x30;
      buf[at++] = HEX.charCodeAt(byte >> 4);
      buf[at++] = HEX.charCodeAt(byte & 15);
    }
    if (seen > 0x7f && !isUtf8(bytes)) return false;
    buf[at++] = 0x22;
    this.#at = at;
    return true;
  }

  /** A whole number below 2^53, with at least so many digits. */
  #digits(value: number, least: number): void {
    if (value >= SPLIT) {
      const high = Math.floor(value / SPLIT);
      this.#digits(high, least - 8);
      this.#digits(value - high * SPLIT, 8);
      return;
    }
    let length = 1;
    for (let limit = 10; value >= limit || length < least; limit *= 10) length++;
    const end = this.#at + length;
    let left = value | 0;
    for (let i = end - 1; i >= this.#at; i--) {
      const next = (left / 10) | 0;
      this.#buf[i] = 0x30 + left - next * 10;
      left = next;
    }
    this.#at = end;
  }
}
