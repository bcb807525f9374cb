/**
 * `tracer-redact`: secrets in any string of any event, replaced. The one filter that prints a line anew, and of it only
 * what was secret. Works on lines, not on objects: whatever is not secret stays as it is written.
 */

import type { AnyEvent } from '../stream/event.js';
import { scanObject } from '../stream/json-scan.js';
import type { Push, Stage, WriteLine } from '../stream/stage.js';
import { keyed, numbering, type Redact } from './numbering.js';
import { isClean } from './redact/clean.js';
import { announcesNext, type Cut, type Edit, editOf, isLookedAt, passwordOf, type ReadLine, readLine, rewritten } from './redact/line.js';
import { secretPart } from './redact/named.js';
import { announcedBy } from './redact/names.js';
import type { Rule } from './redact/rules.js';
import { PieceStream } from './redact/stream.js';
import { type StringToken, scanStrings } from './redact/strings.js';
import { type Finder, finder } from './redact/text.js';

export interface RedactOptions {
  /** Secrets become a hash under this key, instead of a number. */
  redactKey?: Uint8Array;
  /** What else is secret. */
  rules?: readonly Rule[];
  /** Smaller limits for tests. */
  limits?: Partial<RedactLimits>;
}

export interface RedactLimits {
  /** Events that wait because a secret may go on in a later one, and those behind them. */
  events: number;
  bytes: number;
  /** Milliseconds of event time that the first of them waits. */
  milliseconds: number;
  /** Streams of which something is remembered; the least recently used is forgotten. */
  streams: number;
}

export const REDACT_LIMITS: RedactLimits = { events: 4096, bytes: 16 * 1024 * 1024, milliseconds: 1000, streams: 4096 };

/** The stage that replaces secrets. */
export function redactor(options: RedactOptions = {}): Stage {
  return new RedactStage(options);
}

/** An event on its way: it leaves when nothing in it, or before it, waits. */
interface Item {
  waiting: number;
  streams: PieceStream[];
  timestamp: number;
  bytes: number;
  edits: Edit[];
  /** Its text where something in it may be cut. */
  text: string;
  /** Where it came from, so that it leaves as it came. */
  event: AnyEvent | undefined;
  line: Buffer | undefined;
}

/** Strings in which an answer comes piece by piece, one to an event, as the APIs of models name them. */
const DELTAS = new Set(
  'text partial_json thinking content reasoning reasoning_content arguments delta refusal response output_text completion input value'.split(
    ' ',
  ),
);
/** Events that are a message each; in these the pieces of a stream are inside, if anywhere. */
const MESSAGES = new Set(['sse_event', 'ws_message', 'eventstream_message', 'http_body']);
const LISTS_OF_ARGUMENTS = new Set(['args', 'argv', 'command']);

class RedactStage implements Stage {
  readonly name = 'redact';
  readonly readsAnyVersion = true;
  private readonly limits: RedactLimits;
  private readonly redact: Redact;
  private readonly find: Finder;
  private readonly hasRules: boolean;
  /** By what they are pieces of; the least recently used first. Only those that wait or remember. */
  private readonly streams = new Map<string, PieceStream>();
  private readonly queue: Item[] = [];
  private first = 0;
  private bytes = 0;
  private push: Push = () => {};
  private write: WriteLine = () => {};

  constructor(options: RedactOptions) {
    this.limits = { ...REDACT_LIMITS, ...options.limits };
    this.redact = options.redactKey ? keyed(options.redactKey) : numbering(undefined, 'r');
    this.find = finder(options.rules ?? []);
    this.hasRules = (options.rules ?? []).length > 0;
  }

  get holds(): boolean {
    return this.first < this.queue.length;
  }

  transform(event: AnyEvent, push: Push): void {
    this.push = push;
    this.take(JSON.stringify(event), event, undefined);
  }

  transformLine(buf: Buffer, start: number, end: number, write: WriteLine): void {
    this.write = write;
    if (!this.hasRules && isClean(buf, start, end, this.streams.size > 0)) {
      if (!this.holds) write(buf, start, end);
      else
        this.enqueue({
          waiting: 0,
          streams: [],
          timestamp: Number.NaN,
          bytes: end - start,
          edits: [],
          text: '',
          event: undefined,
          line: Buffer.from(buf.subarray(start, end)),
        });
      return;
    }
    this.take(buf.toString('utf8', start, end), undefined, buf.subarray(start, end));
  }

