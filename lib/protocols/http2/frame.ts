/** Frames of HTTP/2 (RFC 9113 §4 and §6): what their headers may say, and how one is told from other bytes. */
import { HpackDecoder } from '../hpack/decoder.js';

/** What a client begins with (§3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE before anybody raises it. */
const FIRST_MAX_FRAME = 16_384;

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** Flags that mean something, by type. */
const FLAGS = [0x09, 0x2d, 0, 0, 0x01, 0x0c, 0x01, 0, 0, 0x04];

export interface FrameHeader {
  length: number;
  type: number;
  flags: number;
  stream: number;
}

export function readFrameHeader(bytes: Buffer, at: number): FrameHeader {
  return {
    length: bytes.readUIntBE(at, 3),
    type: bytes[at + 3] as number,
    flags: bytes[at + 4] as number,
    stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
  };
}

/** What §6 demands of length and stream. A type that it does not know is to be ignored (§4.1), so it is let through. */
export function isValid({ length, type, flags, stream }: FrameHeader): boolean {
  switch (type) {
    case TYPE.data:
    case TYPE.continuation:
      return stream !== 0;
    case TYPE.headers:
      return stream !== 0 && length >= Number((flags & FLAG.padded) !== 0) + (flags & FLAG.priority ? 5 : 0);
    case TYPE.priority:
      return stream !== 0 && length === 5;
    case TYPE.rstStream:
      return stream !== 0 && length === 4;
    case TYPE.settings:
      return stream === 0 && length % 6 === 0 && (length === 0 || (flags & FLAG.ack) === 0);
    case TYPE.pushPromise:
      return stream !== 0 && length >= 4;
    case TYPE.ping:
      return stream === 0 && length === 8;
    case TYPE.goaway:
      return stream === 0 && length >= 8;
    case TYPE.windowUpdate:
      return length === 4;
    default:
      return length <= FIRST_MAX_FRAME;
  }
}

/** A frame header as software really sends it: the test when it is not known whether this is one. */
function isLikely(bytes: Buffer, at: number): boolean {
  const header = readFrameHeader(bytes, at);
  if (header.type > TYPE.continuation || header.length > FIRST_MAX_FRAME || (bytes[at + 5] as number) >= 0x80) return false;
  if ((header.flags & ~(FLAGS[header.type] as number)) !== 0) return false;
  if (header.type === TYPE.settings && header.length > 16 * 6) return false;
  return isValid(header) && !(header.type === TYPE.headers && header.length === 0);
}

/** `more`: that many bytes are needed to say. */
export type Verdict = 'yes' | 'no' | { more: number };

/**
 * Whether a frame begins at `at`. A frame of a fixed length is known by its header; of another one the next header has to
 * be likely as well, or, where `anchored` says that a frame may well begin here, it is a header block with a pseudo-field.
 */
export function isFrame(bytes: Buffer, at: number, anchored: boolean): Verdict {
  const have = bytes.length - at;
  if (have < HEADER_BYTES) return bytes[at] === 0 ? { more: HEADER_BYTES } : 'no';
  if (!isLikely(bytes, at)) return 'no';
  const { length, type, flags } = readFrameHeader(bytes, at);
  if (type !== TYPE.data && type !== TYPE.headers && type !== TYPE.pushPromise && type !== TYPE.continuation) return 'yes';
  const next = HEADER_BYTES + length;
  if (anchored && type === TYPE.headers && (flags & FLAG.endHeaders) !== 0) {
    if (have < next) return { more: next };
    if (isHead(bytes.subarray(at + HEADER_BYTES, at + next), flags)) return 'yes';
  }
  if (have < next + HEADER_BYTES) return { more: next + HEADER_BYTES };
  return isLikely(bytes, at + next) ? 'yes' : 'no';
}

/** A header block that names what it is a head of. */
function isHead(payload: Buffer, flags: number): boolean {
  const block = headerBlock(payload, flags);
  let pseudo = false;
  const state = new HpackDecoder(false).decode(block, (name) => {
    if (name !== undefined && name.startsWith(':')) pseudo = true;
  });
  return pseudo && state !== 'fault';
}

/** The payload of a HEADERS frame without padding and priority. */
export function headerBlock(payload: Buffer, flags: number): Buffer {
  let from = 0;
  let to = payload.length;
  if (flags & FLAG.padded) {
    to -= payload[0] as number;
    from = 1;
  }
  if (flags & FLAG.priority) from += 5;
  return to > from ? payload.subarray(from, to) : payload.subarray(0, 0);
}
