/**
 * Functions of a Go program by name, stripped or not: the runtime needs names and addresses of all functions for its own
 * tracebacks, in a table that no strip removes. Go source, src/runtime/symtab.go (pcHeader, _func) and
 * src/internal/abi/symtab.go; magic numbers of Go 1.16, 1.18 and 1.20 and later.
 */

import type { ElfImage } from './image.js';
import { findPointers, readPointers } from './pointers.js';
import { findBytes } from './scan.js';

/** The magic's upper bytes, two zeros, instruction size 1 (x86), pointer size 8. The lowest byte tells the version. */
const MAGIC = Buffer.from('ffffff0000' + '0108', 'hex');
const SINCE_1_16 = 0xfa;
const SINCE_1_18 = 0xf0;
const SINCE_1_20 = 0xf1;
const SECTIONS = ['.gopclntab', '.data.rel.ro.gopclntab'];
/** Beyond these a table is not believed. */
const MAX_FUNCTIONS = 4_000_000;
const MAX_TABLE_BYTES = 1024 * 1024 * 1024;
const WINDOW_BYTES = 1024 * 1024;

export interface GoFunction {
  address: number;
  /** Where the next one begins. */
  end: number;
}

interface Table {
  address: number;
  bytes: number;
  /** Bytes of a pc in the function table: 8 until Go 1.17, then 4, relative to the start of the text. */
  wide: boolean;
  count: number;
  textStart: number;
  names: number;
  functions: number;
}

/** The functions of these names; undefined when the file is no Go program that this can read. */
export function goFunctions(image: ElfImage, wanted: readonly string[]): Map<string, GoFunction> | undefined {
  const table = findTable(image);
  if (table === undefined) return undefined;
  const found = new Map<string, GoFunction>();
  const nameOffsets = placesOfNames(image, table, wanted);
  if (nameOffsets.size === 0) return found;
  const entryBytes = table.wide ? 16 : 8;
  const pcBytes = entryBytes / 2;
  const step = Math.floor(WINDOW_BYTES / entryBytes);
  for (let index = 0; index < table.count && found.size < nameOffsets.size; index += step) {
    const entries = image.bytes(table.functions + index * entryBytes, (Math.min(step, table.count - index) + 1) * entryBytes);
    if (entries === undefined) break;
    for (let at = 0; at + entryBytes + pcBytes <= entries.length; at += entryBytes) {
      const number = (place: number): number => (table.wide ? Number(entries.readBigUInt64LE(place)) : entries.readUInt32LE(place));
      // _func: entry as in the table, then the name's offset.
      const name = image.bytes(table.functions + number(at + pcBytes) + pcBytes, 4);
      if (name === undefined || name.length < 4) continue;
      const called = nameOffsets.get(name.readUInt32LE(0));
      if (called === undefined || found.has(called)) continue;
      const address = table.textStart + number(at);
      const end = table.textStart + number(at + entryBytes);
      if (image.isCode(address) && end > address) found.set(called, { address, end });
    }
  }
  return found;
}

function findTable(image: ElfImage): Table | undefined {
  for (const name of SECTIONS) {
    const section = image.section(name);
    if (section !== undefined) return readTable(image, section.address, section.bytes);
  }
  // No section headers: the magic, where a table of that kind stands behind it.
  const ranges = image.loads.filter(({ executable, writable }) => !executable && !writable);
  const [places = []] = ranges.length === 0 ? [] : findBytes(image, ranges, [MAGIC]);
  for (const place of places) {
    const load = ranges.find(({ address, bytes }) => place >= address && place < address + bytes);
    const table = load && readTable(image, place - 1, load.address + load.bytes - place + 1);
    if (table !== undefined) return table;
  }
  return undefined;
}

function readTable(image: ElfImage, address: number, size: number): Table | undefined {
  const head = image.bytes(address, 72);
  if (head === undefined || head.length < 72 || !head.subarray(1, 8).equals(MAGIC)) return undefined;
  const version = head[0] as number;
  if (version !== SINCE_1_16 && version !== SINCE_1_18 && version !== SINCE_1_20) return undefined;
  const wide = version === SINCE_1_16;
  const word = (index: number): number => Number(head.readBigUInt64LE(8 + index * 8));
  const bytes = Math.min(size, MAX_TABLE_BYTES);
  const count = word(0);
  // Functions, files, then (since 1.18) the start of the text; offsets of names, units, files, pc tables, functions.
  const first = wide ? 2 : 3;
  const names = word(first);
  const functions = word(first + 4);
  if (!(count > 0 && count <= MAX_FUNCTIONS && names < bytes && functions < bytes && names < functions)) return undefined;
  const table: Table = { address, bytes, wide, count, textStart: 0, names: address + names, functions: address + functions };
  if (!wide) table.textStart = textStart(image, address);
  return table;
}

/** Words of runtime.moduledata before its `minpc`: pcHeader, six slices, findfunctab (Go 1.16 to 1.26). */
const WORDS_BEFORE_MINPC = 20;

/**
 * The address that function offsets count from. The header has it up to Go 1.25 (in position-independent programs as a
 * relocation); since 1.26 it is 0 there, and the runtime's moduledata, which begins with a pointer to the table, gives
 * the first function's address. Where that is not found, the section.
 */
function textStart(image: ElfImage, table: number): number {
  const place = table + 24;
  const written = readPointers(image, [place]).get(place) ?? 0;
  if (written !== 0 && image.isCode(written)) return written;
  for (const { at } of findPointers(image, new Set([table]))) {
    const minimum = at + WORDS_BEFORE_MINPC * 8;
    const pc = readPointers(image, [minimum]).get(minimum) ?? 0;
    if (image.isCode(pc)) return pc;
  }
  return image.section('.text')?.address ?? 0;
}

function placesOfNames(image: ElfImage, table: Table, wanted: readonly string[]): Map<number, string> {
  const range = { address: table.names, offset: image.fileOffset(table.names) ?? 0, bytes: table.functions - table.names };
  const needles = wanted.map((name) => Buffer.from(`\0${name}\0`, 'latin1'));
  const places = new Map<number, string>();
  findBytes(image, [range], needles).forEach((found, i) => {
    for (const place of found) places.set(place + 1 - table.names, wanted[i] as string);
  });
  return places;
}
