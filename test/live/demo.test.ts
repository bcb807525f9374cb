/** scripts/demo: what a newcomer sees, that it ends by itself, and that it leaves nothing behind, also on Ctrl-C. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'tape';
import { python, root } from '../support/paths.js';

interface Demo {
  output: () => string;
  ended: Promise<{ status: number | null; seconds: number }>;
  /** As a terminal does it: to the whole foreground group. */
  interrupt(): void;
  /** What is left of it: processes that work in its directory, and the directory. */
  left(): string[];
  tidy(): void;
}

function startDemo(caller: { SUDO_UID?: string; SUDO_GID?: string } = {}): Demo {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-demo-test-'));
  const bin = join(dir, 'bin');
  const tmp = join(dir, 'tmp');
  chmodSync(dir, 0o755);
  mkdirSync(bin);
  mkdirSync(tmp);
  const { bin: commands } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  for (const [name, file] of Object.entries(commands)) symlinkSync(join(root, file), join(bin, name));
  const started = Date.now();
  const child = spawn(join(root, 'scripts/demo'), ['--no-setup'], {
    env: {
      ...process.env,
      PATH: `${bin}:${dirname(python)}:${process.env.PATH}`,
      TMPDIR: tmp,
      SUDO_UID: undefined,
      SUDO_GID: undefined,
      ...caller,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  return {
    output: () => output,
    ended: new Promise((resolve) => child.on('exit', (status) => resolve({ status, seconds: (Date.now() - started) / 1000 }))),
    interrupt: () => process.kill(-(child.pid as number), 'SIGINT'),
    left: () => [...processesIn(tmp), ...readdirSync(tmp)],
    tidy: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Command lines of processes whose working directory is in `dir`. */
function processesIn(dir: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(dir)
        ? [readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')]
        : [];
    } catch {
      return [];
    }
  });
}

const asRoot = process.getuid?.() === 0;

test('demo: shows three conversations, ends by itself, and leaves nothing behind', { timeout: 120_000 }, async (t) => {
  if (!asRoot) {
    t.fail('the live tests need root: sudo scripts/test');
    return;
  }
  const demo = startDemo();
  const { status, seconds } = await demo.ended;
  const output = demo.output();
  t.equal(status, 0, status === 0 ? 'status 0' : output);
  t.ok(seconds < 60, `within a minute: ${seconds.toFixed(1)} s`);
  for (const [what, wanted] of [
    [
      'the commands, as typed',
      /^\$ (?:sudo )?tracer-ssl -- curl -s -o models\.json https:\/\/\S+\/v1\/models \| tracer-http \| tracer-show$/m,
    ],
    ['curl, one line', /^\d\d:\d\d:\d\d\.\d{3}Z curl\[\d+\] #1\/1 ← 200 GET \S+\/v1\/models json 146 B/m],
    ['python: the question', /^ {2}user {8}Do I need a coat in Paris\?$/m],
    ['python: the tool', /^ {2}tool call {3}get_weather \{"city": "Paris"\}$/m],
    ['python: its result', /^ {2}tool result get_weather: \{"city": "Paris", "temp_c": 9, "sky": "light rain"\}$/m],
    ['python: the answer', /^ {2}assistant {3}Yes, take a coat: it is 9 °C with light rain\.$/m],
    ['node: the question', /^ {2}user {8}Do I need a coat in Lisbon\?$/m],
    ['node: the answer', /^ {2}assistant {3}No, leave your coat at home: it is 24 °C with clear sky\.$/m],
    ['what to try next', /^ {2}(?:sudo )?tracer-ssl -c python3 \| tracer-http \| tracer-show --chat$/m],
  ] as const) {
    t.ok(wanted.test(output), wanted.test(output) ? what : `${what}:\n${output}`);
  }
  t.notOk(/\bsk-demo/.test(output), 'no key of the clients is shown');
  t.notOk(/incomplete|lost:/.test(output), 'nothing was missed');
  t.deepEqual(demo.left(), [], 'no process and no file is left');
  demo.tidy();
});

test('demo: under sudo the clients run as the user who called it', { timeout: 120_000 }, async (t) => {
  if (!asRoot) {
    t.fail('the live tests need root: sudo scripts/test');
    return;
  }
  const demo = startDemo({ SUDO_UID: '65534', SUDO_GID: '65534' });
  const { status } = await demo.ended;
  t.equal(status, 0, status === 0 ? 'status 0' : demo.output());
  t.ok(/curl\[\d+\] runs .* uid 65534$/m.test(demo.output()), 'curl has their uid');
  t.deepEqual(demo.left(), [], 'no process and no file is left');
  demo.tidy();
});

for (const [when, sign] of [
  ['while the server starts', /^/],
  ['while a client is under watch', /Let me look up/],
  ['while a sensor runs beside', /session\.ndjson &/],
] as const) {
  test(`demo: Ctrl-C ${when} cleans up`, { timeout: 60_000 }, async (t) => {
    if (!asRoot) {
      t.fail('the live tests need root: sudo scripts/test');
      return;
    }
    const demo = startDemo();
    for (let waited = 0; waited < 30_000 && !sign.test(demo.output()); waited += 20) await sleep(20);
    await sleep(200);
    demo.interrupt();
    const { status } = await demo.ended;
    t.equal(status, 130, 'status 130');
    t.deepEqual(demo.left(), [], 'no process and no file is left');
    demo.tidy();
  });
}

test('demo: the pretend model server is where the README says it is', (t) => {
  t.ok(existsSync(join(root, 'dist/scripts/demo.d/model-server.js')));
  t.end();
});
