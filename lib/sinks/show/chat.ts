/**
 * `--chat`: the text of requests and responses in order, laid out for reading.
 *
 * Several exchanges may be under way at once. One that streams holds the floor: its text is written as it arrives,
 * and what happens elsewhere waits until it has ended, or has been silent for a while, or too much is waiting.
 */
import type { AnyEvent } from '../../stream/event.js';
import { Bodies } from './bodies.js';
import { type Facts, facts, get, isFacts, list, num, sizeOf, str } from './facts.js';
import { parse } from './json.js';
import type { Lines } from './lines.js';
import { Mind } from './mind.js';
import { readPrompt, type Turn } from './model.js';
import { AnswerStream, type Step } from './model-stream.js';
import type { Paper, Tone } from './paper.js';
import { tag } from './said.js';
import { type Stream, Streams } from './streams.js';
import { bytes, count, duration } from './units.js';

/** Event time for which the speaker may be silent while others wait, in ms. */
const SILENCE_MS = 2000;
/** What may wait for the floor, in characters of events. */
const MOST_WAITING = 256 * 1024;
/** Event types that matter to a reader of conversations although they are no part of one. */
const WORTH_A_LINE = new Set([
  'loss',
  'malformed',
  'blind',
  'throttle',
  'guard_deny',
  'guard_kill',
  'guard_audit',
  'guard_timeout',
  'guard_gap',
]);
const OF_EXCHANGES = new Set(['http_request', 'http_response', 'http_end', 'sse_event', 'http_body', 'ws_message', 'eventstream_message']);

/** A longer answer is not recognised when it comes back. */
const MOST_REMEMBERED = 1024 * 1024;

const SAYS: Record<'text' | 'reasoning' | 'refusal', { label: string; tone: Tone; text: Tone }> = {
  text: { label: 'assistant', tone: 'in', text: 'plain' },
  reasoning: { label: 'reasoning', tone: 'dim', text: 'dim' },
  refusal: { label: 'refusal', tone: 'warn', text: 'plain' },
};

export class Chat {
  readonly #streams = new Streams();
  readonly #mind = new Mind();
  readonly #bodies: Bodies;
  #holder: Stream | undefined;
  #waiting: AnyEvent[] = [];
  #waitingSize = 0;
  #saidRaw = false;

  constructor(
    readonly paper: Paper,
    readonly lines: Lines,
    options: { full: boolean },
  ) {
    this.#bodies = new Bodies(paper, this.#mind, options.full);
  }

  tell(event: AnyEvent): void {
    const data = facts(event.data);
    // Names of processes are learnt from every event.
    this.lines.who(data);
    if (!matters(event, data)) return;
    const holder = this.#holder;
    if (holder === undefined || keyOf(event, data) === holder.key) {
      this.#route(event, data);
      this.#drain();
      return;
    }
    this.#waiting.push(event);
    this.#waitingSize += weight(data);
    if (this.#waitingSize > MOST_WAITING || time(event) - holder.lastHeard > SILENCE_MS) {
      this.#pause(holder);
      this.#drain();
    }
  }

  /** End of input. */
  flush(): void {
    do {
      if (this.#holder !== undefined) this.#finish(this.#holder, ['still open']);
      this.#drain();
    } while (this.#holder !== undefined);
    for (const stream of this.#streams.all()) this.#finish(stream, ['still open']);
  }

  /** Tells what waits, until somebody takes the floor. */
  #drain(): void {
    while (this.#waiting.length > 0 && this.#holder === undefined) {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#waitingSize = 0;
      for (const event of waiting) {
        const data = facts(event.data);
        // Changes while the list is told.
        const holder = this.#holder as Stream | undefined;
        if (holder === undefined || keyOf(event, data) === holder.key) {
          this.#route(event, data);
        } else {
          this.#waiting.push(event);
          this.#waitingSize += weight(data);
        }
      }
    }
  }

  #pause(stream: Stream): void {
    this.paper.end();
    stream.open = undefined;
    stream.interrupted = true;
    this.#holder = undefined;
  }

  #route(event: AnyEvent, data: Facts): void {
    switch (event.event_type) {
      case 'http_request':
        this.#heading(event);
        if (get(data, 'streamed') === true) this.#begin(event, data);
        else this.#bodies.request(data, keyOf(event, data));
        return;
      case 'http_response':
        this.#response(event, data);
        return;
      case 'sse_event':
      case 'http_body':
      case 'ws_message':
      case 'eventstream_message':
        this.#piece(event, data);
        return;
      case 'http_end':
        this.#ended(event, data);
        return;
      case 'llm_call':
        this.#heading(event);
        this.#bodies.call(data, keyOf(event, data));
        return;
      case 'ssl_data':
        this.#raw(data);
        return;
      default:
        this.#heading(event);
    }
  }

