/**
 * gzip, deflate and Brotli by Node's own zlib, which minizlib drives synchronously and as a stream: what can be decoded
 * comes out of the write that brought it. Which library and why: docs/decisions/0004-http1-and-bodies.md.
 */
import { BrotliDecompress, constants, Gunzip, Inflate, InflateRaw } from 'minizlib';
import { ByteStore } from '../byte-store.js';
import type { Decoder, DecoderState, Take } from './decoder.js';

/** Coded bytes that are given at once: with the limit of what may come out of them, a bomb stays small. */
const SLICE_BYTES = 1024;
/** Decoded bytes that one slice may give: DEFLATE's utmost is 1032 to 1, a Brotli meta-block's 16 MiB. */
const OUTPUT_BYTES = 17 * 1024 * 1024;
/** The buffer that zlib writes into; there is one for each open stream. */
const CHUNK_BYTES = 4 * 1024;
/** What an open stream of each kind takes beside that, about; Brotli's window grows with what was decoded. */
const STATE_BYTES = 48 * 1024;
/** Coded bytes that are kept to be decoded once more when a fault follows. */
const KEPT_BYTES = 64 * 1024;

const ZLIB = { flush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES, maxOutputLength: OUTPUT_BYTES };
const BROTLI = { flush: constants.BROTLI_OPERATION_PROCESS, chunkSize: CHUNK_BYTES, maxOutputLength: OUTPUT_BYTES };

/** `deflate` is zlib's form (RFC 1950) or, as some servers send it, the raw one: told by its first two bytes. */
export type NativeCoding = 'gzip' | 'deflate' | 'br';
type Kind = NativeCoding | 'deflate-raw';

/**
 * When zlib finds a fault, what it decoded before it in the same write is gone, so that what comes out would depend on how
 * the bytes are cut. Therefore a second stream follows some way behind: it is brought up to the write that failed and is
 * given that one byte by byte. A body that is shorter than the way never needs it, unless it is damaged.
 */
export class NativeDecoder implements Decoder {
  state: DecoderState = 'more';
  private kind: Kind | undefined;
  private stream: Stream | undefined;
  private follower: Stream | undefined;
  /** What the follower was not given yet, and where it is cut so that no part gives more than a slice may. */
  private readonly kept = new ByteStore();
  private cuts: number[] = [];
  private sinceCut = 0;
  /** The first byte of a `deflate` body, while its kind is not known. */
  private first: Buffer | undefined;
  private decodedBytes = 0;

  constructor(private readonly coding: NativeCoding) {}

  get heldBytes(): number {
    const streams = Number(this.stream !== undefined) + Number(this.follower !== undefined);
    const window = this.coding === 'br' ? Math.min(this.decodedBytes, 16 * 1024 * 1024) : 0;
    return streams * (STATE_BYTES + CHUNK_BYTES + window) + this.kept.heldBytes;
  }

  push(bytes: Buffer, take: Take): void {
    let input = bytes;
    if (this.first) {
      input = Buffer.concat([this.first, bytes]);
      this.first = undefined;
    }
    if (this.kind === undefined) {
      if (this.coding === 'deflate' && input.length < 2) {
        if (input.length > 0) this.first = Buffer.from(input);
        return;
      }
      this.kind = this.coding === 'deflate' && !isZlib(input) ? 'deflate-raw' : this.coding;
      this.stream = new Stream(this.kind);
    }
    for (let at = 0; at < input.length && this.state === 'more'; at += SLICE_BYTES) this.slice(input.subarray(at, at + SLICE_BYTES), take);
    if (this.state !== 'more') this.close();
  }

  end(): void {
    if (this.state === 'more' && this.stream?.end()) this.state = 'done';
    this.close();
  }

  close(): void {
    this.stream?.close();
    this.follower?.close();
    this.stream = undefined;
    this.follower = undefined;
    this.kept.clear();
    this.cuts = [];
  }

  private slice(bytes: Buffer, take: Take): void {
    const { outcome, pieces } = (this.stream as Stream).write(bytes);
    if (outcome === 'failed') {
      this.byteByByte(bytes, take);
      return;
    }
    const before = this.decodedBytes;
    this.hand(pieces, take);
    if (outcome === 'end' && this.state === 'more') this.state = 'done';
    this.keep(bytes, this.decodedBytes - before);
  }

  private hand(pieces: readonly Buffer[], take: Take): void {
    for (const piece of pieces) {
      this.decodedBytes += piece.length;
      if (this.state === 'more' && piece.length > 0 && !take(piece)) this.state = 'stopped';
    }
  }

