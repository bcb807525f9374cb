/** An `llm_call` laid out as the conversation that it is a turn of: the same parts that are read out of bodies. */
import { type Facts, facts, get, isFacts, list, num, str, strings } from './facts.js';
import { pretty } from './json.js';
import { callPart, type Part, type Prompt, type Turn } from './model.js';
import { bytes, duration, grouped } from './units.js';

/** What was asked: of the messages those that the event has. */
export function promptOf(data: Facts): Prompt {
  const params = facts(get(data, 'params'));
  const settings = [str(data, 'request_model'), get(data, 'stream') === true ? 'streaming' : undefined].filter(
    (word) => word !== undefined,
  );
  for (const [name, value] of Object.entries(params).slice(0, 12)) {
    if (typeof value === 'number' || typeof value === 'string') settings.push(`${name} ${value}`);
  }
  return {
    settings,
    tools: list(get(data, 'tool_definitions')).map((tool) => str(facts(tool), 'name') ?? '?'),
    system: list(get(data, 'system_instructions')).map(partOf),
    turns: list(get(data, 'input_messages')).map(turnOf),
  };
}

/** What was answered. */
export function answersOf(data: Facts): Turn[] {
  return list(get(data, 'output_messages')).map(turnOf);
}

/** `end_turn · 42 tokens in · 17 out · $0.0012 · 1.2 s`. */
export function endOf(data: Facts): string[] {
  const said: string[] = [...(strings(data, 'finish_reasons') ?? [])];
  const input = num(data, 'input_tokens');
  const cached = num(data, 'cache_read_input_tokens');
  const output = num(data, 'output_tokens');
  const thought = num(data, 'reasoning_output_tokens');
  const cost = num(data, 'cost_usd');
  const first = num(data, 'ttft_ms');
  const end = str(data, 'end');
  if (end !== undefined && end !== 'complete') said.push(`cut off: ${end}`);
  if (input !== undefined) said.push(`${grouped(input)} tokens in${cached ? ` (${grouped(cached)} cached)` : ''}`);
  if (output !== undefined) said.push(`${grouped(output)} out${thought ? ` (${grouped(thought)} reasoning)` : ''}`);
  if (cost !== undefined) said.push(`$${cost.toFixed(4)}`);
  if (first !== undefined) said.push(`first token after ${duration(first)}`);
  const lasted = num(data, 'duration_ms');
  if (lasted !== undefined) said.push(duration(lasted));
  return said;
}

/** `overloaded_error: Overloaded`. */
export function errorOf(data: Facts): string | undefined {
  const error = get(data, 'error');
  if (!isFacts(error)) return undefined;
  return [str(error, 'type'), str(error, 'message')].filter((word) => word !== undefined).join(': ');
}

function turnOf(message: unknown): Turn {
  const it = facts(message);
  return { role: str(it, 'role') ?? '?', parts: list(get(it, 'parts')).map(partOf) };
}

function partOf(value: unknown): Part {
  const part = facts(value);
  const type = str(part, 'type') ?? '';
  switch (type) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      return { kind: type, text: str(part, 'content') ?? '' };
    case 'tool_call':
      return callPart(str(part, 'name'), str(part, 'id'), get(part, 'arguments') ?? str(part, 'arguments_raw'));
    case 'tool_call_response': {
      const response = get(part, 'response');
      const text = typeof response === 'string' ? response : pretty(response);
      return { kind: 'result', text, id: str(part, 'id'), isError: get(part, 'is_error') === true };
    }
    case 'blob':
    case 'uri':
    case 'file': {
      const size = num(part, 'size_bytes');
      const words = [
        str(part, 'modality'),
        str(part, 'mime_type'),
        str(part, 'uri') ?? str(part, 'file_id'),
        size === undefined ? undefined : bytes(size),
      ];
      return { kind: 'file', text: words.filter((word) => word !== undefined).join(' ') };
    }
    default:
      return { kind: 'other', name: str(part, 'name') ?? type, text: pretty(get(part, 'content')) };
  }
}
