/** The pretend model behind the Anthropic Messages API: https://docs.anthropic.com/en/api/messages */
import { answer, pieces, type Question, type Reply, tokens } from './model.js';

interface Block {
  type?: string;
  text?: string;
  content?: unknown;
}

export interface MessagesRequest {
  model?: string;
  stream?: boolean;
  tools?: { name?: string }[];
  messages: { role?: string; content?: string | Block[] }[];
}

/** One event of a stream: its name and its data. */
export interface StreamEvent {
  event: string;
  data: Record<string, unknown>;
}

function blocks(content: unknown): Block[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return Array.isArray(content) ? (content as Block[]) : [];
}

function textOf(content: unknown): string {
  return blocks(content)
    .map((block) => block.text ?? '')
    .join('');
}

function questionOf(request: MessagesRequest): Question {
  // Agents put what they have to add into messages of its own, after the user's.
  const since = request.messages.findLastIndex((message) => message.role === 'assistant') + 1;
  const last = request.messages.slice(since).flatMap((message) => blocks(message.content));
  return {
    text: last.map((block) => block.text ?? '').join(' '),
    tools: (request.tools ?? []).map((tool) => tool.name ?? ''),
    results: last.filter((block) => block.type === 'tool_result').map((block) => textOf(block.content)),
  };
}

interface Message {
  id: string;
  reply: Reply;
  content: Record<string, unknown>[];
  stop_reason: string;
  usage: { input_tokens: number; output_tokens: number };
}

function messageOf(request: MessagesRequest, n: number): Message {
  const reply = answer(questionOf(request));
  const content: Record<string, unknown>[] = [{ type: 'text', text: reply.text }];
  if (reply.call !== undefined) content.push({ type: 'tool_use', id: `toolu_${n}`, name: reply.call.name, input: reply.call.arguments });
  const said = request.messages.map((message) => textOf(message.content)).join(' ');
  return {
    id: `msg_${n}`,
    reply,
    content,
    stop_reason: reply.call === undefined ? 'end_turn' : 'tool_use',
    usage: { input_tokens: tokens(said), output_tokens: tokens(reply.text) + (reply.call === undefined ? 0 : 5) },
  };
}

/** The answer as one JSON object. `n` numbers the answers of this server. */
export function whole(request: MessagesRequest, n: number): Record<string, unknown> {
  const { id, content, stop_reason, usage } = messageOf(request, n);
  return { id, type: 'message', role: 'assistant', model: request.model, content, stop_reason, stop_sequence: null, usage };
}

/** The answer as the events of a stream. */
export function* streamed(request: MessagesRequest, n: number): Generator<StreamEvent> {
  const { id, reply, stop_reason, usage } = messageOf(request, n);
  const event = (data: Record<string, unknown> & { type: string }): StreamEvent => ({ event: data.type, data });
  yield event({
    type: 'message_start',
    message: {
      id,
      type: 'message',
      role: 'assistant',
      model: request.model,
      content: [],
      stop_reason: null,
      usage: { ...usage, output_tokens: 1 },
    },
  });
  yield event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
  yield event({ type: 'ping' });
  for (const text of pieces(reply.text)) yield event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
  yield event({ type: 'content_block_stop', index: 0 });
  if (reply.call !== undefined) {
    yield event({
      type: 'content_block_start',
      index: 1,
      content_block: { type: 'tool_use', id: `toolu_${n}`, name: reply.call.name, input: {} },
    });
    for (const partial_json of slices(JSON.stringify(reply.call.arguments), 7)) {
      yield event({ type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json } });
    }
    yield event({ type: 'content_block_stop', index: 1 });
  }
  yield event({ type: 'message_delta', delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: usage.output_tokens } });
  yield event({ type: 'message_stop' });
}

/** JSON in pieces that respect nothing, as models send it. */
export function slices(text: string, length: number): string[] {
  const characters = [...text];
  return Array.from({ length: Math.ceil(characters.length / length) }, (_, n) => characters.slice(n * length, (n + 1) * length).join(''));
}
