/**
 * Pointers in a program's data: in place (fixed programs, and RELR relocations), or as the addend of a relative relocation
 * that the loader will apply (RELA). Which of the two a linker chose differs from file to file, so both are looked at.
 */
import type { ElfImage } from './image.js';

const DT_RELA = 7;
const DT_RELASZ = 8;
const RELA_BYTES = 24;
/** R_X86_64_RELATIVE. */
const RELATIVE = 8;
const WINDOW_BYTES = 3 * 1024 * 1024;
/** More places than this say nothing. */
const MAX_FOUND = 16_384;
/** Data searched in all: agents carry hundreds of MB of script in theirs, but not with the libraries that this is for. */
const MAX_BYTES = 512 * 1024 * 1024;

export interface Pointer {
  /** Where it is. */
  at: number;
  /** Where it leads. */
  to: number;
}

/** All pointers to one of `addresses`, sorted by place. */
export function findPointers(image: ElfImage, addresses: ReadonlySet<number>): Pointer[] {
  const found = new Map<number, number>();
  if (addresses.size === 0) return [];
  const low = new Uint8Array(65_536);
  for (const address of addresses) low[address % 65_536] = 1;
  const buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, WINDOW_BYTES / 4);
  let left = MAX_BYTES;
  for (const load of image.loads) {
    if (load.executable) continue;
    // Data that is not aligned to a word in the file does not exist: segments are aligned to pages in both.
    for (let at = (8 - (load.address % 8)) % 8; at + 8 <= load.bytes && left > 0; at += WINDOW_BYTES) {
      const got = image.readInto(buffer.subarray(0, Math.min(WINDOW_BYTES, load.bytes - at)), load.offset + at);
      left -= got;
      for (let i = 0; i + 2 <= got >>> 2; i += 2) {
        if (low[(words[i] as number) & 0xffff] === 0) continue;
        const to = (words[i] as number) + (words[i + 1] as number) * 0x100000000;
        if (addresses.has(to) && found.size < MAX_FOUND) found.set(load.address + at + i * 4, to);
      }
      if (got < WINDOW_BYTES) break;
    }
  }
  eachRelative(image, (at, to) => {
    if (low[to % 65_536] !== 0 && addresses.has(to)) found.set(at, to);
    return found.size < MAX_FOUND;
  });
  return [...found].map(([at, to]) => ({ at, to })).sort((a, b) => a.at - b.at);
}

/** Where the pointers at `places` lead, after relocation; absent where there is none. */
export function readPointers(image: ElfImage, places: readonly number[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const place of places) {
    const bytes = image.bytes(place, 8);
    if (bytes !== undefined && bytes.length === 8) found.set(place, Number(bytes.readBigUInt64LE(0)));
  }
  const wanted = new Set(places);
  eachRelative(image, (at, to) => {
    if (wanted.has(at)) found.set(at, to);
    return true;
  });
  return found;
}

function eachRelative(image: ElfImage, see: (at: number, to: number) => boolean): void {
  if (image.machine !== 'x86_64') return;
  const address = image.dynamicTag(DT_RELA);
  const bytes = Math.min(image.dynamicTag(DT_RELASZ) ?? 0, MAX_BYTES, image.size);
  const offset = address === undefined ? undefined : image.fileOffset(address);
  if (offset === undefined) return;
  const buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  const words = new Uint32Array(buffer.buffer, buffer.byteOffset, WINDOW_BYTES / 4);
  const word = (i: number): number => (words[i] as number) + (words[i + 1] as number) * 0x100000000;
  for (let at = 0; at < bytes; at += WINDOW_BYTES) {
    const got = image.readInto(buffer.subarray(0, Math.min(WINDOW_BYTES, bytes - at)), offset + at);
    for (let i = 0; i + RELA_BYTES / 4 <= got >>> 2; i += RELA_BYTES / 4) {
      if (words[i + 2] === RELATIVE && words[i + 3] === 0 && !see(word(i), word(i + 4))) return;
    }
    if (got < WINDOW_BYTES) return;
  }
}
