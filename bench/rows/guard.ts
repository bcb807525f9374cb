/** The egress guard: what it adds to a connect(2), inside its scope and outside, and how soon an edit counts. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { Process } from '../process.js';
import { type Flavour, Sensor, tracerIsBuilt } from '../sensors.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

const CONNECTS = 300_000;
const EDITS = 40;
const FREE = '127.0.0.1';

/** So many entries that are about nobody here. */
function policy(entries: number, more = ''): string {
  return `${Array.from({ length: entries }, (_, i) => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`).join('\n')}\n${more}`;
}

function guard(file: string): Flavour {
  return {
    name: 'tracer-enforce',
    command: ({ pid }) => ({ command: [process.execPath, join('bin', 'enforce'), '--no-children', '-p', String(pid), file] }),
    isReady: (output) => output.includes('"event_type":"sensor_start"'),
    count: (output) => ({ events: output.occurrences('"event_type":"guard_'), cut: 0 }),
  };
}

/** Nanoseconds of CPU for a connect. */
async function cost(target: Process): Promise<number> {
  const { cpu_ns, failed } = JSON.parse(await target.ask(`${CONNECTS} ${FREE}`)) as { cpu_ns: number; failed: number };
  if (failed !== 0) throw new Error(`${failed} connects failed`);
  return cpu_ns / CONNECTS;
}

/** Milliseconds from the edit to the first refusal, for edits that forbid a new address each. */
async function edits(target: Process, file: string, entries: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 1; i <= EDITS; i++) {
    const address = `127.9.${i}.1`;
    writeFileSync(`${file}.new`, policy(entries, `${address}\n`));
    const answer = target.ask(`until ${address}`);
    const began = process.hrtime.bigint();
    renameSync(`${file}.new`, file);
    const { refused_ns } = JSON.parse(await answer) as { refused_ns: number };
    took.push((refused_ns - Number(began)) / 1e6);
  }
  return took;
}

function percentile(values: readonly number[], at: number): number {
  return [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * at))] as number;
}

export async function guardRows(bench: Bench): Promise<Row[]> {
  if (!tracerIsBuilt()) return [];
  const program = bench.workshop.program('udp-connect', []);
  const [inside, outside] = [Process.start([program], { cpu: bench.targetCpu }), Process.start([program], { cpu: bench.targetCpu })];
  const file = join(bench.workshop.output, 'egress.deny');
  const costs = new Map<string, number[]>();
  const late = new Map<number, number[]>();
  const note = (name: string, value: number): void => void costs.set(name, [...(costs.get(name) ?? []), value]);
  try {
    await inside.line();
    await outside.line();
    for (let round = 0; round < bench.rounds; round++) {
      note('untouched', await cost(inside));
      for (const entries of [10, 1000, 100_000]) {
        bench.say(`guard, round ${round + 1}/${bench.rounds}: ${entries} entries`);
        writeFileSync(file, policy(entries));
        const sensor = await Sensor.attach(
          guard(file),
          { pid: inside.pid, library: '' },
          bench.sensorCpu,
          join(bench.workshop.output, 'guard'),
        );
        try {
          note(`in ${entries}`, await cost(inside));
          if (entries === 10) note('out', await cost(outside));
          if (entries > 10 && round === 0) late.set(entries, await edits(inside, file, entries));
        } finally {
          await sensor.stop();
        }
      }
    }
  } finally {
    await inside.stop();
    await outside.stop();
  }
  const plain = costs.get('untouched') ?? [];
  const added = (name: string): number[] => (costs.get(name) ?? []).map((value, i) => (value - (plain[i] as number)) / 1e3);
  const row = (what: string, name: string, most: number): Row => {
    const mine = spread(added(name));
    return {
      what,
      against: 'untouched',
      ours: `+${show(mine, 'µs')}`,
      theirs: show(spread(plain.map((value) => value / 1e3)), 'µs'),
      ratio: `+${digits(mine.median)} µs`,
      bar: `≤ +${most} µs`,
      met: mine.median <= most,
    };
  };
  const lateRow = (entries: number, most: number): Row => {
    const p99 = percentile(late.get(entries) ?? [], 0.99);
    return {
      what: `edit of a deny-file of ${entries.toLocaleString('en')} entries → next connect refused`,
      against: '–',
      ours: `p50 ${digits(percentile(late.get(entries) ?? [], 0.5))} ms, p99 ${digits(p99)} ms`,
      theirs: '–',
      ratio: `${digits(p99)} ms`,
      bar: `p99 ≤ ${most} ms`,
      met: p99 <= most,
    };
  };
  return [
    row('connect() in scope of tracer-enforce, 10 entries', 'in 10', 0.6),
    row('the same, 100,000 entries', 'in 100000', 0.6),
    row('connect() outside its scope', 'out', 0.3),
    lateRow(1000, 20),
    lateRow(100_000, 500),
  ];
}
