/** How a call ended, and what of it fits into an event. */
import type { ChatMessage, LlmCall, LlmError, MessagePart, Partial, ToolCall } from '../../stream/event.js';
import { type Facts, sub, text } from '../../stream/facts.js';
import { type Answer, MOST_MESSAGE } from './answer.js';
import { EVENT_BYTES } from './options.js';
import { header } from './request.js';

/** What came of a call. */
export interface Outcome {
  answer: Answer;
  status: number | undefined;
  /** The data of the head of the answer. */
  reply: Facts;
  /** The answer has begun. */
  answered: boolean;
  end: LlmCall['end'];
  outputs: readonly ChatMessage[];
}

/** Reasons by which a provider says that it will not say it. */
const REFUSED =
  /^(?:refusal|content_filter(?:ed)?|content_filtered|guardrail_intervened|SAFETY|PROHIBITED_CONTENT|BLOCKLIST|SPII|RECITATION|IMAGE_SAFETY|error_toxic)$/i;

/** Why a call failed; undefined when it did not. */
export function failure({ answer, status, reply, answered, end, outputs }: Outcome): LlmError | undefined {
  if (answer.error !== undefined) {
    const amazon = header(sub(reply, 'headers'), 'x-amzn-errortype');
    const type = amazon?.split(':')[0] ?? answer.error.type;
    return { ...answer.error, type, ...(status !== undefined && status >= 400 ? { status } : {}) };
  }
  if (status !== undefined && status >= 400) return { type: String(status), ...given('message', text(reply, 'reason')), status };
  if (end === 'closed' || end === 'reset') {
    const message = answered ? 'the stream ended before the answer did' : 'the connection ended before an answer came';
    return { type: answered ? 'stream_cut' : 'no_response', message };
  }
  const refusals = outputs.flatMap((message) => message.parts.flatMap((part) => (part.type === 'refusal' ? [part.content] : [])));
  const reason = answer.finishReasons?.find((each) => REFUSED.test(each));
  if (refusals.length > 0) return { type: 'refusal', message: refusals.join('\n').slice(0, MOST_MESSAGE) };
  return reason === undefined ? undefined : { type: reason.toLowerCase() === 'refusal' ? 'refusal' : 'content_filter', code: reason };
}

/**
 * An event must fit into a line: what repeats goes first.
 * @param partial says why, where something has to go
 */
export function fit(data: LlmCall, partial: () => Partial[]): LlmCall {
  if (size(data) <= EVENT_BYTES) return data;
  const results = data.tool_results.map(({ content: _content, ...rest }) => rest);
  let smaller: LlmCall = { ...data, partial: partial(), tool_results: results };
  if (size(smaller) > EVENT_BYTES) smaller = { ...smaller, input_messages: [], tool_definitions: [] };
  if (size(smaller) > EVENT_BYTES) smaller = { ...smaller, system_instructions: [], tool_calls: [], output_messages: [] };
  return size(smaller) > EVENT_BYTES ? { ...smaller, tool_results: [] } : smaller;
}

/** The call of a tool that a part of an answer is, if it is one. */
export function callOf(part: MessagePart): ToolCall[] {
  if (part.type !== 'tool_call') return [];
  const { type: _type, ...call } = part;
  return [call];
}

/** What answers a call of the caller's own tools. */
export function resultOf(part: MessagePart, whole: boolean): LlmCall['tool_results'] {
  if (part.type !== 'tool_call_response' || part.server === true) return [];
  return [{ ...given('id', part.id), ...given('is_error', part.is_error), ...(whole ? { content: part.response } : {}) }];
}

function given<N extends string, V>(name: N, value: V | undefined): { [K in N]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { [K in N]?: V };
}

function size(data: object): number {
  return Buffer.byteLength(JSON.stringify(data));
}
