/** Sinks of bodies that are given as they arrive: server-sent events, one by one or as a list, and pieces of anything else. */
import { type EventstreamMessage as AmazonMessage, EventstreamParser } from '../../protocols/eventstream.js';
import { type SseMessage, SseParser } from '../../protocols/sse.js';
import type { Made } from '../../stream/derive.js';
import type { EventstreamMessage, HttpBody, MergedSse, Role, SseEvent, SslDataEvent } from '../../stream/event.js';
import { payloadOf, utf8Text } from '../../stream/payload.js';
import type { BodySink } from './body.js';
import { HttpLines, type LinePlace } from './lines.js';

export interface PieceTarget {
  emitter: {
    emit(event_type: 'sse_event' | 'http_body' | 'eventstream_message', data: object, made: Made): void;
    give(exchange: string, message: SseMessage, made: Made): boolean;
    /** Where lines can be printed without making the events. */
    readonly lines?: HttpLines | undefined;
  };
  exchange: string;
  sender: Role;
  pid?: number;
  /** The event whose bytes are being read. */
  current(): SslDataEvent;
}

/** `http_body` events: each piece as it arrives. */
export class Pieces implements BodySink {
  readonly limited = false;
  readonly heldBytes = 0;
  private index = 0;
  private place: LinePlace | undefined;

  constructor(private readonly to: PieceTarget) {}

  take(decoded: Buffer): void {
    const { to } = this;
    const { id } = to.current();
    const made = { first: id, last: id, count: 1 };
    const { lines } = to.emitter;
    if (lines) {
      this.place ??= HttpLines.place('http_body', to.pid, to.exchange, to.sender);
      if (lines.body(this.place, this.index, decoded, made)) {
        this.index++;
        return;
      }
    }
    const data: HttpBody = {
      ...(to.pid === undefined ? {} : { pid: to.pid }),
      exchange: to.exchange,
      index: this.index++,
      sender: to.sender,
      ...payloadOf(decoded),
    };
    to.emitter.emit('http_body', data, made);
  }

  gap(): void {}
  giveUp(): void {}
}

/** What reads messages out of a body. */
interface MessageReader<Read> {
  readonly heldBytes: number;
  /** No message is begun. */
  readonly idle: boolean;
  push(bytes: Buffer, take: (message: Read) => void): void;
  gap(): void;
}

/** Messages within a body, each as soon as it is whole. */
abstract class Messages<Read> implements BodySink {
  limited = false;
  protected index = 0;
  protected abstract readonly parser: MessageReader<Read>;
  /** The input events that the message being read came in. */
  private firstId: string | undefined;
  private last: SslDataEvent | undefined;
  private count = 0;
  private given = false;

  constructor(protected readonly to: PieceTarget) {}

  get heldBytes(): number {
    return this.parser.heldBytes;
  }

  /** No message is begun. */
  get idle(): boolean {
    return this.parser.idle;
  }

  take(decoded: Buffer): void {
    if (this.given) return;
    const event = this.to.current();
    if (this.parser.idle) this.begin(event);
    else if (event !== this.last) {
      this.last = event;
      this.count++;
    }
    this.parser.push(decoded, this.message);
  }

  protected abstract emit(message: Read, made: Made): void;

  private readonly message = (message: Read): void => {
    const event = this.to.current();
    const made = { first: this.firstId, last: event.id, count: this.count };
    this.begin(event);
    this.emit(message, made);
  };

  private begin(event: SslDataEvent): void {
    this.firstId = event.id;
    this.last = event;
    this.count = 1;
  }

  gap(): void {
    this.parser.gap();
  }

  giveUp(): void {
    this.given = true;
    this.limited = true;
    this.parser.gap();
  }
}

/** `sse_event` events, each as soon as its blank line is there. */
export class EventPieces extends Messages<SseMessage> {
  protected readonly parser = new SseParser();
  private place: LinePlace | undefined;

  protected emit(message: SseMessage, made: Made): void {
    const { to } = this;
    if (message.limited) this.limited = true;
    if (to.emitter.give(to.exchange, message, made)) {
      this.index++;
      return;
    }
    const { lines } = to.emitter;
    if (lines) {
      this.place ??= HttpLines.place('sse_event', to.pid, to.exchange, undefined);
      if (lines.sse(this.place, this.index, message, made)) {
        this.index++;
        return;
      }
    }
    // Assigned one by one: this is the most frequent event, and spreading costs more than all the rest.
    const data = (to.pid === undefined ? {} : { pid: to.pid }) as SseEvent;
    data.exchange = to.exchange;
    data.index = this.index++;
    data.event = message.event;
    if (message.lastEventId !== '') data.last_event_id = message.lastEventId;
    if (message.retryMs !== undefined) data.retry_ms = message.retryMs;
    data.data = utf8Text(message.data);
    to.emitter.emit('sse_event', data, made);
  }
}

/** `eventstream_message` events, each as soon as its last checksum is there. */
export class MessagePieces extends Messages<AmazonMessage> {
  protected readonly parser = new EventstreamParser();

  /** Bytes of the stream were no message of it. */
  get damaged(): boolean {
    return this.parser.damaged;
  }

  protected emit(message: AmazonMessage, made: Made): void {
    const { to } = this;
    const data: EventstreamMessage = {
      ...(to.pid === undefined ? {} : { pid: to.pid }),
      exchange: to.exchange,
      index: this.index++,
      headers: Object.fromEntries(message.headers),
      ...payloadOf(message.payload),
    };
    to.emitter.emit('eventstream_message', data, made);
  }
}

/** `--sse-merge`: the events of one response, up to the body limit. */
export class EventList implements BodySink {
  readonly events: MergedSse[] = [];
  limited = false;
  heldBytes = 0;
  private readonly parser = new SseParser();
  private given = false;

  constructor(private readonly limit: number) {}

  take(decoded: Buffer): void {
    if (!this.given) this.parser.push(decoded, (message) => this.add(message));
  }

  private add(message: SseMessage): void {
    const size = message.data.length + message.event.length + message.lastEventId.length + 64;
    if (message.limited) this.limited = true;
    if (this.heldBytes + size > this.limit) {
      this.limited = true;
      return;
    }
    this.heldBytes += size;
    this.events.push({
      event: message.event,
      ...(message.lastEventId === '' ? {} : { last_event_id: message.lastEventId }),
      data: utf8Text(message.data),
    });
  }

  gap(): void {
    this.parser.gap();
  }

  giveUp(): void {
    this.given = true;
    this.limited = true;
    this.events.length = 0;
    this.heldBytes = 0;
    this.parser.gap();
  }
}
