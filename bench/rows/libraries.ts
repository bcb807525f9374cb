/**
 * What the sensor adds to one write and one read through each library that it reads, and through none (--plain); beside it
 * what probes that do nothing add at the same places.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { gnutlsReceivers } from '../../lib/elf/gnutls-inner.js';
import { ElfImage } from '../../lib/elf/image.js';
import { parseKernelVersion } from '../../lib/elf/probe-cost.js';
import { findTls } from '../../lib/elf/tls-finder.js';
import { carriesBytes } from '../../lib/elf/tls-finding.js';
import { programsFor } from '../../lib/runners/sslsniff/found-sites.js';
import { type Built, goProgram, rustProgram } from '../../test/support/built.js';
import { type Certificate, makeCertificate } from '../../test/support/certificate.js';
import type { Bench } from '../bench.js';
import { Process } from '../process.js';
import { emptyProbes, type Flavour, type ProbePlace, Sensor, sitesOf, TRACER } from '../sensors.js';
import { digits, type Spread, show, spread } from '../stats.js';
import type { Row } from '../table.js';

const SIZES = [256, 4096] as const;
/** A pair through each library, in microseconds. */
const BAR = 5;
const GO_BAR = 8;
const KERNEL = parseKernelVersion(release()) ?? { major: 6, minor: 1 };

/** A program that is measured. */
interface Subject {
  name: string;
  bar: number;
  /** Its command; a sentence when something is missing. */
  command(place: Place): Promise<string[] | string>;
  /** The functions that are probed for each pair in the file that has them; undefined: what the finder says of the program. */
  functions?: { file: RegExp; names: readonly string[] };
  /** It talks to a server that sends everything back. */
  echo?: boolean;
  plain?: boolean;
}

interface Place {
  bench: Bench;
  certificate: Certificate;
}

const built = async (made: Promise<Built>, { certificate: { ca, cert, key } }: Place): Promise<string[] | string> => {
  const answer = await made;
  return 'missing' in answer ? answer.missing : [answer.path, ca, cert, key];
};
const target = (name: string): string => join('bench', 'targets', name);

const SUBJECTS: readonly Subject[] = [
  {
    name: 'OpenSSL',
    bar: BAR,
    command: async ({ bench }) => [bench.workshop.program('ssl-pair', ['-lssl', '-lcrypto'])],
    functions: { file: /libssl\.so/, names: [] },
  },
  {
    name: 'GnuTLS',
    bar: BAR,
    command: async ({ bench }) => [bench.workshop.program('gnutls-pair', ['-lgnutls'])],
    functions: { file: /libgnutls\.so/, names: ['gnutls_record_send2', 'gnutls_record_recv'] },
  },
  {
    name: 'NSS',
    bar: BAR,
    command: async ({ bench }) => [
      bench.workshop.program('nss-pair', ['-I/usr/include/nspr', '-I/usr/include/nss', '-lssl3', '-lnss3', '-lnspr4']),
    ],
    functions: { file: /libnspr4\.so/, names: ['PR_Write', 'PR_Read'] },
    echo: true,
  },
  { name: 'Go', bar: GO_BAR, command: (place) => built(goProgram('stripped', target('go-pair')), place) },
  {
    name: 'rustls on aws-lc (a record each)',
    bar: BAR,
    command: (place) => built(rustProgram('aws-lc', target('rust-pair'), 'pair'), place),
  },
  { name: 'rustls on ring (a record each)', bar: BAR, command: (place) => built(rustProgram('ring', target('rust-pair'), 'pair'), place) },
  { name: 'none (--plain)', bar: BAR, command: async ({ bench }) => [bench.workshop.program('plain-pair', [])], plain: true },
];

interface Sample {
  pairUs: number;
  /** Share of calls of which no event came. */
  lost?: number;
}

const UNTOUCHED = 'untouched';

export async function libraryRows(bench: Bench): Promise<Row[]> {
  const dir = join(bench.workshop.directory, 'certificate');
  mkdirSync(dir, { recursive: true });
  const place: Place = { bench, certificate: makeCertificate(dir) };
  const rows: Row[] = [];
  for (const subject of SUBJECTS) {
    const command = await subject.command(place);
    if (typeof command === 'string') {
      bench.say(`${subject.name}: ${command}`);
      rows.push({ what: whatOf(subject, SIZES[0]), against: UNTOUCHED, ours: command, theirs: '–', ratio: '–', bar: barOf(subject) });
      continue;
    }
    rows.push(...rowsOf(subject, await measureAll(place, subject, command)));
  }
  return rows;
}

type Samples = Map<string, Map<number, Sample>[]>;

async function measureAll(place: Place, subject: Subject, command: readonly string[]): Promise<Samples> {
  const samples: Samples = new Map();
  const kinds = [UNTOUCHED, TRACER.name, ...(subject.plain === true ? [] : ['empty probes'])];
  for (let round = 0; round < place.bench.rounds; round++) {
    for (let i = 0; i < kinds.length; i++) {
      const kind = kinds[(i + round) % kinds.length] as string;
      place.bench.say(`${subject.name}, round ${round + 1}/${place.bench.rounds}: ${kind}`);
      try {
        const measured = await measure(place, subject, command, kind, round);
        samples.set(kind, [...(samples.get(kind) ?? []), measured]);
      } catch (error) {
        place.bench.say(`${kind}: ${(error as Error).message}`);
      }
    }
  }
  return samples;
}

