/** A WebSocket: the messages of both ends, and the end of the exchange that it is. */

import { isUtf8 } from 'node:buffer';
import { WebSocketDirection, type WebSocketHandler, type WebSocketMessage } from '../../protocols/websocket/direction.js';
import type { Deflate } from '../../protocols/websocket/extension.js';
import type { HttpEnd, Partial, Role, SslDataEvent, WsMessage } from '../../stream/event.js';
import { payloadOf } from '../../stream/payload.js';
import { FrameSide } from './frame-side.js';
import type { Emitter, Exchange } from './message.js';
import type { HttpSettings } from './options.js';
import { elapsed } from './text.js';

export interface WebSocketPlace {
  exchange: Exchange;
  pid: number | undefined;
  host: Emitter & { readonly settings: HttpSettings };
  /** `undefined`: not agreed on; where the handshake was not seen, it is not known. */
  deflate: Deflate | undefined;
  unseen?: Unseen | undefined;
}

/** The handshake was not seen: why, and which ends begin with the first byte of a frame. */
export interface Unseen {
  cause: 'start' | 'gap';
  inStep: readonly Role[];
}

export class WebSocketExchange {
  readonly sides: Record<Role, WebSocketSide>;
  private index = 0;
  private readonly closed: Record<Role, boolean> = { client: false, server: false };
  private ended = false;
  private bodyBytes = 0;
  /** As sent by the server. */
  wireBytes = 0;
  private readonly causes = new Set<Partial>();
  private first: SslDataEvent | undefined;
  private last: SslDataEvent | undefined;
  private count = 0;
  endedByLimit = false;

  constructor(readonly place: WebSocketPlace) {
    if (place.unseen) this.causes.add(place.unseen.cause);
    this.sides = { client: new WebSocketSide(this, 'client'), server: new WebSocketSide(this, 'server') };
  }

  get heldBytes(): number {
    return this.sides.client.heldBytes + this.sides.server.heldBytes;
  }

  get openThings(): number {
    return Number(!this.ended);
  }

  shed(): void {
    this.sides.client.shed();
    this.sides.server.shed();
  }

  touch(event: SslDataEvent): void {
    if (event === this.last) return;
    this.first ??= event;
    this.last = event;
    this.count++;
  }

  message(sender: Role, message: WebSocketMessage, first: SslDataEvent, last: SslDataEvent, events: number): void {
    const { place } = this;
    const partial = this.partialOf(message);
    for (const cause of partial) this.causes.add(cause);
    const close = message.opcode === 'close';
    const code = close && message.payload.length >= 2 ? message.payload.readUInt16BE(0) : undefined;
    if (sender === 'server' && !message.coded && (message.opcode === 'text' || message.opcode === 'binary'))
      this.bodyBytes += message.payload.length;
    const data: WsMessage = {
      ...(place.pid === undefined ? {} : { pid: place.pid }),
      exchange: place.exchange.id,
      index: this.index++,
      sender,
      opcode: message.opcode,
      ...(message.compressed ? { compressed: true as const } : {}),
      ...(message.fragments > 1 ? { fragments: message.fragments } : {}),
      ...(code === undefined ? {} : { close_code: code }),
      ...(partial.length > 0 ? { partial } : {}),
      ...payloadOf(close ? message.payload.subarray(2) : message.payload),
    };
    place.host.emit('ws_message', data, { first: first.id, last: last.id, count: events });
    if (!close) return;
    this.closed[sender] = true;
    if (this.closed.client && this.closed.server) this.end('complete');
  }

  private partialOf(message: WebSocketMessage): Partial[] {
    const partial: Partial[] = [];
    // Text is UTF-8 (RFC 6455, section 8.1). Where the place was looked for, what is not was found in the middle of a frame.
    const mistaken = this.place.unseen !== undefined && message.opcode === 'text' && !message.coded && !isUtf8(message.payload);
    if (message.cut || mistaken) partial.push(this.place.unseen?.cause === 'start' && !this.causes.has('gap') ? 'start' : 'gap');
    if (message.limited) partial.push('limit');
    if (message.coded) partial.push('coding');
    if (message.unfinished) partial.push('eof');
    return partial;
  }

  lost(): void {
    this.causes.add('gap');
  }

  /** No more data. `otherwise`: how it ended where neither end had said that it closes. */
  finish(closed: boolean, otherwise: 'closed' | 'reset' = 'closed'): void {
    this.sides.client.finish();
    this.sides.server.finish();
    const oneClosed = this.closed.client || this.closed.server;
    this.end(closed ? (oneClosed ? 'complete' : otherwise) : 'eof');
  }

  private end(how: HttpEnd['end']): void {
    if (this.ended) return;
    this.ended = true;
    const { place, first, last } = this;
    if (how === 'eof') this.causes.add(this.endedByLimit ? 'limit' : 'eof');
    const duration_ms = elapsed(place.exchange.begunAt ?? first?.timestamp, last?.timestamp);
    const partial = ORDER.filter((cause) => this.causes.has(cause));
    const data: HttpEnd = {
      ...(place.pid === undefined ? {} : { pid: place.pid }),
      exchange: place.exchange.id,
      sender: 'server',
      end: how,
      body_bytes: this.bodyBytes,
      wire_bytes: this.wireBytes,
      ...(duration_ms === undefined ? {} : { duration_ms }),
      ...(partial.length > 0 ? { partial } : {}),
    };
    place.host.emit('http_end', data, { first: first?.id, last: last?.id, count: this.count });
  }
}

const ORDER: readonly Partial[] = ['start', 'gap', 'limit', 'coding', 'eof'];

/** What one end sends. */
export class WebSocketSide extends FrameSide implements WebSocketHandler {
  protected readonly parser: WebSocketDirection;
  private inControl = false;

  constructor(
    private readonly exchange: WebSocketExchange,
    private readonly sender: Role,
  ) {
    super();
    const { deflate, unseen, host } = exchange.place;
    this.parser = new WebSocketDirection(this, {
      deflate: deflate !== undefined || unseen !== undefined,
      alone: (sender === 'client' ? deflate?.clientAlone : deflate?.serverAlone) ?? false,
      midway: unseen !== undefined,
      inStep: unseen?.inStep.includes(sender) ?? false,
      limit: host.settings.bodyLimit,
      masked: sender === 'client',
    });
  }

  override arrive(event: SslDataEvent): void {
    super.arrive(event);
    this.exchange.touch(event);
  }

  begin(control: boolean): void {
    this.inControl = control;
    if (!control) this.begins();
  }

  message(message: WebSocketMessage): void {
    const current = this.current as SslDataEvent;
    const control = this.inControl && message.opcode !== 'text' && message.opcode !== 'binary';
    this.exchange.message(
      this.sender,
      message,
      control ? current : (this.first ?? current),
      current,
      control ? 1 : Math.max(1, this.events),
    );
  }

  sent(bytes: number): void {
    if (this.sender === 'server') this.exchange.wireBytes += bytes;
  }

  lost(): void {
    this.exchange.lost();
  }
}
