/**
 * One direction of an HTTP/1 connection (RFC 9112), as an onlooker sees it: fed in any pieces, with holes, joined
 * midway, never throwing. It finds where messages begin and end and hands on their heads and the bytes of their bodies;
 * content codings are somebody else's work.
 *
 * Bytes that belong to no message are *skipped*. The parser says which bytes it has not decided on, so that whoever
 * feeds it can pass on what turns out not to be HTTP.
 */
import { isFrame } from '../http2/frame.js';
import { ChunkedReader } from './chunked.js';
import { FieldReader } from './fields.js';
import { type Framing, requestFraming, responseFraming } from './framing.js';
import { LineReader } from './line-reader.js';
import {
  findStartLine,
  HTTP2_LINE,
  type Kind,
  mayBeStartLine,
  parseRequestLine,
  parseStatusLine,
  type RequestLine,
  type StatusLine,
} from './start-line.js';

export interface Head {
  kind: Kind;
  start: RequestLine | StatusLine;
  fields: FieldReader;
}

/** How a message ended. `gap`: bytes are missing and with them the place of its end. `fault`: its framing cannot be read. */
export type End = 'complete' | 'gap' | 'fault' | 'closed' | 'eof' | 'tunnel';

export interface Http1Handler {
  /** A message begins at that position (bytes since the first one given). Its kind is known from here on. */
  begin(kind: Kind, position: number): void;
  /** Its head. `whole` is false when it was cut; then `end` follows at once. For a response: the method that it answers, if known. */
  head(head: Head, whole: boolean): string | undefined;
  /** How its body is framed, right after a whole head. */
  framed(framing: Framing): void;
  /** A piece of its body, without chunk framing. Only valid during the call. */
  data(piece: Buffer): void;
  /** That many bytes of its body are missing, and it goes on after them. */
  missing(bytes: number): void;
  end(how: End, trailers: FieldReader | undefined): void;
  /** The place is lost: messages may be missing before the next one. */
  lost(): void;
  /** What this direction carries is not HTTP/1: from here on nothing is looked at. */
  other(what: 'http2' | 'unknown'): void;
  /** Bytes that are not HTTP/1: those from that position on, in the piece being read. Only valid during the call. */
  rest(bytes: Buffer, position: number): void;
}

type State = 'start' | 'head' | 'length' | 'chunked' | 'close' | 'search' | 'off';

const CR = 0x0d;
const LF = 0x0a;

export class Http1Parser {
  state: State;
  /** Bytes given so far, missing ones counted. */
  position = 0;
  /** Bytes before this one are decided: each belongs to a message, or to none. */
  decided = 0;
  /** Messages begun. */
  messages = 0;
  private readonly lines = new LineReader();
  private undecided: Buffer | undefined;
  private anchored = true;
  private start: RequestLine | StatusLine | undefined;
  private fields = new FieldReader();
  private chunked: ChunkedReader | undefined;
  /** The line that ended a chunked body by a fault, where it began in an earlier piece. */
  private again: Buffer | undefined;
  private left = 0;

  /**
   * @param kind what this direction carries, when that is known
   * @param midway the first byte given need not be the first of a message
   */
  constructor(
    private readonly handler: Http1Handler,
    public kind: Kind | undefined,
    midway: boolean,
  ) {
    this.state = midway ? 'search' : 'start';
  }

  /** True while a message is being read. */
  get inMessage(): boolean {
    return this.state === 'head' || this.state === 'length' || this.state === 'chunked' || this.state === 'close';
  }

  /** The bytes that are waited with, for whoever reads on from here: forgets them. */
  takeUndecided(): Buffer | undefined {
    const bytes = this.undecided;
    this.undecided = undefined;
    return bytes;
  }

  /** Bytes held here: parts of lines, fields of a head, undecided bytes. */
  get heldBytes(): number {
    return this.lines.heldBytes + this.fields.bytes + (this.undecided?.length ?? 0) + (this.chunked?.heldBytes ?? 0);
  }

  push(bytes: Buffer): void {
    let buf = bytes;
    if (this.undecided) {
      buf = Buffer.concat([this.undecided, bytes]);
      this.undecided = undefined;
    }
    const base = this.position + bytes.length - buf.length;
    this.position += bytes.length;
    this.run(buf, base);
  }

