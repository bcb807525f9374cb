/**
 * A streamed answer of a model, event by event: Anthropic Messages, OpenAI Chat Completions and Responses, Gemini. Text comes
 * out as it arrives; the arguments of a tool call, when they are whole.
 */
import { type Facts, facts, get, isFacts, list, num, str } from './facts.js';
import { geminiParts, geminiUsage, isGeminiAnswer } from './gemini.js';
import { parse } from './json.js';
import { callPart, type Part, readError, readItem, readPart, responseEnd, stop, usage } from './model.js';

/** What one event of the stream adds. */
export type Step =
  | { step: 'say'; kind: 'text' | 'reasoning' | 'refusal'; text: string }
  | { step: 'part'; part: Part }
  | { step: 'end'; end: string[] }
  | { step: 'error'; text: string }
  /** An event that is none of a model's. */
  | { step: 'other'; name: string; text: string };

interface OpenCall {
  name: string | undefined;
  id: string | undefined;
  json: string;
  /** Characters of it that were not kept. */
  cut: number;
  /** What the block began with (Anthropic sends `{}`, others the whole). */
  input: unknown;
}

/** The most text held for one stream: arguments of open calls, and choices that wait for the first to end. */
const MOST_HELD = 4 * 1024 * 1024;
/** Tool calls open at once, and choices beside the first. */
const MOST_OPEN = 64;

export class AnswerStream {
  readonly #calls = new Map<string, OpenCall>();
  /** Choices other than the first, told when the first has ended. */
  readonly #choices = new Map<number, string>();
  #held = 0;
  #stop: string | undefined;
  #usage: Facts = {};
  #ended = false;
  /** Items of Responses whose text came by deltas. */
  #streamedText = false;

  /** One SSE event: its name and its data. */
  event(name: string, data: string): Step[] {
    if (data.trim() === '[DONE]') return this.#finish();
    const parsed = parse(data);
    const body = parsed?.value;
    if (!isFacts(body)) return [{ step: 'other', name, text: data }];
    const type = str(body, 'type') ?? '';
    if (Array.isArray(get(body, 'choices'))) return this.#chat(body);
    if (isGeminiAnswer(body)) return this.#gemini(body);
    if (type.startsWith('response.')) return this.#responses(type, body);
    return this.#anthropic(type, body) ?? this.#failure(body) ?? [{ step: 'other', name, text: data }];
  }

  /** The stream is over: what is still held, and the end if it was not said. */
  flush(): Step[] {
    const cut = [...this.#calls.values()].map((call): Step => ({ step: 'part', part: this.#closed(call) }));
    this.#calls.clear();
    return [...cut, ...(this.#ended ? [] : this.#finish())];
  }

  #failure(body: Facts): Step[] | undefined {
    const error = readError(body);
    return error === undefined ? undefined : [{ step: 'error', text: error }];
  }

  #finish(): Step[] {
    const steps: Step[] = [...this.#choices.entries()].map(([index, text]) => ({
      step: 'part',
      part: { kind: 'other', name: `choice ${index + 1}`, text },
    }));
    this.#choices.clear();
    const end = [...stop(this.#stop), ...usage(this.#usage)];
    if (end.length > 0 && !this.#ended) steps.push({ step: 'end', end });
    this.#ended = true;
    return steps;
  }

  /** Characters held: arguments of open calls, and other choices. */
  get held(): number {
    return this.#held;
  }

  #hold(text: string): string {
    const room = MOST_HELD - this.#held;
    const kept = text.length > room ? text.slice(0, Math.max(0, room)) : text;
    this.#held += kept.length;
    return kept;
  }

  #argument(call: OpenCall, text: string): void {
    const kept = this.#hold(text);
    call.json += kept;
    call.cut += text.length - kept.length;
  }

