// Runs in the guest: an https server, two clients under tracer-ssl, the events on stdout. No module of the tests is here.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const dir = '/tmp';
execFileSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
  ...['-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
]);

// In a thread of its own, because the clients are waited for synchronously.
const server = new Worker(
  `const { createServer } = require('node:https');
   const { parentPort, workerData } = require('node:worker_threads');
   createServer(workerData, (request, response) => response.end('answer to ' + request.url))
     .listen(8443, '127.0.0.1', () => parentPort.postMessage('up'));`,
  { eval: true, workerData: { key: readFileSync(`${dir}/key.pem`), cert: readFileSync(`${dir}/cert.pem`) } },
);
await new Promise((resolve) => server.once('message', resolve));

let worst = 0;
for (const client of [
  `curl -sS --cacert ${dir}/cert.pem https://localhost:8443/by-curl`,
  `env NODE_EXTRA_CA_CERTS=${dir}/cert.pem node -e "fetch('https://localhost:8443/by-node').then((r) => r.text()).then(console.log)"`,
]) {
  const run = spawnSync('sh', ['-c', `set -o pipefail; bin/sslsniff -- ${client} | bin/http`], {
    encoding: 'utf8',
    timeout: 90_000,
    maxBuffer: 64e6,
  });
  process.stdout.write(run.stdout);
  process.stdout.write(`${run.stderr.trimEnd().replace(/^/gm, 'stderr: ')}\n`);
  if (run.status !== 0) {
    process.stdout.write(`status: ${run.status} ${run.signal ?? ''}\n`);
    worst = 1;
  }
}
process.exit(worst);
