/**
 * Ten seconds flat out on one core: how much arrives, how much is stated as lost, what an event costs the sensor; and how
 * much goes through a pipe, against a plain C program that prints the same lines.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { cpuTime, memory, Process, sleep } from '../process.js';
import { sitesOf, tracerIsBuilt } from '../sensors.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

const SECONDS = 10;

interface Run {
  calls: number;
  wallS: number;
  /** ssl_data lines. */
  events: number;
  bytes: number;
  cpuNs: number;
  /** The most anonymous memory that it had meanwhile. */
  anonymous: number;
  /** From sensor_end, where the sensor says one. */
  stated?: number;
}

interface Ending {
  bytes: number;
  lines: number;
  last: { event_type?: string; data?: { emitted?: number; seen?: number; lost?: Record<string, number> } } | null;
}

/** The C consumer with the probes that tracer-ssl would choose for this library. */
function consumerCommand(bench: Bench, library: string, pid: number): string[] {
  const program = join(bench.workshop.directory, 'consumer');
  if (!existsSync(program)) {
    const source = join('bench', 'c-consumer', 'consumer.c');
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, source, '-lbpf', '-lelf', '-lz'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const probes = sitesOf(library).flatMap((site) => {
    const layout = site.arguments === 'count' ? '' : `_inner${site.arguments.slice(3)}`;
    return [`ssl_${site.direction}${layout}:${site.offset}`, `ssl_call_return:${site.offset}:ret`];
  });
  return [program, join('dist', 'bpf', 'sslsniff.bpf.o'), library, String(pid), ...probes];
}

async function run(bench: Bench, who: 'tracer-ssl' | 'C', bytes: number): Promise<Run> {
  const program = bench.workshop.program('ssl-pair', ['-lssl', '-lcrypto']);
  const drainProgram = bench.workshop.program('drain', []);
  const { directory, library } = bench.workshop.privateLibssl(program, 'flat-out');
  const target = Process.start([program], { cpu: bench.targetCpu, env: { LD_LIBRARY_PATH: directory } });
  const fifo = join(bench.workshop.output, `fifo-${who}-${bytes}-${Date.now()}`);
  execFileSync('mkfifo', ['-m', '600', fifo]);
  // Opened for both ways first, so that neither end waits for the other; closed before anything starts, so that it can end.
  const both = openSync(fifo, 'r+');
  const readEnd = openSync(fifo, 'r');
  const writeEnd = openSync(fifo, 'w');
  closeSync(both);
  const drain = Process.start([drainProgram], { cpu: bench.sensorCpu, stdin: readEnd });
  closeSync(readEnd);
  let sensor: Process | undefined;
  try {
    await target.line();
    const command =
      who === 'C' ? consumerCommand(bench, library, target.pid) : [process.execPath, join('bin', 'sslsniff'), '-p', String(target.pid)];
    try {
      sensor = Process.start(command, { cpu: bench.sensorCpu, stdout: writeEnd });
    } finally {
      closeSync(writeEnd);
    }
    if ((await drain.line()) !== 'ready') throw new Error(`${who} did not attach: ${sensor.stderr}`);
    await sleep(300);
    const before = cpuTime(sensor.pid);
    const { pid } = sensor;
    let anonymous = 0;
    const watcher = setInterval(() => {
      try {
        anonymous = Math.max(anonymous, memory(pid, 'RssAnon'));
      } catch {
        clearInterval(watcher);
      }
    }, 100);
    const answer = JSON.parse(await target.ask(`${bytes} ${SECONDS} 0`)) as Record<string, number>;
    for (let last = -1, quiet = 0; quiet < 3; await sleep(200)) {
      const now = cpuTime(sensor.pid);
      quiet = now - last <= 2e7 ? quiet + 1 : 0;
      last = now;
    }
    const cpuNs = cpuTime(sensor.pid) - before;
    clearInterval(watcher);
    await sensor.stop('SIGINT');
    const ending = JSON.parse((await drain.line()) ?? 'null') as Ending;
    const end = ending.last?.event_type === 'sensor_end' ? ending.last.data : undefined;
    const stated = end ? Object.values(end.lost ?? {}).reduce((sum, n) => sum + n, 0) : undefined;
    return {
      calls: answer['calls'] as number,
      wallS: (answer['wall_ns'] as number) / 1e9,
      events: end?.emitted ?? ending.lines - 1,
      bytes: ending.bytes,
      cpuNs,
      anonymous,
      ...(stated === undefined ? {} : { stated }),
    };
  } finally {
    await sensor?.stop('SIGINT');
    await target.stop();
    await drain.stop();
  }
}

export async function flatOutRows(bench: Bench): Promise<Row[]> {
  if (!tracerIsBuilt()) return [];
  const rows: Row[] = [];
  for (const [bytes, name, cpuBar] of [
    [256, '256 B', 1.4],
    [4096, '4 KiB', 6],
  ] as const) {
    const runs: Record<string, Run[]> = { 'tracer-ssl': [], C: [] };
    for (let round = 0; round < Math.min(bench.rounds, 3); round++) {
      for (const who of round % 2 === 0 ? (['tracer-ssl', 'C'] as const) : (['C', 'tracer-ssl'] as const)) {
        bench.say(`flat out for ${SECONDS} s, ${name}, round ${round + 1}: ${who}`);
        runs[who]?.push(await run(bench, who, bytes));
      }
    }
    const ours = runs['tracer-ssl'] as Run[];
    const theirs = runs['C'] as Run[];
    const lost = spread(ours.map((one) => (100 * (one.calls - one.events)) / one.calls));
    const unstated = spread(ours.map((one) => one.calls - one.events - (one.stated ?? 0)));
    const cpu = spread(ours.map((one) => one.cpuNs / 1e3 / one.events));
    const rate = spread(ours.map((one) => one.events / one.wallS));
    const megabytes = (one: Run): number => one.bytes / 1e6 / one.wallS;
    rows.push(
      {
        what: `flat out for ${SECONDS} s, ${name}: delivered`,
        against: 'what was called',
        ours: `${digits(rate.median)}/s, ${show(lost, '%')} lost`,
        theirs: `${digits(spread(ours.map((one) => one.calls / one.wallS)).median)}/s called`,
        ratio: unstated.max === 0 && unstated.min === 0 ? 'each loss stated' : `${digits(unstated.median)} not stated`,
        bar: bytes === 256 ? '0 lost' : '≥ 100,000/s, the rest stated to the event',
        met: unstated.max === 0 && unstated.min === 0 && (bytes === 256 ? lost.max === 0 : rate.median >= 100_000),
      },
      {
        what: `the same, sensor CPU for an event, ${name}`,
        against: '–',
        ours: show(cpu, 'µs'),
        theirs: `C: ${show(spread(theirs.map((one) => one.cpuNs / 1e3 / one.events)), 'µs')}`,
        ratio: show(cpu, 'µs'),
        bar: `≤ ${cpuBar} µs`,
        met: cpu.median <= cpuBar,
        note: `the sensor's anonymous memory: ${digits(spread(ours.map((one) => one.anonymous / 1e6)).median)} MB at most`,
      },
      {
        what: `the same, bytes through a pipe, ${name}`,
        against: 'C consumer on libbpf',
        ours: show(spread(ours.map(megabytes)), 'MB/s'),
        theirs: show(spread(theirs.map(megabytes)), 'MB/s'),
        ratio: `${show(spread(ours.map((one, i) => megabytes(one) / megabytes(theirs[i] as Run))))} ×`,
        bar: '≥ 0.5 ×',
        met: spread(ours.map((one, i) => megabytes(one) / megabytes(theirs[i] as Run))).median >= 0.5,
      },
    );
  }
  return rows;
}
