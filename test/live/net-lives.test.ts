/** tracer-net: connections of real programs, of processes that share them, and of those that end in every way; against their own words. */
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import tape from 'tape';
import { goProgram } from '../support/built.js';
import { live } from '../support/live.js';
import { bin, python, root } from '../support/paths.js';
import { of } from '../support/process-sensor.js';
import { Running } from '../support/processes.js';
import { Sensor, type SensorRun } from '../support/sensor.js';

const script = join(root, 'test/live/net-lives.py');

interface Said {
  socket?: string;
  pid?: number;
  ns_pid?: number;
  peer?: string;
  local?: string;
  errno?: string;
  tx?: number;
  rx?: number;
}

function words(text: string): Said[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Said);
}

/** What is wrong with a run in which these connections were made, and no other to this port. */
function compare(t: tape.Test, run: SensorRun, said: readonly Said[], port: number): void {
  t.ok(said.length > 0, `${said.length} facts`);
  const connects = of(run, 'net_connect').filter(({ data }) => data.peer === `127.0.0.1:${port}`);
  const closes = of(run, 'net_close').filter(({ data }) => data.peer === `127.0.0.1:${port}`);
  const good = said.filter(({ errno }) => errno === undefined);
  t.deepEqual([connects.length, closes.length], [good.length, good.length], 'each is connected once and closed once');
  for (const { socket, local, pid, ns_pid, tx, rx } of good) {
    const connect = connects.find(({ data }) => (socket === undefined ? data.local === local : data.socket === socket))?.data;
    const close = closes.find(({ data }) => data.socket === connect?.socket)?.data;
    t.deepEqual(
      [connect?.pid, connect?.ns_pid, connect?.errno, close?.pid, close?.tx_bytes, close?.rx_bytes],
      [pid ?? connect?.pid, ns_pid, undefined, pid ?? connect?.pid, tx, rx],
      `${connect?.socket}: whose it is, and its bytes`,
    );
    t.ok((connect?.handshake_ms ?? -1) >= 0 && (close?.first_byte_ms ?? -1) >= 0 && (close?.duration_ms ?? -1) >= 0, 'its times');
  }
  for (const { peer, errno } of said.filter((one) => one.errno !== undefined))
    t.ok(
      of(run, 'net_connect').some(({ data }) => data.peer === peer && data.errno === errno),
      `${peer}: ${errno}`,
    );
  const announced = of(run, 'process_info').map(({ data }) => `${data.pid}.${data.start_us}`);
  t.equal(new Set(announced).size >= new Set(connects.map(({ data }) => data.pid)).size, true, 'each process is announced');
  const end = of(run, 'sensor_end')[0]?.data;
  t.deepEqual([end?.lost, end?.seen], [{}, end?.emitted], 'all that was due was given');
}

async function withEcho(body: (port: number) => Promise<void>): Promise<void> {
  const server: Server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body((server.address() as { port: number }).port);
  } finally {
    server.close();
  }
}

function net(...args: string[]): Sensor {
  return new Sensor(args, {}, [bin('netmon')]);
}

for (const [mode, title] of [
  ['asyncio', 'non-blocking connects of asyncio, and one that is refused'],
  ['shared', 'a connection whose owner has ended, used and closed by its child, is told once, as the owner’s'],
  ['exit', 'connections that only the end of a process closes, its own or by a kill'],
  ['exec', 'a connection that an exec closes is told of the program that made it'],
  ['reuse', 'a descriptor that is used again by three threads'],
] as const) {
  tape(`net: ${title}`, (t) =>
    withEcho(async (port) => {
      // The pipe lasts as long as any of its processes.
      const run = await net('--', 'sh', '-c', `'${python}' '${script}' ${port} ${mode} | cat`).end();
      t.equal(run.status, 0, run.stderr.slice(-500));
      // The command's own output goes to stderr.
      compare(t, run, words(run.stderr), port);
    }),
  );
}

tape('net: a tree that ran already when the sensor started', (t) =>
  withEcho(async (port) => {
    const tree = new Running(python, [script, String(port), 'tree']);
    await tree.until(({ stdout }) => stdout.toString().match(/"up"/g)?.length === 2, 'both processes');
    const sensor = net('-p', String(tree.pid));
    await sensor.attached();
    tree.say('go');
    const { stdout } = await tree.done;
    const run = await sensor.stop();
    const said = words(stdout.toString()).filter(({ socket }) => socket !== undefined);
    t.equal(said.length, 2, 'parent and child');
    compare(t, run, said, port);
    t.ok(
      said.every(({ pid }) => of(run, 'process_info').some(({ data }) => data.pid === pid && data.origin === 'snapshot')),
      'both were there at the start',
    );
  }),
);

tape('net: two pid namespaces with the same numbers', (t) =>
  withEcho(async (port) => {
    // The program is number 1 of each.
    const one = `unshare --pid --fork -- '${python}' '${script}' ${port} namespace`;
    const run = await net('--', 'sh', '-c', `${one} & ${one} & wait`).end();
    t.equal(run.status, 0, run.stderr.slice(-500));
    const said = words(run.stderr);
    t.deepEqual(
      said.map(({ ns_pid }) => ns_pid),
      [1, 1],
    );
    compare(t, run, said, port);
    const connects = of(run, 'net_connect').filter(({ data }) => data.peer === `127.0.0.1:${port}`);
    t.equal(new Set(connects.map(({ data }) => `${data.pid}.${data.start_us}`)).size, 2, 'they are two processes');
  }),
);

tape('net: non-blocking connects of node', (t) =>
  withEcho(async (port) => {
    const program = `const s = require('net').connect(${port}, '127.0.0.1', () => s.write('x'.repeat(700)));
let got = 0;
s.on('data', (d) => { got += d.length; if (got < 700) return;
  console.log(JSON.stringify({ local: '127.0.0.1:' + s.localPort, tx: 700, rx: 700 })); s.end(); });
s.on('close', () => require('net').connect(1, '127.0.0.1').on('error', (e) =>
  console.log(JSON.stringify({ peer: '127.0.0.1:1', errno: e.code }))));`;
    const run = await net('--', process.execPath, '-e', program).end();
    t.equal(run.status, 0, run.stderr.slice(-500));
    compare(t, run, words(run.stderr), port);
  }),
);

live('net: the connection and the hello of a Go program', async (t, bench) => {
  const built = await goProgram('plain');
  if ('missing' in built) {
    t.fail(built.missing);
    return;
  }
  const { server } = bench;
  const run = await net('--', built.path, bench.certificate.ca, server.url, 'get:/v1/models').end();
  t.equal(run.status, 0, run.stderr.slice(-500));
  const port = new URL(server.url).port;
  const connects = of(run, 'net_connect').filter(({ data }) => data.peer?.endsWith(`:${port}`) && data.errno === undefined);
  t.equal(connects.length, 1, 'one connection');
  t.ok((connects[0]?.data.handshake_ms ?? 0) > 0, 'established');
  const hellos = of(run, 'tls_client_hello');
  t.deepEqual(
    hellos.map(({ data }) => data.socket),
    [connects[0]?.data.socket],
    'one hello on it',
  );
  const close = of(run, 'net_close').find(({ data }) => data.socket === connects[0]?.data.socket)?.data;
  t.ok((close?.tx_bytes ?? 0) > Buffer.from(hellos[0]?.data.hello_b64 ?? '', 'base64').length && (close?.rx_bytes ?? 0) > 0, 'and bytes');
});
