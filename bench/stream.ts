/**
 * The reason for an NDJSON reader of our own (docs/decisions/0001-ndjson-reader.md): the usual recipe against the
 * harness, through real pipes (`cat FILE | node FILTER | cat`), for short lines, long lines and one very long line.
 *
 *     node dist/bench/stream.js [ROUNDS]
 *
 * Prints a table of CPU seconds of the filter (user and system) and of the time it took.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ROUNDS = Number(process.argv[2] ?? 5);

const directory = mkdtempSync(join(tmpdir(), 'tracer-bench-'));

/** An event with a payload of `size` bytes, as tracer-ssl prints it. */
function event(n: number, size: number): string {
  const text = 'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":" and so it goes on"}}\n\n';
  const who = { pid: 1841, tid: 1841, ppid: 1207, uid: 1000, comm: 'python3', start_us: 8123456, cgroup_id: '4321' };
  const data = { ...who, conn: '1841.8123456.3', direction: 'read', offset: n * size, total_bytes: size, captured_bytes: size };
  const payload = text.repeat(Math.ceil(size / text.length)).slice(0, size);
  return `${JSON.stringify({ id: `benchmark0-${n}`, timestamp: 1764000000000 + n / 8, source: 'ssl', event_type: 'ssl_data', data: { ...data, payload } })}\n`;
}

function recording(name: string, lines: number, size: number): { name: string; file: string; lines: number } {
  const file = join(directory, `${name}.ndjson`);
  writeFileSync(file, Array.from({ length: lines }, (_, n) => event(n + 1, size)).join(''));
  return { name, file, lines };
}

interface Taken {
  wall: number;
  cpu: number;
}

/** Runs `cat file | node filter | cat > /dev/null`. Times the filter alone for CPU. */
async function measure(filter: readonly string[], file: string): Promise<Taken> {
  const begin = process.hrtime.bigint();
  const cat = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const child = spawn('bash', ['-c', `TIMEFORMAT='%U %S'; time "$@" > >(cat > /dev/null)`, 'x', process.execPath, ...filter], {
    stdio: [cat.stdout, 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => child.on('close', resolve));
  const wall = Number(process.hrtime.bigint() - begin) / 1e9;
  const [user = Number.NaN, system = Number.NaN] = (text.trim().split('\n').pop() ?? '').split(' ').map(Number);
  return { wall, cpu: user + system };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
const SIDES = ['recipe', 'harness'] as const;

const rows: string[] = [];
for (const { name, file, lines } of [
  recording('100 B', 200_000, 100),
  recording('2 KiB', 40_000, 2048),
  recording('64 KiB', 1500, 65536),
  recording('4 MiB', 12, 4 << 20),
]) {
  for (const work of ['pass', 'mark']) {
    const taken: Record<(typeof SIDES)[number], Taken[]> = { recipe: [], harness: [] };
    for (let round = 0; round <= ROUNDS; round++) {
      for (const side of round % 2 === 0 ? SIDES : [...SIDES].reverse()) {
        const one = await measure([join(ROOT, 'bench/targets', `${side}.mjs`), work], file);
        if (round > 0) taken[side].push(one);
      }
    }
    const micro = (side: (typeof SIDES)[number], what: keyof Taken): number => (median(taken[side].map((one) => one[what])) / lines) * 1e6;
    const figures = (what: keyof Taken): string =>
      `${micro('recipe', what).toFixed(1)} | ${micro('harness', what).toFixed(1)} | ${(micro('recipe', what) / micro('harness', what)).toFixed(1)}`;
    rows.push(`| ${name} | ${work} | ${figures('wall')} | ${figures('cpu')} |`);
    console.error(rows[rows.length - 1]);
  }
}
console.log(
  `Linux ${release()} · ${cpus().length} × ${cpus()[0]?.model.trim()} · Node ${process.version} · medians of ${ROUNDS} rounds, start-up included\n`,
);
console.log(
  '| payload | work | recipe, µs/event | harness, µs/event | recipe ÷ harness | recipe, CPU µs | harness, CPU µs | recipe ÷ harness |',
);
console.log('|---|---|--:|--:|--:|--:|--:|--:|');
console.log(rows.join('\n'));
rmSync(directory, { recursive: true });
