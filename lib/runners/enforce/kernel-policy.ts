/**
 * The policy in the kernel (bpf/enforce-policy.h): two sets, one in force. A new policy is written into the other one, as
 * the difference to what that one held, and then put in force by a single store.
 */
import { type BpfObject, u32 } from '../../bpf/index.js';
import { type EgressTables, type Rule, type Verdict, verdictsOf } from '../../policy/egress-tables.js';

export type ListName = 'deny' | 'allow';
const LISTS: readonly ListName[] = ['deny', 'allow'];
const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const NAME_BYTES = 255;
const NAMES_AT_ONCE = 8;
const RULES_EACH = 65_536;

/** What is compiled of one policy: a list that was not given has no tables. */
export interface Compiled {
  rev: number;
  deny: EgressTables | undefined;
  allow: EgressTables | undefined;
}

/** Addresses by the names that DNS gave them for. IPv6 bytes, IPv4 mapped, as hex. */
export type KnownNames = ReadonlyMap<string, ReadonlySet<string>>;

function verdictBytes(verdict: Verdict, base: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(verdict.entry, 0);
  bytes.writeUInt32LE(verdict.count === 0 ? 0 : verdict.first + base, 4);
  bytes.writeUInt32LE(verdict.count, 8);
  return bytes;
}

function ruleBytes(rule: Rule): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(rule.entry, 0);
  bytes.writeUInt16LE(rule.from, 4);
  bytes.writeUInt16LE(rule.to, 6);
  bytes.writeUInt16LE(rule.protocol === undefined ? 0 : PROTOCOLS[rule.protocol], 8);
  return bytes;
}

function slot(set: number, list: ListName, high: boolean): number {
  return set | (list === 'allow' ? 2 : 0) | (high ? 4 : 0);
}

/** A name as a question of DNS has it, padded. Undefined when it is too long for one. */
export function wireName(name: string): Buffer | undefined {
  const bytes = Buffer.alloc(NAME_BYTES);
  let at = 0;
  for (const label of name.split('.')) {
    if (label.length > 63 || at + label.length + 2 > NAME_BYTES) return undefined;
    bytes[at] = label.length;
    bytes.write(label, at + 1, 'latin1');
    at += label.length + 1;
  }
  return bytes;
}

/** What one map holds of one set and list: by the table's own keys, with places in `rules` as they are in the kernel. */
type Held = Map<string, Verdict>;
type Kind = 'prefixes' | 'names' | 'below';
const KINDS: readonly Kind[] = ['prefixes', 'names', 'below'];

function netKey(key: string, set: number, list: ListName): Buffer {
  const [family, hex = '', bits] = key.split('/');
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(8 + Number(bits));
  bytes[4] = slot(set, list, family === '6');
  bytes.write(hex, 5, 'hex');
  return bytes;
}

function hostKey(name: string, set: number, list: ListName, below: boolean): Buffer | undefined {
  const wire = wireName(name);
  return wire === undefined ? undefined : Buffer.concat([Buffer.from([slot(set, list, below)]), wire]);
}

export class KernelPolicy {
  readonly #object: BpfObject;
  readonly #held = new Map<string, Held>();
  readonly #compiled: (Compiled | undefined)[] = [undefined, undefined];
  #active = 0;

  constructor(object: BpfObject) {
    this.#object = object;
  }

  /** Writes a policy beside the one in force. `names` is asked when names are already looked up in the new one, too. */
  put(compiled: Compiled, names: () => KnownNames): void {
    const set = this.#active ^ 1;
    const rules = LISTS.flatMap((list) => compiled[list]?.rules ?? []);
    const map = this.#object.map('rules');
    for (const [i, rule] of rules.entries()) map.update(u32(set * RULES_EACH + i), ruleBytes(rule));
    for (const list of LISTS)
      for (const kind of KINDS) this.#make(set, list, kind, compiled[list]?.[kind] ?? new Map(), this.#base(compiled, set, list));
    this.#compiled[set] = compiled;
    this.#resolve(set, compiled, names());
    const numbers = Buffer.alloc(32);
    this.#object.global('policies').read().copy(numbers);
    numbers.writeUInt32LE(compiled.rev, set * 16);
    numbers.writeUInt32LE(compiled.deny === undefined ? 0 : 1, set * 16 + 4);
    numbers.writeUInt32LE(compiled.allow === undefined ? 0 : 1, set * 16 + 8);
    this.#object.global('policies').write(numbers);
    this.#object.global('active').write(u32(set));
    this.#active = set;
  }

