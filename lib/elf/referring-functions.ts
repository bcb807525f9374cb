/**
 * The functions that refer to an address, each with the constants in its code: how a library is recognised whose names
 * are gone. Bounds come from the unwinding tables, address by address, and where those are silent from call targets and
 * padding. x86-64 only.
 */
import { type Bounds, UnwindTable } from './eh-frame.js';
import type { ElfImage } from './image.js';
import { findCalls, findCallTargets, findReferences, type Reference, type Region } from './scan.js';

export interface ReferringFunction extends Bounds {
  /** What the bounds are known from. */
  by: 'unwinding table' | 'call targets';
  /** The targets that it refers to. */
  targets: Set<number>;
  code: Buffer;
  /** 32-bit numbers that it loads into registers. */
  constants: ReadonlySet<number>;
}

/**
 * How a function's start is told without unwinding tables: `aligned` on 16 bytes, and called or behind padding; `called`
 * at any address where control does not come from above, for code that was optimised for size.
 */
export type StartRule = 'aligned' | 'called';

/** Longer functions are cut: an OpenSSL entry has some hundred bytes. */
const MAX_FUNCTION_BYTES = 64 * 1024;
/** How far from a reference the function's ends are looked for without unwinding tables. */
const REACH_BYTES = 32 * 1024;
const MAX_REGIONS = 256;
const MAX_FUNCTIONS = 2048;

export class Code {
  readonly image: ElfImage;
  readonly #unwinding: UnwindTable;
  #references: Reference[] = [];
  #calls: { regions: Region[]; targets: number[] } | undefined;

  constructor(image: ElfImage) {
    this.image = image;
    this.#unwinding = new UnwindTable(image);
  }

  /** Finds the references to all these addresses in one pass over the code. */
  look(targets: readonly number[]): void {
    this.#references = findReferences(this.image, targets);
    this.#calls = undefined;
  }

  /** The functions that refer to one of `targets`, which must be among those last looked for. */
  referringTo(targets: ReadonlySet<number>, rule: StartRule = 'aligned'): ReferringFunction[] {
    const references = this.#references.filter(({ target }) => targets.has(target));
    return this.#around(references, rule);
  }

  /**
   * The functions that call `callee`, as far as they have unwinding entries or lie near a reference that was looked for.
   * Another pass over the code.
   */
  callersOf(callee: Bounds, rule: StartRule = 'aligned'): ReferringFunction[] {
    return this.#around(
      findCalls(this.image, callee.start).map((at) => ({ at, target: callee.start })),
      rule,
    );
  }

  #around(references: readonly Reference[], rule: StartRule): ReferringFunction[] {
    const found = new Map<number, ReferringFunction>();
    for (const { at, target } of references) {
      if (found.size >= MAX_FUNCTIONS) break;
      const listed = this.#unwinding.find(at);
      const bounds = listed ?? this.#guess(at, rule);
      if (bounds === undefined) continue;
      const known = found.get(bounds.start);
      if (known !== undefined) known.targets.add(target);
      else {
        const code = this.image.bytes(bounds.start, Math.min(bounds.end - bounds.start, MAX_FUNCTION_BYTES));
        if (code === undefined || code.length === 0) continue;
        const by = listed === undefined ? 'call targets' : 'unwinding table';
        found.set(bounds.start, { ...bounds, by, targets: new Set([target]), code: Buffer.from(code), constants: constantsOf(code) });
      }
    }
    return [...found.values()].sort((a, b) => a.start - b.start);
  }

  /** Bounds of the function around `at` from what calls and padding tell. */
  #guess(at: number, rule: StartRule): Bounds | undefined {
    this.#calls ??= this.#callsNearReferences();
    const region = this.#calls.regions.find(({ from, to }) => at >= from && at < to);
    if (region === undefined) return undefined;
    const from = Math.max(region.from, at - REACH_BYTES);
    const bytes = this.image.bytes(from, at + REACH_BYTES - from);
    if (bytes === undefined) return undefined;
    const called = new Set<number>();
    const { targets } = this.#calls;
    for (let i = lowerBound(targets, from); i < targets.length && (targets[i] as number) < from + bytes.length; i++) {
      called.add((targets[i] as number) - from);
    }
    const starts = rule === 'aligned' ? startsAligned(bytes, from, called) : startsCalled(bytes, called);
    let start: number | undefined;
    for (const each of starts) {
      if (from + each <= at) start = from + each;
      else if (start !== undefined) return { start, end: from + each };
    }
    return start === undefined ? undefined : { start, end: from + bytes.length };
  }

  #callsNearReferences(): { regions: Region[]; targets: number[] } {
    const regions: Region[] = [];
    for (const { at } of this.#references) {
      if (this.#unwinding.find(at) !== undefined) continue;
      const last = regions[regions.length - 1];
      if (last !== undefined && at - REACH_BYTES <= last.to) last.to = at + REACH_BYTES;
      else if (regions.length < MAX_REGIONS) regions.push({ from: Math.max(0, at - REACH_BYTES), to: at + REACH_BYTES });
    }
    for (const region of regions) {
      // Regions end where the code does: bytes before the segment's start are nobody's.
      const load = this.image.loads.find((each) => each.executable && region.to > each.address && region.from < each.address + each.bytes);
      if (load !== undefined) region.from = Math.max(region.from, load.address);
    }
    return { regions, targets: findCallTargets(this.image, regions) };
  }
}

