/** `-- COMMAND`: started as the user who asked, held before its exec until the sensor has it in scope. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SpawnError, type StoppedCommand, spawnStopped } from '../bpf/index.js';
import { CommandError, EXIT } from '../stream/exit.js';

interface User {
  uid: number;
  gid: number;
  groups: number[];
  env: NodeJS.ProcessEnv;
}

/** Under sudo, the user who called it, with groups and home; undefined when we are nobody else. */
function invokingUser(env: NodeJS.ProcessEnv): User | undefined {
  if (process.getuid?.() !== 0 || env.SUDO_UID === undefined || !/^\d+$/.test(env.SUDO_UID)) return undefined;
  const uid = Number(env.SUDO_UID);
  const gid = /^\d+$/.test(env.SUDO_GID ?? '') ? Number(env.SUDO_GID) : uid;
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === env.SUDO_UID);
  const name = env.SUDO_USER ?? entry?.[0] ?? String(uid);
  let groups = [gid];
  try {
    groups = execFileSync('id', ['-G', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split(/\s+/)
      .map(Number);
  } catch {
    // No such user name here: its main group has to do.
  }
  const { SUDO_UID: _uid, SUDO_GID: _gid, SUDO_USER: _user, SUDO_COMMAND: _command, ...rest } = env;
  return { uid, gid, groups, env: { ...rest, HOME: entry?.[5] || '/', USER: name, LOGNAME: name, SHELL: entry?.[6] || '/bin/sh' } };
}

export interface StartOptions {
  /** Its stdout is ours. */
  ownStdout?: boolean;
  confine?: boolean;
}

/** Its stdout goes to our stderr, unless the options say otherwise. Throws a CommandError with status 125 when it cannot be made ready. */
export function startStopped(command: readonly string[], options: StartOptions = {}): StoppedCommand {
  const [file = '', ...args] = command;
  const user = invokingUser(process.env);
  try {
    return spawnStopped({
      file,
      args,
      stdoutToStderr: options.ownStdout !== true,
      confine: options.confine === true,
      ...(user === undefined ? { env: process.env } : user),
    });
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    throw new CommandError(EXIT.commandFailed, `cannot start ${file}: ${error.failure.step}: ${error.failure.errno}`);
  }
}

/** The status and sentence for a command that could not be run. */
export function execFailure(command: readonly string[], errno: string): CommandError {
  const name = command[0] ?? '';
  if (errno === 'ENOENT' || errno === 'ENOTDIR')
    return new CommandError(EXIT.commandNotFound, `there is no command ${name}`, 'Check the name, and PATH (sudo has its own)');
  const next: Record<string, string> = { EACCES: 'Check its permissions: chmod +x', ENOEXEC: 'It is no program of this machine' };
  return new CommandError(EXIT.commandNotExecutable, `cannot run ${name}: ${errno}`, next[errno]);
}
