/** OpenAI Responses, whole, by server-sent events, or over a WebSocket (developers.openai.com/api/reference/resources/responses). */
import type { ChatMessage, MessagePart, ToolDefinition } from '../../stream/event.js';
import { type Facts, facts, get, isFacts, list, num, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import type { Api } from './api.js';
import * as m from './messages.js';
import { contentParts, result, usage } from './openai.js';

/** Calls of tools that the caller runs, by item type. Any other `…_call` is run by the provider. */
const CALLERS = new Set(['function_call', 'custom_tool_call', 'local_shell_call', 'shell_call', 'computer_call', 'apply_patch_call']);

export const responses: Api = {
  name: 'openai.responses',

  prompt(body, model) {
    const input = get(body, 'input');
    const tools = m.toolDefinitions(get(body, 'tools'));
    const messages: ChatMessage[] = [];
    if (typeof input === 'string') messages.push({ role: 'user', parts: m.say(input) });
    for (const item of list(input)) read(facts(item), messages, tools);
    const conversation = get(body, 'conversation');
    return {
      model: text(body, 'model') ?? model,
      stream: get(body, 'stream') === true,
      params: m.paramsOf(body),
      tools,
      system: contentParts(get(body, 'instructions'), 0),
      messages: m.joinAnswers(messages),
      conversation: typeof conversation === 'string' ? conversation : (text(facts(conversation), 'id') ?? text(body, 'prompt_cache_key')),
      previous: text(body, 'previous_response_id'),
    };
  },

  take(answer, value, event, json) {
    const type = text(value, 'type') ?? event;
    const key = String(num(value, 'output_index') ?? text(value, 'item_id') ?? '');
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued': {
        const begun = sub(value, 'response');
        answer.named(text(begun, 'model'), text(begun, 'id'));
        return false;
      }
      case 'response.output_text.delta':
        return answer.say(0, 'text', text(value, 'delta'), key);
      case 'response.refusal.delta':
        return answer.say(0, 'refusal', text(value, 'delta'), key);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return answer.say(0, 'reasoning', text(value, 'delta'), key);
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return answer.argument(answer.call(0, key), text(value, 'delta'));
      case 'response.output_item.added':
        return added(answer, key, sub(value, 'item'));
      case 'response.output_item.done':
        answer.keep(num(value, 'output_index') ?? answer.items.size, { item: sub(value, 'item'), json, path: ['item'] });
        return text(sub(value, 'item'), 'type') === 'message';
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
      case 'response.done':
        over(answer, sub(value, 'response'), json, ['response']);
        return false;
      case 'error':
        answer.error = errorOf(value);
        answer.done = true;
        return false;
    }
    if (text(value, 'object') === 'response' || Array.isArray(get(value, 'output'))) {
      over(answer, value, json, []);
      return true;
    }
    if (get(value, 'error') !== undefined && get(value, 'error') !== null) answer.error = errorOf(value);
    return false;
  },

  // Whole items replace what was told by pieces; a stream that was cut keeps its pieces.
  finish(answer) {
    if (answer.items.size === 0 || (!answer.done && !answer.isEmpty)) return;
    const items = [...answer.items].sort(([a], [b]) => a - b);
    answer.items.clear();
    answer.restart();
    for (const [, { item, json, path }] of items) settleItem(answer, item, json, path);
  },
};

/** An item begins: of a call its name and id are known, its arguments follow. */
function added(answer: Answer, key: string, item: Facts): boolean {
  const type = text(item, 'type') ?? '';
  if (!type.endsWith('_call')) return false;
  const call = answer.call(0, key);
  if (call === undefined) return false;
  call.id = text(item, 'call_id') ?? text(item, 'id');
  call.name = text(item, 'name') ?? type;
  call.server = !CALLERS.has(type);
  call.free = type === 'custom_tool_call';
  return true;
}

