/** Programs from npm packages, installed once into the project's cache without running any script of theirs. */
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { projectCache } from '../support/paths.js';

export const cache: string = join(projectCache(), 'agents');

/**
 * The directory that holds `node_modules` with these packages (`name@version`), under `name` in the cache. Scripts do not
 * run: what a package's own would put in place is done by `finish`, given the directory. Throws with npm's words.
 */
export function installed(name: string, packages: readonly string[], finish: (dir: string) => void = () => {}): string {
  const dir = join(cache, name);
  if (existsSync(join(dir, 'node_modules'))) return dir;
  const half = `${dir}.half-${process.pid}`;
  mkdirSync(half, { recursive: true });
  try {
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error', '--prefix', half];
    execFileSync('npm', ['install', ...flags, ...packages], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
    finish(half);
    renameSync(half, dir);
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
  return dir;
}

/** The real ones are a hundred times as large. */
const MOST_STAND_IN_BYTES = 1 << 20;

/**
 * What the postinstall scripts of Claude Code and opencode do: the program of the platform's package takes the place of
 * the stand-in that the main package has, where it has one.
 */
export function replaceStandIn(standIn: string, program: string): void {
  if (!existsSync(program) || !existsSync(standIn)) return;
  if (statSync(standIn).size > MOST_STAND_IN_BYTES) return;
  rmSync(standIn);
  linkSync(program, standIn);
}
