/** One line for each event of `source: http` and `llm`. */
import { type Facts, facts, get, list, num, sizeOf, str, strings } from './facts.js';
import type { Segment } from './paper.js';
import { bad, type Describe, dim, incomplete, labelled, lasted, type Said, say, size, strong, tone, yes } from './said.js';
import { bytes, count, duration, grouped } from './units.js';

/** The way that bytes of `sender` go, seen from the watched process. */
export function arrow(sender: 'client' | 'server', role: string | undefined): Segment {
  return sender === (role === 'server' ? 'server' : 'client') ? { text: '→', tone: 'out' } : { text: '←', tone: 'in' };
}

/** `api.anthropic.com/v1/messages`; `http://` is said, `https://` goes without saying. */
export function address(data: Facts): string | undefined {
  const host = str(data, 'host') ?? '';
  const path = str(data, 'path') ?? '';
  if (host === '' && path === '') return undefined;
  if (str(data, 'method') === 'CONNECT') return path;
  const scheme = str(data, 'scheme');
  return `${scheme === undefined || scheme === 'https' ? '' : `${scheme}://`}${host}${path}`;
}

/** First value of a header field. */
export function header(data: Facts, name: string): string | undefined {
  const value = get(facts(get(data, 'headers')), name);
  if (typeof value === 'string') return value;
  const first = list(value)[0];
  return typeof first === 'string' ? first : undefined;
}

export function contentType(data: Facts): string | undefined {
  return header(data, 'content-type')?.split(';')[0]?.trim().toLowerCase();
}

function bodySize(data: Facts): string | undefined {
  const body = num(data, 'body_bytes');
  if (body === undefined || body === 0) return undefined;
  const coding = strings(data, 'encoding');
  const wire = num(data, 'wire_bytes');
  return coding === undefined || coding.length === 0 || wire === undefined
    ? bytes(body)
    : `${bytes(body)} (${coding.join('+')} ${bytes(wire)})`;
}

function request(data: Facts): Said {
  return say(
    arrow('client', str(data, 'role')),
    strong(str(data, 'method') ?? '?'),
    address(data) ?? '?',
    yes(data, 'streamed') ? 'streaming' : bodySize(data),
    yes(data, 'pushed') ? 'pushed by the server' : undefined,
    incomplete(data),
  );
}

function response(data: Facts): Said {
  const status = num(data, 'status');
  const streamed = yes(data, 'streamed');
  const first = lasted(data, 'ttfb_ms');
  const events = list(get(data, 'events')).length;
  return say(
    arrow('server', str(data, 'role')),
    { text: status === undefined ? '?' : String(status), tone: status === undefined || status >= 400 ? 'bad' : 'good' },
    str(data, 'method'),
    address(data),
    yes(data, 'interim') ? 'interim' : undefined,
    streamed ? 'streaming' : dim(contentType(data)?.replace(/^application\//, '')),
    streamed ? undefined : bodySize(data),
    events > 0 ? count(events, 'event') : undefined,
    streamed ? labelled('first byte after', first) : (lasted(data, 'duration_ms') ?? first),
    incomplete(data),
  );
}

function end(data: Facts): Said {
  const how = str(data, 'end');
  const sender = str(data, 'sender') === 'client' ? 'client' : 'server';
  return say(
    dim('·'),
    `${sender === 'client' ? 'request' : 'response'} ended`,
    how === 'complete' || how === undefined ? undefined : tone(how, 'warn'),
    bodySize(data),
    lasted(data, 'duration_ms'),
    incomplete(data),
  );
}

/** The beginning of a text, on one line. */
function glimpse(text: string | undefined, limit: number): Segment | undefined {
  if (text === undefined || text === '') return undefined;
  const flat = text
    .slice(0, limit * 4)
    .replace(/\s+/g, ' ')
    .trim();
  return dim(flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat);
}

function sse(data: Facts): Said {
  return say({ text: '←', tone: 'in' }, 'sse', str(data, 'event'), bytes(sizeOf(data, 'data') ?? 0), glimpse(str(data, 'data'), 80));
}

function piece(name: string): Describe {
  return (data) =>
    say(
      str(data, 'sender') === 'client' ? { text: '→', tone: 'out' } : { text: '←', tone: 'in' },
      name,
      str(data, 'opcode') ?? str(facts(get(data, 'headers')), ':event-type'),
      bytes(sizeOf(data, 'payload') ?? 0),
      labelled('code', num(data, 'close_code')?.toString()),
      incomplete(data),
    );
}

function llmCall(data: Facts): Said {
  const cost = num(data, 'cost_usd');
  const cached = num(data, 'cache_read_input_tokens');
  const error = facts(get(data, 'error'));
  const tools = list(get(data, 'tool_calls'))
    .slice(0, 5)
    .map((call) => str(facts(call), 'name') ?? '?');
  return say(
    tone('llm', 'name'),
    str(data, 'operation'),
    strong(str(data, 'response_model') ?? str(data, 'request_model')),
    num(data, 'input_tokens') === undefined
      ? undefined
      : `${grouped(num(data, 'input_tokens') ?? 0)} tokens in${cached ? ` (${grouped(cached)} cached)` : ''}`,
    num(data, 'output_tokens') === undefined ? undefined : `${grouped(num(data, 'output_tokens') ?? 0)} out`,
    labelled('calls', tools.join(', ')),
    labelled('stop', strings(data, 'finish_reasons')?.join(', ')),
    lasted(data, 'duration_ms'),
    cost === undefined ? undefined : `$${cost.toFixed(4)}`,
    bad(str(error, 'type') === undefined ? undefined : `error ${str(error, 'type')}: ${str(error, 'message') ?? ''}`),
    incomplete(data),
  );
}

export const HTTP: Record<string, Describe> = {
  http_request: request,
  http_response: response,
  http_end: end,
  sse_event: sse,
  http_body: piece('piece of body'),
  ws_message: piece('websocket'),
  eventstream_message: piece('event stream'),
  llm_call: llmCall,
  llm_start: (data) => say(tone('llm', 'name'), 'started', strong(str(data, 'request_model'))),
  llm_first_token: (data) =>
    say(
      tone('llm', 'name'),
      'first token',
      labelled('after', num(data, 'ttft_ms') === undefined ? undefined : duration(num(data, 'ttft_ms') ?? 0)),
    ),
  tool_run: (data) =>
    say(
      tone('tool', 'name'),
      strong(str(data, 'tool')),
      strings(data, 'args')?.slice(0, 50).join(' '),
      bad(num(data, 'exit_code') ? `exit ${num(data, 'exit_code')}` : str(data, 'signal')),
      lasted(data, 'duration_ms'),
      size(data, 'output_bytes'),
    ),
  tool_effect: (data) => say(tone('effect', 'name'), str(data, 'kind'), str(data, 'summary')),
};
