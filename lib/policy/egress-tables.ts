/** Egress entries as tables that the kernel looks into: prefixes of addresses, names, and lists of ports. */
import { hostsOf } from '../match/providers.js';
import type { EgressEntry, Protocol } from './entry.js';

/** As bpf/enforce-policy.h has them. */
export const RULES_AT_ONCE = 64;
export const MOST_RULES = 65_536;
export const MOST_PREFIXES = 250_000;
export const MOST_NAMES = 60_000;

/** An entry with what it asks of port and protocol. */
export interface Rule {
  entry: number;
  from: number;
  to: number;
  protocol: Protocol | undefined;
}

/** `count` 0: `entry` holds for every port and protocol. */
export interface Verdict {
  entry: number;
  first: number;
  count: number;
}

export interface EgressTables {
  /** By family (4, 6), bits and address: see {@link prefixKey}. */
  prefixes: Map<string, Verdict>;
  /** By name: of itself, and of all names below it. */
  names: Map<string, Verdict>;
  below: Map<string, Verdict>;
  rules: Rule[];
  /** Entries, by number, of which a part cannot be looked up by name: a `*` inside a label. */
  inexact: number[];
}

export class TooMuch extends Error {
  constructor(
    readonly entry: EgressEntry,
    message: string,
  ) {
    super(message);
  }
}

/** The part that an address makes, where the same address comes again and again: its bytes are not printed anew. */
const keys = new WeakMap<Buffer, string>();

/** `4/0a000000/24`: what {@link EgressTables.prefixes} has as keys. */
export function prefixKey(address: Buffer, bits: number): string {
  let known = keys.get(address);
  if (known === undefined) {
    known = `${address.length === 4 ? 4 : 6}/${address.toString('hex')}/`;
    keys.set(address, known);
  }
  return known + bits;
}

/**
 * `ids`: what stands for each entry in the tables; the same for the same text over several versions of a file, so that
 * they differ in what was edited alone. @throws TooMuch
 */
export function compileEgress(
  entries: readonly EgressEntry[],
  ids: (entry: EgressEntry, number: number) => number = (_, number) => number,
): EgressTables {
  const compiler = new Compiler(entries, ids);
  return compiler.run();
}

interface Net {
  family: 4 | 6;
  address: Buffer;
  bits: number;
  rules: Rule[];
}

class Compiler {
  readonly #nets = new Map<string, Net>();
  readonly #names = new Map<string, Rule[]>();
  readonly #below = new Map<string, Rule[]>();
  readonly #rules: Rule[] = [];
  readonly #lists = new Map<string, number>();
  readonly #inexact: number[] = [];

  readonly #byId = new Map<number, EgressEntry>();

  constructor(
    readonly entries: readonly EgressEntry[],
    readonly ids: (entry: EgressEntry, number: number) => number,
  ) {}