  private keep(bytes: Buffer, decodedBytes: number): void {
    if (this.kept.length + bytes.length > KEPT_BYTES) this.follow();
    const from = this.kept.length;
    const cut = this.cuts.at(-1) ?? 0;
    if (from > cut && (from + bytes.length - cut > SLICE_BYTES || this.sinceCut + decodedBytes > OUTPUT_BYTES)) {
      this.cuts.push(from);
      this.sinceCut = 0;
    }
    this.sinceCut += decodedBytes;
    this.kept.append(bytes);
  }

  /** Brings the follower up to what was decoded. */
  private follow(): Stream {
    this.follower ??= new Stream(this.kind as Kind);
    const bytes = this.kept.take();
    let at = 0;
    for (const cut of [...this.cuts, bytes.length]) {
      this.follower.write(bytes.subarray(at, cut));
      at = cut;
    }
    this.cuts = [];
    this.sinceCut = 0;
    return this.follower;
  }

  /** Decodes up to the byte that shows the fault. */
  private byteByByte(bytes: Buffer, take: Take): void {
    const follower = this.follow();
    for (let at = 0; at < bytes.length && this.state === 'more'; at++) {
      const { outcome, pieces } = follower.write(bytes.subarray(at, at + 1));
      if (outcome === 'failed') break;
      this.hand(pieces, take);
    }
    // One byte that gives more than a slice may is a limit of ours, not a fault.
    if (this.state === 'more') this.state = follower.tooLarge ? 'stopped' : 'fault';
  }
}

/** RFC 1950 §2.2: the method is 8, and the first two bytes are a multiple of 31. */
function isZlib(bytes: Buffer): boolean {
  return ((bytes[0] as number) & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0;
}

/** What all classes of minizlib have. */
interface Minizlib {
  /** `bytesWritten`: bytes that the last write took. Not there any more after a fault. */
  readonly handle?: { readonly bytesWritten: number };
  on(event: 'data', listener: (piece: Buffer) => void): unknown;
  on(event: 'error', listener: (error: { code?: string }) => void): unknown;
  write(bytes: Buffer): unknown;
  end(): unknown;
  close(): void;
}

/** `end`: the coded stream is complete, and this write had bytes after it. `failed`: it gives nothing, now or later. */
type Outcome = 'ok' | 'end' | 'failed';

/** One stream of zlib's. */
class Stream {
  /** It failed since a write would have given more than a slice may. */
  tooLarge = false;
  private failed = false;
  private pieces: Buffer[] = [];
  private readonly stream: Minizlib;

  constructor(private readonly kind: Kind) {
    this.stream = open(kind);
    this.stream.on('data', (piece) => this.pieces.push(piece));
    this.stream.on('error', ({ code }) => {
      this.failed = true;
      this.tooLarge = code === 'ERR_BUFFER_TOO_LARGE';
    });
  }

  write(bytes: Buffer): { outcome: Outcome; pieces: readonly Buffer[] } {
    this.pieces = [];
    let rest = bytes;
    let outcome: Outcome = 'ok';
    while (rest.length > 0 && outcome === 'ok' && !this.failed) {
      this.stream.write(rest);
      const taken = this.stream.handle?.bytesWritten ?? rest.length;
      if (taken === rest.length) break;
      // Another member may follow one of gzip's, and zeros may be in between: zlib stops at these.
      const next = this.kind === 'gzip' ? afterZeros(rest, taken) : 0;
      if (next > 0) rest = rest.subarray(next);
      else outcome = 'end';
    }
    return this.failed ? { outcome: 'failed', pieces: [] } : { outcome, pieces: this.pieces };
  }

  /** No more bytes come. True when the coded stream is complete. */
  end(): boolean {
    // zlib and Brotli call it an error when a stream is ended before its end.
    this.stream.end();
    return !this.failed;
  }

  close(): void {
    this.stream.close();
  }
}

function afterZeros(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0) at++;
  return at;
}

function open(kind: Kind): Minizlib {
  switch (kind) {
    case 'br':
      return new BrotliDecompress({ ...BROTLI }) as unknown as Minizlib;
    case 'gzip':
      return new Gunzip({ ...ZLIB }) as unknown as Minizlib;
    case 'deflate':
      return new Inflate({ ...ZLIB }) as unknown as Minizlib;
    default:
      return new InflateRaw({ ...ZLIB }) as unknown as Minizlib;
  }
}
