/**
 * BTF, the type information in BPF objects and kernels: read whole, checked, given back as plain objects.
 * Format: Documentation/bpf/btf.rst and include/uapi/linux/btf.h of Linux. Pure: bytes in, types out. Throws a
 * {@link BtfError} on anything that is not well-formed, never anything else.
 */

export class BtfError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BtfError';
  }
}

export interface Member {
  name: string;
  type: number;
  /** From the start of the struct, in bits. */
  bitOffset: number;
  /** 0: not a bit field. */
  bits: number;
}

/** One type. `id` is its number; 0 is void. */
export type BtfType =
  | { kind: 'void'; id: 0 }
  | { kind: 'int'; id: number; name: string; size: number; signed: boolean; char: boolean; bool: boolean }
  | { kind: 'float'; id: number; name: string; size: number }
  | { kind: 'struct'; id: number; name: string; size: number; members: Member[] }
  | { kind: 'union'; id: number; name: string; size: number; members: Member[] }
  | { kind: 'enum'; id: number; name: string; size: number; signed: boolean; values: { name: string; value: bigint }[] }
  | { kind: 'array'; id: number; element: number; count: number }
  | { kind: 'datasec'; id: number; name: string; variables: { type: number; offset: number; size: number }[] }
  | { kind: 'proto'; id: number; result: number; parameters: { name: string; type: number }[] }
  | {
      kind: 'ptr' | 'typedef' | 'volatile' | 'const' | 'restrict' | 'func' | 'var' | 'fwd' | 'tag';
      id: number;
      name: string;
      type: number;
    };

const MAGIC = 0xeb9f;
const MAX_DEPTH = 64;
const decoder = new TextDecoder('utf-8');

class Reader {
  readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(at: number): number {
    this.check(at, 2);
    return this.view.getUint16(at, true);
  }

  u32(at: number): number {
    this.check(at, 4);
    return this.view.getUint32(at, true);
  }

  u64(at: number): number {
    this.check(at, 8);
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  check(at: number, len: number): void {
    if (at < 0 || at + len > this.bytes.length) throw new BtfError(`truncated: ${len} bytes at ${at} of ${this.bytes.length}`);
  }

  slice(at: number, len: number): Uint8Array {
    this.check(at, len);
    return this.bytes.subarray(at, at + len);
  }

  text(at: number, end: number): string {
    if (at >= end) throw new BtfError(`string at ${at} is outside of the strings`);
    const stop = this.bytes.indexOf(0, at);
    if (stop < 0 || stop >= end) throw new BtfError(`string at ${at} has no end`);
    return decoder.decode(this.bytes.subarray(at, stop));
  }
}

/**
 * The bytes of a section of a 64-bit little-endian ELF file, as BPF objects are; undefined when it has none of that
 * name. ELF-64 Object File Format, sections 3 and 6.
 */
export function elfSection(file: Uint8Array, name: string): Uint8Array | undefined {
  const elf = new Reader(file);
  if (file.length < 64 || elf.view.getUint32(0) !== 0x7f454c46) throw new BtfError('not an ELF file');
  if (file[4] !== 2 || file[5] !== 1) throw new BtfError('not a 64-bit little-endian ELF file');
  const table = elf.u64(40);
  const entry = elf.u16(58);
  const count = elf.u16(60);
  const names = elf.u16(62);
  if (!count) return undefined;
  if (entry < 64) throw new BtfError('section headers are too short');
  if (names >= count) throw new BtfError('no section names');
  const namesAt = elf.u64(table + names * entry + 24);
  const namesEnd = namesAt + elf.u64(table + names * entry + 32);
  elf.check(namesAt, namesEnd - namesAt);
  for (let i = 0; i < count; i++) {
    const header = table + i * entry;
    const type = elf.u32(header + 4);
    // SHT_NULL and SHT_NOBITS have no bytes in the file.
    if (type === 0 || type === 8 || elf.text(namesAt + elf.u32(header), namesEnd) !== name) continue;
    return elf.slice(elf.u64(header + 24), elf.u64(header + 32));
  }
  return undefined;
}

export class Btf {
  /** By id; [0] is void. */
  readonly types: readonly BtfType[];

  constructor(types: BtfType[]) {
    this.types = types;
  }

  type(id: number): BtfType {
    const type = this.types[id];
    if (!type) throw new BtfError(`type ${id} does not exist`);
    return type;
  }

