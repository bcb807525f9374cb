/**
 * What is said to a language model and what it answers, read out of the JSON bodies of Anthropic Messages, OpenAI
 * Chat Completions, OpenAI Responses and (gemini.ts) Gemini. The shapes are told apart by their members, not by the host: gateways and
 * local servers speak the same. Nothing is trusted: what has another shape is absent or shown as JSON.
 */
import { type Facts, facts, get, isFacts, list, num, str } from './facts.js';
import { readGeminiAnswer, readGeminiPrompt } from './gemini.js';
import { parse, pretty } from './json.js';
import { bytes, grouped } from './units.js';

export type PartKind = 'text' | 'reasoning' | 'refusal' | 'call' | 'result' | 'file' | 'other';

export interface Part {
  kind: PartKind;
  /** The text; of a call, its arguments as JSON or text. */
  text: string;
  /** Of a call: the tool. */
  name?: string | undefined;
  /** What joins a result to its call. */
  id?: string | undefined;
  isError?: boolean;
}

export interface Turn {
  role: string;
  parts: Part[];
}

export interface Prompt {
  /** `model`, `stream`, `max_tokens` and so on, as `name value`. */
  settings: string[];
  /** Names of the tools on offer. */
  tools: string[];
  system: Part[];
  turns: Turn[];
}

export interface Answer {
  turns: Turn[];
  /** Why it ended and what it used: `end_turn · 42 tokens in · 17 out`. */
  end: string[];
}

/** Results within results within messages: real ones nest three deep, hostile ones as deep as the stack. */
const MOST_NESTED = 8;

const SETTINGS = [
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'temperature',
  'top_p',
  'service_tier',
  'previous_response_id',
] as const;

/** A request to a model, or nothing when the body is none. */
export function readPrompt(body: unknown, path = ''): Prompt | undefined {
  if (!isFacts(body) || /\/embeddings\b/.test(path)) return undefined;
  const gemini = readGeminiPrompt(body, path);
  if (gemini !== undefined) return gemini;
  const messages = get(body, 'messages');
  const input = get(body, 'input');
  const isResponses = (typeof input === 'string' || Array.isArray(input)) && str(body, 'model') !== undefined;
  if (!Array.isArray(messages) && !isResponses) return undefined;
  const turns = Array.isArray(messages)
    ? messages.flatMap(readItem)
    : typeof input === 'string'
      ? [userSays(input)]
      : list(input).flatMap(readItem);
  return {
    settings: settings(body),
    tools: toolNames(get(body, 'tools')),
    system: [...content(get(body, 'system')), ...content(get(body, 'instructions'))],
    turns: join(turns),
  };
}

function userSays(text: string): Turn {
  return { role: 'user', parts: [{ kind: 'text', text }] };
}

function settings(body: Facts): string[] {
  const said: string[] = [];
  const model = str(body, 'model');
  if (model !== undefined) said.push(model);
  if (get(body, 'stream') === true) said.push('streaming');
  for (const name of SETTINGS) {
    const value = get(body, name);
    if (typeof value === 'number' || typeof value === 'string') said.push(`${name} ${String(value)}`);
  }
  const effort = str(facts(get(body, 'reasoning')), 'effort') ?? str(body, 'reasoning_effort');
  if (effort !== undefined) said.push(`reasoning ${effort}`);
  const thinking = num(facts(get(body, 'thinking')), 'budget_tokens');
  if (thinking !== undefined) said.push(`thinking ${grouped(thinking)} tokens`);
  const choice = get(body, 'tool_choice');
  if (typeof choice === 'string') said.push(`tool_choice ${choice}`);
  else if (isFacts(choice))
    said.push(`tool_choice ${str(choice, 'name') ?? str(facts(get(choice, 'function')), 'name') ?? str(choice, 'type') ?? '?'}`);
  return said;
}

function toolNames(tools: unknown): string[] {
  return list(tools).map((tool) => {
    const it = facts(tool);
    return str(it, 'name') ?? str(facts(get(it, 'function')), 'name') ?? str(it, 'type') ?? '?';
  });
}

/** One member of `messages`, or one item of a Responses `input` or `output`. */
export function readItem(item: unknown): Turn[] {
  if (!isFacts(item)) return typeof item === 'string' ? [userSays(item)] : [];
  const type = str(item, 'type');
  const role = str(item, 'role');
  if (role === undefined && type !== undefined && type !== 'message') return [{ role: 'assistant', parts: readPart(item) }].map(asTool);
  const parts: Part[] = [];
  const reasoning = str(item, 'reasoning_content') ?? str(item, 'reasoning');
  if (reasoning) parts.push({ kind: 'reasoning', text: reasoning });
  if (role === 'tool' || role === 'function') {
    parts.push({ kind: 'result', text: plain(get(item, 'content'), 1), id: str(item, 'tool_call_id') ?? str(item, 'name') });
  } else {
    parts.push(...content(get(item, 'content')));
  }
  const refusal = str(item, 'refusal');
  if (refusal) parts.push({ kind: 'refusal', text: refusal });
  for (const call of list(get(item, 'tool_calls'))) parts.push(...readPart(call));
  const legacy = get(item, 'function_call');
  if (isFacts(legacy)) parts.push(callPart(str(legacy, 'name'), undefined, get(legacy, 'arguments')));
  return [{ role: role ?? 'assistant', parts }];
}

