/** A certificate authority that lives as long as the demo, and a server certificate for this machine's loopback. */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files. `ca` is what clients must trust. */
  ca: string;
  cert: string;
  key: string;
}

/** What strict verifiers want to find (RFC 5280; python 3.13 checks all of it). */
const extensions = (names: readonly string[]): string => `[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${names.map((name) => `DNS:${name}, `).join('')}IP:127.0.0.1, IP:::1
[req]
distinguished_name = dn
[dn]
`;

/** Makes them in `directory` with openssl(1), for these host names. The authority's key is not kept. Throws when openssl is missing or fails. */
export function makeCertificate(directory: string, names: readonly string[] = ['localhost']): Certificate {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const config = file('openssl.cnf');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(config, extensions(names));
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-config',
    config,
    '-extensions',
    'ca',
    '-days',
    '2',
    '-subj',
    '/CN=Tracer demo CA',
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
  );
  openssl('req', ...newKey, '-config', config, '-subj', '/CN=localhost', '-keyout', file('key.pem'), '-out', file('request.pem'));
  openssl(
    'x509',
    '-req',
    '-in',
    file('request.pem'),
    '-CA',
    file('ca.pem'),
    '-CAkey',
    file('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    config,
    '-extensions',
    'server',
    '-out',
    file('cert.pem'),
  );
  writeFileSync(file('ca.key'), '');
  chmodSync(file('ca.pem'), 0o644);
  return { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') };
}
