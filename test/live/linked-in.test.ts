/**
 * Programs that have their TLS linked in, without symbols of it: found in their code, watched from their first byte, and
 * equal to what the server counted.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tape';
import { type Built, bun, goProgram, rustProgram } from '../support/built.js';
import { type Bench, live } from '../support/live.js';
import type { SensorRun } from '../support/sensor.js';

/** Builds take their time the first time. */
const SECONDS = 600;

function program(name: string, built: () => Promise<Built>, body: (t: Test, bench: Bench, path: string) => Promise<void>): void {
  live(
    name,
    async (t, bench) => {
      const made = await built();
      if ('missing' in made) t.pass('left out', { skip: made.missing } as object);
      else await body(t, bench, made.path);
    },
    SECONDS,
  );
}

/** Every session is of this library, and seen from its start. */
function all(t: Test, run: SensorRun, library: string): void {
  const opens = [...run.reading.sessions.values()].map((s) => s.open);
  t.deepEqual([...new Set(opens.map((open) => open?.library))], [library], 'the library');
  t.ok(
    opens.every((open) => open?.from_start === true),
    'seen from its start',
  );
  t.same(run.reading.stated, {}, 'no loss');
}

for (const kind of ['plain', 'stripped', 'pie'] as const) {
  program(
    `Go, ${kind}`,
    () => goProgram(kind),
    async (t, bench, path) => {
      const operations = [
        'get:/v1/models?tag',
        'get:/bytes/500000?tag',
        'upload:300000',
        'many:8:/bytes/100000?tag',
        'get:/sse?n=5&ms=5&tag',
      ];
      const run = await bench.watch(t, ['--', path, bench.certificate.ca, bench.server.url, ...operations], () =>
        bench.server.clientTruth('tag'),
      );
      t.equal(run.status, 0, run.stderr.slice(-500));
      all(t, run, 'go');
    },
  );
}

for (const kind of ['stripped', 'pie'] as const) {
  program(
    `Go, ${kind}: hundreds of connections, one after the other, of which many have the same address`,
    () => goProgram(kind),
    async (t, bench, path) => {
      const { ca, cert, key } = bench.certificate;
      const operations = ['churn:300:/v1/models?tag', `pairs:40:${cert}:${key}:${bench.report}`];
      const run = await bench.watch(t, ['--', path, ca, bench.server.url, ...operations], () => [
        ...bench.server.clientTruth('tag'),
        ...bench.truth(),
      ]);
      t.equal(run.status, 0, run.stderr.slice(-500));
      all(t, run, 'go');
      const sessions = [...run.reading.sessions.values()];
      t.equal(sessions.length, 300 + 2 * 40, 'each is one');
      t.ok(
        sessions.every((s) => s.close?.reason === 'shutdown'),
        'each ends when it is closed',
      );
      t.equal(sessions.filter((s) => s.open?.role === 'server').length, 40, 'who serves');
    },
  );
}

program('bun: fetch, many at once, uploads, a stream', bun, async (t, bench, path) => {
  const url = bench.server.url;
  const script = `
    for (const path of ['/v1/models?tag', '/bytes/300000?tag', '/gzip?tag', '/sse?n=5&ms=5&tag']) await (await fetch('${url}' + path)).arrayBuffer();
    await (await fetch('${url}/upload?tag', { method: 'POST', body: 'größer '.repeat(60000) })).text();
    for (let i = 0; i < 3; i++)
      await Promise.all(Array.from({ length: 6 }, async () => (await fetch('${url}/bytes/50000?tag', { keepalive: false })).arrayBuffer()));`;
  const env = { NODE_EXTRA_CA_CERTS: bench.certificate.ca };
  const run = await bench.watch(t, ['--', path, '-e', script], () => bench.server.clientTruth('tag'), { env });
  t.equal(run.status, 0, run.stderr.slice(-500));
  all(t, run, 'boringssl');
  t.ok(run.reading.sessions.size >= 6, 'sessions at addresses that are used again are told apart');
});

for (const provider of ['ring', 'aws-lc'] as const) {
  program(
    `rustls on ${provider}`,
    () => rustProgram(provider),
    async (t, bench, path) => {
      const operations = [
        'get:/v1/models?tag',
        'get:/bytes/500000?tag',
        'upload:300000',
        'new',
        'get:/bytes/10?tag',
        'threads:4:/bytes/50000?tag',
        'alternate:/v1/models?tag',
        'tls12',
        'get:/bytes/100000?tag',
        'upload:100000',
        'threads:4:/bytes/20000?tag',
      ];
      const run = await bench.watch(t, ['--', path, bench.certificate.ca, String(bench.server.port), ...operations], () =>
        bench.server.clientTruth('tag'),
      );
      t.equal(run.status, 0, run.stderr.slice(-500));
      all(t, run, 'rustls');
      t.equal(run.reading.sessions.size, 13, 'each connection is one, both directions');
      t.ok(
        [...run.reading.sessions.values()].every((s) => s.open?.peer === `127.0.0.1:${bench.server.port}`),
        'whom they talk to',
      );
    },
  );
}

program(
  '--hold: a program that nobody could expect is seen from its first byte',
  () => goProgram('stripped'),
  async (t, bench, path) => {
    const words = [path, bench.certificate.ca, bench.server.url, 'get:/v1/models?tag'].map((word) => `'${word}'`).join(' ');
    const run = await bench.watch(t, ['--hold', '--', 'sh', '-c', `${words} && ${words}`], () => bench.server.clientTruth('tag'));
    t.equal(run.status, 0, run.stderr.slice(-500));
    t.equal(run.reading.sessions.size, 2, 'both');
  },
);

program(
  'TLS that cannot be found: one blind event',
  () => rustProgram('ring'),
  async (t, bench, path) => {
    // What the finder goes by is only the text of a panic to the program.
    const bytes = readFileSync(path);
    const mark = Buffer.from('/src/aead/algorithm.rs');
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) bytes.write('/xyz', at);
    const altered = join(bench.dir, 'altered');
    writeFileSync(altered, bytes, { mode: 0o755 });
    const operations = ['get:/bytes/30000000?tag', 'get:/bytes/30000000?tag', 'upload:200000'];
    const run = await bench.watch(t, ['--', altered, bench.certificate.ca, String(bench.server.port), ...operations], () => []);
    t.equal(run.status, 0, run.stderr.slice(-500));
    const blind = run.events.filter((event) => event.event_type === 'blind');
    t.equal(blind.length, 1, 'said once');
    const data = blind[0]?.data as { exe?: string; tls_bytes?: number; hint?: string } | undefined;
    t.equal(data?.exe, altered, 'of whom');
    t.ok((data?.tls_bytes ?? 0) > 64 * 1024, `TLS bytes: ${data?.tls_bytes}`);
    t.match(String(data?.hint), /rustls/, 'what is in it');
  },
);

live('OpenSSL linked in without symbols', async (t, bench) => {
  const run = await bench.watch(t, ['--', ...bench.box('tlsbox-static', 'plain', '60000', '700')], bench.truth);
  t.equal(run.status, 0, run.stderr.slice(-500));
  t.deepEqual([...new Set([...run.reading.sessions.values()].map((s) => s.open?.library))], ['openssl'], 'the library');
});