/** A bare `function_call_output` is said by the tool, not by the model. */
function asTool(turn: Turn): Turn {
  return turn.parts.some((part) => part.kind === 'result') ? { ...turn, role: 'tool' } : turn;
}

/** Items of one role in a row are one turn: Responses gives a call and a message as two. */
function join(turns: Turn[]): Turn[] {
  const joined: Turn[] = [];
  for (const turn of turns) {
    const last = joined.at(-1);
    if (last !== undefined && last.role === turn.role && turn.role !== 'user') last.parts.push(...turn.parts);
    else joined.push({ role: turn.role, parts: [...turn.parts] });
  }
  return joined;
}

function content(value: unknown, depth = 0): Part[] {
  if (typeof value === 'string') return value === '' ? [] : [{ kind: 'text', text: value }];
  return list(value).flatMap((part) => (typeof part === 'string' ? [{ kind: 'text' as const, text: part }] : readPart(part, depth)));
}

/** One content block of Anthropic, content part of OpenAI, or item of Responses. */
export function readPart(value: unknown, depth = 0): Part[] {
  if (!isFacts(value)) return [];
  if (depth > MOST_NESTED) return [{ kind: 'other', name: 'nested', text: pretty(value) }];
  const type = str(value, 'type') ?? '';
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
      return [{ kind: 'text', text: str(value, 'text') ?? '' }];
    case 'refusal':
      return [{ kind: 'refusal', text: str(value, 'refusal') ?? '' }];
    case 'thinking':
      return [{ kind: 'reasoning', text: str(value, 'thinking') ?? '' }];
    case 'redacted_thinking':
      return [{ kind: 'reasoning', text: `(encrypted, ${bytes((str(value, 'data') ?? '').length)})` }];
    case 'reasoning':
      return reasoningItem(value);
    case 'tool_use':
    case 'server_tool_use':
    case 'mcp_tool_use':
      return [callPart(str(value, 'name'), str(value, 'id'), get(value, 'input'))];
    case 'function':
      return [callPart(str(facts(get(value, 'function')), 'name'), str(value, 'id'), get(facts(get(value, 'function')), 'arguments'))];
    case 'function_call':
      return [callPart(str(value, 'name'), str(value, 'call_id') ?? str(value, 'id'), get(value, 'arguments'))];
    case 'custom_tool_call':
      return [callPart(str(value, 'name'), str(value, 'call_id') ?? str(value, 'id'), get(value, 'input'))];
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [{ kind: 'result', text: plain(get(value, 'output'), depth + 1), id: str(value, 'call_id') }];
    case 'message':
      return content(get(value, 'content'), depth + 1);
    case 'image':
    case 'image_url':
    case 'input_image':
    case 'document':
    case 'file':
    case 'input_file':
    case 'input_audio':
      return [{ kind: 'file', text: fileOf(type, value) }];
  }
  if (type.endsWith('tool_result')) {
    const result: Part = { kind: 'result', text: plain(get(value, 'content'), depth + 1), id: str(value, 'tool_use_id') };
    if (get(value, 'is_error') === true) result.isError = true;
    return [result];
  }
  // Chat Completions calls have no `type` in some servers' answers.
  const named = get(value, 'function');
  if (isFacts(named)) return [callPart(str(named, 'name'), str(value, 'id'), get(named, 'arguments'))];
  return [{ kind: 'other', name: type === '' ? 'part' : type, text: pretty(value) }];
}

/** `arguments` are an object, or the text of one. */
export function callPart(name: string | undefined, id: string | undefined, args: unknown): Part {
  const value = typeof args === 'string' ? (parse(args)?.value ?? args) : args;
  return { kind: 'call', name: name ?? '?', id, text: value === undefined ? '' : typeof value === 'string' ? value : pretty(value) };
}

function reasoningItem(value: Facts): Part[] {
  const texts = [...list(get(value, 'summary')), ...list(get(value, 'content'))]
    .map((part) => str(facts(part), 'text') ?? '')
    .filter((text) => text !== '');
  if (texts.length > 0) return [{ kind: 'reasoning', text: texts.join('\n') }];
  const sealed = str(value, 'encrypted_content');
  return sealed === undefined ? [] : [{ kind: 'reasoning', text: `(encrypted, ${bytes(sealed.length)})` }];
}

