/**
 * An ELF file as the dynamic linker and the kernel see it: segments, symbols by name, needed libraries. Little-endian,
 * 64 bits (elf(5), System V gABI). The file is somebody else's and may lie in every field: all counts are bounded, and
 * what cannot be is "not there".
 */
import { FileWindow } from './window.js';

export type Machine = 'x86_64' | 'aarch64';

export interface ElfSymbol {
  /** Virtual address in the file's own numbering. */
  address: number;
  /** Bytes; 0 when the file does not say. */
  size: number;
}

export class NotElf extends Error {}

/** A loaded stretch of the file, cut to what the file has. */
export interface LoadRange {
  address: number;
  offset: number;
  bytes: number;
  executable: boolean;
  writable: boolean;
}

interface Segment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileBytes: number;
}

interface Section {
  name: number;
  type: number;
  address: number;
  offset: number;
  bytes: number;
  link: number;
  entryBytes: number;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_GNU_EH_FRAME = 0x6474e550;
const PF_X = 1;
const PF_W = 2;
const ET_EXEC = 2;
const DT_NEEDED = 1;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_GNU_HASH = 0x6ffffef5;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const SYMBOL_BYTES = 24;

/** Beyond these a file is not believed. */
const MAX_SEGMENTS = 1024;
const MAX_SECTIONS = 65_536;
const MAX_ENTRY_BYTES = 256;
const MAX_DYNAMIC = 4096;
const MAX_CHAIN = 100_000;
const MAX_NAME = 4096;
const SCAN_BYTES = 4 * 1024 * 1024;
const MAX_TABLE_BYTES = 512 * 1024 * 1024;

function gnuHash(name: string): number {
  let hash = 5381;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 33) + name.charCodeAt(i)) >>> 0;
  return hash;
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

export class ElfImage {
  readonly machine: Machine;
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly #file: FileWindow;
  readonly #segments: Segment[] = [];
  readonly size: number;
  /** True when it is linked to run at its own addresses (ET_EXEC): code may name an address as an absolute number. */
  readonly fixed: boolean;
  /** Loaded stretches in the order of the program headers; never more bytes together than twice the file. */
  readonly loads: readonly LoadRange[];
  readonly #sectionsAt: { offset: number; count: number; entry: number; names: number };
  #dynamic: Map<number, number> | undefined;
  #needed: number[] = [];
  #sections: Section[] | undefined;
  readonly #symbols = new Map<string, ElfSymbol | undefined>();

