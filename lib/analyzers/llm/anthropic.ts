/** Anthropic Messages (platform.claude.com/docs/en/api/messages, …/messages-streaming), also as Bedrock and Vertex carry them. */
import type { ChatMessage, MessagePart } from '../../stream/event.js';
import { count, type Facts, facts, get, isFacts, list, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import type { Api } from './api.js';
import { parsed } from './json.js';
import * as m from './messages.js';

export const anthropic: Api = {
  name: 'anthropic.messages',

  prompt(body, model) {
    const metadata = sub(body, 'metadata');
    return {
      model: text(body, 'model') ?? model,
      stream: get(body, 'stream') === true,
      params: m.paramsOf(body),
      tools: m.toolDefinitions(get(body, 'tools')),
      system: blocks(get(body, 'system'), 0),
      messages: list(get(body, 'messages')).map(message),
      conversation: sessionOf(text(metadata, 'user_id')),
    };
  },

  take(answer, value, _event, json) {
    switch (text(value, 'type')) {
      case 'message_start': {
        const begun = sub(value, 'message');
        answer.named(text(begun, 'model'), text(begun, 'id'));
        usage(answer, sub(begun, 'usage'), false);
        // A proxy may give the whole answer at once.
        list(get(begun, 'content')).forEach((block, at) => {
          wholeBlock(answer, facts(block), json, ['message', 'content', at]);
        });
        return false;
      }
      case 'content_block_start':
        return begin(answer, String(get(value, 'index')), sub(value, 'content_block'), json);
      case 'content_block_delta':
        return delta(answer, String(get(value, 'index')), sub(value, 'delta'));
      case 'message_delta': {
        const reason = text(sub(value, 'delta'), 'stop_reason');
        answer.finish(0, reason);
        if (reason !== undefined) answer.done = true;
        usage(answer, sub(value, 'usage'), true);
        return false;
      }
      case 'message_stop':
        answer.done = true;
        // Bedrock's InvokeModelWithResponseStream adds its own count.
        return false;
      case 'error':
        answer.error = errorOf(value);
        return false;
      case 'message': {
        answer.named(text(value, 'model'), text(value, 'id'));
        usage(answer, sub(value, 'usage'), true);
        list(get(value, 'content')).forEach((block, at) => {
          wholeBlock(answer, facts(block), json, ['content', at]);
        });
        answer.finish(0, text(value, 'stop_reason'));
        answer.done = true;
        return true;
      }
    }
    // The answer of count_tokens.
    const tokens = count(value, 'input_tokens');
    if (tokens !== undefined) {
      answer.usage.input = tokens;
      answer.done = true;
    }
    // Text completions of old: `{completion, stop_reason}`.
    const said = answer.say(0, 'text', text(value, 'completion'));
    const reason = text(value, 'stop_reason');
    if (reason !== undefined) {
      answer.finish(0, reason);
      answer.done = true;
    }
    return said;
  },

  spot(value) {
    if (text(value, 'type') !== 'content_block_delta') return undefined;
    const said = sub(value, 'delta');
    const name = TEXTS[text(said, 'type') ?? ''];
    return name !== undefined && text(said, name) !== undefined ? { holder: said as Record<string, unknown>, name } : undefined;
  },
};

/** Kinds of deltas, and the member that has the text. */
const TEXTS: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  text_delta: 'text',
  thinking_delta: 'thinking',
  input_json_delta: 'partial_json',
});

/** Cached input is counted apart by the server. What stands in a later event replaces what stood in an earlier one. */
function usage(answer: Answer, used: Facts, final: boolean): void {
  const { usage: known } = answer;
  const before = (known.input ?? 0) - (known.cacheRead ?? 0) - (known.cacheCreation ?? 0);
  const fresh = count(used, 'input_tokens') ?? (known.input === undefined ? undefined : before);
  known.cacheRead = count(used, 'cache_read_input_tokens') ?? known.cacheRead;
  known.cacheCreation = count(used, 'cache_creation_input_tokens') ?? known.cacheCreation;
  known.cacheCreation1h = count(sub(used, 'cache_creation'), 'ephemeral_1h_input_tokens') ?? known.cacheCreation1h;
  if (fresh !== undefined) known.input = fresh + (known.cacheRead ?? 0) + (known.cacheCreation ?? 0);
  // The first event counts one token or so, long before there is an answer.
  if (final) known.output = count(used, 'output_tokens') ?? known.output;
  const thought =
    count(sub(used, 'output_tokens_details'), 'thinking_tokens') ?? count(sub(used, 'output_tokens_details'), 'reasoning_tokens');
  if (final && thought !== undefined) known.reasoning = thought;
}

