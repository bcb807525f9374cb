/**
 * Workloads of other languages, built or fetched once and kept in the project's cache: Go and Rust programs as people
 * release them, and Bun. Each answer is a path, or a sentence that says what is missing.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { projectCache, root, workload } from './paths.js';

const BUN = '1.4.5';
const CACHE = join(projectCache(), 'workloads');
/** Toolchains lie outside of PATH under sudo. */
const PATH = [process.env['PATH'] ?? '', join(homedir(), '.cargo/bin'), '/usr/local/go/bin'].join(delimiter);

export type Built = { path: string } | { missing: string };

/** Beside everything else: the test's server goes on meanwhile. */
async function run(command: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd, env: { ...process.env, PATH, ...env } });
  return stdout;
}

async function version(command: string, ...args: string[]): Promise<string | undefined> {
  try {
    return await run(command, args, root);
  } catch {
    return undefined;
  }
}

/** A directory for what is made of these sources by this tool. */
function placeFor(name: string, sources: string, tool: string): string {
  const hash = createHash('sha256').update(tool);
  for (const file of readdirSync(sources, { recursive: true, encoding: 'utf8' }).sort()) {
    if (/\.(go|mod|rs|toml)$/.test(file)) hash.update(file).update(readFileSync(join(sources, file)));
  }
  const place = join(CACHE, `${name}-${hash.digest('hex').slice(0, 12)}`);
  mkdirSync(place, { recursive: true });
  return place;
}

/** As `go build` makes it, stripped, and position-independent. */
export async function goProgram(kind: 'plain' | 'stripped' | 'pie', sources = workload('go')): Promise<Built> {
  const tool = await version('go', 'version');
  if (tool === undefined) return { missing: 'go is not installed' };
  const path = join(placeFor('go', sources, tool), kind);
  const flags = { plain: [], stripped: ['-ldflags=-s -w'], pie: ['-buildmode=pie'] }[kind];
  if (!existsSync(path)) {
    await run('go', ['build', '-buildvcs=false', ...flags, '-o', `${path}.new`, '.'], sources, { CGO_ENABLED: '0' });
    renameSync(`${path}.new`, path);
  }
  return { path };
}

/** A stripped release build of rustls on one of its two cryptographic libraries: the program `name` of these sources. */
export async function rustProgram(provider: 'ring' | 'aws-lc', sources = workload('rust'), name = 'workload'): Promise<Built> {
  const tool = await version('cargo', '--version');
  if (tool === undefined) return { missing: 'cargo is not installed' };
  const place = placeFor(`rust-${provider}`, sources, tool);
  const path = join(place, `release/${name}`);
  if (!existsSync(path)) {
    // The lock file belongs to the build: it is written beside a copy of the sources.
    const copy = join(place, 'source');
    mkdirSync(copy, { recursive: true });
    await run('cp', ['-r', `${sources}/.`, copy], root);
    await run('cargo', ['build', '--quiet', '--release', '--features', provider], copy, { CARGO_TARGET_DIR: place });
  }
  return { path };
}

/** Bun, which has BoringSSL in it and no symbols of it. */
export async function bun(): Promise<Built> {
  const place = join(CACHE, `bun-${BUN}`);
  const path = join(place, 'node_modules/@oven/bun-linux-x64/bin/bun');
  if (!existsSync(path)) {
    mkdirSync(place, { recursive: true });
    try {
      await run(
        'npm',
        ['install', '--prefix', place, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `@oven/bun-linux-x64@${BUN}`],
        place,
      );
    } catch (error) {
      return { missing: `bun ${BUN} cannot be fetched: ${(error as Error).message.split('\n')[0]}` };
    }
  }
  return { path };
}
