/** tracer-proc --files: what programs do to files, compared with what they logged themselves. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import type { TracerEvent } from '../../lib/stream/event.js';
import { python } from '../support/paths.js';
import { ledger, of, processSensor } from '../support/process-sensor.js';
import { Running } from '../support/processes.js';
import { skip } from '../support/skip.js';

function live(title: string, body: (t: tape.Test, dir: string) => Promise<void>): void {
  tape(`proc --files: ${title}`, async (t) => {
    if (process.getuid?.() !== 0) return skip(t, 'needs root');
    const dir = realpathSync(mkdtempSync(join(tmpdir(), 'tracer-files-')));
    try {
      await body(t, dir);
    } finally {
      // Its paths may be longer than a system call takes.
      execFileSync('rm', ['-rf', dir]);
    }
  });
}

/** Events below a directory, with what matters of them. */
function below(events: readonly TracerEvent[], dir: string): Record<string, unknown>[] {
  return events
    .filter((event) => event.source === 'file')
    .map((event): Record<string, unknown> => ({ type: event.event_type, ...event.data }))
    .filter((event) => JSON.stringify(event).includes(dir))
    .map(({ pid, tid, ppid, uid, comm, start_us, cgroup_id, file_id, thread, ns_pid, ...rest }) => rest);
}

const py = (dir: string, lines: string[]): string[] => {
  const file = join(dir, '..', `${dir.split('/').at(-1)}.py`);
  writeFileSync(file, lines.join('\n'));
  return ['--files', '--', python, '-S', '-E', file];
};

live('every kind of change, with absolute paths and outcomes', async (t, dir) => {
  const args = py(dir, [
    'import os, ctypes',
    `os.chdir(${JSON.stringify(dir)})`,
    "os.mkdir('d', 0o750); os.chdir('d')",
    "f = os.open('a', os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640); os.ftruncate(f, 5); os.fchmod(f, 0o600); os.close(f)",
    "d = os.open('.', os.O_RDONLY | os.O_DIRECTORY)",
    "os.close(os.open('../d/./a', os.O_WRONLY | os.O_APPEND, dir_fd=d))",
    "os.symlink('a', 's'); os.close(os.open('s', os.O_RDONLY))",
    "os.link('a', 'b'); os.rename('b', '../c', src_dir_fd=d)",
    "ctypes.CDLL(None).renameat2(-100, b'a', -100, b'../c', 2)",
    ...(process.arch === 'x64' ? ["ctypes.CDLL(None).syscall(85, b'made', 0o600)"] : []),
    'def fails(call, *args):',
    '  try: call(*args)',
    '  except OSError: pass',
    "fails(os.open, 'missing', os.O_RDONLY); fails(os.unlink, 'missing'); fails(os.rmdir, '..'); fails(os.chdir, 'a')",
    "fails(os.open, 'x' * 300, os.O_RDONLY)",
    "os.truncate('a', 1); os.chmod('a', 0o4711)",
    "os.unlink('a'); os.unlink('s', dir_fd=d); os.fchdir(d); os.chdir('..'); os.rename('c', 'e'); os.unlink('e')",
    "fails(os.unlink, 'd/made'); os.rmdir('d')",
  ]);
  const result = await processSensor(args, { cwd: '/' }).end();
  rmSync(args.at(-1) ?? '');
  t.equal(result.status, 0, result.stderr);
  t.deepEqual(ledger(result), []);
  const D = `${dir}/d`;
  const CLOEXEC = ['O_CLOEXEC'];
  t.deepEqual(
    below(result.events, dir).filter((event) => !String(event.path).endsWith('.py')),
    [
      { type: 'cwd_change', path: dir },
      { type: 'dir_create', path: D, mode: '0750' },
      { type: 'cwd_change', path: D },
      { type: 'file_open', path: `${D}/a`, access: 'read_write', flags: ['O_CREAT', 'O_EXCL', ...CLOEXEC], mode: '0640', created: true },
      { type: 'file_truncate', path: `${D}/a`, size_bytes: 5 },
      { type: 'file_chmod', path: `${D}/a`, mode: '0600' },
      { type: 'file_open', path: D, access: 'read', flags: ['O_DIRECTORY', ...CLOEXEC] },
      { type: 'file_open', path: `${D}/a`, access: 'write', flags: ['O_APPEND', ...CLOEXEC] },
      { type: 'file_symlink', path: `${D}/s`, new_path: 'a' },
      { type: 'file_open', path: `${D}/a`, access: 'read', flags: CLOEXEC },
      { type: 'file_link', path: `${D}/a`, new_path: `${D}/b` },
      { type: 'file_rename', path: `${D}/b`, new_path: `${dir}/c` },
      { type: 'file_rename', path: `${D}/a`, new_path: `${dir}/c`, exchanged: true },
      ...(process.arch === 'x64'
        ? [{ type: 'file_open', path: `${D}/made`, access: 'write', flags: ['O_CREAT', 'O_TRUNC'], mode: '0600', created: true }]
        : []),
      { type: 'file_open', path: `${D}/missing`, access: 'read', flags: CLOEXEC, errno: 'ENOENT' },
      { type: 'file_delete', path: `${D}/missing`, errno: 'ENOENT' },
      { type: 'dir_delete', path: dir, errno: 'ENOTEMPTY' },
      { type: 'cwd_change', path: `${D}/a`, errno: 'ENOTDIR' },
      { type: 'file_open', path: `${D}/${'x'.repeat(300)}`, access: 'read', flags: CLOEXEC, errno: 'ENAMETOOLONG' },
      { type: 'file_truncate', path: `${D}/a`, size_bytes: 1 },
      { type: 'file_chmod', path: `${D}/a`, mode: '4711' },
      { type: 'file_delete', path: `${D}/a` },
      { type: 'file_delete', path: `${D}/s` },
      { type: 'cwd_change', path: D },
      { type: 'cwd_change', path: dir },
      { type: 'file_rename', path: `${dir}/c`, new_path: `${dir}/e` },
      { type: 'file_delete', path: `${dir}/e` },
      { type: 'file_delete', path: `${D}/made`, ...(process.arch === 'x64' ? {} : { errno: 'ENOENT' }) },
      { type: 'dir_delete', path: D },
    ],
  );
});

