/**
 * Messages of `application/vnd.amazon.eventstream` (Amazon's event stream encoding, as Smithy specifies it), from bytes
 * in any pieces. Both checksums are verified; after a hole, or a message that does not add up, the next prelude whose
 * checksum holds is looked for.
 */

import { ByteStore } from './byte-store.js';
import { crc32 } from './crc32.js';

/** Bytes of one message. (The specification allows 24 MiB; real ones have some kilobytes.) A longer one is damage. */
export const EVENTSTREAM_LIMIT = 8 * 1024 * 1024;
/** Length of all, length of the headers, checksum of those two. */
const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;

export type HeaderValue = string | number | boolean;

export interface EventstreamMessage {
  /** Name → value: bytes as base64, 64-bit numbers and times (milliseconds) as decimal strings. */
  headers: Map<string, HeaderValue>;
  /** Only valid during the call. */
  payload: Buffer;
}

export class EventstreamParser {
  private readonly store = new ByteStore();
  /** Length of the message being read; 0 while its prelude is. */
  private length = 0;
  /** Bytes that were no message, or missing. */
  damaged = false;

  /** Nothing of a next message was read. */
  get idle(): boolean {
    return this.store.length === 0;
  }

  get heldBytes(): number {
    return this.store.heldBytes;
  }

  push(bytes: Buffer, emit: (message: EventstreamMessage) => void): void {
    let pos = 0;
    while (pos < bytes.length) {
      if (this.store.length === 0) {
        // Most messages come in one piece: then nothing is copied.
        const end = this.whole(bytes, pos);
        if (end > pos) {
          this.message(bytes.subarray(pos, end), emit);
          pos = end;
          continue;
        }
      }
      const want = this.length === 0 ? PRELUDE_BYTES : this.length;
      const taken = Math.min(want - this.store.length, bytes.length - pos);
      this.store.append(bytes.subarray(pos, pos + taken));
      pos += taken;
      if (this.store.length < want) return;
      if (this.length === 0) this.prelude();
      else {
        this.length = 0;
        this.message(this.store.take(), emit);
      }
    }
  }

  /** Bytes are missing here. */
  gap(): void {
    this.store.clear();
    this.length = 0;
    this.damaged = true;
  }

  /** Where the message that begins at `pos` ends, if it is all there and its prelude holds. */
  private whole(bytes: Buffer, pos: number): number {
    if (bytes.length - pos < PRELUDE_BYTES) return pos;
    const length = preludeLength(bytes, pos);
    return length > 0 && length <= bytes.length - pos ? pos + length : pos;
  }

  private prelude(): void {
    const bytes = this.store.view();
    this.length = preludeLength(bytes, 0);
    if (this.length > 0) return;
    // Not here: one byte on.
    this.damaged = true;
    const rest = Buffer.from(bytes.subarray(1));
    this.store.clear();
    this.store.append(rest);
  }

  private message(bytes: Buffer, emit: (message: EventstreamMessage) => void): void {
    const end = bytes.length - CRC_BYTES;
    const headersEnd = PRELUDE_BYTES + bytes.readUInt32BE(4);
    const headers =
      crc32(bytes.subarray(0, end)) === bytes.readUInt32BE(end) ? readHeaders(bytes.subarray(PRELUDE_BYTES, headersEnd)) : undefined;
    if (headers) emit({ headers, payload: bytes.subarray(headersEnd, end) });
    else this.damaged = true;
  }
}

/** Length of the message whose prelude stands at `at`; 0 when it is none. */
function preludeLength(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  if (length < PRELUDE_BYTES + CRC_BYTES || length > EVENTSTREAM_LIMIT || bytes.readUInt32BE(at + 4) > length - PRELUDE_BYTES - CRC_BYTES)
    return 0;
  return crc32(bytes.subarray(at, at + 8)) === bytes.readUInt32BE(at + 8) ? length : 0;
}

/** Bytes of the values of types 0 to 9 (true, false, byte, short, integer, long, bytes, string, timestamp, uuid); -1: a length of two bytes. */
const SIZES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16];

function readHeaders(bytes: Buffer): Map<string, HeaderValue> | undefined {
  const headers = new Map<string, HeaderValue>();
  let pos = 0;
  while (pos < bytes.length) {
    const nameEnd = pos + 1 + (bytes[pos] as number);
    const type = bytes[nameEnd];
    if (type === undefined || type >= SIZES.length) return undefined;
    let from = nameEnd + 1;
    let size = SIZES[type] as number;
    if (size < 0) {
      if (from + 2 > bytes.length) return undefined;
      size = bytes.readUInt16BE(from);
      from += 2;
    }
    if (from + size > bytes.length) return undefined;
    headers.set(bytes.toString('utf8', pos + 1, nameEnd), readValue(type, bytes.subarray(from, from + size)));
    pos = from + size;
  }
  return headers;
}

function readValue(type: number, bytes: Buffer): HeaderValue {
  switch (type) {
    case 0:
      return true;
    case 1:
      return false;
    case 2:
      return bytes.readInt8(0);
    case 3:
      return bytes.readInt16BE(0);
    case 4:
      return bytes.readInt32BE(0);
    case 5:
    case 8:
      return bytes.readBigInt64BE(0).toString();
    case 7:
      return bytes.toString('utf8');
    case 9:
      return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    default:
      return bytes.toString('base64');
  }
}
