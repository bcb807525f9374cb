/**
 * Starts a command that waits just before its exec, so that a sensor can take it into scope first.
 */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { isNativeError } from './errors.js';
import { native } from './native.js';

export interface SpawnOptions {
  /** A path, or a name that is searched for in PATH of `env`. */
  file: string;
  /** Without the name itself. */
  args: readonly string[];
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** Supplementary groups; needed when `uid` is given, else root's are inherited. */
  groups?: readonly number[];
  /** Its stdout goes where our stderr goes: our stdout is for events. */
  stdoutToStderr?: boolean;
  /** no_new_privs, and an empty bounding set: what it runs never has more privileges than it begins with. */
  confine?: boolean;
}

/** What kept the command from running: the step (`exec`, `chdir`, `setuid` …) and the errno by name. */
export interface ExecFailure {
  step: string;
  errno: string;
}

export type CommandEnd = { exit_code: number } | { signal: string; core_dumped: boolean };

/** The command could not even be made ready: no such working directory, not permitted to change the user. */
export class SpawnError extends Error {
  constructor(readonly failure: ExecFailure) {
    super(`cannot start the command: ${failure.step}: ${failure.errno}`);
    this.name = 'SpawnError';
  }
}

export interface StoppedCommand {
  /** In our pid namespace. The process exists and has its user, groups and directory; its name is still ours. */
  readonly pid: number;
  /** Lets it exec. Resolves when that has succeeded (undefined) or failed. Idempotent. */
  resume(): Promise<ExecFailure | undefined>;
  /** Sends a signal; false when it has ended. Never hits another process that got the same number later. */
  kill(signal: NodeJS.Signals): boolean;
  /** Its end; after a failed exec: exit code 127. */
  readonly exited: Promise<CommandEnd>;
}

function candidates(file: string, path: string): string[] {
  if (file.includes('/')) return [file];
  if (!file) return [];
  return path.split(':').map((dir) => `${dir || '.'}/${file}`);
}

function signalName(number: number): string {
  for (const [name, value] of Object.entries(constants.signals))
    if (value === number && name !== 'SIGIOT' && name !== 'SIGPOLL') return name;
  return `SIGRT${number - 34 >= 0 ? `MIN+${number - 34}` : number}`;
}

function withoutNul(text: string, what: string): string {
  if (text.includes('\0')) throw new TypeError(`${what} must not contain NUL`);
  return text;
}

/**
 * Soft limit of open files of whoever started us, which the command is to have: Node raises its own at its start and
 * does not say what it was. -1 where it cannot be read.
 */
function callersOpenFiles(): number {
  try {
    const limits = readFileSync(`/proc/${process.ppid}/limits`, 'latin1');
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? -1);
  } catch {
    return -1;
  }
}

/**
 * Forks. The child has the default signal dispositions, an empty signal mask, our stdin and stderr, and no other open
 * descriptor of ours, and none of our ambient capabilities; it ends when we end before `resume()`. Throws a {@link SpawnError}.
 */
export function spawnStopped(options: SpawnOptions): StoppedCommand {
  const env = options.env ?? process.env;
  const args = options.args.map((arg) => withoutNul(arg, 'an argument'));
  const list = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [withoutNul(`${name}=${value}`, 'the environment')],
  );
  const paths = candidates(withoutNul(options.file, 'the command'), env.PATH ?? '/bin:/usr/bin');
  const groups = Buffer.alloc(4 * (options.groups?.length ?? 0));
  options.groups?.forEach((group, at) => {
    groups.writeUInt32LE(group, at * 4);
  });

  let execDone: (failure: ExecFailure | undefined) => void = () => {};
  let ended: (end: CommandEnd) => void = () => {};
  const exec = new Promise<ExecFailure | undefined>((resolve) => {
    execDone = resolve;
  });
  const exited = new Promise<CommandEnd>((resolve) => {
    ended = resolve;
  });
  const report = (kind: 'exec' | 'exit' | 'signal', value: string | number, more: string | boolean) => {
    if (kind === 'exec') execDone(value ? { step: String(value), errno: String(more) } : undefined);
    else if (kind === 'exit') ended({ exit_code: Number(value) });
    else ended({ signal: signalName(Number(value)), core_dumped: more === true });
  };
  try {
    const { pid, handle } = native().spawnStopped(
      paths,
      [options.file, ...args],
      ['sh', '', ...args],
      list,
      options.cwd ?? '',
      options.uid ?? -1,
      options.gid ?? -1,
      groups,
      options.groups ? options.groups.length : -1,
      options.stdoutToStderr ?? false,
      callersOpenFiles(),
      options.confine ?? false,
      report,
    );
    return {
      pid,
      exited,
      resume() {
        native().childResume(handle);
        return exec;
      },
      kill: (signal) => native().childKill(handle, constants.signals[signal]),
    };
  } catch (error) {
    if (isNativeError(error)) throw new SpawnError({ step: error.step, errno: error.errno });
    throw error;
  }
}
