/** A compressed block of Zstandard (RFC 8878 §3.1.1.3): literals, and sequences that say what of them and of what was before to copy. */
import { BackwardBits, check, constantTable, type FseTable, fseTable, type HuffmanTable, readFse, readHuffman } from './zstd-tables.js';

/** What a block leaves to the next one of its frame. */
export class BlockState {
  huffman: HuffmanTable | undefined;
  /** Tables of literals' lengths, offsets, and lengths of matches. */
  tables: (FseTable | undefined)[] = [undefined, undefined, undefined];
  /** The last three offsets. */
  offsets: [number, number, number] = [1, 4, 8];
}

/** Where a block's bytes are put: after what came before them. */
export interface Place {
  bytes: Buffer;
  /** Where the block begins. */
  from: number;
  /** Where it must end. */
  limit: number;
  /** How far before `from` a match may reach. */
  before: number;
  /** How far back a match may reach at all. */
  window: number;
}

/** Decodes a block's content to `place`; returns the position after its last byte. Throws `DAMAGED`. */
export function decodeBlock(content: Uint8Array, state: BlockState, place: Place): number {
  const { literals, length } = readLiterals(content, state, place.limit - place.from);
  const { count, tables, at } = readTables(content, length, state);
  if (count > 0) return sequences(content.subarray(at), count, tables, literals, state, place);
  check(at === content.length);
  return literalsTo(literals, 0, place, place.from);
}

/** Literals are only needed while their block is decoded. */
const scratch = new Uint8Array(128 * 1024);

function readLiterals(content: Uint8Array, state: BlockState, limit: number): { literals: Uint8Array; length: number } {
  const first = content[0];
  check(first !== undefined);
  const form = (first >> 2) & 3;
  const kind = first & 3;
  if (kind < 2) {
    const head = form === 1 ? 2 : form === 3 ? 3 : 1;
    check(head <= content.length);
    const size = head === 1 ? first >> 3 : little(content, head) >> 4;
    check(size <= limit);
    const end = head + (kind === 0 ? size : 1);
    check(end <= content.length);
    return { literals: kind === 0 ? content.subarray(head, end) : scratch.subarray(0, size).fill(content[head] as number), length: end };
  }
  const head = form < 2 ? 3 : form + 2;
  check(head <= content.length);
  const width = form < 2 ? 10 : form === 2 ? 14 : 18;
  const sizes = Math.floor(little(content, head) / 16);
  const size = sizes % 2 ** width;
  const end = head + Math.floor(sizes / 2 ** width);
  check(size <= limit && end <= content.length);
  let coded = content.subarray(head, end);
  if (kind === 2) {
    const { table, length } = readHuffman(coded);
    state.huffman = table;
    coded = coded.subarray(length);
  }
  const table = state.huffman;
  check(table !== undefined);
  const literals = scratch.subarray(0, size);
  if (form === 0) huffman(coded, table, literals);
  else fourStreams(coded, table, literals);
  return { literals, length: end };
}

function little(bytes: Uint8Array, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + (bytes[i] as number);
  return value;
}

function fourStreams(coded: Uint8Array, table: HuffmanTable, literals: Uint8Array): void {
  const part = (literals.length + 3) >> 2;
  check(coded.length >= 6 && part * 3 <= literals.length);
  let at = 6;
  for (let i = 0; i < 4; i++) {
    const end = i === 3 ? coded.length : at + little(coded.subarray(i * 2), 2);
    check(end <= coded.length);
    huffman(coded.subarray(at, end), table, literals.subarray(i * part, i === 3 ? literals.length : (i + 1) * part));
    at = end;
  }
}

function huffman(coded: Uint8Array, table: HuffmanTable, to: Uint8Array): void {
  const bits = new BackwardBits(coded);
  for (let i = 0; i < to.length; i++) {
    const index = bits.peek(table.log);
    to[i] = table.symbols[index] as number;
    bits.left -= table.bits[index] as number;
  }
  check(bits.left === 0);
}

interface Kind {
  log: number;
  standard: FseTable;
  /** Of each code: the smallest value, and how many bits are added to it. */
  base: readonly number[];
  extra: readonly number[];
}

function kind(log: number, counts: readonly number[], standardLog: number, first: number, extra: readonly number[]): Kind {
  const base: number[] = [];
  let next = first;
  for (const n of extra) {
    base.push(next);
    next += 2 ** n;
  }
  return { log, standard: fseTable(counts, standardLog), base, extra };
}

