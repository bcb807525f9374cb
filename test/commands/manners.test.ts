/** What every filter promises as a process: docs/events.md, promises 8 to 10. Each is tried on an analyzer, a sink, a source and a pipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'tape';
import { cleanEnvironment, outcome, ROOT, runProgram } from '../support/harness.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-manners-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

const line = (n: number): string =>
  `${JSON.stringify({ id: `aaaaaaaaaa-${n}`, timestamp: 1764000000000 + n, source: 'meta', event_type: 'zebra_seen', data: { n, pad: 'z'.repeat(200) } })}\n`;
const recording = join(directory, 'recording.ndjson');
const LINES = 40_000;
writeFileSync(recording, Array.from({ length: LINES }, (_, i) => line(i + 1)).join(''));

/** The filters, as argument lists of Node: what reads stdin. */
const FILTERS: [string, string[]][] = [
  ['tracer-http', [`${ROOT}bin/http`]],
  ['tracer-show', [`${ROOT}bin/show`]],
  ['tracer pipe', [`${ROOT}bin/tracer`, 'pipe', 'http | http --keep']],
  ['tracer-replay', [`${ROOT}bin/replay`, '-']],
];

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { env: cleanEnvironment(), stdio: 'pipe' });
}

/** Resolves when the child has written something. */
function firstOutput(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.stdout?.once('data', () => resolve()));
}

const shell = (command: string): ReturnType<typeof runProgram> => runProgram('/bin/bash', ['-c', command]);
const quoted = (args: readonly string[]): string => [process.execPath, ...args].map((arg) => `'${arg}'`).join(' ');

for (const [name, args] of FILTERS) {
  test(`${name}: a reader that goes away ends it quietly, with status 0`, async (t) => {
    const { stdout, stderr } = await shell(`${quoted(args)} < ${recording} | head -n 1; echo "status \${PIPESTATUS[0]}"`);
    t.ok(stdout.toString().endsWith('\nstatus 0\n'), stdout.toString().slice(-40));
    t.equal(stderr, '', 'nothing on stderr');
    t.end();
  });

  test(`${name}: SIGINT and SIGTERM flush and end with status 0`, async (t) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = start(args);
      const ended = outcome(child);
      const wrote = firstOutput(child);
      child.stdin?.write(line(1));
      await wrote;
      child.stdin?.write(line(2));
      await sleep(20);
      child.kill(signal);
      const { code, signal: by, stdout, stderr } = await ended;
      t.deepEqual([code, by], [0, null], `${signal}: ${stderr}`);
      t.equal(stdout.toString().split('\n').length - 1, 2, `${signal}: all lines are out`);
    }
    t.end();
  });

  test(`${name}: a second signal ends it at once`, async (t) => {
    const child = start(args);
    const closed = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
    // Nobody reads its output: what it still has to write would keep it.
    child.stdin?.on('error', () => {});
    child.stdin?.write(readFileSync(recording).subarray(0, 4_000_000));
    await sleep(700);
    child.kill('SIGINT');
    await sleep(100);
    child.kill('SIGINT');
    t.equal(await Promise.race([closed, sleep(2000).then(() => 'still there')]), 'SIGINT');
    child.kill('SIGKILL');
    child.stdout?.destroy();
    t.end();
  });

  test(`${name}: a slow reader slows it down, and nothing is held or lost`, async (t) => {
    const child = start(args);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const bytes = readFileSync(recording);
    let sent = 0;
    child.stdin?.on('error', () => {});
    const feed = (async () => {
      for (let at = 0; at < bytes.length; at += 65536) {
        const part = bytes.subarray(at, at + 65536);
        if (child.stdin?.write(part) === false) await new Promise((resolve) => child.stdin?.once('drain', resolve));
        sent += part.length;
      }
      child.stdin?.end();
    })();
    await sleep(1000);
    t.ok(sent < 6_000_000, `it took ${sent} of ${bytes.length} bytes while nobody read`);
    let lines = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) lines++;
    });
    await Promise.all([feed, ended]);
    t.equal(lines, LINES, 'every line came');
    t.end();
  });

  test(`${name}: a full disk is an error with a sentence`, async (t) => {
    const { code, stderr } = await runProgram('/bin/bash', ['-c', `${quoted(args)} < ${recording} > /dev/full`]);
    t.equal(code, 74);
    t.match(stderr, /cannot write the output: ENOSPC\. The disk is full: make room, or write elsewhere\.\n$/);
    t.end();
  });

  test(`${name}: input that cannot be read is an error with a sentence`, async (t) => {
    const { code, stderr } = await runProgram('/bin/bash', ['-c', `${quoted(args)} < /`]);
    t.equal(code, 74, stderr);
    t.match(stderr, /cannot read stdin: EISDIR/);
    t.end();
  });
}

test('a shared descriptor that somebody made non-blocking is written all the same', async (t) => {
  const script = `
    const { spawn } = require('node:child_process');
    const child = spawn(process.execPath, ['${ROOT}bin/http'], { stdio: ['pipe', 'inherit', 'inherit'] });
    require('node:fs').createReadStream('${recording}').pipe(child.stdin);
    child.on('exit', (code) => process.exit(code));`;
  // A TCP socket or pipe handle opened by a Node parent is non-blocking, and stays so in the child that inherits it.
  const { stdout } = await shell(`'${process.execPath}' -e "process.stdout.write(''); ${script.replaceAll('\n', ' ')}" | (sleep 1; wc -l)`);
  t.equal(Number(stdout.toString()), LINES);
  t.end();
});

test('start-up is quick and small', async (t) => {
  const child = start([`${ROOT}bin/http`]);
  const wrote = firstOutput(child);
  child.stdin?.write(line(1));
  await wrote;
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  t.ok(kib < 80 * 1024, `resident: ${Math.round(kib / 1024)} MiB`);
  child.stdin?.end();
  await outcome(child);
  t.end();
});

test('stdin closed, stdout closed: no crash', async (t) => {
  const closed = await shell(`${quoted([`${ROOT}bin/http`])} <&-`);
  t.equal(closed.code, 0, closed.stderr);
  const out = openSync('/dev/null', 'w');
  closeSync(out);
  const noOut = await shell(`echo '{}' | ${quoted([`${ROOT}bin/http`])} >&-; exit \${PIPESTATUS[1]}`);
  t.ok(noOut.code === 0 || noOut.code === 74, `status ${noOut.code}: ${noOut.stderr}`);
  t.end();
});
