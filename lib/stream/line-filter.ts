/**
 * A stage between lines: chunks in, chunks out. Everything that every filter promises about lines is here: what is not
 * known passes byte for byte, bad lines are named and kept, order stays. No process, no file: filter.ts adds those.
 */
import { isAscii } from 'node:buffer';
import { appended, appendedData } from './append.js';
import type { Batch } from './batch.js';
import { readDataLine } from './data-line.js';
import { hashStream } from './derive.js';
import { type AnyEvent, CONTRACT, isEvent, MAX_LINE_BYTES, type MalformedEvent, type SslDataEvent } from './event.js';
import { head, readHead, typeOf } from './head.js';
import { endOfMember, scanObject } from './json-scan.js';
import { LineWriter } from './line-writer.js';
import { Coding, type LineHandler, LineReader } from './ndjson.js';
import { payloadOf } from './payload.js';
import type { Stage } from './stage.js';

export interface LineFilterOptions {
  /** Says something to the person, once per call, without a newline. */
  warn(sentence: string): void;
  /** Smaller limits for tests. */
  maxLineBytes?: number;
  maxPieceBytes?: number;
}

export class LineFilter implements LineHandler {
  /** Malformed lines met. */
  malformed = 0;
  /** Events on which the stage threw: a bug. They were passed on. */
  failures = 0;
  /** The first error that the stage threw. */
  failure: unknown;

  readonly #stage: Stage;
  readonly #out: Batch;
  readonly #options: LineFilterOptions;
  readonly #reader: LineReader;
  readonly #consumes: ReadonlySet<string> | undefined;
  readonly #readsData: boolean;
  /** Lines of events that a stage holds back, so that they pass as they came. */
  readonly #kept = new WeakMap<object, Buffer>();

  /** The event being handled, and the line that it came from. */
  #current: AnyEvent | undefined;
  #passed = false;
  #buf: Buffer | undefined;
  #start = 0;
  #end = 0;

  /** The last good line or event: dates the malformed one after it. */
  #lastBuf: Buffer | undefined;
  #lastStart = 0;
  #lastEnd = 0;
  #lastEvent: AnyEvent | undefined;

  #malformedStream = '';
  #malformedEvents = 0;
  #overlongLine = 0;

  /** Streams of a newer contract: passed on unread. */
  readonly #newer = new Set<string>();

  constructor(stage: Stage, out: Batch, options: LineFilterOptions) {
    this.#stage = stage;
    this.#out = out;
    this.#options = options;
    this.#consumes = stage.consumes;
    this.#readsData = stage.transformData !== undefined && stage.consumes?.has('ssl_data') === true;
    this.#reader = new LineReader(this, options);
    stage.writeTo?.(new LineWriter(out));
  }

  /** Takes a chunk. It may be used again once what the batch then holds has been written. */
  feed(chunk: Buffer): void {
    this.#reader.feed(chunk);
    this.#settleLast();
  }

