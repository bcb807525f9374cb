/**
 * Real programs under watch by `-- COMMAND`: everything that they say over TLS is in the events, first byte included,
 * byte for byte as they or their server counted it, and nothing of the unrelated client.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tape';
import { type Bench, live } from '../support/live.js';
import { python, workload } from '../support/paths.js';
import { sh } from '../support/processes.js';

const curl = (bench: Bench, ...args: string[]) => ['curl', '-sS', '--cacert', bench.certificate.ca, ...args];
const py = (bench: Bench, ...operations: string[]) => [
  python,
  workload('client.py'),
  bench.report,
  bench.certificate.ca,
  bench.server.url,
  ...operations,
];
const node = (bench: Bench, ...operations: string[]) => [
  process.execPath,
  workload('client.mjs'),
  bench.report,
  bench.certificate.ca,
  bench.server.url,
  ...operations,
];

/** The workload's own sessions, which must be those that the server had. */
function both(t: Test, bench: Bench, tag: string) {
  return () => {
    const own = bench.truth();
    t.equal(own.length, bench.server.clientTruth(tag).length, 'sessions that the workload and the server know of');
    return own;
  };
}

live('curl: a request and its answer', async (t, bench) => {
  const run = await bench.watch(t, ['--', ...curl(bench, `${bench.server.url}/v1/models?tag`)], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, 'the status of curl');
  const [session] = run.reading.sessions.values();
  t.equal(session?.open?.from_start, true, 'seen from its start');
  t.equal(session?.open?.library, 'openssl', 'the library');
  t.match(String(session?.write.pieces[0]), /^GET \/v1\/models\?tag HTTP\/1\.1\r\n/, 'first byte included');
  t.match(run.stderr, /tiny-1/, "the command's stdout is on our stderr");
  t.notOk(/gnutls[^\n]*cannot/i.test(run.stderr), 'libgnutls, which curl only has by its LDAP library, is no reason for a warning');
});

live('curl: keep-alive, uploads, gzip, chunks, a stream, a body that ends with the connection', async (t, bench) => {
  const next = (path: string, ...more: string[]) => ['--next', ...curl(bench, `${bench.server.url}${path}`, ...more).slice(1)];
  const file = join(bench.dir, 'body');
  writeFileSync(file, randomBytes(1_500_000));
  const body = ['-H', 'Content-Type: application/octet-stream', '--data-binary', `@${file}`, '-o', '/dev/null'];
  const args = curl(bench, `${bench.server.url}/gzip?tag`, '--compressed', '-o', '/dev/null');
  args.push(
    ...next('/chunked/50'),
    ...next('/sse?n=5&ms=5'),
    ...next('/echo', '-d', 'größer', '-o', '/dev/null'),
    ...next('/upload', ...body),
    ...next('/close?tag', '-o', '/dev/null'),
  );
  const run = await bench.watch(t, ['--', ...args], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, 'the status of the command');
});

live('python3: plain, upload, threads', async (t, bench) => {
  const operations = [
    'get:/v1/models?tag',
    'upload:300000',
    'get:/sse?n=5&ms=5',
    'new',
    'get:/gzip?tag',
    'threads:4:get:/bytes/100000?tag',
  ];
  const run = await bench.watch(t, ['--', ...py(bench, ...operations)], both(t, bench, 'tag'));
  t.equal(run.status, 0, 'the status of the command');
  t.equal(run.reading.sessions.size, 6);
});

live('node: https, fetch, tls before the handshake is done, many at once', async (t, bench) => {
  const operations = [
    'get:/v1/models?tag',
    'upload:200000',
    'tls:/bytes/100000?tag',
    'many:5:get:/bytes/30000?tag',
    'fetch:/v1/models?tag',
  ];
  const options = { env: { NODE_EXTRA_CA_CERTS: bench.certificate.ca } };
  const run = await bench.watch(t, ['--', ...node(bench, ...operations)], () => bench.server.clientTruth('tag'), options);
  t.equal(run.status, 0, 'the status of the command');
  const own = bench.truth()[0];
  const found = [...run.reading.sessions.values()].find((s) => s.write.sha256() === own?.write.sha256);
  t.equal(found?.read.sha256(), own?.read.sha256, 'the session that node counted itself');
});

live('openssl s_client', async (t, bench) => {
  const request = `GET /v1/models?tag HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  const args = [
    '--',
    'openssl',
    's_client',
    '-quiet',
    '-ign_eof',
    '-CAfile',
    bench.certificate.ca,
    '-connect',
    `localhost:${bench.server.port}`,
  ];
  const run = await bench.watch(t, args, () => bench.server.clientTruth('tag'), { input: request });
  t.equal(run.status, 0, 'the status of the command');
  t.match(run.stderr, /tiny-1/, 'its stdin is ours');
});

live('descendants: sh, a pipeline, a background job, env and exec between', async (t, bench) => {
  const get = (n: number) => curl(bench, `'${bench.server.url}/v1/models?tag${n}'`, '-o', '/dev/null').join(' ');
  const line = `${get(1)}; (${get(2)} & wait) | cat; env X=1 sh -c "exec ${get(3)}"; exec env ${get(4)}`;
  const run = await bench.watch(t, ['--', 'sh', '-c', line], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, 'the status of the command');
  t.equal(run.reading.sessions.size, 4);
});

live('--no-children leaves descendants alone', async (t, bench) => {
  const get = (n: number) => curl(bench, `'${bench.server.url}/v1/models?tag${n}'`, '-o', '/dev/null').join(' ');
  const run = await bench.watch(t, ['--no-children', '--', 'sh', '-c', `${get(1)}; exec ${get(2)}`], () =>
    bench.server.clientTruth('tag2'),
  );
  t.equal(run.status, 0, 'the status of the command');
  t.equal(run.reading.sessions.size, 1);
});

live('a program that loads libssl when it is long under way', async (t, bench) => {
  const nothing = { bytes: 0, sha256: createHash('sha256').digest('hex') };
  const letters = { bytes: 15000, sha256: createHash('sha256').update('a'.repeat(15000)).digest('hex') };
  const truth = [
    { conn: 'client', read: nothing, write: letters },
    { conn: 'server', read: letters, write: nothing },
  ];
  const run = await bench.watch(t, ['--', ...bench.box('late', 'libssl.so.3')], () => truth, { input: 'go\n' });
  t.equal(run.status, 0, 'the status of the command');
});

live('a libssl of its own, by LD_LIBRARY_PATH: first byte included', async (t, bench) => {
  const lib = join(bench.dir, 'lib');
  const box = bench.box('tlsbox', 'plain', '20000', '500');
  await sh(`mkdir '${lib}' && cp "$(ldd '${box[0]}' | awk '/libssl/ {print $3}')" '${lib}/'`);
  const run = await bench.watch(t, ['--', 'sh', '-c', `exec ${box.join(' ')}`], bench.truth, { env: { LD_LIBRARY_PATH: lib } });
  t.equal(run.status, 0, 'the status of the command');
  t.equal(run.reading.sessions.size, 2, 'both ends of the session');
});
