/** Where things are in the tree, seen from dist/test/support as from anywhere else. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(from: string): string {
  for (let dir = from; dir !== '/'; dir = dirname(dir)) {
    if (existsSync(join(dir, 'package.json')) && existsSync(join(dir, 'biome.json'))) return dir;
  }
  throw new Error(`no repository above ${from}`);
}

/** The repository's root directory. */
export const root: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Path of a command in bin/: `sslsniff`, `http`, `tracer`. */
export function bin(name: string): string {
  return join(root, 'bin', name);
}

/** Path of a workload's source file. */
export function workload(name: string): string {
  return join(root, 'test/support/workloads', name);
}

/** Debian's Python: its ssl module uses the system's libssl. A version manager's shim on PATH does not matter. */
export const python: string = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** The project's cache, which outlives the clone: that of the clone's owner, also under sudo. */
export function projectCache(): string {
  return execFileSync('bash', ['-c', `. "${root}/scripts/lib/common.sh" && cache_dir`], { encoding: 'utf8' }).trim();
}
