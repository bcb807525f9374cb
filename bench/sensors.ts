/** The sensors that are measured against each other, behind one face: attach to a process, deliver into a file, be counted. */
import { closeSync, existsSync, openSync, readSync, statSync, truncateSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { ElfImage } from '../lib/elf/image.js';
import { parseKernelVersion } from '../lib/elf/probe-cost.js';
import { chooseSslSites, type SslSite } from '../lib/elf/ssl-sites.js';
import { type Peers, peers } from './peers.js';
import { cpuTime, memory, Process, sleep } from './process.js';

export interface Target {
  pid: number;
  /** The libssl that the process has mapped: a copy of its own for each sensor, since bcc 0.26 spoils an inode for others. */
  library: string;
}

/** What came out in one measurement. */
export interface Delivered {
  /** Events of library calls (or pieces of one). */
  events: number;
  /** Of these, with less than the whole call. */
  cut: number;
  outputBytes: number;
  cpuNs: number;
  rssBytes: number;
}

export interface Flavour {
  name: string;
  command(target: Target): { command: string[]; env?: Record<string, string>; cwd?: string };
  /** Whether it has attached, from what it has written so far. */
  isReady(output: Buffer): boolean;
  count(output: OutputScan): { events: number; cut: number };
}

/** Bytes of output, seen in chunks with whole lines. */
export interface OutputScan {
  occurrences(text: string): number;
}

const READY_MS = 60_000;

export class Sensor {
  readonly #process: Process;
  readonly #flavour: Flavour;
  readonly #path: string;
  readonly #descriptor: number;
  #cpu = 0;

  private constructor(flavour: Flavour, process: Process, path: string, descriptor: number) {
    this.#flavour = flavour;
    this.#process = process;
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /** Starts it on `cpu` with its output in the file `path` (put it on a tmpfs) and waits until it has attached. */
  static async attach(flavour: Flavour, target: Target, cpu: number, path: string): Promise<Sensor> {
    const descriptor = openSync(path, 'as', 0o600);
    const { command, env, cwd } = flavour.command(target);
    const process = Process.start(command, { cpu, stdout: descriptor, ...(env ? { env } : {}), ...(cwd ? { cwd } : {}) });
    const sensor = new Sensor(flavour, process, path, descriptor);
    const until = Date.now() + READY_MS;
    let ended = false;
    process.exited.then(
      () => {
        ended = true;
      },
      () => {
        ended = true;
      },
    );
    while (!flavour.isReady(head(path))) {
      if (ended || Date.now() > until) {
        await sensor.stop();
        throw new Error(`${flavour.name} did not attach: ${process.stderr.trim().split('\n').slice(-3).join(' / ')}`);
      }
      await sleep(50);
    }
    await sleep(200);
    return sensor;
  }

  get name(): string {
    return this.#flavour.name;
  }

  get stderr(): string {
    return this.#process.stderr;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Forgets what was written and used so far. */
  reset(): void {
    truncateSync(this.#path, 0);
    this.#cpu = cpuTime(this.pid);
  }

  /** Waits until nothing more comes, then counts what came since `reset`. */
  async collect(): Promise<Delivered> {
    let size = -1;
    let quiet = 0;
    for (let waited = 0; quiet < 4 && waited < 120_000; waited += 100) {
      await sleep(100);
      const now = statSync(this.#path).size;
      // A heartbeat a second may come in between.
      quiet = now - size < 4096 && size >= 0 ? quiet + 1 : 0;
      size = now;
    }
    const cpuNs = cpuTime(this.pid) - this.#cpu;
    const counted = this.#flavour.count(new FileScan(this.#path));
    return { ...counted, outputBytes: size, cpuNs, rssBytes: memory(this.pid, 'VmRSS') };
  }

  async stop(): Promise<void> {
    await this.#process.stop('SIGINT');
    closeSync(this.#descriptor);
  }
}

function head(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(256 * 1024);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Counts in a file of any size, chunk by chunk. */
class FileScan implements OutputScan {
  constructor(readonly path: string) {}

  occurrences(text: string): number {
    const needle = Buffer.from(text);
    const buffer = Buffer.alloc(8 * 1024 * 1024);
    const descriptor = openSync(this.path, 'r');
    let count = 0;
    let kept = 0;
    try {
      for (;;) {
        const read = readSync(descriptor, buffer, kept, buffer.length - kept, null);
        if (read === 0) return count;
        const filled = kept + read;
        let from = 0;
        for (let at = buffer.subarray(0, filled).indexOf(needle); at >= 0; at = buffer.subarray(0, filled).indexOf(needle, from)) {
          count++;
          from = at + needle.length;
        }
        const keep = Math.min(needle.length - 1, filled - from);
        buffer.copyWithin(0, filled - keep, filled);
        kept = keep;
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

export const TRACER: Flavour = {
  name: 'tracer-ssl',
  command: (target) => ({ command: [process.execPath, join('bin', 'sslsniff'), '-p', String(target.pid)] }),
  isReady: (output) => output.includes('"event_type":"sensor_start"'),
  count: (output) => ({ events: output.occurrences('"event_type":"ssl_data"'), cut: 0 }),
};

/** bcc's sslsniff, on the private copy of libssl only. Undefined when it is not set up. */
export function bcc(found: Peers = peers()): Flavour | undefined {
  const { bcc: setup } = found;
  if (!setup) return undefined;
  return {
    name: "bcc's sslsniff",
    command: (target) => ({
      command: ['/usr/bin/python3', setup.script, '-p', String(target.pid), '-o', '-g', '-n', '--extra-lib', `openssl:${target.library}`],
      env: { BCC_KERNEL_SOURCE: setup.headers },
    }),
    isReady: (output) => output.includes('FUNC'),
    count: (output) => ({ events: output.occurrences('----- END DATA'), cut: output.occurrences('----- END DATA (TRUNCATED') }),
  };
}

export interface ProbePlace {
  path: string;
  offset: number;
  /** At the return as well. */
  ret: boolean;
}

/** Probes with programs that return at once: what the kernel takes before any sensor does anything. */
export function emptyProbes(places: readonly ProbePlace[]): Flavour {
  return {
    name: 'empty probes',
    command: () => ({
      command: [
        process.execPath,
        join('bench', 'targets', 'empty-probes.mjs'),
        ...places.map(({ path, offset, ret }) => `${offset}${ret ? ':ret' : ''}:${path}`),
      ],
    }),
    isReady: (output) => output.includes('ready'),
    count: () => ({ events: 0, cut: 0 }),
  };
}

/** The same at the sites of the target's libssl that tracer-ssl would choose. */
export const EMPTY_PROBES: Flavour = {
  ...emptyProbes([]),
  command: (target) =>
    emptyProbes(sitesOf(target.library).map(({ offset }) => ({ path: target.library, offset, ret: true }))).command(target),
};

/** The sites of a library on this kernel. */
export function sitesOf(library: string): SslSite[] {
  const image = ElfImage.open(library);
  try {
    const { read, write } = chooseSslSites(image, parseKernelVersion(release()) ?? { major: 6, minor: 1 });
    return [...read, ...write];
  } finally {
    image.close();
  }
}

export function tracerIsBuilt(): boolean {
  return existsSync('dist/bpf/sslsniff.bpf.o') && existsSync('prebuilds/linux-x64/tracer.node') && existsSync('dist/lib/commands/ssl.js');
}
