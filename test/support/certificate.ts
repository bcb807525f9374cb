/** A certificate authority and a leaf for localhost, made anew for each test run: no key is ever in the repository. */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files. */
  ca: string;
  cert: string;
  key: string;
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/**
 * Makes ca.pem, cert.pem (leaf for localhost, 127.0.0.1 and ::1, then the CA) and key.pem in `dir` with the openssl
 * command. P-256, good for two days. Throws when openssl is missing.
 */
export function makeCertificate(dir: string): Certificate {
  const at = (name: string) => join(dir, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  // Python 3.13 verifies as strictly as RFC 5280 has it: key usage and key identifiers must be there.
  const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl('req', '-x509', ...key, ...usage, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2', '-subj', '/CN=Tracer test CA');
  openssl('req', '-new', ...key, '-keyout', at('key.pem'), '-out', at('leaf.csr'), '-subj', '/CN=localhost');
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1';
  writeFileSync(at('leaf.ext'), `${names}\nbasicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n`);
  const signer = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  openssl('x509', '-req', '-in', at('leaf.csr'), ...signer, '-out', at('cert.pem'), '-days', '2', '-extfile', at('leaf.ext'));
  // Workloads run as other users too.
  for (const name of ['key.pem', 'cert.pem', 'ca.pem']) chmodSync(at(name), 0o644);
  return { ca: at('ca.pem'), cert: at('cert.pem'), key: at('key.pem') };
}
