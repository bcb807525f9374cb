/** What choosing probe sites needs to see of a program file, and the words for what it finds. */

export type Machine = 'x86_64' | 'aarch64';

/** How the kernel carries out a probed instruction (probe-cost.ts). */
export type ProbeCost = 'emulated' | 'stepped' | 'refused';

/** What this needs to see of an ELF file. Addresses are virtual addresses of the file, before any load bias. */
export interface CodeImage {
  readonly machine: Machine;
  /** A function by name, whatever its version suffix. `size` is 0 when unknown. */
  symbol(name: string): { address: number; size: number } | undefined;
  /** At most `length` bytes of the file's own content at `address`; undefined where nothing is mapped. */
  bytes(address: number, length: number): Uint8Array | undefined;
  fileOffset(address: number): number | undefined;
}

/**
 * How a function says how many bytes it took:
 * `count` its result; `out4` and `out5` through a `size_t *` as fourth or fifth argument, when the result is positive.
 */
export type ArgumentLayout = 'count' | 'out4' | 'out5';
