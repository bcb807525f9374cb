/** The pretend model behind the OpenAI Chat Completions API: https://platform.openai.com/docs/api-reference/chat */
import { slices } from './anthropic.js';
import { answer, pieces, type Question, type Reply, tokens } from './model.js';

export interface ChatRequest {
  model?: string;
  stream?: boolean;
  stream_options?: { include_usage?: boolean };
  tools?: { function?: { name?: string } }[];
  messages: { role?: string; content?: string | { text?: string }[] | null }[];
}

function textOf(content: ChatRequest['messages'][number]['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join(' ');
}

/** Results count when they stand behind the user's last message. */
function questionOf(request: ChatRequest): Question {
  const last = request.messages.findLastIndex((message) => message.role === 'user');
  return {
    text: textOf(request.messages[last]?.content),
    tools: (request.tools ?? []).map((tool) => tool.function?.name ?? ''),
    results: request.messages
      .slice(last + 1)
      .filter((message) => message.role === 'tool')
      .map((message) => textOf(message.content)),
  };
}

function usageOf(request: ChatRequest, reply: Reply): Record<string, number> {
  const prompt_tokens = tokens(request.messages.map((message) => textOf(message.content)).join(' '));
  const completion_tokens = tokens(reply.text) + (reply.call === undefined ? 0 : 5);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

function finish(reply: Reply): string {
  return reply.call === undefined ? 'stop' : 'tool_calls';
}

/** The answer as one JSON object. `n` numbers the answers of this server. */
export function whole(request: ChatRequest, n: number): Record<string, unknown> {
  const reply = answer(questionOf(request));
  const message: Record<string, unknown> = { role: 'assistant', content: reply.text };
  if (reply.call !== undefined) {
    message.tool_calls = [
      { id: `call_${n}`, type: 'function', function: { name: reply.call.name, arguments: JSON.stringify(reply.call.arguments) } },
    ];
  }
  return {
    id: `chatcmpl-${n}`,
    object: 'chat.completion',
    model: request.model,
    choices: [{ index: 0, message, finish_reason: finish(reply) }],
    usage: usageOf(request, reply),
  };
}

/** The answer as the data of unnamed events; `[DONE]` follows them. */
export function* streamed(request: ChatRequest, n: number): Generator<Record<string, unknown>> {
  const reply = answer(questionOf(request));
  const chunk = (choices: Record<string, unknown>[], rest: Record<string, unknown> = {}): Record<string, unknown> => ({
    id: `chatcmpl-${n}`,
    object: 'chat.completion.chunk',
    model: request.model,
    choices,
    ...rest,
  });
  const delta = (delta: Record<string, unknown>): Record<string, unknown> => chunk([{ index: 0, delta, finish_reason: null }]);
  yield delta({ role: 'assistant', content: '' });
  for (const content of pieces(reply.text)) yield delta({ content });
  if (reply.call !== undefined) {
    yield delta({ tool_calls: [{ index: 0, id: `call_${n}`, type: 'function', function: { name: reply.call.name, arguments: '' } }] });
    for (const part of slices(JSON.stringify(reply.call.arguments), 5))
      yield delta({ tool_calls: [{ index: 0, function: { arguments: part } }] });
  }
  yield chunk([{ index: 0, delta: {}, finish_reason: finish(reply) }]);
  if (request.stream_options?.include_usage) yield chunk([], { usage: usageOf(request, reply) });
}