  #heading(event: AnyEvent): void {
    this.paper.gap();
    this.paper.line(this.lines.of(event));
  }

  #response(event: AnyEvent, data: Facts): void {
    this.#heading(event);
    const merged = list(get(data, 'events'));
    if (merged.length === 0) {
      if (get(data, 'streamed') === true) this.#begin(event, data);
      else this.#bodies.response(data, keyOf(event, data));
      return;
    }
    const stream = this.#begin(event, data);
    for (const one of merged)
      this.#steps(stream, stream.answer.event(str(facts(one), 'event') ?? 'message', str(facts(one), 'data') ?? ''));
    this.#finish(stream, lasted(data));
  }

  /** A stream begins, and takes the floor. */
  #begin(event: AnyEvent, data: Facts): Stream {
    const key = keyOf(event, data);
    const stream: Stream = {
      key,
      title: [this.lines.who(data), tag(str(data, 'exchange'))].filter((part) => part !== undefined).join(' '),
      answer: new AnswerStream(),
      open: undefined,
      interrupted: false,
      lastHeard: time(event),
      turn: { role: 'assistant', parts: [] },
      turnSize: 0,
      held: 0,
      end: [],
      binaryBytes: 0,
      pieces: 0,
    };
    this.#streams.add(stream);
    this.#holder = stream;
    return stream;
  }

  /** The stream of a piece or an end, which has the floor from now on. One that was joined midway begins here. */
  #streamOf(event: AnyEvent, data: Facts): Stream {
    const key = keyOf(event, data);
    const known = this.#streams.heard(key);
    const stream = known ?? this.#begin(event, data);
    stream.lastHeard = time(event);
    if (known === undefined || stream.interrupted) {
      this.paper.gap();
      this.paper.line([{ text: `${stream.title} ${known === undefined ? '(its beginning was not seen)' : 'goes on'}`, tone: 'dim' }]);
      stream.interrupted = false;
    }
    this.#holder = stream;
    return stream;
  }

  #piece(event: AnyEvent, data: Facts): void {
    const stream = this.#streamOf(event, data);
    stream.pieces++;
    if (event.event_type === 'sse_event') {
      this.#steps(stream, stream.answer.event(str(data, 'event') ?? 'message', str(data, 'data') ?? ''));
      return;
    }
    const text = get(data, 'payload');
    if (typeof text !== 'string') stream.binaryBytes += sizeOf(data, 'payload') ?? 0;
    else if (event.event_type === 'http_body') this.#pour(stream, 'body', 'body', text);
    else if (event.event_type === 'ws_message') this.#webSocket(stream, data, text);
    else this.#steps(stream, stream.answer.event(str(facts(get(data, 'headers')), ':event-type') ?? 'message', unwrapped(text)));
  }

  /** Codex speaks Responses over WebSocket: requests and events of answers alternate on one stream. */
  #webSocket(stream: Stream, data: Facts, text: string): void {
    const opcode = str(data, 'opcode');
    if (opcode === 'ping' || opcode === 'pong') return;
    if (str(data, 'sender') === 'server') {
      this.#steps(stream, stream.answer.event('message', text));
      return;
    }
    this.paper.end();
    stream.open = undefined;
    stream.answer = new AnswerStream();
    const prompt = readPrompt(parse(text)?.value);
    if (prompt !== undefined) this.#bodies.prompt(prompt, stream.title, stream.key);
    else this.#bodies.text('client', text);
  }

  #steps(stream: Stream, steps: readonly Step[]): void {
    for (const step of steps) {
      switch (step.step) {
        case 'say': {
          const { label, tone, text } = SAYS[step.kind];
          this.#pour(stream, step.kind, label, step.text, tone, text);
          this.#remember(stream, { kind: step.kind, text: step.text });
          break;
        }
        case 'part':
          this.#close(stream);
          this.#bodies.part(step.part, 'assistant');
          this.#remember(stream, step.part);
          break;
        case 'end':
          stream.end = step.end;
          break;
        case 'error':
          this.#close(stream);
          this.#bodies.error(step.text);
          break;
        case 'other':
          this.#close(stream);
          if (step.text !== '') this.#bodies.text(step.name === 'message' ? 'event' : step.name, step.text);
      }
    }
    this.#streams.weigh(stream);
  }

  #pour(stream: Stream, kind: string, label: string, text: string, labelTone: Tone = 'dim', textTone: Tone = 'plain'): void {
    if (stream.open !== kind) {
      this.paper.begin(label, labelTone, textTone);
      stream.open = kind;
    }
    this.paper.say(text);
  }

  #close(stream: Stream): void {
    this.paper.end();
    stream.open = undefined;
  }

  #remember(stream: Stream, part: Turn['parts'][number]): void {
    stream.turnSize += part.text.length;
    if (stream.turnSize > MOST_REMEMBERED) stream.turn = undefined;
    const last = stream.turn?.parts.at(-1);
    if (last !== undefined && last.kind === part.kind && part.kind !== 'call') last.text += part.text;
    else stream.turn?.parts.push({ ...part });
  }

  #ended(event: AnyEvent, data: Facts): void {
    const stream = this.#streamOf(event, data);
    const how = str(data, 'end');
    this.#finish(stream, [...(how === undefined || how === 'complete' ? [] : [`cut off: ${how}`]), ...lasted(data)]);
  }

  /** What is left of a stream, its end, and the floor is free. */
  #finish(stream: Stream, how: readonly string[]): void {
    if (stream.interrupted) {
      this.paper.gap();
      this.paper.line([{ text: `${stream.title} goes on`, tone: 'dim' }]);
    }
    this.#steps(stream, stream.answer.flush());
    this.#close(stream);
    if (stream.binaryBytes > 0) this.paper.note('binary', `${bytes(stream.binaryBytes)} in ${count(stream.pieces, 'piece')}`, 'dim', 'dim');
    const end = [...stream.end, ...how];
    if (end.length > 0) this.#bodies.end(end);
    if (stream.turn !== undefined) this.#mind.answered(stream.key, stream.turn);
    this.#streams.forget(stream);
    this.#holder = undefined;
  }

  /** HTTP that is still raw: tracer-http would have taken it, so it was left out. Other raw bytes are no conversation. */
  #raw(data: Facts): void {
    if (this.#saidRaw || !HTTP_START.test((str(data, 'payload') ?? '').slice(0, 4096))) return;
    this.#saidRaw = true;
    this.paper.line([{ text: 'This is HTTP in raw pieces (ssl_data). To read it: … | tracer-http | tracer-show --chat', tone: 'warn' }]);
  }
}

