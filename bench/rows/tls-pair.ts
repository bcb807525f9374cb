/** One SSL_write and SSL_read in one process, watched by nobody, by bcc and by us: what it costs them, and what arrives. */
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { Process } from '../process.js';
import { bcc, type Delivered, EMPTY_PROBES, type Flavour, Sensor, TRACER, tracerIsBuilt } from '../sensors.js';
import { digits, type Spread, show, spread } from '../stats.js';
import type { Row } from '../table.js';

interface Phase {
  name: string;
  bytes: number;
  rate: number;
}

const PHASES: readonly Phase[] = [
  { name: '256 B flat out', bytes: 256, rate: 0 },
  { name: '4 KiB flat out', bytes: 4096, rate: 0 },
  { name: '16 KiB flat out', bytes: 16384, rate: 0 },
  { name: '4 KiB at 400 pairs/s', bytes: 4096, rate: 400 },
];

interface Sample {
  /** CPU of the traced thread for a pair, in microseconds. */
  pairUs: number;
  pairs: number;
  calls: number;
  wallS: number;
  delivered?: Delivered;
}

export async function tlsPairRows(bench: Bench): Promise<Row[]> {
  const program = bench.workshop.program('ssl-pair', ['-lssl', '-lcrypto']);
  const flavours: (Flavour | undefined)[] = [undefined];
  const peer = bcc();
  if (peer) flavours.push(peer);
  if (tracerIsBuilt()) flavours.push(TRACER, EMPTY_PROBES);
  const samples = new Map<string, Map<string, Sample>[]>();

  for (let round = 0; round < bench.rounds; round++) {
    // Another order each round, so that nobody always comes first.
    for (let i = 0; i < flavours.length; i++) {
      const flavour = flavours[(i + round) % flavours.length];
      const name = flavour?.name ?? 'untouched';
      bench.say(`TLS pair, round ${round + 1}/${bench.rounds}: ${name}`);
      try {
        const measured = await measure(bench, program, flavour, round);
        samples.set(name, [...(samples.get(name) ?? []), measured]);
      } catch (error) {
        bench.say(`${name}: ${(error as Error).message}`);
      }
    }
  }
  return PHASES.flatMap((phase) => rowsOf(phase, samples, peer !== undefined));
}

async function measure(bench: Bench, program: string, flavour: Flavour | undefined, round: number): Promise<Map<string, Sample>> {
  const { directory, library } = bench.workshop.privateLibssl(program, flavour?.name ?? 'untouched');
  const target = Process.start([program], { cpu: bench.targetCpu, env: { LD_LIBRARY_PATH: directory } });
  let sensor: Sensor | undefined;
  const results = new Map<string, Sample>();
  try {
    const ready = await target.line();
    if (!ready?.startsWith('ready')) throw new Error(`ssl-pair did not start: ${target.stderr}`);
    if (flavour) {
      const path = join(bench.workshop.output, `${flavour.name.replace(/\W+/g, '-')}-${round}`);
      sensor = await Sensor.attach(flavour, { pid: target.pid, library }, bench.sensorCpu, path);
    }
    for (const phase of PHASES) {
      sensor?.reset();
      const answer = JSON.parse(
        await target.ask(`${phase.bytes} ${phase.rate > 0 ? Math.max(4, bench.seconds) : bench.seconds} ${phase.rate}`),
      ) as Record<string, number>;
      const delivered = await sensor?.collect();
      results.set(phase.name, {
        pairUs: (answer['cpu_ns'] as number) / (answer['pairs'] as number) / 1e3,
        pairs: answer['pairs'] as number,
        calls: answer['calls'] as number,
        wallS: (answer['wall_ns'] as number) / 1e9,
        ...(delivered ? { delivered } : {}),
      });
    }
  } finally {
    await sensor?.stop();
    await target.stop();
  }
  return results;
}

/** What a sensor adds to a pair, round by round. */
function added(samples: Map<string, Map<string, Sample>[]>, who: string, phase: string): number[] {
  const base = samples.get('untouched') ?? [];
  return (samples.get(who) ?? []).flatMap((round, i) => {
    const with_ = round.get(phase)?.pairUs;
    const without = base[i]?.get(phase)?.pairUs;
    return with_ === undefined || without === undefined ? [] : [with_ - without];
  });
}

