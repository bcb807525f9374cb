/** The tables of Zstandard (RFC 8878 §4): finite state entropy and Huffman, as they stand in a block; bits read from the end. */

/** Thrown at the first thing that no encoder writes; caught in zstd.ts. One for all: nobody reads where it was. */
export const DAMAGED = new Error('not Zstandard, or damaged');

/** What is wanted of the bytes must be there. */
export function check(good: boolean): asserts good {
  if (!good) throw DAMAGED;
}

/** Position of the highest bit set; -1 for 0. */
export function highBit(value: number): number {
  return 31 - Math.clz32(value);
}

/** Bits from the end of some bytes to their beginning (§4.1). Before the beginning there are zeros, as many as are asked for. */
export class BackwardBits {
  /** Bits that are left; below zero when more were read than there were. */
  left: number;

  constructor(private readonly bytes: Uint8Array) {
    const last = bytes[bytes.length - 1];
    // The highest bit set of the last byte only says where the bits end.
    check(last !== undefined && last !== 0);
    this.left = bytes.length * 8 - 8 + highBit(last);
  }

  /** @param n at most 24 */
  read(n: number): number {
    this.left -= n;
    return this.at(this.left, n);
  }

  /** The next bits, without taking them. */
  peek(n: number): number {
    return this.at(this.left - n, n);
  }

  private at(bit: number, n: number): number {
    if (bit < 0) return bit + n <= 0 ? 0 : this.at(0, bit + n) << -bit;
    const { bytes } = this;
    const i = bit >> 3;
    // Past the end there is nothing, which counts as zero.
    const four =
      (bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24);
    return (four >>> (bit & 7)) & ((1 << n) - 1);
  }
}

/** A table of finite state entropy: each state has a symbol, and a number of bits that lead to the next state. */
export interface FseTable {
  /** Bits of a state. */
  log: number;
  symbols: Uint8Array;
  bits: Uint8Array;
  base: Uint16Array;
}

/** Reads a table's description (§4.1.1) from the beginning of `bytes`. Returns it and the length that it took. */
export function readFse(bytes: Uint8Array, maxLog: number, maxSymbol: number): { table: FseTable; length: number } {
  const log = ((bytes[0] ?? 0) & 15) + 5;
  check(bytes.length > 0 && log <= maxLog);
  let bit = 4;
  const next = (n: number): number => {
    const i = bit >> 3;
    bit += n;
    return (
      (((bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16)) >>> ((bit - n) & 7)) & ((1 << n) - 1)
    );
  };
  const counts: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    check(counts.length <= maxSymbol && bit < bytes.length * 8);
    const n = highBit(left + 1) + 1;
    const low = (1 << (n - 1)) - 1;
    const threshold = (1 << n) - 1 - (left + 1);
    let value = next(n);
    if ((value & low) < threshold) {
      value &= low;
      bit--;
    } else if (value > low) value -= threshold;
    const count = value - 1;
    left -= Math.abs(count);
    counts.push(count);
    if (count !== 0) continue;
    for (let more = 3; more === 3; ) {
      more = next(2);
      for (let i = 0; i < more; i++) counts.push(0);
      check(counts.length <= maxSymbol + 1 && bit < bytes.length * 8 + 8);
    }
  }
  const length = (bit + 7) >> 3;
  check(left === 0 && counts.length <= maxSymbol + 1 && length <= bytes.length);
  return { table: fseTable(counts, log), length };
}

/** The table of a distribution: how many of the 2^log states each symbol has; -1 is less than one. */
export function fseTable(counts: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const table = { log, symbols: new Uint8Array(size), bits: new Uint8Array(size), base: new Uint16Array(size) };
  const seen = new Uint16Array(counts.length);
  let high = size;
  for (const [symbol, count] of counts.entries()) {
    seen[symbol] = Math.abs(count);
    if (count === -1) table.symbols[--high] = symbol;
  }
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      table.symbols[at] = symbol;
      do at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
      while (at >= high);
    }
  }
  for (let state = 0; state < size; state++) {
    const symbol = table.symbols[state] as number;
    const n = seen[symbol] as number;
    seen[symbol] = n + 1;
    const bits = log - highBit(n);
    table.bits[state] = bits;
    table.base[state] = (n << bits) - size;
  }
  return table;
}

/** The table of a symbol that is always the same. */
export function constantTable(symbol: number): FseTable {
  return { log: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), base: new Uint16Array(1) };
}

/** A Huffman table, by the next `log` bits. */
export interface HuffmanTable {
  log: number;
  symbols: Uint8Array;
  bits: Uint8Array;
}

const HUFFMAN_LOG = 11;
const WEIGHTS_LOG = 6;

/** Reads a Huffman tree's description (§4.2.1) from the beginning of `bytes`. Returns its table and the length that it took. */
export function readHuffman(bytes: Uint8Array): { table: HuffmanTable; length: number } {
  const head = bytes[0];
  check(head !== undefined);
  const length = 1 + (head < 128 ? head : (head - 126) >> 1);
  check(length <= bytes.length);
  const weights = head < 128 ? codedWeights(bytes.subarray(1, length)) : plainWeights(bytes.subarray(1, length), head - 127);
  return { table: huffmanTable(weights), length };
}

function plainWeights(bytes: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, i) => ((bytes[i >> 1] as number) >> (i % 2 === 0 ? 4 : 0)) & 15);
}

/** Two states take turns until the bits are used up; then the other one has a last symbol. */
function codedWeights(bytes: Uint8Array): number[] {
  const { table, length } = readFse(bytes, WEIGHTS_LOG, 255);
  const bits = new BackwardBits(bytes.subarray(length));
  const states: [number, number] = [bits.read(table.log), bits.read(table.log)];
  check(bits.left >= 0);
  const weights: number[] = [];
  for (let turn: 0 | 1 = 0; ; turn = turn === 0 ? 1 : 0) {
    check(weights.length < 254);
    const state = states[turn];
    weights.push(table.symbols[state] as number);
    states[turn] = (table.base[state] as number) + bits.read(table.bits[state] as number);
    if (bits.left >= 0) continue;
    weights.push(table.symbols[states[turn === 0 ? 1 : 0]] as number);
    return weights;
  }
}

/** The weight of the last symbol is not said: it makes the sum a power of two. */
function huffmanTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    check(weight <= HUFFMAN_LOG);
    if (weight > 0) sum += 1 << (weight - 1);
  }
  const log = highBit(sum) + 1;
  check(sum > 0 && log <= HUFFMAN_LOG);
  const left = (1 << log) - sum;
  check((left & (left - 1)) === 0);
  weights.push(highBit(left) + 1);
  const table = { log, symbols: new Uint8Array(1 << log), bits: new Uint8Array(1 << log) };
  let at = 0;
  for (let weight = 1; weight <= log; weight++) {
    for (const [symbol, its] of weights.entries()) {
      if (its !== weight) continue;
      const end = at + (1 << (weight - 1));
      table.symbols.fill(symbol, at, end);
      table.bits.fill(log + 1 - weight, at, end);
      at = end;
    }
  }
  return table;
}