  /** The type behind typedefs and qualifiers. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; type.kind === 'typedef' || type.kind === 'volatile' || type.kind === 'const' || type.kind === 'restrict'; depth++) {
      if (depth > MAX_DEPTH) throw new BtfError(`type ${id} refers to itself`);
      type = this.type(type.type);
    }
    return type;
  }

  /** Size in bytes; a flexible array has 0. */
  size(id: number): number {
    let factor = 1;
    let type = this.resolve(id);
    for (let depth = 0; type.kind === 'array'; depth++) {
      if (depth > MAX_DEPTH) throw new BtfError(`type ${id} refers to itself`);
      factor *= type.count;
      type = this.resolve(type.element);
    }
    if (type.kind === 'ptr') return factor * 8;
    if ('size' in type) return factor * type.size;
    throw new BtfError(`type ${id} (${type.kind}) has no size`);
  }
}

const PLAIN: Record<number, 'ptr' | 'typedef' | 'volatile' | 'const' | 'restrict' | 'func' | 'fwd'> = {
  2: 'ptr',
  7: 'fwd',
  8: 'typedef',
  9: 'volatile',
  10: 'const',
  11: 'restrict',
  12: 'func',
};

/** Parses the content of a `.BTF` section or of /sys/kernel/btf/vmlinux. */
export function parseBtf(bytes: Uint8Array): Btf {
  const btf = new Reader(bytes);
  if (btf.u16(0) !== MAGIC) throw new BtfError(btf.u16(0) === 0x9feb ? 'BTF of a big-endian machine' : 'not BTF');
  if (bytes[2] !== 1) throw new BtfError(`BTF version ${bytes[2]} is not known`);
  const header = btf.u32(4);
  const typesAt = header + btf.u32(8);
  const typesEnd = typesAt + btf.u32(12);
  const stringsAt = header + btf.u32(16);
  const stringsEnd = stringsAt + btf.u32(20);
  btf.check(typesAt, typesEnd - typesAt);
  btf.check(stringsAt, stringsEnd - stringsAt);
  const types: BtfType[] = [{ kind: 'void', id: 0 }];
  const name = (offset: number) => (stringsAt === stringsEnd && offset === 0 ? '' : btf.text(stringsAt + offset, stringsEnd));
  let at = typesAt;
  while (at < typesEnd) {
    const [type, next] = parseType(btf, at, types.length, name);
    if (next > typesEnd) throw new BtfError(`type ${types.length} is cut off`);
    types.push(type);
    at = next;
  }
  return new Btf(types);
}

/** One type and where the next begins. */
function parseType(btf: Reader, at: number, id: number, text: (offset: number) => string): [BtfType, number] {
  const info = btf.u32(at + 4);
  const last = btf.u32(at + 8);
  const kind = (info >>> 24) & 0x1f;
  const count = info & 0xffff;
  const flag = info >>> 31 === 1;
  const name = text(btf.u32(at));
  const body = at + 12;
  const each = <T>(size: number, read: (entry: number) => T): [T[], number] => {
    btf.check(body, count * size);
    return [Array.from({ length: count }, (_, i) => read(body + i * size)), body + count * size];
  };
  const plain = PLAIN[kind];
  if (plain) return [{ kind: plain, id, name, type: last }, body];
  switch (kind) {
    case 1: {
      const bits = (btf.u32(body) >>> 24) & 0xf;
      return [{ kind: 'int', id, name, size: last, signed: (bits & 1) > 0, char: (bits & 2) > 0, bool: (bits & 4) > 0 }, body + 4];
    }
    case 3:
      return [{ kind: 'array', id, element: btf.u32(body), count: btf.u32(body + 8) }, body + 12];
    case 4:
    case 5: {
      const [members, next] = each(12, (entry) => {
        const offset = btf.u32(entry + 8);
        return {
          name: text(btf.u32(entry)),
          type: btf.u32(entry + 4),
          bitOffset: flag ? offset & 0xff_ffff : offset,
          bits: flag ? offset >>> 24 : 0,
        };
      });
      return [kind === 4 ? { kind: 'struct', id, name, size: last, members } : { kind: 'union', id, name, size: last, members }, next];
    }
    case 6: {
      const [values, next] = each(8, (entry) => {
        // The flag says signed; clang before 15 did not set it, and its negative values are left unsigned here.
        const value = btf.u32(entry + 4);
        return { name: text(btf.u32(entry)), value: BigInt(flag ? value | 0 : value) };
      });
      return [{ kind: 'enum', id, name, size: last, signed: flag, values }, next];
    }
    case 13: {
      const [parameters, next] = each(8, (entry) => ({ name: text(btf.u32(entry)), type: btf.u32(entry + 4) }));
      return [{ kind: 'proto', id, result: last, parameters }, next];
    }
    case 14:
      return [{ kind: 'var', id, name, type: last }, body + 4];
    case 15: {
      const [variables, next] = each(12, (entry) => ({ type: btf.u32(entry), offset: btf.u32(entry + 4), size: btf.u32(entry + 8) }));
      return [{ kind: 'datasec', id, name, variables }, next];
    }
    case 16:
      return [{ kind: 'float', id, name, size: last }, body];
    case 17: // declaration tag, with an index after it
      return [{ kind: 'tag', id, name, type: last }, body + 4];
    case 18: // type tag: a qualifier
      return [{ kind: 'const', id, name, type: last }, body];
    case 19: {
      const [values, next] = each(12, (entry) => {
        const value = BigInt(btf.u32(entry + 4)) | (BigInt(btf.u32(entry + 8)) << 32n);
        return { name: text(btf.u32(entry)), value: flag ? BigInt.asIntN(64, value) : value };
      });
      return [{ kind: 'enum', id, name, size: last, signed: flag, values }, next];
    }
  }
  throw new BtfError(`type ${id} has the unknown kind ${kind}`);
}

/** BTF of an object file. */
export function objectBtf(file: Uint8Array): Btf {
  const section = elfSection(file, '.BTF');
  if (!section) throw new BtfError('the file has no BTF: compile it with -g');
  return parseBtf(section);
}