  flush(push: Push): void {
    this.push = push;
    for (const stream of this.streams.values()) stream.end();
    this.streams.clear();
    this.release();
  }

  private take(text: string, event: AnyEvent | undefined, line: Buffer | undefined): void {
    const read = readLine(text);
    if (!Number.isNaN(read.timestamp)) this.expire(read.timestamp);
    const item: Item = { waiting: 0, streams: [], timestamp: read.timestamp, bytes: text.length, edits: [], text, event, line };
    this.endStreams(read);
    this.look(read, item);
    if (item.waiting > 0 || this.holds) {
      if (line !== undefined) item.line = Buffer.from(line);
      this.enqueue(item);
    } else {
      this.leave(item);
    }
  }

  private enqueue(item: Item): void {
    this.queue.push(item);
    this.bytes += item.bytes;
    this.release();
    while (this.holds && (this.queue.length - this.first > this.limits.events || this.bytes > this.limits.bytes)) this.hurry();
  }

  /** Whatever the first one waits for is decided on now. */
  private hurry(): void {
    const item = this.queue[this.first] as Item;
    for (const stream of item.streams) stream.giveUp();
    item.waiting = 0;
    this.release();
  }

  private expire(now: number): void {
    while (this.holds && now - (this.queue[this.first] as Item).timestamp >= this.limits.milliseconds) this.hurry();
  }

  private release(): void {
    while (this.holds && (this.queue[this.first] as Item).waiting === 0) {
      const item = this.queue[this.first++] as Item;
      this.bytes -= item.bytes;
      this.leave(item);
    }
    if (this.first <= 1024 && this.first < this.queue.length) return;
    this.queue.splice(0, this.first);
    this.first = 0;
  }

  private leave(item: Item): void {
    const changed = item.edits.length === 0 ? undefined : rewritten(item.text, item.edits, this.redact);
    if (item.line !== undefined) {
      const line = changed === undefined ? item.line : Buffer.from(changed, 'utf8');
      this.write(line, 0, line.length);
    } else if (item.event !== undefined) {
      this.push(changed === undefined ? item.event : (JSON.parse(changed) as AnyEvent));
    }
  }

  /** Looks at all strings of an event. */
  private look(read: ReadLine, item: Item): void {
    const { text, strings } = read;
    let previous: StringToken | undefined;
    for (const token of strings) {
      const before = previous;
      previous = token;
      // Too short for anything but a piece.
      if (!isLookedAt(token) || (token.end - token.start < 6 && token.depth !== 2 && token.index < 1)) continue;
      const edit = editOf(text, token);
      if (!this.asPieces(read, edit, item)) edit.cuts = this.cutsOf(edit, before, text);
      if (edit.cuts.length > 0 || edit.inner !== undefined || item.waiting > 0) item.edits.push(edit);
    }
  }

  /** What is secret in a string that stands alone. */
  private cutsOf(edit: Edit, before: StringToken | undefined, text: string): Cut[] {
    const { token, value } = edit;
    const whole = (part: { start: number; end: number } | undefined): Cut[] | undefined =>
      part === undefined ? undefined : [{ ...part, secret: value.slice(part.start, part.end) }];
    if (!token.isKey && !edit.base64) {
      const named = whole(secretPart(announcedBy(token.name), value));
      if (named !== undefined) return named;
      if (LISTS_OF_ARGUMENTS.has(token.name) && before?.index === token.index - 1 && token.index > 0) {
        const argument = editOf(text, before).value;
        const kind = announcesNext(argument);
        const next =
          kind === 'value' && !value.startsWith('-') ? whole(secretPart(announcedBy(argument.replace(/^-+/, '')), value)) : undefined;
        if (next !== undefined) return next;
        const password = kind === 'user' ? passwordOf(value) : undefined;
        if (password !== undefined) return [password];
      }
    }
    return this.find(value, 0, true).found.map(({ start, end }) => ({ start, end, secret: value.slice(start, end) }));
  }

