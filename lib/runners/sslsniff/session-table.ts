/** The kernel's table of sessions (bpf/sslsniff.bpf.c): entries are looked at for losses, and taken away with their process. */
import type { BpfMap } from '../../bpf/index.js';
import { RecSession } from '../../bpf/records.gen.js';
import type { Process, Session } from './model.js';

const KEY_BYTES = 24;

function keyOf(process: Process, session: Session): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeUInt32LE(process.pid, 0);
  key.writeBigUInt64LE(process.start, 8);
  key.writeBigUInt64LE(session.address, 16);
  return key;
}

export class SessionTable {
  readonly #map: BpfMap;
  readonly #entry = new RecSession();

  constructor(map: BpfMap) {
    this.#map = map;
  }

  get maxEntries(): number {
    return this.#map.info.maxEntries;
  }

  /** What the kernel has of a session now; undefined when it is gone or another one is at its address. Valid until the next call. */
  look(process: Process, session: Session): RecSession | undefined {
    const bytes = this.#map.lookup(keyOf(process, session));
    if (bytes === undefined) return undefined;
    const entry = this.#entry.at(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
    return entry.id === session.id ? entry : undefined;
  }

  remove(process: Process, session: Session): void {
    this.#map.delete(keyOf(process, session));
  }
}
