/**
 * The programs behind a script from npm: packages that hold a program for each platform have a small script start the
 * one that fits (Codex, opencode, esbuild), and what it starts has its TLS inside. They lie in the script's own package
 * or in one of its optional dependencies.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Directories above the script in which its package may begin. */
const MOST_LEVELS = 8;
const MOST_PACKAGES = 64;
/** Files and directories looked at for one script. */
const MOST_ENTRIES = 4000;
const MOST_PROGRAMS = 8;
const MOST_MANIFEST_BYTES = 1 << 20;
/** No program with TLS in it is smaller. */
const LEAST_BYTES = 1 << 20;

function parents(path: string): string[] {
  const found: string[] = [];
  for (let at = dirname(path); at !== '/' && found.length < MOST_LEVELS; at = dirname(at)) found.push(at);
  return found;
}

/** Names of the packages that npm installs where they fit the platform. */
function optionalOf(manifest: string): string[] | undefined {
  try {
    if (statSync(manifest).size > MOST_MANIFEST_BYTES) return [];
    const { optionalDependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as { optionalDependencies?: unknown };
    if (typeof optionalDependencies !== 'object' || optionalDependencies === null) return [];
    return Object.keys(optionalDependencies)
      .filter((name) => /^(@[\w.-]+\/)?\w[\w.-]*$/.test(name))
      .slice(0, MOST_PACKAGES);
  } catch {
    return undefined;
  }
}

function isProgram(path: string): boolean {
  const { size, mode } = statSync(path);
  if (size < LEAST_BYTES || (mode & 0o111) === 0) return false;
  const magic = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  readSync(fd, magic, 0, 4, 0);
  closeSync(fd);
  return magic.toString('latin1') === '\x7fELF';
}

/** Large programs in these directories, and in those below but for `node_modules`. */
function programsIn(directories: readonly string[]): string[] {
  const found: string[] = [];
  const left = [...directories];
  for (let looked = 0, at = left.shift(); at !== undefined && looked < MOST_ENTRIES; at = left.shift()) {
    try {
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        if (++looked > MOST_ENTRIES || found.length >= MOST_PROGRAMS) break;
        const path = join(at, entry.name);
        if (entry.isDirectory() && entry.name !== 'node_modules') left.push(path);
        else if (entry.isFile() && isProgram(path)) found.push(path);
      }
    } catch {
      // Not there, or not for us.
    }
  }
  return found;
}

/** Programs that a script is there to start; [] when it is in no package. */
export function packagedPrograms(script: string): string[] {
  let real: string;
  try {
    real = realpathSync(script);
  } catch {
    return [];
  }
  const above = parents(real);
  for (const home of above) {
    const names = optionalOf(join(home, 'package.json'));
    if (names === undefined) continue;
    const rooms = [join(home, 'node_modules'), ...parents(home).filter((path) => path.endsWith('/node_modules'))];
    return programsIn([...names.flatMap((name) => rooms.map((room) => join(room, name))), home]);
  }
  return [];
}
