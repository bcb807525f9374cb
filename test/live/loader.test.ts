/** The loader on the running kernel: load, attach, count, lose, sleep, and leave nothing behind. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { BpfError, BpfObject, closeLinks, type Ring } from '../../lib/bpf/index.js';
import { native } from '../../lib/bpf/native.js';
import { prefersUprobeMulti } from '../../lib/bpf/uprobe-multi.js';
import { buildTarget, objectPath, scratch, startTarget } from '../bpf/target.js';
import { root } from '../support/paths.js';

const target = buildTarget();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Names of this process's loaded programs by id: other sensors on this host come and go. */
function ourPrograms(): number {
  let n = 0;
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    try {
      if (readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').includes('prog_id:')) n++;
    } catch {} // the descriptor of this very listing
  }
  return n;
}

async function until(holds: () => boolean, ms = 5000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (holds()) return true;
    await sleep(2);
  }
  return holds();
}

interface Numbers {
  numbers: number[];
  bytes: number;
  batches: number;
}

/** Reads `number` of every record (offset 8 of its payload) and checks that lengths add up. */
function collect(): Numbers & { batch(records: Buffer): void } {
  return {
    numbers: [],
    bytes: 0,
    batches: 0,
    batch(records) {
      this.batches++;
      this.bytes += records.length;
      let at = 0;
      while (at < records.length) {
        const length = records.readUInt32LE(at);
        this.numbers.push(Number(records.readBigUInt64LE(at + 16)));
        at += 8 + ((length + 7) & ~7);
      }
      if (at !== records.length) throw new Error('a batch ends inside a record');
    },
  };
}

function open(pid: number, recordsPerCall = 1): BpfObject {
  const object = BpfObject.open(objectPath);
  object.setRodata('only_pid', pid);
  object.setRodata('records_per_call', recordsPerCall);
  return object;
}

const u64 = (object: BpfObject, name: string) => Number(object.global(name).read().readBigUInt64LE());

test('a uprobe: every call is one record, in order, discarded ones left out', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid);
  object.load();
  const got = collect();
  const ring = object.ring('ring', got);
  object.attachUprobe('call_entry', target);
  await run.calls(1000);
  const expected = Array.from({ length: 1000 }, (_, i) => i).filter((i) => i % 16 !== 15);
  t.ok(await until(() => got.numbers.length >= expected.length), `${got.numbers.length} records`);
  t.same(got.numbers, expected);
  t.equal(ring.pending(), 0);
  t.equal(u64(object, 'submitted'), 1000);
  t.equal(object.map('counters').sumPerCpu(Buffer.from([1, 0, 0, 0])), 1000n);
  object.close();
  run.end();
});

test('entry and return, and only in the process that was asked for', async (t) => {
  const [mine, other] = await Promise.all([startTarget(target), startTarget(target)]);
  const object = open(0);
  object.load();
  const got = collect();
  object.ring('ring', got);
  object.attachUprobe('call_entry', { ...target, pid: mine.pid });
  const back = object.attachUprobe('call_return', { ...target, pid: mine.pid, ret: true });
  await Promise.all([mine.calls(5), other.calls(7)]);
  t.ok(await until(() => got.numbers.length === 10));
  await sleep(30);
  t.equal(got.numbers.length, 10);
  back.close();
  await mine.calls(3);
  t.ok(await until(() => got.numbers.length === 13));
  object.close();
  await mine.calls(3);
  t.equal(got.numbers.length, 13, 'nothing after close');
  mine.end();
  other.end();
});

