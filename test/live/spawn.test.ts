/** A command that waits before its exec, and giving up capabilities in every thread. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { bootTimeNs, clockOffsetNs, SpawnError, spawnStopped } from '../../lib/bpf/index.js';
import { scratch } from '../bpf/target.js';
import { root } from '../support/paths.js';
import { copyTree } from '../support/readable-tree.js';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function status(pid: number | string, field: string): string | undefined {
  try {
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}

async function until(holds: () => boolean, ms = 5000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end && !holds(); ) await sleep(5);
  return holds();
}

/** Runs a shell line stopped-then-resumed; what it wrote to the file $OUT. */
async function shell(line: string, options: Partial<Parameters<typeof spawnStopped>[0]> = {}) {
  const out = join(scratch(), `out-${Math.random()}`);
  writeFileSync(out, '', { mode: 0o666 });
  execFileSync('chmod', ['777', scratch(), out]);
  const command = spawnStopped({ file: '/bin/sh', args: ['-c', `exec >"$OUT"; ${line}`], env: { ...process.env, OUT: out }, ...options });
  const failure = await command.resume();
  const end = await command.exited;
  return { failure, end, text: readFileSync(out, 'utf8') };
}

test('it waits, and runs when told', async (t) => {
  const mark = join(scratch(), 'mark');
  const command = spawnStopped({ file: 'touch', args: [mark] });
  await sleep(50);
  t.notOk(existsSync(mark), 'not run yet');
  t.equal(status(command.pid, 'Tgid'), String(command.pid), 'the process is there');
  t.equal(await command.resume(), undefined);
  t.same(await command.exited, { exit_code: 0 });
  t.ok(existsSync(mark));
  t.equal(command.kill('SIGTERM'), false, 'its number is nobody’s to kill now');
});

test('how it ended: its exit code, or its signal by name', async (t) => {
  t.same((await shell('exit 7')).end, { exit_code: 7 });
  t.same((await shell('kill -TERM $$')).end, { signal: 'SIGTERM', core_dumped: false });
  const killed = spawnStopped({ file: 'sleep', args: ['30'] });
  t.equal(killed.kill('SIGKILL'), true, 'also before it was told to run');
  t.same(await killed.exited, { signal: 'SIGKILL', core_dumped: false });
  await killed.resume();
});

test('why it could not run', async (t) => {
  const plain = join(scratch(), 'plain');
  writeFileSync(plain, 'echo hello', { mode: 0o644 });
  const outcome = async (file: string, env: Record<string, string> = { PATH: process.env.PATH ?? '' }) => {
    const command = spawnStopped({ file, args: [], env });
    return [await command.resume(), await command.exited];
  };
  const failed = (errno: string) => [{ step: 'exec', errno }, { exit_code: 127 }];
  t.same(await outcome('no-such-command-anywhere'), failed('ENOENT'));
  t.same(await outcome(''), failed('ENOENT'));
  t.same(await outcome('/no/such/file'), failed('ENOENT'));
  t.same(await outcome(plain), failed('EACCES'));
  t.same(await outcome(scratch()), failed('EACCES'));
  t.same(await outcome('plain', { PATH: `/nonesuch:${scratch()}` }), failed('EACCES'), 'found in PATH, not executable');
  t.throws(
    () => spawnStopped({ file: 'true', args: [], cwd: '/nonesuch' }),
    (error: unknown) => error instanceof SpawnError && error.failure.step === 'chdir',
  );
  t.throws(() => spawnStopped({ file: 'true', args: ['a\0b'] }), /NUL/);
});

test('a script without #! is run by the shell, as execvp does', async (t) => {
  const script = join(scratch(), 'script');
  writeFileSync(script, 'test "$1" = "a b" && exit 5', { mode: 0o755 });
  const command = spawnStopped({ file: script, args: ['a b'] });
  t.equal(await command.resume(), undefined);
  t.same(await command.exited, { exit_code: 5 });
});

test('it has what the caller has and nothing of ours', async (t) => {
  // Descriptors without CLOEXEC do not come from Node itself; a shell redirection makes one.
  const line = 'ls /proc/self/fd | wc -l; grep -E "^Sig(Blk|Ign)" /proc/self/status; pwd; echo "$WORD"';
  const { text } = await shell(line, {
    cwd: scratch(),
    env: { PATH: process.env.PATH, WORD: 'a "b"\nc', OUT: join(scratch(), 'has') },
  }).then((result) => ({
    ...result,
    text: readFileSync(join(scratch(), 'has'), 'utf8'),
  }));
  t.same(text.split('\n'), ['4', 'SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000', scratch(), 'a "b"', 'c', '']);
});

test('the limit of open files is the caller’s, not the one that Node raised', (t) => {
  const script = `import { spawnStopped } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    const command = spawnStopped({ file: 'sh', args: ['-c', 'ulimit -n'] });
    await command.resume(); await command.exited;`;
  const file = join(scratch(), 'limit.mjs');
  writeFileSync(file, script);
  const { stdout } = spawnSync('sh', ['-c', `ulimit -S -n 321; "$NODE" ${file}; true`], {
    env: { ...process.env, NODE: process.execPath },
    encoding: 'utf8',
  });
  t.equal(stdout, '321\n');
  t.end();
});

test('as another user: uid, gid, groups, and no capabilities', async (t) => {
  const { text } = await shell('id -u; id -g; id -G; grep -E "^Cap(Prm|Eff)" /proc/self/status', {
    uid: 61234,
    gid: 61235,
    groups: [61235, 61236],
  });
  t.same(text.split('\n'), ['61234', '61235', '61235 61236', 'CapPrm:\t0000000000000000', 'CapEff:\t0000000000000000', '']);
});

