/**
 * A network namespace with only loopback and a private mount namespace, in which a set of names resolves to a server of
 * ours and, if wished, the system's certificate bundle holds our authority. What runs in it sees the Internet as it
 * wants to see it, and reaches nobody else.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from '../../scripts/demo.d/certificate.js';
import { root } from '../support/paths.js';
import { Running } from '../support/processes.js';
import { HOSTS } from './endpoints.js';

const CERTIFICATES = '/etc/ssl/certs';

/** What the server counted of one direction of a connection; `kept` are its first bytes, up to 1 MiB. */
export interface Plain {
  bytes: number;
  sha256: string;
  kept: Buffer;
}

/** One connection as the server had it. */
export interface Connection {
  n: number;
  name: string | null;
  alpn: string | false | null;
  requests: string[];
  received: Plain;
  sent: Plain;
}

export interface Report {
  connections: Connection[];
  failed: string[];
}

/** A copy of the system's certificates with one more authority, as a bundle and by hash. */
function bundle(directory: string, authority: string): void {
  cpSync(CERTIFICATES, directory, { recursive: true, verbatimSymlinks: true });
  appendFileSync(join(directory, 'ca-certificates.crt'), `\n${readFileSync(authority, 'utf8')}`);
  const hash = execFileSync('openssl', ['x509', '-noout', '-hash', '-in', authority], { encoding: 'utf8' }).trim();
  writeFileSync(join(directory, 'tracer-test.pem'), readFileSync(authority));
  symlinkSync('tracer-test.pem', join(directory, `${hash}.0`));
}

const MOUNTS = `set -e
busybox ip link set lo up
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/resolv.conf" /etc/resolv.conf
if [ -n "$2" ]; then mount --bind "$1/certs" ${CERTIFICATES}; fi
shift 2
exec "$@"`;

export class Room {
  readonly certificate: Certificate;
  readonly #report: string;
  #server: Running | undefined;

  /** `dir`: an empty directory of the room's own. */
  private constructor(readonly dir: string) {
    this.certificate = makeCertificate(dir, HOSTS);
    this.#report = join(dir, 'report.ndjson');
  }

  /** `trusted`: the system's bundle holds the authority. Needs root. */
  static async open(dir: string, { trusted }: { trusted: boolean }): Promise<Room> {
    mkdirSync(dir, { recursive: true });
    const room = new Room(dir);
    writeFileSync(join(dir, 'hosts'), HOSTS.map((name) => `127.0.0.1 ${name}\n`).join(''));
    writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\n');
    writeFileSync(room.#report, '');
    if (trusted) bundle(join(dir, 'certs'), room.certificate.ca);
    const { cert, key } = room.certificate;
    const server = [process.execPath, join(root, 'dist/test/agents/server.js'), '--cert', cert, '--key', key, '--report', room.#report];
    const inside = ['sh', '-c', MOUNTS, 'sh', dir, trusted ? '1' : '', ...server];
    room.#server = new Running('unshare', ['--net', '--mount', '--propagation', 'private', '--', ...inside], { timeout: 600_000 });
    await room.#server.says('"port"');
    return room;
  }

  /** The words that run `argv` in here, in the directory `cwd`. */
  inside(argv: readonly string[], cwd: string): string[] {
    // Its root as well: who enters a mount namespace leaves a chroot behind.
    const enter = ['nsenter', '-t', String(this.#server?.pid), '--net', '--mount', '--root', '--'];
    return [...enter, 'sh', '-c', 'cd "$0" && exec "$@"', cwd, ...argv];
  }

  /** Ends the server and tells what it counted. */
  async close(): Promise<Report> {
    this.#server?.signal('SIGTERM');
    await this.#server?.done;
    const report: Report = { connections: [], failed: [] };
    for (const line of readFileSync(this.#report, 'utf8').split('\n').filter(Boolean)) {
      const facts = JSON.parse(line);
      if (facts.failed !== undefined) {
        report.failed.push(facts.failed);
        continue;
      }
      for (const side of [facts.received, facts.sent]) side.kept = Buffer.from(side.kept, 'base64');
      report.connections.push(facts);
    }
    return report;
  }
}
