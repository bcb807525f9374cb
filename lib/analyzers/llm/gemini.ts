/** Gemini's generateContent and its kin, of AI Studio, Vertex and Code Assist (ai.google.dev/api/generate-content). */
import type { ChatMessage, MessagePart } from '../../stream/event.js';
import { count, type Facts, facts, get, isFacts, list, num, sub, text } from '../../stream/facts.js';
import { type Answer, errorOf } from './answer.js';
import type { Api } from './api.js';
import { bounded } from './json.js';
import * as m from './messages.js';

export const gemini: Api = {
  name: 'gemini.generate_content',

  prompt(outer, model) {
    // Code Assist: `{model, project, request: {contents}}`. countTokens may hold a whole generateContentRequest.
    const inner = isFacts(get(outer, 'request')) ? sub(outer, 'request') : sub(outer, 'generateContentRequest');
    const body = Object.keys(inner).length > 0 ? inner : outer;
    const config = facts(either(body, 'generationConfig', 'generation_config'));
    return {
      model: model ?? (text(outer, 'model') ?? text(body, 'model'))?.replace(/^models\//, ''),
      stream: false,
      params: m.paramsOf(config),
      tools: list(get(body, 'tools')).flatMap((tool) => {
        const declared = either(facts(tool), 'functionDeclarations', 'function_declarations');
        return Array.isArray(declared) ? m.toolDefinitions(declared) : Object.keys(facts(tool)).map((name) => ({ name }));
      }),
      system: partsOf(facts(either(body, 'systemInstruction', 'system_instruction'))),
      messages: m.joinAnswers(contentsOf(body).map(message)),
      conversation: text(body, 'session_id'),
    };
  },

  take(answer, outer, _event, json) {
    const wrapped = isFacts(get(outer, 'response'));
    const value = wrapped ? sub(outer, 'response') : outer;
    const path = wrapped ? ['response'] : [];
    if (isFacts(get(value, 'error'))) {
      answer.error = errorOf(value);
      return false;
    }
    answer.named(text(value, 'modelVersion'), text(value, 'responseId'));
    usage(answer, sub(value, 'usageMetadata'));
    const blocked = text(sub(value, 'promptFeedback'), 'blockReason');
    if (blocked !== undefined) {
      answer.reasons = [blocked];
      answer.error = { type: 'content_filter', code: blocked };
      answer.done = true;
    }
    let said = false;
    list(get(value, 'candidates')).forEach((each, at) => {
      const candidate = facts(each);
      const index = num(candidate, 'index') ?? at;
      list(get(sub(candidate, 'content'), 'parts')).forEach((part, n) => {
        if (takePart(answer, index, facts(part), json, [...path, 'candidates', at, 'content', 'parts', n])) said = true;
      });
      const reason = text(candidate, 'finishReason');
      answer.finish(index, reason);
      if (reason !== undefined) answer.done = true;
    });
    if (count(value, 'totalTokens') !== undefined) {
      answer.usage.input = count(value, 'totalTokens');
      answer.done = true;
    }
    if (get(value, 'embedding') !== undefined || get(value, 'embeddings') !== undefined) answer.done = true;
    return said;
  },
};

/** Members have camel case; the server takes snake case as well. */
function either(body: Facts, name: string, other: string): unknown {
  return get(body, name) ?? get(body, other);
}

/** `contents`; of an embedding `content`, one or in each of `requests`. */
function contentsOf(body: Facts): readonly unknown[] {
  const contents = get(body, 'contents');
  if (Array.isArray(contents)) return contents;
  if (typeof contents === 'string') return [{ parts: [{ text: contents }] }];
  if (isFacts(contents)) return [contents];
  if (isFacts(get(body, 'content'))) return [get(body, 'content')];
  return list(get(body, 'requests')).map((request) => get(facts(request), 'content'));
}

function usage(answer: Answer, used: Facts): void {
  const { usage: known } = answer;
  const prompt = count(used, 'promptTokenCount');
  const tools = count(used, 'toolUsePromptTokenCount');
  if (prompt !== undefined || tools !== undefined) known.input = (prompt ?? 0) + (tools ?? 0);
  const candidates = count(used, 'candidatesTokenCount');
  const thoughts = count(used, 'thoughtsTokenCount');
  if (candidates !== undefined || thoughts !== undefined) known.output = (candidates ?? 0) + (thoughts ?? 0);
  known.reasoning = thoughts ?? known.reasoning;
  known.cacheRead = count(used, 'cachedContentTokenCount') ?? known.cacheRead;
}

function takePart(answer: Answer, index: number, part: Facts, json: string, path: readonly (string | number)[]): boolean {
  const said = text(part, 'text');
  if (said !== undefined) return answer.say(index, get(part, 'thought') === true ? 'reasoning' : 'text', said);
  for (const name of ['functionCall', 'function_call']) {
    const call = get(part, name);
    if (!isFacts(call)) continue;
    return answer.wholeCall(index, { id: text(call, 'id'), name: text(call, 'name') }, get(call, 'args'), json, [...path, name, 'args']);
  }
  let any = false;
  for (const one of readPart(part)) any = answer.part(index, one) || any;
  return any;
}

function message(value: unknown): ChatMessage {
  const it = facts(value);
  const role = text(it, 'role');
  const parts = partsOf(it);
  if (role === 'model') return { role: 'assistant', parts };
  // A result of a tool comes as said by the user.
  if (parts.length > 0 && parts.every((part) => part.type === 'tool_call_response')) return { role: 'tool', parts };
  return { role: role ?? 'user', parts };
}

function partsOf(content: Facts): MessagePart[] {
  const parts = get(content, 'parts');
  if (isFacts(parts)) return readPart(parts);
  return list(parts).flatMap((part) => readPart(facts(part)));
}

function readPart(part: Facts): MessagePart[] {
  const said = text(part, 'text');
  if (said !== undefined) return get(part, 'thought') === true ? m.reasoning(said) : m.say(said);
  const call = either(part, 'functionCall', 'function_call');
  if (isFacts(call)) return [m.toolCall(text(call, 'id'), text(call, 'name'), get(call, 'args') ?? {})];
  const response = either(part, 'functionResponse', 'function_response');
  // Without an id the name is all that joins it to its call.
  if (isFacts(response))
    return [m.toolResponse(text(response, 'id') ?? text(response, 'name'), bounded(get(response, 'response') ?? null))];
  const inline = either(part, 'inlineData', 'inline_data');
  if (isFacts(inline)) {
    const mime = text(inline, 'mimeType') ?? text(inline, 'mime_type');
    return [m.blob(m.modalityOf(mime), mime, text(inline, 'data') ?? '')];
  }
  const file = either(part, 'fileData', 'file_data');
  if (isFacts(file)) {
    const mime = text(file, 'mimeType') ?? text(file, 'mime_type');
    return [m.uri(m.modalityOf(mime), mime, text(file, 'fileUri') ?? text(file, 'file_uri') ?? '')];
  }
  const code = either(part, 'executableCode', 'executable_code');
  // The model's own sandbox ran it: no call of a tool that has a name.
  if (isFacts(code)) return [m.other('executable_code', code)];
  const ran = either(part, 'codeExecutionResult', 'code_execution_result');
  if (isFacts(ran)) return [m.other('code_execution_result', ran)];
  const names = Object.keys(part).filter((name) => name !== 'thoughtSignature' && name !== 'thought');
  return names.length === 0 ? [] : [m.other(names[0] as string, part)];
}
