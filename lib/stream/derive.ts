/**
 * Ids. A sensor's stream is random; an analyzer's is derived from its first input, so that a replay gives the same
 * bytes as the live run (docs/events.md, field `id`).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Actor, Line, Source } from './event.js';

/** Crockford's base32, lower case: digits and letters without i, l, o, u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** The first ten characters of the base32 form of `bytes` (at least 7 bytes). */
function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (let i = 0; text.length < 10; i++) {
    held = ((held << 8) | (bytes[i] as number)) & 0xfff;
    bits += 8;
    while (bits >= 5 && text.length < 10) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
    }
  }
  return text;
}

/** A new stream name for a sensor: 10 characters, random per start. */
export function randomStream(): string {
  return base32(randomBytes(8));
}

/** The stream name that follows from `parts`: the same parts give the same name on every host. Values must print as JSON. */
export function hashStream(...parts: readonly unknown[]): string {
  return base32(createHash('sha256').update(JSON.stringify(parts)).digest());
}

/** Who did it: first in the data of a derived event. */
export function actorOf(data: Actor): Actor {
  const { pid, start_us, uid, comm, comm_b64, cgroup_id } = data;
  const actor: Actor = {};
  if (pid !== undefined) actor.pid = pid;
  if (start_us !== undefined) actor.start_us = start_us;
  if (uid !== undefined) actor.uid = uid;
  if (comm !== undefined) actor.comm = comm;
  if (comm_b64 !== undefined) actor.comm_b64 = comm_b64;
  if (cgroup_id !== undefined) actor.cgroup_id = cgroup_id;
  return actor;
}

/** The events that a derived event was made of. */
export interface Made {
  /** Id of the first. Absent where a foreign event has none. */
  first: string | undefined;
  /** Id of the last; the same as `first` when there was one only. */
  last: string | undefined;
  /** How many. */
  count: number;
}

/** The stream of events that one analyzer derives: numbers them from 1 and gives each its `from`. */
export class Derived {
  #stream: string | undefined;
  #count = 0;
  readonly #seed: readonly unknown[];

  /**
   * @param name the analyzer's plain name, `http`
   * @param outputOptions its options that change output, by name; those left at `undefined` do not count
   */
  constructor(name: string, outputOptions: Readonly<Record<string, unknown>> = {}) {
    const set = Object.entries(outputOptions).filter(([, value]) => value !== undefined);
    set.sort(([a], [b]) => (a < b ? -1 : 1));
    this.#seed = [name, set];
  }

  /** The stream's name, settled by the first id that it is asked with. */
  stream(first: string | undefined): string {
    this.#stream ??= hashStream(...this.#seed, first ?? '');
    return this.#stream;
  }

  /** The number of the next event: each that is taken has to be used. */
  next(): number {
    return ++this.#count;
  }

  /** The id that the next event will have. */
  nextId(first: string | undefined): string {
    return `${this.stream(first)}-${this.#count + 1}`;
  }

  /** Makes the next event. The stream's name is settled by `from.first` of the first event made. */
  event<S extends Source, T extends string, D>(source: S, event_type: T, data: D, from: Made, timestamp: number): Line<S, T, D> {
    const stream = this.stream(from.first);
    const line: Line<S, T, D> = { id: `${stream}-${this.next()}`, timestamp, source, event_type, data };
    if (from.first !== undefined) line.from = from.count > 1 && from.last !== undefined ? [from.first, from.last] : [from.first];
    if (from.count > 2) line.from_count = from.count;
    return line;
  }
}
