/**
 * Live equals replay: the same input gives the same output bytes, however it is cut and timed, whatever the clock, the
 * time zone and the language, in a pipe of processes and in one process.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { recordedLines } from '../../bench/recorded.js';
import { httpParser } from '../../lib/analyzers/http.js';
import { Batch } from '../../lib/stream/batch.js';
import { LineFilter } from '../../lib/stream/line-filter.js';
import { clockShift } from '../support/clock-shift.js';
import { ROOT, runBin, runProgram } from '../support/harness.js';
import { assertValid, eventsOf } from '../support/validate.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-same-'));

const stream = Buffer.from([...recordedLines(400_000, 7)].join(''));
const file = join(directory, 'stream.ndjson');
writeFileSync(file, stream);
const expected = (await runBin('http', [], { input: stream })).stdout;
// After the last await: tape takes a file whose tests come late for one without tests.
test.onFinish(() => rmSync(directory, { recursive: true }));

/** What tracer-http makes of these chunks, in this process. */
function filtered(chunks: readonly Buffer[]): Buffer {
  const batch = new Batch();
  const filter = new LineFilter(httpParser(), batch, { warn() {} });
  const parts: Buffer[] = [];
  for (const chunk of chunks) {
    filter.feed(Buffer.from(chunk));
    parts.push(...batch.take());
  }
  filter.end();
  return Buffer.concat([...parts, ...batch.take()]);
}

test('the stream makes HTTP events that obey the contract', (t) => {
  const made = eventsOf(expected.toString()).filter((event) => (event as { source?: string }).source === 'http');
  t.ok(made.length > 50, `${made.length} events`);
  assertValid(t, made);
  t.end();
});

test('cut in two at every byte, and byte by byte: the same bytes', (t) => {
  const short = Buffer.from([...recordedLines(6000, 3)].join(''));
  const whole = filtered([short]);
  let different = 0;
  for (let at = 1; at < short.length; at++) if (!filtered([short.subarray(0, at), short.subarray(at)]).equals(whole)) different++;
  t.equal(different, 0, `${short.length} cuts`);
  t.ok(filtered([...short].map((byte) => Buffer.from([byte]))).equals(whole), 'byte by byte');
  t.end();
});

test('stalls, time zone, language, clock, working directory: the same bytes', async (t) => {
  let seed = 42;
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const length = 1 + (seed % 9000);
    pieces.push(stream.subarray(at, at + length));
    at += length;
  }
  const environments: Record<string, string>[] = [
    { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' },
    { TZ: 'America/St_Johns', LC_ALL: 'C' },
    clockShift(directory, 400_000_000),
  ];
  for (const env of environments) {
    const { stdout, stderr } = await runBin('http', [], { input: pieces, env, cwd: directory });
    t.ok(stdout.equals(expected), `${JSON.stringify(env).slice(0, 60)} ${stderr}`);
  }
  t.end();
});

test('in one process and in several, replayed and piped: the same bytes', async (t) => {
  const node = `'${process.execPath}'`;
  const lines: [string, string][] = [
    ['replay | http', `${node} ${ROOT}bin/replay ${file} | ${node} ${ROOT}bin/http`],
    ['pipe replay | http', `${node} ${ROOT}bin/tracer pipe 'replay ${file} | http'`],
    ['pipe http from stdin', `cat ${file} | ${node} ${ROOT}bin/tracer pipe http`],
    ['http | http: nothing is left for the second', `${node} ${ROOT}bin/http < ${file} | ${node} ${ROOT}bin/http`],
    ['gzip', `gzip -c ${file} | ${node} ${ROOT}bin/replay - | ${node} ${ROOT}bin/http`],
  ];
  for (const [name, line] of lines) {
    const { stdout, stderr } = await runProgram('/bin/bash', ['-o', 'pipefail', '-c', line]);
    t.ok(stdout.equals(expected), `${name} ${stderr}`);
  }
  const shown = await runProgram('/bin/sh', ['-c', `${node} ${ROOT}bin/http < ${file} | ${node} ${ROOT}bin/show`]);
  const piped = await runProgram('/bin/sh', ['-c', `${node} ${ROOT}bin/tracer pipe 'http | show' < ${file}`]);
  t.ok(shown.stdout.length > 1000 && shown.stdout.equals(piped.stdout), 'as text for people');
  t.end();
});

test('--keep gives every input line back, in order', async (t) => {
  const { stdout } = await runBin('http', ['--keep'], { input: stream });
  const input = stream.toString().split('\n');
  let next = 0;
  for (const line of stdout.toString().split('\n')) if (line === input[next]) next++;
  t.equal(next, input.length);
  t.end();
});
