/** An HTTP/2 connection: its streams, which response answers which request, and the messages that they become. */

import { readTarget } from '../../protocols/http1/target.js';
import type { Http2Head } from '../../protocols/http2/head.js';
import { agreedDeflate } from '../../protocols/websocket/extension.js';
import type { Direction, Role } from '../../stream/event.js';
import type { Wire } from './flow.js';
import { Http2Side } from './http2-side.js';
import { Http2Stream } from './http2-stream.js';
import { type Emitter, type Exchange, isStream, type Message, type RequestHead, type ResponseHead } from './message.js';
import type { HttpSettings } from './options.js';
import { redactQuery } from './secrets.js';
import { elapsed, fieldsOf, headText } from './text.js';
import { WebSocketExchange } from './websocket.js';

/** What a connection needs of its session. */
export interface Http2Owner {
  readonly conn: string;
  readonly role: Role | undefined;
  readonly scheme: string;
  /** The session was under way when the sensor met it. */
  readonly joined: boolean;
  readonly host: Emitter & { readonly settings: HttpSettings; lost(conn: string, messages: number, id: string | undefined): void };
  /** The role follows from who speaks. */
  settle(role: Role): void;
}

/** Streams of one connection that are open at once; then the least recently heard is given up. */
export const STREAMS_LIMIT = 1024;

type End = 'complete' | 'gap' | 'closed' | 'eof' | 'reset';

export class Http2Connection {
  /** The least recently heard comes first. */
  private readonly streams = new Map<number, Http2Stream>();
  private streamBytes = 0;
  private readonly sides: Record<Direction, Http2Side>;
  /** The highest stream that a client began. */
  private highest = 0;
  endedByLimit = false;

  /**
   * @param midway either direction need not be given from its first byte
   * @param upgraded the exchange that an `Upgrade: h2c` made stream 1
   */
  constructor(
    readonly owner: Http2Owner,
    midway: boolean,
    upgraded?: Exchange,
  ) {
    this.sides = { read: new Http2Side(this, 'read', midway), write: new Http2Side(this, 'write', midway) };
    if (!upgraded) return;
    this.highest = 1;
    const stream = this.add(new Http2Stream(1, upgraded), undefined);
    stream.done.client = true;
  }

  wire(direction: Direction): Wire {
    return this.sides[direction];
  }

  get heldBytes(): number {
    return this.sides.read.heldBytes + this.sides.write.heldBytes + this.streamBytes;
  }

  /** Messages that would be cut if this connection were forgotten now. */
  get openThings(): number {
    let open = 0;
    for (const stream of this.streams.values()) open += Number(stream.open.client !== undefined) + Number(!stream.done.server);
    return open;
  }

  /** No more data. */
  end(closed: boolean): void {
    this.sides.read.finish();
    this.sides.write.finish();
    for (const stream of [...this.streams.values()]) this.abandon(stream, closed ? 'closed' : 'eof');
  }

  /** Gives up what is held, its open messages included. Returns how many those were. */
  shed(): number {
    const { openThings } = this;
    this.endedByLimit = true;
    for (const stream of [...this.streams.values()]) this.abandon(stream, 'eof');
    this.endedByLimit = false;
    this.sides.read.shed();
    this.sides.write.shed();
    return openThings;
  }

  senderOf(direction: Direction): Role | undefined {
    const { role } = this.owner;
    if (!role) return undefined;
    return direction === 'write' ? role : role === 'client' ? 'server' : 'client';
  }

  /** The one who sends in `direction` turned out to be that end. */
  learn(direction: Direction, sender: Role): void {
    if (!this.owner.role) this.owner.settle(direction === 'write' ? sender : sender === 'client' ? 'server' : 'client');
  }

