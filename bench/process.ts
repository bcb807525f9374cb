/** Processes of a benchmark: started on one CPU, asked line by line, and charged for the CPU time they used. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface StartOptions {
  /** The CPU to run on; taskset(1) puts it there. */
  cpu?: number;
  env?: Record<string, string>;
  /** Descriptor for its stdout; a pipe to us otherwise. */
  stdout?: number;
  stdin?: 'pipe' | number;
  cwd?: string;
}

export class Process {
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stderr = '';
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  #ended = false;

  private constructor(readonly child: ChildProcess) {
    this.exited = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    // An error surfaces where `exited` is awaited.
    this.exited.catch(() => {});
    child.stderr?.on('data', (chunk: Buffer) => {
      if (this.stderr.length < 1_000_000) this.stderr += chunk.toString();
    });
    if (child.stdout) {
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => {
        const next = this.#waiting.shift();
        if (next) next(line);
        else this.#lines.push(line);
      });
      lines.on('close', () => {
        this.#ended = true;
        for (const next of this.#waiting.splice(0)) next(undefined);
      });
    }
  }

  static start(command: readonly string[], options: StartOptions = {}): Process {
    const words = options.cpu === undefined ? [...command] : ['taskset', '-c', String(options.cpu), ...command];
    const child = spawn(words[0] as string, words.slice(1), {
      env: { ...process.env, ...options.env },
      stdio: [options.stdin ?? 'pipe', options.stdout ?? 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    return new Process(child);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the process did not start');
    return this.child.pid;
  }

  /** The next line of its stdout; undefined when it has ended. */
  line(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Writes a line and gives the answer line. Throws with its stderr when it ends instead. */
  async ask(text: string): Promise<string> {
    this.child.stdin?.write(`${text}\n`);
    const line = await this.line();
    if (line === undefined) throw new Error(`${this.child.spawnargs.join(' ')} ended: ${this.stderr.trim()}`);
    return line;
  }

  /** Ends it: closes stdin, then SIGTERM after `patience` milliseconds, then SIGKILL. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', patience = 10_000): Promise<void> {
    this.child.stdin?.end();
    this.child.kill(signal);
    const killer = setTimeout(() => this.child.kill('SIGKILL'), patience);
    await this.exited.catch(() => {});
    clearTimeout(killer);
  }
}

/** CPU time of a process with its threads and the children it waited for, in nanoseconds; in steps of the clock tick. */
export function cpuTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  return ticks * 1e7;
}

/** CPU time of a process and all its living descendants. */
export function treeCpuTime(pid: number): number {
  let sum = cpuTime(pid);
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim();
    for (const child of children === '' ? [] : children.split(' ')) sum += treeCpuTime(Number(child));
  }
  return sum;
}

/** A line of /proc/PID/status in bytes: `VmRSS`, `VmHWM`, `RssAnon`. */
export function memory(pid: number, field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return match ? Number(match[1]) * 1024 : 0;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** CPU time of a process's living threads in nanoseconds, to the nanosecond. */
export function exactCpuTime(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    } catch {
      // It has ended meanwhile.
    }
  }
  return sum;
}
