/** Makes the HTTP events of conversations for the tests of `tracer-show --chat`. */
import { type ShowOptions, show } from '../../../lib/sinks/show.js';
import type { AnyEvent } from '../../../lib/stream/event.js';

const START = Date.UTC(2026, 10, 21, 12, 0, 0);
const actor = { pid: 1841, start_us: 8123456, uid: 1000, comm: 'curl', cgroup_id: '4321' };

export class Conversation {
  readonly events: AnyEvent[] = [];
  #now = START;

  /** Time passes, in ms. */
  later(ms: number): this {
    this.#now += ms;
    return this;
  }

  event(source: string, event_type: string, data: object): this {
    this.events.push({ id: `abc-${this.events.length + 1}`, timestamp: this.#now, source, event_type, data });
    return this.later(1);
  }

  request(n: string, path: string, body: unknown, more: object = {}): this {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.event('http', 'http_request', {
      ...actor,
      conn: `1841.8123456.${n.split('/')[0]}`,
      exchange: `1841.8123456.${n}`,
      role: 'client',
      version: '1.1',
      method: 'POST',
      scheme: 'https',
      host: 'model',
      path,
      headers: { 'content-type': 'application/json' },
      body_bytes: text.length,
      wire_bytes: text.length,
      body: text,
      ...more,
    });
  }

  response(n: string, body: unknown, more: object = {}): this {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.event('http', 'http_response', {
      ...actor,
      exchange: `1841.8123456.${n}`,
      role: 'client',
      version: '1.1',
      status: 200,
      headers: { 'content-type': 'application/json' },
      body_bytes: text.length,
      wire_bytes: text.length,
      body: text,
      ...more,
    });
  }

  head(n: string, type = 'text/event-stream', more: object = {}): this {
    return this.event('http', 'http_response', {
      ...actor,
      exchange: `1841.8123456.${n}`,
      role: 'client',
      version: '1.1',
      status: 200,
      headers: { 'content-type': type },
      streamed: true,
      body_bytes: 0,
      wire_bytes: 0,
      ...more,
    });
  }

  /** Server-sent events, named by their `type` if they have one. */
  sse(n: string, ...all: (object | string)[]): this {
    for (const one of all) {
      const event = typeof one === 'object' && 'type' in one ? String(one.type) : 'message';
      this.event('http', 'sse_event', {
        pid: 1841,
        exchange: `1841.8123456.${n}`,
        index: 0,
        event,
        data: typeof one === 'string' ? one : JSON.stringify(one),
      });
    }
    return this;
  }

  end(n: string, end = 'complete', more: object = {}): this {
    return this.event('http', 'http_end', {
      pid: 1841,
      exchange: `1841.8123456.${n}`,
      sender: 'server',
      end,
      body_bytes: 0,
      wire_bytes: 0,
      ...more,
    });
  }

  /** What `tracer-show --chat` makes of it, without times. */
  shown(options: ShowOptions = {}, columns = 0): string {
    return this.writes(options, columns).join('');
  }

  /** The same, in the pieces in which it is written. */
  writes(options: ShowOptions = {}, columns = 0): string[] {
    const sink = show({ chat: true, time: 'none', ...options }, { color: false, columns });
    const out: string[] = [];
    for (const event of this.events) sink.transform(event, (text) => out.push(text));
    sink.flush((text) => out.push(text));
    return out;
  }
}

/** Chunks of Chat Completions. */
export const chunk = (delta: object, finish_reason: string | null = null): object => ({ choices: [{ index: 0, delta, finish_reason }] });
/** Text deltas of Anthropic Messages. */
export const delta = (text: string): object => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });
