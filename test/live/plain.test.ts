/** `--plain`: what goes to model servers without TLS, byte for byte as a proxy in between counted it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tape';
import { type Bench, live } from '../support/live.js';
import { bin, python } from '../support/paths.js';
import { sh } from '../support/processes.js';
import { Sensor, type SensorRun } from '../support/sensor.js';
import type { SessionTruth } from '../support/truth.js';
import { type Wiretap, wiretap } from '../support/wiretap.js';

const UPLOAD = 'größer '.repeat(60_000);

/** Answers with what it got, and with as much again. */
async function httpServer(host: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    const hash = createHash('sha256');
    for await (const piece of request) hash.update(piece as Buffer);
    response.end(`${hash.digest('hex')}\n${'€ and more, '.repeat(20_000)}`);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return server;
}

function truthOf(tap: Wiretap): SessionTruth[] {
  return tap.sessions.map((pieces, index) => {
    const moved = (direction: string) => {
      const bytes = Buffer.concat(pieces.flatMap(([way, piece]) => (way === direction && typeof piece === 'object' ? [piece] : [])));
      return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    };
    return { conn: `${index}`, read: moved('read'), write: moved('write') };
  });
}

async function tapped(bench: Bench): Promise<Wiretap> {
  const server = await httpServer('127.0.0.1');
  const tap = await wiretap((server.address() as AddressInfo).port);
  bench.after(() => {
    tap.close();
    server.close();
  });
  return tap;
}

/** Every session is one of a socket, from its start, whose peer is known, and was closed. */
function all(t: Test, run: SensorRun, port: number, sessions: number): void {
  t.equal(run.status, 0, run.stderr.slice(-500));
  const seen = [...run.reading.sessions.values()];
  t.equal(seen.length, sessions, 'connections');
  for (const { open } of seen) {
    t.equal(open?.library, 'plain', 'no TLS');
    t.equal(open?.role, 'client', 'its role');
    t.equal(open?.from_start, true, 'from its start');
    t.equal(open?.peer, `127.0.0.1:${port}`, 'its peer');
  }
  t.same(run.reading.stated, {}, 'no loss');
}

live('curl: two requests on a connection, an upload', async (t, bench) => {
  const tap = await tapped(bench);
  const url = `http://127.0.0.1:${tap.port}`;
  const file = join(bench.dir, 'upload');
  writeFileSync(file, UPLOAD);
  const args = ['-sS', `${url}/a`, '-o', '/dev/null', '--next', '-sS', '--data-binary', `@${file}`, '-o', '/dev/null', `${url}/b`];
  const run = await bench.watch(t, ['--plain', `${tap.port}`, '--', 'curl', ...args], () => truthOf(tap));
  all(t, run, tap.port, 1);
  t.ok(
    run.events.some((event) => event.event_type === 'ssl_close'),
    'its end is seen',
  );
});

live('python and node: many connections, vectors, many threads', async (t, bench) => {
  const tap = await tapped(bench);
  const url = `http://127.0.0.1:${tap.port}`;
  const script = join(bench.dir, 'client.py');
  writeFileSync(
    script,
    `import threading, urllib.request, socket
def one(n):
    body = ('größer %d ' % n * 20000).encode()
    urllib.request.urlopen('${url}/p%d' % n, data=body).read()
threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
# Many buffers in one call, a look ahead that takes nothing, and a message.
s = socket.create_connection(('127.0.0.1', ${tap.port}))
head = b'POST /v HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\nContent-Length: 5000\\r\\n\\r\\n'
s.sendmsg([head] + [b'v' * 50] * 100)
s.recv(100, socket.MSG_PEEK)
view = [bytearray(7), bytearray(0), bytearray(4096)]
while s.recvmsg_into(view)[0]: pass
s.close()
`,
  );
  const python_ = await bench.watch(t, ['--plain', `${tap.port}`, '--', python, script], () => truthOf(tap));
  all(t, python_, tap.port, 7);
  tap.sessions.length = 0;
  const node = `const body='größer '.repeat(60000);
    await Promise.all([1,2,3,4].map(async (n) => (await fetch('${url}/n'+n, { method: 'POST', body })).text()));
    const { request } = await import('node:http');
    await new Promise((resolve) => { const r = request('${url}/w', { method: 'POST' }, (a) => a.resume().on('end', resolve));
      r.cork(); for (let i = 0; i < 300; i++) r.write('piece ' + i); r.uncork(); r.end(); });`;
  const run = await bench.watch(t, ['--plain', `${tap.port}`, '--', process.execPath, '--input-type=module', '-e', node], () =>
    truthOf(tap),
  );
  all(t, run, tap.port, tap.sessions.length);
  const functions = new Set(run.events.flatMap((event) => (event.event_type === 'ssl_data' ? [event.data.function] : [])));
  t.ok(functions.has('writev'), `vectors were among its calls: ${[...functions].join(', ')}`);
});

