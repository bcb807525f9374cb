/** `-- COMMAND`: started as the user would have started it, and its end is our end. */
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TracerEvent } from '../../lib/stream/event.js';
import { live } from '../support/live.js';
import { bin, python } from '../support/paths.js';
import { run, sh } from '../support/processes.js';
import { Sensor } from '../support/sensor.js';

function endOf(events: readonly TracerEvent[]) {
  const last = events.at(-1);
  return last?.event_type === 'sensor_end' ? last.data.command : undefined;
}

live('its status is ours', async (t) => {
  for (const status of [0, 1, 7, 255]) {
    const result = await new Sensor(['--', 'sh', '-c', `exit ${status}`]).end();
    t.equal(result.status, status);
    t.same(endOf(result.events), { exit_code: status });
  }
});

live('its signal is ours, as 128 + n', async (t) => {
  for (const [signal, number] of [
    ['TERM', 15],
    ['KILL', 9],
    ['INT', 2],
  ] as const) {
    const result = await new Sensor(['--', 'sh', '-c', `kill -${signal} $$; sleep 5`]).end();
    t.equal(result.status, 128 + number);
    t.same(endOf(result.events), { signal: `SIG${signal}` });
  }
});

live('not found is 127, not executable 126, and both are said', async (t, bench) => {
  const plain = join(bench.dir, 'plain-file');
  writeFileSync(plain, 'no program\n', { mode: 0o644 });
  for (const [command, status] of [
    ['tracer-there-is-no-such-command', 127],
    [join(bench.dir, 'nothing/here'), 127],
    [plain, 126],
    [bench.dir, 126],
  ] as const) {
    const result = await run(bin('sslsniff'), ['--', command]);
    t.equal(result.status, status, command);
    t.ok(result.stderr.includes(command), `stderr names it: ${result.stderr.trim().split('\n').at(-1)}`);
  }
});

live('its stdout is on our stderr, its stdin is ours, its directory and environment are as they were', async (t, bench) => {
  const line = 'read word; echo "got $word in $(pwd) with $FRUIT and $#" >&1; echo to stderr >&2';
  const result = await new Sensor(['--', 'sh', '-c', line, 'sh', 'a b', '', '*'], {
    input: 'word\n',
    cwd: bench.dir,
    env: { FRUIT: 'a "fig" $x' },
  }).end();
  t.ok(result.stderr.includes(`got word in ${bench.dir} with a "fig" $x and 3`), result.stderr);
  t.ok(result.stderr.includes('to stderr'));
  t.equal(result.status, 0);
});

live('it inherits nothing of ours: descriptors, signals, limits, capabilities', async (t) => {
  const look = 'grep -E "^(Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp|Groups|Uid|Gid)" /proc/self/status; ulimit -n; umask; nice';
  const alone = await sh(look, { input: '' });
  const watched = await new Sensor(['--', 'sh', '-c', `${look}; echo descriptors $(ls /proc/self/fd)`], { input: '' }).end();
  const expected = alone.stdout.toString().trim();
  t.ok(watched.stderr.includes(expected), `the same as without the sensor\n${expected}\n--- got\n${watched.stderr}`);
  t.match(watched.stderr, /^descriptors 0 1 2 3$/m, 'its own three, and the directory that ls looks at');
});

live('under sudo it is the invoking user', async (t, bench) => {
  const uid = 61000 + (process.pid % 4000);
  const env = { SUDO_UID: String(uid), SUDO_GID: String(uid + 1), SUDO_USER: 'nobody-of-that-name', SUDO_COMMAND: 'tracer-ssl' };
  const out = join(bench.dir, 'who');
  const ask = `id -u > ${out}; id -g >> ${out}; id -G >> ${out}; grep CapEff /proc/self/status >> ${out}; exec curl -sS -o /dev/null --cacert ${bench.certificate.ca} '${bench.server.url}/v1/models?tag'`;
  const result = await bench.watch(t, ['--', 'sh', '-c', ask], () => bench.server.clientTruth('tag'), { env });
  t.equal(result.status, 0, result.stderr.slice(-300));
  const { stdout } = await run('cat', [out]);
  t.equal(stdout.toString(), `${uid}\n${uid + 1}\n${uid + 1}\nCapEff:\t0000000000000000\n`);
  t.equal(statSync(out).uid, uid);
  for (const e of result.events) if (e.event_type === 'ssl_data') t.equal(e.data.uid, uid);
});

live('a command that nobody can watch is named: libssl linked in without symbols', async (t, bench) => {
  const box = bench.box('tlsbox-static', 'plain', '1000', '100');
  const result = await new Sensor(['--', ...box]).end();
  t.equal(result.status, 0);
  const carried = (result.reading.counts.ssl_data ?? 0) > 0;
  t.ok(carried || result.stderr.includes('tlsbox-static'), `watched, or named on stderr: ${result.stderr.slice(-600)}`);
});

live('a command that nobody can watch is named: a TLS library that we do not know', async (t, bench) => {
  const script = join(bench.dir, 'gnutls.py');
  writeFileSync(script, "import ctypes, time\nctypes.CDLL('libgnutls.so.30').gnutls_check_version(None)\ntime.sleep(1.5)\n");
  chmodSync(script, 0o644);
  const result = await new Sensor(['--', python, script]).end();
  t.equal(result.status, 0, result.stderr.slice(-300));
  t.match(result.stderr, /gnutls/i, 'stderr names the library');
  t.ok(/python3/.test(result.stderr), 'and the program');
});

live('a command without any TLS ends without a word of blame', async (t) => {
  const result = await new Sensor(['--', 'true']).end();
  t.equal(result.status, 0);
  t.equal(result.reading.counts.ssl_data ?? 0, 0);
  t.same(result.reading.problems, []);
});

live('asked to end while its command runs: everything up to there is told', async (t, bench) => {
  const line = `curl -sS -o /dev/null --cacert ${bench.certificate.ca} '${bench.server.url}/v1/models?tag'; exec sleep 20`;
  const sensor = new Sensor(['--', 'sh', '-c', line]);
  await sensor.says('ssl_close');
  const before = Date.now();
  sensor.running.signal('SIGTERM');
  const result = await sensor.end();
  t.ok(Date.now() - before < 5000, `it ends soon: ${Date.now() - before} ms`);
  t.equal(result.status, 128 + 15, 'with the status of the command, which got the signal');
  t.equal(result.events.at(-1)?.event_type, 'sensor_end');
  t.same(result.reading.problems, []);
});