function deliveredOf(
  samples: Map<string, Map<string, Sample>[]>,
  who: string,
  phase: string,
): { rate: Spread; lost: Spread; cpuUs: Spread; cut: Spread } | undefined {
  const all = (samples.get(who) ?? []).flatMap((round) => {
    const sample = round.get(phase);
    return sample?.delivered ? [{ sample, delivered: sample.delivered }] : [];
  });
  if (all.length === 0) return undefined;
  return {
    rate: spread(all.map(({ sample, delivered }) => delivered.events / sample.wallS)),
    lost: spread(all.map(({ sample, delivered }) => (100 * Math.max(0, sample.calls - delivered.events)) / sample.calls)),
    cpuUs: spread(all.map(({ delivered }) => delivered.cpuNs / 1e3 / Math.max(1, delivered.events))),
    cut: spread(all.map(({ delivered }) => (100 * delivered.cut) / Math.max(1, delivered.events))),
  };
}

function rowsOf(phase: Phase, samples: Map<string, Map<string, Sample>[]>, hasPeer: boolean): Row[] {
  const peerName = "bcc's sslsniff";
  const base = (samples.get('untouched') ?? []).flatMap((round) => round.get(phase.name)?.pairUs ?? []);
  const base256 = (samples.get('untouched') ?? []).flatMap((round) => round.get('256 B flat out')?.pairUs ?? []);
  if (base.length === 0) return [];
  const ours = added(samples, TRACER.name, phase.name);
  const theirs = added(samples, peerName, phase.name);
  const divisor = phase.bytes === 16384 ? 3 : 4;
  const floor = added(samples, EMPTY_PROBES.name, phase.name);
  const ratios = ours.flatMap((value, i) => (theirs[i] === undefined ? [] : [value / theirs[i]]));
  const perBase = ours.flatMap((value, i) => (base256[i] === undefined ? [] : [value / base256[i]]));
  const rows: Row[] = [
    {
      what: `CPU added to a pair, ${phase.name}`,
      against: peerName,
      ours: ours.length > 0 ? show(spread(ours), 'µs') : 'not measured',
      theirs: theirs.length > 0 ? show(spread(theirs), 'µs') : hasPeer ? 'did not run' : 'not installed (scripts/bench --setup)',
      ratio: ratios.length > 0 ? `${show(spread(ratios))} of it` : '–',
      bar: `≤ 1/${divisor}`,
      ...(ratios.length > 0 ? { met: spread(ratios).median <= 1 / divisor } : {}),
      note: `an untouched pair takes ${show(spread(base), 'µs')}${floor.length > 0 ? `; four probes that do nothing, at the same sites, add ${show(spread(floor), 'µs')}` : ''}`,
    },
  ];
  if (phase.rate === 0 && phase.bytes <= 4096) {
    rows.push({
      what: `the same, ${phase.name}`,
      against: 'untouched 256 B pair',
      ours: ours.length > 0 ? show(spread(ours), 'µs') : 'not measured',
      theirs: show(spread(base256), 'µs'),
      ratio: perBase.length > 0 ? `${show(spread(perBase))} ×` : '–',
      bar: '≤ 4 ×',
      ...(perBase.length > 0 ? { met: spread(perBase).median <= 4 } : {}),
    });
  }
  const our = deliveredOf(samples, TRACER.name, phase.name);
  const their = deliveredOf(samples, peerName, phase.name);
  const describe = (d: ReturnType<typeof deliveredOf>): string =>
    d
      ? `${digits(d.rate.median)}/s, ${digits(d.lost.median)} % lost${d.cut.median > 0 ? `, ${digits(d.cut.median)} % cut` : ''}, ${digits(d.cpuUs.median)} µs each`
      : 'not measured';
  rows.push({
    what: `events delivered, sensor CPU, ${phase.name}`,
    against: peerName,
    ours: describe(our),
    theirs: describe(their),
    ratio: our && their ? `${digits(our.cpuUs.median / their.cpuUs.median)} of its CPU` : '–',
    bar: '–',
  });
  return rows;
}
