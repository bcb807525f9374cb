/** Filters on a recorded stream: CPU for a gigabyte, against a plain Node loop, jaq and jq. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Bench } from '../bench.js';
import { peers } from '../peers.js';
import { Process } from '../process.js';
import { foreignStream, recordedStream } from '../recorded.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

export interface Contender {
  name: string;
  command: string[];
}

export const PLAIN = 'plain Node loop';

export const plainLoop: Contender = { name: PLAIN, command: [process.execPath, join('bench', 'targets', 'plain-loop.mjs')] };

/** CPU seconds (user and system, all threads) of `command < input > /dev/null` on one CPU. */
async function cpuSeconds(bench: Bench, command: readonly string[], input: string): Promise<number> {
  const shell = ['bash', '-c', 'TIMEFORMAT="%3U %3S"; time "$@" < "$0" > /dev/null', input, ...command];
  const process = Process.start(shell, { cpu: bench.sensorCpu });
  const { code } = await process.exited;
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${process.stderr.trim().slice(0, 300)}`);
  const [user, system] = (process.stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return (user ?? Number.NaN) + (system ?? Number.NaN);
}

/** Round → contender → megabytes per CPU second. */
export async function race(bench: Bench, what: string, contenders: readonly Contender[], input: string): Promise<Map<string, number[]>> {
  const megabytes = statSync(input).size / 1e6;
  const rates = new Map<string, number[]>();
  for (let round = 0; round < bench.rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length] as Contender;
      bench.say(`${what}, round ${round + 1}/${bench.rounds}: ${contender.name}`);
      const seconds = await cpuSeconds(bench, contender.command, input);
      rates.set(contender.name, [...(rates.get(contender.name) ?? []), megabytes / seconds]);
    }
  }
  return rates;
}

export function rowAgainst(what: string, ours: number[], name: string, theirs: number[] | undefined, times: number): Row {
  const row = { what, against: name, ours: show(spread(ours), 'MB/s'), bar: times === 1 ? '≥ 1 ×' : `≥ ${times} ×` };
  if (!theirs) return { ...row, theirs: 'not installed (scripts/bench --setup)', ratio: '–' };
  const ratios = ours.map((value, i) => value / (theirs[i] as number));
  return { ...row, theirs: show(spread(theirs), 'MB/s'), ratio: `${show(spread(ratios))} ×`, met: spread(ratios).median >= times };
}

/** Rules as people write them: names of things with a number, hosts, accounts. */
function rulesFile(): string {
  const file = join(mkdtempSync(join(tmpdir(), 'tracer-bench-rules-')), 'rules');
  const rules = [
    'ticket TICKET-\\d{4,8}',
    'employee emp_[a-z0-9]{8}',
    'host \\b([a-z0-9-]+)\\.corp\\.example\\b',
    'iban \\b[A-Z]{2}\\d{2}[A-Z0-9]{11,30}\\b',
  ];
  writeFileSync(file, `${rules.join('\n')}\n`);
  process.once('exit', () => rmSync(dirname(file), { recursive: true, force: true }));
  return file;
}

export async function filterRows(bench: Bench): Promise<Row[]> {
  const found = peers();
  const input = await recordedStream(bench.streamBytes);
  const contenders: Contender[] = [{ name: 'tracer-http', command: [process.execPath, join('bin', 'http')] }, plainLoop];
  if (found.jaq) contenders.push({ name: 'jaq', command: [found.jaq, '-c', '.'] });
  if (found.jq) contenders.push({ name: 'jq', command: [found.jq, '-c', '.'] });
  const whole = await race(bench, 'tracer-http', contenders, input);

  const foreign = await foreignStream(bench.streamBytes);
  const passing: Contender[] = [{ name: 'tracer-http', command: [process.execPath, join('bin', 'http')] }, plainLoop];
  if (found.jaq) passing.push({ name: 'jaq', command: [found.jaq, '-c', 'select(.event_type != "ssl_data")'] });
  const passed = await race(bench, 'passing on', passing, foreign);

  const redacting: Contender[] = [{ name: 'tracer-redact', command: [process.execPath, join('bin', 'redact')] }, plainLoop];
  const redacted = await race(bench, 'tracer-redact', redacting, input);
  const shared = await race(bench, 'tracer-redact, passing on', redacting, foreign);

  const ruled = await race(
    bench,
    'tracer-redact --rules',
    [{ name: 'tracer-redact', command: [process.execPath, join('bin', 'redact'), '--rules', rulesFile()] }, plainLoop],
    input,
  );

  const size = `${digits(bench.streamBytes / 1e6)} MB`;
  const http = whole.get('tracer-http') ?? [];
  const pass = passed.get('tracer-http') ?? [];
  const rows = [
    rowAgainst(`tracer-http on a recorded stream, ${size}`, http, PLAIN, whole.get(PLAIN), 1),
    rowAgainst('the same', http, 'jaq -c .', whole.get('jaq'), 1),
    rowAgainst('the same', http, 'jq 1.8 -c .', whole.get('jq'), 3),
    rowAgainst(`a filter passing events that it does not know, ${size}`, pass, PLAIN, passed.get(PLAIN), 3),
    rowAgainst('the same', pass, 'jaq, selecting', passed.get('jaq'), 3),
    rowAgainst(`tracer-redact on a recorded stream, ${size}`, redacted.get('tracer-redact') ?? [], PLAIN, redacted.get(PLAIN), 1),
    rowAgainst(
      'the same with four rules of a user, one of which has no fixed text',
      ruled.get('tracer-redact') ?? [],
      PLAIN,
      ruled.get(PLAIN),
      0.1,
    ),
    rowAgainst(`tracer-redact on other events, ${size}`, shared.get('tracer-redact') ?? [], PLAIN, shared.get(PLAIN), 1),
  ];
  if (rows[0]) rows[0].note = 'megabytes of input for a second of CPU time, all threads; output to /dev/null';
  return rows;
}
