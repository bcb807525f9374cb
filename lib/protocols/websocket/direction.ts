/**
 * One direction of a WebSocket (RFC 6455, with permessage-deflate of RFC 7692), as an onlooker sees it: fed in any
 * pieces, with holes, joined midway, never throwing. It gives whole messages.
 */
import { ByteStore } from '../byte-store.js';
import { isFrame, OPCODE, readFrameHeader, unmask } from './frame.js';
import { Inflater } from './inflater.js';

/** Bytes of one inflated message after which it is inflated no further. */
export const INFLATED_LIMIT = 256 * 1024 * 1024;
/** Control frames carry no more (RFC 6455 §5.5). */
const CONTROL_BYTES = 125;
const NAMES = { 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' } as const;

export type WebSocketOpcode = (typeof NAMES)[keyof typeof NAMES];

export interface WebSocketMessage {
  opcode: WebSocketOpcode;
  compressed: boolean;
  fragments: number;
  /** Inflated, unless `coded`. Only valid during the call. */
  payload: Buffer;
  /** It could not be inflated and stands as it was sent. */
  coded: boolean;
  /** A part of it, or of what it is to be inflated with, is missing. */
  cut: boolean;
  /** It is longer than what is held. */
  limited: boolean;
  /** No more bytes came, and it was not complete. */
  unfinished: boolean;
}

export interface WebSocketHandler {
  /** A message begins with the byte being read; or a control frame, perhaps between the frames of one. */
  begin(control: boolean): void;
  message(message: WebSocketMessage): void;
  /** Bytes of payload as they were sent. */
  sent(bytes: number): void;
  /** The place is lost. */
  lost(): void;
}

interface Message {
  opcode: 1 | 2;
  compressed: boolean;
  fragments: number;
  /** What is there of it, inflated. */
  inflated: number;
  coded: boolean;
  cut: boolean;
  /** What is there of it is not all that could be read; or not all that was sent. */
  limited: boolean;
  sentLimited: boolean;
  /** What came before it is not known. */
  blind: boolean;
}

type State = 'header' | 'payload' | 'search' | 'off';

export interface WebSocketOptions {
  /** Messages may be compressed; `true` also where it is not known. */
  deflate: boolean;
  /** Each message is compressed by itself. */
  alone: boolean;
  /** What was sent before is not known; nor, unless `inStep`, whether the first byte given is the first of a frame. */
  midway: boolean;
  inStep?: boolean;
  /** Bytes of a message that are held. */
  limit: number;
  /** Of the client's direction true, when that is known. */
  masked?: boolean | undefined;
}

export class WebSocketDirection {
  private state: State;
  private readonly header = new ByteStore();
  private readonly mask = Buffer.alloc(4);
  private masked = false;
  private opcode = 0;
  private fin = false;
  private left = 0;
  private phase = 0;
  /** The payload of this frame goes nowhere. */
  private skipping = false;
  private open: Message | undefined;
  private readonly payload = new ByteStore();
  /** The open message as it was sent, in case that it cannot be inflated. */
  private readonly sent = new ByteStore();
  private readonly control = new ByteStore();
  private controlCut = false;
  private readonly inflater = new Inflater();
  /** What the next message is to be inflated with is not known. */
  private blind: boolean;
  private readonly window = new ByteStore();
  private needed = 0;
  private anchored = true;

  constructor(
    private readonly handler: WebSocketHandler,
    private readonly options: WebSocketOptions,
  ) {
    this.state = options.midway && !options.inStep ? 'search' : 'header';
    this.blind = options.midway;
  }

  get heldBytes(): number {
    const { header, payload, sent, control, window, inflater } = this;
    return header.heldBytes + payload.heldBytes + sent.heldBytes + control.heldBytes + window.heldBytes + inflater.heldBytes;
  }

  /** Returns false when nothing of it belongs to a frame. */
  push(bytes: Buffer): boolean {
    let pos = 0;
    while (pos < bytes.length) {
      if (this.state === 'header') pos = this.headerBytes(bytes, pos);
      else if (this.state === 'payload') pos = this.payloadBytes(bytes, pos);
      else if (this.state === 'search') return this.search(bytes.subarray(pos)) || pos > 0;
      else return false;
    }
    return true;
  }

  /** `n` bytes are missing here. */
  gap(n: number): void {
    if (this.state === 'off') return;
    if (this.state !== 'payload') {
      this.lose();
      return;
    }
    const inside = Math.min(n, this.left);
    this.left -= inside;
    this.phase += inside;
    if (this.opcode >= 8) this.controlCut = true;
    else if (this.open && !this.skipping) this.cut(this.open);
    if (this.left === 0) this.frameEnd();
    if (n > inside) this.lose();
  }

  /** No bytes will follow: what there is of a message is given. */
  finish(): void {
    if (this.open) this.give(this.open, true);
    this.state = 'off';
    this.inflater.reset();
  }

  /** Frees what is held; the message being read is cut. */
  shed(): void {
    if (this.open) {
      this.open.limited = true;
      this.open.sentLimited = true;
      this.open.coded = this.open.compressed;
      if (this.open.compressed) this.lostContext = true;
    }
    this.payload.clear();
    this.sent.clear();
    this.inflater.reset();
    if (this.options.deflate && !this.options.alone) this.blind = true;
  }

  private headerBytes(bytes: Buffer, from: number): number {
    if (this.header.length === 0) {
      const opcode = (bytes[from] as number) & 0x0f;
      if (opcode !== OPCODE.continuation) this.handler.begin(opcode >= 8);
      const header = readFrameHeader(bytes, from);
      if (header) {
        this.frame(bytes, from);
        return from + header.size;
      }
    }
    let pos = from;
    while (pos < bytes.length) {
      this.header.append(bytes.subarray(pos, pos + 1));
      pos++;
      const view = this.header.view();
      if (!readFrameHeader(view, 0)) continue;
      this.header.clear();
      this.frame(view, 0);
      break;
    }
    return pos;
  }

  private frame(bytes: Buffer, at: number): void {
    const header = readFrameHeader(bytes, at) as NonNullable<ReturnType<typeof readFrameHeader>>;
    const { opcode, fin, rsv1, length, size, masked } = header;
    if (length === Number.POSITIVE_INFINITY) {
      this.lose();
      return;
    }
    this.opcode = opcode;
    this.fin = fin;
    this.masked = masked;
    this.phase = 0;
    this.left = length;
    if (masked) bytes.copy(this.mask, 0, at + size - 4, at + size);
    this.skipping = false;
    if (opcode === OPCODE.text || opcode === OPCODE.binary) {
      // A message that another one begins within was not ended.
      this.giveOpen();
      this.start(opcode, rsv1);
    } else if (opcode === OPCODE.continuation) {
      if (this.open) this.open.fragments++;
      else this.skipping = true;
    } else {
      this.control.clear();
      this.controlCut = false;
      this.skipping = !(opcode in NAMES) || length > CONTROL_BYTES;
    }
    this.state = 'payload';
    if (length === 0) this.frameEnd();
  }

  private start(opcode: 1 | 2, rsv1: boolean): void {
    const { deflate, alone } = this.options;
    const compressed = rsv1 && deflate;
    if (compressed && (alone || this.blind)) this.inflater.reset();
    // RSV1 of an extension that is not known: the message is what it is.
    const coded = rsv1 && !deflate;
    const { blind } = this;
    this.open = { opcode, compressed, fragments: 1, inflated: 0, coded, cut: false, limited: false, sentLimited: false, blind };
  }

  private payloadBytes(bytes: Buffer, from: number): number {
    const end = Math.min(bytes.length, from + this.left);
    this.left -= end - from;
    if (!this.skipping) {
      const raw = bytes.subarray(from, end);
      const piece = this.masked ? unmask(raw, this.mask, this.phase) : raw;
      if (this.opcode >= 8) this.control.append(piece);
      else this.messageBytes(this.open as Message, piece);
    }
    this.phase += end - from;
    if (this.left === 0) this.frameEnd();
    return end;
  }

  private messageBytes(open: Message, piece: Buffer): void {
    this.handler.sent(piece.length);
    if (!open.compressed) {
      if (this.keep(this.payload, piece)) open.limited = true;
      return;
    }
    if (this.keep(this.sent, piece)) open.sentLimited = true;
    if (open.coded || open.cut) return;
    if (!this.inflater.push(piece, (inflated) => this.inflated(open, inflated))) this.undone(open);
  }

  private inflated(open: Message, piece: Buffer): void {
    open.inflated += piece.length;
    if (open.inflated > INFLATED_LIMIT) this.undone(open);
    else if (this.keep(this.payload, piece)) open.limited = true;
  }

  /** It cannot be inflated, and with it what refers to it. */
  private undone(open: Message): void {
    if (open.inflated > INFLATED_LIMIT) open.sentLimited = true;
    open.coded = true;
    this.lostContext = true;
  }

  /** The window of the inflater is not the sender's. */
  private lostContext = false;

  /** Returns true when that is more than is held. */
  private keep(store: ByteStore, piece: Buffer): boolean {
    const room = this.options.limit - store.length;
    store.append(piece.subarray(0, room));
    return piece.length > room;
  }

  private cut(open: Message): void {
    open.cut = true;
    if (!open.compressed) return;
    open.coded = true;
    this.blind = true;
    this.lostContext = true;
  }

  private frameEnd(): void {
    this.state = 'header';
    if (this.opcode >= 8) {
      const payload = this.control.take();
      if (this.skipping) return;
      const opcode = NAMES[this.opcode as 8 | 9 | 10];
      this.handler.message({
        opcode,
        compressed: false,
        fragments: 1,
        payload,
        coded: false,
        cut: this.controlCut,
        limited: false,
        unfinished: false,
      });
    } else if (this.fin && this.open && !this.skipping) {
      const { open } = this;
      if (open.compressed && !open.coded && !this.inflater.end((piece) => this.inflated(open, piece))) this.undone(open);
      this.give(open);
    }
  }

  /** Gives a message that is not complete. */
  private giveOpen(): void {
    if (!this.open) return;
    this.cut(this.open);
    this.give(this.open);
  }

  private give(open: Message, unfinished = false): void {
    this.open = undefined;
    const inflated = this.payload.take();
    const sent = this.sent.take();
    const asSent = open.compressed && open.coded;
    if (this.lostContext) {
      this.lostContext = false;
      this.blind = true;
    } else if (open.compressed) this.blind = false;
    this.handler.message({
      opcode: NAMES[open.opcode],
      compressed: open.compressed,
      fragments: open.fragments,
      payload: asSent ? sent : inflated,
      coded: open.coded,
      cut: open.cut || (open.blind && open.coded),
      limited: asSent ? open.sentLimited : open.limited,
      unfinished,
    });
  }

  private lose(): void {
    this.giveOpen();
    this.header.clear();
    this.blind = true;
    this.state = 'search';
    this.anchored = true;
    this.window.clear();
    this.needed = 0;
    this.handler.lost();
  }

  /** Looks for a frame. Returns false when there is none, nor may be. */
  private search(bytes: Buffer): boolean {
    this.window.append(bytes);
    if (this.window.length < this.needed) return true;
    const all = this.window.take();
    this.needed = 0;
    for (let at = 0; at < all.length; at++) {
      const anchored = this.anchored && at === 0;
      const verdict = isFrame(all, at, this.options.masked, anchored, anchored ? 2 : 4);
      if (verdict === 'no') continue;
      if (verdict === 'yes') {
        this.state = 'header';
        this.push(all.subarray(at));
      } else {
        if (at > 0) this.anchored = false;
        this.window.append(all.subarray(at));
        this.needed = verdict.more;
      }
      return true;
    }
    this.anchored = false;
    return false;
  }
}
