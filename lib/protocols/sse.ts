/**
 * Server-sent events as WHATWG HTML §9.2.6 has them, from bytes in any pieces. On bytes, not on text, so that a
 * character may be cut anywhere, a line is never scanned twice, and what is held is bounded.
 */
import { ByteStore } from './byte-store.js';

export interface SseMessage {
  /** `message` when unnamed. */
  event: string;
  /** Its lines, joined by LF: the bytes as sent. Only valid during the call. */
  data: Buffer;
  /** The last id named so far; '' when there is none. */
  lastEventId: string;
  /** A `retry` field named since the event before. */
  retryMs: number | undefined;
  /** Something of it was over the limit and is left out. */
  limited: boolean;
}

/** Bytes of one event that are held. */
export const SSE_EVENT_LIMIT = 8 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const NOTHING = new Uint8Array(0);
const NEWLINE = Buffer.from('\n');
const COLON = 0x3a;
const SPACE = 0x20;
const DIGITS = /^[0-9]{1,15}$/;
/** Names of events are remembered up to this length. */
const REPEATED_BYTES = 256;

/** The fields that mean something. */
enum Field {
  Unknown = 0,
  Data = 1,
  Event = 2,
  Id = 3,
  Retry = 4,
}
const NAMES = ['', 'data', 'event', 'id', 'retry'].map((name) => Buffer.from(name));
const LENGTHS = NAMES.map((name) => name.length);
const BY_FIRST = new Uint8Array(256);
for (const [field, name] of NAMES.entries()) if (name.length > 0) BY_FIRST[name[0] as number] = field;

export class SseParser {
  private first = true;
  private afterCr = false;
  /** After a hole nothing is believed before the next blank line. */
  private lost = false;
  /** The line that is being read, up to here. */
  private readonly line = new ByteStore();
  /** A part of that line was dropped. */
  private lineCut = false;
  private readonly data = new ByteStore();
  /** The only data line so far where it stands, `only[onlyFrom..onlyTo)`: an event that is whole in one piece is not copied. */
  private only: Buffer | undefined;
  private onlyFrom = 0;
  private onlyTo = 0;
  private hasData = false;
  private readonly names = new RepeatedText();
  private event = '';
  private id = '';
  private retry: number | undefined;
  private limited = false;

  constructor(private readonly limit = SSE_EVENT_LIMIT) {}

  /** True between two events: nothing of a next one was read. */
  get idle(): boolean {
    return this.line.length === 0 && !this.lineCut && !this.hasData && this.event === '';
  }

  get heldBytes(): number {
    return this.line.heldBytes + this.data.heldBytes + this.event.length + this.id.length;
  }

  push(bytes: Buffer, emit: (message: SseMessage) => void): void {
    const { length } = bytes;
    let pos = 0;
    if (this.afterCr && length > 0) {
      this.afterCr = false;
      if (bytes[0] === LF) pos = 1;
    }
    while (pos < length) {
      let end = pos;
      while (end < length && bytes[end] !== LF && bytes[end] !== CR) end++;
      if (end === length) {
        this.hold(bytes.subarray(pos));
        break;
      }
      this.takeLine(bytes, pos, end, emit);
      pos = end + 1;
      if (bytes[end] === CR) {
        if (pos === length) this.afterCr = true;
        else if (bytes[pos] === LF) pos++;
      }
    }
    // The piece is only valid during the call.
    if (this.only) this.keepOnly();
  }

  /** Bytes are missing here: the event that is being read is given up, up to the next blank line. */
  gap(): void {
    this.lost = true;
    this.first = false;
    this.afterCr = false;
    this.line.clear();
    this.lineCut = false;
    this.reset();
  }

  private hold(piece: Buffer): void {
    const room = Math.max(0, this.limit - this.dataBytes - this.line.length);
    if (piece.length > room) this.lineCut = true;
    if (room > 0) this.line.append(piece.length > room ? piece.subarray(0, room) : piece);
  }

