/** One event, one line: when, who, on which connection, what. */
import type { AnyEvent } from '../../stream/event.js';
import { type Facts, facts, get, isFacts, num, str } from './facts.js';
import type { Segment } from './paper.js';
import { type Describe, dim, plainFacts, type Said, say, strong, tag } from './said.js';
import { HOST } from './said-host.js';
import { HTTP } from './said-http.js';
import { META } from './said-meta.js';
import { day } from './units.js';

const SENTENCES = new Map<string, Describe>(Object.entries({ ...HOST, ...HTTP, ...META }));
/** Said by the process column, or of no use to a person. */
const KNOWN = new Set(['pid', 'tid', 'ppid', 'uid', 'comm', 'thread', 'start_us', 'cgroup_id', 'ns_pid']);
/** Names of processes that are remembered for events which carry the pid alone. */
const MOST_PROCESSES = 4096;

/** Event types that have a sentence of their own. */
export const DESCRIBED: ReadonlySet<string> = new Set(SENTENCES.keys());

export class Lines {
  readonly #comms = new Map<number, string>();

  constructor(readonly time: (timestamp: unknown) => string) {}

  /** The pieces of the line of one event. Bears any object. */
  of(event: AnyEvent): Segment[] {
    const data = facts(event.data);
    const time = this.time(event.timestamp);
    const who = this.who(data);
    const of = tag(str(data, 'exchange') ?? str(data, 'conn'));
    return [
      ...(time === '' ? [] : [{ text: `${time} `, tone: 'dim' as const }]),
      ...(who === undefined ? [] : [{ text: who, tone: 'name' as const }, { text: ' ' }]),
      ...(of === undefined ? [] : [{ text: `${of} `, tone: 'dim' as const }]),
      ...this.#what(event, data),
      ...(event.event_type === 'sensor_start' && day(event.timestamp) !== ''
        ? [{ text: ` ${day(event.timestamp)} UTC`, tone: 'dim' as const }]
        : []),
      ...identityOf(event),
    ];
  }

  /** `curl[1841]`, also for later events of a process that give its pid only. */
  who(data: Facts): string | undefined {
    const pid = num(data, 'pid');
    const comm = str(data, 'comm');
    if (pid === undefined) return comm;
    if (comm === undefined) return `${this.#comms.get(pid) ?? ''}[${pid}]`;
    this.#comms.delete(pid);
    this.#comms.set(pid, comm.slice(0, 64));
    if (this.#comms.size > MOST_PROCESSES) {
      const [oldest] = this.#comms.keys();
      if (oldest !== undefined) this.#comms.delete(oldest);
    }
    return `${comm}[${pid}]`;
  }

  #what(event: AnyEvent, data: Facts): Said {
    const type = typeof event.event_type === 'string' ? event.event_type : undefined;
    const sentence = type === undefined ? undefined : SENTENCES.get(type);
    if (sentence !== undefined) return sentence(data);
    const source = typeof event.source === 'string' ? `${event.source} ` : '';
    if (type !== undefined) return say(dim(source.trim()), strong(type), plainFacts(data, KNOWN));
    return say(dim('no event:'), plainFacts(facts(event), new Set()));
  }
}

/** What tracer-identity and tracer-provider have added. */
function identityOf(event: object): Segment[] {
  const whole = facts(event);
  const identity = get(whole, 'identity');
  const agent = isFacts(identity) ? str(identity, 'agent') : undefined;
  const provider = str(whole, 'provider');
  const parts = [agent === undefined ? '' : `agent ${agent}`, provider === undefined ? '' : `provider ${provider}`].filter(
    (part) => part !== '',
  );
  return parts.length === 0 ? [] : [{ text: ` ${parts.join(' ')}`, tone: 'dim' }];
}
