/** Names that a file exports, by the hash tables that the dynamic linker uses: cheap for any file. */
import { type ElfSymbol, functionAt, SYMBOL_BYTES } from './symbol-table.js';

const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_GNU_HASH = 0x6ffffef5;
/** Beyond this a file is not believed. */
const MAX_CHAIN = 100_000;

/** What of a file is looked at. */
export interface DynamicFile {
  dynamicTag(tag: number): number | undefined;
  bytes(address: number, length: number): Buffer | undefined;
  isCode(address: number): boolean;
}

/** A function that the file defines, by its name without version. */
export function dynamicSymbol(file: DynamicFile, name: string): ElfSymbol | undefined {
  const gnu = file.dynamicTag(DT_GNU_HASH);
  if (gnu !== undefined) return fromGnuHash(file, gnu, name);
  const sysv = file.dynamicTag(DT_HASH);
  return sysv === undefined ? undefined : fromSysvHash(file, sysv, name);
}

function symbolAt(file: DynamicFile, index: number, name: string): ElfSymbol | undefined {
  const table = file.dynamicTag(DT_SYMTAB);
  if (table === undefined) return undefined;
  const bytes = file.bytes(table + index * SYMBOL_BYTES, SYMBOL_BYTES);
  if (bytes === undefined || bytes.length < SYMBOL_BYTES) return undefined;
  const strings = file.dynamicTag(DT_STRTAB);
  if (strings === undefined) return undefined;
  const there = file.bytes(strings + bytes.readUInt32LE(0), name.length + 1);
  if (there === undefined || there.length <= name.length || there[name.length] !== 0) return undefined;
  if (there.toString('latin1', 0, name.length) !== name) return undefined;
  return functionAt(bytes, 0, (address) => file.isCode(address));
}

function gnuHash(name: string): number {
  let hash = 5381;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 33) + name.charCodeAt(i)) >>> 0;
  return hash;
}

/** The GNU hash section: header, bloom filter, buckets, chains. Drepper, "How To Write Shared Libraries". */
function fromGnuHash(file: DynamicFile, at: number, name: string): ElfSymbol | undefined {
  const head = file.bytes(at, 16);
  if (head === undefined || head.length < 16) return undefined;
  const buckets = head.readUInt32LE(0);
  const firstSymbol = head.readUInt32LE(4);
  const bloomWords = head.readUInt32LE(8);
  if (buckets === 0) return undefined;
  const hash = gnuHash(name);
  const bucketsAt = at + 16 + bloomWords * 8;
  const bucket = file.bytes(bucketsAt + (hash % buckets) * 4, 4);
  if (bucket === undefined || bucket.length < 4) return undefined;
  let index = bucket.readUInt32LE(0);
  if (index < firstSymbol) return undefined;
  const chainAt = bucketsAt + buckets * 4;
  for (let i = 0; i < MAX_CHAIN; i++, index++) {
    const link = file.bytes(chainAt + (index - firstSymbol) * 4, 4);
    if (link === undefined || link.length < 4) return undefined;
    const here = link.readUInt32LE(0);
    if ((here | 1) >>> 0 === (hash | 1) >>> 0) {
      const symbol = symbolAt(file, index, name);
      if (symbol !== undefined) return symbol;
    }
    if ((here & 1) === 1) return undefined;
  }
  return undefined;
}

function sysvHash(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = ((hash << 4) + name.charCodeAt(i)) >>> 0;
    const high = hash & 0xf0000000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
}

function fromSysvHash(file: DynamicFile, at: number, name: string): ElfSymbol | undefined {
  const head = file.bytes(at, 8);
  if (head === undefined || head.length < 8) return undefined;
  const buckets = head.readUInt32LE(0);
  if (buckets === 0) return undefined;
  const word = (position: number): number => {
    const bytes = file.bytes(position, 4);
    return bytes === undefined || bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  };
  let index = word(at + 8 + (sysvHash(name) % buckets) * 4);
  for (let i = 0; i < MAX_CHAIN && index !== 0; i++) {
    const symbol = symbolAt(file, index, name);
    if (symbol !== undefined) return symbol;
    index = word(at + 8 + (buckets + index) * 4);
  }
  return undefined;
}
