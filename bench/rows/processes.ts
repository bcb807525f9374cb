/** Programs run and files opened, flat out: what it costs whoever is watched, what arrives, and what the sensor takes for each. */
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { exactCpuTime, Process } from '../process.js';
import { type Delivered, type Flavour, Sensor, tracerIsBuilt } from '../sensors.js';
import { execsnoop, opensnoop } from '../snoop.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

/** A user of nobody's, so that a peer which knows no other scope watches the load alone. */
const UID = 61_777;

interface Kind {
  name: 'open' | 'exec';
  what: string;
  /** Our event, our options. */
  event: string;
  options: readonly string[];
  peer: string;
  /** Of theirs, or in microseconds. */
  added: { share?: number; us?: number };
  sensor: { share?: number; us?: number };
}

const KINDS: readonly Kind[] = [
  {
    name: 'exec',
    what: 'fork+exec+exit',
    event: 'process_exec',
    options: [],
    peer: "bcc's execsnoop",
    added: { share: 1 / 5 },
    sensor: { share: 1 / 5 },
  },
  {
    name: 'open',
    what: 'open+close',
    event: 'file_open',
    options: ['--files'],
    peer: "bcc's opensnoop",
    added: { us: 1.5 },
    sensor: { us: 0.9 },
  },
];

interface Sample {
  /** CPU of the load for one. */
  us: number;
  count: number;
  warm: number;
  wallS: number;
  delivered?: Delivered;
  sensorUs?: number;
}

function tracer(kind: Kind, scope: (pid: number) => string[]): Flavour {
  return {
    name: 'tracer-proc',
    command: ({ pid }) => ({ command: [process.execPath, join('bin', 'procmon'), ...kind.options, ...scope(pid)] }),
    isReady: (output) => output.includes('"event_type":"sensor_start"'),
    count: (output) => ({ events: output.occurrences(`"event_type":"${kind.event}"`), cut: 0 }),
  };
}

async function measure(bench: Bench, kind: Kind, side: string, flavour: Flavour | undefined, round: number): Promise<Sample> {
  const target = Process.start([bench.workshop.program('proc-load', []), String(UID)], { cpu: bench.targetCpu });
  let sensor: Sensor | undefined;
  try {
    if (!(await target.line())?.startsWith('ready')) throw new Error(`proc-load did not start: ${target.stderr}`);
    if (flavour) {
      const path = join(bench.workshop.output, `${side.replace(/\W+/g, '-')}-${kind.name}-${round}`);
      sensor = await Sensor.attach(flavour, { pid: target.pid, library: '' }, bench.sensorCpu, path);
    }
    sensor?.reset();
    const before = sensor ? exactCpuTime(sensor.pid) : 0;
    const answer = JSON.parse(await target.ask(`${kind.name} ${bench.seconds}`)) as Record<string, number>;
    const delivered = await sensor?.collect();
    const sensorNs = sensor ? exactCpuTime(sensor.pid) - before : 0;
    const count = answer['count'] as number;
    return {
      us: (answer['cpu_ns'] as number) / count / 1e3,
      count,
      warm: answer['warm'] as number,
      wallS: (answer['wall_ns'] as number) / 1e9,
      ...(delivered ? { delivered, sensorUs: sensorNs / 1e3 / Math.max(1, delivered.events) } : {}),
    };
  } finally {
    await sensor?.stop();
    await target.stop();
  }
}

export async function processRows(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of KINDS) {
    const others = tracer(kind, () => ['-p', String(process.pid), '--no-children']);
    const flavours: { name: string; flavour: Flavour | undefined }[] = [{ name: 'untouched', flavour: undefined }];
    const peer = kind.name === 'exec' ? execsnoop(UID) : opensnoop(UID);
    if (peer) flavours.push({ name: 'peer', flavour: peer });
    if (tracerIsBuilt())
      flavours.push({ name: 'ours', flavour: tracer(kind, (pid) => ['-p', String(pid)]) }, { name: 'out of scope', flavour: others });
    const samples = new Map<string, Sample[]>();
    for (let round = 0; round < bench.rounds; round++) {
      for (let i = 0; i < flavours.length; i++) {
        const { name, flavour } = flavours[(i + round) % flavours.length] as (typeof flavours)[number];
        bench.say(`${kind.what}, round ${round + 1}/${bench.rounds}: ${name}`);
        try {
          samples.set(name, [...(samples.get(name) ?? []), await measure(bench, kind, name, flavour, round)]);
        } catch (error) {
          bench.say(`${name}: ${(error as Error).message}`);
        }
      }
    }
    rows.push(...rowsOf(kind, samples, peer !== undefined));
  }
  return rows;
}

