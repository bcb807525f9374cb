/**
 * `tracer-llm`: HTTP events in, one `llm_call` per call of a model. What is consumed is only what turned into calls; an
 * exchange that is none passes as it is.
 */
import { Derived } from '../stream/derive.js';
import type { AnyEvent, LlmCall } from '../stream/event.js';
import { type Facts, facts, get, isFacts, text } from '../stream/facts.js';
import { bytesOf } from '../stream/payload.js';
import type { Push, SsePiece, Stage } from '../stream/stage.js';
import { Call, type Timed, timeOf } from './llm/call.js';
import { History } from './llm/history.js';
import { parsed } from './llm/json.js';
import { LLM_LIMITS, type LlmLimits, type LlmOptions } from './llm/options.js';
import { isResponsesBody, isResponsesPath, recognise } from './llm/recognise.js';
import { bodyOf, header } from './llm/request.js';
import { responses } from './llm/responses.js';

export type { LlmOptions } from './llm/options.js';

/** The stage that makes calls of models out of HTTP. */
export function llm(options: LlmOptions = {}): Stage {
  return new LlmStage(options);
}

/** A request that comes in pieces: what it is is not known before its end. */
interface Waiting {
  kind: 'waiting';
  request: AnyEvent;
  events: AnyEvent[];
  pieces: Buffer[];
  bytes: number;
}

/** A WebSocket on which Responses are asked for: several calls, one after the other. */
interface Socket {
  kind: 'socket';
  request: Facts;
  calls: Call[];
}

type Exchange = { kind: 'call'; call: Call } | Waiting | Socket;

class LlmStage implements Stage {
  readonly name = 'llm';
  readonly consumes = new Set([
    'http_request',
    'http_response',
    'http_end',
    'http_body',
    'sse_event',
    'ws_message',
    'eventstream_message',
    'ssl_close',
  ]);
  readonly #options: LlmOptions;
  readonly #limits: LlmLimits;
  readonly #derived: Derived;
  readonly #history = new History();
  /** By exchange, the least recently heard first. */
  readonly #exchanges = new Map<string, Exchange>();
  /** The one heard last. */
  #latest: string | undefined;
  #held = 0;
  #waiting = 0;
  /** A connection that has ended: what it still has to say follows at once. */
  #closed: { conn: string; event: AnyEvent } | undefined;
  #push: Push = () => {};

