/** One call of a model under way: its request, what has come of its answer, and the event that is made of both. */

import { EventstreamParser } from '../../protocols/eventstream.js';
import { SseParser } from '../../protocols/sse.js';
import { actorOf } from '../../stream/derive.js';
import type { Actor, AnyEvent, ChatMessage, LlmCall, LlmError, LlmStart, Partial } from '../../stream/event.js';
import { type Facts, facts, get, isFacts, sub, text } from '../../stream/facts.js';
import { bytesOf, utf8Text } from '../../stream/payload.js';
import { Answer, errorOf } from './answer.js';
import { type History, type Known, leading, type Repeats } from './history.js';
import { ObjectCutter, parsed } from './json.js';
import { emptyPrompt, type Prompt } from './messages.js';
import { EVENT_BYTES, type LlmOptions } from './options.js';
import type { Recognised } from './recognise.js';
import { RepeatedPiece } from './repeated.js';
import { callOf, failure, fit, resultOf } from './report.js';
import { bodyOf, header, salvaged, scopeOf, sessionOf, withoutBlob } from './request.js';
import { milliseconds, Timing } from './timing.js';

const CAUSES: readonly Partial[] = ['start', 'headers', 'gap', 'limit', 'coding', 'eof'];

/** An event, as far as a call is told of it. */
export type Timed = Pick<AnyEvent, 'id' | 'timestamp'>;

/** What ends the streams of OpenAI and of who follows it. */
const DONE = /^\s*\[DONE\]\s*$/;

/** What a call needs of its request. */
export interface Asked {
  recognised: Recognised;
  /** The data of the request, or of the handshake of its WebSocket. */
  request: Facts;
  /** Undefined where it could not be read. */
  body: Facts | undefined;
  bodyText: string;
  provider: string | undefined;
}

export class Call {
  readonly conn: string;
  readonly exchange: string;
  readonly host: string | undefined;
  readonly actor: Actor;
  readonly stream: boolean;
  readonly model: string | undefined;
  readonly answer = new Answer();
  readonly timing = new Timing();
  status: number | undefined;
  count = 0;
  firstId: string | undefined;
  lastId: string | undefined;
  /** Size of what the request keeps. */
  readonly kept: number;
  readonly #recognised: Recognised;
  readonly #repeated: RepeatedPiece;
  readonly #provider: string | undefined;
  readonly #prompt: Prompt;
  readonly #repeats: Repeats;
  readonly #options: LlmOptions;
  readonly #causes = new Set<Partial>();
  readonly #begunAt: number;
  readonly #skipped: number;
  lastAt: number;
  #reply: Facts = {};
  #streamed = false;
  #answered = false;
  #sse: SseParser | undefined;
  #cutter: ObjectCutter | undefined;
  #frames: EventstreamParser | undefined;

