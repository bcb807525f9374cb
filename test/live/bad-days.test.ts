/** What goes wrong on real machines: each has a status, a sentence, and never harms the program under watch. */
import { copyFileSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bpfIds, stillThere } from '../support/bpf-ids.js';
import { agree, type Bench, live } from '../support/live.js';
import { bin } from '../support/paths.js';
import { Running, run, sh } from '../support/processes.js';
import { program } from '../support/programs.js';
import { copyTree } from '../support/readable-tree.js';
import { faults, Sensor } from '../support/sensor.js';
import { readReport, reported } from '../support/truth.js';

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? '';
const curl = (bench: Bench, path: string) => [
  'curl',
  '-sS',
  '-o',
  '/dev/null',
  '--cacert',
  bench.certificate.ca,
  `${bench.server.url}${path}`,
];
const quote = (words: readonly string[]) => words.map((w) => `'${w}'`).join(' ');

/** tlsbox that holds a session open. */
async function holding(bench: Bench, env: Record<string, string> = {}): Promise<Running> {
  const box = bench.box('tlsbox', 'hold', '20000');
  const running = new Running(box[0] ?? '', box.slice(1), { env });
  await reported(bench.report, 'ready');
  return running;
}

live('without permission: 77, or 125 with a command, and what to do', async (t, bench) => {
  const tracer = join(copyTree(bench.dir), 'bin/sslsniff');
  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', tracer];
  for (const [args, status] of [
    [['-p', String(process.pid)], 77],
    [['--', 'true'], 125],
  ] as const) {
    const result = await run('setpriv', [...nobody, ...args]);
    t.equal(result.status, status, result.stderr);
    t.equal(result.stdout.length, 0, 'nothing on stdout');
    t.match(lastLine(result.stderr), /sudo|root|capabilit/i, 'the last line says what to do');
  }
});

live('a process that is not there', async (t) => {
  const gone = await run('true', []);
  const result = await run(bin('sslsniff'), ['-p', String(gone.pid)]);
  t.ok(result.status !== 0 && result.status !== null && result.status < 125, `status ${result.status}`);
  t.ok(result.stderr.includes(String(gone.pid)), lastLine(result.stderr));
});

live('a pid that is no number is a usage error', async (t) => {
  const result = await run(bin('sslsniff'), ['--pid', 'x']);
  t.equal(result.status, 64, lastLine(result.stderr));
  t.equal(result.stdout.length, 0);
});

live('a libssl.so without the functions is named, and the rest goes on', async (t, bench) => {
  const dir = join(bench.dir, 'empty');
  mkdirSync(dir);
  writeFileSync(join(dir, 'empty.c'), 'int nothing_here(void) { return 1; }\n');
  const so = join(dir, 'libssl.so.3');
  t.equal((await run('gcc', ['-shared', '-fPIC', '-o', so, join(dir, 'empty.c')])).status, 0);
  const line = `LD_PRELOAD='${so}' sleep 0.7; exec ${quote(curl(bench, '/v1/models?tag'))}`;
  const result = await bench.watch(t, ['--', 'sh', '-c', line], () => bench.server.clientTruth('tag'));
  t.equal(result.status, 0);
  const told = result.stdout.includes(so) || result.stderr.includes(so);
  t.ok(told, `${so} is named: ${result.stderr.slice(-600)}`);
});

live('a libssl.so that is no ELF file, mapped by name', async (t, bench) => {
  const so = join(bench.dir, 'libssl.so.3');
  writeFileSync(so, 'this is no library\n'.repeat(500));
  const script = `import mmap,time\nf=open('${so}','rb')\nm=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\ntime.sleep(0.5)\n`;
  const file = join(bench.dir, 'map.py');
  writeFileSync(file, script);
  const result = await bench.watch(t, ['--', 'sh', '-c', `/usr/bin/python3 ${file}; exec ${quote(curl(bench, '/v1/models?tag'))}`], () =>
    bench.server.clientTruth('tag'),
  );
  t.equal(result.status, 0, result.stderr.slice(-300));
});

