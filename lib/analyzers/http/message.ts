/** One HTTP message: which events it came in, its body, and the event or events that it becomes. */
import type { FieldReader } from '../../protocols/http1/fields.js';
import { listItems, transferCodings } from '../../protocols/http1/framing.js';
import type { End } from '../../protocols/http1/parser.js';
import type { SseMessage } from '../../protocols/sse.js';
import { actorOf, type Made } from '../../stream/derive.js';
import type { Actor, Fields, HttpEnd, HttpRequest, HttpResponse, Partial, Role, SslDataEvent } from '../../stream/event.js';
import { bodyOf } from '../../stream/payload.js';
import { Body, type BodySink } from './body.js';
import { Collector } from './collector.js';
import type { HttpLines } from './lines.js';
import type { HttpSettings } from './options.js';
import { EventList, EventPieces, MessagePieces, Pieces } from './pieces.js';
import { elapsed } from './text.js';

/** A request and its response. */
export interface Exchange {
  /** `<conn>/<n>`. */
  id: string;
  /** Of the request, where that was seen. */
  request?: { method?: string; scheme?: string; host?: string; path?: string };
  /** The request asks to go over to another protocol. */
  upgrade?: boolean;
  /** Event time of the first byte of the request. */
  begunAt?: number;
  /** Event time of its last byte. */
  sentAt?: number;
}

/** Where a message's events go. */
export interface Emitter {
  emit(event_type: HttpEventType, data: object, made: Made): void;
  /** Gives a server-sent event to the stage behind as it is; false when it has to be emitted. */
  give(exchange: string, message: SseMessage, made: Made): boolean;
  /** Where the most frequent ones can be printed without being made. */
  readonly lines?: HttpLines | undefined;
}

export type HttpEventType =
  | 'http_request'
  | 'http_response'
  | 'http_end'
  | 'sse_event'
  | 'http_body'
  | 'ws_message'
  | 'eventstream_message';

/** What a message's events begin with. */
export interface Place {
  conn: string;
  role: Role;
}

/** What is known of a message when its head is: of an event's data all but the end behind it. */
export type RequestHead = Omit<HttpRequest, keyof MessageEnd>;
export type ResponseHead = Omit<HttpResponse, keyof MessageEnd>;

/** What stands behind the head, in the contract's order. */
type MessageEnd = Pick<
  HttpResponse,
  'trailers' | 'streamed' | 'body_bytes' | 'wire_bytes' | 'encoding' | 'framing' | 'ttfb_ms' | 'duration_ms' | 'partial' | 'events'
>;

/** The order in which causes are listed. */
const CAUSES: readonly Partial[] = ['start', 'headers', 'gap', 'limit', 'coding', 'eof'];

const NO_BODY = Buffer.alloc(0);

export class Message {
  body: Body | undefined;
  /** Emitted at its head, then in pieces. */
  streamed = false;
  /** It is the beginning of a WebSocket, which ends the exchange by itself. */
  socket = false;
  readonly causes = new Set<Partial>();
  firstAt: number;
  lastAt: number;
  /** From the last byte of the request to the first of this response. */
  ttfb_ms: number | undefined;
  /** Of its event, what is known by now: who did it, with the first event; then the head, in the contract's order; then the rest. */
  readonly data: Actor;
  /** The head is there. */
  private head: { type: 'http_request'; fields: RequestHead } | { type: 'http_response'; fields: ResponseHead } | undefined;
  private sink: BodySink | undefined;
  private codings: string[] = [];
  private readonly firstId: string | undefined;
  private lastEvent: SslDataEvent;
  private count = 1;

  constructor(
    readonly sender: Role,
    first: SslDataEvent,
    private readonly emitter: Emitter,
    private readonly settings: HttpSettings,
  ) {
    this.data = actorOf(first.data);
    this.firstId = first.id;
    this.lastEvent = first;
    this.firstAt = first.timestamp;
    this.lastAt = first.timestamp;
  }

  /** An event that bytes of this message came in, the last of so many. */
  touch(event: SslDataEvent, events = 1): void {
    if (event === this.lastEvent) return;
    this.lastEvent = event;
    this.lastAt = event.timestamp;
    this.count += events;
  }

  get pid(): number | undefined {
    return this.data.pid;
  }

  get made(): Made {
    return { first: this.firstId, last: this.lastEvent.id, count: this.count };
  }

  get heldBytes(): number {
    return this.body?.heldBytes ?? 0;
  }

  /** @param data {@link data}, with the head in it */
  request(data: RequestHead, fields: FieldReader, hasBody: boolean): void {
    this.head = { type: 'http_request', fields: data };
    this.open(data.headers, fields, data.exchange, hasBody, false);
  }

  /** The same of a response. `streamable`: its media type, or what was asked for, makes it a stream. */
  response(data: ResponseHead, fields: FieldReader, hasBody: boolean, streamable: boolean): void {
    this.head = { type: 'http_response', fields: data };
    this.open(data.headers, fields, data.exchange, hasBody, streamable);
  }

