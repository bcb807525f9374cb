/**
 * Writes lib/bpf/records.gen.ts: a reader class for each `struct rec_*` of the BPF objects, and their enums, from the
 * objects' own type information. The runners are compiled against it, so a record and its reader cannot drift apart.
 *
 * Usage: node decoders.js OUTPUT OBJECT...
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type Btf, type BtfType, objectBtf } from '../lib/elf/btf.js';

type Struct = Extract<BtfType, { kind: 'struct' }>;
type Enum = Extract<BtfType, { kind: 'enum' }>;

/** `rec_ssl_data` → `RecSslData`. */
function pascal(name: string): string {
  return name.replace(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** One scalar, array or byte field at a fixed place. */
interface Field {
  name: string;
  offset: number;
  lines: string[];
}

function scalar(name: string, at: string, type: BtfType): string[] {
  if (type.kind === 'int' || type.kind === 'enum') {
    if (type.kind === 'int' && type.bool) return [`get ${name}(): boolean {`, `  return this.view.getUint8(${at}) !== 0;`, '}'];
    const kind = type.signed ? 'Int' : 'Uint';
    if (type.size === 1) return [`get ${name}(): number {`, `  return this.view.get${kind}8(${at});`, '}'];
    if (type.size === 2 || type.size === 4)
      return [`get ${name}(): number {`, `  return this.view.get${kind}${type.size * 8}(${at}, true);`, '}'];
    if (type.size === 8) return wide(name, at, type.signed);
  }
  if (type.kind === 'ptr') return wide(name, at, false);
  throw new Error(`field ${name}: no reader for ${type.kind}`);
}

/** 64 bits: exact as a bigint, and as a number, which is exact up to 2^53 and much faster. */
function wide(name: string, at: string, signed: boolean): string[] {
  const kind = signed ? 'Int' : 'Uint';
  return [
    `/** Exact up to 2^53. */`,
    `get ${name}(): number {`,
    `  return this.view.getUint32(${at}, true) + this.view.get${kind}32(${plus(at, 4)}, true) * 0x1_0000_0000;`,
    '}',
    `get ${name}_exact(): bigint {`,
    `  return this.view.getBig${kind}64(${at}, true);`,
    '}',
  ];
}

function plus(at: string, n: number): string {
  const match = /^(.*) \+ (\d+)$/.exec(at);
  return match ? `${match[1]} + ${Number(match[2]) + n}` : `${at} + ${n}`;
}

function array(btf: Btf, name: string, offset: number, type: Extract<BtfType, { kind: 'array' }>): string[] {
  const element = btf.resolve(type.element);
  const size = btf.size(type.element);
  const at = `this.start + ${offset}`;
  if (element.kind === 'int' && element.size === 1) {
    const isText = element.char || /^char$/.test(element.name);
    if (!type.count)
      return [
        `/** The bytes at the end of the record, \`length\` of them. Shares the memory of the batch. */`,
        `${name}(length: number): Buffer {`,
        `  return this.bytes.subarray(${at}, ${at} + length);`,
        '}',
      ];
    if (isText)
      return [
        `/** Up to the first NUL. Shares the memory of the batch. */`,
        `get ${name}(): Buffer {`,
        `  let end = ${at};`,
        `  while (end < ${at} + ${type.count} && this.bytes[end] !== 0) end++;`,
        `  return this.bytes.subarray(${at}, end);`,
        '}',
      ];
    return [
      `/** Shares the memory of the batch. */`,
      `get ${name}(): Buffer {`,
      `  return this.bytes.subarray(${at}, ${at} + ${type.count});`,
      '}',
    ];
  }
  if (element.kind !== 'int' && element.kind !== 'enum') throw new Error(`field ${name}: no reader for an array of ${element.kind}`);
  const body = scalar(name, `${at} + index * ${size}`, element);
  return body.map((line) =>
    line.replace(/^get (\w+)\(\)/, '$1(index: number)').replaceAll(/\+ (\d+) \+ index \* (\d+)/g, '+ $1 + index * $2'),
  );
}

function fields(btf: Btf, struct: Struct | Extract<BtfType, { kind: 'union' }>, prefix: string, base: number): Field[] {
  return struct.members.flatMap((member): Field[] => {
    if (member.bits) throw new Error(`${struct.name}.${member.name}: records have no bit fields`);
    const type = btf.resolve(member.type);
    const offset = base + member.bitOffset / 8;
    const name = prefix + member.name;
    // An anonymous struct's fields belong to the outer one; a named one's get its name in front.
    if (type.kind === 'struct' || type.kind === 'union') return fields(btf, type, member.name ? `${name}_` : prefix, offset);
    if (/(^|_)pad\d*$/.test(member.name)) return [];
    const lines = type.kind === 'array' ? array(btf, name, offset, type) : scalar(name, `this.start + ${offset}`, type);
    return [{ name, offset, lines }];
  });
}

function recordClass(btf: Btf, struct: Struct): string {
  const list = fields(btf, struct, '', 0);
  const tail = struct.members.at(-1);
  const tailType = tail ? btf.resolve(tail.type) : undefined;
  const flexible = tail && tailType?.kind === 'array' && tailType.count === 0 ? tail : undefined;
  const size = flexible ? flexible.bitOffset / 8 : struct.size;
  const body = list.flatMap((field) => field.lines.map((line) => `  ${line}`));
  return [
    `/** \`struct ${struct.name}\`: ${flexible ? `${size} bytes, then \`${flexible.name}\`` : `${size} bytes`}. */`,
    `export class ${pascal(struct.name)} {`,
    '  /** Bytes of the fixed part. */',
    `  static readonly size = ${size};`,
    '  /** Where the fields stand, for those who change them. */',
    `  static readonly places = { ${list.map(({ name, offset }) => `${name}: ${offset}`).join(', ')} } as const;`,
    '  protected bytes: Buffer = empty;',
    '  protected view: DataView = emptyView;',
    '  protected start = 0;',
    '  /** Looks at a record at `start` of `bytes`; `view` is over the same bytes. Throws a RangeError when it is cut off. */',
    '  at(bytes: Buffer, view: DataView, start: number): this {',
    `    if (start < 0 || start + ${size} > bytes.length) throw new RangeError('${struct.name} is cut off');`,
    '    this.bytes = bytes;',
    '    this.view = view;',
    '    this.start = start;',
    '    return this;',
    '  }',
    ...body,
    '}',
    '',
  ].join('\n');
}

function enumObject(type: Enum): string {
  const name = pascal(type.name);
  const lines = type.values.map(({ name: member, value }) => `  ${member}: ${value},`);
  return [
    `/** \`enum ${type.name}\`. */`,
    `export const ${name} = {`,
    ...lines,
    '} as const;',
    `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
    '',
  ].join('\n');
}

/** The enums that belong to the records: named with `rec_`, or defined beside them and used in no kernel type. */
function ownEnums(btf: Btf): Enum[] {
  return btf.types.filter((type): type is Enum => type.kind === 'enum' && type.name !== '' && !/^(bpf_|BPF_|pid_type)/.test(type.name));
}

/** The text of the module. Throws when two objects disagree on a type. */
export function generate(objects: readonly { path: string; btf: Btf }[]): string {
  const parts = new Map<string, { text: string; path: string }>();
  for (const { path, btf } of objects) {
    const records = btf.types.filter((type): type is Struct => type.kind === 'struct' && type.name.startsWith('rec_'));
    const made: [string, string][] = [
      ...ownEnums(btf).map((type): [string, string] => [`enum ${type.name}`, enumObject(type)]),
      ...records.map((type): [string, string] => [`struct ${type.name}`, recordClass(btf, type)]),
    ];
    for (const [name, text] of made) {
      const before = parts.get(name);
      if (before && before.text !== text) throw new Error(`${name} differs between ${before.path} and ${path}`);
      parts.set(name, { text, path });
    }
  }
  const sorted = [...parts].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, part]) => part.text);
  const head = [
    '// Made by scripts/decoders.ts from the type information of the BPF objects. Not to be edited: see bpf/records.h.',
    '',
    ...(sorted.some((text) => text.includes('export class'))
      ? ['const empty = Buffer.alloc(0);', 'const emptyView = new DataView(new ArrayBuffer(0));', '']
      : []),
  ];
  return [...head, ...sorted].join('\n');
}

function main(output: string, paths: string[]): void {
  const objects = paths.map((path) => ({ path, btf: objectBtf(readFileSync(path)) }));
  const text = generate(objects);
  if (!existsSync(output) || readFileSync(output, 'utf8') !== text) writeFileSync(output, text);
}

if (process.argv[1]?.endsWith('decoders.js')) {
  const [output, ...paths] = process.argv.slice(2);
  if (!output) throw new Error('usage: node decoders.js OUTPUT OBJECT...');
  main(output, paths);
}