  run(): EgressTables {
    for (const [number, entry] of this.entries.entries()) this.#add(entry, number);
    const last = this.entries.at(-1) as EgressEntry;
    if (this.#nets.size > MOST_PREFIXES) throw new TooMuch(last, `there are more than ${MOST_PREFIXES} prefixes`);
    if (this.#names.size + this.#below.size > MOST_NAMES) throw new TooMuch(last, `there are more than ${MOST_NAMES} names`);
    return {
      prefixes: this.#flatten(),
      names: this.#verdicts(this.#names),
      below: this.#verdicts(this.#below),
      rules: this.#rules,
      inexact: this.#inexact,
    };
  }

  #add(entry: EgressEntry, number: number): void {
    const { target, ports, protocol } = entry;
    const id = this.ids(entry, number);
    if (ports !== undefined || protocol !== undefined) this.#byId.set(id, entry);
    const rule: Rule = { entry: id, from: ports?.from ?? 0, to: ports?.to ?? 65535, protocol };
    const put = (table: Map<string, Rule[]>, key: string): void => {
      const known = table.get(key);
      if (known === undefined) table.set(key, [rule]);
      else known.push(rule);
    };
    const putNet = (address: Buffer, bits: number): void => {
      const key = prefixKey(address, bits);
      const known = this.#nets.get(key);
      if (known === undefined) this.#nets.set(key, { family: address.length === 4 ? 4 : 6, address, bits, rules: [rule] });
      else known.rules.push(rule);
    };
    if (target.kind === 'any') {
      putNet(Buffer.alloc(4), 0);
      putNet(Buffer.alloc(16), 0);
    } else if (target.kind === 'net') putNet(target.address, target.bits);
    else if (target.kind === 'name') put(target.below ? this.#below : this.#names, target.name);
    else {
      for (const { host, port } of hostsOf(target.provider)) {
        if (host.includes('*')) {
          if (this.#inexact.at(-1) !== number) this.#inexact.push(number);
          continue;
        }
        if (port !== undefined && (port < rule.from || port > rule.to)) continue;
        put(this.#names, host);
        put(this.#below, host);
      }
    }
  }

  #verdicts(table: ReadonlyMap<string, Rule[]>): Map<string, Verdict> {
    return new Map([...table].map(([key, rules]) => [key, this.#verdict(rules)]));
  }

  /** The trie finds the longest prefix only: it has to know what the shorter ones around it say. */
  #flatten(): Map<string, Verdict> {
    const flat = new Map<string, Verdict>();
    const whole = new Map<string, Rule[]>();
    const lengths = { 4: new Set<number>(), 6: new Set<number>() };
    for (const { family, bits } of this.#nets.values()) lengths[family].add(bits);
    const sorted = { 4: [...lengths[4]].sort((a, b) => a - b), 6: [...lengths[6]].sort((a, b) => a - b) };
    const nets = [...this.#nets];
    if (sorted[4].length > 1 || sorted[6].length > 1) nets.sort(([, a], [, b]) => a.bits - b.bits);
    for (const [key, { family, bits, address, rules }] of nets) {
      const shorter = sorted[family].slice(0, sorted[family].indexOf(bits));
      const around = this.#around(address, shorter, whole);
      const all = around === undefined ? rules : [...rules, ...around];
      if (sorted[family].length > 1) whole.set(key, all);
      flat.set(key, this.#verdict(all));
    }
    return flat;
  }

  #around(address: Buffer, lengths: readonly number[], whole: ReadonlyMap<string, Rule[]>): Rule[] | undefined {
    for (let i = lengths.length - 1; i >= 0; i--) {
      const bits = lengths[i] as number;
      const found = whole.get(prefixKey(masked(address, bits), bits));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #verdict(rules: readonly Rule[]): Verdict {
    const always = rules.find(({ from, to, protocol }) => from === 0 && to === 65535 && protocol === undefined);
    if (always !== undefined) return { entry: always.entry, first: 0, count: 0 };
    if (rules.length > RULES_AT_ONCE)
      throw new TooMuch(
        this.#byId.get((rules[RULES_AT_ONCE] as Rule).entry) as EgressEntry,
        `more than ${RULES_AT_ONCE} entries with ports are about one address`,
      );
    const key = rules.map(({ entry }) => entry).join();
    let first = this.#lists.get(key);
    if (first === undefined) {
      first = this.#rules.length;
      this.#lists.set(key, first);
      this.#rules.push(...rules);
      if (this.#rules.length > MOST_RULES)
        throw new TooMuch(this.#byId.get((rules[0] as Rule).entry) as EgressEntry, `there are more than ${MOST_RULES} entries with ports`);
    }
    return { entry: (rules[0] as Rule).entry, first, count: rules.length };
  }
}

export function masked(address: Buffer, bits: number): Buffer {
  return Buffer.from(address.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - 8 * i)))));
}

/** All verdicts about a name: its own, and those of the names that it is below. */
export function verdictsOf(tables: EgressTables, name: string): Verdict[] {
  const found: Verdict[] = [];
  const own = tables.names.get(name);
  if (own !== undefined) found.push(own);
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const below = tables.below.get(name.slice(dot + 1));
    if (below !== undefined) found.push(below);
  }
  return found;
}