  /** A name that was looked up here: its addresses, in what is in force. */
  learn(addresses: readonly Buffer[], name: string): void {
    const compiled = this.#compiled[this.#active];
    if (compiled === undefined) return;
    for (const address of addresses) this.#add(this.#active, compiled, address, [name]);
  }

  #base(compiled: Compiled, set: number, list: ListName): number {
    return set * RULES_EACH + (list === 'allow' ? (compiled.deny?.rules.length ?? 0) : 0);
  }

  /** `held` follows step by step: what fails half-way is known to be there the next time. */
  #make(set: number, list: ListName, kind: Kind, wanted: ReadonlyMap<string, Verdict>, base: number): void {
    const map = this.#object.map(kind === 'prefixes' ? 'nets' : 'hosts');
    const place = `${set}${list}${kind}`;
    const held: Held = this.#held.get(place) ?? new Map();
    this.#held.set(place, held);
    const bytes = (key: string): Buffer | undefined =>
      kind === 'prefixes' ? netKey(key, set, list) : hostKey(key, set, list, kind === 'below');
    for (const key of held.keys()) {
      if (wanted.has(key)) continue;
      map.delete(bytes(key) as Buffer);
      held.delete(key);
    }
    for (const [key, { entry, first, count }] of wanted) {
      const before = held.get(key);
      const at = count === 0 ? 0 : first + base;
      if (before !== undefined && before.entry === entry && before.count === count && before.first === at) continue;
      const name = bytes(key);
      // No question of DNS can ask for it.
      if (name === undefined) continue;
      map.update(name, verdictBytes({ entry, first: at, count }, 0));
      held.set(key, { entry, first: at, count });
    }
  }

  /** Addresses of known names in a set that is not in force: what stood there was of an older policy. */
  #resolve(set: number, compiled: Compiled, names: KnownNames): void {
    const map = this.#object.map('resolved');
    for (const key of [...map.keys()]) if (((key[0] as number) & 1) === set) map.delete(key);
    for (const [hex, those] of names) this.#add(set, compiled, Buffer.from(hex, 'hex'), [...those]);
  }

  #add(set: number, compiled: Compiled, address: Buffer, names: readonly string[]): void {
    const map = this.#object.map('resolved');
    for (const list of LISTS) {
      const tables = compiled[list];
      if (tables === undefined) continue;
      const verdicts = names
        .flatMap((name) => verdictsOf(tables, name))
        .map((verdict) => verdictBytes(verdict, this.#base(compiled, set, list)));
      if (verdicts.length === 0) continue;
      const key = Buffer.concat([Buffer.from([slot(set, list, false)]), address]);
      const before = map.lookup(key);
      const known =
        before === undefined ? [] : Array.from({ length: before.readUInt32LE(0) }, (_, i) => before.subarray(4 + 12 * i, 16 + 12 * i));
      const all = [...known];
      for (const verdict of verdicts) if (!all.some((one) => one.equals(verdict))) all.push(verdict);
      const value = Buffer.alloc(4 + 12 * NAMES_AT_ONCE);
      value.writeUInt32LE(Math.min(all.length, NAMES_AT_ONCE));
      for (const [i, verdict] of all.slice(0, NAMES_AT_ONCE).entries()) verdict.copy(value, 4 + 12 * i);
      map.update(key, value);
    }
  }
}
