/** A copy of what a user would have installed, for tests that run it as a user who cannot read this clone. */
import { accessSync, chmodSync, constants, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';

interface Manifest {
  dependencies?: Record<string, string>;
}

function manifest(dir: string): Manifest {
  return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest;
}

/** Copies the commands, what they are built to, and the packages that they need into `dir`/tracer, readable by everyone. */
export function copyTree(dir: string): string {
  const to = join(dir, 'tracer');
  mkdirSync(to);
  for (const part of ['bin', 'dist/lib', 'dist/bpf', 'prebuilds', 'schema', 'package.json']) {
    if (existsSync(join(root, part))) cpSync(join(root, part), join(to, part), { recursive: true });
  }
  const wanted = Object.keys(manifest(root).dependencies ?? {});
  for (const name of wanted) {
    const from = join(root, 'node_modules', name);
    if (existsSync(join(to, 'node_modules', name))) continue;
    cpSync(from, join(to, 'node_modules', name), { recursive: true });
    wanted.push(...Object.keys(manifest(from).dependencies ?? {}));
  }
  chmodSync(to, 0o755);
  accessSync(join(to, 'bin/sslsniff'), constants.X_OK);
  return to;
}
