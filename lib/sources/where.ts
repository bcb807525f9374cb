/**
 * `--where`: which events of a recording are replayed, by time, process and session. Conditions stand one after the other
 * and all must hold: `time>=10:40 time<10:45 pid=1841,1842 conn=1841.8123456.3`. Whatever is finer is for jq.
 */
import type { AnyEvent } from '../stream/event.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { type Facts, facts, get, text } from '../stream/facts.js';
import type { Stage } from '../stream/stage.js';

/** Characters of a condition: longer ones were not written by a person. */
const LONGEST = 65_536;

/** A bound in ms since the epoch; or what must be known of the recording first: its day, its beginning. */
type Bound = { at: number } | { ofDay: number } | { afterStart: number };

interface Condition {
  holds(event: AnyEvent, data: Facts, first: number): boolean;
}

/** Always replayed: without them a reader does not know what it reads. */
const KEPT = new Set(['sensor_start', 'malformed']);

/** A stage that passes on what the conditions select. @throws CommandError that says which condition is wrong */
export function whereStage(conditions: string): Stage {
  const all = parse(conditions);
  let first: number | undefined;
  return {
    name: 'where',
    transform(event, push) {
      if (first === undefined && typeof event.timestamp === 'number') first = event.timestamp;
      const data = facts(event.data);
      if (KEPT.has(String(event.event_type)) || all.every((condition) => condition.holds(event, data, first ?? 0))) push(event);
    },
    flush() {},
  };
}

function parse(conditions: string): Condition[] {
  const words = conditions
    .slice(0, LONGEST)
    .trim()
    .split(/\s+/)
    .filter((word) => word !== 'and');
  if (conditions.length > LONGEST || words[0] === '' || words.length === 0) throw refused(conditions.slice(0, 40), 'says nothing');
  return words.map((word) => {
    const [, name, operator, value] = /^(time|pid|conn)(>=|<=|>|<|=)(.+)$/.exec(word) ?? [];
    if (name === undefined || operator === undefined || value === undefined) throw refused(word, 'is no condition');
    if (name === 'time') return time(word, operator, value);
    if (operator !== '=') throw refused(word, `compares ${name}, which can only be equal`);
    return name === 'pid' ? pids(word, value) : conns(value);
  });
}

function refused(word: string, why: string): CommandError {
  return new CommandError(
    EXIT.usage,
    `option --where: "${word}" ${why}`,
    'Write time>=10:40, time<2026-11-21T10:45:00Z, time=+30s..+2m, pid=1841,1842 or conn=1841.8123456.3; all of them must hold',
  );
}

function pids(word: string, value: string): Condition {
  const wanted = new Set<unknown>(
    value.split(',').map((each) => {
      if (!/^\d{1,10}$/.test(each)) throw refused(word, 'names no process');
      return Number(each);
    }),
  );
  return { holds: (_event, data) => wanted.has(get(data, 'pid')) };
}

function conns(value: string): Condition {
  const wanted = new Set(value.split(','));
  return {
    holds(_event, data) {
      const conn = text(data, 'conn');
      if (conn !== undefined) return wanted.has(conn);
      // Pieces of an exchange name it only: `<conn>/<n>`.
      const exchange = text(data, 'exchange');
      return exchange !== undefined && wanted.has(exchange.slice(0, exchange.lastIndexOf('/')));
    },
  };
}

function time(word: string, operator: string, value: string): Condition {
  if (operator === '=') {
    const [from, to, more] = value.split('..');
    if (from === undefined || to === undefined || more !== undefined) throw refused(word, 'is no range of times');
    const [begin, end] = [from === '' ? undefined : bound(word, from), to === '' ? undefined : bound(word, to)];
    return {
      holds: (event, _data, first) =>
        within(event, (at) => (begin === undefined || at >= resolve(begin, first)) && (end === undefined || at < resolve(end, first))),
    };
  }
  const limit = bound(word, value);
  const compare: Record<string, (at: number, other: number) => boolean> = {
    '>=': (at, other) => at >= other,
    '>': (at, other) => at > other,
    '<=': (at, other) => at <= other,
    '<': (at, other) => at < other,
  };
  const holds = compare[operator] as (at: number, other: number) => boolean;
  return { holds: (event, _data, first) => within(event, (at) => holds(at, resolve(limit, first))) };
}

function within(event: AnyEvent, holds: (at: number) => boolean): boolean {
  return typeof event.timestamp === 'number' && holds(event.timestamp);
}

function resolve(limit: Bound, first: number): number {
  if ('at' in limit) return limit.at;
  if ('afterStart' in limit) return first + limit.afterStart;
  const DAY = 86_400_000;
  return Math.floor(first / DAY) * DAY + limit.ofDay;
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** `2026-11-21T10:40:00Z`, `2026-11-21`, `10:40[:03.5]` of the recording's first day, `+90s` after its first event, ms since the epoch. Without a zone it is UTC. */
function bound(word: string, value: string): Bound {
  const after = /^\+(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(value);
  if (after) {
    let sum = 0;
    for (const [, n, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) sum += Number(n) * (UNITS[unit as string] as number);
    return { afterStart: sum };
  }
  const clock = /^(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?Z?$/.exec(value);
  if (clock !== null && Number(clock[1]) < 24 && Number(clock[2]) < 60) {
    return { ofDay: Number(clock[1]) * 3_600_000 + Number(clock[2]) * 60_000 + Number(clock[3] ?? 0) * 1000 };
  }
  if (/^\d{10,16}(?:\.\d+)?$/.test(value)) return { at: Number(value) };
  if (/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(value)) {
    const at = Date.parse(/T.*(?:Z|[+-]\d\d:\d\d)$/.test(value) || !value.includes('T') ? value : `${value}Z`);
    if (Number.isFinite(at)) return { at };
  }
  throw refused(word, `has no time that can be read`);
}