/** The beginning of a message of HTTP/1 (RFC 9112, 2.1), or of HTTP/2 (RFC 9113, 3.4). */
const HTTP_START = /^(?:[A-Z]{3,16} \S+ HTTP\/[12]|HTTP\/1\.\d \d)/;

function matters(event: AnyEvent, data: Facts): boolean {
  const type = event.event_type;
  if (typeof type !== 'string') return false;
  if (OF_EXCHANGES.has(type) || WORTH_A_LINE.has(type) || type === 'ssl_data' || type === 'llm_call') return true;
  if (type !== 'heartbeat' && type !== 'sensor_end') return false;
  const lost = get(data, 'lost');
  return isFacts(lost) && Object.values(lost).some((n) => typeof n === 'number' && n > 0);
}

/** Which stream an event belongs to: its exchange; what a client streams is apart from the answer. */
function keyOf(event: AnyEvent, data: Facts): string {
  const exchange = str(data, 'exchange') ?? '';
  const type = event.event_type;
  const fromClient = type === 'http_request' ? get(data, 'streamed') === true : type !== 'ws_message' && str(data, 'sender') === 'client';
  return typeof type === 'string' && OF_EXCHANGES.has(type) ? `${exchange}${fromClient ? ' client' : ''}` : '';
}

function time(event: AnyEvent): number {
  return typeof event.timestamp === 'number' ? event.timestamp : 0;
}

function lasted(data: Facts): string[] {
  const ms = num(data, 'duration_ms');
  return ms === undefined ? [] : [duration(ms)];
}

/** About how much memory an event holds, in characters: its texts, as deep as events go. */
function weight(value: unknown, depth = 0): number {
  if (typeof value === 'string') return value.length + 16;
  if (typeof value !== 'object' || value === null) return 16;
  if (depth > 4) return 256;
  let size = 64;
  for (const item of Object.values(value)) size += weight(item, depth + 1);
  return size;
}

/** Bedrock wraps the provider's event: `{"bytes":"<base64>"}`. */
function unwrapped(payload: string): string {
  const coded = get(facts(parse(payload)?.value), 'bytes');
  return typeof coded === 'string' ? Buffer.from(coded, 'base64').toString('utf8') : payload;
}