/** What is added to one, round by round. */
function added(samples: Map<string, Sample[]>, name: string): number[] {
  const base = samples.get('untouched') ?? [];
  return (samples.get(name) ?? []).flatMap((sample, i) => (base[i] === undefined ? [] : [sample.us - base[i].us]));
}

function judged(ours: number[], theirs: number[], bar: { share?: number; us?: number }): Pick<Row, 'ratio' | 'bar' | 'met'> {
  if (ours.length === 0) return { ratio: '–', bar: '–' };
  if (bar.us !== undefined) return { ratio: show(spread(ours), 'µs'), bar: `≤ ${bar.us} µs`, met: spread(ours).median <= bar.us };
  const share = bar.share as number;
  if (theirs.length === 0) return { ratio: '–', bar: `≤ 1/${Math.round(1 / share)}` };
  // Below the noise of a busy machine: nothing that could be told.
  const ratio = Math.max(0, spread(ours).median) / Math.max(1e-9, spread(theirs).median);
  return { ratio: `${digits(ratio)} of it`, bar: `≤ 1/${Math.round(1 / share)}`, met: ratio <= share };
}

function rowsOf(kind: Kind, samples: Map<string, Sample[]>, hasPeer: boolean): Row[] {
  const side = (values: number[], otherwise: string): string => (values.length > 0 ? show(spread(values), 'µs') : otherwise);
  const missing = hasPeer ? 'did not run' : 'not installed (scripts/bench --setup)';
  const [ours, theirs, outside] = ['ours', 'peer', 'out of scope'].map((name) => added(samples, name)) as [number[], number[], number[]];
  const sensor = (name: string): number[] => (samples.get(name) ?? []).flatMap(({ sensorUs }) => sensorUs ?? []);
  const arrived = (name: string): string => {
    const all = (samples.get(name) ?? []).flatMap((one) => (one.delivered ? [{ ...one, delivered: one.delivered }] : []));
    if (all.length === 0) return name === 'peer' ? missing : 'not measured';
    const rate = spread(all.map(({ delivered, wallS }) => delivered.events / wallS));
    const lost = spread(all.map(({ count, warm, delivered }) => (100 * Math.max(0, count + warm - delivered.events)) / (count + warm)));
    const size = spread(all.map(({ delivered }) => delivered.outputBytes / Math.max(1, delivered.events)));
    return `${digits(rate.median)}/s, ${digits(lost.median)} % lost, ${digits(size.median)} B each`;
  };
  const base = (samples.get('untouched') ?? []).map(({ us }) => us);
  return [
    {
      what: `CPU added to ${kind.what}, flat out`,
      against: kind.peer,
      ours: side(ours, 'not measured'),
      theirs: side(theirs, missing),
      ...judged(ours, theirs, kind.added),
      ...(base.length > 0 ? { note: `untouched it takes ${show(spread(base), 'µs')}` } : {}),
    },
    {
      what: `the same, of a process out of scope`,
      against: '–',
      ours: side(outside, 'not measured'),
      theirs: '–',
      ...(kind.name === 'open' ? judged(outside, [], { us: 0.3 }) : { ratio: '–', bar: '–' }),
    },
    {
      what: `the sensor's CPU for one ${kind.name}`,
      against: kind.peer,
      ours: side(sensor('ours'), 'not measured'),
      theirs: side(sensor('peer'), missing),
      ...judged(sensor('ours'), sensor('peer'), kind.sensor),
    },
    { what: `${kind.what} delivered`, against: kind.peer, ours: arrived('ours'), theirs: arrived('peer'), ratio: '–', bar: '0 % lost' },
  ];
}
