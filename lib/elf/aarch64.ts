/**
 * AArch64: every instruction is four bytes, so only two questions are left: where direct branches go, and what a uprobe
 * costs. Encodings: Arm ARM C4.1; what the kernel does: arch/arm64/kernel/probes/decode-insn.c.
 */
import type { ProbeCost } from './code-image.js';
import type { Branch } from './x86-64.js';

function matches(word: number, mask: number, value: number): boolean {
  return (word & mask) >>> 0 === value >>> 0;
}

/** Sign-extends `bits` bits of `word` from bit `low` on, times 4. */
function offset(word: number, low: number, bits: number): number {
  return ((word << (32 - low - bits)) >> (32 - bits)) * 4;
}

/** The direct branch that this word is, if it is one. `displacement` counts from the instruction itself. */
export function aarch64Branch(word: number): Branch | undefined {
  if (matches(word, 0xfc000000, 0x94000000)) return { kind: 'call', displacement: offset(word, 0, 26) };
  if (matches(word, 0xfc000000, 0x14000000)) return { kind: 'jump', displacement: offset(word, 0, 26) };
  if (matches(word, 0xff000010, 0x54000000)) return { kind: 'conditional', displacement: offset(word, 5, 19) };
  if (matches(word, 0x7e000000, 0x34000000)) return { kind: 'conditional', displacement: offset(word, 5, 19) };
  if (matches(word, 0x7e000000, 0x36000000)) return { kind: 'conditional', displacement: offset(word, 5, 14) };
  return undefined;
}

/** True where control does not go on: b, br, ret and their authenticated forms, udf, brk. */
export function aarch64EndsFlow(word: number): boolean {
  return (
    matches(word, 0xfc000000, 0x14000000) ||
    matches(word, 0xfffffc1f, 0xd61f0000) ||
    matches(word, 0xfffffc1f, 0xd65f0000) ||
    matches(word, 0xfffffbff, 0xd65f0bff) ||
    matches(word, 0xfffff800, 0xd61f0800) ||
    matches(word, 0xfffff800, 0xd71f0800) ||
    matches(word, 0xffe0001f, 0xd4200000) ||
    matches(word, 0xffff0000, 0x00000000)
  );
}

/** Hints that the kernel steps; any other (wfi, yield …) it refuses. */
function steppableHint(word: number): boolean {
  switch ((word >>> 5) & 0x7f) {
    case 0: // nop
    case 7: // xpaclri
    case 8: // pacia1716
    case 10: // pacib1716
    case 12: // autia1716
    case 14: // autib1716
    case 24: // paciaz
    case 25: // paciasp
    case 26: // pacibz
    case 27: // pacibsp
    case 28: // autiaz
    case 29: // autiasp
    case 30: // autibz
    case 31: // autibsp
    case 32: // bti
    case 34: // bti c
    case 36: // bti j
    case 38: // bti jc
      return true;
    default:
      return false;
  }
}

/** What a uprobe costs on this word. `nopSimulated`: Linux 6.13 and later. Undefined never: each word has a class. */
export function aarch64Cost(word: number, nopSimulated: boolean): ProbeCost {
  if (matches(word, 0xffffffff, 0xd503201f)) return nopSimulated ? 'emulated' : 'stepped';
  if (aarch64Branch(word)) return 'emulated';
  // br, blr, ret; their authenticated forms and eret are refused.
  if (matches(word, 0xfffffc1f, 0xd61f0000) || matches(word, 0xfffffc1f, 0xd63f0000) || matches(word, 0xfffffc1f, 0xd65f0000)) {
    return 'emulated';
  }
  if (matches(word, 0xfe000000, 0xd6000000)) return 'refused';
  if (matches(word, 0x1f000000, 0x10000000)) return 'emulated'; // adr, adrp
  if (matches(word, 0xff000000, 0xd4000000)) return 'refused'; // svc, hvc, brk, hlt
  if (matches(word, 0xfffff01f, 0xd503201f)) return steppableHint(word) ? 'stepped' : 'refused';
  if (matches(word, 0xfff8f01f, 0xd500401f) || matches(word, 0xfff00000, 0xd5100000)) return 'refused'; // msr
  if (matches(word, 0xfff00000, 0xd5300000)) return 'stepped'; // mrs
  // Loads relative to the program counter: a slot elsewhere would read the wrong place.
  if (matches(word, 0x3b000000, 0x18000000)) return 'refused';
  // Exclusive pairs lose their reservation under a step.
  if (matches(word, 0x3f000000, 0x08000000)) return (word & 0x00800000) === 0 ? 'refused' : 'stepped';
  return 'stepped';
}
