/** tracer-proc: how processes begin and end, compared with what wait4(2) told their parent. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { ledger, of, processSensor } from '../support/process-sensor.js';
import { Running, run } from '../support/processes.js';
import { program } from '../support/programs.js';
import type { SensorRun } from '../support/sensor.js';
import { skip } from '../support/skip.js';

interface Told {
  what: string;
  pid: number;
  status: number;
  maxRss: number;
}

function live(title: string, body: (t: tape.Test, dir: string) => Promise<void>): void {
  tape(`proc: ${title}`, async (t) => {
    if (process.getuid?.() !== 0) return skip(t, 'needs root');
    const dir = mkdtempSync(join(tmpdir(), 'tracer-proc-'));
    try {
      await body(t, dir);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}

/** Runs procbox under watch; what it printed and what was seen. The command's stdout is the sensor's stderr. */
async function box(dir: string, ...what: string[]): Promise<{ result: SensorRun; told: Told[] }> {
  const result = await processSensor(['--', program('procbox'), ...what], { cwd: dir }).end();
  const told = [...result.stderr.matchAll(/^([\w-]+) (\d+) (\d+) (\d+)$/gm)].map((match) => ({
    what: match[1] ?? '',
    pid: Number(match[2]),
    status: Number(match[3]),
    maxRss: Number(match[4]) * 1024,
  }));
  return { result, told };
}

const KINDS = ['exit3', 'leader-first', 'leader-code', 'thread-exec', 'kill', 'segv-no-core', 'abort', 'vfork', 'no-such'];

live('ends are told once each, as wait4 has them, whoever of the group is last', async (t, dir) => {
  const { result, told } = await box(dir, ...KINDS);
  t.equal(told.length, KINDS.length, result.stderr);
  t.deepEqual(ledger(result), []);
  for (const { what, pid, status, maxRss } of told) {
    const exits = of(result, 'process_exit').filter((event) => event.data.pid === pid);
    t.equal(exits.length, 1, `${what}: one end`);
    const data = exits[0]?.data;
    const signal = status & 0x7f;
    if (signal === 0) t.deepEqual([data?.exit_code, data?.signal], [status >> 8, undefined], `${what}: its code`);
    else {
      t.equal(data?.exit_code, undefined, `${what}: no code`);
      t.match(data?.signal ?? '', /^SIG(KILL|SEGV|ABRT)$/, `${what}: its signal`);
      t.equal(data?.core_dumped ?? false, (status & 0x80) !== 0, `${what}: whether a core was dumped`);
    }
    t.equal(data?.max_rss_bytes, maxRss, `${what}: its memory`);
    t.ok(
      of(result, 'process_fork').some((event) => event.data.child_pid === pid && event.data.child_start_us === data?.start_us),
      `${what}: its fork`,
    );
  }
  const late = told.find(({ what }) => what === 'leader-first');
  const end = of(result, 'process_exit').find((event) => event.data.pid === late?.pid);
  t.ok((end?.data.duration_ns ?? 0) > 45e6, 'the group lived on after its leader');
  const threaded = told.find(({ what }) => what === 'thread-exec');
  const exec = of(result, 'process_exec').filter((event) => event.data.pid === threaded?.pid);
  t.deepEqual(
    exec.map((event) => event.data.args),
    [['echo', 'from a thread']],
    'an exec of a thread that is no leader',
  );
  t.equal(exec[0]?.data.tid, threaded?.pid);
  const failed = of(result, 'process_exec').filter((event) => event.data.errno !== undefined);
  t.deepEqual(
    failed.map(({ data }) => [data.filename, data.args, data.errno]),
    [['/no/such/program', ['none', 'at all'], 'ENOENT']],
    'an exec that failed',
  );
  const vforked = of(result, 'process_exec').find((event) => event.data.args?.[1] === 'vforked');
  t.equal(vforked?.data.pid, told.find(({ what }) => what === 'vfork')?.pid);
});

