/** Section headers, and the symbol table that linkers leave and strip removes (elf(5)). Of a file, or of one inside a file. */

export interface ElfSymbol {
  /** Virtual address in the file's own numbering. */
  address: number;
  /** Bytes; 0 when the file does not say. */
  size: number;
}

/** Bytes from an offset, fewer where they end. */
export interface FileBytes {
  readonly size: number;
  read(offset: number, length: number): Buffer;
}

export interface Section {
  /** Offset of its name. */
  name: number;
  type: number;
  address: number;
  offset: number;
  bytes: number;
  link: number;
  entryBytes: number;
}

const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
export const SYMBOL_BYTES = 24;

/** Beyond these a file is not believed. */
const MAX_SECTIONS = 65_536;
const MAX_ENTRY_BYTES = 256;
const SCAN_BYTES = 4 * 1024 * 1024;
const MAX_TABLE_BYTES = 512 * 1024 * 1024;

export class SymbolTable {
  readonly sections: readonly Section[];
  readonly #file: FileBytes;
  /** Index of the section with the sections' names. */
  readonly #names: number;

  constructor(file: FileBytes) {
    this.#file = file;
    const head = file.read(0, 64);
    this.#names = head.length < 64 ? 0 : head.readUInt16LE(62);
    this.sections = head.length < 64 ? [] : readSections(file, head);
  }

  /** The first section of this name. */
  section(name: string): Section | undefined {
    const names = this.sections[this.#names];
    if (names === undefined) return undefined;
    const wanted = Buffer.from(`${name}\0`, 'latin1');
    return this.sections.find((section) => this.#file.read(names.offset + section.name, wanted.length).equals(wanted));
  }

  /** True when there is a symbol table besides the dynamic symbols: the file is not stripped. */
  get exists(): boolean {
    return this.sections.some((section) => section.type === SHT_SYMTAB);
  }

  /**
   * Functions of these names that lie in code. Linkers merge a name into the end of a longer one, so first all places in
   * the string table where a name ends are found, then the entries that point at one of them.
   */
  functions(names: readonly string[], isCode: (address: number) => boolean): Map<string, ElfSymbol> {
    const found = new Map<string, ElfSymbol>();
    const table = this.sections.find((section) => section.type === SHT_SYMTAB);
    const strings = table === undefined ? undefined : this.sections[table.link];
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
        const symbol = functionAt(piece, i, isCode);
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

/** A symbol table entry, when it defines a function of this file. */
export function functionAt(table: Buffer, at: number, isCode: (address: number) => boolean): ElfSymbol | undefined {
  const type = (table[at + 4] as number) & 15;
  const section = table.readUInt16LE(at + 6);
  const address = Number(table.readBigUInt64LE(at + 8));
  if (section === 0 || (type !== STT_FUNC && type !== STT_GNU_IFUNC) || !isCode(address)) return undefined;
  return { address, size: Number(table.readBigUInt64LE(at + 16)) };
}

function readSections(file: FileBytes, head: Buffer): Section[] {
  const sections: Section[] = [];
  const offset = Number(head.readBigUInt64LE(40));
  const entry = head.readUInt16LE(58);
  const count = Math.min(head.readUInt16LE(60), MAX_SECTIONS);
  if (offset === 0 || entry < 64 || entry > MAX_ENTRY_BYTES) return sections;
  const table = file.read(offset, count * entry);
  for (let at = 0; at + 64 <= table.length; at += entry) {
    sections.push({
      name: table.readUInt32LE(at),
      type: table.readUInt32LE(at + 4),
      address: Number(table.readBigUInt64LE(at + 16)),
      offset: Number(table.readBigUInt64LE(at + 24)),
      bytes: Number(table.readBigUInt64LE(at + 32)),
      link: table.readUInt32LE(at + 40),
      entryBytes: Number(table.readBigUInt64LE(at + 56)),
    });
  }
  return sections;
}
