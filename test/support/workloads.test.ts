/** The workloads by themselves: what each end counted must be what the other end counted. No sensor, no root. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { makeCertificate } from './certificate.js';
import { bytesSha256, HttpsServer } from './https-server.js';
import { python, workload } from './paths.js';
import { Running, run } from './processes.js';
import { program } from './programs.js';
import { readReport, readTruth, reported, type SessionTruth } from './truth.js';

function make() {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-workloads-'));
  const certificate = makeCertificate(dir);
  return { dir, certificate, report: join(dir, 'report'), end: () => rmSync(dir, { recursive: true, force: true }) };
}

/** The numbers only, in an order of their own. */
function numbers(truths: readonly SessionTruth[]): string[] {
  return truths.map((t) => JSON.stringify([t.read, t.write, t.requests])).sort();
}

test('tlsbox: both ends of a session count the same bytes', async (t) => {
  const { certificate, report, end } = make();
  const modes = ['plain', 'bio', 'threads', 'many', 'alternate', 'peek', 'wantwrite', 'wantwrite partial', 'reuse', 'early', 'hole'];
  for (const mode of [...modes, 'big 3000000', 'renegotiate', 'renegotiate 1.2', 'leave 0', 'flood 50 300']) {
    const file = `${report}.${mode.replaceAll(' ', '-')}`;
    const { status, stderr } = await run(program('tlsbox'), [file, certificate.cert, certificate.key, ...mode.split(' ')]);
    t.equal(status, 0, `${mode}${stderr && `: ${stderr}`}`);
    const truths = readTruth(file);
    const clients = truths.filter((x) => x.conn.endsWith('.client'));
    t.ok(clients.length > 0, 'sessions are reported');
    for (const client of clients) {
      const server = truths.find((x) => x.conn === client.conn.replace('.client', '.server'));
      t.same(
        [server?.read, server?.write],
        [client.write, client.read],
        `${client.conn}: ${client.write.bytes} there, ${client.read.bytes} back`,
      );
    }
  }
  end();
  t.end();
});

test('tlsbox fork: what the child and the parent moved is what the client moved', async (t) => {
  const { certificate, report, end } = make();
  t.equal((await run(program('tlsbox'), [report, certificate.cert, certificate.key, 'fork'])).status, 0);
  const by = Object.fromEntries(readTruth(report).map((x) => [x.conn, x]));
  t.equal(by['fork.child']?.parent, 'fork.server');
  t.notEqual(by['fork.child']?.pid, by['fork.server']?.pid);
  t.equal((by['fork.child']?.read.bytes ?? 0) + (by['fork.server']?.read.bytes ?? 0), by['fork.client']?.write.bytes);
  t.equal((by['fork.child']?.write.bytes ?? 0) + (by['fork.server']?.write.bytes ?? 0), by['fork.client']?.read.bytes);
  end();
  t.end();
});

test('late: loads libssl only when it is told to', async (t) => {
  const { certificate, report, end } = make();
  const { status } = await run(program('late'), [report, certificate.cert, certificate.key, 'libssl.so.3'], { input: 'go\n' });
  t.equal(status, 0);
  t.equal(readReport(report)[0]?.got, 15000);
  end();
  t.end();
});

test('client.py and the server count the same bytes', async (t) => {
  const { certificate, report, end } = make();
  const server = await HttpsServer.start(certificate);
  const operations = ['get:/v1/models?py', 'upload:100000', 'get:/sse?n=3&ms=1', 'new', 'get:/gzip?py', 'threads:3:get:/bytes/70000?py'];
  const { status, stderr } = await run(python, [workload('client.py'), report, certificate.ca, server.url, ...operations]);
  t.equal(status, 0, stderr);
  t.same(numbers(readTruth(report)), numbers(server.clientTruth('py')));
  t.equal(readTruth(report).length, 5);
  await server.stop();
  end();
  t.end();
});

test('client.mjs and the server count the same bytes', async (t) => {
  const { certificate, report, end } = make();
  const server = await HttpsServer.start(certificate);
  const operations = ['tls:/bytes/100000?js', 'get:/chunked/5', 'upload:50000', 'fetch:/gzip', 'many:3:get:/v1/models'];
  const env = { NODE_EXTRA_CA_CERTS: certificate.ca };
  const { status, stderr } = await run(process.execPath, [workload('client.mjs'), report, certificate.ca, server.url, ...operations], {
    env,
  });
  t.equal(status, 0, stderr);
  t.same(numbers(readTruth(report)), numbers(server.clientTruth('js')));
  t.equal(
    server.clientTruth('/').reduce((n, c) => n + (c.requests ?? 0), 0),
    7,
    'requests of all its connections',
  );
  await server.stop();
  end();
  t.end();
});

test('serve and curl', async (t) => {
  const { certificate, report, end } = make();
  const serve = new Running(program('serve'), [report, certificate.cert, certificate.key, '1']);
  const { port } = await reported(report, 'port');
  const url = `https://localhost:${port}`;
  const { stdout } = await run('curl', [
    '-sS',
    '--cacert',
    certificate.ca,
    `${url}/one`,
    '-d',
    'hello',
    '--next',
    '-sS',
    '--cacert',
    certificate.ca,
    `${url}/two`,
  ]);
  t.equal(stdout.toString().match(/"request":2/)?.length, 1, 'two requests on one connection');
  t.equal((await serve.done).status, 0);
  t.equal(readTruth(report).length, 1);
  end();
  t.end();
});

test('the server sends what it says', async (t) => {
  const { certificate, dir, end } = make();
  const server = await HttpsServer.start(certificate);
  const get = async (...args: string[]) => (await run('curl', ['-sS', '--cacert', certificate.ca, ...args])).stdout;
  const { createHash } = await import('node:crypto');
  t.equal(
    createHash('sha256')
      .update(await get(`${server.url}/bytes/200000`))
      .digest('hex'),
    bytesSha256(200000),
  );
  t.match((await get('--compressed', `${server.url}/gzip`)).toString(), /tiny-1/);
  t.equal((await get(`${server.url}/sse?n=2&ms=1`)).toString().match(/event: tick/g)?.length, 2);
  t.equal((await get(`${server.url}/close`)).toString(), 'bis zum Ende\n');
  t.equal((await get('-d', 'ping', `${server.url}/echo`)).toString(), 'ping');
  t.equal((await get(`${server.url}/chunked/2`)).toString(), 'Zeile 0\nZeile 1\n');
  t.ok(dir);
  await server.stop();
  end();
  t.end();
});
