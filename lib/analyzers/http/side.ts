/** What one direction of a session says in HTTP/1: the messages of it, one after the other. */
import type { FieldReader } from '../../protocols/http1/fields.js';
import type { Framing } from '../../protocols/http1/framing.js';
import { listItems } from '../../protocols/http1/framing.js';
import type { End, Head } from '../../protocols/http1/parser.js';
import type { Kind, StatusLine } from '../../protocols/http1/start-line.js';
import { agreedDeflate, type Deflate } from '../../protocols/websocket/extension.js';
import type { Direction, SslDataEvent } from '../../stream/event.js';
import type { FlowOwner } from './flow.js';
import { type Exchange, Message } from './message.js';
import type { Session } from './session.js';
import { elapsed, fieldsOf } from './text.js';

/** What a 101 goes over to. */
export interface Upgrade {
  to: string;
  deflate: Deflate | undefined;
}

/** What one direction's parser reports. */
export class Side implements FlowOwner {
  message: Message | undefined;
  exchange: Exchange | undefined;
  private head_: { head: Head; whole: boolean } | undefined;
  private kind: Kind | undefined;
  private tunnel = false;
  /** What a 101 goes over to. */
  private upgrade: Upgrade | undefined;

  constructor(
    private readonly session: Session,
    private readonly direction: Direction,
  ) {}

  get heldBytes(): number {
    return this.message?.heldBytes ?? 0;
  }

  /** A response is being read. */
  get answering(): boolean {
    return this.message?.sender === 'server';
  }

  pass(event: SslDataEvent): void {
    this.session.host.pass(event);
  }

  begin(kind: Kind, position: number): void {
    const { session } = this;
    session.learn(this.direction, kind);
    // An answer to an upgrade may yet lose its end.
    if (kind === 'request' || !session.asksUpgrade) session.stopListening();
    this.kind = kind;
    const [first, ...more] = session.flow(this.direction).begin(position);
    this.message = new Message(kind === 'request' ? 'client' : 'server', first as SslDataEvent, session.host, session.host.settings);
    for (const event of more) this.message.touch(event);
  }

  head(head: Head, whole: boolean): string | undefined {
    this.head_ = { head, whole };
    if (head.kind === 'response') {
      this.exchange = this.session.answering((head.start as StatusLine).status);
    }
    if (!whole) this.open(false);
    return this.exchange?.request?.method;
  }

  framed(framing: Framing): void {
    this.open(framing.by === 'length' || framing.by === 'chunked' || framing.by === 'close');
    if (framing.by === 'tunnel') this.tunnel = true;
  }

  private open(hasBody: boolean): void {
    const { head, whole } = this.head_ as { head: Head; whole: boolean };
    const message = this.message as Message;
    const switches = head.kind === 'response' && (head.start as StatusLine).status === 101;
    // A head that was cut leads to nothing, unless what follows shows by itself what it is.
    if (switches && !whole) this.session.cutUpgrade = this.exchange;
    if (whole && switches) {
      const to = listItems(head.fields.all('upgrade')).at(-1) ?? '';
      this.upgrade = { to, deflate: agreedDeflate(head.fields.all('sec-websocket-extensions')) };
      message.socket = to === 'websocket';
    }
    if (head.kind === 'request') this.session.requestHead(this, message, head, hasBody);
    else this.session.responseHead(message, this.exchange as Exchange, head, hasBody);
    this.head_ = undefined;
  }

  data(piece: Buffer): void {
    this.message?.body?.write(piece);
  }

  missing(bytes: number): void {
    this.message?.body?.missing(bytes);
  }

  end(how: End, trailers: FieldReader | undefined): void {
    const message = this.message as Message;
    const exchange = this.exchange as Exchange;
    const { session } = this;
    this.message = undefined;
    this.exchange = undefined;
    if (trailers?.limited) message.causes.add('limit');
    const fields = trailers && trailers.list.length > 0 ? fieldsOf(trailers, session.host.settings.redact) : undefined;
    let duration: number | undefined;
    if (this.kind === 'request') {
      if (how === 'complete') exchange.sentAt = message.lastAt;
      if (message.streamed) duration = elapsed(exchange.begunAt, message.lastAt);
    } else duration = elapsed(exchange.begunAt, message.lastAt);
    message.finish(how, fields, duration, !session.endedByLimit);
    // Its answer may be missing, and what comes next be a WebSocket's already.
    if (this.kind === 'request' && exchange.upgrade) session.startListening(true);
    else if (how === 'complete') session.stopListening();
    if (this.tunnel) {
      this.tunnel = false;
      session.tunnel(exchange, message, this.upgrade);
    }
  }

  lost(): void {
    this.session.lost(this.direction);
  }

  other(what: 'http2' | 'unknown'): void {
    if (what === 'http2') this.session.startHttp2();
    else this.session.notHttp();
  }

  rest(bytes: Buffer, position: number): void {
    this.session.flow(this.direction).rest(bytes, position);
  }
}