test('constants, tables and variables, by name', (t) => {
  const object = open(1);
  object.setRodata('negative', -3n);
  t.equal(object.global('negative').read().readBigInt64LE(), -3n);
  object.setRodata('prefix', Buffer.from('abc'));
  t.equal(object.global('prefix').read().toString('latin1'), 'abc\0\0\0\0\0');
  t.throws(() => object.setRodata('only_pid', 2n ** 32n), /does not fit/);
  t.throws(() => object.setRodata('nonesuch', 1), /nonesuch.*ENOENT/);
  object.setMaxEntries('table', 3);
  object.load();
  t.throws(() => object.setRodata('only_pid', 2), /EPERM/, 'constants are constant after the load');
  const table = object.map('table');
  const key = (n: number) => Buffer.from(new Uint32Array([n]).buffer);
  const value = (n: bigint) => Buffer.from(new BigUint64Array([n]).buffer);
  for (const n of [1, 2, 3]) table.update(key(n), value(BigInt(n) * 10n));
  t.throws(() => table.update(key(4), value(4n)), /E2BIG/);
  t.equal(table.lookup(key(2))?.readBigUInt64LE(), 20n);
  t.equal(table.lookup(key(9)), undefined);
  t.equal(table.delete(key(2)), true);
  t.equal(table.delete(key(2)), false);
  t.same([...table.keys()].map((k) => k.readUInt32LE()).sort(), [1, 3]);
  t.throws(() => table.lookup(Buffer.alloc(3)), /a key has 4 bytes/);
  t.throws(() => table.update(key(1), Buffer.alloc(4)), /a value has 8 bytes/);
  const counters = object.map('counters');
  t.equal(counters.lookupPerCpu(key(0))?.length, counters.info.cpus);
  object.global('submitted').write(value(77n));
  t.equal(u64(object, 'submitted'), 77);
  object.close();
  t.throws(() => object.programs(), /closed/);
  t.end();
});

test('tracepoints by name, without a mounted tracefs too', async (t) => {
  const object = open(0);
  object.load();
  const link = object.attachTracepoint('exec_tracepoint', 'sched', 'sched_process_exec');
  spawn('true');
  t.ok(await until(() => u64(object, 'executed') > 0), 'tracepoint');
  link.close();
  object.global('executed').write(Buffer.alloc(8));
  object.attachRawTracepoint('exec_raw', 'sched_process_exec');
  spawn('true');
  t.ok(await until(() => u64(object, 'executed') > 0), 'raw tracepoint');
  t.throws(
    () => object.attachTracepoint('exec_tracepoint', 'sched', 'no_such_event'),
    (error: unknown) => error instanceof BpfError && error.errno === 'ENOENT' && /no such tracepoint/.test(error.next ?? ''),
  );
  object.close();
});

test('a cgroup, by its directory', (t) => {
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/self/mounts', 'latin1'))?.[1] ?? '/sys/fs/cgroup';
  const cgroup = join(mount, `tracer-loader-test-${process.pid}`);
  mkdirSync(cgroup);
  try {
    const object = open(0);
    object.load();
    object.attachCgroup('allow_sockets', cgroup);
    t.throws(() => object.attachCgroup('allow_sockets', scratch()), /cannot attach allow_sockets to cgroup/);
    object.close();
  } finally {
    rmdirSync(cgroup);
  }
  t.end();
});

test('a program that the verifier refuses is named, with the end of its log', (t) => {
  const object = open(0);
  object.setAutoload('reads_anywhere', true);
  t.throws(
    () => object.load(),
    (error: unknown) => {
      if (!(error instanceof BpfError)) return false;
      t.equal(error.program, 'reads_anywhere');
      t.match(error.errno ?? '', /EACCES|EINVAL/);
      t.match(error.log ?? '', /invalid mem access/);
      t.ok((error.log ?? '').split('\n').length <= 16);
      t.match(error.message, /cannot load the program reads_anywhere/);
      return true;
    },
  );
  object.close();
  t.end();
});

