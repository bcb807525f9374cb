/** `-o FILE`: whose it is, who can read it, what it refuses, and how it is continued. */
import { chmodSync, existsSync, linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ROOT, runBin, runProgram } from '../support/harness.js';
import { skip } from '../support/skip.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-output-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

const event = (n: number, type: string, data: object): string =>
  `${JSON.stringify({ id: `aaaaaaaaaa-${n}`, timestamp: 1764000000000 + n, source: type.startsWith('process') ? 'process' : 'meta', event_type: type, data })}\n`;
const HEAD = [
  event(1, 'sensor_start', { contract: 1, sensor: 'ssl' }),
  event(2, 'process_info', { pid: 11, start_us: 5, origin: 'snapshot' }),
  event(3, 'process_info', { pid: 12, start_us: 6, origin: 'snapshot' }),
];
const input = [...HEAD, ...Array.from({ length: 200 }, (_, i) => event(i + 4, 'zebra_seen', { pad: 'z'.repeat(50) }))].join('');
const recording = join(directory, 'in.ndjson');
writeFileSync(recording, input);

test('-o: a private file with all events, and nothing on stdout', async (t) => {
  const file = join(directory, 'a.ndjson');
  const { code, stdout, stderr } = await runBin('replay', ['-o', file, recording]);
  t.deepEqual([code, stdout.length, stderr], [0, 0, '']);
  t.equal(readFileSync(file, 'utf8'), input);
  t.equal(statSync(file).mode & 0o777, 0o600);
  chmodSync(file, 0o644);
  await runBin('replay', ['-o', file, recording], { env: { TRACER_SPEED: '' } });
  t.equal(readFileSync(file, 'utf8'), input, 'written anew, not appended');
  t.equal(statSync(file).mode & 0o777, 0o600, 'a file that was there is made private');
  t.end();
});

test('-o: does not write through links that somebody laid', async (t) => {
  const victim = join(directory, 'victim');
  writeFileSync(victim, 'precious');
  symlinkSync(victim, join(directory, 'soft'));
  linkSync(victim, join(directory, 'hard'));
  for (const link of ['soft', 'hard']) {
    const { code, stderr } = await runBin('replay', ['-o', join(directory, link), recording]);
    t.equal(code, 74, stderr);
    t.equal(readFileSync(victim, 'utf8'), 'precious', `${link} link: the file is as it was`);
  }
  t.equal((await runBin('replay', ['-o', join(directory, 'none/x'), recording])).code, 74);
  t.equal((await runBin('replay', ['-o', '/dev/full', recording])).code, 74, 'a full device');
  t.end();
});

test('-o under sudo: the file belongs to the user who called it', async (t) => {
  if (process.geteuid?.() !== 0) {
    skip(t, 'only root can give a file away');
    return;
  }
  const file = join(directory, 'sudo.ndjson');
  await runBin('replay', ['-o', file, recording], { env: { SUDO_UID: '65534', SUDO_GID: '65534' } });
  const { uid, gid } = statSync(file);
  t.deepEqual([uid, gid], [65534, 65534]);
  t.end();
});

test('--rotate-bytes: every file is within the limit, stands alone, and together they hold every event once', async (t) => {
  const file = join(directory, 'rotated.ndjson');
  const { code, stderr } = await runBin('replay', ['-o', file, '--rotate-bytes', '4k', recording]);
  t.equal(code, 0, stderr);
  const files: string[] = [];
  for (let n = 1; existsSync(`${file}.${n}`); n++) files.push(`${file}.${n}`);
  files.push(file);
  t.ok(files.length > 5, `${files.length} files`);
  let joined = HEAD.join('');
  for (const each of files) {
    const text = readFileSync(each, 'utf8');
    if (text.length > 4096 || !text.startsWith(HEAD.join('')) || (statSync(each).mode & 0o777) !== 0o600) t.fail(each);
    joined += text.slice(HEAD.join('').length);
  }
  t.equal(joined, input);
  t.end();
});

test('stdout that is a file others can read is warned about, once', async (t) => {
  const shell = (umask: string): ReturnType<typeof runProgram> =>
    runProgram('/bin/sh', [
      '-c',
      `umask ${umask}; rm -f '${directory}/w'; '${process.execPath}' '${ROOT}bin/replay' '${recording}' > '${directory}/w'`,
    ]);
  t.match((await shell('022')).stderr, /^tracer-replay: stdout is a file that others on this host can read \(mode 0644\).*\n$/);
  t.equal((await shell('077')).stderr, '');
  t.end();
});
