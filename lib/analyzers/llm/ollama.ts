/** Ollama's own API (docs.ollama.com/api): one JSON object, or one per line. */
import type { ChatMessage, MessagePart } from '../../stream/event.js';
import { count, facts, get, isFacts, list, sub, text } from '../../stream/facts.js';
import type { Answer } from './answer.js';
import type { Api } from './api.js';
import * as m from './messages.js';
import { message as chatMessage, result } from './openai.js';

export const ollamaChat: Api = {
  ...ollama('ollama.chat'),
  prompt: (body, model) => prompt(body, model, list(get(body, 'messages')).map(message)),
};

export const ollamaGenerate: Api = {
  ...ollama('ollama.generate'),
  prompt: (body, model) => ({
    ...prompt(body, model, [{ role: 'user', parts: [...m.say(text(body, 'prompt') ?? ''), ...images(get(body, 'images'))] }]),
    system: m.say(text(body, 'system') ?? ''),
  }),
};

export const ollamaEmbed: Api = {
  ...ollama('ollama.embed'),
  prompt: (body, model) => {
    const input = get(body, 'input') ?? get(body, 'prompt');
    const texts = typeof input === 'string' ? [input] : list(input).filter((each) => typeof each === 'string');
    return { ...prompt(body, model, [{ role: 'user', parts: texts.map((content) => ({ type: 'text', content })) }]), stream: false };
  },
};

function prompt(body: Parameters<Api['prompt']>[0], model: string | undefined, messages: ChatMessage[]): m.Prompt {
  return {
    model: text(body, 'model') ?? model,
    // Unlike all others it streams unless it is told not to.
    stream: get(body, 'stream') !== false,
    params: m.paramsOf(body, sub(body, 'options')),
    tools: m.toolDefinitions(get(body, 'tools')),
    system: [],
    messages,
  };
}

function ollama(name: string): Api {
  return {
    name,
    prompt: (body, model) => prompt(body, model, []),
    take(answer: Answer, value, _event, json) {
      const error = text(value, 'error');
      if (error !== undefined) {
        answer.error = { type: 'error', message: error };
        return false;
      }
      answer.named(text(value, 'model'), undefined);
      const message = sub(value, 'message');
      let said = answer.say(0, 'reasoning', text(message, 'thinking') ?? text(value, 'thinking'));
      said = answer.say(0, 'text', text(message, 'content') ?? text(value, 'response')) || said;
      list(get(message, 'tool_calls')).forEach((each, at) => {
        const named = sub(facts(each), 'function');
        const path = ['message', 'tool_calls', at, 'function', 'arguments'];
        const call = { id: text(facts(each), 'id'), name: text(named, 'name') };
        said = answer.wholeCall(0, call, get(named, 'arguments'), json, path) || said;
      });
      if (get(value, 'done') === true || get(value, 'embeddings') !== undefined || get(value, 'embedding') !== undefined) {
        answer.done = true;
        answer.finish(0, text(value, 'done_reason'));
        answer.usage.input = count(value, 'prompt_eval_count');
        answer.usage.output = count(value, 'eval_count');
      }
      return said;
    },
  };
}

function message(value: unknown): ChatMessage {
  const it = facts(value);
  if (text(it, 'role') === 'tool') {
    // The name is all that joins it to its call, in older versions.
    return { role: 'tool', parts: [m.toolResponse(text(it, 'tool_call_id') ?? text(it, 'tool_name'), result(get(it, 'content')))] };
  }
  const read = chatMessage(isFacts(value) ? value : {});
  return { ...read, parts: [...m.reasoning(text(it, 'thinking')), ...read.parts, ...images(get(it, 'images'))] };
}

function images(value: unknown): MessagePart[] {
  return list(value).flatMap((image) => (typeof image === 'string' ? [m.blob('image', undefined, image)] : []));
}