/** Index of the first number not below `value` in a sorted list. */
function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Offsets in `bytes` of functions on 16-byte borders that are called, or stand behind two bytes of int3. */
function startsAligned(bytes: Buffer, from: number, called: ReadonlySet<number>): number[] {
  const starts: number[] = [];
  for (let at = (16 - (from % 16)) % 16; at < bytes.length; at += 16) {
    if ((called.has(at) && isBehindAnEnd(bytes, at)) || (at >= 2 && bytes[at - 1] === 0xcc && bytes[at - 2] === 0xcc)) starts.push(at);
  }
  return starts;
}

/** Offsets of called places, at any address, that nothing falls into from above. */
function startsCalled(bytes: Buffer, called: ReadonlySet<number>): number[] {
  return [...called].filter((at) => isBehindAnEnd(bytes, at) && bytes[at - 5] !== 0xe8);
}

/**
 * Whether code may end before `at`: with ret, a jump, ud2, a call of what does not return, or padding. In a hundred MB of
 * code some bytes look like calls of any place, so to be called is not enough.
 */
function isBehindAnEnd(bytes: Buffer, at: number): boolean {
  const last = bytes[at - 1];
  const second = bytes[at - 2];
  if (last === 0xc3 || last === 0xcc || last === 0x90 || bytes[at - 5] === 0xe9 || bytes[at - 5] === 0xe8 || second === 0xeb) return true;
  if (second === 0x0f && last === 0x0b) return true;
  // jmp or call through a register; nops of several bytes: 0f 1f 00, 0f 1f 40 00, 0f 1f 44 00 00, 0f 1f 80 …, 0f 1f 84 00 ….
  if (second === 0xff && (last as number) >= 0xd0 && (last as number) <= 0xe7) return true;
  if (last !== 0) return false;
  for (let length = 3; length <= 8; length++) if (bytes[at - length] === 0x0f && bytes[at - length + 1] === 0x1f) return true;
  return false;
}

/** What `mov r32,imm32` and `push imm8; pop r64` load, wherever these bytes stand: a superset that needs no decoding. */
function constantsOf(code: Buffer): Set<number> {
  const constants = new Set<number>();
  for (let at = 0; at < code.length; at++) {
    const byte = code[at] as number;
    if (byte >= 0xb8 && byte <= 0xbf && at + 5 <= code.length) constants.add(code.readUInt32LE(at + 1));
    else if (byte === 0x6a && at + 3 <= code.length) {
      const pop = code[at + 2] === 0x41 ? code[at + 3] : code[at + 2];
      if (pop !== undefined && pop >= 0x58 && pop <= 0x5f) constants.add(code[at + 1] as number);
    }
  }
  return constants;
}

/** Whether `caller` has a `call` or `jmp rel32` to the start of `callee`. */
export function calls(caller: ReferringFunction, callee: Bounds): boolean {
  for (let at = 0; at + 5 <= caller.code.length; at++) {
    const byte = caller.code[at];
    if ((byte === 0xe8 || byte === 0xe9) && caller.start + at + 5 + caller.code.readInt32LE(at + 1) === callee.start) return true;
  }
  return false;
}