async function measure(
  place: Place,
  subject: Subject,
  command: readonly string[],
  kind: string,
  round: number,
): Promise<Map<number, Sample>> {
  const { bench, certificate } = place;
  const results = new Map<number, Sample>();
  const echo =
    subject.echo === true
      ? Process.start([process.execPath, target('echo.mjs'), certificate.cert, certificate.key], { cpu: bench.sensorCpu })
      : undefined;
  const port = await echo?.line();
  const program = Process.start([...command, ...(port === undefined ? [] : [port])], { cpu: bench.targetCpu });
  let sensor: Sensor | undefined;
  try {
    const ready = /^ready \d+ ?(\d*)/.exec((await program.line()) ?? '');
    if (ready === null) throw new Error(`${subject.name} did not start: ${program.stderr}`);
    const flavour = flavourOf(subject, kind, command[0] as string, program.pid, ready[1] ?? '');
    if (flavour !== undefined) {
      const path = join(bench.workshop.output, `${subject.name.replace(/\W+/g, '-')}-${kind.replace(/\W+/g, '-')}-${round}`);
      sensor = await Sensor.attach(flavour, { pid: program.pid, library: '' }, bench.sensorCpu, path);
    }
    for (const size of SIZES) {
      sensor?.reset();
      const answer = JSON.parse(await program.ask(`${size} ${bench.seconds} 0`)) as Record<'pairs' | 'calls' | 'cpu_ns', number>;
      const delivered = kind === TRACER.name ? await sensor?.collect() : undefined;
      results.set(size, {
        pairUs: answer.cpu_ns / answer.pairs / 1e3,
        ...(delivered === undefined ? {} : { lost: Math.max(0, answer.calls - delivered.events) / answer.calls }),
      });
    }
  } finally {
    await sensor?.stop();
    await program.stop();
    await echo?.stop();
  }
  return results;
}

function flavourOf(subject: Subject, kind: string, program: string, pid: number, port: string): Flavour | undefined {
  if (kind === UNTOUCHED) return undefined;
  if (kind !== TRACER.name) return emptyProbes(placesOf(subject, program, pid));
  const ports = subject.plain === true ? ['--plain', port] : [];
  return { ...TRACER, command: () => ({ command: [process.execPath, join('bin', 'sslsniff'), '-p', String(pid), ...ports] }) };
}

/** Where tracer-ssl takes the bytes of a pair. */
function placesOf({ functions }: Subject, program: string, pid: number): ProbePlace[] {
  const path = functions === undefined ? program : mapped(pid, functions.file);
  const image = ElfImage.open(path);
  try {
    if (functions !== undefined && functions.names.length === 0) return sitesOf(path).map(({ offset }) => ({ path, offset, ret: true }));
    if (functions !== undefined) {
      const inner = gnutlsReceivers(image, KERNEL)?.map((address) => image.fileOffset(address) ?? -1) ?? [];
      const left = functions.names.filter((name) => inner.length === 0 || name !== 'gnutls_record_recv');
      return [
        ...inner.map((offset) => ({ path, offset, ret: true })),
        ...left.flatMap((name) => {
          const offset = image.fileOffset(image.symbol(name)?.address ?? -1);
          return offset === undefined ? [] : [{ path, offset, ret: true }];
        }),
      ];
    }
    return findTls(image, KERNEL).flatMap((finding) =>
      finding.sites
        .filter(carriesBytes)
        .map((site) => ({ path, offset: site.offset, ret: programsFor(finding, site)?.leave !== undefined })),
    );
  } finally {
    image.close();
  }
}

/** The file of that name that a process has mapped. */
function mapped(pid: number, file: RegExp): string {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find((text) => file.test(text));
  const path = line?.slice(line.indexOf('/'));
  if (path === undefined) throw new Error(`${pid} has not mapped ${file}`);
  return path;
}

function whatOf({ name }: Subject, size: number): string {
  return `CPU added to a pair of ${size === 256 ? '256 B' : '4 KiB'}: ${name}`;
}

function barOf({ bar }: Subject): string {
  return `≤ ${bar} µs`;
}

function rowsOf(subject: Subject, samples: Samples): Row[] {
  return SIZES.flatMap((size): Row[] => {
    const of = (kind: string): number[] => (samples.get(kind) ?? []).flatMap((round) => round.get(size)?.pairUs ?? []);
    const base = of(UNTOUCHED);
    if (base.length === 0) return [];
    const middle = spread(base).median;
    const added = (kind: string): Spread | undefined => {
      const with_ = of(kind).map((value) => value - middle);
      return with_.length === 0 ? undefined : spread(with_);
    };
    const ours = added(TRACER.name);
    const floor = added('empty probes');
    const lost = (samples.get(TRACER.name) ?? []).flatMap((round) => round.get(size)?.lost ?? []);
    return [
      {
        what: whatOf(subject, size),
        against: UNTOUCHED,
        ours: ours === undefined ? 'not measured' : show(ours, 'µs'),
        theirs: show(spread(base), 'µs'),
        ratio: floor === undefined ? '–' : `floor ${show(floor, 'µs')}`,
        bar: barOf(subject),
        ...(ours === undefined ? {} : { met: ours.median <= subject.bar }),
        ...(lost.length > 0 && spread(lost).median > 0.001
          ? { note: `of ${digits(100 * spread(lost).median)} % of the calls no event came` }
          : {}),
      },
    ];
  });
}
