/** OpenAI Chat Completions, Completions and Embeddings, and the many servers that speak them (developers.openai.com/api/reference). */
import type { ChatMessage, MessagePart } from '../../stream/event.js';
import { count, type Facts, facts, get, isFacts, list, num, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import type { Api, Spot } from './api.js';
import { bounded } from './json.js';
import * as m from './messages.js';

/** Chat Completions under the name of who speaks them. */
export function chatCompletions(name: string): Api {
  return { name, prompt, take, spot };
}

function prompt(body: Facts, model: string | undefined): m.Prompt {
  return {
    model: text(body, 'model') ?? model,
    stream: get(body, 'stream') === true,
    params: m.paramsOf(body),
    tools: m.toolDefinitions(get(body, 'tools') ?? get(body, 'functions')),
    system: [],
    messages: list(get(body, 'messages')).map(message),
    conversation: text(body, 'prompt_cache_key') ?? text(sub(body, 'metadata'), 'session_id'),
  };
}

function take(answer: Answer, value: Facts, _event: string, json: string): boolean {
  if (get(value, 'error') !== undefined && get(value, 'error') !== null) answer.error = errorOf(value);
  answer.named(text(value, 'model'), text(value, 'id'));
  usage(answer, get(value, 'usage'));
  // Groq.
  usage(answer, get(sub(value, 'x_groq'), 'usage'));
  let said = false;
  list(get(value, 'choices')).forEach((each, at) => {
    const choice = facts(each);
    const index = num(choice, 'index') ?? at;
    // Moonshot counts in the last choice.
    usage(answer, get(choice, 'usage'));
    const whole = get(choice, 'message');
    const delta = isFacts(whole) ? whole : sub(choice, 'delta');
    if (answer.say(index, 'text', text(choice, 'text'))) said = true;
    if (speech(answer, index, delta, isFacts(whole), json, ['choices', at, 'message'])) said = true;
    const reason = text(choice, 'finish_reason') ?? text(choice, 'stop_reason');
    answer.finish(index, reason);
    if (isFacts(whole) || reason !== undefined) answer.done = answer.allFinished || isFacts(whole);
  });
  return said;
}

/** The text of a piece, or of the arguments in it, where there is but one. */
function spot(value: Facts): Spot | undefined {
  const choices = list(get(value, 'choices'));
  const delta = sub(facts(choices[0]), 'delta');
  if (choices.length !== 1) return undefined;
  const calls = list(get(delta, 'tool_calls'));
  const [holder, name] = calls.length === 1 ? [sub(facts(calls[0]), 'function'), 'arguments'] : [delta, 'content'];
  return typeof get(holder, name) === 'string' ? { holder: holder as Record<string, unknown>, name } : undefined;
}

/** One message, whole or a piece of it. */
function speech(answer: Answer, index: number, delta: Facts, whole: boolean, json: string, path: readonly (string | number)[]): boolean {
  let said = answer.say(index, 'reasoning', text(delta, 'reasoning_content') ?? text(delta, 'reasoning'));
  const content = get(delta, 'content');
  if (typeof content === 'string') said = answer.say(index, 'text', content) || said;
  else
    for (const part of list(content).flatMap((each) => contentPart(facts(each), 0))) {
      // Mistral streams its thinking as parts.
      if (part.type === 'text' || part.type === 'reasoning') said = answer.say(index, part.type, part.content) || said;
      else said = answer.part(index, part) || said;
    }
  said = answer.say(index, 'refusal', text(delta, 'refusal')) || said;
  const legacy = get(delta, 'function_call');
  if (isFacts(legacy)) {
    const call = answer.call(index, 'function');
    if (call !== undefined) {
      call.name = text(legacy, 'name') ?? call.name;
      said = answer.argument(call, text(legacy, 'arguments')) || text(legacy, 'name') !== undefined || said;
    }
  }
  list(get(delta, 'tool_calls')).forEach((each, at) => {
    const it = facts(each);
    const named = isFacts(get(it, 'function')) ? sub(it, 'function') : sub(it, 'custom');
    const call = answer.call(index, keyOf(it, whole, at));
    if (call === undefined) return;
    call.id = text(it, 'id') || call.id;
    call.name = text(named, 'name') || call.name;
    const args = get(named, 'arguments') ?? get(named, 'input');
    if (isFacts(args)) answer.value(call, args, json, [...path, 'tool_calls', at, 'function', 'arguments']);
    else if (typeof args === 'string') said = answer.argument(call, args) || said;
    if (text(named, 'name') !== undefined) said = true;
  });
  return said;
}

/** Pieces of a call say which by `index`; some servers leave it out and send calls whole, told apart by their ids. */
function keyOf(call: Facts, whole: boolean, at: number): string {
  const index = num(call, 'index');
  if (index !== undefined && !whole) return String(index);
  return whole ? `whole ${at}` : (text(call, 'id') ?? String(at));
}

/** Tokens as OpenAI counts them; xAI alone counts reasoning beside the completion, which its total shows. */
export function usage(answer: Answer, used: unknown): void {
  if (!isFacts(used)) return;
  const { usage: known } = answer;
  const input = count(used, 'prompt_tokens') ?? count(used, 'input_tokens');
  const output = count(used, 'completion_tokens') ?? count(used, 'output_tokens');
  const inputDetails = isFacts(get(used, 'prompt_tokens_details')) ? sub(used, 'prompt_tokens_details') : sub(used, 'input_tokens_details');
  const outputDetails = isFacts(get(used, 'completion_tokens_details'))
    ? sub(used, 'completion_tokens_details')
    : sub(used, 'output_tokens_details');
  const thought = count(outputDetails, 'reasoning_tokens') ?? count(used, 'reasoning_tokens');
  const total = count(used, 'total_tokens');
  known.input = input ?? known.input;
  known.cacheRead =
    count(inputDetails, 'cached_tokens') ?? count(used, 'prompt_cache_hit_tokens') ?? count(used, 'cached_tokens') ?? known.cacheRead;
  known.cacheCreation = count(inputDetails, 'cache_creation_tokens') ?? count(inputDetails, 'cache_write_tokens') ?? known.cacheCreation;
  known.reasoning = thought ?? known.reasoning;
  if (output === undefined) return;
  const apart = thought !== undefined && thought > 0 && total === (input ?? 0) + output + thought;
  known.output = apart ? output + thought : output;
}

export function message(value: unknown): ChatMessage {
  const it = facts(value);
  const role = text(it, 'role') ?? 'user';
  if (role === 'tool' || role === 'function') {
    const id = text(it, 'tool_call_id') ?? (role === 'function' ? undefined : text(it, 'name'));
    return { role: 'tool', parts: [m.toolResponse(id, result(get(it, 'content')))] };
  }
  const parts = [...m.reasoning(text(it, 'reasoning_content') ?? text(it, 'reasoning')), ...contentParts(get(it, 'content'), 0)];
  const refusal = text(it, 'refusal');
  if (refusal !== undefined && refusal !== '') parts.push({ type: 'refusal', content: refusal });
  const legacy = get(it, 'function_call');
  if (isFacts(legacy)) parts.push(m.toolCall(undefined, text(legacy, 'name'), get(legacy, 'arguments')));
  for (const call of list(get(it, 'tool_calls'))) {
    const named = isFacts(get(facts(call), 'function')) ? sub(facts(call), 'function') : sub(facts(call), 'custom');
    parts.push(m.toolCall(text(facts(call), 'id'), text(named, 'name'), get(named, 'arguments') ?? get(named, 'input')));
  }
  return { role, parts };
}

export function contentParts(content: unknown, depth: number): MessagePart[] {
  if (typeof content === 'string') return m.say(content);
  return list(content).flatMap((part) => (typeof part === 'string' ? m.say(part) : contentPart(facts(part), depth)));
}

/** A content part of Chat Completions, of Responses, or of those who extend them. */
export function contentPart(part: Facts, depth: number): MessagePart[] {
  const type = text(part, 'type') ?? '';
  switch (type) {
    case 'text':
    case 'input_text':
    case 'output_text':
    case 'summary_text':
    case 'reasoning_text':
      return m.say(text(part, 'text') ?? '');
    case 'refusal':
      return [{ type: 'refusal', content: text(part, 'refusal') ?? '' }];
    case 'thinking': {
      const thinking = get(part, 'thinking');
      if (typeof thinking === 'string') return m.reasoning(thinking);
      if (depth >= m.MOST_NESTED) return [];
      return m.reasoning(
        contentParts(thinking, depth + 1)
          .map((each) => ('content' in each && typeof each.content === 'string' ? each.content : ''))
          .join(''),
      );
    }
    case 'image_url':
    case 'input_image': {
      const url = text(part, 'image_url') ?? text(sub(part, 'image_url'), 'url');
      const id = text(part, 'file_id');
      return url !== undefined ? [m.uri('image', undefined, url)] : id !== undefined ? [m.file('image', undefined, id)] : [];
    }
    case 'input_audio': {
      const audio = sub(part, 'input_audio');
      const format = text(audio, 'format');
      return [m.blob('audio', format === undefined ? undefined : `audio/${format}`, text(audio, 'data') ?? '')];
    }
    case 'file':
    case 'input_file': {
      const it = isFacts(get(part, 'file')) ? sub(part, 'file') : part;
      const data = text(it, 'file_data');
      const url = text(it, 'file_url');
      const id = text(it, 'file_id');
      if (data !== undefined) return [m.uri('document', undefined, data.startsWith('data:') ? data : `data:,${data}`)];
      if (url !== undefined) return [m.uri('document', undefined, url)];
      return id === undefined ? [] : [m.file('document', undefined, id)];
    }
    default:
      return [m.other(type === '' ? 'part' : type, part)];
  }
}

/** A tool's result: its text where it is nothing but text. */
export function result(content: unknown): unknown {
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) return '';
  if (!Array.isArray(content)) return bounded(content);
  const parts = contentParts(content, 1);
  return parts.every((part) => part.type === 'text') ? parts.map((part) => ('content' in part ? part.content : '')).join('\n') : parts;
}

function texts(value: unknown): ChatMessage[] {
  const all = typeof value === 'string' ? [value] : list(value).filter((item) => typeof item === 'string');
  return all.length === 0 ? [] : [{ role: 'user', parts: all.map((content) => ({ type: 'text', content })) }];
}

/** `POST …/completions`: one text in, one text out. */
export const completions: Api = {
  name: 'openai.completions',
  prompt: (body, model) => ({
    ...m.emptyPrompt(),
    model: text(body, 'model') ?? model,
    stream: get(body, 'stream') === true,
    params: m.paramsOf(body),
    messages: texts(get(body, 'prompt')),
  }),
  take,
};

export const embeddings: Api = {
  name: 'openai.embeddings',
  prompt: (body, model) => ({
    ...m.emptyPrompt(),
    model: text(body, 'model') ?? model,
    params: m.paramsOf(body),
    messages: texts(get(body, 'input')),
  }),
  take(answer, value) {
    if (get(value, 'error') !== undefined && get(value, 'error') !== null) answer.error = errorOf(value);
    answer.named(text(value, 'model'), text(value, 'id'));
    usage(answer, get(value, 'usage'));
    answer.done = true;
    return true;
  },
};
