/** Lays out the bodies of messages: conversations with models, other JSON, forms, text; binary is named by its size. */
import { isUtf8 } from 'node:buffer';
import { answersOf, endOf, errorOf, promptOf } from './call.js';
import { type Facts, get, num, sizeOf, str } from './facts.js';
import { FULL, type Limits, parse, pretty, readable, SHORT, shorten } from './json.js';
import type { Mind } from './mind.js';
import { type Part, type Prompt, readAnswer, readError, readPrompt, type Turn } from './model.js';
import type { Paper, Tone } from './paper.js';
import { contentType } from './said-http.js';
import { bytes, count } from './units.js';

/** Characters shown of each kind of text, unless `--full`. What a model answers is never cut. */
const LIMITS = { system: 500, user: 6000, assistant: 6000, result: 2000, body: 4000 } as const;

const TEXTUAL = /^(?:text\/|application\/(?:.*\+)?(?:json|xml|javascript|yaml|x-ndjson|jsonl|x-www-form-urlencoded|graphql)$|multipart\/)/;

export class Bodies {
  readonly #json: Limits;

  constructor(
    readonly paper: Paper,
    readonly mind: Mind,
    readonly full: boolean,
  ) {
    this.#json = full ? FULL : SHORT;
  }

  request(data: Facts, exchange: string): void {
    const text = this.#textOf(data, 'body');
    if (text === undefined) {
      this.#noText(data);
      return;
    }
    const value = looksLikeJson(text) ? parse(text)?.value : undefined;
    const prompt = readPrompt(value, str(data, 'path'));
    if (prompt !== undefined) this.prompt(prompt, `${num(data, 'pid') ?? ''}.${num(data, 'start_us') ?? ''}`, exchange);
    else this.#other(text, value, contentType(data));
  }

  response(data: Facts, exchange: string): void {
    const text = this.#textOf(data, 'body');
    if (text === undefined) {
      this.#noText(data);
      return;
    }
    const value = looksLikeJson(text) ? parse(text)?.value : undefined;
    const answer = readAnswer(value);
    if (answer !== undefined) {
      for (const turn of answer.turns) {
        this.turn(turn, Number.POSITIVE_INFINITY);
        this.mind.answered(exchange, turn);
      }
      if (answer.end.length > 0) this.end(answer.end);
      return;
    }
    const error = readError(value);
    if (error !== undefined) this.error(error);
    else this.#other(text, value, contentType(data));
  }

  /** A call of a model, with what it was asked and what it answered. */
  call(data: Facts, exchange: string): void {
    const prompt = promptOf(data);
    const speaker = `${num(data, 'pid') ?? ''}.${num(data, 'start_us') ?? ''}`;
    const skipped = num(data, 'input_messages_skipped');
    if (skipped === undefined) this.prompt(prompt, speaker, exchange);
    else {
      // What is above was left out already.
      this.prompt({ ...prompt, turns: [] }, speaker, exchange);
      this.paper.note('…', `${count(skipped, 'message')} as above`, 'dim', 'dim');
      for (const turn of prompt.turns) this.turn(turn, turn.role === 'assistant' ? LIMITS.assistant : LIMITS.user);
    }
    for (const turn of answersOf(data)) {
      this.turn(turn, Number.POSITIVE_INFINITY);
      this.mind.answered(exchange, turn);
    }
    const error = errorOf(data);
    if (error !== undefined) this.error(error);
    this.end(endOf(data));
  }

  prompt(prompt: Prompt, speaker: string, exchange: string): void {
    const news = this.mind.news(prompt, speaker, exchange);
    if (prompt.settings.length > 0) this.paper.note('model', prompt.settings.join(' · '), 'dim', 'dim');
    if (prompt.tools.length > 0)
      this.paper.note(
        'tools',
        news.toolsKnown ? `${count(prompt.tools.length, 'tool')}, as before` : this.#toolNames(prompt.tools),
        'dim',
        'dim',
      );
    if (prompt.system.length > 0) {
      const text = prompt.system.map((part) => part.text).join('\n');
      this.paper.note(
        'system',
        news.systemKnown && !this.full ? `as before (${count(text.length, 'character')})` : this.#cut(text, LIMITS.system),
        'name',
        'dim',
      );
    }
    if (news.skipped > 0) this.paper.note('…', `${count(news.skipped, 'message')} as above`, 'dim', 'dim');
    for (const turn of news.turns) this.turn(turn, turn.role === 'assistant' ? LIMITS.assistant : LIMITS.user);
  }

