/** A large file with an OpenSSL in it. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const BYTES = 8 * 1024 * 1024;
const SETTLED_MS = 2500;

/** Node itself, or, where its OpenSSL is a library apart (Debian 13's node), that library in a copy that is made longer. */
export function opensslFile(directory: string): string {
  const library = /\S+\/libssl\.so\S*/.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
  if (library === undefined) return process.execPath;
  const copy = join(directory, 'libssl.so');
  writeFileSync(copy, readFileSync(library));
  truncateSync(copy, BYTES);
  // The finder keeps nothing about a file that changed just now.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLED_MS);
  return copy;
}