test('a profiler that sends a signal each millisecond does not keep programs from being loaded', async (t) => {
  const script = `import { BpfObject } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    for (let i = 0; i < 5; i++) {
      const object = BpfObject.open(${JSON.stringify(join(root, 'dist/bpf/sslsniff.bpf.o'))});
      object.load();
      object.close();
    }`;
  const profile = ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', scratch()];
  const child = spawn(process.execPath, [...profile, '--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  const [status] = await once(child, 'close');
  t.equal(status, 0, stderr.slice(0, 300));
});

test('why a uprobe could not be attached', (t) => {
  const object = open(0);
  object.load();
  const refused = (where: { path: string; offset: number; pid?: number }, errno: string, next: RegExp) => {
    try {
      object.attachUprobe('call_entry', where);
      t.fail(`${where.path} was attached`);
    } catch (error) {
      t.ok(error instanceof BpfError, String(error));
      if (!(error instanceof BpfError)) return;
      t.equal(error.errno, errno, error.message);
      t.match(error.next ?? '', next);
      t.equal(error.program, 'call_entry');
      t.ok(error.hook?.includes(where.path));
    }
  };
  refused({ path: join(scratch(), 'nothing'), offset: 64 }, 'ENOENT', /file is gone/);
  refused({ path: scratch(), offset: 64 }, prefersUprobeMulti() ? 'EBADF' : 'EINVAL', /not a regular file/);
  refused({ path: target.path, offset: 1 << 30 }, 'EINVAL', /beyond the end/);
  refused({ ...target, pid: 2 ** 22 - 3 }, 'ESRCH', /has ended/);
  t.throws(() => object.attachUprobe('nonesuch', target), /nonesuch/);
  object.close();
  t.end();
});

for (const way of ['', '1']) {
  test(`a foreign probe with another reference counter is named as the cause (${way ? 'perf events' : 'as chosen here'})`, async (t) => {
    const program = join(scratch(), 'foreign-probe');
    execFileSync('clang', ['-o', program, join(root, 'test/bpf/foreign-probe.c')]);
    const foreign = spawn(program, [target.path, String(target.offset)], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(foreign.stdout, 'data');
    if (way) process.env.TRACER_UPROBE_PERF = way;
    try {
      const object = open(0);
      object.load();
      t.throws(
        () => object.attachUprobe('call_entry', target),
        (error: unknown) => error instanceof BpfError && error.errno === 'EINVAL' && /another tool.*bcc 0\.26/i.test(error.next ?? ''),
      );
      foreign.stdin.end();
      await once(foreign, 'close');
      object.attachUprobe('call_entry', target);
      t.pass('and when that tool has ended, it works');
      object.close();
    } finally {
      delete process.env.TRACER_UPROBE_PERF;
      foreign.kill();
    }
  });
}

test('a full ring: what was not delivered is what the program counted as dropped', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid, 64);
  object.setMaxEntries('ring', 64 * 1024);
  object.load();
  const got = collect();
  const ring: Ring = object.ring('ring', got);
  object.attachUprobe('call_entry', target);
  const busy = run.calls(2000);
  // The event loop is held, so the ring must run over.
  for (const end = Date.now() + 300; Date.now() < end; );
  await busy;
  object.attachUprobe('call_entry', target).close();
  t.ok(await until(() => ring.pending() === 0));
  const submitted = u64(object, 'submitted');
  const dropped = u64(object, 'dropped');
  const discarded = Math.floor(submitted / 16);
  t.ok(dropped > 0, `${dropped} dropped`);
  t.equal(submitted + dropped, 2000 * 64, 'every attempt is counted');
  t.equal(got.numbers.length, submitted - discarded, 'every submitted record is delivered');
  t.ok(
    got.numbers.every((n, i) => i === 0 || n > (got.numbers[i - 1] ?? -1)),
    'in order',
  );
  object.close();
  run.end();
});

test('under load the event loop keeps its turns, and records come in batches', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid, 8);
  object.load();
  const got = collect();
  object.ring('ring', got);
  object.attachUprobe('call_entry', target);
  let turns = 0;
  const ticks = setInterval(() => turns++, 1);
  await run.calls(20000);
  clearInterval(ticks);
  t.ok(turns > 5, `${turns} turns of a 1 ms timer`);
  t.ok(got.batches < got.numbers.length / 4, `${got.numbers.length} records in ${got.batches} batches`);
  object.close();
  run.end();
});

test('while the consumer is full records stay in the ring, and come when it is not', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid);
  object.load();
  let full = true;
  const got = collect();
  const ring = object.ring('ring', { batch: (records) => got.batch(records), full: () => full });
  object.attachUprobe('call_entry', target);
  await run.calls(1000);
  await sleep(50);
  t.equal(got.numbers.length, 0);
  t.ok(ring.pending() > 100_000, `${ring.pending()} bytes wait`);
  full = false;
  t.ok(await until(() => got.numbers.length === 1000 - 62), `${got.numbers.length} records`);
  t.equal(u64(object, 'dropped'), 0);
  object.close();
  run.end();
});

test('an idle ring asks for one wake-up, gets it, and then runs on its timer', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid);
  object.load();
  const got = collect();
  object.ring('ring', got);
  object.attachUprobe('call_entry', target);
  const wanted = () => object.global('ring_wanted').read().readUInt32LE();
  for (let round = 1; round <= 20; round++) {
    t.ok(await until(() => wanted() === 1), `round ${round}: asleep`);
    await run.calls(1);
    if (round % 16 === 0) continue; // a discarded record wakes nobody
    t.ok(await until(() => got.numbers.at(-1) === round - 1, 1500), `round ${round}: delivered`);
  }
  const before = process.cpuUsage();
  await sleep(1000);
  const { user, system } = process.cpuUsage(before);
  t.ok(user + system < 100_000, `${user + system} µs of CPU in an idle second`);
  object.close();
  run.end();
});

