/**
 * One direction of an HTTP/2 connection (RFC 9113), as an onlooker sees it: fed in any pieces, with holes, joined midway,
 * never throwing. It gives heads and pieces of bodies by stream; pairing them is somebody else's work. A hole inside a
 * frame costs that frame; a larger one costs the place, and the next frame is looked for.
 */
import { ByteStore } from '../byte-store.js';
import { HpackDecoder } from '../hpack/decoder.js';
import { FLAG, type FrameHeader, HEADER_BYTES, headerBlock, isFrame, isValid, PREFACE, readFrameHeader, TYPE } from './frame.js';
import { Http2Head } from './head.js';

/** Bytes of one header block, over all its CONTINUATION frames; a longer one is cut, and the table with it unknown. */
export const BLOCK_LIMIT = 1024 * 1024;

export interface Http2Handler {
  /** This direction is the client's. */
  client(): void;
  /** A frame, or a header block of several, begins with the byte being read. */
  frame(): void;
  /** The head of a message, or its trailers. `ends`: nothing comes after it, and `end` follows. */
  head(stream: number, head: Http2Head, ends: boolean): void;
  /** The head of a request that the server answers unasked, as stream `promised`. */
  promise(stream: number, promised: number, head: Http2Head): void;
  /** A piece of a body, without padding. Only valid during the call. */
  data(stream: number, piece: Buffer): void;
  /** That many bytes of a body are missing, and it goes on after them. */
  missing(stream: number, bytes: number): void;
  end(stream: number): void;
  reset(stream: number): void;
  /** The sender of this will not answer streams above `last`. */
  goaway(last: number): void;
  /** The place is lost: of every stream something may be missing. */
  lost(): void;
}

type State = 'begin' | 'preface' | 'header' | 'payload' | 'search' | 'off';

const EMPTY = Buffer.alloc(0);

export class Http2Direction {
  state: State;
  private readonly hpack: HpackDecoder;
  /** Bytes of the preface that were read. */
  private prefaceAt = 0;
  private readonly headerBytes = Buffer.alloc(HEADER_BYTES);
  private headerLength = 0;
  /** No frame of a connection given from its start was read. */
  private first: boolean;
  private frame: FrameHeader = { length: 0, type: 0, flags: 0, stream: 0 };
  /** Bytes of the frame that are still to come. */
  private left = 0;
  /** Of those the padding at the end; `undefined` while the length of it is to come. */
  private padding: number | undefined = 0;
  /** The payload of a frame that is read as a whole. */
  private readonly payload = new ByteStore();
  /** The header block that CONTINUATION frames go on with: the frame that it began with, and its bytes so far. */
  private open: { frame: FrameHeader; promised: number; cut: boolean; limited: boolean } | undefined;
  private readonly block = new ByteStore();
  /** A part of this frame's payload is missing. */
  private cut = false;
  /** While searching: bytes that may be the beginning of a frame, and how many are needed to say. */
  private readonly window = new ByteStore();
  private needed = 0;
  private anchored = true;
  /** Of the bytes being read some belong to a frame, or may. */
  private took = false;
  /** The next header stands in bytes that were searched. */
  private resumed = false;

  /** @param midway the first byte given need not be the first of the connection */
  constructor(
    private readonly handler: Http2Handler,
    midway: boolean,
  ) {
    this.state = midway ? 'search' : 'begin';
    this.first = !midway;
    this.hpack = new HpackDecoder(!midway);
  }

  /** Bytes held: of frames that are not whole, of header blocks, and the dynamic table. */
  get heldBytes(): number {
    return this.payload.heldBytes + this.block.heldBytes + this.window.heldBytes + this.hpack.heldBytes;
  }

  /** Returns false when nothing of it belongs to a frame. */
  push(bytes: Buffer): boolean {
    this.took = false;
    this.read(bytes);
    return this.took;
  }

  private read(bytes: Buffer): void {
    let pos = 0;
    while (pos < bytes.length) {
      switch (this.state) {
        case 'begin':
          this.state = bytes[pos] === PREFACE[0] ? 'preface' : 'header';
          break;
        case 'preface':
          pos = this.prefaceBytes(bytes, pos);
          break;
        case 'header':
          pos = this.header(bytes, pos);
          break;
        case 'payload':
          pos = this.payloadBytes(bytes, pos);
          break;
        case 'search':
          this.search(bytes.subarray(pos));
          return;
        case 'off':
          return;
      }
    }
  }