live('only connections of these ports; a server by its own port, over IPv6', async (t, bench) => {
  const [wanted, other] = [await tapped(bench), await tapped(bench)];
  const script = `curl -sS http://127.0.0.1:${other.port}/no -o /dev/null && curl -sS http://127.0.0.1:${wanted.port}/yes -o /dev/null`;
  const run = await bench.watch(t, ['--plain', `${wanted.port}`, '--', 'sh', '-c', script], () => truthOf(wanted));
  all(t, run, wanted.port, 1);

  const file = join(bench.dir, 'server.py');
  writeFileSync(
    file,
    `import socket
s = socket.create_server(('::1', 0), family=socket.AF_INET6)
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
got = c.recv(1000)
c.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n' + got)
c.close()
`,
  );
  const probe = await httpServer('::1');
  const port = (probe.address() as AddressInfo).port;
  probe.close();
  writeFileSync(file, (await import('node:fs')).readFileSync(file, 'utf8').replace("('::1', 0)", `('::1', ${port})`));
  const talk = (async () => {
    for (let tries = 0; tries < 200; tries++) {
      const got = await new Promise<string>((resolve) => {
        const socket = connect(port, '::1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
        let text = '';
        socket.on('data', (piece) => {
          text += piece;
        });
        socket.on('close', () => resolve(text));
        socket.on('error', () => {});
      });
      if (got !== '') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const sums = (text: string) => ({ bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') });
  const truth = { conn: '1', read: sums('GET / HTTP/1.0\r\n\r\n'), write: sums('HTTP/1.0 200 OK\r\n\r\nGET / HTTP/1.0\r\n\r\n') };
  const server = await bench.watch(t, ['--plain', `${port}`, '--', python, file], () => [truth]);
  await talk;
  const open = [...server.reading.sessions.values()][0]?.open;
  t.equal(open?.role, 'server', 'its role');
  t.match(String(open?.peer), /^\[::1\]:\d+$/, 'its peer');
});

live('what sendfile sends and MSG_TRUNC throws away is counted as lost, in its place', async (t, bench) => {
  let got = 0;
  const sink = createTcpServer((socket) => {
    socket.on('data', (piece) => {
      got += piece.length;
      if (got === 4010) socket.end('r'.repeat(3000));
    });
  });
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
  bench.after(() => sink.close());
  const { port } = sink.address() as AddressInfo;
  const [file, script] = [join(bench.dir, 'file'), join(bench.dir, 'client.py')];
  writeFileSync(file, 'f'.repeat(4000));
  writeFileSync(
    script,
    `import os, socket
s = socket.create_connection(('127.0.0.1', ${port}))
s.sendall(b'begin ')
with open('${file}', 'rb') as f: assert os.sendfile(s.fileno(), f.fileno(), 0, 4000) == 4000
s.sendall(b' end')
assert s.recv(1000, socket.MSG_WAITALL) == b'r' * 1000
assert len(s.recv(1500, socket.MSG_WAITALL | socket.MSG_TRUNC)) == 1500
assert s.recv(500, socket.MSG_WAITALL) == b'r' * 500
s.close()
`,
  );
  const run = await new Sensor(['--plain', `${port}`, '--', python, script]).end();
  t.equal(run.status, 0, run.stderr.slice(-500));
  t.equal(got, 4010, 'the server got it all');
  t.deepEqual(run.reading.problems, [], 'what is said of losses agrees');
  const [session, ...more] = [...run.reading.sessions.values()];
  t.equal(more.length, 0, 'one connection');
  t.deepEqual(session?.write.gaps, [{ offset: 6, bytes: 4000 }], 'the file is missing where it was sent');
  t.equal(Buffer.concat(session?.write.pieces ?? []).toString(), 'begin  end', 'and nothing else');
  t.deepEqual(session?.read.gaps, [{ offset: 1000, bytes: 1500 }], 'what was thrown away is missing where it came');
  t.deepEqual([run.reading.stated, run.reading.statedBytes], [{ copy: 2 }, 5500], 'both are stated');
});

live('tracer-ssl --plain | tracer-http', async (t, bench) => {
  const tap = await tapped(bench);
  const { stdout } = await sh(
    `${bin('sslsniff')} --plain ${tap.port} -- curl -sS http://127.0.0.1:${tap.port}/v1/models -o /dev/null 2>/dev/null | ${bin('http')}`,
  );
  const lines = stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { event_type: string; data: Record<string, unknown> });
  const response = lines.find((line) => line.event_type === 'http_response');
  t.equal(response?.data.scheme, 'http', 'the scheme');
  t.equal(response?.data.path, '/v1/models', 'the path');
  t.equal(response?.data.status, 200, 'the status');
});
