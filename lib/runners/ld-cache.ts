/**
 * The dynamic linker's cache: where libraries are found by name. glibc, sysdeps/generic/dl-cache.h: a header of 48 bytes,
 * entries of 24 (flags, key, value, osversion, hwcap), then the strings.
 */
import { readFileSync } from 'node:fs';

const MAGIC = 'glibc-ld.so.cache1.1';
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;
const MAX_ENTRIES = 100_000;

/** Paths of the libraries in the text of a cache whose names begin so. Nothing for a cache of another kind. */
export function librariesInCache(cache: Buffer, prefix: string): string[] {
  // An old-format part may stand before it.
  const at = cache.indexOf(MAGIC, 0, 'latin1');
  if (at < 0 || at + HEADER_BYTES > cache.length) return [];
  const count = Math.min(cache.readUInt32LE(at + 20), MAX_ENTRIES);
  const found = new Set<string>();
  const string = (offset: number): string => {
    const start = at + offset;
    const end = cache.indexOf(0, start);
    return start >= cache.length || end < 0 ? '' : cache.toString('latin1', start, end);
  };
  for (let i = 0; i < count; i++) {
    const entry = at + HEADER_BYTES + i * ENTRY_BYTES;
    if (entry + ENTRY_BYTES > cache.length) break;
    if (string(cache.readUInt32LE(entry + 4)).startsWith(prefix)) found.add(string(cache.readUInt32LE(entry + 8)));
  }
  found.delete('');
  return [...found];
}

/** The same of this host's cache; nothing where there is none (musl). */
export function cachedLibraries(prefix: string): string[] {
  try {
    return librariesInCache(readFileSync('/etc/ld.so.cache'), prefix);
  } catch {
    return [];
  }
}