test('drainNow at the end delivers what is left, also when a record is longer than the slab', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid);
  object.load();
  const got = collect();
  const ring = object.ring('ring', got, { slabBytes: 64, pauseMs: 10_000 });
  const link = object.attachUprobe('call_entry', target);
  await run.calls(100);
  link.close();
  ring.drainNow();
  t.equal(got.numbers.length, 100 - 6);
  t.equal(ring.pending(), 0);
  object.close();
  t.equal(ring.pending(), 0, 'a closed ring is empty');
  run.end();
});

test('close leaves nothing: no program, no descriptor, no thread', async (t) => {
  const run = await startTarget(target);
  const counts = () => [ourPrograms(), readdirSync('/proc/self/fd').length, readdirSync('/proc/self/task').length];
  const round = async () => {
    const object = open(run.pid);
    object.load();
    object.ring('ring', collect());
    object.attachUprobe('call_entry', target);
    object.attachUprobe('call_return', { ...target, ret: true });
    object.attachRawTracepoint('exec_raw', 'sched_process_exec');
    await run.calls(10);
    object.close();
    object.close();
  };
  await round();
  const before = counts();
  for (let i = 0; i < 20; i++) await round();
  t.same(counts(), before);
  t.equal(before[0], 0);
  run.end();
});

test('a hundred probes end together', async (t) => {
  const run = await startTarget(target);
  const object = open(run.pid);
  object.load();
  const got = collect();
  object.ring('ring', got);
  const links = Array.from({ length: 100 }, () => object.attachUprobe('call_entry', target));
  await run.calls(1);
  t.ok(await until(() => got.numbers.length >= 90), `${got.numbers.length} records of one call`);
  closeLinks(links);
  const before = u64(object, 'submitted');
  await run.calls(5);
  t.equal(u64(object, 'submitted'), before, 'none is left');
  closeLinks(links);
  object.close();
  run.end();
});

for (const [name, env] of Object.entries({
  'uprobe_multi links where the kernel has them': {},
  'perf events': { TRACER_UPROBE_PERF: '1' },
})) {
  test(`a cookie reaches the program: ${name}`, async (t) => {
    const run = await startTarget(target);
    Object.assign(process.env, env);
    try {
      const object = open(run.pid);
      object.load();
      const cookies: bigint[] = [];
      object.ring('ring', { batch: (bytes) => cookies.push(bytes.readBigUInt64LE(8 + 16)) });
      object.attachUprobe('call_entry', { ...target, cookie: 0xfedcba9876543210n });
      await run.calls(1);
      t.ok(await until(() => cookies.length === 1));
      t.same(cookies, [0xfedcba9876543210n]);
      object.close();
    } finally {
      for (const key of Object.keys(env)) delete process.env[key];
      run.end();
    }
  });
}

/** Whether the instruction at `probed` in a running process is a breakpoint. */
function probedNow(pid: number): boolean {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  for (const line of maps.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) .* (\S+)$/.exec(line);
    if (!match || match[4] !== target.path) continue;
    const address = Number.parseInt(match[1] ?? '', 16) + target.offset - Number.parseInt(match[3] ?? '', 16);
    const memory = readFileSync(target.path);
    const now = readMemory(pid, address);
    return now !== memory[target.offset];
  }
  throw new Error('target: not mapped');
}

function readMemory(pid: number, address: number): number {
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, address);
  closeSync(fd);
  return byte[0] ?? -1;
}

test('SIGKILL of the loader leaves nothing: no program, no breakpoint in the probed process', async (t) => {
  const run = await startTarget(target);
  const before = new Set(native().programIds());
  const script = `
    import { BpfObject } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    const object = BpfObject.open(${JSON.stringify(objectPath)});
    object.load();
    object.ring('ring', { batch() {} });
    object.attachUprobe('call_entry', ${JSON.stringify(target)});
    object.attachUprobe('call_return', { ...${JSON.stringify(target)}, ret: true });
    process.stdout.write(object.programs().join(' ') + '\\n');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  t.ok(probedNow(run.pid), 'probed while it runs');
  const during = native()
    .programIds()
    .filter((id) => !before.has(id));
  t.ok(during.length > 0, 'programs are there');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  t.ok(await until(() => !probedNow(run.pid)), 'the breakpoint is gone');
  t.ok(
    await until(() =>
      native()
        .programIds()
        .every((id) => !during.includes(id)),
    ),
    'the programs are gone',
  );
  await run.calls(10);
  run.end();
});
