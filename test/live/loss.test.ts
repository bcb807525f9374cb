/** Loss that is forced: said, counted, placed. `seen = emitted + lost`, and the gaps in `offset` are as large as the loss. */
import type { Test } from 'tape';
import { type Bench, live } from '../support/live.js';
import { bin } from '../support/paths.js';
import { run, sh } from '../support/processes.js';
import { Sensor, type SensorRun, traces } from '../support/sensor.js';

/** Every byte that the workload counted is either in an event or in a stated loss, session by session. */
function addsUp(t: Test, bench: Bench, result: SensorRun): void {
  for (const problem of result.reading.problems.slice(0, 20)) t.fail(problem);
  for (const trace of traces(result, bench.unrelated)) t.fail(trace);
  const truths = bench.truth();
  t.ok(truths.length > 0, 'the workload came to its end');
  for (const truth of truths) {
    const session = [...result.reading.sessions.values()].find(
      (s) => s.close?.read_bytes === truth.read.bytes && s.close?.write_bytes === truth.write.bytes,
    );
    t.ok(session, `${truth.conn}: an ssl_close with ${truth.read.bytes} read and ${truth.write.bytes} written`);
    if (!session) continue;
    const came = session.read.captured + session.write.captured;
    const lost = session.close?.lost_bytes ?? 0;
    t.equal(came + lost, truth.read.bytes + truth.write.bytes, `${came} bytes came, ${lost} are stated as lost`);
    const open = truth.read.bytes - session.read.next + (truth.write.bytes - session.write.next);
    t.equal(session.read.missing() + session.write.missing() + open, lost, 'the gaps in offset are the loss');
  }
  const end = result.events.at(-1);
  t.comment(
    `sensor_end: ${end?.event_type === 'sensor_end' ? JSON.stringify([end.data.seen, end.data.emitted, end.data.lost]) : end?.event_type}; events ${JSON.stringify(result.reading.counts)}`,
  );
}

live('a ring that is too small', async (t, bench) => {
  const result = await new Sensor(['--ring-bytes', '4096', '--', ...bench.box('tlsbox', 'big', '4000000')]).end();
  t.equal(result.status, 0);
  addsUp(t, bench, result);
  t.ok((result.reading.counts.loss ?? 0) > 0, 'loss is said in-band');
});

live('a ring that is too small for a flood of small calls', async (t, bench) => {
  const result = await new Sensor(['--ring-bytes', '8192', '--', ...bench.box('tlsbox', 'flood', '1000', '256')]).end();
  t.equal(result.status, 0);
  addsUp(t, bench, result);
  t.ok((result.reading.counts.loss ?? 0) > 0, 'loss is said in-band');
});

live('a reader that stalls', async (t, bench) => {
  const box = bench.box('tlsbox', 'flood', '2500', '16384').map((w) => `'${w}'`);
  const { stdout, stderr, status } = await sh(`${bin('sslsniff')} -- ${box.join(' ')} | { sleep 4; cat; }`);
  t.equal(status, 0, stderr.slice(-300));
  const { readSessions } = await import('../support/sessions.js');
  const events = stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const result = { stdout, stderr, status, signal: null, pid: 0, events, reading: readSessions(events) };
  addsUp(t, bench, result);
});

live('--max-bytes: cut on request, and said', async (t, bench) => {
  const result = await new Sensor(['--max-bytes', '100', '--', ...bench.box('tlsbox', 'plain', '50000', '1000')]).end();
  t.equal(result.status, 0, result.stderr.slice(-300));
  for (const s of result.reading.sessions.values()) {
    t.equal(s.read.next, 50000, 'offsets stand for every byte');
    t.ok(s.write.captured <= 50 * 100, `${s.write.captured} bytes captured of 50 calls`);
  }
  for (const e of result.events)
    if (e.event_type === 'ssl_data' && e.data.captured_bytes > 100) t.fail(`${e.id} has ${e.data.captured_bytes}`);
});

live('what was lost resynchronises: tracer-http goes on behind the gap', async (t, bench) => {
  const get = (n: number) => `'${bench.server.url}/bytes/200000?tag${n}' -o /dev/null`;
  const urls = Array.from({ length: 20 }, (_, i) => get(i)).join(' ');
  const line = `${bin('sslsniff')} --ring-bytes 16384 -- curl -sS --cacert ${bench.certificate.ca} ${urls} | ${bin('http')}`;
  const { stdout, status, stderr } = await run('sh', ['-c', line]);
  t.equal(status, 0, stderr.slice(-300));
  const events = stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l) as { event_type: string; data: { path?: string; partial?: string[] } });
  const requests = events.filter((e) => e.event_type === 'http_request');
  const responses = events.filter((e) => e.event_type === 'http_response');
  t.comment(
    `${requests.length} requests, ${responses.length} responses, ${responses.filter((e) => e.data.partial).length} of them partial`,
  );
  t.ok(requests.length > 0);
  t.ok(
    events.some((e) => e.event_type === 'loss') ? responses.some((e) => e.data.partial?.includes('gap')) : true,
    'a gap is named where one is',
  );
});
