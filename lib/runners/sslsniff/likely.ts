/**
 * Files that a process which is yet to start will probably use: probed beforehand, so that its first byte is seen. What
 * is missed here is found when it is mapped.
 */
import { accessSync, closeSync, constants, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ElfImage } from '../../elf/image.js';
import { cachedLibraries } from '../ld-cache.js';
import { packagedPrograms } from './packaged.js';

const TRIPLET = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
const LIBRARY_DIRECTORIES = ['/lib', '/usr/lib', '/usr/local/lib'].flatMap((directory) => [
  directory,
  `${directory}64`,
  `${directory}/${TRIPLET}`,
]);
const LINKERS = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1', '/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1'];
const TLS_LIBRARY = /^lib(ssl|gnutls|nspr4|ssl3|s2n|mbedtls)\.so(\.|$)/;
const TLS_LIBRARIES = ['libssl.so', 'libgnutls.so', 'libnspr4.so', 'libssl3.so', 'libs2n.so', 'libmbedtls.so'];
/** A script names a program that may be a script again. */
const MAX_SCRIPTS = 4;

export interface LikelyFile {
  /** Device and inode, as the mappings of a process have them. */
  key: string;
  path: string;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The program file of a command: a path, or found in PATH. */
function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  const candidates = name.includes('/') ? [name] : path.split(':').map((directory) => `${directory || '.'}/${name}`);
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}

/** What a script names in its first line: the interpreter, or env's argument. */
function interpreterOf(path: string): string | undefined {
  const head = Buffer.alloc(256);
  let length = 0;
  try {
    const fd = openSync(path, 'r');
    length = readSync(fd, head, 0, head.length, 0);
    closeSync(fd);
  } catch {
    return undefined;
  }
  const line = /^#!\s*(\S+)[ \t]*(.*)/.exec(head.toString('latin1', 0, length));
  if (line === null) return undefined;
  if (!/(^|\/)env$/.test(line[1] ?? '')) return line[1];
  return (line[2] ?? '').split(/\s+/).find((word) => word !== '' && !word.startsWith('-') && !word.includes('='));
}

/** The program of a command and, when it is a script, of its interpreter, and those that it was packed to start. */
function programsOf(name: string): string[] {
  const found: string[] = [];
  let next: string | undefined = name;
  for (let i = 0; i < MAX_SCRIPTS && next !== undefined; i++) {
    const path = findProgram(next);
    if (path === undefined) break;
    found.push(path);
    next = interpreterOf(path);
    if (next !== undefined) found.push(...packagedPrograms(path));
  }
  return found;
}

/** Files named as TLS libraries are in these directories. */
function tlsLibrariesIn(directories: readonly string[]): string[] {
  return directories.flatMap((directory) =>
    namesIn(directory)
      .filter((name) => TLS_LIBRARY.test(name))
      .map((name) => `${directory}/${name}`),
  );
}

/** Files that a path leads to, each once, by what makes them the same file. */
function asFiles(paths: readonly string[]): LikelyFile[] {
  const found = new Map<string, LikelyFile>();
  for (const path of paths) {
    try {
      const { dev, ino } = statSync(path, { bigint: true });
      const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
      const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
      const key = `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')} ${ino}`;
      if (!found.has(key)) found.set(key, { key, path });
    } catch {
      // Not there.
    }
  }
  return [...found.values()];
}

/**
 * TLS libraries where a program or library looks before all other places (DT_RUNPATH), as that of conda beside its python.
 * @param path of the file in its own root
 * @param root where that root lies for us: empty, or `/proc/PID/root`
 */
export function besideFile(image: ElfImage, path: string, root = ''): LikelyFile[] {
  const directories = image.searchPath().map((directory) => root + directory.replace(/\$\{?ORIGIN\}?/g, dirname(path)));
  return asFiles(tlsLibrariesIn(directories));
}

/** Programs with an OpenSSL of their own that many others are scripts of. */
const RUNTIMES = ['node'];
/** Programs that start others; python and its like do, too, but seldom those above. */
const LAUNCHERS =
  /^(sh|bash|dash|zsh|ksh|fish|busybox|env|make|nohup|setsid|sudo|su|runuser|setpriv|timeout|time|xargs|parallel|watch|strace|script|unshare|nsenter|bwrap|systemd-run)$/;

/**
 * The host's dynamic linker and TLS libraries; the programs of those names with what lies beside them; and, when others than
 * these may come or one of them starts others, runtimes that carry their own OpenSSL. Each file once.
 */
export function likelyFiles(names: readonly string[], othersMayCome: boolean): LikelyFile[] {
  const programs = names.flatMap(programsOf);
  const launches = programs.some((path) => LAUNCHERS.test(basename(path)));
  const runtimes = othersMayCome || launches ? RUNTIMES.flatMap(programsOf) : [];
  const searched = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((directory) => directory !== '');
  const paths = [
    ...LINKERS,
    ...TLS_LIBRARIES.flatMap(cachedLibraries),
    ...tlsLibrariesIn([...LIBRARY_DIRECTORIES, ...searched]),
    ...programs,
    ...runtimes,
  ];
  return asFiles(paths).map(({ key, path }) => ({ key, path: realpathSync(path) }));
}
