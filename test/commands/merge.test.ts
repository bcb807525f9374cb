/** tracer-merge over inputs that live: fifos, silence, and inputs in any order. */
import { execFileSync, spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import test from 'tape';
import { bin } from '../support/paths.js';

function line(
  stream: string,
  n: number,
  ms: number,
  type = 'process_fork',
  data: object = { pid: 1, child_pid: 2, child_start_us: 3 },
): string {
  const source = type === 'heartbeat' ? 'meta' : 'process';
  return `${JSON.stringify({ id: `${stream}-${n}`, timestamp: 1764000000000 + ms, source, event_type: type, data })}\n`;
}

function beat(stream: string, n: number, ms: number): string {
  return line(stream, n, ms, 'heartbeat', {
    sensor: 'x',
    window_ms: 200,
    counts: {},
    lost: {},
    queue_bytes: 0,
    rss_bytes: 0,
    probes_attached: 0,
  });
}

interface Live {
  a: NodeJS.WritableStream;
  b: NodeJS.WritableStream;
  /** Lines that came out, with the time. */
  lines: { text: string; at: number }[];
  ended: Promise<number | null>;
  close(): void;
}

function live(): Live {
  const folder = mkdtempSync(join(tmpdir(), 'tracer-merge-'));
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  execFileSync('mkfifo', [a, b]);
  const child = spawn(process.execPath, [bin('merge'), a, b], { stdio: ['ignore', 'pipe', 'ignore'] });
  const lines: Live['lines'] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) lines.push({ text, at: performance.now() });
  });
  return {
    a: createWriteStream(a),
    b: createWriteStream(b),
    lines,
    ended: new Promise((resolve) => child.on('close', resolve)),
    close: () => rmSync(folder, { recursive: true }),
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test('merge: of live inputs a heartbeat lets the others go', async (t) => {
  const { a, b, lines, ended, close } = live();
  b.write(beat('bbbbbbbbbb', 1, 0));
  a.write(line('aaaaaaaaaa', 1, 10) + line('aaaaaaaaaa', 2, 20));
  b.write(beat('bbbbbbbbbb', 2, 15));
  b.end(line('bbbbbbbbbb', 3, 18));
  a.end();
  t.equal(await ended, 0);
  t.deepEqual(
    lines.map(({ text }) => (JSON.parse(text) as { id: string }).id),
    ['bbbbbbbbbb-1', 'aaaaaaaaaa-1', 'bbbbbbbbbb-2', 'bbbbbbbbbb-3', 'aaaaaaaaaa-2'],
  );
  close();
  t.end();
});

test('merge: a silent input does not hold the other one back', async (t) => {
  const { a, b, lines, ended, close } = live();
  b.write(beat('bbbbbbbbbb', 1, 0));
  a.write(line('aaaaaaaaaa', 1, 10));
  for (let waited = 0; waited < 8000 && lines.length < 2; waited += 50) await sleep(50);
  t.equal(lines.length, 2, 'what waited for it went');
  b.end(line('bbbbbbbbbb', 2, 5));
  a.end(line('aaaaaaaaaa', 2, 30));
  t.equal(await ended, 0);
  t.equal(lines.length, 4, 'what it says later comes as well');
  close();
  t.end();
});

test('merge: the same bytes in any order of the arguments', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tracer-merge-'));
  const times = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 12 });
  fc.assert(
    fc.property(times, times, times, (...inputs) => {
      const names = inputs.map((steps, i) => {
        let ms = 0;
        const text = steps.map((step, n) => {
          ms += step;
          return line('abc'.charAt(i).repeat(10), n + 1, ms);
        });
        writeFileSync(join(folder, String(i)), text.join(''));
        return join(folder, String(i));
      });
      const merge = (order: string[]): string => execFileSync(process.execPath, [bin('merge'), ...order], { encoding: 'utf8' });
      const [one, two] = [merge(names), merge([...names].reverse())];
      const stamps = one
        .split('\n')
        .filter((text) => text !== '')
        .map((text) => (JSON.parse(text) as { timestamp: number }).timestamp);
      return (
        one === two && stamps.length === inputs.flat().length && stamps.every((time, i) => i === 0 || time >= (stamps[i - 1] as number))
      );
    }),
    { numRuns: 12 },
  );
  rmSync(folder, { recursive: true });
  t.pass('12 sets of three files');
  t.end();
});
