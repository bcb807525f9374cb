/** Of each watched process: what TLS was found in it, and whether plaintext arrives for the TLS that goes through its sockets. */
import type { Library } from '../../stream/event.js';
import { type Blindness, isBlind } from './blindness.js';
import type { Process, Processes } from './model.js';

/** In the order of concern. */
export type Verdict =
  /** TLS passes, and plaintext of it is seen. */
  | 'seen'
  /** TLS passes; a library is probed, and says nothing. */
  | 'silent'
  /** TLS passes, and nothing that could be probed was found. */
  | 'blind'
  /** TLS has begun to pass, too little to tell. */
  | 'begins'
  /** No TLS has passed. */
  | 'idle';

export interface Account {
  pid: number;
  comm: string;
  exe?: string;
  verdict: Verdict;
  libraries: Library[];
  probes: { attached: number; failed: number };
  /** What was found and could not be probed. */
  refused: string[];
  files: string[];
  tls_read_bytes: number;
  tls_write_bytes: number;
  /** On the same sockets, before they were looked at. */
  tls_bytes_before: number;
  plaintext_read_bytes: number;
  plaintext_write_bytes: number;
  sessions: number;
  exited: boolean;
}

const EARLY_BYTES = 16 * 1024;
const EARLY_NS = 2e9;

function verdictOf(process: Process, blindness: Blindness, ns: number): Verdict {
  const traffic = blindness.traffic(process);
  const plain = process.plaintext[0] + process.plaintext[1];
  const none = process.readable ? 'silent' : 'blind';
  if (plain > 0) return traffic !== undefined && isBlind(process, traffic, ns) ? none : 'seen';
  if (traffic === undefined) return 'idle';
  if (isBlind(process, traffic, ns)) return none;
  // Where nothing is probed, or more than a handshake has passed, the sensor's patience need not be waited for.
  const early = traffic.sent + traffic.received < EARLY_BYTES * traffic.sockets || ns - traffic.since < EARLY_NS;
  return early ? 'begins' : none;
}

export function accountOf(process: Process, blindness: Blindness, ns: number): Account {
  const traffic = blindness.traffic(process);
  const files = [...process.files].filter((file) => file.probes.length > 0 || file.refused.length > 0);
  const probes = files.flatMap((file) => file.probes);
  const exe = process.facts?.exe;
  return {
    pid: process.pid,
    comm: process.who?.who.comm ?? '',
    ...(exe === undefined ? {} : { exe }),
    verdict: verdictOf(process, blindness, ns),
    libraries: [...new Set(files.flatMap((file) => file.libraries))],
    probes: {
      attached: probes.filter((probe) => probe.state === 'attached').length,
      failed: probes.filter((probe) => probe.state === 'failed').length,
    },
    refused: files.flatMap((file) => file.refused),
    files: files.map((file) => file.path),
    tls_read_bytes: traffic?.received ?? 0,
    tls_write_bytes: traffic?.sent ?? 0,
    tls_bytes_before: (traffic?.sentBefore ?? 0) + (traffic?.receivedBefore ?? 0),
    plaintext_read_bytes: process.plaintext[0],
    plaintext_write_bytes: process.plaintext[1],
    sessions: process.sessionsMade,
    exited: process.exited,
  };
}

export function accountsOf(processes: Processes, blindness: Blindness, ns: number): Account[] {
  return [...processes].map((process) => accountOf(process, blindness, ns));
}