/** The response is over: its items, those of the last event or those that were given one by one, replace what was told by pieces. */
function over(answer: Answer, response: Facts, json: string, path: readonly (string | number)[]): void {
  answer.named(text(response, 'model'), text(response, 'id'));
  usage(answer, get(response, 'usage'));
  const items = list(get(response, 'output'));
  items.forEach((item, at) => {
    answer.keep(at, { item: facts(item), json, path: [...path, 'output', at] });
  });
  const error = get(response, 'error');
  if (isFacts(error)) answer.error = errorOf({ error });
  const status = text(response, 'status');
  const reason = text(sub(response, 'incomplete_details'), 'reason') ?? status;
  if (reason !== undefined) answer.reasons = [reason];
  answer.done = status !== 'in_progress' && status !== 'queued';
}

/** One item of an answer: parts, or a tool call with its exact arguments. */
function settleItem(answer: Answer, item: Facts, json: string, path: readonly (string | number)[]): void {
  const type = text(item, 'type') ?? '';
  if (type.endsWith('_call')) {
    const [args, name] = argumentsOf(item, type);
    const call = { id: text(item, 'call_id') ?? text(item, 'id'), name: text(item, 'name') ?? type, server: !CALLERS.has(type) };
    if (type === 'custom_tool_call') answer.part(0, custom(call.id, call.name, args));
    else answer.wholeCall(0, call, args, typeof args === 'string' ? '' : json, [...path, name]);
    return;
  }
  for (const part of itemParts(item)) answer.part(0, part);
}

/** A custom tool takes free text: it is the argument, not JSON. */
function custom(id: string | undefined, name: string, input: unknown): MessagePart {
  return { type: 'tool_call', ...(id === undefined ? {} : { id }), name, arguments: typeof input === 'string' ? input : '' };
}

function argumentsOf(item: Facts, type: string): [unknown, string] {
  if (type === 'custom_tool_call') return [get(item, 'input'), 'input'];
  if (get(item, 'arguments') !== undefined) return [get(item, 'arguments'), 'arguments'];
  return [get(item, 'action') ?? get(item, 'operation') ?? get(item, 'queries') ?? get(item, 'code'), 'action'];
}

/** What an item that is no call says. */
function itemParts(item: Facts): MessagePart[] {
  const type = text(item, 'type') ?? 'message';
  if (type === 'reasoning') {
    const parts = [...contentParts(get(item, 'summary'), 0), ...contentParts(get(item, 'content'), 0)];
    return m.reasoning(parts.map((part) => ('content' in part && typeof part.content === 'string' ? part.content : '')).join('\n'));
  }
  if (type === 'message') return contentParts(get(item, 'content'), 0);
  return [m.other(type, item)];
}

/** An item of a request, as a message; tools that come as an item go to the tools. */
function read(item: Facts, messages: ChatMessage[], tools: ToolDefinition[]): void {
  const type = text(item, 'type') ?? 'message';
  if (type === 'additional_tools') {
    tools.push(...m.toolDefinitions(get(item, 'tools')));
  } else if (type.endsWith('_call_output') || type === 'mcp_approval_response') {
    messages.push({ role: 'tool', parts: [m.toolResponse(text(item, 'call_id'), result(get(item, 'output')))] });
  } else if (type.endsWith('_call')) {
    const id = text(item, 'call_id') ?? text(item, 'id');
    const [args] = argumentsOf(item, type);
    const part =
      type === 'custom_tool_call'
        ? custom(id, text(item, 'name') ?? type, args)
        : m.toolCall(id, text(item, 'name') ?? type, args, !CALLERS.has(type));
    messages.push({ role: 'assistant', parts: [part] });
  } else if (type === 'message') {
    messages.push({ role: text(item, 'role') ?? 'user', parts: contentParts(get(item, 'content'), 0) });
  } else if (type === 'item_reference') {
    messages.push({ role: 'assistant', parts: [m.other(type, text(item, 'id'))] });
  } else messages.push({ role: type === 'reasoning' ? 'assistant' : (text(item, 'role') ?? 'assistant'), parts: itemParts(item) });
}
