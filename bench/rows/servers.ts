/** TLS servers under load: CPU for a request, untouched, watched by bcc and watched by us, in turns on the same process. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { peers } from '../peers.js';
import { exactCpuTime, Process, sleep } from '../process.js';
import { bcc, EMPTY_PROBES, type Flavour, Sensor, TRACER, tracerIsBuilt } from '../sensors.js';
import { show, spread } from '../stats.js';
import type { Row } from '../table.js';

const SETTLE_MS = 7000;

interface Server {
  process: Process;
  port: number;
  library: string;
}

function certificate(bench: Bench): { cert: string; key: string } {
  const cert = join(bench.workshop.directory, 'cert.pem');
  const key = join(bench.workshop.directory, 'key.pem');
  if (!existsSync(cert)) {
    const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2'.split(' ');
    execFileSync('openssl', [...words, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  }
  return { cert, key };
}

/** A copy of node, so that the probes on the server's OpenSSL are not in the sensor's own program. */
async function nodeServer(bench: Bench): Promise<Server> {
  const { cert, key } = certificate(bench);
  const node = join(bench.workshop.directory, 'server-node');
  if (!existsSync(node)) copyFileSync(process.execPath, node);
  const server = Process.start([node, join('bench', 'targets', 'https-server.mjs'), cert, key], { cpu: bench.targetCpu });
  const port = Number(await server.line());
  if (!port) throw new Error(`the https server did not start: ${server.stderr}`);
  return { process: server, port, library: node };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function nginxServer(bench: Bench, nginx: string): Promise<Server> {
  const { cert, key } = certificate(bench);
  const root = join(bench.workshop.directory, 'nginx');
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'index.html'), 'a model answers\n'.repeat(64));
  const port = await freePort();
  const config = join(root, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${root}/pid; error_log ${root}/error.log; user root;
events { worker_connections 256; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path ${root}/body; proxy_temp_path ${root}/proxy; fastcgi_temp_path ${root}/fastcgi; uwsgi_temp_path ${root}/uwsgi; scgi_temp_path ${root}/scgi;
server { listen 127.0.0.1:${port} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.3; root ${root}; } }
`,
  );
  const { directory, library } = bench.workshop.privateLibssl(nginx, 'nginx');
  const server = Process.start([nginx, '-c', config, '-p', root], { cpu: bench.targetCpu, env: { LD_LIBRARY_PATH: directory } });
  await sleep(500);
  return { process: server, port, library };
}

/** Requests answered in `seconds`, by wrk with eight connections that are kept alive. */
async function wrk(bench: Bench, program: string, port: number, seconds: number): Promise<number> {
  const load = Process.start([program, '-t1', '-c8', `-d${seconds}s`, `https://127.0.0.1:${port}/index.html`], { cpu: bench.sensorCpu });
  let requests = Number.NaN;
  for (let line = await load.line(); line !== undefined; line = await load.line()) {
    const match = /^\s*(\d+) requests in/.exec(line);
    if (match) requests = Number(match[1]);
  }
  await load.exited;
  if (!(requests > 0)) throw new Error(`wrk got no answers: ${load.stderr}`);
  return requests;
}

/**
 * Sensors are measured as they run for hours: tracer-ssl looks at system calls while it does not know a session's socket
 * yet, and for five heartbeats more.
 */
async function settle(sensor: Sensor, load: () => Promise<number>): Promise<void> {
  for (const end = Date.now() + SETTLE_MS; Date.now() < end; ) {
    await load();
    sensor.reset();
  }
}

/** Microseconds of the server's CPU for a request: who watches → one value for each round. */
async function rounds(
  bench: Bench,
  what: string,
  server: Server,
  flavours: readonly (Flavour | undefined)[],
  load: () => Promise<number>,
): Promise<Map<string, number[]>> {
  const costs = new Map<string, number[]>();
  await load();
  for (let round = 0; round < bench.rounds; round++) {
    for (let i = 0; i < flavours.length; i++) {
      const flavour = flavours[(i + round) % flavours.length];
      const name = flavour?.name ?? 'untouched';
      bench.say(`${what}, round ${round + 1}/${bench.rounds}: ${name}`);
      let sensor: Sensor | undefined;
      try {
        if (flavour) {
          const path = join(bench.workshop.output, `${name.replace(/\W+/g, '-')}-server`);
          sensor = await Sensor.attach(flavour, { pid: server.process.pid, library: server.library }, bench.sensorCpu, path);
          await settle(sensor, load);
        }
        const before = exactCpuTime(server.process.pid);
        const requests = await load();
        const cost = (exactCpuTime(server.process.pid) - before) / 1e3 / requests;
        costs.set(name, [...(costs.get(name) ?? []), cost]);
      } catch (error) {
        bench.say(`${name}: ${(error as Error).message}`);
      } finally {
        sensor?.reset();
        await sensor?.stop();
      }
    }
  }
  return costs;
}