live('a library that has been replaced since the program started', async (t, bench) => {
  const dir = join(bench.dir, 'lib');
  mkdirSync(dir);
  const found = (await sh(`ldd '${program('tlsbox')}' | awk '/libssl/ {print $3}'`)).stdout.toString().trim();
  const mine = join(dir, 'libssl.so.3');
  copyFileSync(found, mine);
  const box = await holding(bench, { LD_LIBRARY_PATH: dir });
  t.ok(readFileSync(`/proc/${box.pid}/maps`, 'utf8').includes(mine), 'it uses the copy');
  rmSync(mine);
  writeFileSync(mine, 'another file now\n');
  const sensor = new Sensor(['-p', String(box.pid)]);
  await sensor.attached();
  box.say('go');
  t.equal((await box.done).status, 0);
  const result = await sensor.stop();
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
});

live('a program in a mount namespace of its own, with a libssl that is nowhere else', async (t, bench) => {
  const found = (await sh(`ldd '${program('tlsbox')}' | awk '/libssl/ {print $3}'`)).stdout.toString().trim();
  const box = quote(bench.box('tlsbox', 'plain', '20000', '500'));
  // It maps the library, then waits for a line: a library that nobody has seen before takes a moment to be found.
  const line = `mount -t tmpfs none /mnt && cp '${found}' /mnt/ && LD_LIBRARY_PATH=/mnt TLSBOX_WAIT=1 exec ${box}`;
  const sensor = new Sensor(['--', 'unshare', '-m', 'sh', '-c', line]);
  await reported(bench.report, 'ready');
  await sleep(1000);
  sensor.running.say('go');
  const result = await sensor.end();
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
  t.equal(result.status, 0, 'the status of the command');
  t.equal(result.reading.sessions.size, 2, 'both ends of the session');
});

live('the reader goes away: quiet, 0, and the command is not harmed', async (t, bench) => {
  const box = quote(bench.box('tlsbox', 'plain', '2000000', '1000'));
  const line = `{ ${bin('sslsniff')} -- sh -c "${box.replaceAll("'", '')}; exit 9"; echo "status $?" >&2; } | head -1`;
  const result = await sh(line);
  t.match(result.stdout.toString(), /^\{.*sensor_start.*\}\n$/);
  t.match(result.stderr, /status 9\n$/, `quietly: ${result.stderr}`);
  t.equal(bench.truth().length, 2, 'the command has come to its end');
  const client = await holding({
    ...bench,
    report: `${bench.report}.2`,
    box: (name, ...mode) => [program(name), `${bench.report}.2`, bench.certificate.cert, bench.certificate.key, ...mode],
  });
  const second = sh(`{ ${bin('sslsniff')} -p ${client.pid}; echo "status $?" >&2; } | head -1`);
  await sleep(1500);
  client.say('go');
  t.match((await second).stderr, /status 0\n$/, 'beside a process: 0');
  t.equal((await client.done).status, 0);
});

live("the disk is full on the reader's side: 74, said, and the program goes on", async (t, bench) => {
  const client = await holding(bench);
  const full = await run(bin('sslsniff'), ['-p', String(client.pid)], { stdout: openSync('/dev/full', 'w') });
  t.equal(full.status, 74, full.stderr);
  t.match(lastLine(full.stderr), /ENOSPC|space/i);
  client.say('go');
  t.equal((await client.done).status, 0);
  // The same with -o, on a file system of 64 KiB that fills up on the way.
  const box = quote(bench.box('tlsbox', 'plain', '300000', '1000'));
  const line = `mount -t tmpfs -o size=64k none /mnt && exec ${bin('sslsniff')} -o /mnt/session -- sh -c '${box.replaceAll("'", '')}; exit 9'`;
  const small = await run('unshare', ['-m', 'sh', '-c', line]);
  t.match(small.stderr, /ENOSPC|space/i, small.stderr.slice(-300));
  t.equal(small.status, 125, 'we failed, not the command');
  t.equal(readReport(bench.report).filter((l) => l.conn === 'plain.client').length, 1, 'the command has come to its end');
});

