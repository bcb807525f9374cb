/** What a model answers, as it is put together from one body or from the events of a stream. Bounded: what is over a limit is left out and `limited` says so. */
import type { ChatMessage, LlmError, MessagePart } from '../../stream/event.js';
import { type Facts, text } from '../../stream/facts.js';
import { argumentsOf, bounded, rawAt } from './json.js';

/** Characters of one answer. */
const ANSWER_LIMIT = 8 * 1024 * 1024;
/** Alternative answers (`n`), and parts of one. */
const MOST_CHOICES = 128;
const MOST_PARTS = 4096;
/** Characters that are searched for the exact text of arguments, in one answer. */
const RAW_BUDGET = 16 * 1024 * 1024;
/** A text in pieces is joined now and then: a million pieces cost more than what they say. */
const JOIN_AT = 512;

/** Token counts as the server gave them, named as the contract has them. */
export interface Usage {
  input?: number | undefined;
  output?: number | undefined;
  cacheRead?: number | undefined;
  cacheCreation?: number | undefined;
  /** Of those, the ones that are kept for an hour. */
  cacheCreation1h?: number | undefined;
  reasoning?: number | undefined;
}

class Text {
  #joined = '';
  #pieces: string[] = [];

  add(piece: string): void {
    this.#pieces.push(piece);
    if (this.#pieces.length >= JOIN_AT) this.take();
  }

  take(): string {
    if (this.#pieces.length > 0) {
      this.#joined += this.#pieces.join('');
      this.#pieces = [];
    }
    return this.#joined;
  }
}

type Speech = 'text' | 'reasoning' | 'refusal';

/** A tool call that is being said. */
export interface OpenCall {
  kind: 'call';
  id: string | undefined;
  name: string | undefined;
  server: boolean;
  /** Its arguments are free text, not JSON. */
  free: boolean;
  /** Its arguments as text, piece by piece. */
  text: Text;
  /** Its arguments as a value, where the API gives them so; and the text of that value. */
  value: unknown;
  raw: string | undefined;
}

type OpenPart = { kind: Speech; text: Text } | OpenCall | { kind: 'whole'; part: MessagePart };

/** An item of an OpenAI response, the JSON that it stands in, and where. */
export interface Item {
  item: Facts;
  json: string;
  path: readonly (string | number)[];
}

interface Choice {
  parts: OpenPart[];
  byKey: Map<string, OpenPart>;
  finish: string | undefined;
}

export class Answer {
  model: string | undefined;
  id: string | undefined;
  readonly usage: Usage = {};
  error: LlmError | undefined;
  /** The provider said that the answer is over. */
  done = false;
  limited = false;
  held = 0;
  /** Reasons that stand for the whole answer, where they are not given by choice. */
  reasons: string[] | undefined;
  /** Responses: items that were told whole, by their place. */
  readonly items = new Map<number, Item>();
  readonly #choices = new Map<number, Choice>();
  #rawBudget = RAW_BUDGET;

  /** Names of the answer, when they are there. */
  named(model: string | undefined, id: string | undefined): void {
    if (model !== undefined && model !== '') this.model = model;
    if (id !== undefined && id !== '') this.id = id;
  }