  /** Takes a string that is a piece of a stream, or holds some; false for any other. */
  private asPieces(read: ReadLine, edit: Edit, item: Item): boolean {
    const { token } = edit;
    if (token.isKey || token.depth !== 2 || token.top !== 'data' || token.index >= 0) return false;
    const isPayload = token.name === 'payload' || token.name === 'payload_b64';
    const { type, numbers } = read;
    if (type === 'ssl_data' && isPayload) {
      const offset = numbers.get('offset');
      const next = offset === undefined ? undefined : offset + (numbers.get('captured_bytes') ?? 0);
      this.piece(`${read.fact('conn')} ${read.fact('direction')}`, edit, item, offset, next);
      return true;
    }
    if (type === 'malformed' && isPayload && numbers.has('offset')) {
      const offset = numbers.get('offset') as number;
      this.piece(`line ${numbers.get('line')}`, edit, item, offset, undefined);
      return true;
    }
    if (!MESSAGES.has(type) || !(isPayload || (type === 'sse_event' && token.name === 'data'))) return false;
    const exchange = read.fact('exchange');
    if (exchange === undefined) return false;
    const stream = `${exchange} ${read.fact('sender') ?? ''}`;
    const index = numbers.get('index');
    if (!this.streams.has(stream) && this.asMessage(edit, item, stream)) return true;
    this.piece(stream, edit, item, index, index === undefined ? undefined : index + 1);
    return true;
  }

  /** A message that is JSON is looked at as a whole, and so are, over messages, the strings in which a model's answer comes word by word. */
  private asMessage(edit: Edit, item: Item, stream: string): boolean {
    const { value } = edit;
    if (edit.base64 || !/^\s*\{/.test(value)) return false;
    const bytes = Buffer.from(value, 'utf8');
    if (scanObject(bytes, 0, bytes.length) >= 0) return false;
    const { strings, indexes } = scanStrings(value);
    const type = strings.find((token) => !token.isKey && token.depth === 1 && token.name === 'type');
    const kind = type === undefined ? '' : value.slice(type.start, type.end);
    const inner: Edit[] = [];
    for (const token of strings) {
      if (token.isKey || !DELTAS.has(token.name)) continue;
      const delta = editOf(value, token);
      delta.base64 = false;
      inner.push(delta);
      this.piece(`${stream} ${kind} ${indexes}${token.path}`, delta, item, undefined, undefined);
    }
    if (inner.length > 0) edit.inner = inner;
    const found = this.find(value, 0, true).found;
    edit.cuts = found
      .filter(({ start, end }) => !inner.some(({ token }) => start < token.end && token.start < end))
      .map(({ start, end }) => ({ start, end, secret: value.slice(start, end) }));
    return true;
  }

  /** @param at where the piece is in its stream, if that is said, and `next` where the one after it must be */
  private piece(name: string, edit: Edit, item: Item, at: number | undefined, next: number | undefined): void {
    let stream = this.streams.get(name);
    this.streams.delete(name);
    if (stream !== undefined && at !== undefined && stream.expected !== undefined && at !== stream.expected) stream.gap();
    stream ??= new PieceStream(this.find);
    stream.expected = next;
    item.streams.push(stream);
    stream.add(edit, item);
    if (stream.idle) return;
    this.streams.set(name, stream);
    if (this.streams.size <= this.limits.streams) return;
    const [oldest] = this.streams.entries();
    (oldest as [string, PieceStream])[1].giveUp();
    this.streams.delete((oldest as [string, PieceStream])[0]);
  }

  /** A session or an exchange is over: nothing follows in its streams. */
  private endStreams(read: ReadLine): void {
    if (this.streams.size === 0) return;
    const over = read.type === 'ssl_close' ? read.fact('conn') : read.type === 'http_end' ? read.fact('exchange') : undefined;
    if (over === undefined) return;
    for (const [name, stream] of this.streams) {
      if (!name.startsWith(`${over} `)) continue;
      stream.end();
      this.streams.delete(name);
    }
    this.release();
  }
}
