/** One TLS session: its two directions, which end is watched, and which response answers which request. */
import { listItems } from '../../protocols/http1/framing.js';
import type { Head } from '../../protocols/http1/parser.js';
import type { Kind, RequestLine, StatusLine } from '../../protocols/http1/start-line.js';
import { readTarget } from '../../protocols/http1/target.js';
import type { Deflate } from '../../protocols/websocket/extension.js';
import type { Direction, Role, SslCloseEvent, SslDataEvent, SslOpenEvent } from '../../stream/event.js';
import { Flow } from './flow.js';
import { Http2Connection } from './http2.js';
import { type Emitter, type Exchange, isStream, type Message, type RequestHead, type ResponseHead } from './message.js';
import type { HttpSettings } from './options.js';
import { redactQuery } from './secrets.js';
import { Side, type Upgrade } from './side.js';
import { type Held, SocketProbe } from './socket-probe.js';
import { elapsed, fieldsOf, headText } from './text.js';
import { type Unseen, WebSocketExchange } from './websocket.js';

/** What a session needs of the stage. */
export interface SessionHost extends Emitter {
  pass(event: SslDataEvent): void;
  /** Says that `messages` of a session were given up for a limit, at the event `id`. */
  lost(conn: string, messages: number, id: string | undefined): void;
  readonly settings: HttpSettings;
}

/** Names of HTTP/2 in ALPN: RFC 9113 §3.2, and that of gRPC's first years. */
const HTTP2_NAME = /^(?:h2|h2c|h2-\d+|grpc-exp)$/;

/** Requests that wait for their responses at most; older ones are given up. */
const PENDING_LIMIT = 1024;

/** What is remembered of a session that is forgotten. */
export interface Known {
  role: Role | undefined;
  /** Number of its next exchange. */
  next: number;
  http2: boolean;
}

export class Session {
  /** Number of the next exchange. */
  nextExchange = 1;
  role: Role | undefined;
  /** Nothing that is read here: everything passes. */
  other = false;
  scheme: string;
  private readonly midway: boolean;
  readonly joined: boolean;
  private http2: Http2Connection | undefined;
  private socket: WebSocketExchange | undefined;
  /** Listens for a WebSocket where the handshake may have been missed. */
  private probe: SocketProbe | undefined;
  /** The exchange whose answer was cut, and said that it becomes a WebSocket. */
  cutUpgrade: Exchange | undefined;
  private readonly read: Flow;
  private readonly write: Flow;
  private readonly sides: Record<Direction, Side>;
  /** Exchanges whose final response has not begun. */
  private pending: Exchange[] = [];
  /** Two requests were on their way at once. */
  private pipelined = false;
  /** A response may have been lost whole. */
  private responseLost = false;
  /** Why messages that are open now end before their end: the input, or a limit of ours. */
  endedByLimit = false;

  /** @param open absent when the session is first met by its data */
  constructor(
    readonly conn: string,
    readonly host: SessionHost,
    open: SslOpenEvent['data'] | undefined,
  ) {
    this.role = open?.role === 'client' || open?.role === 'server' ? open.role : undefined;
    this.scheme = open?.library === 'plain' ? 'http' : 'https';
    this.joined = open?.from_start === false;
    this.midway = open?.from_start !== true;
    this.sides = { read: new Side(this, 'read'), write: new Side(this, 'write') };
    this.read = new Flow(this.sides.read, this.kindOf('read'), this.midway);
    this.write = new Flow(this.sides.write, this.kindOf('write'), this.midway);
    const alpn = typeof open?.alpn === 'string' ? open.alpn : '';
    if (HTTP2_NAME.test(alpn)) this.startHttp2();
    else if (alpn !== '' && !alpn.startsWith('http/1')) this.other = true;
    else if (this.midway) this.probe = new SocketProbe(this.role, undefined);
  }

  /** Takes up a session that was forgotten. */
  resume({ role, next, http2 }: Known): void {
    this.nextExchange = next;
    if (role) this.settle(role);
    if (http2) this.startHttp2();
  }

  /** What is to be remembered of a session that is forgotten; undefined when it is nothing. */
  get known(): Known | undefined {
    const http2 = this.http2 !== undefined;
    return this.other && this.nextExchange === 1 ? undefined : { role: this.role, next: this.nextExchange, http2 };
  }

  get heldBytes(): number {
    const { read, write, sides } = this;
    const known = (this.http2 ?? this.socket ?? this.probe)?.heldBytes ?? 0;
    return read.heldBytes + write.heldBytes + sides.read.heldBytes + sides.write.heldBytes + known;
  }

  get heldEvents(): number {
    return this.read.heldEvents + this.write.heldEvents + (this.probe?.heldEvents ?? 0);
  }

  /** Exchanges and messages that would be cut if this session were forgotten now. */
  get openThings(): number {
    const { sides, http2, socket } = this;
    return this.pending.length + Number(sides.read.answering) + Number(sides.write.answering) + ((http2 ?? socket)?.openThings ?? 0);
  }

