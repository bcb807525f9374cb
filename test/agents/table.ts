/** docs/coverage.md: a row for each run, and what a reader needs to judge it. */
import type { Probe } from '../../lib/stream/event.js';
import type { Run } from './run.js';

export interface Row {
  program: string;
  version: string;
  trust: string;
  watch: string;
  /** Which TLS was seen at work, how it was found. */
  tls: string;
  exact: number;
  connections: number;
  wrote: [seen: number, sent: number];
  read: [seen: number, sent: number];
  firstByte: boolean;
  cost: string;
  problems: string[];
}

/** Functions that carry data, of whichever library. */
const CARRIES = /read|write|recv|send|seal|open/i;
const ASIDE = /early_data|sendfile|peek|_seq|_range|uncork/;
const SHARED: Readonly<Record<string, RegExp>> = { openssl: /\/libssl\.so/, gnutls: /\/libgnutls\.so/, nss: /\/libnspr4\.so/ };

/** The cost classes of the sites that the sessions' data came by: in the process's own file, else in the shared library. */
function costOf(probes: readonly Probe[], users: readonly { library: string; exe: string | undefined }[]): string {
  const costs = new Set<string>();
  for (const { library, exe } of users) {
    const carrying = probes.filter((probe) => probe.state === 'attached' && CARRIES.test(probe.name) && !ASIDE.test(probe.name));
    const own = carrying.filter((probe) => probe.target === exe);
    const used = own.length > 0 ? own : carrying.filter((probe) => SHARED[library]?.test(probe.target));
    for (const probe of used) costs.add(probe.cost ?? '?');
  }
  return [...costs].sort().join(', ');
}

/** A run as a row. `how` tells how a library was found in what the process ran. */
export function rowOf(run: Run, how: (pid: number, library: string) => string | undefined): Row {
  const found = new Map<string, string>();
  for (const { session } of run.outcome.seen) {
    const library = session?.open?.library;
    if (session === undefined || library === undefined || found.has(library)) continue;
    const by = how(session.pid, library);
    found.set(library, by === undefined ? library : `${library} (${by})`);
  }
  const exes = new Map(
    run.events.flatMap((event) => (event.event_type === 'process_info' ? [[event.data.pid, event.data.exe] as const] : [])),
  );
  const users = run.outcome.seen.flatMap(({ session }) =>
    session?.open === undefined ? [] : [{ library: session.open.library, exe: exes.get(session.pid) }],
  );
  const sum = (of: (seen: Run['outcome']['seen'][number]) => number): number =>
    run.outcome.seen.reduce((total, seen) => total + of(seen), 0);
  const start = run.events.find((event) => event.event_type === 'sensor_start');
  return {
    program: run.program.name,
    version: run.program.version,
    trust: run.trust,
    watch: run.watch === 'command' ? '--' : '-c',
    tls: [...found.values()].join(', '),
    exact: run.outcome.seen.filter((seen) => seen.exact).length,
    connections: run.outcome.seen.length,
    wrote: [sum((seen) => seen.write), sum((seen) => seen.connection.received.bytes)],
    read: [sum((seen) => seen.read), sum((seen) => seen.connection.sent.bytes)],
    firstByte: run.outcome.seen.every((seen) => seen.session?.open?.from_start === true && (seen.exact || seen.write > 0)),
    cost: costOf(start?.event_type === 'sensor_start' ? start.data.probes : [], users),
    problems: run.problems,
  };
}

const number = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const ofAll = ([seen, all]: [number, number]): string => (seen === all ? number(all) : `${number(seen)} of ${number(all)}`);

const COLUMNS = [
  'program',
  'version',
  'trust',
  'watched',
  'TLS (found by)',
  'connections',
  'written',
  'read',
  'equal',
  'first byte',
  'probes',
];

export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.program,
    row.version,
    row.trust,
    `\`${row.watch}\``,
    row.tls || 'not seen',
    row.exact === row.connections ? `${row.connections}` : `${row.exact} of ${row.connections}`,
    ofAll(row.wrote),
    ofAll(row.read),
    row.problems.length === 0 ? 'yes' : 'no',
    row.firstByte ? 'yes' : 'no',
    row.cost,
  ]);
  return [COLUMNS, COLUMNS.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

const HEAD = `# Coverage

What \`tracer-ssl\` sees of real programs, byte for byte. \`sudo scripts/coverage-table --write\` runs them all and makes this page;
\`sudo scripts/coverage-table claude@2.1.329\` tries one, of any version that its registry has.
`;

const HOW = `## How it is measured

- Each program runs in a network namespace with only loopback, where every name that it asks for is a pretend model server
  (\`scripts/demo.d/model-server.ts\`, \`test/agents/endpoints.ts\`). An agent does one task: its model has it call its shell tool,
  and it answers with what the tool printed. A small program sends 150,000 bytes and asks for 200,000.
- **Written** and **read** are bytes of plaintext as the client's end has them. The truth is what the server got from and gave
  to its TLS sockets, by connection and direction; *equal* means that a session among the events has just these bytes
  (length and sha256) for every connection, that no session is left over, that the stream keeps the contract, and that the
  program did its task. *n of m* counts those that agree from the first byte on. HTTP/2 frames without content (settings,
  windows, the empty frame that ends a stream) that a client left unread at the very end count as read.
- **Trust** \`system\`: our authority sits in the system's certificates, and the program runs as everybody runs it.
  \`variables\`: it is named by NODE_EXTRA_CA_CERTS, SSL_CERT_FILE and their like, which changes what some agents send.
  Node, and what runs on it, has certificates of its own and knows no other way.
- **Watched** \`--\`: \`tracer-ssl -- COMMAND\`. \`-c\`: \`tracer-ssl -c NAME\`, started before, outside of the namespaces.
- **Probes**: the cost class of the sites that carry data (\`lib/elf/probe-cost.ts\`).
`;

/** Around what scripts/releases writes. */
export const RELEASES_BEGIN = '<!-- made by scripts/releases -->';
export const RELEASES_END = '<!-- end of releases -->';

/** That part of a page, which the other command keeps; '' when there is none. */
export function releasesIn(page: string): string {
  const [at, end] = [page.indexOf(RELEASES_BEGIN), page.indexOf(RELEASES_END)];
  return at >= 0 && end > at ? `\n${page.slice(at, end + RELEASES_END.length)}\n` : '';
}

/** `releases`: {@link releasesIn} of the page that this takes the place of. */
export function page(rows: readonly Row[], host: string, releases: string): string {
  const faults = rows
    .filter((row) => row.problems.length > 0)
    .map((row) => `- ${row.program} ${row.version}, ${row.trust}, \`${row.watch}\`: ${row.problems.slice(0, 12).join('; ')}\n`);
  const exact = rows.filter((row) => row.problems.length === 0).length;
  const sum = `${exact} of ${rows.length} runs are equal in every byte of every connection (${host}).\n`;
  const why = faults.length === 0 ? '' : `\n### What differs\n\n${faults.join('')}`;
  return `${HEAD}\n## Figures\n\n${sum}\n${table(rows)}${why}\n${HOW}${releases}`;
}