  /** A line is `piece[from..to)`, or what was held of it and then that. */
  private takeLine(piece: Buffer, from: number, to: number, emit: (message: SseMessage) => void): void {
    let line = piece;
    let start = from;
    let end = to;
    if (this.line.length > 0 || this.lineCut || to - from > this.limit - this.dataBytes) {
      this.hold(piece.subarray(from, to));
      line = this.line.take();
      start = 0;
      end = line.length;
      this.limited ||= this.lineCut;
      this.lineCut = false;
    }
    if (this.first) {
      this.first = false;
      if (end - start >= 3 && line[start] === 0xef && line[start + 1] === 0xbb && line[start + 2] === 0xbf) start += 3;
    }
    if (start === end) this.dispatch(emit);
    else if (!this.lost) this.field(line, start, end);
  }

  private field(line: Buffer, start: number, end: number): void {
    const name = fieldOf(line, start, end);
    if (name === Field.Unknown) return;
    let from = start + (LENGTHS[name] as number);
    if (from < end) from += line[from + 1] === SPACE && from + 1 < end ? 2 : 1;
    switch (name) {
      case Field.Data:
        this.addData(line, from, end);
        break;
      case Field.Event:
        this.event = this.names.text(line, from, end);
        break;
      case Field.Id: {
        const id = line.subarray(from, end);
        if (!id.includes(0)) this.id = id.toString('utf8');
        break;
      }
      case Field.Retry: {
        const text = line.toString('latin1', from, end);
        if (DIGITS.test(text)) this.retry = Number(text);
        break;
      }
    }
  }

  private addData(line: Buffer, from: number, to: number): void {
    if (!this.hasData) {
      this.only = line;
      this.onlyFrom = from;
      this.onlyTo = to;
    } else {
      if (this.only) this.keepOnly();
      this.data.append(NEWLINE);
      this.data.append(line.subarray(from, to));
    }
    this.hasData = true;
  }

  private get dataBytes(): number {
    return this.only ? this.onlyTo - this.onlyFrom : this.data.length;
  }

  private keepOnly(): void {
    const only = this.only as Buffer;
    this.only = undefined;
    this.data.append(only.subarray(this.onlyFrom, this.onlyTo));
  }

  private dispatch(emit: (message: SseMessage) => void): void {
    if (this.lost) {
      this.lost = false;
      return;
    }
    const { event, retry, limited, hasData, only } = this;
    const data = only ? only.subarray(this.onlyFrom, this.onlyTo) : this.data.take();
    this.reset();
    if (!hasData) return;
    this.retry = undefined;
    emit({ event: event === '' ? 'message' : event, data, lastEventId: this.id, retryMs: retry, limited });
  }

  private reset(): void {
    this.only = undefined;
    this.data.clear();
    this.hasData = false;
    this.event = '';
    this.limited = false;
  }
}

/** Texts of bytes that repeat: the last one is remembered. */
class RepeatedText {
  private bytes: Uint8Array = NOTHING;
  private last = '';

  /** The text of `line[from..to)`. */
  text(line: Buffer, from: number, to: number): string {
    const { bytes } = this;
    let same = to - from === bytes.length;
    for (let k = 0; same && k < bytes.length; k++) same = bytes[k] === line[from + k];
    if (same) return this.last;
    const text = line.toString('utf8', from, to);
    if (to - from > REPEATED_BYTES) return text;
    this.bytes = new Uint8Array(line.subarray(from, to));
    this.last = text;
    return text;
  }
}

/** The field that a line names, up to its colon or its end. */
function fieldOf(line: Buffer, start: number, end: number): Field {
  const name = BY_FIRST[line[start] as number] as Field;
  const length = LENGTHS[name] as number;
  if (length === 0 || end - start < length || (end - start > length && line[start + length] !== COLON)) return Field.Unknown;
  const letters = NAMES[name] as Buffer;
  for (let k = 1; k < length; k++) if (line[start + k] !== letters[k]) return Field.Unknown;
  return name;
}