  private open(headers: Fields, fields: FieldReader, exchange: string, hasBody: boolean, streamable: boolean): void {
    if (fields.limited) this.causes.add('limit');
    if (!hasBody) return;
    const content = listItems(fields.all('content-encoding')).filter((coding) => coding !== 'identity');
    const transfer = transferCodings(fields).filter((coding) => coding !== 'chunked');
    this.codings = content;
    const events = streamable && isEventStream(headers);
    const { settings, emitter } = this;
    const { pid } = this.data;
    if (events && settings.sseMerge) this.sink = new EventList(settings.bodyLimit);
    else if (events || streamable || settings.streamAll) {
      this.streamed = true;
      const to = { emitter, exchange, sender: this.sender, ...(pid === undefined ? {} : { pid }), current: () => this.lastEvent };
      this.sink = events ? new EventPieces(to) : streamable && isAmazonStream(headers) ? new MessagePieces(to) : new Pieces(to);
    } else this.sink = new Collector(settings.bodyLimit);
    this.body = new Body({ content, transfer }, this.sink);
    if (this.streamed) this.emitHead(0, 0);
  }

  /** The message is over. */
  finish(how: End | 'reset', trailers: Fields | undefined, duration_ms: number | undefined, atInputEnd: boolean): void {
    const { body, head } = this;
    if (!head) return;
    body?.end(how === 'complete');
    if (this.sink instanceof MessagePieces && (this.sink.damaged || !this.sink.idle) && how === 'complete' && !body?.causes.has('gap'))
      this.causes.add('coding');
    if (body) for (const cause of body.causes) this.causes.add(cause);
    if (how === 'gap') this.causes.add('gap');
    else if (how === 'fault') this.causes.add('coding');
    else if (how === 'closed' || how === 'eof' || how === 'tunnel' || how === 'reset') this.causes.add(atInputEnd ? 'eof' : 'limit');
    const counts = { body_bytes: body?.bodyBytes ?? 0, wire_bytes: body?.wireBytes ?? 0 };
    if (this.streamed) {
      const data: HttpEnd = {
        ...(this.data.pid === undefined ? {} : { pid: this.data.pid }),
        exchange: head.fields.exchange,
        sender: this.sender,
        end: how === 'tunnel' ? 'closed' : how === 'fault' ? 'gap' : how,
        ...counts,
        ...(duration_ms === undefined ? {} : { duration_ms }),
        ...(trailers ? { trailers } : {}),
        ...this.partial(),
      };
      if (!this.emitter.lines?.message('http_end', data, NO_BODY, this.made)) this.emitter.emit('http_end', data, this.made);
      return;
    }
    if (this.socket) this.emitHead(0, 0);
    else this.emitHead(counts.body_bytes, counts.wire_bytes, trailers, duration_ms);
  }

  private partial(): { partial?: Partial[] } {
    return this.causes.size === 0 ? {} : { partial: CAUSES.filter((cause) => this.causes.has(cause)) };
  }

  private emitHead(body_bytes: number, wire_bytes: number, trailers?: Fields, duration_ms?: number): void {
    const { type, fields } = this.head as NonNullable<Message['head']>;
    // Assigned one by one: spreading costs more than all the rest.
    const end = fields as RequestHead & MessageEnd;
    const { ttfb_ms } = this;
    if (trailers) end.trailers = trailers;
    if (this.streamed || this.socket) end.streamed = true;
    end.body_bytes = body_bytes;
    end.wire_bytes = wire_bytes;
    if (this.codings.length > 0) end.encoding = this.codings;
    if (GRPC.test(mediaType(fields.headers))) end.framing = 'grpc';
    if (ttfb_ms !== undefined) end.ttfb_ms = ttfb_ms;
    if (duration_ms !== undefined) end.duration_ms = duration_ms;
    if (this.causes.size > 0) end.partial = CAUSES.filter((cause) => this.causes.has(cause));
    if (this.sink instanceof EventList && !this.socket) end.events = this.sink.events;
    const body = this.sink instanceof Collector && !this.socket ? this.sink.bytes() : NO_BODY;
    if (this.emitter.lines?.message(type, fields, body, this.made)) return;
    if (body.length > 0) Object.assign(end, bodyOf(body));
    this.emitter.emit(type, fields, this.made);
  }

  /** Frees what its body holds; it will be said to be partial. */
  giveUp(): void {
    this.body?.giveUp();
  }
}

/** Bodies that are messages of gRPC, each behind five bytes (flag and length); gRPC-Web's in binary as well. */
const GRPC = /^application\/grpc(?:-web)?(?:\+|$)/;

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

function mediaType(headers: Fields): string {
  return (first(headers['content-type']).split(';')[0] as string).trim().toLowerCase();
}

function isEventStream(headers: Fields): boolean {
  return mediaType(headers) === 'text/event-stream';
}

function isAmazonStream(headers: Fields): boolean {
  return mediaType(headers) === 'application/vnd.amazon.eventstream';
}

const STREAM_TYPES = new Set([
  'text/event-stream',
  'application/vnd.amazon.eventstream',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonl',
  'application/jsonlines',
  'application/x-jsonlines',
  'application/json-lines',
  'application/stream+json',
  'application/x-json-stream',
  'application/json-seq',
]);

/** True for a response that is a stream by nature: events, JSON lines, Gemini's streamed array. */
export function isStream(headers: Fields, path: string | undefined): boolean {
  const type = mediaType(headers);
  if (STREAM_TYPES.has(type)) return true;
  return type === 'application/json' && path !== undefined && /:streamGenerateContent(?:$|\?)/.test(path);
}

export { elapsed };