  /** End of input: the last line, then what the stage holds. */
  end(): void {
    this.#reader.end();
    this.#current = undefined;
    try {
      this.#stage.flush(this.#push);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** An event that was not read from a line: a source in the same process made it. */
  event(event: AnyEvent): void {
    this.#lastEvent = event;
    this.#lastBuf = undefined;
    this.#buf = undefined;
    this.#offer(event);
  }

  line(buf: Buffer, start: number, end: number, coding: Coding): void {
    if (coding === Coding.Invalid) {
      this.#bad(buf.subarray(start, end), 'not UTF-8');
      return;
    }
    if (this.#stage.transformLine !== undefined) {
      this.#edit(buf, start, end);
      return;
    }
    const consumes = this.#consumes;
    if (consumes !== undefined && this.#newer.size === 0) {
      if (this.#readsData) {
        const read = readDataLine(buf, start, end);
        if (read !== undefined) {
          this.#meet(buf, start, end);
          this.#handle(read.event, read.payload);
          return;
        }
      }
      const type = typeOf(buf, start, end);
      if (type !== undefined && !consumes.has(type) && type !== 'sensor_start') {
        const wrong = scanObject(buf, start, end);
        if (wrong >= 0) {
          this.#bad(buf.subarray(start, end), notJson(wrong - start, end - start));
          return;
        }
        this.#out.line(buf, start, end);
        this.#last(buf, start, end);
        return;
      }
    }
    this.#parse(buf, start, end, coding);
  }

  /** For a stage that works on lines. It reads any version of the contract: it looks at strings only. */
  #edit(buf: Buffer, start: number, end: number): void {
    const wrong = scanObject(buf, start, end);
    if (wrong >= 0) {
      this.#bad(buf.subarray(start, end), notJson(wrong - start, end - start));
      return;
    }
    this.#last(buf, start, end);
    try {
      this.#stage.transformLine?.(buf, start, end, this.#write);
    } catch (error) {
      // Not passed on: what the stage would have taken out of it may still be there. It is counted and said.
      this.#failed(error);
    }
  }

  readonly #write = (buf: Buffer, start: number, end: number): void => this.#out.line(buf, start, end);

  overlong(piece: Buffer, offset: number): void {
    const begins = this.#overlongLine !== this.#reader.number;
    this.#overlongLine = this.#reader.number;
    this.#bad(piece, `longer than ${MAX_LINE_BYTES / 1024 / 1024} MiB`, offset, begins);
  }

  #parse(buf: Buffer, start: number, end: number, coding: Coding): void {
    let event: unknown;
    try {
      // Decoding ASCII as Latin-1 is several times faster.
      const ascii = coding === Coding.Ascii || isAscii(buf.subarray(start, end));
      event = JSON.parse(buf.toString(ascii ? 'latin1' : 'utf8', start, end));
    } catch {
      const wrong = scanObject(buf, start, end);
      this.#bad(buf.subarray(start, end), notJson(wrong < 0 ? 0 : wrong - start, end - start));
      return;
    }
    if (typeof event !== 'object' || event === null || Array.isArray(event)) {
      this.#bad(buf.subarray(start, end), 'JSON, but not an object');
      return;
    }
    this.#meet(buf, start, end);
    this.#offer(event);
  }

