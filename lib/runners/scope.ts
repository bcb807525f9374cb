/**
 * The one scope of all sensors and guards: what the options ask for, made into the tables that bpf/scope.h looks at.
 */
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Scope } from '../stream/event.js';
import { CommandError, EXIT } from '../stream/exit.js';

/** What was asked for. All are united; none of them means everybody. */
export interface ScopeOptions {
  pids?: readonly number[];
  /** Process names, base names of executables or of scripts. */
  comms?: readonly string[];
  /** Directories of a cgroup2 tree, absolute or relative to its mount. */
  cgroups?: readonly string[];
  /** User names or numbers. */
  uids?: readonly string[];
  /** Descendants of what matches are watched, too. Default: yes. */
  children?: boolean;
  command?: readonly string[];
}

export interface ResolvedScope {
  pids: number[];
  comms: string[];
  cgroups: { path: string; id: bigint }[];
  uids: number[];
  command: string[];
  children: boolean;
  all: boolean;
}

/** Programs that run the script named by their first argument that is no option. Their names without version digits. */
export const INTERPRETERS = [
  'python',
  'pypy',
  'node',
  'nodejs',
  'bun',
  'deno',
  'ruby',
  'perl',
  'php',
  'lua',
  'luajit',
  'bash',
  'sh',
  'dash',
  'zsh',
  'fish',
  'ksh',
  'tclsh',
  'Rscript',
  'tsx',
] as const;

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270;

/** Where the cgroup2 tree is mounted; undefined when it is not. */
export function cgroup2Mount(): string | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before, after] = line.split(' - ');
    if (after?.startsWith('cgroup2 ')) return before?.split(' ')[4];
  }
  return undefined;
}

function resolveCgroup(name: string): { path: string; id: bigint } {
  const mount = cgroup2Mount();
  const path = name.startsWith('/') ? name : `${mount ?? '/sys/fs/cgroup'}/${name}`;
  try {
    const stat = statSync(path, { bigint: true });
    if (stat.isDirectory() && statfsSync(path).type === CGROUP2_MAGIC) return { path, id: stat.ino };
  } catch (error) {
    throw new CommandError(
      EXIT.usage,
      `cannot look at the cgroup ${path}: ${(error as NodeJS.ErrnoException).code}`,
      mount === undefined ? 'No cgroup2 tree is mounted here' : `Name a directory below ${mount}`,
    );
  }
  throw new CommandError(
    EXIT.usage,
    `${path} is not a directory of a cgroup2 tree`,
    mount === undefined ? 'None is mounted here' : `Name one below ${mount}`,
  );
}

function resolveUid(name: string): number {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);
  if (entry?.[2] === undefined)
    throw new CommandError(EXIT.usage, `there is no user "${name}" in /etc/passwd`, 'Name a user, or give the number');
  return Number(entry[2]);
}

/** Checks what was asked for against this host. Throws a CommandError with status 64 for what cannot be. */
export function resolveScope(options: ScopeOptions): ResolvedScope {
  const pids = [...new Set(options.pids ?? [])];
  for (const pid of pids) {
    try {
      statSync(`/proc/${pid}`);
    } catch {
      throw new CommandError(
        EXIT.usage,
        `there is no process ${pid}`,
        'It may have ended. ps shows those that there are, -c chooses by name and waits',
      );
    }
  }
  const comms = [...new Set(options.comms ?? [])];
  for (const comm of comms) {
    if (Buffer.byteLength(comm) > 63) throw new CommandError(EXIT.usage, `the name "${comm}" is longer than 63 bytes`);
    if (comm.includes('/'))
      throw new CommandError(EXIT.usage, `"${comm}" is a path`, `-c takes a name without directory: -c ${basename(comm)}`);
  }
  const cgroups = [...new Set(options.cgroups ?? [])].map(resolveCgroup);
  const uids = [...new Set((options.uids ?? []).map(resolveUid))];
  const command = [...(options.command ?? [])];
  const all = pids.length + comms.length + cgroups.length + uids.length + command.length === 0;
  return { pids, comms, cgroups, uids, command, all, children: options.children ?? true };
}

/** As `sensor_start` says it. */
export function describeScope(scope: ResolvedScope): Scope {
  if (scope.all) return { all: true };
  return {
    ...(scope.pids.length === 0 ? {} : { pids: scope.pids }),
    ...(scope.comms.length === 0 ? {} : { comms: scope.comms }),
    ...(scope.cgroups.length === 0 ? {} : { cgroups: scope.cgroups.map((cgroup) => cgroup.path) }),
    ...(scope.uids.length === 0 ? {} : { uids: scope.uids }),
    ...(scope.command.length === 0 ? {} : { command: scope.command }),
  };
}

/** The names as the kernel's table has them: each whole, and cut to 15 bytes as a process's name is. 64 bytes with NULs. */
export function nameKeys(names: readonly string[]): Buffer[] {
  const keys = new Map<string, Buffer>();
  for (const name of names) {
    const bytes = Buffer.from(name, 'utf8');
    for (const part of [bytes, bytes.subarray(0, 15)]) {
      const key = Buffer.alloc(64);
      part.copy(key);
      keys.set(key.toString('latin1'), key);
    }
  }
  return [...keys.values()];
}

/** The base name of the script that a known interpreter runs: its first argument that is no option. As bpf/scope.h has it. */
export function scriptOf(exe: string, args: readonly string[]): string | undefined {
  const plain = /^[^0-9.]*/.exec(basename(exe))?.[0] ?? '';
  if (!(INTERPRETERS as readonly string[]).includes(plain)) return undefined;
  const script = args.slice(1, 8).find((argument) => !argument.startsWith('-'));
  return script === undefined ? undefined : basename(script);
}