const SERVER_CALLS = new Set(['server_tool_use', 'mcp_tool_use']);

function begin(answer: Answer, key: string, block: Facts, json: string): boolean {
  const type = text(block, 'type') ?? '';
  if (type === 'tool_use' || SERVER_CALLS.has(type)) {
    const call = answer.call(0, key);
    if (call === undefined) return false;
    call.id = text(block, 'id');
    call.name = text(block, 'name');
    call.server = SERVER_CALLS.has(type);
    const input = get(block, 'input');
    if (isFacts(input) && Object.keys(input).length > 0) answer.value(call, input, json, ['content_block', 'input']);
    return true;
  }
  if (type === 'text') return answer.say(0, 'text', text(block, 'text'), key);
  if (type === 'thinking') return answer.say(0, 'reasoning', text(block, 'thinking'), key);
  for (const part of blockParts(block, 0)) answer.part(0, part);
  return false;
}

function delta(answer: Answer, key: string, it: Facts): boolean {
  switch (text(it, 'type')) {
    case 'text_delta':
      return answer.say(0, 'text', text(it, 'text'), key);
    case 'thinking_delta':
      return answer.say(0, 'reasoning', text(it, 'thinking'), key);
    case 'input_json_delta':
      return answer.argument(answer.call(0, key), text(it, 'partial_json'));
    default:
      return false;
  }
}

function wholeBlock(answer: Answer, block: Facts, json: string, path: readonly (string | number)[]): void {
  const type = text(block, 'type') ?? '';
  if (type === 'tool_use' || SERVER_CALLS.has(type)) {
    const call = { id: text(block, 'id'), name: text(block, 'name'), server: SERVER_CALLS.has(type) };
    answer.wholeCall(0, call, get(block, 'input'), json, [...path, 'input']);
  } else for (const part of blockParts(block, 0)) answer.part(0, part);
}

function message(value: unknown): ChatMessage {
  const it = facts(value);
  return { role: text(it, 'role') ?? 'user', parts: blocks(get(it, 'content'), 0) };
}

function blocks(content: unknown, depth: number): MessagePart[] {
  if (typeof content === 'string') return m.say(content);
  return list(content).flatMap((block) => (typeof block === 'string' ? m.say(block) : blockParts(facts(block), depth)));
}

/** One content block as parts. */
export function blockParts(block: Facts, depth: number): MessagePart[] {
  const type = text(block, 'type') ?? '';
  switch (type) {
    case 'text':
      return m.say(text(block, 'text') ?? '');
    case 'thinking':
      return m.reasoning(text(block, 'thinking'));
    case 'redacted_thinking':
      return [m.other(type, undefined)];
    case 'tool_use':
      return [m.toolCall(text(block, 'id'), text(block, 'name'), get(block, 'input'))];
    case 'server_tool_use':
    case 'mcp_tool_use':
      return [m.toolCall(text(block, 'id'), text(block, 'name'), get(block, 'input'), true)];
    case 'image':
    case 'document':
      return [source(type, sub(block, 'source'))];
  }
  if (type.endsWith('tool_result') && depth < m.MOST_NESTED) {
    const isError = get(block, 'is_error') === true;
    return [m.toolResponse(text(block, 'tool_use_id'), result(get(block, 'content'), depth), isError, type !== 'tool_result')];
  }
  return [m.other(type === '' ? 'block' : type, block)];
}

/** A result is its text where it is nothing but text. */
function result(content: unknown, depth: number): unknown {
  if (typeof content === 'string') return content;
  if (content === undefined || content === null) return '';
  if (!Array.isArray(content)) return m.other('result', content);
  const parts = blocks(content, depth + 1);
  return parts.every((part) => part.type === 'text') ? parts.map((part) => ('content' in part ? part.content : '')).join('\n') : parts;
}

function source(modality: string, it: Facts): MessagePart {
  const mime = text(it, 'media_type');
  const data = text(it, 'data');
  const url = text(it, 'url');
  const id = text(it, 'file_id');
  if (data !== undefined && text(it, 'type') !== 'text') return m.blob(modality, mime, data);
  if (url !== undefined) return m.uri(modality, mime, url);
  if (id !== undefined) return m.file(modality, mime, id);
  return m.other(modality, it);
}

/** Claude Code: `metadata.user_id` is JSON with `session_id`, or `user_…_session_<uuid>`. */
function sessionOf(userId: string | undefined): string | undefined {
  if (userId === undefined || userId.length > 4096) return undefined;
  if (userId.startsWith('{')) return text(facts(parsed(userId)), 'session_id');
  return /_session_([0-9a-f-]{36})$/.exec(userId)?.[1];
}
