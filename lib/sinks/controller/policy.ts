/** Who may be reached: rules that look at events and answer with lines for the deny-file. */
import type { AnyEvent } from '../../stream/event.js';

/** Somebody was reached: the facts that a rule may want, and the event itself. */
export interface Contact {
  event: AnyEvent;
  /** By tracer-provider. */
  provider?: string;
  /** As the client asked for it: SNI, or Host. */
  host?: string;
  /** Without the port. */
  address?: string;
  port?: number;
  pid?: number;
  comm?: string;
}

/** What a rule wants refused from now on. */
export interface Verdict {
  /** Lines for the deny-file: `203.0.113.7`, `*.example.com:443/tcp`, `provider:openai`, `exec /usr/bin/curl`. */
  deny: readonly string[];
  /** For people: stands behind the line. */
  reason: string;
  /** Seconds for which it holds; absent: for good. */
  ttlS?: number;
}

/** What `--module FILE` exports as `default`. Each is called for the events that it is about; what throws decides nothing. */
export interface Policy {
  /** `tls_client_hello`, `net_connect`, `http_request`, `llm_call`. */
  egress?(contact: Contact): Verdict | undefined;
  /** Events whose source is `file`. */
  file?(event: AnyEvent): Verdict | undefined;
  /** `process_exec`. */
  exec?(event: AnyEvent): Verdict | undefined;
}

export interface Rules {
  /** Providers that may be reached; empty: all but those of `deny`. */
  allow: readonly string[];
  deny: readonly string[];
  /** What no table of providers knows may not be reached either. */
  denyUnclassified: boolean;
  maxTokensPerHour?: number;
  maxCostPerHour?: number;
}

const HOUR_MS = 3_600_000;
/** Calls of the last hour that are added up. */
const MOST_CALLS = 100_000;

const CONTACTS: ReadonlySet<string> = new Set(['tls_client_hello', 'net_connect', 'http_request', 'llm_call']);

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** `1.2.3.4` of `1.2.3.4:443` and `::1` of `[::1]:443`. */
function addressOf(peer: string | undefined): string | undefined {
  if (peer === undefined || peer.startsWith('unix:')) return undefined;
  return /^\[([^\]]+)\]/.exec(peer)?.[1] ?? /^[^:]+/.exec(peer)?.[0];
}

/** Undefined for an event that is about nobody reached. */
export function contactOf(event: AnyEvent): Contact | undefined {
  if (event.event_type === undefined || !CONTACTS.has(event.event_type)) return undefined;
  const data = event.data as Record<string, unknown>;
  const provider = text((event as { provider?: unknown }).provider);
  const host = text(data.sni) ?? text(data.host)?.replace(/:\d+$/, '') ?? text(data.name);
  const peer = text(data.peer);
  const address = addressOf(peer);
  const port = /:(\d+)$/.exec(peer ?? '')?.[1];
  const comm = text(data.comm);
  return {
    event,
    ...(provider === undefined ? {} : { provider }),
    ...(host === undefined ? {} : { host }),
    ...(address === undefined ? {} : { address }),
    ...(port === undefined || address === undefined ? {} : { port: Number(port) }),
    ...(typeof data.pid === 'number' ? { pid: data.pid } : {}),
    ...(comm === undefined ? {} : { comm }),
  };
}

function isOwnMachine(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^127\./.test(address));
}

/**
 * Both the place and its name: the name may have other addresses, the address other names. On this machine only the port:
 * behind its address is everything else that runs here.
 */
function placeOf({ host, address, port }: Contact): string[] {
  const place =
    address === undefined || !isOwnMachine(address) ? address : port === undefined ? undefined : `${bracketed(address)}:${port}/tcp`;
  return [place, host].filter((text): text is string => text !== undefined);
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** The rules of the command line as a policy. */
export function rulesPolicy(rules: Rules): Policy {
  const calls: { at: number; tokens: number; cost: number }[] = [];
  const budget = (contact: Contact): Verdict | undefined => {
    if (contact.event.event_type !== 'llm_call') return undefined;
    const data = contact.event.data as Record<string, unknown>;
    const at = number(contact.event.timestamp);
    calls.push({ at, tokens: number(data.input_tokens) + number(data.output_tokens), cost: number(data.cost_usd) });
    while (calls.length > MOST_CALLS || (calls[0]?.at ?? at) <= at - HOUR_MS) calls.shift();
    const tokens = calls.reduce((sum, call) => sum + call.tokens, 0);
    const cost = calls.reduce((sum, call) => sum + call.cost, 0);
    const over =
      rules.maxTokensPerHour !== undefined && tokens > rules.maxTokensPerHour
        ? `${tokens} tokens in an hour`
        : rules.maxCostPerHour !== undefined && cost > rules.maxCostPerHour
          ? `${cost.toFixed(2)} USD in an hour`
          : undefined;
    return over === undefined ? undefined : { deny: placeOf(contact), reason: over, ttlS: HOUR_MS / 1000 };
  };
  return {
    egress(contact) {
      const spent = budget(contact);
      if (spent !== undefined) return spent;
      const { provider } = contact;
      if (provider !== undefined) {
        const refused = rules.deny.includes(provider) || (rules.allow.length > 0 && !rules.allow.includes(provider));
        return refused ? { deny: [`provider:${provider}`, ...placeOf(contact)], reason: `provider ${provider}` } : undefined;
      }
      // A connection alone does not say yet whose it is: its ClientHello or request does.
      if (!rules.denyUnclassified || contact.event.event_type === 'net_connect' || isOwnMachine(contact.address)) return undefined;
      return { deny: placeOf(contact), reason: 'nobody that the table of providers knows' };
    },
  };
}
