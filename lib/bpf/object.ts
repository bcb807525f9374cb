/**
 * A BPF object file: opened, adjusted, loaded, attached. Everything that it holds ends with `close()` or with the
 * process, however that ends: nothing is pinned.
 */
import { attachFailure, BpfError, isNativeError, loadFailure, openFailure, uprobeFailure } from './errors.js';
import { BpfMap } from './map.js';
import { type LinkHandle, native, type ObjectHandle, type ProgramInfo } from './native.js';
import { Ring, type RingConsumer, type RingOptions } from './ring.js';
import { checkSeal } from './seal.js';
import { prefersUprobeMulti } from './uprobe-multi.js';

export interface UprobeTarget {
  /** A path that the kernel can open from here: `/proc/<pid>/root/...` for another mount namespace. */
  path: string;
  /** Offset in the file, not an address. */
  offset: number | bigint;
  /** Only in this process; -1: in every process that maps the file. */
  pid?: number;
  /** At the function's return. */
  ret?: boolean;
  /** Given to the program by bpf_get_attach_cookie. Linux 5.15. */
  cookie?: bigint;
}

/** An attached program. */
export class Link {
  constructor(
    readonly program: string,
    readonly hook: string,
    readonly handle: LinkHandle,
    readonly forget: (link: Link) => void,
  ) {}

  /** Detaches. Idempotent. */
  close(): void {
    native().linkClose(this.handle);
    this.forget(this);
  }
}

/** Detaches many at once: the kernel takes 100 to 300 ms for each uprobe, and no longer for all together. */
export function closeLinks(links: readonly Link[]): void {
  native().linksClose(links.map((link) => link.handle));
  for (const link of links) link.forget(link);
}

/** A variable in .data or .bss of a loaded object, or in .rodata of one that is not loaded yet. */
export interface Global {
  read(): Buffer;
  /** May be shorter than the variable. */
  write(bytes: Buffer): void;
}

export class BpfObject {
  readonly #handle: ObjectHandle;
  readonly #links = new Set<Link>();
  readonly #rings = new Set<Ring>();
  #closed = false;

  private constructor(
    readonly path: string,
    handle: ObjectHandle,
  ) {
    this.#handle = handle;
  }

  /**
   * Parses the file; nothing is in the kernel yet. `btf`: types of a kernel that does not carry its own (default:
   * TRACER_BTF of the environment).
   */
  static open(path: string, options: { btf?: string } = {}): BpfObject {
    checkSeal(path);
    try {
      return new BpfObject(path, native().objectOpen(path, options.btf ?? process.env.TRACER_BTF ?? ''));
    } catch (error) {
      throw isNativeError(error) ? openFailure(path, error) : error;
    }
  }

  /** Sets a `const volatile` variable before the load: the verifier then knows its value. */
  setRodata(name: string, value: number | bigint | Buffer): void {
    this.global(name).write(Buffer.isBuffer(value) ? value : this.#number(name, value));
  }

  /** The number as the variable's type has it, signed or not. */
  #number(name: string, value: number | bigint): Buffer {
    const bytes = this.global(name).read();
    const size = bytes.length;
    const number = BigInt(value);
    if (size > 8 || number >= 1n << BigInt(size * 8) || number < -(1n << BigInt(size * 8 - 1)))
      throw new RangeError(`${value} does not fit into the ${size} bytes of ${name}`);
    for (let i = 0; i < size; i++) bytes[i] = Number((number >> BigInt(8 * i)) & 0xffn);
    return bytes;
  }

  setMaxEntries(map: string, n: number): void {
    this.#named(`map ${map}`, () => native().mapSetMaxEntries(this.#handle, map, n));
  }

  /** A program that is not to be loaded costs nothing and may be one that this kernel does not know. */
  setAutoload(program: string, on: boolean): void {
    this.#named(`program ${program}`, () => native().objectSetAutoload(this.#handle, program, on));
  }

