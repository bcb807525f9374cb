/** Child processes of the live tests: started, given a deadline, collected, and ended by pid at the latest with the test. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

export interface Finished {
  pid: number;
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  uid?: number;
  gid?: number;
  input?: string | Buffer;
  /** After this many milliseconds the child is killed, and `done` rejects. */
  timeout?: number;
  /** Where stdout goes instead of into `stdout`: a file descriptor, or 'ignore'. */
  stdout?: number | 'ignore';
  stderr?: number | 'ignore';
  detached?: boolean;
}

const alive = new Set<ChildProcess>();
// Ahead of tape's own, which ends the process.
process.prependListener('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** One running child. Its output is collected from the start. */
export class Running {
  readonly child: ChildProcess;
  readonly done: Promise<Finished>;
  #stdout: Buffer[] = [];
  #stderr = '';
  readonly #watchers = new Set<(piece?: Buffer) => void>();

  constructor(
    readonly command: string,
    readonly args: readonly string[],
    options: RunOptions = {},
  ) {
    const spawnOptions: SpawnOptions = { stdio: ['pipe', options.stdout ?? 'pipe', options.stderr ?? 'pipe'] };
    // An undefined value takes a variable away.
    const env = { ...process.env, ...options.env };
    for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
    spawnOptions.env = env;
    if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
    if (options.uid !== undefined) spawnOptions.uid = options.uid;
    if (options.gid !== undefined) spawnOptions.gid = options.gid;
    if (options.detached) spawnOptions.detached = true;
    const child = spawn(command, args, spawnOptions);
    this.child = child;
    alive.add(child);
    child.stdin?.on('error', () => {});
    if (options.input !== undefined) child.stdin?.end(options.input);
    child.stdout?.on('data', (data: Buffer) => {
      this.#stdout.push(data);
      for (const watch of this.#watchers) watch(data);
    });
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString('utf8');
      for (const watch of this.#watchers) watch();
    });
    this.done = new Promise<Finished>((done, fail) => {
      const limit = options.timeout ?? 30000;
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        fail(new Error(`${this} did not end within ${limit} ms; stderr: ${this.#stderr.slice(-2000)}`));
      }, limit);
      child.on('error', fail);
      child.on('close', (status, signal) => {
        clearTimeout(timer);
        alive.delete(child);
        done({ pid: this.pid, status, signal, stdout: this.stdout, stderr: this.#stderr });
      });
    });
    this.done.catch(() => {});
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get stdout(): Buffer {
    if (this.#stdout.length > 1) this.#stdout = [Buffer.concat(this.#stdout)];
    return this.#stdout[0] ?? Buffer.alloc(0);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** A line on its stdin. */
  say(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Waits until `holds` does, looking after each piece of output; rejects when the child ends or the time is over. */
  until(holds: (self: this) => boolean, what: string, ms = 20000): Promise<void> {
    return new Promise((done, fail) => {
      const end = (error?: Error) => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        if (error) fail(error);
        else done();
      };
      const look = () => {
        if (holds(this)) end();
      };
      const timer = setTimeout(() => end(new Error(`${this}: no ${what} within ${ms} ms; stderr: ${this.#stderr.slice(-2000)}`)), ms);
      this.#watchers.add(look);
      this.done.then(
        () => end(holds(this) ? undefined : new Error(`${this} ended before ${what}; stderr: ${this.#stderr.slice(-2000)}`)),
        (error: Error) => end(error),
      );
      look();
    });
  }

  /** Waits until this text is in its stdout. Looks at each piece once, however much there is. */
  says(text: string, ms?: number): Promise<void> {
    let tail = Buffer.alloc(0);
    let found = this.stdout.includes(text);
    const look = (piece?: Buffer): void => {
      if (piece === undefined || found) return;
      const joined = Buffer.concat([tail, piece]);
      found = joined.includes(text);
      tail = Buffer.from(joined.subarray(-Buffer.byteLength(text)));
    };
    tail = Buffer.from(this.stdout.subarray(-Buffer.byteLength(text)));
    // Ahead of `until`'s own watcher, which then finds the answer made.
    this.#watchers.add(look);
    return this.until(() => found, text, ms).finally(() => this.#watchers.delete(look));
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  toString(): string {
    return [this.command, ...this.args].join(' ').slice(0, 300);
  }
}

/** Runs a command to its end. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Running(command, args, { ...options, ...(options.input === undefined ? { input: '' } : {}) }).done;
}

/** Runs a shell line to its end. */
export function sh(line: string, options: RunOptions = {}): Promise<Finished> {
  return run('sh', ['-c', line], options);
}
