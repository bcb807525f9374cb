/** The pretend model behind Gemini's generateContent: https://ai.google.dev/api/generate-content */
import { answer, pieces, type Question, type Reply, tokens } from './model.js';

type Facts = Record<string, unknown>;

interface Part {
  text?: string;
  functionCall?: { name?: string; args?: Facts };
  functionResponse?: { name?: string; response?: Facts };
}

export interface GeminiRequest {
  contents: { role?: string; parts?: Part[] }[];
  tools?: { functionDeclarations?: { name?: string }[] }[];
  generationConfig?: { responseMimeType?: string; responseSchema?: unknown; responseJsonSchema?: unknown };
}

function questionOf(request: GeminiRequest): Question {
  const last = request.contents.at(-1)?.parts ?? [];
  return {
    text: last.map((part) => part.text ?? '').join(' '),
    tools: (request.tools ?? []).flatMap((tool) => (tool.functionDeclarations ?? []).map((declared) => declared.name ?? '')),
    results: last.flatMap((part) => {
      const said = part.functionResponse?.response;
      return said === undefined ? [] : [typeof said.output === 'string' ? said.output : JSON.stringify(said)];
    }),
  };
}

const MOST_NESTED = 8;

/** The plainest value that a JSON schema allows: what is asked for by schema must come in its shape. */
export function ofSchema(schema: unknown, depth = 0): unknown {
  const { type, enum: values, minimum, properties, items } = (schema ?? {}) as Facts;
  if (Array.isArray(values) && values.length > 0) return values[0];
  const name = String(Array.isArray(type) ? type[0] : type).toLowerCase();
  if (depth < MOST_NESTED && (name === 'object' || properties !== undefined)) {
    return Object.fromEntries(Object.entries((properties ?? {}) as Facts).map(([key, value]) => [key, ofSchema(value, depth + 1)]));
  }
  if (name === 'array') return depth < MOST_NESTED && items !== undefined ? [ofSchema(items, depth + 1)] : [];
  if (name === 'boolean') return false;
  if (name === 'number' || name === 'integer') return typeof minimum === 'number' ? minimum : 1;
  return 'pretend';
}

function replyTo(request: GeminiRequest): Reply {
  const { responseMimeType, responseSchema, responseJsonSchema } = request.generationConfig ?? {};
  const schema = responseJsonSchema ?? responseSchema;
  if (responseMimeType === 'application/json' && schema !== undefined) return { text: JSON.stringify(ofSchema(schema)) };
  return answer(questionOf(request));
}

function frame(request: GeminiRequest, model: string, n: number, reply: Reply, parts: Part[], finishReason?: string): Facts {
  const said = request.contents.flatMap((content) => (content.parts ?? []).map((part) => part.text ?? '')).join(' ');
  const promptTokenCount = tokens(said);
  const candidatesTokenCount = tokens(reply.text) + (reply.call === undefined ? 0 : 5);
  return {
    candidates: [{ content: { role: 'model', parts }, ...(finishReason === undefined ? {} : { finishReason }), index: 0 }],
    usageMetadata: { promptTokenCount, candidatesTokenCount, totalTokenCount: promptTokenCount + candidatesTokenCount },
    modelVersion: model,
    responseId: `pretend-${n}`,
  };
}

function calls(reply: Reply): Part[] {
  return reply.call === undefined ? [] : [{ functionCall: { name: reply.call.name, args: reply.call.arguments } }];
}

/** The answer as one JSON object. `n` numbers the answers of this server. */
export function whole(request: GeminiRequest, model: string, n: number): Facts {
  const reply = replyTo(request);
  return frame(request, model, n, reply, [{ text: reply.text }, ...calls(reply)], 'STOP');
}

/** The answer as the chunks of a stream. */
export function* streamed(request: GeminiRequest, model: string, n: number): Generator<Facts> {
  const reply = replyTo(request);
  for (const text of pieces(reply.text)) yield frame(request, model, n, reply, [{ text }]);
  yield frame(request, model, n, reply, reply.call === undefined ? [{ text: '' }] : calls(reply), 'STOP');
}
