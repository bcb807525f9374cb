/** Amazon Bedrock: Converse, and InvokeModel with what each family of models speaks (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html). */
import type { ChatMessage, MessagePart } from '../../stream/event.js';
import { count, type Facts, facts, get, isFacts, list, num, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import { anthropic } from './anthropic.js';
import type { Api } from './api.js';
import { bounded, parsed } from './json.js';
import * as m from './messages.js';
import { chatCompletions } from './openai.js';

export const converse: Api = {
  name: 'bedrock.converse',

  prompt(body, model) {
    return {
      model: model ?? text(body, 'modelId'),
      stream: false,
      params: m.paramsOf(sub(body, 'inferenceConfig')),
      tools: m.toolDefinitions(get(sub(body, 'toolConfig'), 'tools')),
      system: blocks(get(body, 'system')),
      messages: list(get(body, 'messages')).map(message),
    };
  },

  take(answer, value, event, json) {
    // A whole answer.
    const whole = get(sub(value, 'output'), 'message');
    if (isFacts(whole)) {
      list(get(whole, 'content')).forEach((block, at) => {
        wholeBlock(answer, facts(block), json, ['output', 'message', 'content', at]);
      });
      usage(answer, sub(value, 'usage'));
      answer.finish(0, text(value, 'stopReason'));
      answer.done = true;
      return true;
    }
    // Converse names its events in a header, Nova's InvokeModel by the only member.
    const named = /^(?:message(?:Start|Stop)|contentBlock(?:Start|Delta|Stop)|metadata)$/;
    const name = named.test(event) ? event : Object.keys(value).find((key) => named.test(key));
    const it = name === undefined || name === event ? value : sub(value, name);
    if (name === undefined) {
      if (text(value, 'message') !== undefined && Object.keys(value).length <= 3) answer.error ??= errorOf(value);
      return false;
    }
    const key = String(num(it, 'contentBlockIndex') ?? 0);
    if (name === 'contentBlockStart') {
      const tool = sub(sub(it, 'start'), 'toolUse');
      const id = text(tool, 'toolUseId');
      const call = id === undefined ? undefined : answer.call(0, key);
      if (call === undefined) return false;
      call.id = id;
      call.name = text(tool, 'name');
      return true;
    }
    if (name === 'contentBlockDelta') {
      const delta = sub(it, 'delta');
      const input = get(sub(delta, 'toolUse'), 'input');
      if (typeof input === 'string') return answer.argument(answer.call(0, key), input);
      const said = answer.say(0, 'reasoning', text(sub(delta, 'reasoningContent'), 'text'), key);
      return answer.say(0, 'text', text(delta, 'text'), key) || said;
    }
    if (name === 'messageStop') {
      answer.finish(0, text(it, 'stopReason'));
      answer.done = true;
    }
    if (name === 'metadata') usage(answer, sub(it, 'usage'));
    return false;
  },
};

/** Cached input is counted apart. */
function usage(answer: Answer, used: Facts): void {
  const { usage: known } = answer;
  const fresh = count(used, 'inputTokens');
  known.cacheRead = count(used, 'cacheReadInputTokens') ?? count(used, 'cacheReadInputTokenCount') ?? known.cacheRead;
  known.cacheCreation = count(used, 'cacheWriteInputTokens') ?? count(used, 'cacheWriteInputTokenCount') ?? known.cacheCreation;
  if (fresh !== undefined) known.input = fresh + (known.cacheRead ?? 0) + (known.cacheCreation ?? 0);
  known.output = count(used, 'outputTokens') ?? known.output;
}

function wholeBlock(answer: Answer, block: Facts, json: string, path: readonly (string | number)[]): void {
  const tool = get(block, 'toolUse');
  if (isFacts(tool)) {
    const call = { id: text(tool, 'toolUseId'), name: text(tool, 'name') };
    answer.wholeCall(0, call, get(tool, 'input'), json, [...path, 'toolUse', 'input']);
  } else for (const part of blockParts(block)) answer.part(0, part);
}

function message(value: unknown): ChatMessage {
  const it = facts(value);
  return { role: text(it, 'role') ?? 'user', parts: blocks(get(it, 'content')) };
}

function blocks(content: unknown): MessagePart[] {
  if (typeof content === 'string') return m.say(content);
  return list(content).flatMap((block) => (typeof block === 'string' ? m.say(block) : blockParts(facts(block))));
}

/** A content block: an object whose only member says what it is. */
function blockParts(block: Facts): MessagePart[] {
  const said = text(block, 'text');
  if (said !== undefined) return m.say(said);
  const tool = get(block, 'toolUse');
  if (isFacts(tool)) return [m.toolCall(text(tool, 'toolUseId'), text(tool, 'name'), get(tool, 'input'))];
  const result = get(block, 'toolResult');
  if (isFacts(result)) {
    const content = list(get(result, 'content'));
    const texts = content.map((part) => text(facts(part), 'text'));
    const response = texts.every((each) => each !== undefined)
      ? texts.join('\n')
      : content.length === 1 && get(facts(content[0]), 'json') !== undefined
        ? bounded(get(facts(content[0]), 'json'))
        : content.map((part) => mediaPart(facts(part)) ?? bounded(part));
    return [m.toolResponse(text(result, 'toolUseId'), response, text(result, 'status') === 'error')];
  }
  const thought = get(block, 'reasoningContent');
  if (isFacts(thought)) return m.reasoning(text(sub(thought, 'reasoningText'), 'text'));
  if (get(block, 'cachePoint') !== undefined) return [];
  return [mediaPart(block) ?? m.other(Object.keys(block)[0] ?? 'block', block)];
}

function mediaPart(block: Facts): MessagePart | undefined {
  for (const kind of ['image', 'document', 'video', 'audio']) {
    const it = get(block, kind);
    if (!isFacts(it)) continue;
    const format = text(it, 'format');
    const mime = format === undefined ? undefined : `${kind === 'document' ? 'application' : kind}/${format}`;
    const bytes = text(sub(it, 'source'), 'bytes');
    const place = text(sub(sub(it, 'source'), 's3Location'), 'uri');
    if (bytes !== undefined) return m.blob(kind, mime, bytes);
    if (place !== undefined) return m.uri(kind, mime, place);
  }
  return undefined;
}

const chat = chatCompletions('bedrock.invoke_model');

/** InvokeModel: the body is the model family's own. */
export const invokeModel: Api = {
  name: 'bedrock.invoke_model',

  prompt(body, model) {
    const messages = list(get(body, 'messages'));
    const prompted = text(body, 'prompt') ?? text(body, 'inputText') ?? text(body, 'message');
    if (messages.length === 0 && prompted !== undefined) {
      return {
        ...m.emptyPrompt(),
        model,
        params: m.paramsOf(body, sub(body, 'textGenerationConfig')),
        messages: [{ role: 'user', parts: m.say(prompted) }],
      };
    }
    if (text(body, 'anthropic_version') !== undefined) return { ...anthropic.prompt(body, model), model, stream: false };
    const typed = messages.some((each) => list(get(facts(each), 'content')).some((block) => text(facts(block), 'type') !== undefined));
    const plain = messages.every((each) => typeof get(facts(each), 'content') === 'string');
    const prompt = typed || (plain && !Array.isArray(get(body, 'system'))) ? chat.prompt(body, model) : converse.prompt(body, model);
    return { ...prompt, model, stream: false };
  },

  take(answer, outer, event, json) {
    const coded = text(outer, 'bytes');
    if (coded !== undefined) {
      const inner = Buffer.from(coded, 'base64').toString('utf8');
      const value = parsed(inner);
      return isFacts(value) ? family(answer, value, 'message', inner) : false;
    }
    return family(answer, outer, event, json);
  },
};

function family(answer: Answer, value: Facts, event: string, json: string): boolean {
  const said = speak(answer, value, event, json);
  const metrics = get(value, 'amazon-bedrock-invocationMetrics');
  if (isFacts(metrics)) {
    const { usage: known } = answer;
    known.cacheRead ??= count(metrics, 'cacheReadInputTokenCount');
    known.cacheCreation ??= count(metrics, 'cacheWriteInputTokenCount');
    const fresh = count(metrics, 'inputTokenCount');
    if (fresh !== undefined) known.input ??= fresh + (known.cacheRead ?? 0) + (known.cacheCreation ?? 0);
    known.output ??= count(metrics, 'outputTokenCount');
    answer.done = true;
  }
  return said;
}

function speak(answer: Answer, value: Facts, event: string, json: string): boolean {
  const type = text(value, 'type');
  if (get(value, 'choices') !== undefined) return chat.take(answer, value, event, json);
  if (type !== undefined || get(value, 'completion') !== undefined) return anthropic.take(answer, value, event, json);
  // Titan, whole and streamed.
  const results = get(value, 'results');
  if (Array.isArray(results)) {
    results.forEach((each, at) => {
      answer.say(at, 'text', text(facts(each), 'outputText'));
      answer.finish(at, text(facts(each), 'completionReason'));
      answer.usage.output = (at === 0 ? 0 : (answer.usage.output ?? 0)) + (count(facts(each), 'tokenCount') ?? 0);
    });
    answer.usage.input = count(value, 'inputTextTokenCount');
    answer.done = true;
    return true;
  }
  if (get(value, 'outputText') !== undefined) {
    answer.usage.input = count(value, 'inputTextTokenCount') ?? answer.usage.input;
    answer.usage.output = count(value, 'totalOutputTextTokenCount') ?? answer.usage.output;
    finish(answer, text(value, 'completionReason'));
    return answer.say(0, 'text', text(value, 'outputText'));
  }
  // Llama.
  if (get(value, 'generation') !== undefined) {
    answer.usage.input = count(value, 'prompt_token_count') ?? answer.usage.input;
    answer.usage.output = count(value, 'generation_token_count') ?? answer.usage.output;
    finish(answer, text(value, 'stop_reason'));
    return answer.say(0, 'text', text(value, 'generation'));
  }
  // Mistral, Cohere, AI21.
  for (const name of ['outputs', 'generations', 'completions']) {
    const all = get(value, name);
    if (!Array.isArray(all)) continue;
    let said = false;
    all.forEach((each, at) => {
      const it = facts(each);
      said = answer.say(at, 'text', text(it, 'text') ?? text(sub(it, 'data'), 'text')) || said;
      const reason = text(it, 'stop_reason') ?? text(it, 'finish_reason') ?? text(sub(it, 'finishReason'), 'reason');
      answer.finish(at, reason);
      if (reason !== undefined) answer.done = true;
    });
    return said;
  }
  if (text(value, 'text') !== undefined) {
    finish(answer, text(value, 'finish_reason'));
    return answer.say(0, 'text', text(value, 'text'));
  }
  return converse.take(answer, value, event, json);
}

function finish(answer: Answer, reason: string | undefined): void {
  answer.finish(0, reason);
  if (reason !== undefined) answer.done = true;
}
