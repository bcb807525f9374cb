/**
 * `.gnu_debugdata`: the names of functions that Fedora and its like leave in stripped programs, as a small ELF file packed by
 * xz. Node has no decoder for it, so xz(1) does it, where it is installed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type FileBytes, SymbolTable } from './symbol-table.js';

/** Not by PATH: a sensor runs as root. */
const XZ = ['/usr/bin/xz', '/bin/xz'];
const MAX_PACKED = 64 * 1024 * 1024;
const MAX_UNPACKED = 256 * 1024 * 1024;
const PATIENCE_MS = 10_000;

/** The symbol table that is packed in these bytes; a sentence when it cannot be had. */
export function unpackDebugData(packed: Buffer): SymbolTable | string {
  const xz = XZ.find((path) => existsSync(path));
  if (xz === undefined) return 'its compressed symbol table (.gnu_debugdata) was not read: xz is not installed';
  if (packed.length > MAX_PACKED) return 'its compressed symbol table (.gnu_debugdata) is too large';
  try {
    const bytes = execFileSync(xz, ['--decompress', '--stdout', '--memlimit-decompress=256MiB'], {
      input: packed,
      maxBuffer: MAX_UNPACKED,
      timeout: PATIENCE_MS,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return new SymbolTable(inMemory(bytes));
  } catch {
    return 'its compressed symbol table (.gnu_debugdata) cannot be unpacked';
  }
}

function inMemory(bytes: Buffer): FileBytes {
  return {
    size: bytes.length,
    read: (offset, length) =>
      Number.isSafeInteger(offset) && offset >= 0 && length > 0 ? bytes.subarray(offset, offset + length) : Buffer.alloc(0),
  };
}