live('arguments keep their borders, whatever is in them', async (t, dir) => {
  const { result } = await box(dir, 'bytes', 'many', 'long');
  t.deepEqual(ledger(result), []);
  const execs = of(result, 'process_exec').slice(1);
  const bytes = ['true', 'a\nb', 'q"\'\\', '', Buffer.from([0xff, 0xfe])].map((part) => Buffer.from(part as string).toString('base64'));
  t.deepEqual(execs[0]?.data.args_b64, bytes, 'bytes that are no text make the list base64');
  t.equal(execs[1]?.data.args?.length, 10_001);
  t.equal(execs[1]?.data.args?.[10_000], 'a10000');
  t.equal(execs[1]?.data.truncated, undefined);
  const [, , long] = execs;
  t.equal(long?.data.args_bytes, 5 + 2 * 100_001, 'how long it is');
  t.equal(long?.data.truncated, true, 'it is said to be cut');
  t.deepEqual(
    long?.data.args?.map((arg) => arg.length),
    [4, 100_000, 131_072 - 5 - 100_001],
    'at 128 KiB',
  );
});

live('images: a memfd, a deleted file, a script, a relative name, the environment', async (t, dir) => {
  copyFileSync('/bin/true', join(dir, 'true'));
  const { result, told } = await box(dir, 'memfd', 'deleted');
  t.deepEqual(ledger(result), []);
  t.deepEqual(
    told.map(({ status }) => status),
    [0, 0],
  );
  const [, memfd, deleted] = of(result, 'process_exec');
  t.equal(memfd?.data.memfd, true);
  t.deepEqual([memfd?.data.args, memfd?.data.exe], [['innocent'], '/memfd:hidden']);
  t.equal(deleted?.data.deleted, true);
  t.equal(deleted?.data.cwd, dir);
  await run('sh', ['-c', "printf '#!/bin/sh -e\\nexit 4\\n' > s; chmod +x s"], { cwd: dir });
  const script = await processSensor(['--env', 'TRACER_TEST_NAME', '--', './s', 'x'], {
    cwd: dir,
    env: { TRACER_TEST_NAME: 'this one', TRACER_TEST_SECRET: 'not this', TRACEPARENT: '00-1-2-3' },
  }).end();
  t.equal(script.status, 4, 'the status is the command’s');
  const [exec] = of(script, 'process_exec');
  t.deepEqual([exec?.data.filename, exec?.data.interpreter], ['./s', '/bin/sh']);
  t.deepEqual(exec?.data.args, ['/bin/sh', '-e', './s', 'x']);
  t.deepEqual(exec?.data.env, { TRACEPARENT: '00-1-2-3', TRACER_TEST_NAME: 'this one' }, 'only names that were asked for');
  t.notOk(script.stdout.includes('not this'));
});

live('5,000 programs in a burst: none lost, and nobody else is told of', async (t) => {
  const other = new Running('sh', ['-c', 'while :; do /bin/true unrelated-mark; done']);
  const result = await processSensor(['--', 'sh', '-c', 'i=0; while [ $i -lt 5000 ]; do /bin/true $i; i=$((i+1)); done'], {
    timeout: 120_000,
  }).end();
  other.signal('SIGKILL');
  await other.done;
  t.deepEqual(ledger(result), []);
  // Where sh stands late in PATH, there are execs that fail first.
  const seen = of(result, 'process_exec')
    .filter((event) => event.data.errno === undefined)
    .slice(1)
    .map((event) => event.data.args?.[1]);
  t.deepEqual(
    seen,
    Array.from({ length: 5000 }, (_, i) => String(i)),
    'each, in order',
  );
  t.equal(of(result, 'process_exit').length, 5001);
  t.notOk(result.stdout.includes('unrelated-mark'));
});

live('-d leaves out short lives, -m process tells of everybody, a wrong mode is refused', async (t) => {
  const short = await processSensor(['-d', '200', '--', 'sh', '-c', '/bin/true; sleep 0.3; :']).end();
  t.deepEqual(ledger(short), []);
  t.deepEqual(
    of(short, 'process_exit').map((event) => event.data.comm),
    ['sleep', 'sh'],
  );
  const wide = processSensor(['-m', 'process', '-p', String(process.pid), '--no-children']);
  await wide.attached();
  await run('sh', ['-c', '/bin/echo everybody-mark; :']);
  const result = await wide.stop();
  t.ok(of(result, 'process_exec').some((event) => event.data.args?.[1] === 'everybody-mark'));
  const wrong = await processSensor(['-m', 'none', '--', 'true'])
    .end()
    .catch((error: Error) => error);
  t.ok(wrong instanceof Error || wrong.status === 64 || wrong.status === 125, 'usage');
});