  /** Makes the maps and hands all programs to the verifier. Throws a {@link BpfError} with the end of its log. */
  load(): void {
    try {
      native().objectLoad(this.#handle, prefersUprobeMulti());
    } catch (error) {
      throw isNativeError(error) ? loadFailure(this.path, error) : error;
    }
  }

  programs(): string[] {
    return this.programInfo().map((program) => program.name);
  }

  /** Name, section, types and whether it will be loaded. */
  programInfo(): ProgramInfo[] {
    return native().objectPrograms(this.#handle);
  }

  attachUprobe(program: string, target: UprobeTarget): Link {
    const pid = target.pid ?? -1;
    try {
      const handle = native().attachUprobe(this.#handle, program, target.path, target.offset, pid, target.ret ?? false, target.cookie);
      return this.#keep(program, `${target.path}+0x${target.offset.toString(16)}`, handle);
    } catch (error) {
      throw isNativeError(error) ? uprobeFailure(program, target, error) : error;
    }
  }

  /** `category` and `name` as in the tracing directory: `sched`, `sched_process_exec`. Mounts tracefs for this process alone if need be. */
  attachTracepoint(program: string, category: string, name: string): Link {
    return this.#attach(program, `tracepoint ${category}/${name}`, () => native().attachTracepoint(this.#handle, program, category, name));
  }

  attachRawTracepoint(program: string, name: string): Link {
    return this.#attach(program, `raw tracepoint ${name}`, () => native().attachRaw(this.#handle, program, name));
  }

  /** `attachType`: a BPF_CGROUP_* number; default: the one that the section says. */
  attachCgroup(program: string, cgroup: string, attachType?: number): Link {
    const type = attachType ?? this.programInfo().find((info) => info.name === program)?.attachType ?? 0;
    return this.#attach(program, `cgroup ${cgroup}`, () => native().attachCgroup(this.#handle, program, cgroup, type));
  }

  /** Runs an iterator program to its end and returns what it wrote (bpf_seq_write). */
  runIter(program: string): Buffer {
    try {
      return native().runIter(this.#handle, program);
    } catch (error) {
      throw isNativeError(error) ? attachFailure(program, 'its iterator', error) : error;
    }
  }

  map(name: string): BpfMap {
    return new BpfMap(
      name,
      this.#named(`map ${name}`, () => native().mapInfo(this.#handle, name)),
    );
  }

  hasGlobal(name: string): boolean {
    try {
      native().variableRead(this.#handle, name);
      return true;
    } catch {
      return false;
    }
  }

  global(name: string): Global {
    return {
      read: () => this.#named(`variable ${name}`, () => native().variableRead(this.#handle, name)),
      write: (bytes) => this.#named(`variable ${name}`, () => native().variableWrite(this.#handle, name, bytes)),
    };
  }

  /** Begins to read a ring buffer map. */
  ring(map: string, consumer: RingConsumer, options: RingOptions = {}): Ring {
    const wanted = options.wanted ?? (this.hasGlobal('ring_wanted') ? 'ring_wanted' : '');
    const ring = this.#named(`ring buffer ${map}`, () => new Ring(this.#handle, map, consumer, { ...options, wanted }));
    this.#rings.add(ring);
    return ring;
  }

  /** Detaches all programs, ends the rings, frees the maps. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeLinks([...this.#links]);
    for (const ring of this.#rings) ring.close();
    native().objectClose(this.#handle);
  }

  #attach(program: string, hook: string, call: () => LinkHandle): Link {
    try {
      return this.#keep(program, hook, call());
    } catch (error) {
      throw isNativeError(error) ? attachFailure(program, hook, error) : error;
    }
  }

  #keep(program: string, hook: string, handle: LinkHandle): Link {
    const link = new Link(program, hook, handle, (gone) => this.#links.delete(gone));
    this.#links.add(link);
    return link;
  }

  #named<T>(what: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!isNativeError(error)) throw error;
      const next =
        error.errno === 'ENOENT'
          ? 'The object has nothing of that name: it is older or newer than this program. Build it anew.'
          : undefined;
      throw new BpfError(`${what} of ${this.path}: ${error.step}: ${error.errno}`, next, { errno: error.errno });
    }
  }
}
