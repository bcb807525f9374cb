/** Runs the installed commands (bin/) as a user does, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';

export const ROOT = new URL('../../../', import.meta.url).pathname;

export interface Outcome {
  stdout: Buffer;
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunOptions {
  input?: Buffer | string | readonly (Buffer | string)[];
  env?: Record<string, string>;
  cwd?: string;
}

/** Runs a program to its end. `input` is written and stdin closed; a list is written piece by piece, a turn of the event loop apart. */
export async function runProgram(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(file, args, { env: { ...cleanEnvironment(), ...options.env }, cwd: options.cwd ?? ROOT, stdio: 'pipe' });
  child.stdin.on('error', () => {});
  const ended = outcome(child);
  const pieces = options.input === undefined ? [] : Array.isArray(options.input) ? options.input : [options.input];
  for (const piece of pieces as (Buffer | string)[]) {
    child.stdin.write(piece);
    if (pieces.length > 1) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  child.stdin.end();
  return ended;
}

/** Runs `bin/<name>` under this Node. */
export function runBin(name: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Outcome> {
  return runProgram(process.execPath, [`${ROOT}bin/${name}`, ...args], options);
}

/** The environment without what would change a command's behaviour. */
export function cleanEnvironment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(TRACER_|SUDO_|FORCE_COLOR$|NO_COLOR$|COLUMNS$)/.test(name)) env[name] = value;
  }
  return env;
}

/** Collects what a child writes, until it has ended. */
export function outcome(child: ChildProcess): Promise<Outcome> {
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ stdout: Buffer.concat(out), stderr, code, signal }));
  });
}