const times = (n: number, value: number): number[] => Array(n).fill(value);

// The distributions and codes of RFC 8878 §3.1.1.3.2.1 and §3.1.1.3.2.2.
const KINDS: readonly [Kind, Kind, Kind] = [
  kind(9, [4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, ...times(5, 1), ...times(4, -1)], 6, 0, [
    ...times(16, 0),
    ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  ]),
  kind(
    8,
    [...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)],
    5,
    1,
    Array.from({ length: 32 }, (_, i) => i),
  ),
  kind(9, [1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6, 3, [
    ...times(32, 0),
    ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  ]),
];

/** How many sequences there are, and their tables; `at` is where their bits begin. */
function readTables(content: Uint8Array, from: number, state: BlockState): { count: number; tables: FseTable[]; at: number } {
  let at = from;
  const byte = (): number => {
    const value = content[at++];
    check(value !== undefined);
    return value;
  };
  let count = byte();
  if (count === 255) count = byte() + byte() * 256 + 0x7f00;
  else if (count > 127) count = (count - 128) * 256 + byte();
  if (count === 0) return { count, tables: [], at };
  const modes = byte();
  check((modes & 3) === 0);
  const tables = KINDS.map((its, i) => {
    const known = state.tables[i];
    switch ((modes >> (6 - 2 * i)) & 3) {
      case 0:
        return its.standard;
      case 1: {
        const symbol = byte();
        check(symbol < its.extra.length);
        return constantTable(symbol);
      }
      case 2: {
        const { table, length } = readFse(content.subarray(at), its.log, its.extra.length - 1);
        at += length;
        return table;
      }
      default:
        check(known !== undefined);
        return known;
    }
  });
  state.tables = tables;
  return { count, tables, at };
}

/** An offset of more bits than this is larger than any window. */
const OFFSET_BITS = 24;

function sequences(
  coded: Uint8Array,
  count: number,
  tables: readonly FseTable[],
  literals: Uint8Array,
  state: BlockState,
  place: Place,
): number {
  const [lengths, offsets, matches] = tables as [FseTable, FseTable, FseTable];
  const { bytes, from, limit, before, window } = place;
  const bits = new BackwardBits(coded);
  let a = bits.read(lengths.log);
  let b = bits.read(offsets.log);
  let c = bits.read(matches.log);
  let to = from;
  let used = 0;
  for (let n = count; n > 0; n--) {
    const code = offsets.symbols[b] as number;
    check(code <= OFFSET_BITS);
    const value = 2 ** code + bits.read(code);
    const match = plus(KINDS[2], matches.symbols[c] as number, bits);
    const length = plus(KINDS[0], lengths.symbols[a] as number, bits);
    const offset = nextOffset(state.offsets, value, length === 0);
    if (n > 1) {
      a = (lengths.base[a] as number) + bits.read(lengths.bits[a] as number);
      c = (matches.base[c] as number) + bits.read(matches.bits[c] as number);
      b = (offsets.base[b] as number) + bits.read(offsets.bits[b] as number);
    }
    check(bits.left >= 0 && used + length <= literals.length && to + length + match <= limit);
    for (let i = 0; i < length; i++) bytes[to++] = literals[used++] as number;
    check(offset > 0 && offset <= window && offset <= to - from + before);
    if (offset >= match && match > 32) {
      bytes.copyWithin(to, to - offset, to - offset + match);
      to += match;
    } else for (let i = 0; i < match; i++, to++) bytes[to] = bytes[to - offset] as number;
  }
  check(bits.left === 0);
  return literalsTo(literals, used, place, to);
}

function plus({ base, extra }: Kind, code: number, bits: BackwardBits): number {
  return (base[code] as number) + bits.read(extra[code] as number);
}

/** Offsets up to 3 stand for one of the last three (§3.1.1.5). */
function nextOffset(last: [number, number, number], value: number, noLiterals: boolean): number {
  if (value > 3) {
    last.unshift(value - 3);
    last.length = 3;
    return value - 3;
  }
  const index = value - 1 + Number(noLiterals);
  const offset = index === 3 ? last[0] - 1 : (last[index] as number);
  if (index > 1) last[2] = last[1];
  if (index > 0) {
    last[1] = last[0];
    last[0] = offset;
  }
  return offset;
}

/** What is left of the literals ends the block. */
function literalsTo(literals: Uint8Array, used: number, { bytes, limit }: Place, to: number): number {
  const end = to + literals.length - used;
  check(end <= limit);
  bytes.set(literals.subarray(used), to);
  return end;
}
