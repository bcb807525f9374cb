/** Where in a function's first instructions a probe belongs, and what it costs there. */
import type { CodeImage, ProbeCost } from './code-image.js';
import { type KernelVersion, probeCost } from './probe-cost.js';
import { isEndbr64 } from './x86-64.js';

export interface ProbePlace {
  /** Virtual address and file offset of the probed instruction. */
  address: number;
  offset: number;
  /** Bytes from the function's first instruction: 4 behind an endbr64. Arguments and return address are still in place there. */
  skipped: number;
  cost: ProbeCost;
  evidence: string[];
}

/** Enough for any instruction and an endbr64 before it. */
const PROLOGUE_BYTES = 24;

/** The place in the function that begins at `address`: behind an endbr64 when the instruction there is cheaper. */
export function probePlace(image: CodeImage, kernel: KernelVersion, address: number): ProbePlace | undefined {
  const code = image.bytes(address, PROLOGUE_BYTES);
  if (!code) return undefined;
  const evidence: string[] = [];
  let skipped = 0;
  let cost = probeCost(image.machine, code, 0, kernel);
  if (image.machine === 'x86_64' && isEndbr64(code, 0) && probeCost(image.machine, code, 4, kernel) === 'emulated') {
    cost = 'emulated';
    skipped = 4;
    evidence.push('behind endbr64');
  }
  if (cost === undefined) {
    // An instruction newer than the decoder: the kernel may know it, and says so if not.
    cost = 'stepped';
    evidence.push('the first instruction is unknown');
  }
  const offset = image.fileOffset(address + skipped);
  return offset === undefined ? undefined : { address: address + skipped, offset, skipped, cost, evidence };
}
