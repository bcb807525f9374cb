/**
 * The finder's answers, kept from run to run: a program of 400 MB is searched once, not at every start.
 *
 * A file is known again by what it is on this host: device, inode, size, and the times of its last change, of which the
 * kernel alone sets one (ctime). Not by its build-id: an agent could give a file of its own the build-id of another
 * program, and what was found in the one would be believed of the other. Files on file systems that an ordinary user can
 * serve are never kept, nor are files that changed in the last seconds.
 *
 * What is in the directory is read as if anybody had written it: only a regular file of our own in a directory of our
 * own, of bounded size, every field checked against its type and against the program itself.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ElfImage } from './image.js';
import type { KernelVersion } from './probe-cost.js';
import { findTls } from './tls-finder.js';
import { isTlsFinding, type TlsFinding } from './tls-finding.js';

/** Counts up whenever the finder's answers may differ from those of before. */
const FINDER = 3;
/** Smaller files are searched faster than it takes to be careful. */
const LEAST_BYTES = 4 * 1024 * 1024;
const MAX_ENTRY_BYTES = 256 * 1024;
const MAX_ENTRIES = 512;
const MAX_FINDINGS = 16;
/** A file that changed more recently may change again within the same tick of its time stamp. */
const SETTLED_MS = 2000;
/** statfs(2): FUSE, and what other machines serve. */
const FOREIGN = new Set([0x65735546, 0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x01021997, 0x00c36400, 0x73757245, 0x5346414f]);

/** Where answers are kept unless told otherwise: /var/cache/tracer for root, else `$XDG_CACHE_HOME/tracer`. */
export function defaultCacheDirectory(): string {
  if (process.geteuid?.() === 0) return '/var/cache/tracer';
  const base = process.env.XDG_CACHE_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'tracer');
}

export interface CachedFindings {
  findings: TlsFinding[];
  fromCache: boolean;
}

/** {@link findTls}, or what it said of this very file before. Trouble with the directory is never an error. */
export function findTlsCached(image: ElfImage, kernel: KernelVersion, directory: string): CachedFindings {
  const identity = identityOf(image, kernel);
  if (identity === undefined || !ownDirectory(directory)) return { findings: findTls(image, kernel), fromCache: false };
  const path = join(directory, `${createHash('sha256').update(identity).digest('hex')}.json`);
  const kept = read(path, identity, image);
  if (kept !== undefined) return { findings: kept, fromCache: true };
  const findings = findTls(image, kernel);
  // It may have been changed while it was read.
  if (identityOf(image, kernel) === identity) write(directory, path, JSON.stringify({ identity, findings }));
  return { findings, fromCache: false };
}

/** What a kept answer is for; undefined when none should be kept. */
function identityOf(image: ElfImage, kernel: KernelVersion): string | undefined {
  if (image.size < LEAST_BYTES) return undefined;
  try {
    if (FOREIGN.has(statfsSync(image.descriptorPath).type >>> 0)) return undefined;
    const { state, changedMs } = image.state();
    if (!(Date.now() - changedMs > SETTLED_MS)) return undefined;
    return `finder ${FINDER} kernel ${kernel.major}.${kernel.minor} file ${state}`;
  } catch {
    return undefined;
  }
}

function isMine({ uid, mode }: { uid: number; mode: number }): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}

function ownDirectory(directory: string): boolean {
  try {
    // Not recursive: Node's never returns where the kernel says ENOENT of a directory that is there, as in /proc.
    for (const each of [dirname(directory), directory]) if (!existsSync(each)) mkdirSync(each, { mode: 0o700 });
    const stat = lstatSync(directory);
    return stat.isDirectory() && isMine(stat);
  } catch {
    return false;
  }
}

function read(path: string, identity: string, image: ElfImage): TlsFinding[] | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile() || !isMine(stat) || stat.size > MAX_ENTRY_BYTES) return undefined;
    const bytes = Buffer.alloc(stat.size);
    const got = readSync(fd, bytes, 0, bytes.length, 0);
    const entry: unknown = JSON.parse(bytes.toString('utf8', 0, got));
    if (typeof entry !== 'object' || entry === null) return undefined;
    const { identity: of, findings } = entry as Record<string, unknown>;
    if (of !== identity || !Array.isArray(findings) || findings.length > MAX_FINDINGS) return undefined;
    return findings.every((finding) => isTlsFinding(finding) && fits(finding, image)) ? findings : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whether the places are in this file's code, and say the same as address and as offset. */
function fits(finding: TlsFinding, image: ElfImage): boolean {
  return finding.sites.every(({ address, offset }) => image.isCode(address) && image.fileOffset(address) === offset);
}

function write(directory: string, path: string, text: string): void {
  if (text.length > MAX_ENTRY_BYTES) return;
  const temporary = join(directory, `.${randomBytes(8).toString('hex')}`);
  try {
    const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    prune(directory);
  } catch {
    try {
      unlinkSync(temporary);
    } catch {}
  }
}

/** Keeps the newest entries when there are too many. */
function prune(directory: string): void {
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'));
  if (names.length <= MAX_ENTRIES) return;
  const dated = names.map((name) => ({ name, time: lstatSync(join(directory, name)).mtimeMs })).sort((a, b) => b.time - a.time);
  for (const { name } of dated.slice(MAX_ENTRIES / 2)) unlinkSync(join(directory, name));
}
