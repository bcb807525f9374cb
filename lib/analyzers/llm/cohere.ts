/** Cohere's Chat, version 2 (docs.cohere.com/reference/chat, …/chat-stream). */
import { count, type Facts, facts, get, list, num, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import type { Api } from './api.js';
import * as m from './messages.js';
import { chatCompletions } from './openai.js';

const chat = chatCompletions('cohere.chat');

export const cohere: Api = {
  name: 'cohere.chat',
  prompt: (body, model) => chat.prompt(body, model),

  take(answer, value, event, json) {
    const type = text(value, 'type') ?? event;
    const key = String(num(value, 'index') ?? 0);
    const delta = sub(value, 'delta');
    const message = sub(delta, 'message');
    switch (type) {
      case 'message-start':
        answer.named(undefined, text(value, 'id'));
        return false;
      case 'content-start':
      case 'content-delta': {
        const content = sub(message, 'content');
        const thought = answer.say(0, 'reasoning', text(content, 'thinking'), key);
        return answer.say(0, 'text', text(content, 'text'), key) || thought;
      }
      case 'tool-plan-delta':
        return answer.say(0, 'reasoning', text(message, 'tool_plan'), 'plan');
      case 'tool-call-start': {
        const call = answer.call(0, key);
        const begun = sub(message, 'tool_calls');
        if (call === undefined) return false;
        call.id = text(begun, 'id');
        call.name = text(sub(begun, 'function'), 'name');
        answer.argument(call, text(sub(begun, 'function'), 'arguments'));
        return true;
      }
      case 'tool-call-delta':
        return answer.argument(answer.call(0, key), text(sub(sub(message, 'tool_calls'), 'function'), 'arguments'));
      case 'message-end':
        over(answer, delta);
        return false;
    }
    const whole = sub(value, 'message');
    if (Object.keys(whole).length === 0) {
      if (text(value, 'message') !== undefined) answer.error = errorOf(value);
      return false;
    }
    answer.named(undefined, text(value, 'id'));
    answer.say(0, 'reasoning', text(whole, 'tool_plan'));
    for (const each of list(get(whole, 'content'))) {
      answer.say(0, 'reasoning', text(facts(each), 'thinking'));
      answer.say(0, 'text', text(facts(each), 'text'));
    }
    list(get(whole, 'tool_calls')).forEach((each, at) => {
      const named = sub(facts(each), 'function');
      const path = ['message', 'tool_calls', at, 'function', 'arguments'];
      answer.wholeCall(0, { id: text(facts(each), 'id'), name: text(named, 'name') }, get(named, 'arguments'), json, path);
    });
    over(answer, value);
    return true;
  },
};

function over(answer: Answer, it: Facts): void {
  answer.finish(0, text(it, 'finish_reason'));
  const used = sub(it, 'usage');
  for (const name of ['tokens', 'billed_units']) {
    const counts = sub(used, name);
    if (count(counts, 'input_tokens') === undefined && count(counts, 'output_tokens') === undefined) continue;
    answer.usage.input = count(counts, 'input_tokens');
    answer.usage.output = count(counts, 'output_tokens');
    break;
  }
  answer.usage.cacheRead = count(used, 'cached_tokens');
  const error = text(it, 'error');
  if (error !== undefined) answer.error = { type: 'error', message: error };
  answer.done = true;
}

/** Embed, version 2. */
export const cohereEmbed: Api = {
  name: 'cohere.embed',
  prompt: (body, model) => ({
    ...m.emptyPrompt(),
    model: text(body, 'model') ?? model,
    messages: [
      {
        role: 'user',
        parts: list(get(body, 'texts')).flatMap((each) => (typeof each === 'string' ? [{ type: 'text' as const, content: each }] : [])),
      },
    ],
  }),
  take(answer, value) {
    answer.named(undefined, text(value, 'id'));
    answer.usage.input = count(sub(sub(value, 'meta'), 'billed_units'), 'input_tokens');
    answer.done = true;
    return true;
  },
};