  /** `n` bytes are missing here. */
  gap(n: number): void {
    this.release();
    this.position += n;
    this.decided = this.position;
    switch (this.state) {
      case 'length':
        if (n > this.left) break;
        this.left -= n;
        this.handler.missing(n);
        if (this.left === 0) this.finish('complete');
        return;
      case 'chunked':
        if (!this.chunked?.skip(n)) break;
        this.handler.missing(n);
        return;
      case 'close':
        this.handler.missing(n);
        return;
      case 'off':
        return;
    }
    if (this.state === 'length') this.handler.missing(this.left);
    if (this.inMessage) this.abandon('gap');
    this.search();
  }

  /** No bytes will follow. `closed`: the connection ended; else only what is known of it. */
  end(closed: boolean): void {
    this.release();
    if (this.state === 'close' && closed) this.finish('complete');
    else if (this.inMessage) this.abandon(closed ? 'closed' : 'eof');
    this.state = 'off';
  }

  /** From here on this direction carries something else (101, CONNECT). */
  stop(): void {
    this.release();
    if (this.inMessage) this.abandon('tunnel');
    this.state = 'off';
  }

  /** Stops waiting for what was held back: it belongs to no message. */
  forget(): void {
    this.release();
    if (this.state === 'start') this.search();
    this.anchored = false;
  }

  /** Everything given so far is decided: what was held back belongs to no message. */
  private release(): void {
    this.undecided = undefined;
    this.decided = this.position;
  }

  private run(bytes: Buffer, at: number): void {
    let buf = bytes;
    let base = at;
    let pos = 0;
    while (pos < buf.length) {
      switch (this.state) {
        case 'start':
          pos = this.startLine(buf, pos, base);
          break;
        case 'search':
          pos = this.searchLine(buf, pos, base);
          break;
        case 'head':
          pos = this.headLines(buf, pos);
          break;
        case 'length': {
          const end = Math.min(buf.length, pos + this.left);
          this.left -= end - pos;
          this.handler.data(buf.subarray(pos, end));
          pos = end;
          if (this.left === 0) this.finish('complete');
          break;
        }
        case 'close':
          this.handler.data(buf.subarray(pos));
          pos = buf.length;
          break;
        case 'chunked':
          pos = this.chunk(buf, pos);
          if (this.again) {
            // It began in an earlier piece, so this happens once in a piece at most.
            base += pos - this.again.length;
            buf = Buffer.concat([this.again, buf.subarray(pos)]);
            pos = 0;
            this.again = undefined;
          }
          break;
        case 'off':
          this.handler.rest(buf.subarray(pos), base + pos);
          pos = buf.length;
          break;
      }
    }
    if (!this.undecided) this.decided = this.position;
  }

  /** Where the next message begins, in step. Returns the new position in the buffer. */
  private startLine(buf: Buffer, from: number, base: number): number {
    let pos = from;
    if (this.messages === 0 && base + from === 0 && buf[from] === 0) {
      // A server may speak first on HTTP/2 (RFC 9113 §3.4).
      const verdict = isFrame(buf, from, true);
      if (typeof verdict === 'object') return this.wait(buf, from, base);
      this.off(verdict === 'yes' ? 'http2' : 'unknown');
      return from;
    }
    // Empty lines before a start line are to be ignored (RFC 9112 §2.2).
    while (buf[pos] === CR || buf[pos] === LF) pos++;
    if (pos === buf.length) return pos;
    const newline = buf.indexOf(LF, pos);
    if (newline < 0) {
      const text = buf.toString('latin1', pos);
      if (this.kinds().some((kind) => mayBeStartLine(text, kind))) return this.wait(buf, pos, base);
    } else {
      const text = buf.toString('latin1', pos, buf[newline - 1] === CR ? newline - 1 : newline);
      if (this.accept(text, base + pos)) return newline + 1;
      if (this.messages === 0 && text === HTTP2_LINE) {
        this.off('http2');
        return pos;
      }
    }
    // The first bytes of a connection that was seen from its start: this is another protocol.
    if (this.messages === 0) this.off('unknown');
    else this.search();
    return pos;
  }

