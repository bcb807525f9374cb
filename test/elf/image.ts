/** A plain ELF64 reader for these tests only: whole file in memory, section headers required. The sensor has its own. */
import { readFileSync } from 'node:fs';
import type { CodeImage } from '../../lib/elf/code-image.js';

export interface TestImage extends CodeImage {
  sections: { name: string; address: number; offset: number; size: number; flags: number }[];
  file: Buffer;
}

export function openImage(path: string): TestImage {
  const file = readFileSync(path);
  const number = (at: number): number => Number(file.readBigUInt64LE(at));
  const cstring = (at: number): string => file.toString('latin1', at, file.indexOf(0, at));
  const machine = file.readUInt16LE(18) === 183 ? 'aarch64' : 'x86_64';
  const phoff = number(32);
  const segments = Array.from({ length: file.readUInt16LE(56) }, (_, i) => {
    const at = phoff + i * 56;
    return { type: file.readUInt32LE(at), offset: number(at + 8), address: number(at + 16), size: number(at + 32) };
  }).filter((segment) => segment.type === 1);
  const shoff = number(40);
  const headers = Array.from({ length: file.readUInt16LE(60) }, (_, i) => {
    const at = shoff + i * 64;
    return {
      nameAt: file.readUInt32LE(at),
      type: file.readUInt32LE(at + 4),
      flags: number(at + 8),
      address: number(at + 16),
      offset: number(at + 24),
      size: number(at + 32),
      link: file.readUInt32LE(at + 40),
    };
  });
  const names = headers[file.readUInt16LE(62)];
  const sections = headers.map((header) => ({ ...header, name: cstring((names?.offset ?? 0) + header.nameAt) }));
  const symbols = new Map<string, { address: number; size: number }>();
  for (const table of headers.filter((header) => header.type === 11 || header.type === 2)) {
    const strings = headers[table.link]?.offset ?? 0;
    for (let at = table.offset; at < table.offset + table.size; at += 24) {
      const name = cstring(strings + file.readUInt32LE(at));
      if ((file.readUInt8(at + 4) & 15) === 2 && file.readUInt16LE(at + 6) !== 0 && !symbols.has(name)) {
        symbols.set(name, { address: number(at + 8), size: number(at + 16) });
      }
    }
  }
  const fileOffset = (address: number): number | undefined => {
    const segment = segments.find((s) => address >= s.address && address < s.address + s.size);
    return segment && address - segment.address + segment.offset;
  };
  return {
    machine,
    sections,
    file,
    symbol: (name) => symbols.get(name),
    bytes(address, length) {
      const offset = fileOffset(address);
      return offset === undefined ? undefined : file.subarray(offset, offset + length);
    },
    fileOffset,
  };
}
