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

/** `4/24/0a000000`: what {@link EgressTables.prefixes} has as keys. */
export function prefixKey(address: Buffer, bits: number): string {
  return `${address.length === 4 ? 4 : 6}/${bits}/${address.toString('hex')}`;
}

/** @throws TooMuch */
export function compileEgress(entries: readonly EgressEntry[]): EgressTables {
  const compiler = new Compiler(entries);
  return compiler.run();
}

class Compiler {
  readonly #nets = new Map<string, Rule[]>();
  readonly #names = new Map<string, Rule[]>();
  readonly #below = new Map<string, Rule[]>();
  readonly #rules: Rule[] = [];
  readonly #lists = new Map<string, number>();
  readonly #inexact: number[] = [];

  constructor(readonly entries: readonly EgressEntry[]) {}

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

  #add({ target, ports, protocol }: EgressEntry, number: number): void {
    const rule: Rule = { entry: number, from: ports?.from ?? 0, to: ports?.to ?? 65535, protocol };
    const put = (table: Map<string, Rule[]>, key: string): void => {
      const known = table.get(key);
      if (known === undefined) table.set(key, [rule]);
      else known.push(rule);
    };
    if (target.kind === 'any') {
      put(this.#nets, prefixKey(Buffer.alloc(4), 0));
      put(this.#nets, prefixKey(Buffer.alloc(16), 0));
    } else if (target.kind === 'net') put(this.#nets, prefixKey(target.address, target.bits));
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
    const lengths: Record<string, number[]> = { 4: [], 6: [] };
    const whole = new Map<string, Rule[]>();
    const parsed = [...this.#nets].map(([key, rules]) => {
      const [family = '', bits = '', hex = ''] = key.split('/');
      return { key, family, bits: Number(bits), address: Buffer.from(hex, 'hex'), rules };
    });
    parsed.sort((a, b) => a.bits - b.bits);
    for (const { family, bits } of parsed) {
      const known = lengths[family] as number[];
      if (known.at(-1) !== bits) known.push(bits);
    }
    for (const { key, family, bits, address, rules } of parsed) {
      const around = this.#around(
        address,
        (lengths[family] as number[]).filter((length) => length < bits),
        whole,
      );
      const all = around === undefined ? rules : [...rules, ...around];
      whole.set(key, all);
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
        this.entries[(rules[RULES_AT_ONCE] as Rule).entry] as EgressEntry,
        `more than ${RULES_AT_ONCE} entries with ports are about one address`,
      );
    const key = rules.map(({ entry }) => entry).join();
    let first = this.#lists.get(key);
    if (first === undefined) {
      first = this.#rules.length;
      this.#lists.set(key, first);
      this.#rules.push(...rules);
      if (this.#rules.length > MOST_RULES)
        throw new TooMuch(this.entries[(rules[0] as Rule).entry] as EgressEntry, `there are more than ${MOST_RULES} entries with ports`);
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