  data(event: SslDataEvent, payload: Buffer | undefined): void {
    if (this.other) {
      this.host.pass(event);
      return;
    }
    if (event.data.library === 'plain') this.scheme = 'http';
    const flow = this.flow(event.data.direction);
    // What is held has not come to the flow yet: it is no gap.
    if (this.probe?.holds(event.data.direction) !== true) flow.catchUp(event.data.offset);
    const { probe } = this;
    if (probe && !flow.parser.inMessage) {
      this.listen(probe, event, payload);
      return;
    }
    if (probe) {
      probe.skip(event, payload);
      this.replay(probe.take());
    }
    flow.data(event, payload);
  }

  /** It may be a WebSocket: if not, it goes its usual way. */
  private listen(probe: SocketProbe, event: SslDataEvent, payload: Buffer | undefined): void {
    const { direction } = event.data;
    const heard = probe.hear(event, payload);
    if (heard === 'found') this.joinSocket(probe);
    if (heard !== 'none') return;
    this.replay(probe.take());
    this.flow(direction).data(event, payload);
  }

  private replay(held: readonly Held[]): void {
    for (const { event, payload } of held) this.flow(event.data.direction).data(event, payload);
  }

  /** No more listening: what is held goes its usual way. */
  stopListening(): void {
    const { probe } = this;
    this.probe = undefined;
    if (probe) this.replay(probe.take());
  }

  /** It is a WebSocket, whose handshake was not seen. */
  private joinSocket(probe: SocketProbe): void {
    const held = probe.take();
    this.probe = undefined;
    if (!this.role) this.settle(probe.client === 'write' ? 'client' : 'server');
    const inStep: Role[] = [];
    for (const direction of ['read', 'write'] as const) {
      if (!probe.inStep(direction)) continue;
      inStep.push(direction === probe.client ? 'client' : 'server');
      this.flow(direction).giveUp();
    }
    const exchange = this.cutUpgrade ?? this.pending.find(({ upgrade }) => upgrade) ?? this.newExchange();
    this.pending = this.pending.filter((each) => each !== exchange);
    const pid = held[0]?.event.data.pid;
    this.startSocket(exchange, pid, undefined, { cause: this.midway ? 'start' : 'gap', inStep });
    this.replay(held);
  }

  /** Passes on what waits to be known as HTTP: the session ends before it could be. */
  release(): void {
    this.decide();
    this.read.giveUp();
    this.write.giveUp();
  }

  /** What is held for being a WebSocket, perhaps: nothing more will come to tell. */
  private decide(): void {
    const { probe } = this;
    if (probe?.finish()) this.joinSocket(probe);
    else this.stopListening();
  }

  close(event: SslCloseEvent): void {
    const { read_bytes, write_bytes } = event.data;
    this.missingEnd(this.read, read_bytes);
    this.missingEnd(this.write, write_bytes);
    this.end(true);
  }

  /** What the session carried beyond the last byte that was seen is missing. */
  private missingEnd(flow: Flow, total: unknown): void {
    if (!this.midway && !this.other && typeof total === 'number' && Number.isSafeInteger(total) && total > flow.seen)
      flow.gap(total - flow.seen);
  }

  /** No more data. Requests end before responses, as they were sent. */
  end(closed: boolean): void {
    this.decide();
    const flows = this.role === 'server' ? [this.read, this.write] : [this.write, this.read];
    for (const flow of flows) flow.end(closed);
    const { http2, socket } = this;
    if (http2) {
      http2.endedByLimit = this.endedByLimit;
      http2.end(closed);
    }
    if (socket) {
      socket.endedByLimit = this.endedByLimit;
      socket.finish(closed);
    }
  }

  /** Gives up bodies and undecided bytes, to free memory; messages go on. Returns the bytes freed. */
  shed(): number {
    const before = this.heldBytes;
    this.stopListening();
    for (const direction of ['read', 'write'] as const) {
      this.flow(direction).giveUp();
      this.sides[direction].message?.giveUp();
    }
    this.http2?.shed();
    this.socket?.shed();
    return before - this.heldBytes;
  }

  flow(direction: Direction): Flow {
    return direction === 'read' ? this.read : this.write;
  }

  private kindOf(direction: Direction): Kind | undefined {
    if (!this.role) return undefined;
    return (this.role === 'client') === (direction === 'write') ? 'request' : 'response';
  }

  /** The role follows from what is said in a direction. */
  learn(direction: Direction, kind: Kind): void {
    if (!this.role) this.settle((kind === 'request') === (direction === 'write') ? 'client' : 'server');
  }

  settle(role: Role): void {
    this.role = role;
    for (const direction of ['read', 'write'] as const) this.flow(direction).parser.kind ??= this.kindOf(direction);
  }

  /** From here on the session is HTTP/2. `upgraded`: the exchange that became its stream 1. */
  startHttp2(upgraded?: Exchange): void {
    if (this.http2) return;
    this.stopListening();
    this.http2 = new Http2Connection(this, this.midway && !upgraded, upgraded);
    for (const direction of ['read', 'write'] as const) this.flow(direction).handOver(this.http2.wire(direction));
  }