live('long paths, a chroot, and whose file it is', async (t, dir) => {
  const deep = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(240).slice(0, 240));
  const jail = join(dir, 'jail');
  mkdirSync(join(jail, 'etc'), { recursive: true });
  writeFileSync(join(jail, 'etc/inside'), 'x');
  const args = py(dir, [
    'import os',
    `os.chdir(${JSON.stringify(dir)})`,
    ...deep.flatMap((name) => [`os.mkdir('${name}'); os.chdir('${name}')`]),
    "os.close(os.open('last', os.O_CREAT | os.O_WRONLY, 0o600))",
    `os.chroot(${JSON.stringify(jail)}); os.chdir('/etc')`,
    "os.close(os.open('/etc/inside', os.O_RDONLY)); os.close(os.open('../../../etc/inside', os.O_RDONLY))",
    "os.rename('/etc/inside', '/etc/moved')",
  ]);
  const result = await processSensor(args, { cwd: '/' }).end();
  rmSync(args.at(-1) ?? '');
  t.equal(result.status, 0, result.stderr);
  t.deepEqual(ledger(result), []);
  const opens = of(result, 'file_open');
  const last = opens.find((event) => event.data.path?.endsWith('/last'));
  const whole = `${dir}/${deep.join('/')}/last`;
  t.ok(whole.length > 4095, 'a path that no system call takes');
  t.equal(last?.data.path, whole, 'is told whole');
  const inside = opens.filter((event) => event.data.path === `${jail}/etc/inside`);
  t.equal(inside.length, 2, 'a chroot’s files, by their path outside');
  const { ino } = statSync(join(jail, 'etc/moved'));
  t.equal(inside[0]?.data.file_id?.split(':')[2], String(ino));
  t.deepEqual(
    of(result, 'file_rename').map(({ data }) => [data.path, data.new_path]),
    [[`${jail}/etc/inside`, `${jail}/etc/moved`]],
  );
});

live('--dedup tells reads once, and every write, creation and deletion', async (t, dir) => {
  writeFileSync(join(dir, 'r'), 'x');
  const script = `cd ${dir}; i=0; while [ $i -lt 20 ]; do read x < r; echo > w; rm w; read x < none; i=$((i+1)); done 2>/dev/null; :`;
  const result = await processSensor(['--files', '--dedup', '--', 'sh', '-c', script]).end();
  t.deepEqual(ledger(result), []);
  const count = (name: string): number => of(result, 'file_open').filter((event) => event.data.path === join(dir, name)).length;
  t.deepEqual([count('r'), count('w'), count('none')], [1, 20, 1]);
  t.equal(of(result, 'file_delete').filter((event) => event.data.path === join(dir, 'w') && event.data.errno === undefined).length, 20);
  const suppressed = of(result, 'throttle').reduce((sum, event) => sum + event.data.suppressed, 0);
  t.ok(suppressed >= 38, `${suppressed} are counted`);
});

live('files of others are not told of', async (t, dir) => {
  const other = new Running('sh', ['-c', `while :; do echo > ${dir}/unrelated-mark; done`]);
  const result = await processSensor([
    '--files',
    '--',
    'sh',
    '-c',
    `i=0; while [ $i -lt 3000 ]; do echo > ${dir}/mine; i=$((i+1)); done`,
  ]).end();
  other.signal('SIGKILL');
  await other.done;
  t.deepEqual(ledger(result), []);
  t.equal(of(result, 'file_open').filter((event) => event.data.path === `${dir}/mine`).length, 3000);
  t.notOk(result.stdout.includes('unrelated-mark'));
});
