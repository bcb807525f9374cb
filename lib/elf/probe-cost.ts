/**
 * What a uprobe costs on a given instruction.
 *
 * The kernel replaces the first byte by a breakpoint. Some instructions it then carries out itself (`emulated`, about
 * 0.7 µs); any other it runs out of line under a single step, which is a second exception (`stepped`: 9–12 µs in a
 * virtual machine, where the step leaves the guest). Some it refuses (`refused`: perf_event_open fails with ENOTSUPP),
 * and a few it accepts and then does wrongly; those count as refused here, because nobody should probe them.
 *
 * Source: arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops, the tables of good instructions) and
 * arch/arm64/kernel/probes/decode-insn.c, Linux 5.10 to 6.18; the x86 classes were tried on 6.1, 6.12 and 6.18
 * (test/live/probe-cost.test.ts does it on the kernel that runs).
 */
import { aarch64Cost } from './aarch64.js';
import type { Machine, ProbeCost } from './code-image.js';
import { decode } from './x86-64.js';

export interface KernelVersion {
  major: number;
  minor: number;
}

/** `6.18.44-amd64` → 6.18. Undefined when it does not begin like a kernel release. */
export function parseKernelVersion(release: string): KernelVersion | undefined {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined;
}

function atLeast(kernel: KernelVersion, major: number, minor: number): boolean {
  return kernel.major > major || (kernel.major === major && kernel.minor >= minor);
}

/** The cost of a uprobe on the instruction at `at`; undefined when it cannot be decoded, which is a reason not to probe it. */
export function probeCost(machine: Machine, code: Uint8Array, at: number, kernel: KernelVersion): ProbeCost | undefined {
  if (machine === 'x86_64') return x86Cost(code, at, kernel);
  if (at < 0 || at + 4 > code.length) return undefined;
  const word = new DataView(code.buffer, code.byteOffset, code.byteLength).getUint32(at, true);
  return aarch64Cost(word, atLeast(kernel, 6, 13));
}

/** The forms of nop that the kernel itself uses, by length: it emulates exactly these bytes. */
const NOPS = ['0f1f00', '0f1f4000', '0f1f440000', '660f1f440000', '0f1f8000000000', '0f1f840000000000'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

/** One-byte opcodes on which uprobes are refused in 64-bit mode, beyond those that do not decode at all. */
const REFUSED = new Set([
  0x6c, 0x6d, 0x6e, 0x6f, 0x9b, 0xcc, 0xcd, 0xcf, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb,
]);

function x86Cost(code: Uint8Array, at: number, kernel: KernelVersion): ProbeCost | undefined {
  const instruction = decode(code, at);
  if (!instruction) return undefined;
  const { map, opcode, prefixes, length, modrm = 0 } = instruction;

  // Linux 6.16: the kernel's own longer nops; before, only 90.
  if (atLeast(kernel, 6, 16) && NOPS.some((nop) => nop.length === length && nop.every((byte, i) => code[at + i] === byte))) {
    return 'emulated';
  }
  let operand16 = false;
  let rex = 0;
  for (let i = at; i < at + prefixes; i++) {
    const byte = code[i] as number;
    // is_prefix_bad(): segment overrides that mean nothing in 64-bit mode (so `notrack` too), and lock.
    if (byte === 0x26 || byte === 0x2e || byte === 0x36 || byte === 0x3e || byte === 0xf0) return 'refused';
    if (byte === 0x66) operand16 = true;
    rex = byte >= 0x40 && byte <= 0x4f ? byte : 0;
  }
  // The kernel reads the opcode of a VEX instruction as if it stood in the one-byte map: vpxor is refused as `out`, and
  // vzeroupper (77) is carried out as `ja`.
  if (instruction.encoding !== 'legacy') return 'refused';

  if (map === 0 && opcode === 0x90) {
    // With REX.B it is xchg r8,rax, which the kernel would take for a nop.
    return (rex & 1) !== 0 ? 'refused' : 'emulated';
  }
  if (instruction.branch) {
    // loop and jrcxz are the direct branches that it does not emulate.
    if (map === 0 && opcode >= 0xe0 && opcode <= 0xe3) return 'stepped';
    return operand16 ? 'refused' : 'emulated';
  }
  if (map === 0 && opcode >= 0x50 && opcode <= 0x57) {
    return length === 1 || (length === 2 && rex === 0x41) ? 'emulated' : 'stepped';
  }
  if (map === 0) {
    if (REFUSED.has(opcode)) return 'refused';
    // pushf would show the traced program the single-step flag.
    if (opcode === 0x9c) return 'refused';
    // mov ss masks the step (insn_masking_exception()).
    if (opcode === 0x8e && ((modrm >> 3) & 7) === 2) return 'refused';
  }
  // The system call instructions and ud2 never run on: nothing to be learnt by probing them.
  if (map === 1 && (opcode === 0x05 || opcode === 0x0b || opcode === 0x34 || opcode === 0x35)) return 'refused';
  return 'stepped';
}
