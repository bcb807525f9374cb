/** Connections of TCP on loopback: what watching them costs the program and the sensor, beside bcc's tcplife. */
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { type Peers, peers } from '../peers.js';
import { Process } from '../process.js';
import { type Flavour, Sensor, tracerIsBuilt } from '../sensors.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

const CONNECTIONS = 20_000;
const TRACER_NET = 'tracer-net';

const tracer: Flavour = {
  name: TRACER_NET,
  command: ({ pid }) => ({ command: [process.execPath, join('bin', 'netmon'), '--no-children', '-p', String(pid)] }),
  isReady: (output) => output.includes('"event_type":"sensor_start"'),
  count: (output) => ({ events: output.occurrences('"event_type":"net_'), cut: 0 }),
};

const DEBUGFS = 'mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug; exec "$@"';

/** Undefined when it is not set up. */
function tcplife({ bcc }: Peers = peers()): Flavour | undefined {
  if (bcc === undefined) return undefined;
  return {
    name: "bcc's tcplife",
    command: ({ pid }) => ({
      // It looks for tracepoints below debugfs; without them it wants kprobes, which this kernel may not have.
      command: ['unshare', '-m', 'sh', '-c', DEBUGFS, 'sh', '/usr/bin/python3', '/usr/sbin/tcplife-bpfcc', '-p', String(pid)],
      env: { BCC_KERNEL_SOURCE: bcc.headers, PYTHONUNBUFFERED: '1' },
    }),
    isReady: (output) => output.includes('LADDR'),
    count: (output) => ({ events: output.occurrences('\n') - 1, cut: 0 }),
  };
}

interface Cost {
  /** Of the program for a connection, in nanoseconds. */
  program: number;
  /** Of the sensor for an event. */
  sensor: number;
  events: number;
  bytes: number;
}

async function measure(bench: Bench, target: Process, flavour: Flavour | undefined): Promise<Cost> {
  const path = join(bench.workshop.output, `net-${Date.now()}`);
  const sensor = flavour && (await Sensor.attach(flavour, { pid: target.pid, library: '' }, bench.sensorCpu, path));
  try {
    await target.ask(String(CONNECTIONS / 4));
    await sensor?.collect();
    sensor?.reset();
    const { cpu_ns, failed } = JSON.parse(await target.ask(String(CONNECTIONS))) as Record<string, number>;
    if (failed !== 0) throw new Error(`${failed} connections failed`);
    const came = await sensor?.collect();
    const events = came?.events ?? 0;
    return {
      program: (cpu_ns as number) / CONNECTIONS,
      sensor: came === undefined ? 0 : came.cpuNs / Math.max(1, events),
      events,
      bytes: came === undefined ? 0 : came.outputBytes / Math.max(1, events),
    };
  } finally {
    await sensor?.stop();
  }
}

export async function netRows(bench: Bench): Promise<Row[]> {
  if (!tracerIsBuilt()) return [];
  const other = tcplife();
  const target = Process.start([bench.workshop.program('tcp-loop', [])], { cpu: bench.targetCpu });
  const costs = new Map<string, Cost[]>();
  try {
    await target.line();
    await target.ask(String(CONNECTIONS));
    for (let round = 0; round < bench.rounds; round++) {
      for (const flavour of [undefined, tracer, ...(other === undefined ? [] : [other])]) {
        const name = flavour?.name ?? 'untouched';
        bench.say(`connections, round ${round + 1}/${bench.rounds}: ${name}`);
        costs.set(name, [...(costs.get(name) ?? []), await measure(bench, target, flavour)]);
      }
    }
  } finally {
    await target.stop();
  }
  const plain = costs.get('untouched') ?? [];
  const added = (name: string): number[] => (costs.get(name) ?? []).map((cost, i) => (cost.program - (plain[i]?.program ?? 0)) / 1e3);
  const of = (name: string, pick: (cost: Cost) => number): number[] => (costs.get(name) ?? []).map(pick);
  const ours = { added: spread(added(TRACER_NET)), sensor: spread(of(TRACER_NET, ({ sensor }) => sensor / 1e3)) };
  const delivered = spread(of(TRACER_NET, ({ events }) => events / (2 * CONNECTIONS)));
  const bytes = spread(of(TRACER_NET, (cost) => cost.bytes));
  const rows: Row[] = [];
  const add = (what: string, mine: ReturnType<typeof spread>, theirs: number[] | undefined): void => {
    const theirSpread = theirs === undefined || theirs.length === 0 ? undefined : spread(theirs);
    const ratio = theirSpread === undefined ? undefined : mine.median / theirSpread.median;
    rows.push({
      what,
      against: "bcc's tcplife",
      ours: show(mine, 'µs'),
      theirs: theirSpread === undefined ? '–' : show(theirSpread, 'µs'),
      ratio: ratio === undefined ? '–' : `${digits(ratio)} of it`,
      bar: '≤ 1/5',
      ...(ratio === undefined ? {} : { met: ratio <= 0.2 }),
    });
  };
  add('CPU added to connect + close on loopback', ours.added, other && added(other.name));
  add('the same, sensor CPU for an event', ours.sensor, other && of(other.name, ({ sensor }) => sensor / 1e3));
  rows.push({
    what: 'the same, events and bytes',
    against: 'what was connected',
    ours: `${digits(100 * (1 - delivered.min))} % lost, ${digits(bytes.median)} B each`,
    theirs: '–',
    ratio: `${digits(bytes.median)} B`,
    bar: '0 lost, ≤ 600 B',
    met: delivered.min === 1 && delivered.max === 1 && bytes.median <= 600,
    note: `an untouched connect + close takes ${show(spread(plain.map(({ program }) => program / 1e3)), 'µs')}; tracer-net gives an event for each of the two, tcplife one for both`,
  });
  return rows;
}
