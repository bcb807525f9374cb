/**
 * Which general register an x86-64 instruction writes: enough to follow arguments through the first instructions of a
 * function, up to a call. What is not listed counts as unknown, so a wrong answer is impossible by omission.
 */
import type { Instruction } from './x86-64.js';

/** Numbers of the argument registers of the System V calling convention, first to sixth. */
export const ARGUMENT_REGISTERS = [7, 6, 2, 1, 8, 9] as const;

/** A register that is written, and whether with zero (`xor ecx,ecx`). */
export interface Write {
  register: number;
  zero: boolean;
}

function rexOf(code: Uint8Array, at: number, instruction: Instruction): number {
  const last = instruction.prefixes > 0 ? (code[at + instruction.prefixes - 1] as number) : 0;
  return last >= 0x40 && last <= 0x4f ? last : 0;
}

/**
 * The register that the instruction writes; `none` when it writes no general register other than the stack pointer;
 * `unknown` for everything that this does not know, calls among them.
 */
export function registerWritten(code: Uint8Array, at: number, instruction: Instruction): Write | 'none' | 'unknown' {
  if (instruction.encoding !== 'legacy') return 'unknown';
  const { map, opcode, modrm = 0 } = instruction;
  const rex = rexOf(code, at, instruction);
  const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
  const rm = (modrm & 7) | ((rex & 1) << 3);
  const direct = modrm >> 6 === 3;
  const group = (modrm >> 3) & 7;
  const toRm = (): Write | 'none' => (direct ? { register: rm, zero: false } : 'none');
  const toReg = (): Write => ({ register: reg, zero: false });

  if (instruction.branch) return instruction.branch.kind === 'call' ? 'unknown' : 'none';
  if (map === 1) {
    if (opcode === 0x1e || opcode === 0x1f) return 'none';
    if ((opcode >= 0x40 && opcode <= 0x4f) || opcode === 0xb6 || opcode === 0xb7 || opcode === 0xbe || opcode === 0xbf) return toReg();
    return 'unknown';
  }
  if (map !== 0) return 'unknown';
  if (opcode < 0x40) {
    const operation = opcode & 0x38;
    const form = opcode & 7;
    if (operation === 0x38) return 'none';
    if (form === 0 || form === 1) {
      const zero = (operation === 0x30 || operation === 0x28) && direct && reg === rm && form === 1;
      return zero ? { register: rm, zero: true } : toRm();
    }
    if (form === 2 || form === 3) {
      const zero = (operation === 0x30 || operation === 0x28) && direct && reg === rm && form === 3;
      return zero ? { register: reg, zero: true } : toReg();
    }
    return { register: 0, zero: false };
  }
  if (opcode >= 0x50 && opcode <= 0x57) return 'none';
  if (opcode >= 0x58 && opcode <= 0x5f) return { register: (opcode & 7) | ((rex & 1) << 3), zero: false };
  if (opcode >= 0xb8 && opcode <= 0xbf) return { register: (opcode & 7) | ((rex & 1) << 3), zero: immediateIsZero(code, at, instruction) };
  switch (opcode) {
    case 0x63:
    case 0x69:
    case 0x6b:
    case 0x8a:
    case 0x8b:
    case 0x8d:
      return toReg();
    case 0x68:
    case 0x6a:
    case 0x84:
    case 0x85:
    case 0x90:
    case 0xa8:
    case 0xa9:
      return 'none';
    case 0x80:
    case 0x81:
    case 0x83:
      return group === 7 ? 'none' : toRm();
    case 0x88:
    case 0x89:
    case 0xc6:
    case 0xc7:
      return toRm();
    case 0xf6:
    case 0xf7:
      return group <= 1 ? 'none' : 'unknown';
    case 0xff:
      return group === 6 ? 'none' : group <= 1 ? toRm() : 'unknown';
    default:
      return 'unknown';
  }
}

function immediateIsZero(code: Uint8Array, at: number, instruction: Instruction): boolean {
  for (let i = at + instruction.prefixes + 1; i < at + instruction.length; i++) if (code[i] !== 0) return false;
  return true;
}
