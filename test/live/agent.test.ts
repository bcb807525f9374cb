/** tracer-agent and AgentRunner: what a program says and does, as one stream in one order. */
import { copyFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type tape from 'tape';
import type { AnyEvent, SensorEnd, SensorStart, TracerEvent } from '../../lib/stream/event.js';
import { type Bench, live } from '../support/live.js';
import { bin, python, root, workload } from '../support/paths.js';
import { of } from '../support/process-sensor.js';
import { Running } from '../support/processes.js';
import { Sensor, type SensorRun } from '../support/sensor.js';
import { assertValid } from '../support/validate.js';

/** A client that opens a file, then talks, then runs a program: under a name of its own. */
function client(bench: Bench): { script: string; words: string[] } {
  const script = join(bench.dir, `agent-${process.pid}.py`);
  const note = join(bench.dir, 'note.txt');
  copyFileSync(workload('client.py'), join(bench.dir, 'client.py'));
  writeFileSync(
    script,
    `import runpy, subprocess, sys\nopen(${JSON.stringify(note)}, 'w').close()\nsys.argv = ['client.py', ${JSON.stringify(bench.report)}, ${JSON.stringify(bench.certificate.ca)}, ${JSON.stringify(bench.server.url)}, 'get:/v1/models?tag']
try:
    runpy.run_path(${JSON.stringify(join(bench.dir, 'client.py'))}, run_name='__main__')
except SystemExit:
    pass\nsubprocess.run(['/bin/true', 'afterwards'])\n`,
  );
  return { script, words: [python, script] };
}

/** The deeds of the client, in the order in which it does them. */
const DEEDS: readonly [string, (data: Record<string, unknown>) => boolean][] = [
  ['process_exec', (data) => String(data['args']).includes('agent-')],
  ['file_open', (data) => String(data['path']).endsWith('note.txt') && data['created'] === true],
  ['net_connect', (data) => data['errno'] === undefined && String(data['peer']).startsWith('127.0.0.1:')],
  ['tls_client_hello', () => true],
  ['ssl_data', (data) => data['direction'] === 'write'],
  ['ssl_data', (data) => data['direction'] === 'read'],
  ['process_fork', () => true],
  ['process_exec', (data) => String(data['args']).includes('afterwards')],
  ['process_exit', (data) => data['comm'] === 'true'],
];

function checkStory(t: tape.Test, events: readonly TracerEvent[], deeds = DEEDS): void {
  let at = 0;
  for (const event of events) {
    const [type, fits] = deeds[at] ?? ['', () => false];
    if (event.event_type === type && fits(event.data as unknown as Record<string, unknown>)) at++;
  }
  t.equal(at, deeds.length, `its deeds come in their order (${deeds[at]?.[0] ?? 'all'})`);
  const [first] = events;
  let last = 0;
  let back = 0;
  // The clock may be trimmed meanwhile: then clock_sync has said so, and later times have another offset.
  let offset = (first?.data as SensorStart | undefined)?.clock_offset_us ?? 0;
  for (const event of events) {
    if (event.event_type === 'clock_sync') offset = event.data.offset_us;
    const boot = event.timestamp - offset / 1000;
    if (boot < last - 0.001) back++;
    last = boot;
  }
  t.equal(back, 0, 'no event is earlier than the one before it');
  t.deepEqual(
    events.map(({ id }) => Number(id.split('-')[1])),
    events.map((_, n) => n + 1),
    'one stream, numbered without a hole',
  );
  const told = events.filter((event) => event.event_type === 'process_info').map((event) => `${event.data.pid} ${event.data.args}`);
  t.deepEqual(told, [...new Set(told)], 'each program is announced once');
}

function sums(t: tape.Test, end: SensorEnd | undefined): void {
  const lost = Object.values(end?.lost ?? { none: 1 }).reduce((sum, n) => sum + n, 0);
  t.equal(lost, 0, 'nothing is lost');
  t.equal(end?.seen, end?.emitted, 'what the kernel counted was given');
}

live('tracer-agent: one story of what a program says and does, in one order', async (t, bench) => {
  const { words } = client(bench);
  const pulse = join(bench.dir, 'pulse');
  const env = { NODE_NAME: 'node-7', POD_NAME: 'agents-0' };
  const args = ['--files', '--collector-id', 'here', '--heartbeat-file', pulse, '--', ...words];
  const run: SensorRun = await new Sensor(args, { env }, [bin('agent')]).end();
  t.equal(run.status, 0, run.stderr.slice(-500));
  t.equal(of(run, 'sensor_start').length, 1, 'one beginning');
  t.equal(of(run, 'sensor_end').length, 1, 'one end');
  const start = of(run, 'sensor_start')[0]?.data;
  t.deepEqual([start?.sensor, start?.collector_id, start?.node, start?.pod], ['agent', 'here', 'node-7', 'agents-0']);
  t.ok(start?.not_covered.some((sentence) => sentence.includes('Java')) && start.not_covered.some((sentence) => sentence.includes('SCTP')));
  for (const limit of ['sessions', 'sockets', 'args_bytes']) t.ok(limit in (start?.limits ?? {}), `its limit ${limit} is said`);
  checkStory(t, run.events);
  sums(t, of(run, 'sensor_end')[0]?.data);
  t.notOk(run.stdout.includes(bench.unrelated), 'nothing of the unrelated client');
  t.ok(statSync(pulse).isFile(), 'the heartbeat file was made');
});

live('--heartbeat-file is touched at each heartbeat, whatever the sensor, and a link is refused', async (t, bench) => {
  const pulse = join(bench.dir, 'pulse');
  const sensor = new Sensor(['--heartbeat', '50', '--heartbeat-file', pulse, '-p', String(process.pid), '--no-children'], {}, [
    bin('procmon'),
  ]);
  await sensor.attached();
  utimesSync(pulse, 1, 1);
  await sensor.says('"event_type":"heartbeat"');
  const before = statSync(pulse).mtimeMs;
  t.ok(before > 1e12 || (await later(pulse)) > 1e12, 'it is as young as the last heartbeat');
  await sensor.stop();
  const refused = await new Sensor(['--heartbeat-file', '/proc/self/exe', '--', 'true'], {}, [bin('procmon')]).running.done;
  t.equal(refused.status, 125);
  t.match(refused.stderr, /heartbeat file/);
});

async function later(file: string): Promise<number> {
  for (let look = 0; look < 100 && statSync(file).mtimeMs < 1e12; look++) await new Promise((done) => setTimeout(done, 50));
  return statSync(file).mtimeMs;
}

live('AgentRunner: the same as a library, by name, with an analyzer behind it (examples/agent.mjs)', async (t, bench) => {
  const { script, words } = client(bench);
  const name = script.split('/').at(-1) as string;
  const example = new Running(process.execPath, [join(root, 'examples/agent.mjs'), name], { timeout: 180000 });
  await example.says('"event_type":"sensor_start"', 60000);
  const target = new Running(words[0] as string, words.slice(1));
  t.equal((await target.done).status, 0);
  await example.says('"afterwards"', 60000);
  example.signal('SIGINT');
  const { stdout, stderr } = await example.done;
  const events = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AnyEvent);
  for (const event of events) assertValid(event);
  t.equal(events.filter((event) => event.event_type === 'sensor_start').length, 1, stderr.slice(-500));
  const order = ['file_open', 'net_connect', 'http_request', 'http_response', 'process_exec'];
  let at = 0;
  for (const event of events) {
    const isFirstOpen = at > 0 || JSON.stringify(event.data).includes('note.txt');
    if (event.event_type === order[at] && isFirstOpen) at++;
  }
  t.equal(at, order.length, 'a file, a connection, a request, its answer, a program');
  t.notOk(stdout.includes(bench.unrelated), 'nothing of the unrelated client');
});
