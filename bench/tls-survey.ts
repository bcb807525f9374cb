/**
 * What the TLS finder says of many files, to see that it says nothing of those that hold no TLS:
 *
 *     node dist/bench/tls-survey.js [DIRECTORY...]
 *
 * Prints every finding, and beside it whether the file has a mark of that library which the finder did not go by; one
 * without is a suspect, and the exit status is 1 when there is one. Then how many files there were, and the time taken.
 * A file is examined once, however many names it has. Without directories: the programs and libraries of this system.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { ElfImage } from '../lib/elf/image.js';
import { findBytes } from '../lib/elf/scan.js';
import { findTls } from '../lib/elf/tls-finder.js';
import type { TlsFinding } from '../lib/elf/tls-finding.js';

const SYSTEM = ['/bin', '/sbin', '/lib', '/usr/bin', '/usr/sbin', '/usr/lib', '/usr/libexec', '/usr/local', '/opt', '/root'];
const MAX_FILES = 20_000;
const KERNEL = { major: 6, minor: 18 };

/** Any of these texts is a mark of the library: messages and names that no rule of the finder looks for. */
const MARKS: Readonly<Record<TlsFinding['library'], readonly string[]>> = {
  openssl: ['assertion failed: s->', 'tls_process_server_hello', 'SSL_CTX_use_certificate_file', 'TLSv1.3 write', 'master secret'],
  boringssl: ['BoringSSL', 'boringssl', 'OPENSSL_internal', 'AWS-LC', 'TLS 1.3 client'],
  gnutls: ['GnuTLS', 'GNUTLS_'],
  nss: ['NSPR', 'nspr', 'NSS_', 'Mozilla'],
  go: ['crypto/tls.(*clientHandshakeState)', 'crypto/tls.(*Conn).clientHandshake'],
  rustls: ['rustls::', 'rustls/src', 'unexpected handshake message', 'invalid peer certificate'],
  s2n: ['S2N_', 's2n_negotiate'],
  mbedtls: ['mbed TLS', 'Mbed TLS', 'MBEDTLS_'],
};

interface Survey {
  files: number;
  found: number;
  suspects: number;
  slowest: { path: string; ms: number };
}

function* elfFiles(directory: string, seen: Set<string>): Generator<ElfImage> {
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* elfFiles(path, seen);
    else if (entry.isFile() && seen.size < MAX_FILES) {
      let image: ElfImage;
      try {
        image = ElfImage.open(path);
      } catch {
        continue;
      }
      const key = `${image.dev}:${image.ino}`;
      if (!seen.has(key)) yield image;
      seen.add(key);
      image.close();
    }
  }
}

function hasMark(image: ElfImage, library: TlsFinding['library']): boolean {
  const whole = [{ address: 0, offset: 0, bytes: image.size }];
  return findBytes(
    image,
    whole,
    MARKS[library].map((text) => Buffer.from(text, 'latin1')),
  ).some((places) => places.length > 0);
}

function examine(image: ElfImage, survey: Survey): void {
  const start = performance.now();
  const findings = findTls(image, KERNEL);
  const ms = performance.now() - start;
  survey.files++;
  if (ms > survey.slowest.ms) survey.slowest = { path: image.path, ms };
  if (findings.length > 0) survey.found++;
  for (const { library, provider, version, foundBy, confidence, sites, refused } of findings) {
    const mark = hasMark(image, library);
    if (!mark) survey.suspects++;
    const what = [library, provider, version].filter((part) => part !== undefined).join(' ');
    const roles = sites.map(({ role, cost }) => (cost === 'emulated' ? role : `${role}(${cost})`)).join(' ');
    console.log(`${mark ? 'ok     ' : 'SUSPECT'} ${image.path}: ${what}, ${foundBy}, ${confidence}: ${roles || 'no sites'}`);
    for (const each of refused) console.log(`          refused ${each}`);
  }
}

const survey: Survey = { files: 0, found: 0, suspects: 0, slowest: { path: '', ms: 0 } };
const seen = new Set<string>();
const before = process.cpuUsage();
for (const directory of process.argv.length > 2 ? process.argv.slice(2) : SYSTEM) {
  for (const image of elfFiles(directory, seen)) examine(image, survey);
}
const { user, system } = process.cpuUsage(before);
const { slowest } = survey;
console.log(`${survey.files} ELF files, ${survey.found} with TLS, ${survey.suspects} suspects`);
console.log(
  `${((user + system) / 1e6).toFixed(1)} s of CPU time, slowest ${slowest.path} ${slowest.ms.toFixed(0)} ms; at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MB; ${cpus()[0]?.model}`,
);
process.exit(survey.suspects === 0 ? 0 : 1);
