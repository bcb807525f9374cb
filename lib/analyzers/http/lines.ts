/**
 * The events of which a stream has the most, printed straight into the output: what is the same for all pieces of one body
 * is kept as bytes. The oracle is JSON.stringify of the event that ./pieces.ts makes otherwise (test/analyzers/http-lines.test.ts).
 */
import type { SseMessage } from '../../protocols/sse.js';
import type { Derived, Made } from '../../stream/derive.js';
import type { Role } from '../../stream/event.js';
import { JSON_GROWTH, type LineWriter, NUMBER_BYTES, UTF8_GROWTH } from '../../stream/line-writer.js';
import { fitsText } from '../../stream/payload.js';

/** What the lines of one body have in common, as bytes. */
export interface LinePlace {
  /** From the timestamp's end to the index. */
  before: Uint8Array;
  /** Behind the index, up to what differs again. */
  behind: Uint8Array;
}

const TIMESTAMP = Buffer.from('","timestamp":');
const EVENT = Buffer.from(',"event":');
const DATA = Buffer.from(',"data":');
const LAST_ID = Buffer.from(',"last_event_id":');
const RETRY = Buffer.from(',"retry_ms":');
const PAYLOAD = Buffer.from(',"payload":');
const PAYLOAD_B64 = Buffer.from(',"payload_b64":"');
const SOURCE_TYPE = Buffer.from(',"source":"http","event_type":"');
const MESSAGE_DATA = Buffer.from('","data":');
const BODY = Buffer.from(',"body":');
const BODY_B64 = Buffer.from(',"body_b64":"');
const FROM = Buffer.from('},"from":[');
const FROM_COUNT = Buffer.from(',"from_count":');
/** More than all that is not counted by its own length: names of fields, four numbers, brackets, our id. */
const OVERHEAD_BYTES = 256 + 4 * NUMBER_BYTES;

/** Bytes of a payload in its field, at most: text is taken only where it is not longer than base64. */
const payloadBytes = (bytes: Buffer): number => 4 * Math.ceil(bytes.length / 3);

export class HttpLines {
  private head: Uint8Array | undefined;

  constructor(
    private readonly out: LineWriter,
    private readonly derived: Derived,
    private readonly now: () => number,
  ) {}

  /** What all lines of a body begin and go on with. */
  static place(event_type: 'sse_event' | 'http_body', pid: number | undefined, exchange: string, sender: Role | undefined): LinePlace {
    const who = pid === undefined ? '' : `"pid":${JSON.stringify(pid)},`;
    return {
      before: Buffer.from(`,"source":"http","event_type":"${event_type}","data":{${who}"exchange":${JSON.stringify(exchange)},"index":`),
      behind: sender === undefined ? EVENT : Buffer.from(`,"sender":"${sender}"`),
    };
  }

  /** Prints an `sse_event`; false when it is too long and has to be pushed. */
  sse(place: LinePlace, index: number, message: SseMessage, made: Made): boolean {
    const { event, data, lastEventId, retryMs } = message;
    const { out } = this;
    if (!this.piece(place, index, made, JSON_GROWTH * (event.length + data.length + lastEventId.length))) return false;
    out.string(event);
    if (lastEventId !== '') {
      out.raw(LAST_ID);
      out.string(lastEventId);
    }
    if (retryMs !== undefined) {
      out.raw(RETRY);
      out.number(retryMs);
    }
    out.raw(DATA);
    out.text(data);
    this.end(made);
    return true;
  }

  /** Prints an `http_body`; false when it is too long and has to be pushed. */
  body(place: LinePlace, index: number, piece: Buffer, made: Made): boolean {
    if (!this.piece(place, index, made, payloadBytes(piece))) return false;
    this.payload(piece, PAYLOAD, PAYLOAD_B64);
    this.end(made);
    return true;
  }

  /**
   * Prints an `http_request`, `http_response` or `http_end`: `data` is without the body, which
   * is given as bytes and may be empty. False when it is too long and has to be pushed.
   */
  message(event_type: string, data: object, body: Buffer, made: Made): boolean {
    const { out } = this;
    const text = JSON.stringify(data);
    if (!this.begin(made, event_type.length + payloadBytes(body) + UTF8_GROWTH * text.length)) return false;
    out.raw(SOURCE_TYPE);
    out.ascii(event_type);
    out.raw(MESSAGE_DATA);
    out.utf16(text, 0, text.length - 1);
    if (body.length > 0) this.payload(body, BODY, BODY_B64);
    this.end(made);
    return true;
  }

  /** Prints bytes by the contract's rule. */
  private payload(bytes: Buffer, text: Uint8Array, base64: Uint8Array): void {
    const { out } = this;
    if (fitsText(bytes)) {
      out.raw(text);
      out.utf8(bytes);
    } else {
      out.raw(base64);
      out.ascii(bytes.toString('base64'));
      out.ascii('"');
    }
  }

  /** Begins a line and prints it up to the timestamp. @param length bytes that follow, at most, without names of fields and numbers */
  private begin({ first, last }: Made, length: number): boolean {
    // Ids are whatever a foreign event has there.
    if (typeof first !== 'string' || typeof last !== 'string') return false;
    const { out } = this;
    if (!out.begin(OVERHEAD_BYTES + length + JSON_GROWTH * (first.length + last.length))) return false;
    this.head ??= Buffer.from(`{"id":"${this.derived.stream(first)}-`);
    out.raw(this.head);
    out.number(this.derived.next());
    out.raw(TIMESTAMP);
    out.time(this.now());
    return true;
  }

  /** The same, up to what differs between the pieces of one body. */
  private piece(place: LinePlace, index: number, made: Made, length: number): boolean {
    const { out } = this;
    if (!this.begin(made, place.before.length + place.behind.length + length)) return false;
    out.raw(place.before);
    out.number(index);
    out.raw(place.behind);
    return true;
  }

  private end({ first, last, count }: Made): void {
    const { out } = this;
    out.raw(FROM);
    out.string(first as string);
    if (count > 1) {
      out.ascii(',');
      out.string(last as string);
    }
    out.ascii(']');
    if (count > 2) {
      out.raw(FROM_COUNT);
      out.number(count);
    }
    out.ascii('}');
    out.end();
  }
}