  /** Throws {@link NotElf} for a file of another kind, and what open(2) throws. Close it after use. */
  static open(path: string | Buffer): ElfImage {
    const file = new FileWindow(path);
    try {
      return new ElfImage(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  private constructor(file: FileWindow) {
    this.#file = file;
    this.path = file.path;
    this.dev = file.dev;
    this.ino = file.ino;
    this.size = file.size;
    const head = file.read(0, 64);
    if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) throw new NotElf('not an ELF file');
    if (head[4] !== 2 || head[5] !== 1) throw new NotElf('not a 64-bit little-endian ELF file');
    const machine = head.readUInt16LE(18);
    if (machine !== 62 && machine !== 183) throw new NotElf(`an ELF file for another machine (e_machine ${machine})`);
    this.machine = machine === 62 ? 'x86_64' : 'aarch64';
    this.fixed = head.readUInt16LE(16) === ET_EXEC;
    const programHeaders = Number(head.readBigUInt64LE(32));
    const entry = head.readUInt16LE(54);
    const count = Math.min(head.readUInt16LE(56), MAX_SEGMENTS);
    this.#sectionsAt = {
      offset: Number(head.readBigUInt64LE(40)),
      entry: head.readUInt16LE(58),
      count: Math.min(head.readUInt16LE(60), MAX_SECTIONS),
      names: head.readUInt16LE(62),
    };
    const table = entry < 56 || entry > MAX_ENTRY_BYTES ? Buffer.alloc(0) : file.read(programHeaders, entry * count);
    for (let at = 0; at + 56 <= table.length; at += entry) {
      this.#segments.push({
        type: table.readUInt32LE(at),
        flags: table.readUInt32LE(at + 4),
        offset: Number(table.readBigUInt64LE(at + 8)),
        address: Number(table.readBigUInt64LE(at + 16)),
        fileBytes: Number(table.readBigUInt64LE(at + 32)),
      });
    }
    this.loads = this.#loadRanges();
  }

  #loadRanges(): LoadRange[] {
    const ranges: LoadRange[] = [];
    let left = 2 * this.size;
    for (const { type, flags, offset, address, fileBytes } of this.#segments) {
      if (type !== PT_LOAD || !(offset < this.size)) continue;
      const bytes = Math.min(fileBytes, this.size - offset, left);
      if (bytes <= 0 || !Number.isSafeInteger(address + bytes)) continue;
      left -= bytes;
      ranges.push({ address, offset, bytes, executable: (flags & PF_X) !== 0, writable: (flags & PF_W) !== 0 });
    }
    return ranges;
  }

  /** Bytes at a file offset, fewer where the file ends. */
  read(offset: number, length: number): Buffer {
    return this.#file.read(offset, length);
  }

  /** {@link FileWindow.state} */
  state(): { state: string; changedMs: number } {
    return this.#file.state();
  }

  /** Reads into `buffer`, past the kept pages; how many bytes there were. For scans, which should make no garbage. */
  readInto(buffer: Uint8Array, offset: number): number {
    return this.#file.readInto(buffer, offset);
  }

  /** The search table for stack unwinding (`.eh_frame_hdr`). */
  unwindTable(): { address: number; bytes: number } | undefined {
    const segment = this.#segments.find((s) => s.type === PT_GNU_EH_FRAME);
    return segment && { address: segment.address, bytes: segment.fileBytes };
  }

  /** A number of the dynamic section, by its tag. */
  dynamicTag(tag: number): number | undefined {
    return this.#tags().get(tag);
  }

  /** A section by name, where the file has section headers. */
  section(name: string): { address: number; offset: number; bytes: number } | undefined {
    const sections = this.#sectionTable();
    const names = sections[this.#sectionsAt.names];
    if (names === undefined) return undefined;
    const wanted = Buffer.from(`${name}\0`, 'latin1');
    const found = sections.find((section) => this.#file.read(names.offset + section.name, wanted.length).equals(wanted));
    return found && { address: found.address, offset: found.offset, bytes: Math.max(0, Math.min(found.bytes, this.size - found.offset)) };
  }

  close(): void {
    this.#file.close();
  }

  /** A path that leads to this very file, whatever happens to its name and to the process that showed it. Until it is closed. */
  get descriptorPath(): string {
    return this.#file.descriptorPath;
  }

  /** Where a virtual address lies in the file; undefined outside of the loaded segments. */
  fileOffset(address: number): number | undefined {
    for (const segment of this.#segments) {
      if (segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.fileBytes) {
        return address - segment.address + segment.offset;
      }
    }
    return undefined;
  }

  /** Whether an address lies in code. */
  isCode(address: number): boolean {
    return this.#segments.some(
      (s) => s.type === PT_LOAD && (s.flags & PF_X) !== 0 && address >= s.address && address < s.address + s.fileBytes,
    );
  }

  /** Bytes at a virtual address, fewer where the file ends; undefined outside of the loaded segments. */
  bytes(address: number, length: number): Buffer | undefined {
    const offset = this.fileOffset(address);
    return offset === undefined ? undefined : this.#file.read(offset, length);
  }

  /** The dynamic linker that the file asks for; undefined when it is static or a library. */
  interpreter(): string | undefined {
    const segment = this.#segments.find((s) => s.type === PT_INTERP);
    if (segment === undefined) return undefined;
    const bytes = this.#file.read(segment.offset, Math.min(segment.fileBytes, MAX_NAME));
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  }

  #tags(): Map<number, number> {
    if (this.#dynamic !== undefined) return this.#dynamic;
    const tags = new Map<number, number>();
    this.#dynamic = tags;
    const segment = this.#segments.find((s) => s.type === PT_DYNAMIC);
    if (segment === undefined) return tags;
    const table = this.#file.read(segment.offset, Math.min(segment.fileBytes, MAX_DYNAMIC * 16));
    for (let at = 0; at + 16 <= table.length; at += 16) {
      const tag = Number(table.readBigUInt64LE(at));
      const value = Number(table.readBigUInt64LE(at + 8));
      if (tag === 0) break;
      if (tag === DT_NEEDED) this.#needed.push(value);
      else tags.set(tag, value);
    }
    return tags;
  }

  #dynamicString(offset: number | undefined): string | undefined {
    const table = this.#tags().get(DT_STRTAB);
    if (table === undefined || offset === undefined) return undefined;
    const bytes = this.bytes(table + offset, MAX_NAME);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return end < 0 ? undefined : bytes.toString('utf8', 0, end);
  }

  /** Names of the libraries that it needs (DT_NEEDED), in order. */
  needed(): string[] {
    this.#tags();
    return this.#needed.map((offset) => this.#dynamicString(offset)).filter((name) => name !== undefined);
  }

  /** Directories of DT_RUNPATH and DT_RPATH, with `$ORIGIN` left in. */
  searchPath(): string[] {
    const tags = this.#tags();
    const path = this.#dynamicString(tags.get(DT_RUNPATH)) ?? this.#dynamicString(tags.get(DT_RPATH)) ?? '';
    return path.split(':').filter((directory) => directory !== '');
  }

  /**
   * A defined function by its name without version: first from the dynamic symbols, then from the symbol table.
   * Undefined when the file does not define it.
   */
  symbol(name: string): ElfSymbol | undefined {
    if (!this.#symbols.has(name)) this.lookUp([name]);
    return this.#symbols.get(name);
  }

  /** Looks many names up at once: one pass over the symbol table instead of one for each. */
  lookUp(names: readonly string[]): void {
    const missing: string[] = [];
    for (const name of names) {
      if (this.#symbols.has(name)) continue;
      const found = this.#dynamicSymbol(name);
      if (found === undefined) missing.push(name);
      else this.#symbols.set(name, found);
    }
    if (missing.length === 0) return;
    const found = this.#symbolTable(missing);
    for (const name of missing) this.#symbols.set(name, found.get(name));
  }

  /** Only from the dynamic symbols, which is cheap for any file. */
  exported(name: string): ElfSymbol | undefined {
    return this.#dynamicSymbol(name);
  }

  #symbolAt(index: number, name: string): ElfSymbol | undefined {
    const table = this.#tags().get(DT_SYMTAB);
    if (table === undefined) return undefined;
    const bytes = this.bytes(table + index * SYMBOL_BYTES, SYMBOL_BYTES);
    if (bytes === undefined || bytes.length < SYMBOL_BYTES) return undefined;
    const strings = this.#tags().get(DT_STRTAB);
    if (strings === undefined) return undefined;
    const there = this.bytes(strings + bytes.readUInt32LE(0), name.length + 1);
    if (there === undefined || there.length <= name.length || there[name.length] !== 0) return undefined;
    if (there.toString('latin1', 0, name.length) !== name) return undefined;
    return this.#function(bytes, 0);
  }

  /** A symbol table entry, when it defines a function in this file. */
  #function(table: Buffer, at: number): ElfSymbol | undefined {
    const type = (table[at + 4] as number) & 15;
    const section = table.readUInt16LE(at + 6);
    const address = Number(table.readBigUInt64LE(at + 8));
    if (section === 0 || (type !== STT_FUNC && type !== STT_GNU_IFUNC)) return undefined;
    if (!this.isCode(address)) return undefined;
    return { address, size: Number(table.readBigUInt64LE(at + 16)) };
  }

  #dynamicSymbol(name: string): ElfSymbol | undefined {
    const tags = this.#tags();
    const gnu = tags.get(DT_GNU_HASH);
    if (gnu !== undefined) return this.#fromGnuHash(gnu, name);
    const sysv = tags.get(DT_HASH);
    if (sysv !== undefined) return this.#fromSysvHash(sysv, name);
    return undefined;
  }

  /** The GNU hash section: header, bloom filter, buckets, chains. Drepper, "How To Write Shared Libraries". */
  #fromGnuHash(at: number, name: string): ElfSymbol | undefined {
    const head = this.bytes(at, 16);
    if (head === undefined || head.length < 16) return undefined;
    const buckets = head.readUInt32LE(0);
    const firstSymbol = head.readUInt32LE(4);
    const bloomWords = head.readUInt32LE(8);
    if (buckets === 0) return undefined;
    const hash = gnuHash(name);
    const bucketsAt = at + 16 + bloomWords * 8;
    const bucket = this.bytes(bucketsAt + (hash % buckets) * 4, 4);
    if (bucket === undefined || bucket.length < 4) return undefined;
    let index = bucket.readUInt32LE(0);
    if (index < firstSymbol) return undefined;
    const chainAt = bucketsAt + buckets * 4;
    for (let i = 0; i < MAX_CHAIN; i++, index++) {
      const link = this.bytes(chainAt + (index - firstSymbol) * 4, 4);
      if (link === undefined || link.length < 4) return undefined;
      const here = link.readUInt32LE(0);
      if ((here | 1) >>> 0 === (hash | 1) >>> 0) {
        const symbol = this.#symbolAt(index, name);
        if (symbol !== undefined) return symbol;
      }
      if ((here & 1) === 1) return undefined;
    }
    return undefined;
  }

  #fromSysvHash(at: number, name: string): ElfSymbol | undefined {
    const head = this.bytes(at, 8);
    if (head === undefined || head.length < 8) return undefined;
    const buckets = head.readUInt32LE(0);
    if (buckets === 0) return undefined;
    const word = (position: number): number => {
      const bytes = this.bytes(position, 4);
      return bytes === undefined || bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
    };
    let index = word(at + 8 + (sysvHash(name) % buckets) * 4);
    for (let i = 0; i < MAX_CHAIN && index !== 0; i++) {
      const symbol = this.#symbolAt(index, name);
      if (symbol !== undefined) return symbol;
      index = word(at + 8 + (buckets + index) * 4);
    }
    return undefined;
  }

  #sectionTable(): Section[] {
    if (this.#sections !== undefined) return this.#sections;
    this.#sections = [];
    const { offset, count, entry } = this.#sectionsAt;
    if (offset === 0 || entry < 64 || entry > MAX_ENTRY_BYTES) return this.#sections;
    const table = this.#file.read(offset, count * entry);
    for (let at = 0; at + 64 <= table.length; at += entry) {
      this.#sections.push({
        name: table.readUInt32LE(at),
        type: table.readUInt32LE(at + 4),
        address: Number(table.readBigUInt64LE(at + 16)),
        offset: Number(table.readBigUInt64LE(at + 24)),
        bytes: Number(table.readBigUInt64LE(at + 32)),
        link: table.readUInt32LE(at + 40),
        entryBytes: Number(table.readBigUInt64LE(at + 56)),
      });
    }
    return this.#sections;
  }

  /** True when there is a symbol table besides the dynamic symbols: the file is not stripped. */
  hasSymbolTable(): boolean {
    return this.#sectionTable().some((section) => section.type === SHT_SYMTAB);
  }

  /**
   * Names from .symtab. Linkers merge a name into the end of a longer one, so first all places in the string table where
   * a name ends are found, then the entries that point at one of them.
   */
  #symbolTable(names: readonly string[]): Map<string, ElfSymbol> {
    const found = new Map<string, ElfSymbol>();
    const sections = this.#sectionTable();
    const table = sections.find((section) => section.type === SHT_SYMTAB);
    const strings = table === undefined ? undefined : sections[table.link];
    if (table === undefined || strings === undefined || strings.type !== SHT_STRTAB || table.entryBytes !== SYMBOL_BYTES) return found;
    const wanted = this.#placesOfNames(strings, names);
    if (wanted.size === 0) return found;
    const end = table.offset + Math.min(table.bytes, MAX_TABLE_BYTES, this.#file.size);
    const step = Math.floor(SCAN_BYTES / SYMBOL_BYTES) * SYMBOL_BYTES;
    for (let at = table.offset; at < end; at += step) {
      const piece = this.#file.read(at, Math.min(step, end - at));
      if (piece.length < SYMBOL_BYTES) break;
      for (let i = 0; i + SYMBOL_BYTES <= piece.length; i += SYMBOL_BYTES) {
        const name = wanted.get(piece.readUInt32LE(i));
        if (name === undefined || found.has(name)) continue;
        const symbol = this.#function(piece, i);
        if (symbol !== undefined) found.set(name, symbol);
      }
    }
    return found;
  }

  #placesOfNames(strings: Section, names: readonly string[]): Map<number, string> {
    const places = new Map<number, string>();
    const needles = names.map((name) => ({ name, bytes: Buffer.from(`${name}\0`, 'latin1') }));
    const overlap = Math.max(...needles.map((needle) => needle.bytes.length)) - 1;
    const size = Math.min(strings.bytes, MAX_TABLE_BYTES, this.#file.size);
    for (let at = 0; at < size; at += SCAN_BYTES) {
      const piece = this.#file.read(strings.offset + at, Math.min(SCAN_BYTES + overlap, size - at));
      for (const { name, bytes } of needles) {
        for (let i = piece.indexOf(bytes); i >= 0; i = piece.indexOf(bytes, i + 1)) places.set(at + i, name);
      }
      if (piece.length === 0) break;
    }
    return places;
  }
}
