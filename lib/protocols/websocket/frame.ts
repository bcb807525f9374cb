/** Headers of WebSocket frames (RFC 6455 §5.2), and how one is told from other bytes. */
import { isUtf8 } from 'node:buffer';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameHeader {
  fin: boolean;
  /** RSV1: the message is compressed, where that was agreed on. */
  rsv1: boolean;
  opcode: number;
  masked: boolean;
  length: number;
  /** Bytes of the header itself, the mask included. */
  size: number;
}

/** The header at `at`; undefined when it is not all there. A length that cannot be counted is Infinity. */
export function readFrameHeader(bytes: Buffer, at: number): FrameHeader | undefined {
  if (bytes.length - at < 2) return undefined;
  const first = bytes[at] as number;
  const second = bytes[at + 1] as number;
  const masked = second >= 0x80;
  const short = second & 0x7f;
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const size = 2 + extra + (masked ? 4 : 0);
  if (bytes.length - at < size) return undefined;
  let length = short;
  if (extra === 2) length = bytes.readUInt16BE(at + 2);
  else if (extra === 8) {
    length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
    if (!Number.isSafeInteger(length)) length = Number.POSITIVE_INFINITY;
  }
  return { fin: first >= 0x80, rsv1: (first & 0x40) !== 0, opcode: first & 0x0f, masked, length, size };
}

/** Applies the mask, whose first byte stands at `phase` of the payload, in place of a copy. */
export function unmask(bytes: Buffer, mask: Buffer, phase: number): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = (bytes[i] as number) ^ (mask[(phase + i) & 3] as number);
  return out;
}

/** Frames longer than this are not looked for. */
const LIKELY_BYTES = 256 * 1024;

/** A frame header as software really sends it, of `most` bytes. `undefined`: more bytes are needed. */
export function likelyHeader(bytes: Buffer, at: number, masked: boolean | undefined, most: number): FrameHeader | false | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const opcode = first & 0x0f;
  if ((first & 0x30) !== 0 || (opcode > 2 && (opcode < 8 || opcode > 10))) return false;
  const control = opcode >= 8;
  if (control && (first & 0xc0) !== 0x80) return false;
  if (opcode === 0 && (first & 0x40) !== 0) return false;
  const second = bytes[at + 1];
  if (second === undefined) return undefined;
  if (masked !== undefined && masked !== second >= 0x80) return false;
  if (control && (second & 0x7f) > 125) return false;
  const header = readFrameHeader(bytes, at);
  if (!header) return undefined;
  const short = second & 0x7f;
  if ((short === 126 && header.length < 126) || (short === 127 && header.length < 65_536) || header.length > most) return false;
  return header;
}

export type Verdict = 'yes' | 'no' | { more: number };

/**
 * Whether a frame begins at `at`: one whose text is UTF-8, where `anchored` says that one may well begin here; else
 * `chain` likely headers, each where the one before it says.
 */
export function isFrame(bytes: Buffer, at: number, masked: boolean | undefined, anchored: boolean, chain: number): Verdict {
  let next = at;
  let mask = masked;
  for (let seen = 0; seen < chain; seen++) {
    const header = likelyHeader(bytes, next, mask, LIKELY_BYTES);
    if (header === false) return 'no';
    if (header === undefined) return { more: Math.max(bytes.length, next) - at + 1 };
    mask = header.masked;
    const end = next + header.size + header.length;
    if (seen === 0 && anchored && header.fin && !header.rsv1 && header.opcode === OPCODE.text && header.length > 1) {
      if (bytes.length < end) return { more: end - at };
      const payload = bytes.subarray(next + header.size, end);
      const text = header.masked ? unmask(payload, bytes.subarray(next + header.size - 4, next + header.size), 0) : payload;
      if (isUtf8(text) && !text.includes(0)) return 'yes';
    }
    next = end;
  }
  return 'yes';
}
