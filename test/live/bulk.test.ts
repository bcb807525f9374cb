/**
 * Much at once: 50 MB down and 50 MB up, with 18 more sessions at the same time, by each kind of program: what the events
 * hold has the sha256 that the workload counted. And very many short sessions.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tape';
import type { Direction } from '../../lib/stream/event.js';
import { bytesOf } from '../../lib/stream/payload.js';
import { agree, type Bench, live } from '../support/live.js';
import { python, workload } from '../support/paths.js';
import { Running } from '../support/processes.js';
import { faults, recorded, Sensor, type SensorRun } from '../support/sensor.js';
import { readSessions } from '../support/sessions.js';
import type { SessionTruth } from '../support/truth.js';

const LARGE = 50_000_000;
const SMALL = 1_000_000;

/** 20 things to do at once, as `down` and `up` say them. */
function twenty(down: (bytes: number) => string, up: (bytes: number) => string): string[] {
  return [down(LARGE), up(LARGE), ...Array.from({ length: 18 }, (_, i) => (i % 2 ? up : down)(SMALL))];
}

/** Watches `command` into a file, reads the file, compares. */
async function bulk(t: Test, bench: Bench, command: readonly string[], truth: () => readonly SessionTruth[], sessions = 20): Promise<void> {
  const file = join(bench.dir, 'session.ndjson');
  const done = await new Sensor(['-o', file, '--', ...command], { timeout: 100000 }).running.done;
  t.equal(done.status, 0, 'the status of the command');
  const reading = readSessions(recorded(file));
  const run = { ...done, events: [], reading };
  const truths = truth();
  t.equal(truths.length, sessions, 'sessions');
  const bytes = truths.reduce((sum, x) => sum + x.read.bytes + x.write.bytes, 0);
  t.comment(`${bytes} bytes, ${reading.counts.ssl_data} ssl_data, stated loss ${JSON.stringify(reading.stated)}`);
  agree(t, faults(run, truths, bench.unrelated), run);
}

live(
  'relay (C): sessions that go from thread to thread',
  async (t, bench) => {
    const box = bench.box(
      'relay',
      String(bench.server.port),
      ...twenty(
        (n) => `down:${n}`,
        (n) => `up:${n}`,
      ),
    );
    await bulk(t, bench, box, bench.truth);
  },
  120,
);

live(
  'python3: a thread for each',
  async (t, bench) => {
    const operations = twenty(
      (n) => `get:/bytes/${n}?tag`,
      (n) => `upload:${n}?tag`,
    );
    await bulk(
      t,
      bench,
      [python, workload('client.py'), bench.report, bench.certificate.ca, bench.server.url, `together:${operations.join()}`],
      bench.truth,
    );
  },
  120,
);

live(
  'node: all from one thread',
  async (t, bench) => {
    const operations = twenty(
      (n) => `get:/bytes/${n}?tag`,
      (n) => `upload:${n}?tag`,
    );
    const command = [
      process.execPath,
      workload('client.mjs'),
      bench.report,
      bench.certificate.ca,
      bench.server.url,
      `together:${operations.join()}`,
    ];
    await bulk(t, bench, command, () => bench.server.clientTruth('tag'));
  },
  120,
);

live(
  'curl: a process for each',
  async (t, bench) => {
    const curl = `curl -sS -o /dev/null --cacert ${bench.certificate.ca}`;
    for (const size of [LARGE, SMALL])
      writeFileSync(join(bench.dir, `body${size}`), Buffer.alloc(size, `pattern of ${size} bytes, again and again\n`));
    const lines = twenty(
      (n) => `${curl} '${bench.server.url}/bytes/${n}?tag' &`,
      (n) => `${curl} -H Expect: --data-binary '@${bench.dir}/body${n}' '${bench.server.url}/upload?tag' &`,
    );
    await bulk(t, bench, ['sh', '-c', `${lines.join('\n')}\nwait`], () => bench.server.clientTruth('tag'));
  },
  120,
);

live(
  '5,000 short sessions in a row, faster than 10,000 a minute',
  async (t, bench) => {
    await bulk(t, bench, bench.box('tlsbox', 'reuse', '2500'), bench.truth, 5000);
  },
  120,
);

live(
  '100 short processes, one after the other',
  async (t, bench) => {
    const curl = `curl -sS -o /dev/null --cacert ${bench.certificate.ca} '${bench.server.url}/v1/models?tag'`;
    await bulk(
      t,
      bench,
      ['sh', '-c', `i=0; while [ $i -lt 100 ]; do ${curl}; i=$((i+1)); done`],
      () => bench.server.clientTruth('tag'),
      100,
    );
  },
  120,
);

/** `tlsbox flood` puts the number of the turn at the start of each of its writes, and each is one event. */
function numbersOfCalls(run: SensorRun, direction: Direction): number[] {
  return run.events.flatMap((event) =>
    event.event_type === 'ssl_data' && event.data.direction === direction ? [Number(bytesOf(event.data)?.readBigUInt64LE())] : [],
  );
}

/** Pairs of neighbours that do not follow one another. */
function gaps(numbers: readonly number[]): [number, number][] {
  return numbers.flatMap((n, i): [number, number][] => {
    const before = numbers[i - 1];
    return before === undefined || n === before + 1 ? [] : [[before, n]];
  });
}

live('a process that is killed in the middle of a flood', async (t, bench) => {
  const box = bench.box('tlsbox', 'flood', '20000', '2000');
  const flood = new Running(box[0] ?? '', box.slice(1));
  const sensor = new Sensor(['-p', String(flood.pid)]);
  await sensor.attached();
  await sensor.says('ssl_data');
  await sleep(300);
  flood.signal('SIGKILL');
  await flood.done;
  await sensor.says('ssl_close');
  const run = await sensor.stop();
  t.same(run.reading.problems, [], 'everything up to there adds up');
  const ends = [...run.reading.sessions.values()];
  t.equal(ends.length, 2, 'both ends of the session');
  for (const s of ends) t.equal(s.close?.reason, 'exit', 'the reason');
  const of = (direction: Direction): number[] => numbersOfCalls(run, direction);
  const [written, read] = [of('write'), of('read')];
  t.same([gaps(written), gaps(read)], [[], []], 'no call is missing between the first and the last that was seen, in either direction');
  // It writes and reads in turns, so at most the last write was not read any more. The sensor joined midway and one probe
  // after the other, so the first ones may be some turns apart.
  const behind = (written.at(-1) ?? Number.NaN) - (read.at(-1) ?? Number.NaN);
  t.ok(behind === 0 || behind === 1, `the last call written is ${written.at(-1)}, the last read ${read.at(-1)}`);
});
