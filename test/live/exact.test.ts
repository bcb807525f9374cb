/** Every byte once, in order, however a program uses libssl. The program counts and hashes; see support/workloads/tlsbox.c. */

import { agree, live } from '../support/live.js';
import { python, workload } from '../support/paths.js';
import { faults, Sensor } from '../support/sensor.js';

/** Modes of tlsbox, as a person would say what they do. */
const modes: [string, string[], Record<string, string>?][] = [
  ['plain calls', ['plain', '60000', '700']],
  ['_ex calls', ['plain', '60000', '700'], { TLSBOX_EX: '1' }],
  ['a TLS BIO, past SSL_write and SSL_read', ['bio']],
  ['one session that goes from thread to thread', ['threads', '16', '20000']],
  ['20 sessions at once, each with threads of its own', ['many', '20', '100000']],
  ['two sessions in turn from one thread', ['alternate']],
  ['calls inside of calls, five deep', ['nested']],
  ['calls that a thread jumps out of', ['jumps']],
  ['a session that a fork takes along', ['fork']],
  ['a call of 16 MiB, and calls around the size of a record', ['big', '16777216']],
  ['bytes looked at before they are taken, and writes of nothing', ['peek']],
  ['writes that are refused and tried again', ['wantwrite']],
  ['writes taken in part, from a buffer that moves', ['wantwrite', 'partial']],
  ['sessions freed and made anew at the same address', ['reuse', '60']],
  ['early data', ['early']],
  ['key updates', ['renegotiate']],
  ['renegotiation in TLS 1.2', ['renegotiate', '1.2']],
  ['out of pages that are not there, into pages that are not there', ['hole']],
];

for (const [what, mode, env] of modes) {
  live(`tlsbox ${mode[0]}: ${what}`, async (t, bench) => {
    const run = await bench.watch(t, ['--', ...bench.box('tlsbox', ...mode)], bench.truth, env ? { env } : {});
    t.equal(run.status, 0, run.stderr.slice(-500));
    t.same(run.reading.stated, {}, 'no loss');
  });
}

live('a process that exits in the middle of a call', async (t, bench) => {
  const run = await bench.watch(t, ['--', ...bench.box('tlsbox', 'leave', '7')], bench.truth);
  t.equal(run.status, 7);
  for (const s of run.reading.sessions.values()) t.equal(s.close?.reason, 'exit');
});

live('a process that dies of a signal in the middle of a call', async (t, bench) => {
  const run = await bench.watch(t, ['--', ...bench.box('tlsbox', 'leave', '-9')], bench.truth);
  t.equal(run.status, 128 + 9);
  for (const s of run.reading.sessions.values()) t.equal(s.close?.reason, 'exit');
});

live('downloads and uploads by python threads and node at once, whole', async (t, bench) => {
  const py = [
    python,
    workload('client.py'),
    bench.report,
    bench.certificate.ca,
    bench.server.url,
    'threads:6:get:/bytes/1000000?tag',
    'threads:6:upload:1000000',
  ];
  const node = [
    process.execPath,
    workload('client.mjs'),
    `${bench.report}.node`,
    bench.certificate.ca,
    bench.server.url,
    'many:6:get:/bytes/1000000?node',
  ];
  const line = [py, node].map((command) => command.map((word) => `'${word}'`).join(' ')).join(' & ');
  const sensor = new Sensor(['--', 'sh', '-c', `${line} & wait`]);
  const run = await sensor.end();
  const truth = [...bench.truth(), ...bench.server.clientTruth('node')];
  t.equal(truth.length, 18);
  agree(t, faults(run, truth, bench.unrelated), run);
});
