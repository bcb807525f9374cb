/** What is read of the request of a call: whose conversation it is, its text, and what of it is kept. */
import type { MessagePart } from '../../stream/event.js';
import { type Facts, get, isFacts } from '../../stream/facts.js';

/** What keeps conversations apart that begin with the same words: the process, and the agent's own name of it. */
export function scopeOf(request: Facts, conversation: string | undefined): string {
  const actor = `${String(get(request, 'start_us'))} ${String(get(request, 'pid'))}`;
  return conversation === undefined ? actor : `${actor} ${conversation}`;
}

/** Ids of sessions that agents send as headers. */
const SESSION_HEADERS = ['x-claude-code-session-id', 'session-id', 'session_id', 'thread-id', 'conversation_id', 'x-session-id'] as const;

export function sessionOf(headers: Facts): string | undefined {
  for (const name of SESSION_HEADERS) {
    const value = header(headers, name);
    if (value !== undefined && value !== '' && value.length <= 256) return value;
  }
  return undefined;
}

export function header(headers: Facts, name: string): string | undefined {
  const value = get(headers, name);
  return typeof value === 'string' ? value : Array.isArray(value) && typeof value[0] === 'string' ? value[0] : undefined;
}

/** The text of a body. */
export function bodyOf(data: Facts): string {
  const body = get(data, 'body');
  if (typeof body === 'string') return body;
  const coded = get(data, 'body_b64');
  return typeof coded === 'string' ? Buffer.from(coded, 'base64').toString('utf8') : '';
}

/** The model that a body names which cannot be read whole. */
export function salvaged(body: string): string | undefined {
  return (
    /"model"\s*:\s*"([^"\\]{1,256})"/.exec(body.slice(0, 65_536))?.[1] ?? /"model"\s*:\s*"([^"\\]{1,256})"/.exec(body.slice(-65_536))?.[1]
  );
}

/** Blobs are said by size and hash, unless they are asked for. */
export function withoutBlob(part: MessagePart, blobs: boolean | undefined): MessagePart {
  if (blobs === true) return part;
  if (part.type === 'blob') {
    const { content: _content, ...rest } = part;
    return rest;
  }
  if (part.type !== 'tool_call_response' || !Array.isArray(part.response)) return part;
  return {
    ...part,
    response: part.response.map((each: unknown) =>
      isFacts(each) && each.type === 'blob' ? withoutBlob(each as MessagePart, blobs) : each,
    ),
  };
}