  /** From here on the session is a WebSocket. */
  private startSocket(exchange: Exchange, pid: number | undefined, deflate: Deflate | undefined, unseen?: Unseen): void {
    if (this.socket) return;
    this.stopListening();
    this.socket = new WebSocketExchange({ exchange, pid, host: this.host, deflate, unseen });
    const { client, server } = this.socket.sides;
    this.write.handOver(this.role === 'server' ? server : client);
    this.read.handOver(this.role === 'server' ? client : server);
  }

  notHttp(): void {
    this.stopListening();
    this.other = true;
    this.read.stop();
    this.write.stop();
  }

  /** The place in a direction was lost. */
  lost(direction: Direction): void {
    if (this.flow(direction).parser.kind !== 'request') this.responseLost = true;
    // The handshake of a WebSocket may be what is missing.
    this.startListening();
  }

  /** A request asks to go over to another protocol, and is not answered yet. */
  get asksUpgrade(): boolean {
    return this.pending[0]?.upgrade === true;
  }

  /** `fresh`: what comes next is the beginning of something. */
  startListening(fresh = false): void {
    if (this.http2 || this.socket || this.other || this.probe) return;
    // In the middle of an event no frame is looked for: where it ends depends on how the bytes were cut.
    const speaking = fresh ? undefined : (['read', 'write'] as const).find((direction) => this.flow(direction).reading);
    this.probe = new SocketProbe(this.role, speaking);
  }

  newExchange(): Exchange {
    return { id: `${this.conn}/${this.nextExchange++}` };
  }

  requestHead(side: Side, message: Message, head: Head, hasBody: boolean): void {
    const { settings } = this.host;
    const start = head.start as RequestLine;
    const method = start.method;
    const target = readTarget(
      method,
      headText(start.target),
      head.fields.get('host') === undefined ? undefined : headText(head.fields.get('host') as string),
      this.scheme,
    );
    const path = settings.redact ? redactQuery(target.path, settings.redact) : target.path;
    const exchange = this.newExchange();
    const { scheme, host } = target;
    exchange.request = host === undefined ? { method, scheme, path } : { method, scheme, host, path };
    exchange.begunAt = message.firstAt;
    if (method === 'GET' && head.fields.get('upgrade') !== undefined) exchange.upgrade = true;
    this.pending.push(exchange);
    if (this.pending.length > PENDING_LIMIT) this.pending.shift();
    side.exchange = exchange;
    const data = message.data as RequestHead;
    data.conn = this.conn;
    data.exchange = exchange.id;
    data.role = this.role as Role;
    data.version = start.version;
    data.method = method;
    data.scheme = scheme;
    if (host !== undefined) data.host = host;
    data.path = path;
    data.headers = fieldsOf(head.fields, settings.redact);
    message.request(data, head.fields, hasBody);
  }

  /** The exchange that a response head belongs to. */
  answering(status: number): Exchange {
    if (this.responseLost) {
      this.responseLost = false;
      // Without pipelining a request is only sent when the one before it was answered: those answers were lost.
      if (!this.pipelined && this.pending.length > 1) this.pending.splice(0, this.pending.length - 1);
    } else if (this.pending.length > 1) this.pipelined = true;
    const exchange = this.pending[0];
    if (!exchange) return this.newExchange();
    if (status >= 200 || status === 101) this.pending.shift();
    return exchange;
  }

  responseHead(message: Message, exchange: Exchange, head: Head, hasBody: boolean): void {
    const { settings } = this.host;
    const start = head.start as StatusLine;
    const interim = start.status < 200 && (start.status !== 101 || listItems(head.fields.all('upgrade')).includes('h2c'));
    const headers = fieldsOf(head.fields, settings.redact);
    const { request } = exchange;
    if (!interim) message.ttfb_ms = elapsed(exchange.sentAt, message.firstAt);
    if (!request && this.joined) message.causes.add('start');
    // Assigned one by one: spreading costs more than all the rest.
    const data = message.data as ResponseHead;
    data.conn = this.conn;
    data.exchange = exchange.id;
    data.role = this.role as Role;
    data.version = start.version;
    if (request) {
      if (request.method !== undefined) data.method = request.method;
      if (request.scheme !== undefined) data.scheme = request.scheme;
      if (request.host !== undefined) data.host = request.host;
      if (request.path !== undefined) data.path = request.path;
    }
    data.status = start.status;
    if (start.reason !== '') data.reason = headText(start.reason);
    data.headers = headers;
    if (interim) data.interim = true;
    message.response(data, head.fields, hasBody, hasBody && isStream(headers, request?.path));
  }

  /** 101, or a successful CONNECT: what follows is not HTTP/1. */
  tunnel(exchange: Exchange, message: Message, upgrade: Upgrade | undefined): void {
    if (upgrade?.to === 'h2c') this.startHttp2(exchange);
    else if (upgrade?.to === 'websocket') this.startSocket(exchange, message.pid, upgrade.deflate);
    else this.notHttp();
  }
}
