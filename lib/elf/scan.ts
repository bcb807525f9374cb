/**
 * Searches through whole segments of a program file, a window at a time: for strings, and for the instructions that name
 * an address. Nothing is disassembled: a reference is four bytes that give the address, behind the opcode of an
 * instruction that would use them so. x86-64 only.
 */
import type { ElfImage, LoadRange } from './image.js';

/** A window is what a scan holds. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Bytes before a place that tell which instruction it is in. */
const LEAD = 8;
/** More places than this for one string mean that it says nothing. */
const MAX_PLACES = 256;
/** References kept in all. Panic locations of one source file have some dozen. */
const MAX_REFERENCES = 16_384;
const MAX_CALL_TARGETS = 1_000_000;

type Range = Pick<LoadRange, 'address' | 'offset' | 'bytes'>;

/** Reads `range` window by window: `lead` bytes of the one before are in front of each (fewer at the range's start). */
function eachWindow(
  image: ElfImage,
  range: Range,
  buffer: Buffer,
  lead: number,
  see: (bytes: Buffer, address: number, lead: number) => boolean,
): void {
  const room = buffer.length - lead;
  for (let at = 0; at < range.bytes; at += room) {
    const before = Math.min(lead, at);
    const wanted = Math.min(room, range.bytes - at) + before;
    const got = image.readInto(buffer.subarray(0, wanted), range.offset + at - before);
    if (got <= before) return;
    if (!see(buffer.subarray(0, got), range.address + at, before) || got < wanted) return;
  }
}

/** For each needle the addresses at which it stands in the ranges, in order; at most {@link MAX_PLACES} of each. */
export function findBytes(image: ElfImage, ranges: readonly Range[], needles: readonly Buffer[]): number[][] {
  const places: number[][] = needles.map(() => []);
  const longest = Math.max(...needles.map((needle) => needle.length));
  const largest = Math.max(0, ...ranges.map((range) => range.bytes));
  const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, largest) + longest);
  for (const range of ranges) {
    eachWindow(image, range, buffer, longest - 1, (bytes, address, lead) => {
      for (let n = 0; n < needles.length; n++) {
        const needle = needles[n] as Buffer;
        const found = places[n] as number[];
        // What ends before the new bytes was seen in the window before.
        let at = bytes.indexOf(needle, Math.max(0, lead - needle.length + 1));
        while (at >= 0 && found.length < MAX_PLACES) {
          found.push(address - lead + at);
          at = bytes.indexOf(needle, at + 1);
        }
      }
      return true;
    });
  }
  return places;
}

export interface Reference {
  /** Address of the instruction. */
  at: number;
  target: number;
}

/** `lea r64,[rip+disp32]` with its opcode at `at`. */
function isRelativeLea(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x8d && ((bytes[at + 1] as number) & 0xc7) === 5 && ((bytes[at - 1] as number) & 0xfb) === 0x48;
}

/** Where, behind the opcode at `at`, an absolute address stands: `mov r32,imm32`, `mov r64,simm32`, `push imm32`; 0 for none. */
function absoluteOperand(bytes: Buffer, at: number): number {
  const opcode = bytes[at] as number;
  if ((opcode & 0xf8) === 0xb8 || opcode === 0x68) return 1;
  return opcode === 0xc7 && ((bytes[at + 1] as number) & 0xf8) === 0xc0 && ((bytes[at - 1] as number) & 0xfe) === 0x48 ? 2 : 0;
}