  #closed(call: OpenCall): Part {
    this.#held -= call.json.length;
    if (call.cut > 0) call.json += `… (+${call.cut} characters, not kept)`;
    return callPart(call.name, call.id, call.json === '' ? call.input : call.json);
  }

  #anthropic(type: string, body: Facts): Step[] | undefined {
    const index = String(num(body, 'index') ?? 0);
    switch (type) {
      case 'ping':
        return [];
      case 'message_start':
        this.#usage = { ...this.#usage, ...facts(get(facts(get(body, 'message')), 'usage')) };
        return [];
      case 'content_block_start': {
        const block = facts(get(body, 'content_block'));
        const kind = str(block, 'type') ?? '';
        if (kind.endsWith('tool_use')) {
          if (this.#calls.size >= MOST_OPEN) return readPart(block).map((part) => ({ step: 'part', part }));
          this.#calls.set(index, { name: str(block, 'name'), id: str(block, 'id'), json: '', cut: 0, input: get(block, 'input') });
          return [];
        }
        if (kind === 'text' || kind === 'thinking') {
          const text = str(block, kind) ?? '';
          return text === '' ? [] : [{ step: 'say', kind: kind === 'text' ? 'text' : 'reasoning', text }];
        }
        return readPart(block).map((part) => ({ step: 'part', part }));
      }
      case 'content_block_delta': {
        const delta = facts(get(body, 'delta'));
        const text = str(delta, 'text');
        if (text !== undefined) return [{ step: 'say', kind: 'text', text }];
        const thinking = str(delta, 'thinking');
        if (thinking !== undefined) return [{ step: 'say', kind: 'reasoning', text: thinking }];
        const json = str(delta, 'partial_json');
        const call = this.#calls.get(index);
        if (json !== undefined && call !== undefined) this.#argument(call, json);
        return [];
      }
      case 'content_block_stop': {
        const call = this.#calls.get(index);
        this.#calls.delete(index);
        return call === undefined ? [] : [{ step: 'part', part: this.#closed(call) }];
      }
      case 'message_delta': {
        this.#stop = str(facts(get(body, 'delta')), 'stop_reason') ?? this.#stop;
        this.#usage = { ...this.#usage, ...facts(get(body, 'usage')) };
        return [];
      }
      case 'message_stop':
        return this.#finish();
      default:
        return undefined;
    }
  }

  #chat(body: Facts): Step[] {
    const steps: Step[] = [];
    const used = get(body, 'usage');
    if (isFacts(used)) this.#usage = used;
    for (const choice of list(get(body, 'choices'))) {
      const it = facts(choice);
      const index = num(it, 'index') ?? 0;
      const delta = facts(get(it, 'delta'));
      const text = str(delta, 'content') ?? str(it, 'text') ?? '';
      const thought = str(delta, 'reasoning_content') ?? str(delta, 'reasoning') ?? '';
      const refusal = str(delta, 'refusal') ?? '';
      if (index !== 0) {
        if (this.#choices.has(index) || this.#choices.size < MOST_OPEN)
          this.#choices.set(index, (this.#choices.get(index) ?? '') + this.#hold(text));
      } else {
        if (thought !== '') steps.push({ step: 'say', kind: 'reasoning', text: thought });
        if (text !== '') steps.push({ step: 'say', kind: 'text', text });
        if (refusal !== '') steps.push({ step: 'say', kind: 'refusal', text: refusal });
      }
      const legacy = get(delta, 'function_call');
      const calls = isFacts(legacy) ? [{ index: 0, function: legacy }] : list(get(delta, 'tool_calls'));
      for (const call of calls) this.#chatCall(index, facts(call), steps);
      const reason = str(it, 'finish_reason');
      if (reason !== undefined) {
        this.#stop ??= reason;
        this.#closeCalls(`${index}.`, steps);
      }
    }
    return steps;
  }

  /** Nothing says that a chunk is the last but its reason to end; what it used is counted anew in each. */
  #gemini(body: Facts): Step[] {
    const { parts, reason } = geminiParts(body);
    const steps = parts.map(
      (part): Step =>
        part.kind === 'text' || part.kind === 'reasoning' ? { step: 'say', kind: part.kind, text: part.text } : { step: 'part', part },
    );
    const used = geminiUsage(body);
    if (reason === undefined || this.#ended) return steps;
    this.#ended = true;
    return [...steps, { step: 'end', end: [...stop(reason), ...used] }];
  }

  /** A call's name and id come once, its arguments in pieces; another index means that the one before is whole. */
  #chatCall(choice: number, call: Facts, steps: Step[]): void {
    const key = `${choice}.${num(call, 'index') ?? 0}`;
    const named = facts(get(call, 'function'));
    let open = this.#calls.get(key);
    if (open === undefined) {
      this.#closeCalls(`${choice}.`, steps);
      open = { name: undefined, id: undefined, json: '', cut: 0, input: undefined };
      this.#calls.set(key, open);
    }
    open.name ??= str(named, 'name');
    open.id ??= str(call, 'id');
    this.#argument(open, str(named, 'arguments') ?? '');
  }

  #closeCalls(prefix: string, steps: Step[]): void {
    for (const [key, call] of this.#calls) {
      if (!key.startsWith(prefix)) continue;
      this.#calls.delete(key);
      steps.push({ step: 'part', part: this.#closed(call) });
    }
  }

  #responses(type: string, body: Facts): Step[] {
    const delta = str(body, 'delta') ?? '';
    switch (type) {
      case 'response.output_text.delta':
        this.#streamedText = true;
        return delta === '' ? [] : [{ step: 'say', kind: 'text', text: delta }];
      case 'response.refusal.delta':
        this.#streamedText = true;
        return delta === '' ? [] : [{ step: 'say', kind: 'refusal', text: delta }];
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return delta === '' ? [] : [{ step: 'say', kind: 'reasoning', text: delta }];
      case 'response.output_item.done': {
        const item = facts(get(body, 'item'));
        const kind = str(item, 'type');
        // A message whose deltas were seen has been told; one that was joined midway has not.
        if (kind === 'reasoning' || (kind === 'message' && this.#streamedText)) {
          this.#streamedText = false;
          return [];
        }
        return readItem(item).flatMap((turn) => turn.parts.map((part): Step => ({ step: 'part', part })));
      }
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed': {
        const response = facts(get(body, 'response'));
        this.#ended = true;
        const error = readError(response);
        return [...(error === undefined ? [] : [{ step: 'error' as const, text: error }]), { step: 'end', end: responseEnd(response) }];
      }
      default:
        return [];
    }
  }
}