  /** Adds to a text. With a `key` to the part of that key (a block, an item); else to the last part when it is of this kind. Returns whether it says something. */
  say(choice: number, kind: Speech, piece: string | undefined, key?: string): boolean {
    if (piece === undefined || piece === '' || !this.#take(piece.length)) return false;
    const it = this.#choice(choice);
    if (it === undefined) return false;
    const name = key === undefined ? undefined : `${kind} ${key}`;
    let part = name === undefined ? it.parts.at(-1) : it.byKey.get(name);
    if (part === undefined || part.kind !== kind) {
      part = { kind, text: new Text() };
      if (!this.#add(it, part, name)) return false;
    }
    (part as { text: Text }).text.add(piece);
    return true;
  }

  /** The tool call of that key in a choice, opened when it is new. */
  call(choice: number, key: string): OpenCall | undefined {
    const it = this.#choice(choice);
    if (it === undefined) return undefined;
    const known = it.byKey.get(`call ${key}`);
    if (known?.kind === 'call') return known;
    const call: OpenCall = {
      kind: 'call',
      id: undefined,
      name: undefined,
      server: false,
      free: false,
      text: new Text(),
      value: undefined,
      raw: undefined,
    };
    return this.#add(it, call, `call ${key}`) ? call : undefined;
  }

  /** A piece of a call's arguments. */
  argument(call: OpenCall | undefined, piece: string | undefined): boolean {
    if (call === undefined || piece === undefined || piece === '' || !this.#take(piece.length)) return false;
    call.text.add(piece);
    return true;
  }

  /** A whole call at once, its arguments a value at `path` of `json`, or text. */
  wholeCall(
    choice: number,
    call: { id?: string | undefined; name?: string | undefined; server?: boolean },
    args: unknown,
    json = '',
    path: readonly (string | number)[] = [],
  ): boolean {
    const it = this.#choice(choice);
    const open = it === undefined ? undefined : this.call(choice, `whole ${it.parts.length}`);
    if (open === undefined) return false;
    open.id = call.id;
    open.name = call.name;
    open.server = call.server === true;
    if (typeof args === 'string') this.argument(open, args);
    else this.value(open, args, json, path);
    return true;
  }

  /** Gives a call its arguments as a value. */
  value(call: OpenCall, args: unknown, json: string, path: readonly (string | number)[]): void {
    call.value = args;
    if (json === '' || json.length > this.#rawBudget) return;
    this.#rawBudget -= json.length;
    const raw = rawAt(json, path);
    if (raw !== undefined && this.#take(raw.length)) call.raw = raw;
  }

  /** A part that came whole. */
  part(choice: number, part: MessagePart): boolean {
    const it = this.#choice(choice);
    if (it === undefined || !this.#take(sizeOf(part))) return false;
    return this.#add(it, { kind: 'whole', part }, undefined);
  }

  /** Why a choice ended, in the provider's word. */
  finish(choice: number, reason: string | undefined): void {
    if (reason === undefined || reason === '') return;
    const it = this.#choice(choice);
    if (it !== undefined) it.finish = reason;
  }

  /** An item that was told whole. */
  keep(at: number, item: Item): void {
    if (!this.items.has(at) && (this.items.size >= MOST_PARTS || !this.#take(256))) this.limited = true;
    else this.items.set(at, item);
  }

  /** Forgets what was put together: the whole answer follows. */
  restart(): void {
    this.limited = false;
    this.#choices.clear();
    this.held = 0;
  }

  get isEmpty(): boolean {
    return this.#choices.size === 0;
  }

  get finishReasons(): string[] | undefined {
    if (this.reasons !== undefined) return this.reasons;
    const reasons = this.#sorted()
      .map(([, choice]) => choice.finish)
      .filter((reason) => reason !== undefined);
    return reasons.length === 0 ? undefined : reasons;
  }

  /** Every choice has said why it ended. */
  get allFinished(): boolean {
    if (this.#choices.size === 0) return false;
    for (const choice of this.#choices.values()) if (choice.finish === undefined) return false;
    return true;
  }

  messages(): ChatMessage[] {
    return this.#sorted().map(([, choice]) => ({
      role: 'assistant',
      parts: choice.parts.map(partOf),
      ...(choice.finish === undefined ? {} : { finish_reason: choice.finish }),
    }));
  }

  #sorted(): [number, Choice][] {
    return [...this.#choices].sort(([a], [b]) => a - b);
  }

  #choice(index: number): Choice | undefined {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      if (this.#choices.size >= MOST_CHOICES) {
        this.limited = true;
        return undefined;
      }
      choice = { parts: [], byKey: new Map(), finish: undefined };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #add(choice: Choice, part: OpenPart, key: string | undefined): boolean {
    if (choice.parts.length >= MOST_PARTS) {
      this.limited = true;
      return false;
    }
    choice.parts.push(part);
    if (key !== undefined) choice.byKey.set(key, part);
    this.held += 128;
    return true;
  }

  #take(size: number): boolean {
    if (this.held + size > ANSWER_LIMIT) {
      this.limited = true;
      return false;
    }
    this.held += size;
    return true;
  }
}

function sizeOf(part: MessagePart): number {
  return part.type === 'text' || part.type === 'reasoning' ? part.content.length : JSON.stringify(part).length;
}

function partOf(part: OpenPart): MessagePart {
  if (part.kind === 'whole') return part.part;
  if (part.kind !== 'call') return { type: part.kind, content: part.text.take() };
  return {
    type: 'tool_call',
    ...(part.id === undefined ? {} : { id: part.id }),
    name: part.name ?? '',
    ...(part.server ? { server: true as const } : {}),
    ...argumentsOfCall(part),
  };
}

function argumentsOfCall(call: OpenCall): object {
  const said = call.text.take();
  if (call.free) return { arguments: said };
  if (said !== '') return argumentsOf(said);
  if (call.value === undefined || call.value === null) return { arguments: {} };
  if (call.raw !== undefined) return argumentsOf(call.raw);
  return { arguments: bounded(call.value) };
}

/** The error body of any of the APIs; undefined when the value is none. */
export function errorOf(body: Facts, status?: number): LlmError | undefined {
  const error = body.error;
  const inner = typeof error === 'object' && error !== null && !Array.isArray(error) ? (error as Facts) : undefined;
  const of = inner ?? body;
  const code = codeOf(of.code) ?? codeOf(body.code);
  const message = text(of, 'message') ?? text(of, 'Message') ?? (typeof error === 'string' ? error : undefined) ?? detailOf(body);
  const type =
    text(of, 'type') ??
    text(of, 'status') ??
    text(body, '__type')?.split('#').at(-1) ??
    (inner === undefined ? undefined : codeOf(of.code));
  if (message === undefined && type === undefined && code === undefined) return undefined;
  return {
    type: type ?? code ?? (status === undefined ? 'error' : String(status)),
    ...(code === undefined ? {} : { code }),
    ...(message === undefined ? {} : { message: message.slice(0, MOST_MESSAGE) }),
    ...(status === undefined || status < 400 ? {} : { status }),
  };
}

/** Characters of an error's message. */
export const MOST_MESSAGE = 8192;

function codeOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}

/** FastAPI's `detail`, as vLLM and others send it. */
function detailOf(body: Facts): string | undefined {
  const { detail } = body;
  if (typeof detail === 'string') return detail;
  return detail === undefined || detail === null ? undefined : JSON.stringify(bounded(detail));
}