test('ambient capabilities of the sensor are not handed on', (t) => {
  // An ordinary user runs it, who may not be let into the clone.
  const open = mkdtempSync(join(scratch(), 'open-'));
  execFileSync('chmod', ['755', scratch(), open]);
  const script = `import { spawnStopped } from ${JSON.stringify(join(copyTree(open), 'dist/lib/bpf/index.js'))};
    const command = spawnStopped({ file: 'grep', args: ['-E', '^Cap(Inh|Prm|Eff|Amb)', '/proc/self/status'] });
    await command.resume(); await command.exited;`;
  const privileges = '-all,+bpf,+sys_ptrace';
  const args = ['--reuid', '61234', '--regid', '61234', '--clear-groups', '--inh-caps', privileges, '--ambient-caps', privileges];
  const { stdout } = spawnSync('setpriv', [...args, process.execPath, '--input-type=module', '-e', script], { encoding: 'utf8' });
  t.same(stdout.match(/[0-9a-f]{16}/g), Array(4).fill('0000000000000000'));
  t.end();
});

test('stdin is ours; stdout goes to stderr on request', (t) => {
  const script = `import { spawnStopped } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    const command = spawnStopped({ file: 'cat', args: [], stdoutToStderr: true });
    await command.resume(); await command.exited;`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', input: 'word\n' });
  t.equal(stdout, '');
  t.match(stderr, /^word$/m);
  t.end();
});

for (const uid of [-1, 61234]) {
  test(`SIGKILL of the sensor ends a command that still waits (uid ${uid})`, async (t) => {
    const script = `import { spawnStopped } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
      const command = spawnStopped({ file: 'sleep', args: ['60'], ...(${uid} < 0 ? {} : { uid: ${uid}, gid: ${uid}, groups: [] }) });
      process.stdout.write(command.pid + '\\n');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = await new Promise<number>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))));
    t.ok(status(pid, 'State'), 'it waits');
    child.kill('SIGKILL');
    t.ok(await until(() => !status(pid, 'State') || /^[ZX]/.test(status(pid, 'State') ?? '')), 'it is gone');
  });
}

test('a command that runs outlives a killed sensor', async (t) => {
  const script = `import { spawnStopped } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    const command = spawnStopped({ file: 'sleep', args: ['60'] });
    await command.resume();
    process.stdout.write(command.pid + '\\n');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  await sleep(100);
  t.equal(status(pid, 'Name'), 'sleep');
  process.kill(pid);
});

test('Node’s own children end as ever beside it', async (t) => {
  const commands = Array.from({ length: 10 }, (_, i) => spawnStopped({ file: 'sh', args: ['-c', `exit ${i}`] }));
  const children = Array.from({ length: 10 }, (_, i) => spawn('sh', ['-c', `exit ${100 + i}`]));
  const codes = Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
  await Promise.all(commands.map((command) => command.resume()));
  t.same(
    await Promise.all(commands.map((command) => command.exited)),
    commands.map((_, i) => ({ exit_code: i })),
  );
  t.same(
    await codes,
    children.map((_, i) => 100 + i),
  );
});

test('no descriptors are left over', async (t) => {
  const names = () => readdirSync('/proc/self/fd');
  const round = async () => {
    const command = spawnStopped({ file: 'true', args: [] });
    await command.resume();
    await command.exited;
  };
  await round();
  await sleep(20);
  const before = names().length;
  for (let i = 0; i < 20; i++) await round();
  await sleep(20);
  t.equal(names().length, before);
});

test('capabilities are given up by every thread, for good, but for those that are kept', (t) => {
  const script = `import { capabilities, dropCapabilities } from ${JSON.stringify(join(root, 'dist/lib/bpf/index.js'))};
    import { readdirSync, readFileSync, promises } from 'node:fs';
    await promises.readFile('/proc/self/stat'); // so that the pool's threads are there
    dropCapabilities(['CAP_BPF', 'CAP_SYS_PTRACE']);
    const sets = new Set();
    for (const task of readdirSync('/proc/self/task'))
      sets.add(readFileSync('/proc/self/task/' + task + '/status', 'latin1').match(/^Cap(Inh|Prm|Eff|Bnd).*$/gm).join(' '));
    await promises.readFile('/proc/self/stat');
    console.log(JSON.stringify({ sets: [...sets], effective: [...capabilities().effective] }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(stderr, '');
  const { sets, effective } = JSON.parse(stdout);
  t.same(sets, ['CapInh:\t0000000000000000 CapPrm:\t0000008000080000 CapEff:\t0000008000080000 CapBnd:\t0000008000080000']);
  t.same(effective.sort(), ['CAP_BPF', 'CAP_SYS_PTRACE']);
  t.end();
});

test('boot time and its offset agree with the kernel and with Date', (t) => {
  const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  t.ok(Math.abs(Number(bootTimeNs()) / 1e9 - uptime) < 1, 'seconds since boot');
  t.ok(Math.abs(Number((bootTimeNs() + clockOffsetNs()) / 1_000_000n) - Date.now()) < 50, 'Unix time');
  const offsets = Array.from({ length: 20 }, () => Number(clockOffsetNs()));
  t.ok(Math.max(...offsets) - Math.min(...offsets) < 1e6, `within ${Math.max(...offsets) - Math.min(...offsets)} ns`);
  t.end();
});
