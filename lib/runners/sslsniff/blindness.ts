/**
 * The self-check: TLS that goes through a process's sockets, as its system calls show it, against the plaintext that was
 * seen of it. A process whose TLS shows nothing, or next to nothing, is said once, with what was tried.
 */
import type { BpfMap } from '../../bpf/index.js';
import { RecTlsTraffic } from '../../bpf/records.gen.js';
import type { Blind } from '../../stream/event.js';
import type { Process } from './model.js';
import { linkedTls } from './unreadable.js';

/** So many bytes, or so long after the first record, without plaintext. */
const BYTES = 64 * 1024;
const PATIENCE_NS = 5e9;
const AHEAD_NS = 3e8;
/** What a handshake may take where the library is probed, and no plaintext has been due yet: certificates of both sides. */
const HANDSHAKE_BYTES = 16 * 1024;
/** Sends of application data of a connection that has said nothing yet: Finished, or a server's tickets. */
const HANDSHAKE_SENDS = 2;
/** Some plaintext was seen, and so much more TLS, that another library must be in the process. */
const PARTLY_BYTES = 1024 * 1024;
const PARTLY_RATIO = 8;
/** Processes that are said at most; a host of a thousand blind ones says no more than the first. */
const MOST = 64;
const MOST_TRIED = 32;

function keyOf(process: Process): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(process.pid, 0);
  key.writeBigUInt64LE(process.start, 8);
  return key;
}

/** Bytes of TLS on a process's sockets: those seen, and those that had gone through the same sockets before. */
export interface Traffic {
  /** Boot time in nanoseconds of the first record. */
  since: number;
  sockets: number;
  dataSends: number;
  sent: number;
  received: number;
  sentBefore: number;
  receivedBefore: number;
}

export class Blindness {
  readonly #map: BpfMap;
  readonly #entry = new RecTlsTraffic();
  #said = 0;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** What the kernel has counted of the program that the process runs now; undefined when it was no TLS. */
  traffic(process: Process): Traffic | undefined {
    const bytes = this.#map.lookup(keyOf(process));
    if (bytes === undefined) return undefined;
    const entry = this.#entry.at(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
    if (entry.since < process.runsSince) return undefined;
    return {
      since: entry.since,
      sockets: entry.sockets,
      dataSends: entry.data_sends,
      received: entry.passed(0),
      sent: entry.passed(1),
      receivedBefore: entry.before(0),
      sentBefore: entry.before(1),
    };
  }

  /** The program that the process ran has ended at `ns`; what came since is the next one's. */
  forget(process: Process, ns: number): void {
    if ((this.traffic(process)?.since ?? ns) < ns) this.#map.delete(keyOf(process));
  }

  /**
   * What is to be said of a process at `ns` nanoseconds of boot time, up to when its records are known; undefined when
   * nothing is, or it has been. The kernel's counts may be ahead of that: unless its program has `ended`, a first record
   * is given some time.
   */
  look(process: Process, ns: number, ended: boolean): Blind | undefined {
    if (process.blindSaid || this.#said >= MOST) return undefined;
    const traffic = this.traffic(process);
    if (traffic === undefined || ns < traffic.since + (ended ? 0 : AHEAD_NS) || !isBlind(process, traffic, ns)) return undefined;
    process.blindSaid = true;
    this.#said++;
    return describe(process, traffic);
  }
}

/** Whether TLS of a process passes of which nothing, or next to nothing, is seen. */
export function isBlind(process: Process, traffic: Traffic, ns: number): boolean {
  const tls = traffic.sent + traffic.received;
  const plain = process.plaintext[0] + process.plaintext[1];
  const handshakes = HANDSHAKE_BYTES * traffic.sockets;
  if (plain > 0) return tls - plain > PARTLY_BYTES + handshakes && plain < tls / PARTLY_RATIO;
  const late = ns - traffic.since >= PATIENCE_NS;
  // Where a library is probed, a connection that is opened and says nothing is no blindness.
  if (process.readable) return tls >= BYTES + handshakes || (late && traffic.dataSends > HANDSHAKE_SENDS * traffic.sockets);
  return tls >= BYTES || late;
}

/** Where plaintext was looked for in a process. */
export function triedIn(process: Process): string[] {
  const tried: string[] = [];
  for (const file of process.files) {
    for (const probe of file.probes)
      tried.push(`${probe.state} ${probe.name} in ${probe.target}${probe.reason === undefined ? '' : `: ${probe.reason}`}`);
    tried.push(...file.refused.map((reason) => `${file.path}: ${reason}`));
  }
  const more = tried.length - MOST_TRIED;
  return more > 0 ? [...tried.slice(0, MOST_TRIED), `and ${more} more`] : tried;
}

function describe(process: Process, traffic: Traffic): Blind {
  const exe = process.facts?.exe ?? '';
  const inside = process.unreadable.size > 0 ? [...process.unreadable].join(' and ') : exe === '' ? undefined : linkedTls(exe);
  const [read, wrote] = process.plaintext;
  const before = traffic.sentBefore + traffic.receivedBefore;
  return {
    exe,
    tls_bytes: traffic.sent + traffic.received,
    plaintext_bytes: read + wrote,
    tried: triedIn(process),
    hint:
      process.readable && (inside === undefined || read + wrote > 0)
        ? 'TLS that is probed is there, but the records are of another one. What else is in the program: tracer ssl-probe'
        : `${inside === undefined ? 'TLS of a kind that is not known' : `${inside} is in it`}, and no place to read it was found`,
    pid: process.pid,
    start_us: process.startUs,
    tls_read_bytes: traffic.received,
    tls_write_bytes: traffic.sent,
    plaintext_read_bytes: read,
    plaintext_write_bytes: wrote,
    ...(before === 0 ? {} : { tls_bytes_before: before }),
  };
}