/** What probes that do nothing take of a request, as a clause for a note. */
function floorOf(costs: Map<string, number[]>): string {
  const base = costs.get('untouched') ?? [];
  const floor = (costs.get(EMPTY_PROBES.name) ?? []).flatMap((value, i) => (base[i] === undefined ? [] : [value - base[i]]));
  return floor.length > 0 ? `; probes that do nothing, at the same sites, add ${show(spread(floor), 'µs')}` : '';
}

function againstUntouched(what: string, costs: Map<string, number[]>, bar: number): Row {
  const base = costs.get('untouched') ?? [];
  const ours = costs.get(TRACER.name) ?? [];
  const ratios = ours.flatMap((value, i) => (base[i] === undefined ? [] : [value / base[i]]));
  return {
    what,
    against: 'untouched',
    ours: ours.length > 0 ? show(spread(ours), 'µs') : 'not measured',
    theirs: base.length > 0 ? show(spread(base), 'µs') : 'not measured',
    ratio: ratios.length > 0 ? `${show(spread(ratios))} ×` : '–',
    bar: `≤ ${bar} ×`,
    ...(ratios.length > 0 ? { met: spread(ratios).median <= bar } : {}),
    ...(base.length > 0 ? { note: `an untouched request takes ${show(spread(base), 'µs')}${floorOf(costs)}` } : {}),
  };
}

export async function serverRows(bench: Bench): Promise<Row[]> {
  const found = peers();
  const watched: (Flavour | undefined)[] = tracerIsBuilt() ? [undefined, TRACER, EMPTY_PROBES] : [undefined];
  const rows: Row[] = [];
  const { wrk: program } = found;
  if (program === undefined)
    return [
      {
        what: 'CPU of a busy server for a request',
        against: 'untouched',
        ours: 'not measured',
        theirs: 'wrk is not installed (scripts/bench --setup)',
        ratio: '–',
        bar: '',
      },
    ];
  const node = await nodeServer(bench);
  try {
    const costs = await rounds(bench, 'node https, keep-alive', node, watched, () => wrk(bench, program, node.port, bench.seconds));
    rows.push(againstUntouched('CPU of node https for a request, keep-alive', costs, 1.1));
  } finally {
    await node.process.stop();
  }
  if (found.nginx === undefined) return rows;
  const server = await nginxServer(bench, found.nginx);
  try {
    const peer = bcc(found);
    const costs = await rounds(bench, 'nginx, keep-alive', server, peer ? [...watched, peer] : watched, () =>
      wrk(bench, program, server.port, bench.seconds),
    );
    const base = costs.get('untouched') ?? [];
    const added = (name: string): number[] =>
      (costs.get(name) ?? []).flatMap((value, i) => (base[i] === undefined ? [] : [value - base[i]]));
    const ours = added(TRACER.name);
    const theirs = added("bcc's sslsniff");
    const ratios = ours.flatMap((value, i) => (theirs[i] === undefined ? [] : [value / theirs[i]]));
    rows.push({
      what: 'CPU added to an nginx request, keep-alive',
      against: "bcc's sslsniff",
      ours: ours.length > 0 ? show(spread(ours), 'µs') : 'not measured',
      theirs: theirs.length > 0 ? show(spread(theirs), 'µs') : 'not measured',
      ratio: ratios.length > 0 ? `${show(spread(ratios))} of it` : '–',
      bar: '≤ 1/8',
      ...(ratios.length > 0 ? { met: spread(ratios).median <= 1 / 8 } : {}),
      ...(base.length > 0
        ? { note: `an untouched request takes ${show(spread(base), 'µs')}, and five library calls${floorOf(costs)}` }
        : {}),
    });
  } finally {
    await server.process.stop();
  }
  return rows;
}

const STREAMS = 20;
const EVENTS = 50;
const RATE = 50;

/** What agents do: few bytes, long streams, mostly waiting. */
export async function agentRows(bench: Bench): Promise<Row[]> {
  const server = await nodeServer(bench);
  const client = Process.start(
    [process.execPath, join('bench', 'targets', 'sse-client.mjs'), String(server.port), String(STREAMS), String(EVENTS), String(RATE)],
    { cpu: bench.sensorCpu },
  );
  try {
    const load = async (): Promise<number> =>
      (JSON.parse(await client.ask(String(Math.max(4, bench.seconds * 3)))) as { requests: number }).requests;
    const costs = await rounds(bench, 'agents', server, tracerIsBuilt() ? [undefined, TRACER, EMPTY_PROBES] : [undefined], load);
    const row = againstUntouched(`CPU of a model server for a request (${STREAMS} streams × ${RATE} SSE events/s)`, costs, 1.03);
    row.note = `a request is ${EVENTS} events; ${row.note ?? ''}`;
    return [row];
  } finally {
    await client.stop();
    await server.process.stop();
  }
}
