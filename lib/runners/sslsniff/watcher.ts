/**
 * Finds the libraries that processes in scope have mapped: at once when the kernel tells of an exec or the dynamic linker
 * of a change, and again after a while, for linkers that tell nothing. Young processes are looked at often, old ones rarely.
 */
import { mappingsOf, pathsToMapping } from '../proc.js';
import type { Libraries } from './libraries.js';
import type { Process } from './model.js';
import { unreadableLibrary } from './unreadable.js';

/** Pauses between looks at one process, in milliseconds; the last one is repeated. */
const PAUSES = [5, 20, 60, 150, 400, 1000, 3000, 10_000];
/** One turn of looking ends after this, so that the ring is drained meanwhile. */
const TURN_MS = 8;

export class Watcher {
  readonly #libraries: Libraries;
  readonly #looked: (process: Process) => void;
  readonly #processes = new Set<Process>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(libraries: Libraries, looked: (process: Process) => void = () => {}) {
    this.#libraries = libraries;
    this.#looked = looked;
  }

  /** Looks now, and begins again to look often. */
  changed(process: Process): void {
    process.looks = 0;
    this.#processes.add(process);
    this.look(process);
    this.#plan();
  }

  ended(process: Process): void {
    this.#processes.delete(process);
  }

  /** Examines everything that the process has mapped and that is not known yet. */
  look(process: Process): void {
    process.nextLook = performance.now() + (PAUSES[Math.min(process.looks, PAUSES.length - 1)] as number);
    process.looks++;
    const mappings = mappingsOf(process.pid);
    // Its end was lost, or is still in the ring.
    if (mappings === undefined && process.looks > PAUSES.length) this.#processes.delete(process);
    for (const mapping of mappings ?? []) {
      const key = `${mapping.device} ${mapping.inode}`;
      const file =
        this.#libraries.known(key) ?? this.#libraries.examine(key, pathsToMapping(process.pid, mapping), mapping.path, mapping.inode);
      if (file.libraries.length + file.refused.length > 0 || file.search !== undefined) process.files.add(file);
      const other = unreadableLibrary(mapping);
      if (other !== undefined && file.libraries.length === 0) process.unreadable.add(other);
    }
    if (mappings !== undefined) this.#looked(process);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || this.#processes.size === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const process of this.#processes) if (process.nextLook < next) next = process.nextLook;
    this.#timer = setTimeout(() => this.#turn(), Math.max(1, next - performance.now()));
    this.#timer.unref();
  }

  #turn(): void {
    const start = performance.now();
    for (const process of this.#processes) {
      if (process.nextLook > start) continue;
      this.look(process);
      if (performance.now() - start > TURN_MS) break;
    }
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
