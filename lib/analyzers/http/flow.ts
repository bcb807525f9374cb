/**
 * One direction of a session: puts the bytes of `ssl_data` events in place by their offsets, feeds the parser, and keeps
 * track of which events turned into messages and which are to be passed on.
 */
import { type Http1Handler, Http1Parser } from '../../protocols/http1/parser.js';
import type { Kind } from '../../protocols/http1/start-line.js';
import type { SslDataEvent } from '../../stream/event.js';
import type { Message } from './message.js';

/** Events whose bytes are held undecided at most; then they are not taken for HTTP. */
const HELD_EVENTS = 2048;
/** What an event costs while it is held, beside its payload. */
const EVENT_BYTES = 1024;

interface Held {
  event: SslDataEvent;
  /** Position after its last byte. */
  to: number;
  /** A part of it belongs to a message already. */
  used: boolean;
}

export interface FlowOwner extends Http1Handler {
  /** An event that turned out not to be HTTP. */
  pass(event: SslDataEvent): void;
  readonly message: Message | undefined;
}

/** What reads a direction that carries something else than HTTP/1, all of it. */
export interface Wire {
  /** An event comes, whose bytes `push` will give. */
  arrive(event: SslDataEvent): void;
  /** Returns false when it is none of it. */
  push(bytes: Buffer): boolean;
  gap(n: number): void;
}

export class Flow {
  readonly parser: Http1Parser;
  private wire: Wire | undefined;
  /** Offset of the next byte. */
  private next: number | undefined;
  private held: Held[] = [];
  private used = false;
  private current: SslDataEvent | undefined;

  constructor(
    private readonly owner: FlowOwner,
    kind: Kind | undefined,
    private readonly midway: boolean,
  ) {
    this.parser = new Http1Parser(owner, kind, midway);
  }

  get heldBytes(): number {
    return this.parser.heldBytes + this.held.length * EVENT_BYTES;
  }

  get heldEvents(): number {
    return this.held.length;
  }

  /** Bytes seen of this direction, missing ones counted. */
  get seen(): number {
    return this.next ?? 0;
  }

  /** Bytes of an event are being read. */
  get reading(): boolean {
    return this.current !== undefined;
  }

  /** Bytes are missing before `offset`, where the next event begins. */
  catchUp(offset: unknown): void {
    const at = count(offset);
    const expected = this.next ?? (this.midway ? undefined : 0);
    if (at === undefined || expected === undefined || at <= expected) return;
    this.next = at;
    this.gap(at - expected);
  }

  /** Takes an event and its bytes, which are only valid during the call. It is passed on, at once or later, unless it turns into messages. */
  data(event: SslDataEvent, payload: Buffer | undefined): void {
    const { offset, total_bytes } = event.data;
    let bytes = payload ?? EMPTY;
    const total = Math.max(count(total_bytes) ?? 0, bytes.length);
    // A session seen from its start begins at 0; one that was joined begins where we joined it.
    const expected = this.next ?? (this.midway ? (count(offset) ?? 0) : 0);
    const at = count(offset) ?? expected;
    const start = Math.max(at, expected);
    const end = at + bytes.length;
    if (at > expected) this.gap(at - expected);
    else if (at < expected) bytes = bytes.subarray(Math.min(bytes.length, expected - at));
    this.next = Math.max(expected, at + total);
    // Nothing captured, or a repetition: it turns into nothing.
    if (bytes.length > 0) this.bytes(event, bytes);
    else this.owner.pass(event);
    const missing = at + total - Math.max(start, end);
    if (missing > 0) this.gap(missing);
  }

  private bytes(event: SslDataEvent, bytes: Buffer): void {
    const { parser } = this;
    if (this.wire) {
      this.wire.arrive(event);
      if (!this.wire.push(bytes)) this.owner.pass(event);
      return;
    }
    this.current = event;
    this.used = parser.inMessage;
    if (this.used) this.owner.message?.touch(event);
    parser.push(bytes);
    this.settle();
    if (parser.decided < parser.position) {
      this.held.push({ event, to: parser.position, used: this.used });
      if (this.held.length > HELD_EVENTS) this.giveUp();
    } else if (!this.used) this.owner.pass(event);
    this.current = undefined;
  }

  /** From here on `wire` reads this direction: what is undecided first. */
  handOver(wire: Wire): void {
    const { parser, held } = this;
    const from = parser.decided;
    const bytes = parser.takeUndecided();
    const last = held.at(-1);
    if (bytes) for (const each of held) if (each.to > from) each.used = true;
    parser.stop();
    // When it is the parser that found out, it gives the rest by itself.
    if (!this.current) this.settle();
    this.wire = wire;
    if (bytes && last) {
      wire.arrive(last.event);
      wire.push(bytes);
    }
  }

  /** What the parser does not read of the event that it was given, from that position on. */
  rest(bytes: Buffer, position: number): void {
    if (!this.wire || !this.current) return;
    for (const each of this.held) if (each.to > position) each.used = true;
    this.used = true;
    this.wire.arrive(this.current);
    this.wire.push(bytes);
  }

  /** A message begins at that position. Returns the events that its bytes came in so far, at least one. */
  begin(position: number): SslDataEvent[] {
    const events: SslDataEvent[] = [];
    for (const held of this.held) {
      if (held.to > position) events.push(held.event);
      else if (!held.used) this.owner.pass(held.event);
    }
    this.held = [];
    this.used = true;
    if (this.current) events.push(this.current);
    return events;
  }

  /** Passes on what turned out to belong to no message. */
  private settle(): void {
    const { decided } = this.parser;
    let n = 0;
    for (const held of this.held) {
      if (held.to > decided) break;
      if (!held.used) this.owner.pass(held.event);
      n++;
    }
    if (n > 0) this.held.splice(0, n);
  }

  gap(n: number): void {
    if (this.wire) {
      this.wire.gap(n);
      return;
    }
    this.parser.gap(n);
    this.settle();
  }

  /** Stops waiting: what is undecided is passed on. */
  giveUp(): void {
    this.parser.forget();
    this.settle();
  }

  end(closed: boolean): void {
    this.parser.end(closed);
    this.settle();
  }

  /** From here on this direction carries something else. */
  stop(): void {
    this.parser.stop();
    this.settle();
  }
}

const EMPTY = Buffer.alloc(0);

/** A count of bytes from outside; undefined when it is none. */
function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
