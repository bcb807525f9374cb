/**
 * An ELF file as the dynamic linker and the kernel see it: segments, symbols by name, needed libraries. Little-endian,
 * 64 bits (elf(5), System V gABI). The file is somebody else's and may lie in every field: all counts are bounded, and
 * what cannot be is "not there".
 */
import { unpackDebugData } from './debug-data.js';
import { dynamicSymbol } from './dynamic-symbols.js';
import { type ElfSymbol, SymbolTable } from './symbol-table.js';
import { FileWindow } from './window.js';

export type Machine = 'x86_64' | 'aarch64';
/** Which table has a name: that of the dynamic linker, the one that strip removes, or a packed one (debug-data.ts). */
export type SymbolSource = 'dynsym' | 'symbols' | 'gnu_debugdata';

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

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_GNU_EH_FRAME = 0x6474e550;
const PF_X = 1;
const PF_W = 2;
const ET_EXEC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
/** Beyond these a file is not believed. */
const MAX_SEGMENTS = 1024;
const MAX_ENTRY_BYTES = 256;
const MAX_DYNAMIC = 4096;
const MAX_NAME = 4096;

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
  #dynamic: Map<number, number> | undefined;
  #needed: number[] = [];
  #table: SymbolTable | undefined;
  #packed: SymbolTable | undefined;
  readonly #symbols = new Map<string, (ElfSymbol & { source: SymbolSource }) | undefined>();

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

  /** Section headers are read when they are first asked for. */
  get #sections(): SymbolTable {
    this.#table ??= new SymbolTable(this.#file);
    return this.#table;
  }

  /** A section by name, where the file has section headers. */
  section(name: string): { address: number; offset: number; bytes: number } | undefined {
    const found = this.#sections.section(name);
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
   * A defined function by its name without version: first from the dynamic symbols, then from the symbol table, then from
   * the packed one when it was read. Undefined when the file does not define it.
   */
  symbol(name: string): ElfSymbol | undefined {
    if (!this.#symbols.has(name)) this.lookUp([name]);
    return this.#symbols.get(name);
  }

  /** Where {@link symbol} has it from. */
  sourceOf(name: string): SymbolSource | undefined {
    return this.symbol(name) === undefined ? undefined : this.#symbols.get(name)?.source;
  }

  /** Looks many names up at once: one pass over the symbol table instead of one for each. */
  lookUp(names: readonly string[]): void {
    let missing: string[] = [];
    for (const name of names) {
      if (this.#symbols.has(name)) continue;
      const found = this.exported(name);
      if (found === undefined) missing.push(name);
      else this.#symbols.set(name, { ...found, source: 'dynsym' });
    }
    for (const [table, source] of [
      [this.#sections, 'symbols'],
      [this.#packed, 'gnu_debugdata'],
    ] as const) {
      if (table === undefined || missing.length === 0) continue;
      for (const [name, symbol] of table.functions(missing, (address) => this.isCode(address)))
        this.#symbols.set(name, { ...symbol, source });
      missing = missing.filter((name) => !this.#symbols.has(name));
    }
    for (const name of missing) this.#symbols.set(name, undefined);
  }

  /** Only from the dynamic symbols, which is cheap for any file. */
  exported(name: string): ElfSymbol | undefined {
    return dynamicSymbol(this, name);
  }

  /** True when there is a symbol table besides the dynamic symbols: the file is not stripped. */
  hasSymbolTable(): boolean {
    return this.#sections.exists;
  }

  /**
   * From now on names are looked for in the packed symbol table as well: true when there is one and it could be unpacked, a
   * sentence when it could not. That takes another process.
   */
  readDebugData(): boolean | string {
    const section = this.section('.gnu_debugdata');
    if (section === undefined || section.bytes === 0) return false;
    const unpacked = unpackDebugData(this.#file.read(section.offset, section.bytes));
    if (typeof unpacked === 'string') return unpacked;
    this.#packed = unpacked;
    for (const [name, symbol] of this.#symbols) if (symbol === undefined) this.#symbols.delete(name);
    return true;
  }
}
