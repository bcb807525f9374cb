/** A sensor that comes in the middle: of a session, of a message, of a library call that waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tape';
import type { AnyEvent, HttpResponse } from '../../lib/stream/event.js';
import { type Bench, live } from '../support/live.js';
import { bin, python, workload } from '../support/paths.js';
import { Running } from '../support/processes.js';
import { Sensor, traces } from '../support/sensor.js';

/** What came is the end of what the server sent, without a hole, and not nothing. */
function isTheEnd(t: Test, bench: Bench, tag: string, got: Buffer): void {
  const sent = bench.server.sentTo(tag);
  t.ok(got.length > 0 && got.length < sent.length, `${got.length} of the ${sent.length} bytes that were sent`);
  t.ok(sent.subarray(sent.length - got.length).equals(got), 'they are the last ones, each once');
}

const clients = {
  python3: (bench: Bench, ...operations: string[]) => [
    python,
    workload('client.py'),
    bench.report,
    bench.certificate.ca,
    bench.server.url,
    ...operations,
  ],
  node: (bench: Bench, ...operations: string[]) => [
    process.execPath,
    workload('client.mjs'),
    bench.report,
    bench.certificate.ca,
    bench.server.url,
    ...operations,
  ],
  curl: (bench: Bench, ...operations: string[]) => {
    const urls = operations.map((o) => `${bench.server.url}${o.slice('get:'.length)}`);
    return ['curl', '-sSN', '--cacert', bench.certificate.ca, ...urls];
  },
};

for (const [name, command] of Object.entries(clients)) {
  live(`${name} in the middle of a stream that it waits for`, async (t, bench) => {
    const [file = '', ...args] = command(bench, 'get:/sse?n=30&ms=100&tag', 'get:/v1/models?after');
    const client = new Running(file, args);
    while (bench.server.sentTo('tag').length < 500) await sleep(20);
    const sensor = new Sensor(['-p', String(client.pid)]);
    await sensor.attached();
    t.equal((await client.done).status, 0, 'the client ends as ever');
    const run = await sensor.stop();
    t.same(run.reading.problems, [], 'the stream of events is in order');
    t.same(traces(run, bench.unrelated), []);
    const [session] = run.reading.sessions.values();
    t.equal(session?.open?.from_start, false, 'it says that it joined midway');
    isTheEnd(t, bench, 'tag', Buffer.concat(session?.read.pieces ?? []));
    t.match(String(Buffer.concat(session?.write.pieces ?? [])), /^GET \/v1\/models\?after/, 'and all that was asked since');

    const http = new Running(bin('http'), [], { input: run.stdout });
    const events = (await http.done).stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as AnyEvent);
    const after = events.find((e) => e.event_type === 'http_response' && (e.data as HttpResponse).path?.includes('after'))?.data as
      | HttpResponse
      | undefined;
    t.equal(after?.status, 200, 'the next exchange on that connection is whole');
    t.equal(after?.partial, undefined);
  });
}
