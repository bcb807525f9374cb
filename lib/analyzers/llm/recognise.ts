/**
 * Tells a model call by its request: the path of a known API and a body of its shape, on any host, because gateways and
 * local servers speak the same. What lacks either is none: `/v1/messages` of a mail service passes.
 */
import type { LlmOperation } from '../../stream/event.js';
import { type Facts, get, isFacts, list, text } from '../../stream/facts.js';
import { anthropic } from './anthropic.js';
import type { Api } from './api.js';
import { converse, invokeModel } from './bedrock.js';
import { cohere, cohereEmbed } from './cohere.js';
import { gemini } from './gemini.js';
import { ollamaChat, ollamaEmbed, ollamaGenerate } from './ollama.js';
import { chatCompletions, completions, embeddings } from './openai.js';
import { responses } from './responses.js';

export interface Recognised {
  api: Api;
  operation: LlmOperation;
  /** As the path says it. */
  model?: string;
  stream?: boolean;
}

const openaiChat = chatCompletions('openai.chat_completions');
const mistralChat = chatCompletions('mistral.chat');

/** Last words of paths that a chat by shape may have where the path is no known one. */
const CHATTY = /^(?:chat|completions?|generate|generate_stream|messages?|invocations|invoke|inference|predict|stream|conversation)$/;

/**
 * @param body undefined where it could not be read (a piece of it is missing): then the path decides
 * @param provider of its host, as the provider table has it
 */
export function recognise(
  method: string,
  target: string,
  headers: Facts,
  body: Facts | undefined,
  provider: string | undefined,
): Recognised | undefined {
  if (method !== 'POST') return undefined;
  const path = target.split('?')[0] as string;
  const has = (name: string): boolean => body === undefined || get(body, name) !== undefined;
  const hasList = (name: string): boolean => body === undefined || Array.isArray(get(body, name));

  const bedrock = /\/model\/([^/]+)\/(converse|converse-stream|invoke|invoke-with-response-stream)$/.exec(path);
  if (bedrock !== null) {
    const model = decoded(bedrock[1] as string);
    const kind = bedrock[2] as string;
    if (kind.startsWith('converse')) {
      if (!hasList('messages') && !has('system') && !has('promptVariables')) return undefined;
      return { api: converse, operation: 'chat', model, stream: kind === 'converse-stream' };
    }
    const shaped = ['messages', 'prompt', 'inputText', 'message', 'texts', 'inputs'].some(has);
    return shaped ? { api: invokeModel, operation: operationOf(body), model, stream: kind !== 'invoke' } : undefined;
  }

  const google = /(?:\/models\/([^/:]+)|\/v1internal)(?::|%3[aA])(\w+)$/.exec(path);
  if (google !== null) return googleCall(google[1], google[2] as string, body);

  const [, version, last] = /(\/v\d+\w*)?\/([^/]*)$/.exec(path) ?? [];
  const parent = path.split('/').at(-2);
  switch (last) {
    case 'messages':
      return hasList('messages') && (has('model') || provider === 'anthropic') ? { api: anthropic, operation: 'chat' } : undefined;
    case 'count_tokens':
      return parent === 'messages' && hasList('messages') ? { api: anthropic, operation: 'count_tokens' } : undefined;
    case 'responses':
      return body === undefined || isResponsesBody(body) ? { api: responses, operation: 'chat' } : undefined;
    case 'completions':
      if (parent === 'chat' || parent === 'agents')
        return hasList('messages') ? { api: chatOf(provider), operation: 'chat', ...deployment(path) } : undefined;
      return has('prompt') ? { api: completions, operation: 'text_completion', ...deployment(path) } : undefined;
    case 'embeddings':
      if (parent === 'api' && has('prompt')) return { api: ollamaEmbed, operation: 'embeddings' };
      return has('input') ? { api: embeddings, operation: 'embeddings', ...deployment(path) } : undefined;
    case 'chat':
      if (parent === 'api') return hasList('messages') && has('model') ? { api: ollamaChat, operation: 'chat' } : undefined;
      if (version === '/v2') return hasList('messages') && has('model') ? { api: cohere, operation: 'chat' } : undefined;
      break;
    case 'generate':
      if (parent === 'api')
        return has('model') && (has('prompt') || has('images')) ? { api: ollamaGenerate, operation: 'text_completion' } : undefined;
      break;
    case 'embed':
      if (parent === 'api') return has('input') && has('model') ? { api: ollamaEmbed, operation: 'embeddings' } : undefined;
      if (version === '/v2')
        return (has('texts') || has('inputs')) && has('model') ? { api: cohereEmbed, operation: 'embeddings' } : undefined;
      break;
  }
  if (body === undefined || !(last === '' || CHATTY.test(last ?? ''))) return undefined;
  return byShape(headers, body);
}

/** The answer of a WebSocket is a stream of Responses events. */
export function isResponsesPath(target: string): boolean {
  return /\/responses$/.test(target.split('?')[0] as string);
}

/** What Responses are asked for with. */
export function isResponsesBody(body: Facts): boolean {
  const has = (name: string): boolean => get(body, name) !== undefined;
  return has('model') && (has('input') || has('previous_response_id') || has('prompt'));
}

/** Messages with roles, and a model: whatever the path, it is Chat Completions, or Anthropic's when the headers say so. */
function byShape(headers: Facts, body: Facts): Recognised | undefined {
  const messages = list(get(body, 'messages'));
  if (messages.length === 0 || text(body, 'model') === undefined) return undefined;
  const spoken = messages.every(
    (each) => isFacts(each) && /^(?:system|developer|user|assistant|tool|function)$/.test(text(each, 'role') ?? ''),
  );
  if (!spoken) return undefined;
  return { api: get(headers, 'anthropic-version') === undefined ? openaiChat : anthropic, operation: 'chat' };
}

function chatOf(provider: string | undefined): Api {
  return provider === 'mistral_ai' ? mistralChat : openaiChat;
}

/** Azure names the model by a deployment in the path. */
function deployment(path: string): { model?: string } {
  const name = /\/deployments\/([^/]+)\//.exec(path)?.[1];
  return name === undefined ? {} : { model: decoded(name) };
}

function googleCall(name: string | undefined, verb: string, body: Facts | undefined): Recognised | undefined {
  const inner = body === undefined ? undefined : isFacts(get(body, 'request')) ? (get(body, 'request') as Facts) : body;
  const has = (key: string): boolean => inner === undefined || get(inner, key) !== undefined;
  const model = name === undefined ? {} : { model: decoded(name) };
  switch (verb) {
    case 'generateContent':
    case 'streamGenerateContent':
      return has('contents') ? { api: gemini, operation: 'generate_content', stream: verb !== 'generateContent', ...model } : undefined;
    case 'countTokens':
      return has('contents') || has('generateContentRequest') ? { api: gemini, operation: 'count_tokens', ...model } : undefined;
    case 'embedContent':
    case 'batchEmbedContents':
      return has('content') || has('requests') ? { api: gemini, operation: 'embeddings', ...model } : undefined;
    // Anthropic on Vertex.
    case 'rawPredict':
    case 'streamRawPredict':
      return has('anthropic_version') && has('messages')
        ? { api: anthropic, operation: 'chat', stream: verb !== 'rawPredict', ...model }
        : undefined;
    default:
      return undefined;
  }
}

function operationOf(body: Facts | undefined): LlmOperation {
  if (body !== undefined && (get(body, 'texts') !== undefined || get(body, 'inputs') !== undefined)) return 'embeddings';
  return body !== undefined && get(body, 'messages') === undefined ? 'text_completion' : 'chat';
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