live('without tracefs', async (t, bench) => {
  const line = 'umount -a -t tracefs,debugfs 2>/dev/null; exec "$@"';
  const box = bench.box('tlsbox', 'plain', '20000', '500');
  const result = await run('unshare', ['-m', 'sh', '-c', line, 'sh', bin('sslsniff'), '--', ...box]);
  t.equal(result.status, 0, result.stderr.slice(-500));
  t.ok(result.stdout.includes('"event_type":"ssl_data"'));
  t.notOk((await sh('mount -t tracefs')).stdout.includes('tracer'), 'no mount is left behind');
});

live('without BTF: 69, or 125 with a command, and why', async (t) => {
  const line = 'mount --bind /dev/null /sys/kernel/btf/vmlinux && exec "$@"';
  const result = await run('unshare', ['-m', 'sh', '-c', line, 'sh', bin('sslsniff'), '-p', String(process.pid)]);
  t.equal(result.status, 69, result.stderr);
  t.match(result.stderr, /BTF/);
  t.equal(result.stdout.length, 0);
});

live('Ctrl-C ends it, a second one at once, even when nobody reads', async (t, bench) => {
  const client = await holding(bench);
  const first = new Sensor(['-p', String(client.pid)]);
  await first.attached();
  t.equal((await first.stop()).status, 0, 'one Ctrl-C: 0');
  const box = bench.box('tlsbox', 'flood', '30000', '4096');
  const flood = new Running(box[0] ?? '', box.slice(1));
  // Its stdout is a pipe that nobody reads.
  const stalled = new Running('sh', [
    '-c',
    `exec 3>&1; { ${bin('sslsniff')} -p ${flood.pid} & echo $! >&3; wait $!; echo "status $?" >&3; } | sleep 20`,
  ]);
  await stalled.until((r) => /^\d+\n/.test(r.stdout.toString()), 'pid');
  const pid = Number.parseInt(stalled.stdout.toString(), 10);
  await sleep(2500);
  process.kill(pid, 'SIGINT');
  await sleep(300);
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    t.comment('the first one was enough');
  }
  // The reader would go on sleeping for twice that.
  await stalled.until((r) => r.stdout.includes('status'), 'status', 7000);
  t.pass('gone after the second');
  flood.signal('SIGTERM');
  stalled.signal('SIGKILL');
  await flood.done;
  client.say('go');
  t.equal((await client.done).status, 0);
});

live('SIGKILL under load: no probe stays, the program goes on', async (t, bench) => {
  const box = bench.box('tlsbox', 'flood', '2500', '512');
  const flood = new Running(box[0] ?? '', box.slice(1));
  const sensor = new Sensor(['-p', String(flood.pid)]);
  await sensor.attached();
  await sensor.says('ssl_data');
  const ids = bpfIds(sensor.running.pid);
  t.ok(ids.prog.length > 0 && ids.map.length > 0, `it held ${ids.prog.length} programs, ${ids.link.length} links, ${ids.map.length} maps`);
  t.ok(stillThere(ids).length >= ids.prog.length, 'and the kernel has them');
  sensor.running.signal('SIGKILL');
  t.equal((await sensor.running.done).signal, 'SIGKILL');
  t.equal((await flood.done).status, 0, 'the program ends as it would have');
  let left = stillThere(ids);
  for (let i = 0; i < 50 && left.length > 0; i++) {
    await sleep(100);
    left = stillThere(ids);
  }
  t.same(left, [], 'nothing is left in the kernel');
  t.equal(bench.truth().length, 2);
});

live('a second sensor on the same process sees the same', async (t, bench) => {
  const client = await holding(bench);
  const sensors = [new Sensor(['-p', String(client.pid)]), new Sensor(['-p', String(client.pid)])];
  for (const s of sensors) await s.attached();
  client.say('go');
  t.equal((await client.done).status, 0);
  for (const s of sensors) {
    const result = await s.stop();
    agree(t, faults(result, bench.truth(), bench.unrelated), result);
  }
});