  head(side: Http2Side, id: number, head: Http2Head, ends: boolean): void {
    if (head.named.has('method')) this.learn(side.direction, 'client');
    else if (head.named.has('status')) this.learn(side.direction, 'server');
    const sender = this.senderOf(side.direction);
    if (!sender) return;
    const known = this.streams.get(id);
    const message = known?.open[sender];
    if (known && message) {
      side.touch(message);
      this.addTrailers(known, sender, message, head);
    } else if (sender === 'client') this.requestHead(side, id, known, head, ends);
    else if (head.named.has('status') || (known && head.unknown && !ends)) this.responseHead(side, id, known, head, ends);
    // Else these are the trailers of a response whose head was not seen.
  }

  private addTrailers(stream: Http2Stream, sender: Role, message: Message, head: Http2Head): void {
    note(message, head);
    if (head.fields.list.length === 0 || stream.trailers[sender]) return;
    stream.trailers[sender] = head;
    stream.headBytes += head.fields.bytes;
    this.weigh(stream);
  }

  private requestHead(side: Http2Side, id: number, known: Http2Stream | undefined, head: Http2Head, ends: boolean): void {
    // Of a stream that is not known, a head without names may be the trailers of a request whose head was not seen.
    if (known || (head.named.size === 0 && id <= this.highest)) return;
    this.highest = Math.max(this.highest, id);
    const stream = this.add(new Http2Stream(id, this.exchange(id)), side);
    const message = side.message('client');
    const request = this.requestOf(head);
    stream.exchange.request = request;
    stream.exchange.begunAt = message.firstAt;
    stream.open.client = message;
    stream.headBytes += head.fields.bytes;
    note(message, head);
    const asksSocket = request.method === 'CONNECT' && head.pseudo.get('protocol') === 'websocket' && !ends;
    message.request(this.requestData(message, stream.exchange, head), head.fields, !ends && !asksSocket);
    if (asksSocket) {
      // Its body is the WebSocket.
      stream.asksSocket = true;
      this.finish(stream, 'client', 'complete');
      stream.done.client = false;
    }
    this.weigh(stream);
  }

  /** What both heads of an exchange begin with, in the message's data. */
  private begun<Of extends RequestHead | ResponseHead>(message: Message, { id, request }: Exchange): Of {
    const { owner } = this;
    const data = message.data as RequestHead | ResponseHead;
    data.conn = owner.conn;
    data.exchange = id;
    data.role = owner.role as Role;
    data.version = '2';
    return Object.assign(data, request) as Of;
  }

  private requestData(message: Message, exchange: Exchange, head: Http2Head): RequestHead {
    const data = this.begun<RequestHead>(message, exchange);
    data.headers = fieldsOf(head.fields, this.owner.host.settings.redact);
    return data;
  }

  private requestOf(head: Http2Head): NonNullable<Exchange['request']> {
    const text = (name: string): string | undefined => {
      const value = head.pseudo.get(name);
      return value === undefined ? undefined : headText(value);
    };
    const { redact } = this.owner.host.settings;
    const method = text('method');
    // Of CONNECT there is none (RFC 9113 §8.5): then it is that of the connection.
    const scheme = text('scheme') ?? (head.named.has('scheme') ? undefined : this.owner.scheme);
    const path = text('path');
    const authority = text('authority') ?? field(head, 'host');
    // An extended CONNECT (RFC 8441 §4) has a path like any other request.
    const target = readTarget(
      method === 'CONNECT' && path !== undefined ? '' : (method ?? ''),
      path ?? authority ?? '',
      authority,
      scheme ?? '',
    );
    const shown = path ?? (method === 'CONNECT' ? authority : undefined);
    return {
      ...(method === undefined ? {} : { method }),
      ...(scheme === undefined ? {} : { scheme: target.scheme }),
      ...(target.host === undefined ? {} : { host: target.host }),
      ...(shown === undefined ? {} : { path: redact ? redactQuery(target.path, redact) : target.path }),
    };
  }

