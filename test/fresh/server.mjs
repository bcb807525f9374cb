// An https server for scripts/fresh, on a free port: node server.mjs CERTIFICATE-FILE PORT-FILE. Writes both when it listens.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';

const [certificate, portFile] = process.argv.slice(2);
const dir = mkdtempSync('server-');
const key = join(dir, 'key.pem');
const cert = join(dir, 'cert.pem');
execFileSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-keyout', key, '-out', cert],
  ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
]);
const options = { key: readFileSync(key), cert: readFileSync(cert) };
const body = JSON.stringify({ object: 'list', data: [{ id: 'small-model', object: 'model' }] });
const server = createServer(options, (_, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  renameSync(cert, certificate);
  rmSync(dir, { recursive: true });
  writeFileSync(portFile, `${server.address().port}`);
});