  /** The line that the next event stands in. */
  #meet(buf: Buffer, start: number, end: number): void {
    this.#last(buf, start, end);
    this.#buf = buf;
    this.#start = start;
    this.#end = end;
  }

  #last(buf: Buffer, start: number, end: number): void {
    this.#lastBuf = buf;
    this.#lastStart = start;
    this.#lastEnd = end;
  }

  /** Hands an event to the stage, unless the stage has no business with it. */
  #offer(event: AnyEvent): void {
    this.#current = event;
    this.#passed = false;
    if (event.event_type === 'sensor_start') this.#meetSensor(event);
    const type = event.event_type;
    if (
      (this.#consumes !== undefined && (typeof type !== 'string' || !this.#consumes.has(type))) ||
      (this.#stage.readsAnyVersion !== true && this.#isNewer(event))
    ) {
      this.#push(event);
      return;
    }
    this.#handle(event, undefined);
  }

  /** @param payload given: the event is as ./data-line.ts reads it */
  #handle(event: AnyEvent, payload: Buffer | undefined): void {
    this.#current = event;
    this.#passed = false;
    try {
      if (payload === undefined) this.#stage.transform(event, this.#push);
      else this.#stage.transformData?.(event as SslDataEvent, payload, this.#push);
    } catch (error) {
      this.#failed(error);
      // What is there to take something out must not let it pass.
      if (!this.#passed && this.#stage.readsAnyVersion !== true) this.#push(event);
    }
    if (!this.#passed && this.#stage.holds === true && this.#buf !== undefined) {
      this.#kept.set(event, Buffer.from(this.#buf.subarray(this.#start, this.#end)));
    }
  }

  readonly #push = (event: AnyEvent): void => {
    const added = appended(event);
    const data = appendedData(event);
    const more = added === undefined && data === undefined ? undefined : { added: added ?? '', data: data ?? '' };
    if (event === this.#current && this.#buf !== undefined) {
      this.#passed = true;
      if (more === undefined) this.#out.line(this.#buf, this.#start, this.#end);
      else this.#spliced(this.#buf, this.#start, this.#end, more);
      return;
    }
    if (event === this.#current) this.#passed = true;
    const kept = this.#kept.get(event);
    if (kept !== undefined && more !== undefined) this.#spliced(kept, 0, kept.length, more);
    else if (kept !== undefined) this.#out.line(kept, 0, kept.length);
    else this.#out.event(event);
  };

  /** A line with fields added before its last brace, and before the one that closes its data. */
  #spliced(buf: Buffer, start: number, end: number, { added, data }: { added: string; data: string }): void {
    const close = buf.lastIndexOf(0x7d, end - 1);
    const inner = data === '' ? start : endOfMember(buf, start, end, 'data') - 1;
    const head = data === '' ? '' : `${buf.toString('utf8', start, inner)}${data}`;
    this.#out.text(`${head}${buf.toString('utf8', inner, close)}${added}}\n`);
  }

  #failed(error: unknown): void {
    if (this.failures++ === 0) this.failure = error;
  }

  #meetSensor(event: AnyEvent): void {
    if (!isEvent(event, 'sensor_start') || typeof event.data !== 'object' || event.data === null) return;
    const { contract } = event.data;
    if (typeof contract !== 'number' || contract <= CONTRACT) return;
    if (this.#newer.size === 0) {
      this.#stage.meetNewer?.(this.#isNewer);
      const fate =
        this.#stage.readsAnyVersion === true ? 'only secrets are looked for in its lines' : 'its lines are passed on as they are';
      this.#options.warn(
        `the input speaks version ${contract} of the event contract and this is version ${CONTRACT}: ${fate}. Update tracer-filters to have them read`,
      );
    }
    this.#newer.add(streamOf(event));
  }

  readonly #isNewer = (event: AnyEvent): boolean => this.#newer.size > 0 && this.#newer.has(streamOf(event));

  /** Makes a `malformed` event of a line, or of a piece of one. Its id and time follow from the input alone. */
  #bad(bytes: Buffer, reason: string, offset?: number, countsAsLine = true): void {
    if (countsAsLine) this.malformed++;
    const line = this.#reader.number;
    const before = this.#lastGood();
    if (this.#malformedStream === '') {
      this.#malformedStream = hashStream('malformed', before.id, line, bytes.subarray(0, 65536).toString('latin1'));
    }
    this.#malformedEvents++;
    const event: MalformedEvent = {
      id: `${this.#malformedStream}-${this.#malformedEvents}`,
      timestamp: before.timestamp,
      source: 'meta',
      event_type: 'malformed',
      data: { line, reason, ...(offset === undefined ? {} : { offset }), ...payloadOf(bytes) },
    };
    this.#buf = undefined;
    this.#offer(event);
  }

  /** Reads id and time of the last good line, whose bytes may be gone later. */
  #settleLast(): void {
    if (this.#lastBuf === undefined) return;
    const found = readHead(this.#lastBuf, this.#lastStart, this.#lastEnd);
    const { id, timestamp } = found ? head : (JSON.parse(this.#lastBuf.toString('utf8', this.#lastStart, this.#lastEnd)) as typeof head);
    this.#lastEvent = { id, timestamp };
    this.#lastBuf = undefined;
  }

  /** Id and time of the last good event: `''` and 0 where there is none. */
  #lastGood(): { id: string; timestamp: number } {
    this.#settleLast();
    const { id, timestamp } = this.#lastEvent ?? {};
    return { id: typeof id === 'string' ? id : '', timestamp: typeof timestamp === 'number' ? timestamp : 0 };
  }
}

function notJson(at: number, length: number): string {
  return at >= length ? 'not JSON: ends too early' : `not JSON: column ${at + 1}`;
}

function streamOf(event: AnyEvent): string {
  return typeof event.id === 'string' ? event.id.slice(0, event.id.lastIndexOf('-')) : '';
}
