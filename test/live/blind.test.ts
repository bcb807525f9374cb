/** The self-check where some plaintext is seen: much more TLS than that comes of a library that is not. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { live } from '../support/live.js';
import { python } from '../support/paths.js';

const MIB = 1024 * 1024;

live('one library is read, and another one moves more than a MiB: blind, but not for less', async (t, bench) => {
  const sink = createServer((socket) => socket.resume().on('error', () => {}));
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
  bench.after(() => sink.close());
  const script = join(bench.dir, 'two.py');
  // Records of application data are all that is seen of a library that is not known.
  writeFileSync(
    script,
    `import socket, ssl, sys, urllib.request
context = ssl.create_default_context(cafile='${bench.certificate.ca}')
urllib.request.urlopen('${bench.server.url}/v1/models?tag', context=context).read()
s = socket.create_connection(('127.0.0.1', ${(sink.address() as AddressInfo).port}))
record = bytes([23, 3, 3, 0x40, 0]) + b'?' * 16384
for _ in range(int(sys.argv[1]) // len(record)): s.sendall(record)
s.close()
`,
  );
  const command = [1.5 * MIB, 0.75 * MIB].map((bytes) => `${python} ${script} ${bytes}`).join(' && ');
  const run = await bench.watch(t, ['--', 'sh', '-c', command], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, run.stderr.slice(-500));
  const said = run.events.filter((event) => event.event_type === 'blind');
  t.equal(said.length, 1, 'the one that moved more');
  const pids = [...run.reading.sessions.values()].map(({ pid }) => pid);
  t.equal(pids.length, 2, 'plaintext of both was seen');
  const data = said[0]?.event_type === 'blind' ? said[0].data : undefined;
  t.equal(data?.pid, pids[0], 'of whom');
  t.ok((data?.tls_bytes ?? 0) > MIB && (data?.plaintext_bytes ?? 0) > 0, `${data?.tls_bytes} of TLS, ${data?.plaintext_bytes} seen`);
  t.match(String(data?.hint), /records are of another one/, 'why');
});
