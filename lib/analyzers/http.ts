/**
 * `tracer-http`: `ssl_data` events in, HTTP messages out. What is consumed is only what turned into messages; a
 * session that is not HTTP passes as it is.
 */
import type { SseMessage } from '../protocols/sse.js';
import { Derived, type Made } from '../stream/derive.js';
import { type AnyEvent, isEvent, type SslDataEvent } from '../stream/event.js';
import type { LineWriter } from '../stream/line-writer.js';
import { bytesOf } from '../stream/payload.js';
import type { Push, SsePiece, Stage, TakeSse } from '../stream/stage.js';
import { HttpLines } from './http/lines.js';
import { BODY_LIMIT, HTTP_LIMITS, type HttpLimits, type HttpOptions, type HttpSettings } from './http/options.js';
import { keyed, numbering } from './http/secrets.js';
import { type Known, Session, type SessionHost } from './http/session.js';

export type { HttpOptions } from './http/options.js';

/** The stage that makes HTTP events of TLS data. */
export function httpParser(options: HttpOptions = {}): Stage {
  return new HttpStage(options);
}

class HttpStage implements Stage, SessionHost {
  readonly name = 'http';
  readonly consumes = new Set(['ssl_open', 'ssl_data', 'ssl_close']);
  readonly settings: HttpSettings;
  lines: HttpLines | undefined;
  private readonly limits: HttpLimits;
  private readonly derived: Derived;
  /** The least recently used comes first. */
  private readonly sessions = new Map<string, Session>();
  private readonly forgotten = new Map<string, Known>();
  private latest: Session | undefined;
  private heldBytes = 0;
  private heldEvents = 0;
  private push: Push = () => {};
  private now = 0;
  private take: TakeSse | undefined;
  private readonly piece: SsePiece = { exchange: '', id: '', timestamp: 0, event: '', data: NO_BYTES };

  constructor(options: HttpOptions) {
    this.settings = {
      bodyLimit: options.bodyLimit ?? BODY_LIMIT,
      streamAll: options.streamAll ?? false,
      sseMerge: options.sseMerge ?? false,
      redact: options.showSecrets ? undefined : options.redactKey ? keyed(options.redactKey) : numbering(),
    };
    this.limits = { ...HTTP_LIMITS, ...options.limits };
    this.derived = new Derived('http', {
      bodyLimit: options.bodyLimit === BODY_LIMIT ? undefined : options.bodyLimit,
      streamAll: options.streamAll || undefined,
      sseMerge: options.sseMerge || undefined,
      showSecrets: options.showSecrets || undefined,
      redactKey: options.redactKey && !options.showSecrets ? keyed(options.redactKey)('') : undefined,
    });
  }

  /** Events wait until it is known whether they are HTTP. */
  get holds(): boolean {
    return this.heldEvents > 0;
  }

  transform(event: AnyEvent, push: Push): void {
    this.push = push;
    const conn = connOf(event);
    if (conn === undefined) {
      push(event);
      return;
    }
    if (typeof event.timestamp === 'number') this.now = event.timestamp;
    if (isEvent(event, 'ssl_data') && (event.data.direction === 'read' || event.data.direction === 'write'))
      this.data(event, conn, bytesOf(event.data));
    else if (isEvent(event, 'ssl_close')) {
      const session = this.sessions.get(conn);
      this.forgotten.delete(conn);
      if (session) this.forget(session);
      session?.release();
      push(event);
      session?.close(event);
    } else {
      push(event);
      if (isEvent(event, 'ssl_open') && !this.sessions.has(conn)) this.add(conn, new Session(conn, this, event.data), event.id);
    }
  }

  transformData(event: SslDataEvent, payload: Buffer, push: Push): void {
    this.push = push;
    const { conn, direction } = event.data;
    this.now = event.timestamp;
    if (direction === 'read' || direction === 'write') this.data(event, conn, payload);
    else push(event);
  }

  writeTo(lines: LineWriter): void {
    this.lines = new HttpLines(lines, this.derived, () => this.now);
  }

