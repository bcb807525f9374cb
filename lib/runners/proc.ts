/** What /proc says of a process: proc(5). A process may end at any moment, so all of it may be absent. */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import type { ProcessInfo } from '../stream/event.js';
import { textField, textListField } from '../stream/payload.js';

/** A file that a process has mapped as code. */
export interface Mapping {
  /** `start-end` in hexadecimal, as in /proc/PID/map_files. */
  range: string;
  /** `major:minor` in hexadecimal. */
  device: string;
  inode: number;
  /** As the process sees it, in its own root; without the ` (deleted)` that the kernel adds. */
  path: string;
  deleted: boolean;
}

const MAPS_LINE = /^([0-9a-f]+-[0-9a-f]+) [r-][w-]x[ps-] [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+)\s+(.*)$/;

/** The files mapped as code in the text of /proc/PID/maps, each once (by device and inode), in order. Text is Latin-1. */
export function executableMappings(text: string): Mapping[] {
  const found = new Map<string, Mapping>();
  for (const line of text.split('\n')) {
    const match = MAPS_LINE.exec(line);
    if (match === null || match[3] === '0') continue;
    const [, range = '', device = '', inode = '', name = ''] = match;
    const key = `${device} ${inode}`;
    if (found.has(key) || !name.startsWith('/')) continue;
    const deleted = name.endsWith(' (deleted)');
    // The kernel writes newline and backslash-free octal for what would break the line: \012.
    const path = (deleted ? name.slice(0, -10) : name).replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    found.set(key, { range, device, inode: Number(inode), path, deleted });
  }
  return [...found.values()];
}

/** The files that a process has mapped as code; undefined when it has ended or may not be looked at. */
export function mappingsOf(pid: number): Mapping[] | undefined {
  try {
    return executableMappings(readFileSync(`/proc/${pid}/maps`, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Ways to open a file that a process has mapped, best first: its path in that process's root, then the mapping itself. */
export function pathsToMapping(pid: number, mapping: Mapping): Buffer[] {
  const inRoot = Buffer.from(`/proc/${pid}/root${mapping.path}`, 'latin1');
  const mapped = Buffer.from(`/proc/${pid}/map_files/${mapping.range}`);
  return mapping.deleted ? [mapped] : [inRoot, mapped];
}

/** Environment variables that tell who a process works for; no others are ever read out. */
export const ENV_NAMES: ReadonlySet<string> = new Set([
  'TRACEPARENT',
  'TRACESTATE',
  'CLAUDECODE',
  'CLAUDE_CODE_SESSION_ID',
  'CLAUDE_CODE_ENTRYPOINT',
  'CODEX_THREAD_ID',
  'GEMINI_CLI',
]);

/** The part of `process_info` that stands in /proc. */
export type ProcessFacts = Omit<ProcessInfo, 'pid' | 'origin'>;

function bytesOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function linkOf(path: string): Buffer | undefined {
  try {
    return readlinkSync(path, { encoding: 'buffer' });
  } catch {
    return undefined;
  }
}

/** Strings that each end with NUL. */
export function splitAtNul(bytes: Buffer): Buffer[] {
  const items: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    items.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return items;
}

function cgroupPath(pid: number): Buffer | undefined {
  const text = bytesOf(`/proc/${pid}/cgroup`)?.toString('latin1');
  const line = text?.split('\n').find((entry) => entry.startsWith('0::'));
  return line === undefined ? undefined : Buffer.from(line.slice(3), 'latin1');
}

/** `"major:minor:inode"` of a file. Its generation cannot be read from here. */
function fileId(path: string | Buffer): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    // makedev(3) of glibc: 12 + 20 bits in the low half, the rest above.
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    return `${major}:${minor}:${ino}`;
  } catch {
    return undefined;
  }
}

/** First bytes of names, so that most variables need not be read. */
const firstBytes = new WeakMap<ReadonlySet<string>, Uint8Array>();

function firstBytesOf(names: ReadonlySet<string>): Uint8Array {
  let first = firstBytes.get(names);
  if (first !== undefined) return first;
  first = new Uint8Array(256);
  for (const name of names) first[name.charCodeAt(0) & 0xff] = 1;
  firstBytes.set(names, first);
  return first;
}

/** The variables of these names in the text of an environment. */
export function chosenEnvironment(text: Buffer, names: ReadonlySet<string> = ENV_NAMES): Record<string, string> | undefined {
  const first = firstBytesOf(names);
  let found: Record<string, string> | undefined;
  for (let at = 0; at < text.length; ) {
    const nul = text.indexOf(0, at);
    const end = nul < 0 ? text.length : nul;
    if (first[text[at] as number] === 1) {
      const equals = text.indexOf(0x3d, at);
      const name = equals > at && equals < end && equals - at <= 64 ? text.toString('latin1', at, equals) : '';
      if (names.has(name)) {
        found ??= {};
        found[name] = text.toString('utf8', equals + 1, end);
      }
    }
    at = end + 1;
  }
  return found;
}

function environment(pid: number): Record<string, string> | undefined {
  return chosenEnvironment(bytesOf(`/proc/${pid}/environ`) ?? Buffer.alloc(0));
}

/** The path of a process's cgroup (version 2) as a field. */
export function cgroupField(pid: number): { cgroup_path?: string; cgroup_path_b64?: string } {
  const path = cgroupPath(pid);
  return path === undefined ? {} : textField('cgroup_path', path);
}

/** Everything that `process_info` says and /proc knows, in the contract's order. */
export function factsOf(pid: number): ProcessFacts {
  const exe = linkOf(`/proc/${pid}/exe`);
  const args = bytesOf(`/proc/${pid}/cmdline`);
  const cwd = linkOf(`/proc/${pid}/cwd`);
  const cgroup = cgroupPath(pid);
  const exeId = fileId(`/proc/${pid}/exe`);
  const env = environment(pid);
  return {
    ...(exe === undefined ? {} : textField('exe', exe)),
    ...(args === undefined || args.length === 0 ? {} : textListField('args', splitAtNul(args))),
    ...(cwd === undefined ? {} : textField('cwd', cwd)),
    ...(cgroup === undefined ? {} : textField('cgroup_path', cgroup)),
    ...(exeId === undefined ? {} : { exe_file_id: exeId }),
    ...(env === undefined ? {} : { env }),
  };
}

/** The command line's strings; none for a kernel thread or a process that has ended. */
export function argumentsOf(pid: number): string[] {
  return splitAtNul(bytesOf(`/proc/${pid}/cmdline`) ?? Buffer.alloc(0)).map((item) => item.toString('latin1'));
}

/** Where the program file of a process lies, in its own root. */
export function exeOf(pid: number): string | undefined {
  return linkOf(`/proc/${pid}/exe`)?.toString('latin1');
}
