/** Where the direct branches of one function go: by linear decoding from its first byte to its last. */
import { aarch64Branch } from './aarch64.js';
import type { CodeImage } from './code-image.js';
import { type Branch, decode, isEndbr64, isIndirectJump } from './x86-64.js';

/** Functions longer than this are not looked at: SSL_read has some hundred bytes. */
const MAX_FUNCTION_BYTES = 16 * 1024;
/** Read when the symbol has no size: far enough for a thin wrapper. */
const GUESSED_BYTES = 512;

export interface FunctionCode {
  address: number;
  code: Uint8Array;
}

export interface OutsideBranch {
  /** Offset of the branch in the function. */
  at: number;
  kind: Branch['kind'];
  target: number;
}

/** The bytes of a function, by symbol; undefined without the symbol or its content. */
export function functionCode(image: CodeImage, name: string): FunctionCode | undefined {
  const symbol = image.symbol(name);
  if (!symbol) return undefined;
  const size = symbol.size > 0 ? Math.min(symbol.size, MAX_FUNCTION_BYTES) : GUESSED_BYTES;
  const code = image.bytes(symbol.address, size);
  return code ? { address: symbol.address, code } : undefined;
}

/** Direct branches that leave the function. Stops at the first instruction that it cannot decode. */
export function outsideBranches(image: CodeImage, { address, code }: FunctionCode): OutsideBranch[] {
  const branches: OutsideBranch[] = [];
  const add = (at: number, branch: Branch, base: number): void => {
    const target = base + branch.displacement;
    if (target < address || target >= address + code.length) branches.push({ at, kind: branch.kind, target });
  };
  if (image.machine === 'aarch64') {
    const words = new DataView(code.buffer, code.byteOffset, code.byteLength);
    for (let at = 0; at + 4 <= code.length; at += 4) {
      const branch = aarch64Branch(words.getUint32(at, true));
      if (branch) add(at, branch, address + at);
    }
    return branches;
  }
  for (let at = 0; at < code.length; ) {
    const instruction = decode(code, at);
    if (!instruction) break;
    if (instruction.branch) add(at, instruction.branch, address + at + instruction.length);
    at += instruction.length;
  }
  return branches;
}

/** True when a jump through memory stands at `address`: an entry of the procedure linkage table, not a function. */
export function isPltStub(image: CodeImage, address: number): boolean {
  const code = image.bytes(address, 24);
  if (!code) return false;
  if (image.machine === 'aarch64') {
    // adrp x16; ldr x17, [x16, …]; add x16, x16, …; br x17 — behind a bti c or not.
    const words = new DataView(code.buffer, code.byteOffset, code.byteLength);
    for (let at = 0; at + 4 <= code.length; at += 4) if (words.getUint32(at, true) === 0xd61f0220) return true;
    return false;
  }
  const at = isEndbr64(code, 0) ? 4 : 0;
  const instruction = decode(code, at);
  return instruction !== undefined && isIndirectJump(instruction);
}
