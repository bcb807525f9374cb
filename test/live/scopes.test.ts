/** The one scope: by process, by name, by control group, by user. Processes that run already, and those that come later. */
import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup } from '../support/cgroup.js';
import { agree, type Bench, live } from '../support/live.js';
import { python, workload } from '../support/paths.js';
import { Running, run } from '../support/processes.js';
import { faults, Sensor } from '../support/sensor.js';
import { reported } from '../support/truth.js';

/** A name for a program that nobody else on this machine has: 13 bytes, so it is a process name as it stands. */
const name = () => `trc${process.pid}${Math.floor(performance.now() * 1000) % 100000}`.slice(0, 13);

const curl = (bench: Bench, path: string) => [
  'curl',
  '-sS',
  '-o',
  '/dev/null',
  '--cacert',
  bench.certificate.ca,
  `${bench.server.url}${path}`,
];

/** client.py that has made a connection and waits for a line on stdin. */
async function waitingPython(bench: Bench, script = workload('client.py')): Promise<Running> {
  const args = [
    script,
    bench.report,
    bench.certificate.ca,
    bench.server.url,
    'get:/before',
    'wait',
    'mark',
    'get:/v1/models?tag',
    'upload:50000',
  ];
  const client = new Running(python, args);
  await reported(bench.report, 'ready');
  return client;
}

live('-p: a session that was open before the sensor came', async (t, bench) => {
  const client = await waitingPython(bench);
  const sensor = new Sensor(['-p', String(client.pid)]);
  await sensor.attached();
  client.say('go');
  t.equal((await client.done).status, 0);
  const result = await sensor.stop();
  t.equal(result.status, 0);
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
  const [session] = result.reading.sessions.values();
  t.equal(session?.open?.from_start, false, 'it says that it joined midway');
  const info = result.events.find((e) => e.event_type === 'process_info');
  t.equal(info?.event_type === 'process_info' && info.data.origin, 'snapshot');
  t.notOk(Buffer.concat(session?.write.pieces ?? []).includes('/before'), 'nothing from before');
});

live('-p of two processes, one of C with a session open, one of node', async (t, bench) => {
  const box = bench.box('tlsbox', 'hold', '30000');
  const first = new Running(box[0] ?? '', box.slice(1));
  await reported(bench.report, 'ready');
  const nodeReport = join(bench.dir, 'node-report');
  const args = [workload('client.mjs'), nodeReport, bench.certificate.ca, bench.server.url, 'wait', 'get:/v1/models?tag', 'upload:20000'];
  const second = new Running(process.execPath, args);
  await reported(nodeReport, 'ready');
  const sensor = new Sensor(['-p', `${first.pid},${second.pid}`]);
  await sensor.attached();
  first.say('go');
  second.say('go');
  t.equal((await first.done).status, 0);
  t.equal((await second.done).status, 0);
  const result = await sensor.stop();
  const truth = [...bench.truth(), ...bench.server.clientTruth('tag').map((x) => ({ ...x, pid: second.pid }))];
  agree(t, faults(result, truth, bench.unrelated), result);
});

live('-p: a process that ends while it is watched', async (t, bench) => {
  const client = await waitingPython(bench);
  const sensor = new Sensor(['-p', String(client.pid)]);
  await sensor.attached();
  client.say('go');
  await client.done;
  await sensor.says('ssl_close');
  const result = await sensor.stop();
  t.equal(result.status, 0);
  const last = result.events.at(-1);
  t.equal(last?.event_type, 'sensor_end');
});