  /** Where the next message begins, out of step. */
  private searchLine(buf: Buffer, from: number, base: number): number {
    if (this.anchored && from === 0 && this.messages === 0 && buf[0] === 0) {
      const verdict = isFrame(buf, 0, true);
      if (verdict === 'yes') {
        this.off('http2');
        return from;
      }
      if (typeof verdict === 'object') return this.wait(buf, from, base);
    }
    const text = buf.toString('latin1', from);
    if (this.anchored && from === 0 && this.messages === 0 && this.kind !== 'response') {
      if (text.startsWith(HTTP2_LINE)) {
        this.off('http2');
        return from;
      }
      if (HTTP2_LINE.startsWith(text)) return this.wait(buf, from, base);
    }
    let hold = text.length;
    let best: number | undefined;
    for (const kind of this.kinds()) {
      const found = findStartLine(text, kind, this.anchored);
      hold = Math.min(hold, found.hold);
      if (found.at !== undefined && (best === undefined || found.at < best)) best = found.at;
    }
    // An earlier place may still turn out to be a start of the other kind.
    if (best !== undefined && best <= hold) {
      this.state = 'start';
      return from + best;
    }
    if (hold > 0) this.anchored = false;
    if (hold < text.length) return this.wait(buf, from + hold, base);
    return buf.length;
  }

  private kinds(): readonly Kind[] {
    return this.kind ? [this.kind] : ['request', 'response'];
  }

  /** Keeps the rest until more is known. */
  private wait(buf: Buffer, pos: number, base: number): number {
    // A copy: the piece that it came with may be much larger.
    this.undecided = Buffer.from(buf.subarray(pos));
    this.decided = base + pos;
    return buf.length;
  }

  private accept(line: string, position: number): boolean {
    const request = this.kind !== 'response' ? parseRequestLine(line) : undefined;
    const start = request ?? (this.kind !== 'request' ? parseStatusLine(line) : undefined);
    if (!start) return false;
    this.kind ??= request ? 'request' : 'response';
    this.start = start;
    this.fields = new FieldReader();
    this.state = 'head';
    this.messages++;
    this.handler.begin(this.kind, position);
    return true;
  }

  private headLines(buf: Buffer, from: number): number {
    let pos = from;
    while (pos < buf.length) {
      pos = this.lines.push(buf, pos);
      if (!this.lines.complete) break;
      const { tooLong } = this.lines;
      const line = this.lines.take();
      if (line === '') {
        this.headEnd();
        break;
      }
      if (tooLong) this.fields.tooLong();
      else this.fields.line(line);
    }
    return pos;
  }

  private headEnd(): void {
    const kind = this.kind as Kind;
    const start = this.start as RequestLine | StatusLine;
    const fields = this.fields;
    this.fields = new FieldReader();
    const method = this.handler.head({ kind, start, fields }, true);
    const framing = 'status' in start ? responseFraming(fields, start.status, method) : requestFraming(fields);
    this.handler.framed(framing);
    switch (framing.by) {
      case 'length':
        this.left = framing.length;
        this.state = 'length';
        break;
      case 'chunked':
        this.chunked = new ChunkedReader();
        this.state = 'chunked';
        break;
      case 'close':
        this.state = 'close';
        break;
      case 'none':
        this.finish('complete');
        break;
      case 'tunnel':
        this.finish('complete');
        this.state = 'off';
        break;
      case 'unknown':
        this.finish('fault');
        this.search();
        break;
    }
  }

  private chunk(buf: Buffer, from: number): number {
    const chunked = this.chunked as ChunkedReader;
    const pos = chunked.push(buf, from, this.bodyPiece);
    if (chunked.state === 'done') {
      this.finish('complete', chunked.trailers);
    } else if (chunked.state === 'fault') {
      this.finish('fault');
      this.search();
      // The line that is no chunk size may be the start of the next message: it is looked at again.
      const again = pos - chunked.faultLine.length;
      if (again >= from) return again;
      this.again = Buffer.from(chunked.faultLine, 'latin1');
    }
    return pos;
  }

  private readonly bodyPiece = (piece: Buffer): void => this.handler.data(piece);

  private search(): void {
    this.state = 'search';
    this.anchored = true;
    this.handler.lost();
  }

  private off(what: 'http2' | 'unknown'): void {
    this.state = 'off';
    this.handler.other(what);
  }

  private finish(how: End, trailers?: FieldReader): void {
    this.state = 'start';
    this.chunked = undefined;
    this.handler.end(how, trailers && trailers.list.length + Number(trailers.limited) > 0 ? trailers : undefined);
  }

  /** Ends a message before its end, in whatever state it is. */
  private abandon(how: End): void {
    if (this.state === 'head') {
      this.lines.forget();
      this.handler.head({ kind: this.kind as Kind, start: this.start as RequestLine | StatusLine, fields: this.fields }, false);
      this.fields = new FieldReader();
    }
    this.finish(how, this.chunked?.trailers);
  }
}