  constructor(event: AnyEvent, asked: Asked, history: History, options: LlmOptions) {
    const { recognised, request, body, bodyText, provider } = asked;
    this.#recognised = recognised;
    this.#repeated = new RepeatedPiece(recognised.api);
    this.#options = options;
    this.#provider = provider;
    this.conn = text(request, 'conn') ?? '';
    this.exchange = text(request, 'exchange') ?? '';
    this.host = text(request, 'host');
    this.actor = actorOf(request as Actor);
    const prompt = body === undefined ? { ...emptyPrompt(), model: recognised.model } : recognised.api.prompt(body, recognised.model);
    this.model = prompt.model ?? (body === undefined ? salvaged(bodyText) : undefined);
    this.stream = recognised.stream ?? prompt.stream;
    const conversation = sessionOf(sub(request, 'headers')) ?? prompt.conversation;
    this.#repeats = history.meet(prompt, scopeOf(request, conversation));
    const total = prompt.messages.length;
    this.#skipped = this.#skippedOf(prompt);
    this.#prompt = this.#lean(prompt, conversation);
    this.kept = total === 0 ? bodyText.length : Math.ceil((bodyText.length * (this.#prompt.messages.length + 1)) / (total + 1));
    this.#begunAt = this.lastAt = timeOf(event);
    this.touch(event);
    this.blame(get(request, 'partial'));
  }

  /** How many messages in front are not printed. */
  #skippedOf(prompt: Prompt): number {
    if (this.#options.messages !== undefined && this.#options.messages !== 'new') return 0;
    const { continues, skipped, system } = this.#repeats;
    // Instructions in front that have changed are news.
    return continues !== undefined && continues.system !== system && leading(prompt.messages) > 0
      ? Math.max(0, skipped - leading(prompt.messages))
      : skipped;
  }

  /** The prompt without what will not be printed, so that it need not be held. */
  #lean(prompt: Prompt, conversation: string | undefined): Prompt {
    const { messages: wanted = 'new', blobs } = this.#options;
    const { continues, skipped, system, tools, definitions } = this.#repeats;
    const isNew = wanted === 'new';
    const sameSystem = isNew && continues?.system === system;
    const sameTools = isNew && continues?.tools === tools;
    const lead = isNew && !sameSystem && skipped > 0 ? prompt.messages.slice(0, Math.min(leading(prompt.messages), skipped)) : [];
    const messages = [...lead, ...prompt.messages.slice(wanted === 'all' ? 0 : skipped)];
    return {
      ...prompt,
      conversation,
      system: sameSystem || wanted === 'none' ? [] : prompt.system.map((part) => withoutBlob(part, blobs)),
      tools: sameTools || wanted === 'none' ? [] : definitions,
      messages: messages.map((message) => ({ ...message, parts: message.parts.map((part) => withoutBlob(part, blobs)) })),
    };
  }

  get held(): number {
    return this.kept + this.answer.held + (this.#cutter?.heldBytes ?? 0) + (this.#sse?.heldBytes ?? 0) + (this.#frames?.heldBytes ?? 0);
  }

  /** The answer has begun. */
  get answered(): boolean {
    return this.#answered;
  }

  /** An event that the call is made of. */
  touch(event: Timed): void {
    if (this.count === 0) this.firstId = idOf(event);
    this.lastId = idOf(event) ?? this.lastId;
    this.count++;
    this.lastAt = Math.max(this.lastAt, timeOf(event));
  }

  blame(causes: unknown): void {
    if (Array.isArray(causes)) {
      for (const cause of CAUSES) if (causes.includes(cause)) this.#causes.add(cause);
    }
  }

  get #partial(): Partial[] {
    return CAUSES.filter((cause) => this.#causes.has(cause));
  }

  /** The head of the answer, and with it the whole of one that is no stream. True when the call is over. */
  response(data: Facts): boolean {
    const status = get(data, 'status');
    if (typeof status === 'number') this.status = status;
    this.#answered = true;
    this.#reply = data;
    this.blame(get(data, 'partial'));
    if (get(data, 'streamed') === true) {
      this.#streamed = true;
      return false;
    }
    const events = get(data, 'events');
    if (Array.isArray(events)) {
      this.#streamed = true;
      for (const event of events) this.#data(text(facts(event), 'event') ?? 'message', text(facts(event), 'data') ?? '');
    } else this.#whole(bodyOf(data));
    return true;
  }

  /** A server-sent event of the answer. */
  sse(event: string, json: string, now: number): boolean {
    return this.#timed(this.#data(event, json), now);
  }

  /** The same, as bytes. */
  sseBytes(event: string, data: Buffer, now: number): boolean {
    const like = this.#repeated.read(data);
    if (like !== undefined) return this.#timed(this.#value(like, event, ''), now);
    const json = utf8Text(data);
    const value = json.charCodeAt(0) === 0x7b ? parsed(json) : undefined;
    if (value === undefined) return this.sse(event, json, now);
    const bears = this.#timed(this.#parsed(value, event, json), now);
    this.#repeated.learn(data, json, value);
    return bears;
  }

  /** A piece of a body that is given in pieces. */
  piece(data: Facts, now: number): boolean {
    const bytes = bytesOf(data) ?? Buffer.alloc(0);
    const type = String(get(sub(this.#reply, 'headers'), 'content-type') ?? '');
    let begins = false;
    // Each by itself: how many come in one piece depends on where the bytes were cut.
    const token = (bears: boolean): void => {
      if (this.#timed(bears, now)) begins = true;
    };
    if (/^text\/event-stream/i.test(type)) {
      this.#sse ??= new SseParser();
      this.#sse.push(bytes, (message) => {
        token(this.#data(message.event, message.data.toString('utf8')));
      });
    } else if (/^application\/vnd\.amazon\.eventstream/i.test(type)) {
      this.#frames ??= new EventstreamParser();
      this.#frames.push(bytes, ({ headers, payload }) => {
        token(this.#frame(Object.fromEntries(headers), payload.toString('utf8')));
      });
      if (this.#frames.damaged) this.#causes.add('coding');
    } else {
      this.#cutter ??= new ObjectCutter();
      this.#cutter.push(bytes, (json) => token(this.#data('message', json)));
      if (this.#cutter.limited) this.#causes.add('limit');
    }
    return begins;
  }

  /** A message of an AWS event stream. */
  frame(data: Facts, now: number): boolean {
    return this.#timed(this.#frame(sub(data, 'headers'), (bytesOf(data) ?? Buffer.alloc(0)).toString('utf8')), now);
  }

  #frame(headers: Facts, json: string): boolean {
    const kind = header(headers, ':message-type');
    if (kind === 'exception' || kind === 'error') {
      const type = header(headers, ':exception-type') ?? header(headers, ':error-code') ?? kind;
      const said = errorOf(facts(parsed(json)));
      const message = said?.message ?? header(headers, ':error-message');
      this.answer.error = { type, ...(message === undefined ? {} : { message }) };
      return false;
    }
    return this.#data(header(headers, ':event-type') ?? 'message', json);
  }

  /** A message of a WebSocket: one event of the answer. True when the answer is over. */
  message(json: string, now: number): { bears: boolean; over: boolean } {
    this.#answered = true;
    this.#streamed = true;
    const bears = this.#timed(this.#data('message', json), now);
    return { bears, over: this.answer.done };
  }

  #timed(bears: boolean, now: number): boolean {
    if (!bears) return false;
    const begins = this.timing.first === undefined;
    this.timing.token(now);
    return begins;
  }

  /** One event of the answer, or the whole of it, as JSON. */
  #data(event: string, json: string): boolean {
    if (json === '') return false;
    if (DONE.test(json)) {
      this.answer.done = true;
      return false;
    }
    return this.#parsed(parsed(json), event, json);
  }

  #parsed(value: unknown, event: string, json: string): boolean {
    if (Array.isArray(value)) return value.some((each) => this.#value(facts(each), event, JSON.stringify(each)));
    return isFacts(value) ? this.#value(value, event, json) : false;
  }

  #value(value: Facts, event: string, json: string): boolean {
    if (this.status !== undefined && this.status >= 400) {
      this.answer.error ??= errorOf(value, this.status);
      return false;
    }
    return this.#recognised.api.take(this.answer, value, event, json);
  }

  /** A body that is there at once: one JSON value, or the lines or events of a stream that was not given as one. */
  #whole(body: string): void {
    if (body === '') return;
    const value = parsed(body);
    if (value !== undefined) this.#parsed(value, 'message', body);
    else {
      const bytes = Buffer.from(body);
      if (/^(?:event|data|id|:)/m.test(body.slice(0, 256))) {
        new SseParser().push(
          Buffer.concat([bytes, Buffer.from('\n\n')]),
          (message) => void this.#data(message.event, message.data.toString('utf8')),
        );
      } else new ObjectCutter().push(bytes, (json) => void this.#data('message', json));
    }
    if (this.status !== undefined && this.status >= 400)
      this.answer.error ??= { type: String(this.status), message: body.slice(0, 500), status: this.status };
  }

  start(): LlmStart {
    const { api, operation } = this.#recognised;
    // Assigned one by one, here and in the event itself: spreading costs more than all the rest.
    const start = actorOf(this.actor) as LlmStart;
    start.conn = this.conn;
    start.exchange = this.exchange;
    start.api = api.name;
    start.operation = operation;
    start.stream = this.stream;
    if (this.host !== undefined) start.host = this.host;
    if (this.model !== undefined) start.request_model = this.model;
    return start;
  }

  ttft(): number | undefined {
    return this.timing.first === undefined ? undefined : milliseconds(this.timing.first - this.#begunAt);
  }

  /**
   * The event of the call, which is over.
   * @param how the HTTP exchange ended
   * @param name gives the event its id, once it is known that there will be one
   */
  finish(how: LlmCall['end'], history: History, name: () => string): LlmCall {
    const { answer } = this;
    this.#recognised.api.finish?.(answer);
    if (answer.limited) this.#causes.add('limit');
    const end = this.#endOf(how);
    const outputs = answer.messages();
    const error = failure({ answer, status: this.status, reply: this.#reply, answered: this.#answered, end, outputs });
    const call: Known = { id: name(), system: this.#repeats.system, tools: this.#repeats.tools };
    history.learn(call, this.#repeats, outputs, answer.id);
    const event = this.#event(end, outputs, error);
    if (this.held < EVENT_BYTES / 8) return event;
    return fit(event, () => {
      this.blame(['limit']);
      return this.#partial;
    });
  }

  #event(end: LlmCall['end'], outputs: ChatMessage[], error: LlmError | undefined): LlmCall {
    const { answer, timing } = this;
    const prompt = this.#prompt;
    const { usage } = answer;
    const at = this.lastAt;
    const prices = this.#recognised.operation === 'count_tokens' ? undefined : this.#options.prices;
    const model = answer.model ?? this.model;
    const cost = model === undefined ? undefined : (prices?.cost(this.#provider, model, usage, at) ?? this.#costAsAsked(prices, model, at));
    const wanted = this.#options.messages ?? 'new';
    const reasons = answer.finishReasons;
    const call = this.start() as LlmCall;
    if (answer.model !== undefined) call.response_model = answer.model;
    if (answer.id !== undefined) call.response_id = answer.id;
    if (prompt.conversation !== undefined) call.conversation_id = prompt.conversation;
    if (this.status !== undefined) call.status = this.status;
    if (usage.input !== undefined) call.input_tokens = usage.input;
    if (usage.output !== undefined) call.output_tokens = usage.output;
    if (usage.cacheRead !== undefined) call.cache_read_input_tokens = usage.cacheRead;
    if (usage.cacheCreation !== undefined) call.cache_creation_input_tokens = usage.cacheCreation;
    if (usage.reasoning !== undefined) call.reasoning_output_tokens = usage.reasoning;
    if (reasons !== undefined) call.finish_reasons = reasons;
    const ttft = this.#streamed ? this.ttft() : undefined;
    if (ttft !== undefined) {
      call.ttft_ms = ttft;
      const gaps = timing.quantiles(0.5, 0.95);
      if (gaps !== undefined) [call.inter_token_p50_ms, call.inter_token_p95_ms] = gaps as [number, number];
    }
    call.duration_ms = milliseconds(at - this.#begunAt);
    if (cost !== undefined) call.cost_usd = cost;
    if (cost !== undefined && prices !== undefined) call.price_date = prices.date;
    if (error !== undefined) call.error = error;
    call.end = end;
    if (this.#causes.size > 0) call.partial = this.#partial;
    if (Object.keys(prompt.params).length > 0) call.params = prompt.params;
    if (prompt.tools.length > 0) call.tool_definitions = prompt.tools;
    call.tool_calls = outputs.flatMap((message) => message.parts.flatMap(callOf));
    call.tool_results = prompt.messages.flatMap((message) => message.parts.flatMap((part) => resultOf(part, wanted !== 'none')));
    if (this.#repeats.continues !== undefined) call.continues = this.#repeats.continues.id;
    if (this.#skipped > 0) call.input_messages_skipped = this.#skipped;
    if (prompt.system.length > 0) call.system_instructions = prompt.system;
    if (wanted !== 'none') {
      call.input_messages = prompt.messages;
      call.output_messages = outputs;
    }
    return call;
  }

  /** Gateways answer with a name of their own: then the name that was asked for has the price. */
  #costAsAsked(prices: LlmOptions['prices'], answered: string, at: number): number | undefined {
    if (this.model === undefined || this.model === answered) return undefined;
    return prices?.cost(this.#provider, this.model, this.answer.usage, at);
  }

  /** The answer decides: one that is whole is complete, however the connection ended after it. */
  #endOf(how: LlmCall['end']): LlmCall['end'] {
    const { answer } = this;
    if (answer.done) return 'complete';
    if (how === 'complete' && this.#streamed && answer.error === undefined && (this.status ?? 200) < 400) return 'closed';
    return how;
  }
}

function idOf(event: Timed): string | undefined {
  return typeof event.id === 'string' ? event.id : undefined;
}

export function timeOf(event: Timed): number {
  return typeof event.timestamp === 'number' && Number.isFinite(event.timestamp) ? event.timestamp : 0;
}