live('-p: a shell whose children come later', async (t, bench) => {
  const shell = new Running('sh', []);
  const sensor = new Sensor(['-p', String(shell.pid)]);
  await sensor.attached();
  for (let i = 0; i < 3; i++)
    shell.say(
      curl(bench, `/v1/models?tag${i}`)
        .map((a) => `'${a}'`)
        .join(' '),
    );
  shell.say('exit 0');
  t.equal((await shell.done).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
  t.equal(result.reading.sessions.size, 3);
});

live('-c: by the name of the executable, started later', async (t, bench) => {
  const mine = join(bench.dir, name());
  copyFileSync('/usr/bin/curl', mine);
  const sensor = new Sensor(['-c', mine.split('/').at(-1) ?? '']);
  await sensor.attached();
  for (let i = 0; i < 2; i++) t.equal((await run(mine, curl(bench, `/v1/models?tag${i}`).slice(1))).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
});

live('-c: by the name of the script, running and started later', async (t, bench) => {
  const script = join(bench.dir, `${name()}.py`);
  copyFileSync(workload('client.py'), script);
  const running = await waitingPython(bench, script);
  const sensor = new Sensor(['-c', script.split('/').at(-1) ?? '']);
  await sensor.attached();
  running.say('go');
  const later = await run(python, [script, bench.report, bench.certificate.ca, bench.server.url, 'get:/v1/models?later']);
  t.equal(later.status, 0, later.stderr);
  t.equal((await running.done).status, 0);
  // The same script under another name is another program.
  const other = join(bench.dir, 'other.py');
  copyFileSync(script, other);
  const otherReport = join(bench.dir, 'other-report');
  await run(python, [other, otherReport, bench.certificate.ca, bench.server.url, `get:/v1/models?${bench.unrelated}`]);
  const result = await sensor.stop();
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
});

live('-c: a script with a #! line, called by its own name, that the kernel starts as an interpreter', async (t, bench) => {
  const script = join(bench.dir, name());
  writeFileSync(script, `#!/bin/sh\n${curl(bench, '/v1/models?tag').join(' ')}\n`, { mode: 0o755 });
  const sensor = new Sensor(['-c', script.split('/').at(-1) ?? '']);
  await sensor.attached();
  t.equal((await run(script, [])).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
});

live('-c: through a symbolic link', async (t, bench) => {
  const mine = join(bench.dir, name());
  symlinkSync('/usr/bin/curl', mine);
  const sensor = new Sensor(['-c', mine.split('/').at(-1) ?? '']);
  await sensor.attached();
  t.equal((await run(mine, curl(bench, '/v1/models?tag').slice(1))).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
});

live('--cgroup: members, those that come, and those that leave', async (t, bench) => {
  const group = Cgroup.make();
  bench.after(() => group.remove());
  const client = await waitingPython(bench);
  group.add(client.pid);
  const sensor = new Sensor(['--cgroup', group.path]);
  await sensor.attached();
  client.say('go');
  t.equal((await client.done).status, 0);
  const [command, args] = group.wrap('curl', curl(bench, '/v1/models?tag-cgroup').slice(1));
  t.equal((await run(command, args)).status, 0);
  // In, then out again before it speaks: it stays in scope.
  const leaver = `echo $$ > '${group.path}/cgroup.procs'; echo $$ > '${group.path}/../cgroup.procs'; ${curl(bench, '/v1/models?tag-leaver')
    .map((a) => `'${a}'`)
    .join(' ')}`;
  t.equal((await run('sh', ['-c', leaver])).status, 0);
  const result = await sensor.stop();
  const truth = [...bench.truth(), ...bench.server.clientTruth('tag-')];
  agree(t, faults(result, truth, bench.unrelated), result);
  const data = result.events.find((e) => e.event_type === 'ssl_data');
  t.equal(data?.event_type === 'ssl_data' && data.data.cgroup_id, group.id, 'cgroup_id is the inode of its directory');
});

live('--cgroup: what is below it belongs to it', async (t, bench) => {
  const group = Cgroup.make();
  bench.after(() => group.remove());
  const sensor = new Sensor(['--cgroup', group.path]);
  await sensor.attached();
  const inner = `mkdir '${group.path}/inner' && echo $$ > '${group.path}/inner/cgroup.procs' && exec "$@"`;
  bench.after(() => run('rmdir', [join(group.path, 'inner')]));
  t.equal((await run('sh', ['-c', inner, 'sh', ...curl(bench, '/v1/models?tag')])).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
});

live('--uid: a user of its own, and nobody else', async (t, bench) => {
  const uid = 61000 + (process.pid % 4000);
  const sensor = new Sensor(['--uid', String(uid)]);
  await sensor.attached();
  const [command = '', ...args] = curl(bench, '/v1/models?tag');
  t.equal((await run(command, args, { uid, gid: uid })).status, 0);
  t.equal((await run('setpriv', ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', command, ...args])).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag'), bench.unrelated), result);
  t.equal(result.reading.sessions.size, 2);
  for (const e of result.events) if (e.event_type === 'ssl_data') t.equal(e.data.uid, uid);
});

live('several scopes are united, and given by the environment as well', async (t, bench) => {
  const mine = join(bench.dir, name());
  copyFileSync('/usr/bin/curl', mine);
  const shell = new Running('sh', []);
  const sensor = new Sensor(['-p', String(shell.pid)], { env: { TRACER_COMM: mine.split('/').at(-1) } });
  await sensor.attached();
  t.equal((await run(mine, curl(bench, '/v1/models?tag-comm').slice(1))).status, 0);
  shell.say(
    curl(bench, '/v1/models?tag-pid')
      .map((a) => `'${a}'`)
      .join(' '),
  );
  shell.say('exit 0');
  t.equal((await shell.done).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.server.clientTruth('tag-'), bench.unrelated), result);
  t.equal(result.reading.sessions.size, 2);
});

live('a server under watch', async (t, bench) => {
  const box = bench.box('serve', '2');
  const serve = new Running(box[0] ?? '', box.slice(1));
  const { port } = await reported(bench.report, 'port');
  const sensor = new Sensor(['-p', String(serve.pid)]);
  await sensor.attached();
  const get = ['-sS', '--cacert', bench.certificate.ca, '-d', 'hello', `https://localhost:${port}/a`, `https://localhost:${port}/b`];
  for (let i = 0; i < 2; i++) t.equal((await run('curl', get)).status, 0);
  t.equal((await serve.done).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
  const [session] = result.reading.sessions.values();
  if (session?.open?.role !== undefined) t.equal(session.open.role, 'server');
});
