/** `tracer-replay --speed`: events come when they are due, not earlier, and a signal ends the waiting. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { cleanEnvironment, outcome, ROOT, runBin } from '../support/harness.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-speed-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

const line = (n: number, ms: number): string =>
  `{"id":"aaaaaaaaaa-${n}","timestamp":${1764000000000 + ms},"source":"meta","event_type":"zebra","data":{}}\n`;
const file = join(directory, 'in.ndjson');
// A line without a time, and one that goes back in time, wait for nothing.
const input = line(1, 0) + '{"n":2}\n' + line(3, 2000) + line(4, 100) + line(5, 4000);
writeFileSync(file, input);

test('--speed: paced, whole and in order', async (t) => {
  const arrived: { text: string; at: number }[] = [];
  // From before its start, so that a test process that is kept waiting sees nothing too early.
  const start = performance.now();
  const child = spawn(process.execPath, [`${ROOT}bin/replay`, '--speed', '2', file], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.on('data', (chunk: Buffer) => arrived.push({ text: chunk.toString(), at: performance.now() }));
  const { stdout } = await outcome(child);
  t.equal(stdout.toString(), input);
  const when = (text: string): number => arrived.find((each) => each.text.includes(text))?.at ?? Number.NaN;
  t.equal(arrived[0]?.text, line(1, 0) + '{"n":2}\n', 'what is due comes at once');
  t.ok(when('-3"') - start >= 1000, 'the third is half of 2 s later');
  t.ok(when('-5"') - start >= 2000, 'the fifth is half of 4 s later');
  t.equal((await runBin('replay', ['--speed', '1e9', file])).stdout.toString(), input);
  t.end();
});

test('--speed: a signal does not wait for the next event', async (t) => {
  writeFileSync(file, line(1, 0) + line(2, 3_600_000));
  const child = spawn(process.execPath, [`${ROOT}bin/replay`, '--speed', '1', file], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.once('data', () => child.kill('SIGINT'));
  const { code, stdout } = await outcome(child);
  t.deepEqual([code, stdout.toString()], [0, line(1, 0)]);
  t.end();
});