  turn(turn: Turn, limit: number): void {
    if (turn.parts.length === 0) this.paper.note(turn.role, '(empty)', 'strong', 'dim');
    for (const part of turn.parts) this.part(part, turn.role, limit);
  }

  part(part: Part, role: string, limit: number = Number.POSITIVE_INFINITY): void {
    this.mind.call(part);
    switch (part.kind) {
      case 'text':
        this.paper.note(role, this.#cut(part.text, limit), roleTone(role));
        return;
      case 'refusal':
        this.paper.note('refusal', this.#cut(part.text, limit), 'warn');
        return;
      case 'reasoning':
        this.paper.note('reasoning', this.#cut(part.text, limit), 'dim', 'dim');
        return;
      case 'call': {
        const value = looksLikeJson(part.text) ? parse(part.text) : undefined;
        const args = value === undefined ? this.#cut(part.text, LIMITS.body) : readable(value.value, this.#json);
        this.paper.note('tool call', `${part.name ?? '?'}${args.startsWith('\n') ? args : ` ${args}`}`, 'out');
        return;
      }
      case 'result': {
        const tool = part.name ?? this.mind.toolOf(part.id);
        const value = looksLikeJson(part.text) ? parse(part.text) : undefined;
        const text = value === undefined ? this.#cut(part.text, LIMITS.result) : pretty(value.value, this.#json);
        const label = part.isError ? 'tool error' : 'tool result';
        this.paper.note(label, `${tool === undefined ? '' : `${tool}: `}${text === '' ? '(nothing)' : text}`, part.isError ? 'bad' : 'out');
        return;
      }
      case 'file':
        this.paper.note(role, `[${part.text}]`, roleTone(role), 'dim');
        return;
      case 'other':
        this.paper.note(part.name ?? 'part', this.#cut(part.text, LIMITS.body), 'dim');
        return;
    }
  }

  end(parts: readonly string[]): void {
    this.paper.note('end', parts.join(' · '), 'dim', 'dim');
  }

  error(text: string): void {
    this.paper.note('error', this.#cut(text, LIMITS.body), 'bad', 'bad');
  }

  /** Any text under a label, JSON laid out. */
  text(label: string, text: string): void {
    const value = looksLikeJson(text) ? parse(text) : undefined;
    this.paper.note(label, value === undefined ? this.#cut(text, LIMITS.body) : pretty(value.value, this.#json), 'dim');
  }

  #other(text: string, value: unknown, type: string | undefined): void {
    if (value !== undefined) this.paper.note('json', pretty(value, this.#json), 'dim');
    else if (type === 'application/x-www-form-urlencoded') this.paper.note('form', this.#cut(formText(text), LIMITS.body), 'dim');
    else this.paper.note(type === 'text/html' ? 'html' : 'text', this.#cut(text, LIMITS.body), 'dim');
  }

  #noText(data: Facts): void {
    const size = sizeOf(data, 'body');
    const length = num(data, 'body_bytes') ?? 0;
    if (size !== undefined && size > 0)
      this.paper.note('binary', `${contentType(data) ?? 'no content type'}, ${bytes(size)}`, 'dim', 'dim');
    else if (size === undefined && length > 0) this.paper.note('body', `${bytes(length)}, not kept`, 'dim', 'dim');
  }

  /** The body as text, if it is one. */
  #textOf(data: Facts, name: string): string | undefined {
    const text = get(data, name);
    if (typeof text === 'string') return text === '' ? undefined : text;
    const coded = get(data, `${name}_b64`);
    if (typeof coded !== 'string') return undefined;
    const raw = Buffer.from(coded, 'base64');
    return raw.length > 0 && TEXTUAL.test(contentType(data) ?? '') && isUtf8(raw) ? raw.toString('utf8') : undefined;
  }

  #toolNames(names: readonly string[]): string {
    const most = this.full ? names.length : 30;
    return names.slice(0, most).join(', ') + (names.length > most ? ` and ${count(names.length - most, 'more tool')}` : '');
  }

  #cut(text: string, limit: number): string {
    return this.full ? text : shorten(text, limit);
  }
}

function roleTone(role: string): Tone {
  return role === 'assistant' ? 'in' : role === 'user' ? 'strong' : 'name';
}

function looksLikeJson(text: string): boolean {
  return /^\s*[[{]/.test(text);
}

/** `a=1&b=x%20y` as one field per line. */
function formText(text: string): string {
  return text
    .split('&')
    .map((field) => {
      try {
        return decodeURIComponent(field.replaceAll('+', ' '));
      } catch {
        return field;
      }
    })
    .join('\n');
}