  /** `n` bytes are missing here. */
  gap(n: number): void {
    if (this.state === 'off') return;
    if (this.state === 'search') {
      this.settle();
      if (this.state === 'search') this.lose();
      else this.gap(n);
      return;
    }
    if (this.state !== 'payload') {
      this.lose();
      return;
    }
    const { frame } = this;
    const inside = Math.min(n, this.left);
    if (frame.type === TYPE.data) this.handler.missing(frame.stream, Math.min(inside, Math.max(0, this.left - (this.padding ?? 0))));
    this.padding ??= 0;
    this.cut = true;
    this.left -= inside;
    if (this.left === 0) this.frameEnd(EMPTY);
    if (n > inside) this.lose();
  }

  /** No bytes will follow. */
  finish(): void {
    if (this.state === 'search') this.settle();
    this.breakOff();
    this.state = 'off';
  }

  /** Gives up what is held, the table included. */
  shed(): void {
    this.hpack.lose();
    if (this.open) this.open.cut = true;
    this.block.clear();
    this.payload.clear();
    if (this.state === 'payload') this.cut = true;
  }

  private prefaceBytes(bytes: Buffer, from: number): number {
    let pos = from;
    while (pos < bytes.length && this.prefaceAt < PREFACE.length) {
      if (bytes[pos] !== PREFACE[this.prefaceAt]) {
        this.lose();
        return pos;
      }
      this.prefaceAt++;
      this.took = true;
      pos++;
    }
    if (this.prefaceAt === PREFACE.length) {
      this.state = 'header';
      this.handler.client();
    }
    return pos;
  }

  private header(bytes: Buffer, from: number): number {
    if (this.headerLength === 0 && !this.open && !this.resumed) this.handler.frame();
    this.resumed = false;
    const taken = Math.min(HEADER_BYTES - this.headerLength, bytes.length - from);
    bytes.copy(this.headerBytes, this.headerLength, from, from + taken);
    this.headerLength += taken;
    if (this.headerLength < HEADER_BYTES) {
      this.took = true;
      return from + taken;
    }
    this.headerLength = 0;
    const frame = readFrameHeader(this.headerBytes, 0);
    // The first frame of either side is SETTINGS (§3.4).
    const first = this.first && frame.type !== TYPE.settings;
    this.first = false;
    if (first || !isValid(frame)) {
      this.lose();
      return from + taken;
    }
    this.took = true;
    // Nothing may come between the frames of one header block (§4.3).
    if (this.open && (frame.type !== TYPE.continuation || frame.stream !== this.open.frame.stream)) this.blockEnd(true);
    this.frame = frame;
    this.left = frame.length;
    this.cut = false;
    this.padding = frame.type === TYPE.data && frame.flags & FLAG.padded ? undefined : 0;
    this.state = 'payload';
    if (this.left === 0) this.frameEnd(EMPTY);
    return from + taken;
  }