  private responseHead(side: Http2Side, id: number, known: Http2Stream | undefined, head: Http2Head, ends: boolean): void {
    if (known?.done.server || known?.socket) return;
    const stream = known ?? this.add(new Http2Stream(id, this.exchange(id)), side);
    if (!known) stream.done.client = true;
    const { owner } = this;
    const { exchange } = stream;
    const { request } = exchange;
    const code = head.pseudo.get('status');
    const status = code !== undefined && /^\d{3}$/.test(code) ? Number(code) : undefined;
    const interim = status !== undefined && status < 200;
    const message = side.message('server');
    note(message, head);
    if (!request && owner.joined) message.causes.add('start');
    const headers = fieldsOf(head.fields, owner.host.settings.redact);
    if (!interim) message.ttfb_ms = elapsed(exchange.sentAt, message.firstAt);
    const becomesSocket = stream.asksSocket && status !== undefined && status >= 200 && status < 300 && !ends;
    const hasBody = !ends && !interim && !becomesSocket;
    message.socket = becomesSocket;
    const data = this.begun<ResponseHead>(message, exchange);
    if (status !== undefined) data.status = status;
    data.headers = headers;
    if (interim) data.interim = true;
    message.response(data, head.fields, hasBody, hasBody && isStream(headers, request?.path));
    if (interim) {
      message.finish('complete', undefined, elapsed(exchange.begunAt, message.lastAt), true);
      return;
    }
    stream.open.server = message;
    if (becomesSocket) {
      this.finish(stream, 'server', 'complete');
      stream.done.server = false;
      const deflate = agreedDeflate(head.fields.all('sec-websocket-extensions'));
      stream.socket = new WebSocketExchange({ exchange, pid: message.pid, host: owner.host, deflate });
    }
    stream.headBytes += head.fields.bytes;
    this.weigh(stream);
  }

  promise(side: Http2Side, promised: number, head: Http2Head): void {
    this.learn(side.direction, 'server');
    if (this.streams.has(promised)) return;
    const stream = this.add(new Http2Stream(promised, this.exchange(promised)), side);
    const message = side.message('client');
    const request = this.requestOf(head);
    stream.exchange.request = request;
    stream.exchange.begunAt = message.firstAt;
    stream.exchange.sentAt = message.lastAt;
    stream.done.client = true;
    note(message, head);
    const data = this.requestData(message, stream.exchange, head);
    data.pushed = true;
    message.request(data, head.fields, false);
    message.finish('complete', undefined, undefined, true);
  }

  data(side: Http2Side, id: number, piece: Buffer): void {
    const sender = this.senderOf(side.direction);
    const stream = sender && this.streams.get(id);
    if (stream?.socket) {
      const to = stream.socket.sides[sender as Role];
      this.heard(stream);
      to.arrive(side.event);
      to.push(piece);
      this.weigh(stream);
      return;
    }
    const message = stream && stream.open[sender];
    if (!message) return;
    this.heard(stream);
    side.touch(message);
    message.body?.write(piece);
    this.weigh(stream);
  }

  missing(side: Http2Side, id: number, bytes: number): void {
    const sender = this.senderOf(side.direction);
    const stream = sender && this.streams.get(id);
    if (sender) stream?.socket?.sides[sender].gap(bytes);
    const message = stream && stream.open[sender];
    if (!message) return;
    message.causes.add('gap');
    message.body?.missing(bytes);
    this.weigh(stream);
  }

  endStream(side: Http2Side, id: number): void {
    const sender = this.senderOf(side.direction);
    const stream = sender && this.streams.get(id);
    if (!stream) return;
    const message = stream.open[sender];
    if (message) side.touch(message);
    this.finish(stream, sender, 'complete');
    // Where the end of the request was lost, its answer ends it.
    if (sender === 'server' && stream.cut.client) this.finish(stream, 'client', 'gap');
    if (stream.done.client && stream.done.server) this.endSocket(stream, 'closed');
    this.settle(stream);
  }

