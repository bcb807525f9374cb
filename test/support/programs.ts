/** Compiles the C workloads, once for each process that runs tests. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workload } from './paths.js';

const recipes = {
  /** Every way to use libssl; see workloads/tlsbox.c. */
  tlsbox: { sources: ['tlsbox.c', 'sides.c'], flags: ['-lssl', '-lcrypto'] },
  /** An HTTPS server. */
  serve: { sources: ['serve.c', 'sides.c'], flags: ['-lssl', '-lcrypto'] },
  /** Sessions that go from thread to thread. */
  relay: { sources: ['relay.c', 'sides.c'], flags: ['-lssl', '-lcrypto'] },
  /** Loads libssl when told to. */
  late: { sources: ['late.c'], flags: ['-ldl'] },
  /** Ends, execs and forks of every kind. */
  procbox: { sources: ['procbox.c'], flags: [] },
  /** What matters for security. */
  securitybox: { sources: ['securitybox.c'], flags: [] },
  /** The first one with libssl linked in, and nothing left of its symbols. */
  'tlsbox-static': { sources: ['tlsbox.c', 'sides.c'], flags: ['-static', '-s', '-lssl', '-lcrypto', '-Wl,--no-warnings'] },
  /** A client on Mbed TLS. */
  mbedtls: { sources: ['mbedtls.c'], flags: ['-lmbedtls', '-lmbedx509', '-lmbedcrypto'] },
  /** A client on NSS. */
  nss: { sources: ['nss.c'], flags: ['-I/usr/include/nss', '-I/usr/include/nspr', '-lssl3', '-lnss3', '-lnspr4'] },
} as const;

export type Program = keyof typeof recipes;

let dir: string | undefined;
const built = new Map<Program, string>();

/** Path of the compiled program. Needs gcc, and libssl-dev for those that use libssl. Throws with the compiler's words. */
export function program(name: Program): string {
  const known = built.get(name);
  if (known) return known;
  if (dir === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'tracer-programs-'));
    dir = made;
    chmodSync(made, 0o755);
    // Ahead of tape's own, which ends the process.
    process.prependListener('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  const out = join(dir, name);
  const { sources, flags } = recipes[name];
  execFileSync('gcc', ['-O1', '-g', '-pthread', '-o', out, ...sources.map(workload), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  built.set(name, out);
  return out;
}