/** Every instruction in executable segments that takes one of the addresses. */
export function findReferences(image: ElfImage, targets: readonly number[]): Reference[] {
  const found: Reference[] = [];
  if (targets.length === 0) return found;
  const wanted = new Set(targets);
  const low = new Uint8Array(256);
  for (const target of targets) low[target % 256] = 1;
  const { fixed } = image;
  // Which two neighbouring bytes may be a part of such an instruction: the fewer, the fewer have to be looked at.
  const pairs = pairTable((first, second) => {
    if ((first === 0x8d && (second & 0xc7) === 5) || ((first & 0xfb) === 0x48 && second === 0x8d)) return true;
    if (!fixed) return false;
    const moveOrPush = (first & 0xf8) === 0xb8 || first === 0x68;
    return (moveOrPush && low[second] === 1) || (second & 0xf8) === 0xb8 || second === 0x68 || first === 0xc7 || second === 0xc7;
  });
  scanCode(image, pairs, (bytes, at, address) => {
    if (isRelativeLea(bytes, at)) {
      const target = address + 6 + bytes.readInt32LE(at + 2);
      if (wanted.has(target)) found.push({ at: address - 1, target });
    } else if (fixed) {
      const operand = absoluteOperand(bytes, at);
      if (operand !== 0 && low[bytes[at + operand] as number] === 1) {
        const target = bytes.readUInt32LE(at + operand);
        if (wanted.has(target)) found.push({ at: address, target });
      }
    }
    return found.length < MAX_REFERENCES;
  });
  return found;
}

export interface Region {
  from: number;
  to: number;
}

/** Sorted addresses inside the regions that some `call rel32` of the file goes to. */
export function findCallTargets(image: ElfImage, regions: readonly Region[]): number[] {
  const targets = new Set<number>();
  if (regions.length === 0) return [];
  const lowest = Math.min(...regions.map(({ from }) => from));
  const highest = Math.max(...regions.map(({ to }) => to));
  scanCode(
    image,
    pairTable((first, second) => first === 0xe8 || second === 0xe8),
    (bytes, at, address) => {
      if (bytes[at] !== 0xe8) return true;
      const target = address + 5 + bytes.readInt32LE(at + 1);
      if (target >= lowest && target < highest && regions.some(({ from, to }) => target >= from && target < to)) targets.add(target);
      return targets.size < MAX_CALL_TARGETS;
    },
  );
  return [...targets].sort((a, b) => a - b);
}

/** Addresses of the `call rel32` that go to `target`. */
export function findCalls(image: ElfImage, target: number): number[] {
  const found: number[] = [];
  scanCode(
    image,
    pairTable((first, second) => first === 0xe8 || second === 0xe8),
    (bytes, at, address) => {
      if (bytes[at] === 0xe8 && address + 5 + bytes.readInt32LE(at + 1) === target) found.push(address);
      return found.length < MAX_PLACES;
    },
  );
  return found;
}

function pairTable(mayBe: (first: number, second: number) => boolean): Uint8Array {
  const table = new Uint8Array(65_536);
  for (let pair = 0; pair < table.length; pair++) if (mayBe(pair & 0xff, pair >> 8)) table[pair] = 1;
  return table;
}

/**
 * Goes through the executable segments two bytes at a time; each byte of a pair that `pairs` marks is handed to `see`, which
 * says whether to go on. At least one byte before it and five behind it are there.
 */
function scanCode(image: ElfImage, pairs: Uint8Array, see: (bytes: Buffer, at: number, address: number) => boolean): void {
  const code = image.loads.filter((range) => range.executable);
  const room = Math.min(WINDOW_BYTES, Math.max(0, ...code.map((range) => range.bytes))) + LEAD + 2;
  const buffer = Buffer.from(new ArrayBuffer(room - (room % 2)));
  const words = new Uint16Array(buffer.buffer);
  for (const range of code) {
    eachWindow(image, range, buffer, LEAD, (bytes, address, lead) => {
      // The first place that the window before could not see whole, and the last one that this can.
      const first = lead === 0 ? 1 : lead - 5;
      const last = bytes.length - 6;
      const start = address - lead;
      for (let word = first >> 1; word <= last >> 1; word++) {
        if (pairs[words[word] as number] === 0) continue;
        const at = word * 2;
        if (at >= first && !see(bytes, at, start + at)) return false;
        if (at + 1 <= last && at + 1 >= first && !see(bytes, at + 1, start + at + 1)) return false;
      }
      return true;
    });
  }
}