  reset(side: Http2Side, id: number): void {
    const stream = this.streams.get(id);
    if (!stream) return;
    for (const message of [stream.open.client, stream.open.server]) if (message) side.touch(message);
    this.abandon(stream, 'reset');
  }

  /** The streams above `last` that the other end began will not be answered (RFC 9113 §6.8). */
  goaway(side: Http2Side, last: number): void {
    const sender = this.senderOf(side.direction);
    if (!sender) return;
    const parity = sender === 'server' ? 1 : 0;
    for (const stream of [...this.streams.values()]) if (stream.id > last && stream.id % 2 === parity) this.abandon(stream, 'reset');
  }

  lost(side: Http2Side): void {
    const sender = this.senderOf(side.direction);
    if (!sender) return;
    for (const stream of this.streams.values()) {
      // More than any frame has left: its place is lost as well.
      stream.socket?.sides[sender].gap(Number.MAX_SAFE_INTEGER);
      const message = stream.open[sender];
      if (!message) continue;
      stream.cut[sender] = true;
      message.causes.add('gap');
      message.body?.missing(0);
    }
  }

  private exchange(id: number): Exchange {
    return { id: `${this.owner.conn}/${id}` };
  }

  private add(stream: Http2Stream, side: Http2Side | undefined): Http2Stream {
    this.streams.set(stream.id, stream);
    this.weigh(stream);
    if (this.streams.size > STREAMS_LIMIT) {
      const [oldest] = this.streams.values();
      if (oldest) {
        const open = Number(oldest.open.client !== undefined) + Number(!oldest.done.server);
        this.endedByLimit = true;
        this.abandon(oldest, 'eof');
        this.endedByLimit = false;
        this.owner.host.lost(this.owner.conn, open, side?.id);
      }
    }
    return stream;
  }

  private heard(stream: Http2Stream): void {
    this.streams.delete(stream.id);
    this.streams.set(stream.id, stream);
  }

  private weigh(stream: Http2Stream): void {
    if (this.streams.get(stream.id) !== stream) return;
    const held = stream.heldBytes;
    this.streamBytes += held - stream.held;
    stream.held = held;
  }

  private finish(stream: Http2Stream, sender: Role, how: End): void {
    const message = stream.open[sender];
    stream.done[sender] = true;
    if (!message) return;
    stream.open[sender] = undefined;
    const { exchange } = stream;
    const trailers = stream.trailers[sender]?.fields;
    if (trailers?.limited) message.causes.add('limit');
    let duration: number | undefined;
    if (sender === 'client') {
      if (how === 'complete') exchange.sentAt = message.lastAt;
      if (message.streamed) duration = elapsed(exchange.begunAt, message.lastAt);
    } else duration = elapsed(exchange.begunAt, message.lastAt);
    message.finish(how, trailers && fieldsOf(trailers, this.owner.host.settings.redact), duration, !this.endedByLimit);
    this.weigh(stream);
  }

  /** Ends both messages of a stream, the request first, and forgets it. */
  private abandon(stream: Http2Stream, how: End): void {
    this.finish(stream, 'client', stream.cut.client ? 'gap' : how);
    this.finish(stream, 'server', how);
    this.endSocket(stream, how);
    this.settle(stream);
  }

  private endSocket(stream: Http2Stream, how: End): void {
    const { socket } = stream;
    if (!socket) return;
    stream.socket = undefined;
    socket.endedByLimit = this.endedByLimit;
    socket.finish(how !== 'eof', how === 'reset' ? 'reset' : 'closed');
  }

  private settle(stream: Http2Stream): void {
    if (!stream.done.client || !stream.done.server) return;
    this.streams.delete(stream.id);
    this.streamBytes -= stream.held;
  }
}

function note(message: Message, head: Http2Head): void {
  if (head.unknown) message.causes.add('headers');
  if (head.cut) message.causes.add('gap');
}

function field(head: Http2Head, name: string): string | undefined {
  const value = head.fields.get(name);
  return value === undefined ? undefined : headText(value);
}
