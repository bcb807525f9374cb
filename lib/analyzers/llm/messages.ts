/** Messages in OpenTelemetry's form, out of what the APIs send: parts that several of them share. */
import { createHash } from 'node:crypto';
import type { ChatMessage, MessagePart, ToolDefinition } from '../../stream/event.js';
import { type Facts, facts, get, isFacts, list, sub, text } from '../../stream/facts.js';
import { argumentsOf, bounded } from './json.js';

/** Results within results: real ones nest three deep, hostile ones as deep as the stack. */
export const MOST_NESTED = 8;
/** Characters of a tool's description. */
const MOST_DESCRIPTION = 4096;

/** What a request says, in one form for all APIs. */
export interface Prompt {
  model?: string | undefined;
  stream: boolean;
  params: Record<string, unknown>;
  tools: ToolDefinition[];
  /** Instructions that stand apart from the messages. */
  system: MessagePart[];
  messages: ChatMessage[];
  conversation?: string | undefined;
  /** The response that this request goes on from, where the server keeps the messages. */
  previous?: string | undefined;
}

export function emptyPrompt(): Prompt {
  return { stream: false, params: {}, tools: [], system: [], messages: [] };
}

export function say(content: string): MessagePart[] {
  return content === '' ? [] : [{ type: 'text', content }];
}

export function reasoning(content: string | undefined): MessagePart[] {
  return content === undefined || content === '' ? [] : [{ type: 'reasoning', content }];
}

/** A call whose arguments are a value, or the text of one. */
export function toolCall(id: string | undefined, name: string | undefined, args: unknown, server = false): MessagePart {
  return {
    type: 'tool_call',
    ...(id === undefined ? {} : { id }),
    name: name ?? '',
    ...(server ? { server: true as const } : {}),
    ...(typeof args === 'string'
      ? argumentsOf(args)
      : args === undefined || args === null
        ? { arguments: {} }
        : { arguments: bounded(args) }),
  };
}

export function toolResponse(id: string | undefined, response: unknown, isError = false, server = false): MessagePart {
  return {
    type: 'tool_call_response',
    ...(id === undefined ? {} : { id }),
    ...(server ? { server: true as const } : {}),
    ...(isError ? { is_error: true as const } : {}),
    response,
  };
}

/** Base64 from a request, by its size and hash: the same picture is sent anew with every turn. `content` is left out when it is printed. */
export function blob(modality: string, mime_type: string | undefined, base64: string): MessagePart {
  const bytes = Buffer.from(base64, 'base64');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { type: 'blob', modality, ...(mime_type === undefined ? {} : { mime_type }), size_bytes: bytes.length, sha256, content: base64 };
}

/** A `data:` address is a blob, any other a place. */
export function uri(modality: string, mime_type: string | undefined, address: string): MessagePart {
  const inline = /^data:([^;,]*)(?:;[^,]*)?,/.exec(address.slice(0, 512));
  if (inline !== null) return blob(modality, inline[1] || mime_type, address.slice(inline[0].length));
  return { type: 'uri', modality, ...(mime_type === undefined ? {} : { mime_type }), uri: address };
}

export function file(modality: string, mime_type: string | undefined, file_id: string): MessagePart {
  return { type: 'file', modality, ...(mime_type === undefined ? {} : { mime_type }), file_id };
}

/** A part of a kind that the convention does not know. */
export function other(name: string, value: unknown): MessagePart {
  return { type: 'other', name, ...(value === undefined ? {} : { content: bounded(value) }) };
}

export function modalityOf(mime: string | undefined): string {
  const kind = mime?.split('/')[0] ?? '';
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'document';
}

/** Messages of the model in a row are one: some clients send back what was one answer in several. */
export function joinAnswers(messages: readonly ChatMessage[]): ChatMessage[] {
  const joined: ChatMessage[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (last?.role === 'assistant' && message.role === 'assistant') {
      for (const part of message.parts) {
        const before = last.parts.at(-1);
        if (before !== undefined && 'content' in before && before.type === part.type && (part.type === 'text' || part.type === 'reasoning'))
          before.content += part.content;
        else last.parts.push(part);
      }
    } else joined.push({ ...message, parts: [...message.parts] });
  }
  return joined;
}

/** A tool on offer, from `{name, description}` or what holds one. */
export function toolDefinition(tool: Facts): ToolDefinition | undefined {
  const inner = isFacts(get(tool, 'function')) ? sub(tool, 'function') : isFacts(get(tool, 'toolSpec')) ? sub(tool, 'toolSpec') : tool;
  const name = text(inner, 'name') ?? text(inner, 'type') ?? Object.keys(inner)[0];
  if (name === undefined) return undefined;
  const description = text(inner, 'description');
  return { name, ...(description === undefined || description === '' ? {} : { description: description.slice(0, MOST_DESCRIPTION) }) };
}

/** Tools on offer, those in named groups (Codex: `namespace`) by themselves. */
export function toolDefinitions(tools: unknown, depth = 0): ToolDefinition[] {
  return list(tools).flatMap((tool) => {
    const it = facts(tool);
    if (Array.isArray(get(it, 'tools')) && depth < MOST_NESTED) return toolDefinitions(get(it, 'tools'), depth + 1);
    const found = toolDefinition(it);
    return found === undefined ? [] : [found];
  });
}

/** Settings worth a line, by their own names; objects only where they are small. */
const PARAMS = [
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'max_tokens_to_sample',
  'maxTokens',
  'maxOutputTokens',
  'max_new_tokens',
  'max_gen_len',
  'maxTokenCount',
  'num_predict',
  'num_ctx',
  'temperature',
  'top_p',
  'topP',
  'top_k',
  'topK',
  'k',
  'p',
  'n',
  'candidateCount',
  'seed',
  'stop',
  'stop_sequences',
  'stopSequences',
  'presence_penalty',
  'presencePenalty',
  'frequency_penalty',
  'frequencyPenalty',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'thinkingConfig',
  'think',
  'tool_choice',
  'toolChoice',
  'parallel_tool_calls',
  'response_format',
  'responseMimeType',
  'service_tier',
  'encoding_format',
  'dimensions',
  'store',
  'truncation',
  'generate',
] as const;
const PARAM_CHARACTERS = 1024;

/** The settings of a request: from `body` and from the objects in it that some APIs keep them in. */
export function paramsOf(...sources: readonly Facts[]): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const source of sources) {
    for (const name of PARAMS) {
      const value = get(source, name);
      if (value === undefined || value === null) continue;
      if (typeof value === 'number' || typeof value === 'boolean') params[name] = value;
      else if (typeof value === 'string') params[name] = value.slice(0, PARAM_CHARACTERS);
      else if (bounded(value) === value && JSON.stringify(value).length <= PARAM_CHARACTERS) params[name] = value;
    }
  }
  return params;
}