/** The text of a tool's result, whatever shape it has. */
function plain(value: unknown, depth: number): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  if (Array.isArray(value) && value.every(isFacts))
    return content(value, depth)
      .map((part) => part.text)
      .join('\n');
  return pretty(value);
}

/** `image image/png 12 kB`, `image https://…`: never the data. */
function fileOf(type: string, value: Facts): string {
  const kind = type.replace(/^input_|_url$/g, '');
  const source = facts(get(value, 'source'));
  const url = str(value, 'image_url') ?? str(facts(get(value, 'image_url')), 'url') ?? str(source, 'url') ?? str(value, 'file_url');
  const named = str(value, 'filename') ?? str(facts(get(value, 'file')), 'filename') ?? str(value, 'file_id') ?? str(source, 'file_id');
  const data =
    str(source, 'data') ??
    str(facts(get(value, 'input_audio')), 'data') ??
    str(facts(get(value, 'file')), 'file_data') ??
    str(value, 'file_data');
  const inline = /^data:([^;,]*)[^,]*,/.exec((url ?? data ?? '').slice(0, 200));
  const coded = inline === null ? data : (url ?? data)?.slice(inline[0].length);
  const size = coded === undefined ? undefined : bytes(Math.floor((coded.length * 3) / 4));
  return [kind, str(source, 'media_type') ?? inline?.[1], named, inline === null ? url : undefined, size].filter((part) => part).join(' ');
}

/** A whole answer of a model, or nothing when the body is none. */
export function readAnswer(body: unknown): Answer | undefined {
  if (!isFacts(body)) return undefined;
  const gemini = readGeminiAnswer(body);
  if (gemini !== undefined) return gemini;
  const choices = get(body, 'choices');
  const output = get(body, 'output');
  if (str(body, 'type') === 'message' && Array.isArray(get(body, 'content'))) {
    return { turns: readItem(body), end: [...stop(str(body, 'stop_reason')), ...usage(get(body, 'usage'))] };
  }
  if (Array.isArray(choices)) {
    const turns = choices.flatMap((choice) => {
      const text = str(facts(choice), 'text');
      return text === undefined
        ? readItem(get(facts(choice), 'message'))
        : [{ role: 'assistant', parts: [{ kind: 'text' as const, text }] }];
    });
    const stops = choices.map((choice) => str(facts(choice), 'finish_reason')).filter((reason) => reason !== undefined);
    return { turns, end: [...stop(stops.join(', ')), ...usage(get(body, 'usage'))] };
  }
  if (Array.isArray(output) && str(body, 'object') === 'response') {
    return { turns: join(output.flatMap(readItem)), end: responseEnd(body) };
  }
  return undefined;
}

/** The end of a Responses answer: its status, or why it is incomplete. */
export function responseEnd(response: Facts): string[] {
  const reason = str(facts(get(response, 'incomplete_details')), 'reason');
  return [...stop(reason ?? str(response, 'status')), ...usage(get(response, 'usage'))];
}

export function stop(reason: string | undefined): string[] {
  return reason === undefined || reason === '' ? [] : [reason];
}

/** `error overloaded_error: Overloaded` of the error bodies of both families. */
export function readError(body: unknown): string | undefined {
  const error = get(facts(body), 'error');
  if (typeof error === 'string') return error;
  if (!isFacts(error)) return undefined;
  const type = str(error, 'type') ?? str(error, 'code');
  const message = str(error, 'message');
  return message === undefined && type === undefined ? undefined : [type, message].filter((part) => part !== undefined).join(': ');
}

/**
 * Tokens of any of the three. Anthropic counts cached input apart and OpenAI counts it in: shown is all input, and
 * how much of it was cached.
 */
export function usage(value: unknown): string[] {
  if (!isFacts(value)) return [];
  const read = num(value, 'cache_read_input_tokens');
  const written = num(value, 'cache_creation_input_tokens');
  const fresh = num(value, 'input_tokens');
  const input =
    read === undefined && written === undefined ? (fresh ?? num(value, 'prompt_tokens')) : (fresh ?? 0) + (read ?? 0) + (written ?? 0);
  const output = num(value, 'output_tokens') ?? num(value, 'completion_tokens');
  const cached = read ?? num(facts(get(value, 'input_tokens_details') ?? get(value, 'prompt_tokens_details')), 'cached_tokens');
  const thought = num(facts(get(value, 'output_tokens_details') ?? get(value, 'completion_tokens_details')), 'reasoning_tokens');
  const said: string[] = [];
  if (input !== undefined) said.push(`${grouped(input)} tokens in${cached ? ` (${grouped(cached)} cached)` : ''}`);
  if (output !== undefined) said.push(`${grouped(output)} out${thought ? ` (${grouped(thought)} reasoning)` : ''}`);
  return said;
}
