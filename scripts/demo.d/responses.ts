/** The pretend model behind the OpenAI Responses API: https://platform.openai.com/docs/api-reference/responses */
import { type StreamEvent, slices } from './anthropic.js';
import { answer, pieces, type Question, type Reply, type ToolCall, tokens } from './model.js';

type Facts = Record<string, unknown>;

export interface ResponsesRequest {
  model?: string;
  stream?: boolean;
  instructions?: string;
  input: string | Facts[];
  tools?: Facts[];
  previous_response_id?: string | null;
  /** Over WebSocket: false only hands over what the next message need not repeat. */
  generate?: boolean;
}

/** A tool on offer. The arguments of a `custom` one are a text, not JSON. */
export interface Tool {
  name: string;
  custom: boolean;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: Facts) => (typeof part.text === 'string' ? part.text : '')).join(' ');
}

function items(input: ResponsesRequest['input']): Facts[] {
  return typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input;
}

/** What is on offer: in `tools`, or in items of the input; one in a namespace goes by its own name. */
export function toolsOf(request: ResponsesRequest): Tool[] {
  const named = (tool: Facts): Tool[] => {
    if (Array.isArray(tool.tools)) return (tool.tools as Facts[]).flatMap(named);
    return typeof tool.name === 'string' ? [{ name: tool.name, custom: tool.type === 'custom' }] : [];
  };
  const added = items(request.input).filter((item) => item.type === 'additional_tools');
  return [...(request.tools ?? []), ...added].flatMap(named);
}

function questionOf(request: ResponsesRequest, tools: readonly Tool[]): Question {
  const all = items(request.input);
  const last = all.findLastIndex((item) => item.role === 'user');
  const results = all.slice(last + 1).filter((item) => /_call_output$/.test(String(item.type)));
  return {
    text: textOf(all[last]?.content),
    tools: tools.map((tool) => tool.name),
    results: results.map((item) => textOf(item.output) || JSON.stringify(item.output ?? '')),
  };
}

interface Response {
  reply: Reply;
  output: Facts[];
  /** The response object without `output` and `status`. */
  frame: Facts;
  usage: Facts;
}

function callItem(call: ToolCall, tools: readonly Tool[], n: number): Facts {
  const base = { call_id: `call_${n}`, name: call.name, status: 'completed' };
  const custom = tools.find((tool) => tool.name === call.name)?.custom === true;
  if (custom) return { type: 'custom_tool_call', id: `ctc_${n}`, ...base, input: String(call.arguments.input ?? '') };
  return { type: 'function_call', id: `fc_${n}`, ...base, arguments: JSON.stringify(call.arguments) };
}

function responseOf(request: ResponsesRequest, n: number, tools: readonly Tool[]): Response {
  const reply: Reply = request.generate === false ? { text: '' } : answer(questionOf(request, tools));
  const output: Facts[] = [];
  if (reply.text !== '') {
    const content = [{ type: 'output_text', text: reply.text, annotations: [] }];
    output.push({ type: 'message', id: `msg_${n}`, role: 'assistant', status: 'completed', content });
  }
  if (reply.call !== undefined) output.push(callItem(reply.call, tools, n));
  const said = items(request.input).map((item) => textOf(item.content) + textOf(item.output));
  const input_tokens = tokens([request.instructions ?? '', ...said].join(' '));
  const output_tokens = tokens(reply.text) + (reply.call === undefined ? 0 : 5);
  return {
    reply,
    output,
    frame: { id: `resp_${n}`, object: 'response', created_at: 1764000000 + n, model: request.model },
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    },
  };
}

/** The answer as one JSON object. `n` numbers the answers of this server. */
export function whole(request: ResponsesRequest, n: number, tools = toolsOf(request)): Facts {
  const { frame, output, usage } = responseOf(request, n, tools);
  return { ...frame, status: 'completed', output, usage };
}

/** The answer as the events of a stream; over WebSocket, each is a message. */
export function* streamed(request: ResponsesRequest, n: number, tools = toolsOf(request)): Generator<StreamEvent> {
  const { reply, output, frame, usage } = responseOf(request, n, tools);
  let sequence_number = 0;
  const event = (type: string, data: Facts): StreamEvent => ({ event: type, data: { type, sequence_number: sequence_number++, ...data } });
  yield event('response.created', { response: { ...frame, status: 'in_progress', output: [] } });
  for (const [output_index, item] of output.entries()) {
    const at = { item_id: item.id, output_index };
    if (item.type === 'message') {
      const part = { ...at, content_index: 0 };
      yield event('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', content: [] } });
      yield event('response.content_part.added', { ...part, part: { type: 'output_text', text: '', annotations: [] } });
      for (const delta of pieces(reply.text)) yield event('response.output_text.delta', { ...part, delta });
      yield event('response.output_text.done', { ...part, text: reply.text });
      yield event('response.content_part.done', { ...part, part: (item.content as Facts[])[0] });
    } else {
      const [field, kind] = item.type === 'function_call' ? ['arguments', 'function_call_arguments'] : ['input', 'custom_tool_call_input'];
      const text = String(item[field as string]);
      yield event('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', [field as string]: '' } });
      for (const delta of slices(text, 6)) yield event(`response.${kind}.delta`, { ...at, delta });
      yield event(`response.${kind}.done`, { ...at, [field as string]: text });
    }
    yield event('response.output_item.done', { output_index, item });
  }
  yield event('response.completed', { response: { ...frame, status: 'completed', output, usage } });
}