  private payloadBytes(bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + this.left);
    this.took = true;
    this.left -= end - from;
    switch (this.frame.type) {
      case TYPE.data:
        this.dataBytes(bytes, from, end);
        if (this.left === 0) this.frameEnd(EMPTY);
        break;
      case TYPE.headers:
      case TYPE.pushPromise:
      case TYPE.continuation:
      case TYPE.goaway:
        if (this.left === 0 && this.payload.length === 0 && !this.cut && end - from <= BLOCK_LIMIT)
          this.frameEnd(bytes.subarray(from, end));
        else {
          // After a hole nothing more of it can be read.
          if (!this.cut) this.hold(bytes.subarray(from, end));
          if (this.left === 0) this.frameEnd(this.cut ? EMPTY : this.payload.take());
        }
        break;
      default:
        if (this.left === 0) this.frameEnd(EMPTY);
    }
    return end;
  }

  private hold(piece: Buffer): void {
    const room = BLOCK_LIMIT - this.payload.length;
    if (piece.length > room) this.cut = true;
    this.payload.append(piece.subarray(0, room));
  }

  private dataBytes(bytes: Buffer, from: number, end: number): void {
    let pos = from;
    if (this.padding === undefined && pos < end) this.padding = Math.min(bytes[pos++] as number, this.left + (end - pos));
    const to = Math.min(end, end + this.left - (this.padding ?? 0));
    if (to > pos) this.handler.data(this.frame.stream, bytes.subarray(pos, to));
  }

  /** The frame is over; `payload` is all of it where it was wanted, unless `cut`. */
  private frameEnd(payload: Buffer): void {
    const { frame, handler } = this;
    this.state = 'header';
    const bytes = this.cut ? this.payload.take() : payload;
    switch (frame.type) {
      case TYPE.data:
        if (frame.flags & FLAG.endStream) handler.end(frame.stream);
        break;
      case TYPE.headers:
        this.open = { frame, promised: 0, cut: this.cut, limited: false };
        this.blockPiece(this.cut ? uncut(bytes, frame.flags) : headerBlock(bytes, frame.flags), frame.flags);
        break;
      case TYPE.pushPromise: {
        const pad = frame.flags & FLAG.padded ? 1 : 0;
        if (bytes.length < pad + 4) {
          this.hpack.lose();
          break;
        }
        this.open = { frame, promised: bytes.readUInt32BE(pad) & 0x7fffffff, cut: this.cut, limited: false };
        const to = this.cut || pad === 0 ? bytes.length : bytes.length - (bytes[0] as number);
        this.blockPiece(bytes.subarray(pad + 4, Math.max(pad + 4, to)), frame.flags);
        break;
      }
      case TYPE.continuation:
        if (!this.open) this.hpack.lose();
        else {
          if (!this.open.cut && !this.open.limited) this.blockPiece(bytes, frame.flags);
          else if (frame.flags & FLAG.endHeaders) this.blockEnd(this.cut);
          if (this.open && this.cut) this.open.cut = true;
        }
        break;
      case TYPE.rstStream:
        handler.reset(frame.stream);
        break;
      case TYPE.goaway:
        if (!this.cut) handler.goaway(bytes.readUInt32BE(0) & 0x7fffffff);
        break;
    }
  }

  private blockPiece(piece: Buffer, flags: number): void {
    const open = this.open as NonNullable<typeof this.open>;
    const last = (flags & FLAG.endHeaders) !== 0;
    if (last && this.block.length === 0) {
      this.blockDone(piece, open.cut || this.cut);
      return;
    }
    if (this.block.length + piece.length > BLOCK_LIMIT) open.limited = true;
    else this.block.append(piece);
    if (last) this.blockEnd(this.cut);
  }

  private blockEnd(cut: boolean): void {
    this.blockDone(this.block.take(), cut || this.open?.cut === true);
  }

  private blockDone(bytes: Buffer, cut: boolean): void {
    const { frame, promised, limited } = this.open as NonNullable<typeof this.open>;
    this.open = undefined;
    const head = new Http2Head(this.hpack, bytes, cut, limited);
    if (frame.type === TYPE.pushPromise) this.handler.promise(frame.stream, promised, head);
    else {
      const ends = (frame.flags & FLAG.endStream) !== 0;
      this.handler.head(frame.stream, head, ends);
      if (ends) this.handler.end(frame.stream);
    }
  }

  /** Ends what is being read before its end. */
  private breakOff(): void {
    if (this.state === 'payload') {
      this.cut = true;
      if (this.frame.type === TYPE.headers || this.frame.type === TYPE.continuation || this.frame.type === TYPE.pushPromise)
        this.frameEnd(EMPTY);
      else if (this.frame.type === TYPE.data && this.left > (this.padding ?? 0)) this.handler.missing(this.frame.stream, 0);
      this.payload.clear();
    }
    if (this.open) this.blockEnd(true);
    this.headerLength = 0;
  }

  private lose(): void {
    this.breakOff();
    this.hpack.lose();
    this.first = false;
    this.state = 'search';
    this.anchored = true;
    this.window.clear();
    this.needed = 0;
    this.handler.lost();
  }

  private search(bytes: Buffer): void {
    // What a frame was found in came before; its header may stand in pieces.
    if (this.window.length === 0) this.handler.frame();
    this.window.append(bytes);
    if (this.window.length < this.needed) {
      this.took = true;
      return;
    }
    const all = this.window.take();
    this.needed = 0;
    let at = 0;
    while (at < all.length) {
      const verdict = isFrame(all, at, this.anchored && at === 0);
      if (verdict === 'yes') {
        this.found(all.subarray(at));
        return;
      }
      if (verdict !== 'no') {
        this.window.append(all.subarray(at));
        this.needed = verdict.more;
        if (at > 0) this.anchored = false;
        this.took = true;
        return;
      }
      at = all.indexOf(0, at + 1);
      if (at < 0) break;
    }
    this.anchored = false;
  }

  /** Nothing follows that could confirm a frame: one that ends where the bytes end is believed. */
  private settle(): void {
    const all = this.window.take();
    this.needed = 0;
    for (let at = all.indexOf(0); at >= 0 && all.length - at > HEADER_BYTES; at = all.indexOf(0, at + 1)) {
      const verdict = isFrame(all, at, false);
      if (verdict === 'no') continue;
      if (verdict === 'yes' || at + verdict.more === all.length + HEADER_BYTES) {
        this.found(all.subarray(at));
        return;
      }
    }
  }

  private found(bytes: Buffer): void {
    this.state = 'header';
    this.resumed = true;
    this.read(bytes);
  }
}

/** The beginning of a HEADERS payload whose end is missing: its padding, if any, is in what is missing. */
function uncut(bytes: Buffer, flags: number): Buffer {
  return bytes.subarray(Math.min(bytes.length, (flags & FLAG.padded ? 1 : 0) + (flags & FLAG.priority ? 5 : 0)));
}
