/**
 * Runs lib/elf/tls-finder: at once while nothing else is to be done, and beside the event loop when records are, since a
 * large program takes it half a second.
 */
import { release } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { ElfImage } from '../../elf/image.js';
import { parseKernelVersion } from '../../elf/probe-cost.js';
import { defaultCacheDirectory, findTlsCached } from '../../elf/tls-cache.js';
import type { TlsFinding } from '../../elf/tls-finding.js';

interface Request {
  id: number;
  path: string;
}

interface Answer {
  id: number;
  findings: TlsFinding[];
}

const KERNEL = parseKernelVersion(release()) ?? { major: 5, minor: 10 };
/** A thread that has nothing to do is ended, and its memory with it. */
const IDLE_MS = 10_000;

/** What is in a file; nothing when it cannot be read to its end. */
export function findNow(path: string): TlsFinding[] {
  let image: ElfImage | undefined;
  try {
    image = ElfImage.open(path);
    return findTlsCached(image, KERNEL, defaultCacheDirectory()).findings;
  } catch {
    return [];
  } finally {
    image?.close();
  }
}

export class Finder {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #next = 0;
  readonly #waiting = new Map<number, (findings: TlsFinding[]) => void>();

  /** @param path as this process sees it, for as long as it takes: `/proc/self/fd/N` will do */
  find(path: string): Promise<TlsFinding[]> {
    clearTimeout(this.#idle);
    const worker = this.#start();
    return new Promise((resolve) => {
      const id = this.#next++;
      this.#waiting.set(id, resolve);
      worker.postMessage({ id, path } satisfies Request);
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL(import.meta.url), { execArgv: [] });
    this.#worker = worker;
    worker.unref();
    worker.on('message', ({ id, findings }: Answer) => {
      this.#answer(id, findings);
      if (this.#waiting.size > 0) return;
      this.#idle = setTimeout(() => this.stop(), IDLE_MS);
      this.#idle.unref();
    });
    worker.on('error', () => this.stop());
    worker.on('exit', () => {
      if (this.#worker === worker) this.stop();
    });
    return worker;
  }

  #answer(id: number, findings: TlsFinding[]): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(findings);
  }

  /** Whoever waits gets nothing. */
  stop(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, []);
    void worker?.terminate();
  }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.on('message', ({ id, path }: Request) => port.postMessage({ id, findings: findNow(path) } satisfies Answer));
}
