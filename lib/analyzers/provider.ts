/**
 * `tracer-provider`: adds `provider` to the events of a host that is a known provider of models. What an event does not
 * say itself is known from the exchange, session, socket or address that it belongs to.
 */
import { append } from '../stream/append.js';
import type { AnyEvent } from '../stream/event.js';
import { type Facts, facts, get, list, text } from '../stream/facts.js';
import type { Push, Stage } from '../stream/stage.js';

export interface ProviderLimits {
  /** Exchanges, sessions and sockets that are remembered, each; the least recently met goes first. */
  remembered: number;
  /** Addresses that DNS answers have named. */
  addresses: number;
}

export const PROVIDER_LIMITS: ProviderLimits = { remembered: 16_384, addresses: 16_384 };

/** A host, as far as it is known, and the path of a request. */
export type Find = (place: { host: string; path?: string }) => string | undefined;

const CONSUMES = [
  'ssl_open',
  'ssl_data',
  'ssl_peer',
  'ssl_close',
  'net_connect',
  'net_close',
  'dns_query',
  'dns_answer',
  'tls_client_hello',
  'http_request',
  'http_response',
  'http_end',
  'http_body',
  'sse_event',
  'ws_message',
  'eventstream_message',
  'llm_start',
  'llm_first_token',
  'llm_call',
  'guard_deny',
  'guard_audit',
  'guard_notify',
  'guard_kill',
];

/** The stage that names providers. @param find the table */
export function provider(find: Find, limits: Partial<ProviderLimits> = {}): Stage {
  const { remembered, addresses } = { ...PROVIDER_LIMITS, ...limits };
  const exchanges = new Recent(remembered);
  const sessions = new Recent(remembered);
  const sockets = new Recent(remembered);
  const named = new Recent(addresses);

  /** By a name first: an address may be shared. */
  function byHost(data: Facts): string | undefined {
    const path = text(data, 'path');
    for (const name of ['host', 'sni', 'name']) {
      const host = text(data, name);
      if (host === undefined || host === '') continue;
      const found = find(path === undefined || name !== 'host' ? { host } : { host, path });
      // A name that is nobody's is an answer.
      return found;
    }
    const peer = text(data, 'peer') ?? text(data, 'target');
    if (peer === undefined) return undefined;
    return find({ host: peer.replace(/\/\w+$/, '') }) ?? named.get(addressOf(peer));
  }

  function learn(event: AnyEvent, data: Facts): void {
    if (event.event_type !== 'dns_answer') return;
    const host = text(data, 'name');
    const found = host === undefined ? undefined : find({ host });
    for (const address of list(get(data, 'addresses')).slice(0, 64)) {
      if (typeof address !== 'string') continue;
      if (found !== undefined) named.set(address, found);
      else named.forget(address);
    }
  }

  return {
    name: 'provider',
    adds: true,
    consumes: new Set(CONSUMES),
    transform(event: AnyEvent, push: Push): void {
      const data = facts(event.data);
      learn(event, data);
      const exchange = text(data, 'exchange');
      const conn = text(data, 'conn');
      const socket = text(data, 'socket');
      const hasHost = ['host', 'sni', 'name', 'peer', 'target'].some((name) => text(data, name) !== undefined);
      let found = hasHost ? byHost(data) : undefined;
      if (!hasHost || (found === undefined && text(data, 'host') === undefined && text(data, 'sni') === undefined)) {
        found ??=
          (exchange === undefined ? undefined : exchanges.get(exchange)) ??
          (conn === undefined ? undefined : sessions.get(conn)) ??
          (socket === undefined ? undefined : sockets.get(socket));
      }
      if (found !== undefined) {
        if (exchange !== undefined) exchanges.set(exchange, found);
        else if (conn !== undefined) sessions.set(conn, found);
        if (socket !== undefined) sockets.set(socket, found);
        append(event, 'provider', found);
      }
      if (event.event_type === 'ssl_close' && conn !== undefined) sessions.forget(conn);
      if (event.event_type === 'net_close' && socket !== undefined) sockets.forget(socket);
      if (event.event_type === 'http_end' && exchange !== undefined && get(data, 'sender') === 'server') exchanges.forget(exchange);
      push(event);
    },
    flush() {},
  };
}

/** `1.2.3.4:443`, `[::1]:443`, `1.2.3.4:443/tcp`: the address. */
function addressOf(peer: string): string {
  return /^\[([^\]]+)\]/.exec(peer)?.[1] ?? (peer.split(':')[0] as string);
}

/** A map that forgets the least recently met. */
class Recent {
  readonly #map = new Map<string, string>();
  constructor(readonly most: number) {}

  get(key: string): string | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: string): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.most) return;
    const [oldest] = this.#map.keys();
    if (oldest !== undefined) this.#map.delete(oldest);
  }

  forget(key: string): void {
    this.#map.delete(key);
  }
}
