/**
 * A map of a loaded object. Keys and values are Buffers in the machine's own byte order, as the C types lay them out.
 */
import { BpfError, isNativeError } from './errors.js';
import { type MapInfo, native } from './native.js';

/** BPF_MAP_TYPE_PERCPU_HASH, _PERCPU_ARRAY, _LRU_PERCPU_HASH, _PERCPU_CGROUP_STORAGE: a value for each CPU. */
const PER_CPU = new Set([5, 6, 10, 21]);

/** Flags of bpf_map_update_elem. */
export const UPDATE = { any: 0, noExist: 1, exist: 2 } as const;

/** A number as keys and values of maps have it. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export class BpfMap {
  constructor(
    readonly name: string,
    readonly info: MapInfo,
  ) {}

  get fd(): number {
    return this.info.fd;
  }

  get perCpu(): boolean {
    return PER_CPU.has(this.info.type);
  }

  /** Bytes of one CPU's value in a per-CPU map: the kernel pads each to 8. */
  get #cpuBytes(): number {
    return (this.info.valueSize + 7) & ~7;
  }

  #check(bytes: Buffer, wanted: number, what: string): void {
    if (bytes.length !== wanted) throw new RangeError(`map ${this.name}: a ${what} has ${wanted} bytes, not ${bytes.length}`);
  }

  #call<T>(what: string, call: () => T): T {
    if (this.info.fd < 0) throw new BpfError(`map ${this.name}: the object is not loaded`, undefined, {});
    try {
      return call();
    } catch (error) {
      if (!isNativeError(error)) throw error;
      const next = error.errno === 'E2BIG' ? `It holds at most ${this.info.maxEntries} entries.` : undefined;
      throw new BpfError(`cannot ${what} in map ${this.name}: ${error.errno}`, next, { errno: error.errno });
    }
  }

  #raw(key: Buffer): Buffer | undefined {
    this.#check(key, this.info.keySize, 'key');
    const bytes = this.perCpu ? this.#cpuBytes * this.info.cpus : this.info.valueSize;
    return this.#call('look up', () => native().mapLookup(this.info.fd, key, bytes));
  }

  /** The value, or undefined when there is no such key. */
  lookup(key: Buffer): Buffer | undefined {
    if (this.perCpu) throw new TypeError(`map ${this.name} has a value per CPU: use lookupPerCpu`);
    return this.#raw(key);
  }

  /** Each possible CPU's value, or undefined when there is no such key. */
  lookupPerCpu(key: Buffer): Buffer[] | undefined {
    if (!this.perCpu) throw new TypeError(`map ${this.name} has one value for all CPUs: use lookup`);
    const all = this.#raw(key);
    if (!all) return undefined;
    return Array.from({ length: this.info.cpus }, (_, cpu) =>
      all.subarray(cpu * this.#cpuBytes, cpu * this.#cpuBytes + this.info.valueSize),
    );
  }

  /** The sum over all CPUs of a per-CPU value that is one u64. Wraps at 2^64. */
  sumPerCpu(key: Buffer): bigint {
    let sum = 0n;
    for (const value of this.lookupPerCpu(key) ?? []) sum += value.readBigUInt64LE(0);
    return BigInt.asUintN(64, sum);
  }

  /** Sets a value. A per-CPU map takes all CPUs' values one after another, each padded to 8 bytes. */
  update(key: Buffer, value: Buffer, flags: number = UPDATE.any): void {
    this.#check(key, this.info.keySize, 'key');
    this.#check(value, this.perCpu ? this.#cpuBytes * this.info.cpus : this.info.valueSize, 'value');
    this.#call('write', () => native().mapUpdate(this.info.fd, key, value, flags));
  }

  /** Whether it was there. */
  delete(key: Buffer): boolean {
    this.#check(key, this.info.keySize, 'key');
    return this.#call('delete', () => native().mapDelete(this.info.fd, key));
  }

  /** All keys, as they are now. Entries added or removed meanwhile may be missed or make the walk begin again. */
  *keys(): Generator<Buffer> {
    let key: Buffer | undefined;
    // The kernel begins anew when the key has gone, so a table that changes all the time would never end.
    for (let left = this.info.maxEntries * 2; left > 0; left--) {
      key = this.#call('list', () => native().mapNextKey(this.info.fd, key, this.info.keySize));
      if (!key) return;
      yield key;
    }
  }
}