  constructor(options: LlmOptions) {
    this.#options = options;
    this.#limits = { ...LLM_LIMITS, ...options.limits };
    this.#derived = new Derived('llm', {
      messages: options.messages === 'new' ? undefined : options.messages,
      progress: options.progress || undefined,
      blobs: options.blobs || undefined,
      prices: options.prices?.digest,
    });
  }

  /** Requests in pieces may yet turn out to be none. */
  get holds(): boolean {
    return this.#waiting > 0;
  }

  transform(event: AnyEvent, push: Push): void {
    this.#push = push;
    const data = facts(event.data);
    if (this.#closed !== undefined && !this.#isOf(this.#closed.conn, data)) this.#settleClosed();
    if (event.event_type === 'ssl_close') {
      push(event);
      const conn = text(data, 'conn');
      if (conn !== undefined && this.#exchanges.size > 0) this.#closed = { conn, event };
      return;
    }
    const id = text(data, 'exchange');
    if (id === undefined) {
      push(event);
      return;
    }
    const exchange = this.#exchanges.get(id);
    if (event.event_type === 'http_request') {
      if (exchange !== undefined) this.#giveUp(id, exchange, 'eof');
      this.#request(event, data, id);
    } else if (exchange === undefined) {
      if (event.event_type !== 'ws_message' || !this.#joined(event, data, id)) push(event);
    } else {
      this.#hear(id, exchange);
      if (exchange.kind === 'waiting') this.#wait(event, data, id, exchange);
      else if (exchange.kind === 'socket') this.#socket(event, data, id, exchange);
      else this.#answer(event, data, id, exchange.call);
    }
  }

  transformSse(piece: SsePiece, push: Push): boolean {
    const { exchange: id } = piece;
    const exchange = this.#exchanges.get(id);
    if (exchange?.kind !== 'call') return false;
    this.#push = push;
    if (this.#closed !== undefined && !id.startsWith(`${this.#closed.conn}/`)) this.#settleClosed();
    this.#hear(id, exchange);
    const { call } = exchange;
    const before = call.held;
    call.touch(piece);
    const begins = call.sseBytes(piece.event, piece.data, piece.timestamp);
    this.#held += call.held - before;
    if (begins && this.#options.progress) this.#first(call, piece);
    this.#shed(id);
    return true;
  }

  /** Something of an exchange comes: it is the last to be forgotten. */
  #hear(id: string, exchange: Exchange): void {
    if (this.#latest === id) return;
    this.#exchanges.delete(id);
    this.#exchanges.set(id, exchange);
    this.#latest = id;
  }

  flush(push: Push): void {
    this.#push = push;
    if (this.#closed !== undefined) this.#settleClosed();
    for (const [id, exchange] of [...this.#exchanges]) this.#giveUp(id, exchange, 'eof');
  }

  #request(event: AnyEvent, data: Facts, id: string): void {
    const method = text(data, 'method') ?? '';
    const path = text(data, 'path') ?? '';
    const headers = facts(get(data, 'headers'));
    if (isResponsesPath(path) && isWebSocket(method, headers)) {
      this.#push(event);
      this.#add(id, { kind: 'socket', request: data, calls: [] });
      return;
    }
    if (get(data, 'streamed') === true) {
      const provider = this.#options.provider?.({ host: text(data, 'host') ?? '', path });
      if (recognise(method, path, headers, undefined, provider) === undefined) this.#push(event);
      else {
        this.#waiting++;
        this.#add(id, { kind: 'waiting', request: event, events: [event], pieces: [], bytes: 0 });
      }
      return;
    }
    const bodyText = method === 'POST' ? bodyOf(data) : '';
    this.#begin([event], data, id, bodyText, () => this.#push(event));
  }

  /** A whole request: a call begins, or it is none and `pass` is called. */
  #begin(events: readonly AnyEvent[], data: Facts, id: string, bodyText: string, pass: () => void): Call | undefined {
    const path = text(data, 'path') ?? '';
    const provider = this.#options.provider?.({ host: text(data, 'host') ?? '', path });
    const value = bodyText === '' ? undefined : parsed(bodyText);
    const body = isFacts(value) ? value : undefined;
    // Without its body only a request that lacks some of it can be a call.
    const readable = body !== undefined || Array.isArray(get(data, 'partial'));
    const headers = facts(get(data, 'headers'));
    const recognised = readable ? recognise(text(data, 'method') ?? '', path, headers, body, provider) : undefined;
    if (recognised === undefined) {
      pass();
      return undefined;
    }
    const call = new Call(events[0] as AnyEvent, { recognised, request: data, body, bodyText, provider }, this.#history, this.#options);
    for (const event of events.slice(1)) call.touch(event);
    this.#add(id, { kind: 'call', call });
    this.#held += call.held;
    if (this.#options.progress) this.#say('llm_start', call.start(), call, events.at(-1) as AnyEvent);
    this.#shed(id);
    return call;
  }

  #answer(event: AnyEvent, data: Facts, id: string, call: Call): void {
    const before = call.held;
    call.touch(event);
    const now = timeOf(event);
    let begins = false;
    let over: LlmCall['end'] | undefined;
    switch (event.event_type) {
      case 'http_response':
        if (get(data, 'interim') !== true && call.response(data)) over = this.#endOf(data);
        break;
      case 'sse_event':
        begins = call.sse(text(data, 'event') ?? 'message', text(data, 'data') ?? '', now);
        break;
      case 'http_body':
        if (get(data, 'sender') !== 'client') begins = call.piece(data, now);
        break;
      case 'eventstream_message':
        begins = call.frame(data, now);
        break;
      case 'http_end':
        if (get(data, 'sender') === 'client') break;
        call.blame(get(data, 'partial'));
        over = endings.find((end) => end === get(data, 'end')) ?? 'complete';
        break;
    }
    this.#held += call.held - before;
    if (begins && this.#options.progress) this.#first(call, event);
    if (over !== undefined) this.#finish(id, call, over, event);
    else this.#shed(id);
  }

  /** A request that comes in pieces. */
  #wait(event: AnyEvent, data: Facts, id: string, waiting: Waiting): void {
    waiting.events.push(event);
    const ofClient = get(data, 'sender') === 'client';
    if (event.event_type === 'http_body' && ofClient) {
      const piece = bytesOf(data) ?? Buffer.alloc(0);
      waiting.pieces.push(piece);
      waiting.bytes += piece.length;
      this.#held += piece.length * 2;
    }
    const over = event.event_type === 'http_end' && ofClient;
    if (over || waiting.bytes > this.#limits.requestBytes) this.#decide(id, waiting, event);
    else this.#shed(id);
  }

  /** Enough of a request in pieces has come. */
  #decide(id: string, waiting: Waiting, last: AnyEvent): void {
    this.#drop(id, waiting);
    const limited = waiting.bytes > this.#limits.requestBytes;
    const partial = get(facts(last.data), 'partial');
    const data = { ...facts(waiting.request.data), ...(limited ? { partial: ['limit'] } : Array.isArray(partial) ? { partial } : {}) };
    // Time runs from the end of the request.
    const asked = waiting.events.filter((event) => event.event_type === 'http_request' || get(facts(event.data), 'sender') === 'client');
    const call = this.#begin(asked, data, id, Buffer.concat(waiting.pieces).toString('utf8'), () => {
      for (const event of waiting.events) this.#push(event);
    });
    if (call === undefined) return;
    for (const event of waiting.events)
      if (!asked.includes(event) && this.#exchanges.has(id)) this.#answer(event, facts(event.data), id, call);
  }

  #socket(event: AnyEvent, data: Facts, id: string, socket: Socket): void {
    if (event.event_type === 'http_response') {
      this.#push(event);
      const status = get(data, 'status');
      if (get(data, 'interim') !== true && typeof status === 'number' && status >= 300) this.#exchanges.delete(id);
      return;
    }
    if (event.event_type === 'http_end') {
      this.#exchanges.delete(id);
      const end = endings.find((each) => each === get(data, 'end')) ?? 'closed';
      for (const call of socket.calls) {
        call.blame(get(data, 'partial'));
        this.#over(call, end === 'complete' ? 'closed' : end, event);
      }
      this.#push(event);
      return;
    }
    const json = event.event_type === 'ws_message' ? (bytesOf(data)?.toString('utf8') ?? '') : '';
    const value = facts(parsed(json));
    if (get(data, 'sender') === 'client') {
      if (text(value, 'type') === 'response.create') this.#create(event, value, json, socket, id);
      else this.#push(event);
      return;
    }
    const [call] = socket.calls;
    const type = text(value, 'type') ?? '';
    if (call === undefined || !(type.startsWith('response.') || type === 'error')) {
      if (call !== undefined && Array.isArray(get(data, 'partial'))) call.blame(get(data, 'partial'));
      this.#push(event);
      return;
    }
    const before = call.held;
    call.touch(event);
    const { bears, over } = call.message(json, timeOf(event));
    this.#held += call.held - before;
    if (bears && this.#options.progress) this.#first(call, event);
    if (over) {
      socket.calls.shift();
      this.#over(call, 'complete', event);
    } else this.#shed(id);
  }

  /** A WebSocket whose handshake was not seen is known by what it asks for. */
  #joined(event: AnyEvent, data: Facts, id: string): boolean {
    if (get(data, 'sender') !== 'client') return false;
    const json = bytesOf(data)?.toString('utf8') ?? '';
    const value = json.startsWith('{') && json.includes('response.create') ? facts(parsed(json)) : {};
    const body = isFacts(get(value, 'response')) ? facts(get(value, 'response')) : value;
    if (text(value, 'type') !== 'response.create' || !isResponsesBody(body)) return false;
    const pid = get(data, 'pid');
    const request = { ...(pid === undefined ? {} : { pid }), conn: id.slice(0, Math.max(0, id.lastIndexOf('/'))), exchange: id };
    const socket: Socket = { kind: 'socket', request, calls: [] };
    this.#add(id, socket);
    this.#create(event, value, json, socket, id);
    return true;
  }

  /** A call on a WebSocket: its body is the message, or stands in it. */
  #create(event: AnyEvent, value: Facts, json: string, socket: Socket, id: string): void {
    const inner = get(value, 'response');
    const body = isFacts(inner) ? inner : value;
    const { request } = socket;
    const provider = this.#options.provider?.({ host: text(request, 'host') ?? '', path: text(request, 'path') ?? '' });
    const recognised = { api: responses, operation: 'chat' as const, stream: true };
    const call = new Call(event, { recognised, request, body, bodyText: json, provider }, this.#history, this.#options);
    call.status = 101;
    call.blame(get(facts(event.data), 'partial'));
    socket.calls.push(call);
    this.#held += call.held;
    if (this.#options.progress) this.#say('llm_start', call.start(), call, event);
    if (socket.calls.length > MOST_ON_SOCKET) this.#over(socket.calls.shift() as Call, 'eof', event, true);
    this.#shed(id);
  }

  #add(id: string, exchange: Exchange): void {
    this.#exchanges.set(id, exchange);
    this.#latest = id;
    if (this.#exchanges.size > this.#limits.calls) this.#evict();
  }

  #finish(id: string, call: Call, end: LlmCall['end'], event: AnyEvent): void {
    this.#exchanges.delete(id);
    this.#over(call, end, event);
  }

  /** A call is over, with this event. */
  #over(call: Call, end: LlmCall['end'], event: AnyEvent, limited = false): void {
    this.#held -= call.held;
    if (limited) call.blame(['limit']);
    const made = { first: call.firstId, last: call.lastId, count: call.count };
    // The id must be known to the history before the event is built: so the line is made first.
    const line = this.#derived.event('llm', 'llm_call', undefined as unknown as LlmCall, made, timeOf(event));
    line.data = call.finish(end, this.#history, () => line.id);
    this.#push(line);
  }

  #first(call: Call, event: Timed): void {
    const ttft = call.ttft();
    this.#say('llm_first_token', { ...call.start(), ...(ttft === undefined ? {} : { ttft_ms: ttft }) }, call, event);
  }

  #say(type: 'llm_start' | 'llm_first_token', data: object, call: Call, event: Timed): void {
    const made = { first: call.firstId, last: call.lastId, count: call.count };
    this.#push(this.#derived.event('llm', type, data, made, timeOf(event)));
  }

  #isOf(conn: string, data: Facts): boolean {
    return text(data, 'conn') === conn || (text(data, 'exchange') ?? '').startsWith(`${conn}/`);
  }

  /** How an answer ended that came at once: one that lacks its end was cut by the peer where the connection has ended. */
  #endOf(data: Facts): LlmCall['end'] {
    const partial = get(data, 'partial');
    if (!Array.isArray(partial)) return 'complete';
    if (partial.includes('eof')) return this.#closed === undefined ? 'eof' : 'closed';
    return partial.includes('gap') ? 'gap' : 'complete';
  }

  /** The calls of a connection that has ended, to which no answer came. */
  #settleClosed(): void {
    const { conn, event } = this.#closed as { conn: string; event: AnyEvent };
    this.#closed = undefined;
    for (const [id, exchange] of [...this.#exchanges]) {
      if (!id.startsWith(`${conn}/`)) continue;
      if (exchange.kind === 'call') {
        exchange.call.touch(event);
        this.#finish(id, exchange.call, 'closed', event);
      } else this.#giveUp(id, exchange, 'closed');
    }
  }

  /** Ends what is open: at the end of input, or for room. */
  #giveUp(id: string, exchange: Exchange, end: 'eof' | 'closed', limited = false): void {
    const cause = limited ? 'limit' : 'eof';
    const last = (call: Call): AnyEvent => ({ timestamp: call.lastAt });
    if (exchange.kind === 'waiting') {
      this.#drop(id, exchange);
      for (const event of exchange.events) this.#push(event);
      return;
    }
    this.#exchanges.delete(id);
    for (const call of exchange.kind === 'call' ? [exchange.call] : exchange.calls) {
      if (end === 'eof') call.blame([cause]);
      this.#over(call, end, last(call));
    }
  }

  #drop(id: string, waiting: Waiting): void {
    this.#exchanges.delete(id);
    this.#waiting--;
    this.#held -= waiting.bytes * 2;
  }

  #evict(): void {
    const [oldest] = this.#exchanges;
    if (oldest === undefined) return;
    const [id, exchange] = oldest;
    const lost = exchange.kind === 'socket' ? exchange.calls.length : 1;
    const made = exchange.kind === 'call' ? exchange.call : exchange.kind === 'socket' ? exchange.calls[0] : undefined;
    const time = made?.lastAt ?? (exchange.kind === 'waiting' ? timeOf(exchange.request) : 0);
    this.#giveUp(id, exchange, 'eof', true);
    if (lost === 0) return;
    const from = { first: made?.firstId, last: made?.lastId, count: made?.count ?? 1 };
    this.#push(this.#derived.event('meta', 'loss', { where: 'limit', lost, kind: 'llm_call' }, from, time));
  }

  /** Keeps what is held under its limit: the least recently heard go first, `id` last. */
  #shed(id: string): void {
    while (this.#held > this.#limits.heldBytes && this.#exchanges.size > 1) {
      const [oldest] = this.#exchanges.keys();
      if (oldest === id) break;
      this.#evict();
    }
  }
}

/** Calls that wait on one WebSocket: the server answers them one by one. */
const MOST_ON_SOCKET = 64;

const endings: readonly LlmCall['end'][] = ['complete', 'closed', 'reset', 'gap', 'eof'];

/** The handshake of HTTP/1, or the extended CONNECT of HTTP/2 (RFC 8441). */
function isWebSocket(method: string, headers: Facts): boolean {
  if (method === 'CONNECT') return true;
  return method === 'GET' && /\bwebsocket\b/i.test(header(headers, 'upgrade') ?? '');
}