  giveSse(take: TakeSse): void {
    this.take = take;
  }

  give(exchange: string, message: SseMessage, { first }: Made): boolean {
    if (!this.take) return false;
    const { piece, derived } = this;
    piece.exchange = exchange;
    piece.id = derived.nextId(first);
    piece.timestamp = this.now;
    piece.event = message.event;
    piece.data = message.data;
    const taken = this.take(piece);
    if (taken) derived.next();
    return taken;
  }

  flush(push: Push): void {
    this.push = push;
    for (const session of this.sessions.values()) session.end(false);
    this.sessions.clear();
    this.heldBytes = 0;
    this.heldEvents = 0;
  }

  pass(event: SslDataEvent): void {
    this.push(event);
  }

  emit(event_type: string, data: object, made: Made): void {
    this.push(this.derived.event('http', event_type, data, made, this.now));
  }

  lost(conn: string, messages: number, id: string | undefined): void {
    this.loss({ where: 'limit', lost: messages, conn }, id);
  }

  private data(event: SslDataEvent, conn: string, payload: Buffer | undefined): void {
    const session = this.session(conn, event.id);
    const { heldBytes, heldEvents } = session;
    session.data(event, payload);
    this.heldBytes += session.heldBytes - heldBytes;
    this.heldEvents += session.heldEvents - heldEvents;
    if (this.heldBytes > this.limits.memoryBytes) this.shed(event.id);
  }

  /** The session of an event; the most recently used from now on. */
  private session(conn: string, id: string): Session {
    if (this.latest?.conn === conn) return this.latest;
    let session = this.sessions.get(conn);
    if (session) {
      this.sessions.delete(conn);
      this.sessions.set(conn, session);
      this.latest = session;
    } else {
      session = new Session(conn, this, undefined);
      const known = this.forgotten.get(conn);
      if (known) {
        this.forgotten.delete(conn);
        session.resume(known);
      }
      this.add(conn, session, id);
    }
    return session;
  }

  private add(conn: string, session: Session, id: string): void {
    this.sessions.set(conn, session);
    this.latest = session;
    if (this.sessions.size <= this.limits.sessions) return;
    const [oldest] = this.sessions.values();
    if (oldest) this.evict(oldest, id);
  }

  private evict(session: Session, id: string): void {
    const lost = session.openThings;
    this.forget(session);
    session.endedByLimit = true;
    session.end(false);
    const { known } = session;
    if (known) {
      this.forgotten.set(session.conn, known);
      if (this.forgotten.size > this.limits.tombstones) {
        const [oldest] = this.forgotten.keys();
        if (oldest !== undefined) this.forgotten.delete(oldest);
      }
    }
    if (lost > 0) this.loss({ where: 'limit', lost, conn: session.conn }, id);
  }

  private forget(session: Session): void {
    this.heldBytes -= session.heldBytes;
    this.heldEvents -= session.heldEvents;
    this.sessions.delete(session.conn);
    if (this.latest === session) this.latest = undefined;
  }

  /** The least recently used sessions give up the bodies that they hold. */
  private shed(id: string): void {
    for (const session of this.sessions.values()) {
      if (this.heldBytes <= this.limits.memoryBytes / 2) break;
      const { heldEvents } = session;
      const freed = session.shed();
      this.heldEvents += session.heldEvents - heldEvents;
      if (freed <= 0) continue;
      this.heldBytes -= freed;
      this.loss({ where: 'limit', lost: 1, lost_bytes: freed, kind: 'http_body', conn: session.conn }, id);
    }
  }

  private loss(data: object, id: string | undefined): void {
    this.push(this.derived.event('meta', 'loss', data, { first: id, last: id, count: 1 }, this.now));
  }
}

const NO_BYTES = Buffer.alloc(0);

function connOf(event: AnyEvent): string | undefined {
  const { data } = event;
  if (typeof data !== 'object' || data === null) return undefined;
  const { conn } = data as { conn?: unknown };
  return typeof conn === 'string' ? conn : undefined;
}
