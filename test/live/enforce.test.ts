/** tracer-enforce on this host: what is refused, what is not, and that nothing falls between two policies. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tape from 'tape';
import { Cgroup } from '../support/cgroup.js';
import { bin, python, root } from '../support/paths.js';
import { type EventOf, of } from '../support/process-sensor.js';
import { Running } from '../support/processes.js';
import { Sensor, type SensorRun } from '../support/sensor.js';

const RESOLVER = '127.5.5.53';
const PROGRAM = join(root, 'test/live/enforce-attacks.py');

/** A place of the test: what came in, over TCP and UDP, is counted by port. */
class Outside {
  readonly reached: string[] = [];
  #servers: (Server | Socket)[] = [];
  #asked = 0;

  /** Listens on every address of this machine. */
  async listen(): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => this.reached.push(`tcp ${socket.localAddress}: ${bytes}`));
    });
    await new Promise<void>((resolve) => server.listen({ port: 0, host: '::' }, resolve));
    const { port } = server.address() as { port: number };
    const udp = createSocket({ type: 'udp6', ipv6Only: false });
    udp.on('message', (bytes, from) => this.reached.push(`udp from ${from.address}: ${bytes}`));
    await new Promise<void>((resolve) => udp.bind(port, '::', resolve));
    this.#servers.push(server, udp);
    return port;
  }

  /** A server of DNS that gives a new address at each question. */
  async resolver(): Promise<void> {
    const udp = createSocket('udp4');
    udp.on('message', (query, from) => udp.send(this.#answer(query), from.port, from.address));
    await new Promise<void>((resolve) => udp.bind(53, RESOLVER, resolve));
    const tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        const answer = this.#answer(bytes.subarray(2));
        socket.end(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
      });
    });
    await new Promise<void>((resolve) => tcp.listen(53, RESOLVER, resolve));
    this.#servers.push(udp, tcp);
  }

  #answer(query: Buffer): Buffer {
    const end = query.indexOf(0, 12) + 5;
    const six = query.readUInt16BE(end - 4) === 28;
    const alias = query.subarray(13, 18).toString().toLowerCase() === 'alias';
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(alias ? 2 : 1, 6);
    const owner = Buffer.from([0xc0, 12]);
    const record = (type: number, data: Buffer): Buffer => {
      const fixed = Buffer.alloc(10);
      fixed.writeUInt16BE(type, 0);
      fixed.writeUInt16BE(1, 2);
      fixed.writeUInt32BE(60, 4);
      fixed.writeUInt16BE(data.length, 8);
      return Buffer.concat([fixed, data]);
    };
    this.#asked++;
    const address = six
      ? Buffer.from('00000000000000000000ffff7f0a0a0a', 'hex')
      : Buffer.from([127, 10, this.#asked >> 8, this.#asked & 255]);
    const target = Buffer.from('\x04edge\x07example\x00', 'latin1');
    const records = alias ? [owner, record(5, target), target, record(1, address)] : [owner, record(six ? 28 : 1, address)];
    return Buffer.concat([head, ...records]);
  }

  close(): void {
    for (const server of this.#servers) server.close();
  }
}

/** An outsider's datagram socket, given to whoever connects. */
function giver(port: number): ChildProcess {
  return spawn(python, [
    '-c',
    `import socket
s = socket.socket(socket.AF_UNIX); s.bind('\\0tracer-enforce-${port}'); s.listen(4); print('up', flush=True)
c, _ = s.accept(); d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); socket.send_fds(c, [b'x'], [d.fileno()]); c.recv(1)`,
  ]);
}

interface Bench {
  dir: string;
  cgroup: Cgroup;
  outside: Outside;
}

function live(name: string, body: (t: tape.Test, bench: Bench) => Promise<void>): void {
  tape(name, { timeout: 120_000 }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'tracer-enforce-'));
    const cgroup = Cgroup.make();
    const outside = new Outside();
    try {
      await body(t, { dir, cgroup, outside });
    } finally {
      outside.close();
      if (existsSync(join(cgroup.path, 'inner'))) rmdirSync(join(cgroup.path, 'inner'));
      await cgroup.remove().catch((error) => t.fail(String(error)));
      rmSync(dir, { recursive: true });
    }
  });
}

function guard(args: readonly string[]): Sensor {
  return new Sensor(args, { timeout: 100_000 }, [bin('enforce')]);
}

async function inside(cgroup: Cgroup, args: readonly string[]): Promise<Map<string, string>> {
  const { stdout, stderr, status } = await new Running(...cgroup.wrap(python, args), { timeout: 60_000 }).done;
  if (status !== 0) throw new Error(`the program failed: ${stderr}`);
  return new Map(
    stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => {
        const { name, result } = JSON.parse(line) as { name: string; result: string };
        return [name, result];
      }),
  );
}

/** What is wrong with how it ended: sums, and losses. */
function ledger(run: SensorRun): string[] {
  const end = of(run, 'sensor_end')[0]?.data;
  if (end === undefined) return ['there is no sensor_end'];
  const lost = Object.values(end.lost).reduce((sum, n) => sum + n, 0);
  return end.seen === end.emitted + lost ? [] : [`seen ${end.seen}, emitted ${end.emitted}, lost ${JSON.stringify(end.lost)}`];
}

live('every way to a forbidden place is refused, and told with the line that refused it', async (t, { dir, cgroup, outside }) => {
  const [bad, good] = [await outside.listen(), await outside.listen()];
  await outside.resolver();
  const file = join(dir, 'egress.deny');
  writeFileSync(file, `# not there\n127.0.0.2\n[::1]:${bad}\n*.bad.test\n`);
  const outsider = giver(bad);
  await new Promise((resolve) => outsider.stdout?.once('data', resolve));
  const sensor = guard(['--cgroup', cgroup.path, '--resolver', RESOLVER, file]);
  await sensor.attached();
  const results = await inside(cgroup, [PROGRAM, String(bad), String(good), RESOLVER, cgroup.path]);
  const run = await sensor.stop();
  outsider.kill();
  const free = new Set(['allowed', 'other name', 'its neighbour in the alphabet']);
  for (const [name, result] of results) {
    if (result === 'missing') t.comment(`${name}: this kernel has none`);
    else if (name === 'new namespaces' && result !== 'ok')
      t.ok(['EPERM', 'EACCES'].includes(result) || /28|22|ENOSPC/.test(result), `${name}: ${result}`);
    else t.equal(result, free.has(name) ? 'ok' : 'EPERM', name);
  }
  t.ok(results.size > 40, `${results.size} ways`);
  t.deepEqual(
    outside.reached.filter((line) => !line.startsWith('tcp ::ffff:127.')),
    [],
    'nothing came in but',
  );
  t.equal(outside.reached.length, free.size, 'what is allowed');
  const refused = of(run, 'guard_deny');
  const lines = new Set(refused.map(({ data }) => `${data.rule?.line} ${data.rule?.text}`));
  t.deepEqual([...lines].sort(), ['2 127.0.0.2', `3 [::1]:${bad}`, '4 *.bad.test'], 'each line of the file');
  const named = refused.filter(({ data }) => data.name !== undefined);
  t.ok(
    named.some(({ data }) => data.name === 'n0.bad.test'),
    'by name',
  );
  t.ok(
    refused.every(({ data }) => data.pre_op && data.errno === 'EPERM' && data.comm !== ''),
    'who, and that it was refused',
  );
  t.deepEqual(ledger(run), []);
});

live('only what the allow-file names, and a name in it', async (t, { dir, cgroup, outside }) => {
  const [bad, good] = [await outside.listen(), await outside.listen()];
  await outside.resolver();
  const file = join(dir, 'only.allow');
  writeFileSync(file, `127.0.0.3:${good}/tcp\n*.good.test\n`);
  const sensor = guard(['--cgroup', cgroup.path, '--resolver', RESOLVER, '--allow-file', file]);
  await sensor.attached();
  const results = await inside(cgroup, [PROGRAM, String(bad), String(good), RESOLVER, cgroup.path]);
  const run = await sensor.stop();
  t.equal(results.get('allowed'), 'ok');
  t.equal(results.get('other name'), 'ok', 'a name whose address nobody knew before');
  for (const [name, result] of results)
    if (!['allowed', 'other name', 'new namespaces', 'passed socket'].includes(name) && result !== 'missing')
      t.equal(result, 'EPERM', name);
  t.equal(outside.reached.length, 2, outside.reached.join('; '));
  t.ok(
    of(run, 'guard_deny').every(({ data }) => data.rule === undefined && data.reason === 'not on the allow-list'),
    'the default decided',
  );
});

live('--audit refuses nothing and says what it would have', async (t, { dir, cgroup, outside }) => {
  const port = await outside.listen();
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '127.0.0.2\n');
  const sensor = guard(['--cgroup', cgroup.path, '--audit', file]);
  await sensor.attached();
  const connect = `import socket,json\ns=socket.create_connection(('127.0.0.2',${port}),2)\ns.sendall(b'x')\nprint(json.dumps({'name':'tcp','result':'ok'}))`;
  t.equal((await inside(cgroup, ['-c', connect])).get('tcp'), 'ok');
  const run = await sensor.stop();
  const [audit] = of(run, 'guard_audit') as EventOf<'guard_audit'>[];
  t.equal(audit?.data.target, `127.0.0.2:${port}/tcp`);
  t.equal(audit?.data.pre_op, false);
  t.equal(of(run, 'guard_deny').length, 0);
});

const ASKING = `import socket, sys, time
refused = passed = 0
until = time.time() + float(sys.argv[2])
while time.time() < until:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect(('127.0.0.2', int(sys.argv[1]))); passed += 1
    except PermissionError: refused += 1
    s.close()
print(refused, passed)`;

live('reloads under load: no connection falls between two policies', async (t, { dir, cgroup }) => {
  const file = join(dir, 'egress.deny');
  const reloads = Number(process.env['TRACER_RELOADS'] ?? 1500);
  const content = (i: number): string => `127.0.0.2\n10.0.${i % 250}.0/24\nhost${i}.example\n`;
  writeFileSync(file, content(0));
  const sensor = guard(['--cgroup', cgroup.path, file]);
  await sensor.attached();
  const asking = new Running(...cgroup.wrap(python, ['-c', ASKING, '9', String(2 + reloads / 250)]), { timeout: 100_000 });
  for (let i = 1; i <= reloads; i++) {
    if (i % 3 === 0) writeFileSync(file, content(i));
    else {
      writeFileSync(`${file}.new`, content(i));
      renameSync(`${file}.new`, file);
    }
    await sleep(1);
  }
  const { stdout } = await asking.done;
  const [refused = 0, passed = -1] = stdout.toString().trim().split(' ').map(Number);
  const run = await sensor.stop();
  const applied = of(run, 'guard_reload').filter(({ data }) => data.outcome === 'applied');
  t.equal(passed, 0, `of ${refused} tries in ${applied.length} reloads`);
  t.ok(refused > 1000, 'it tried');
  t.ok(applied.length > reloads / 4, `${applied.length} of ${reloads} edits counted`);
  t.equal(applied.at(-1)?.data.policy_rev, applied.length + 1, 'each has its number');
  t.deepEqual(ledger(run), []);
});

live('edits of every kind count at once; half-written ones and errors never', async (t, { dir, cgroup }) => {
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '127.0.0.2\n');
  const sensor = guard(['--cgroup', cgroup.path, file]);
  await sensor.attached();
  const tryOne = `import socket,json\nfor n in (2,4,5,6,7):\n  s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n  try: s.connect((f'127.0.0.{n}',9)); r='ok'\n  except PermissionError: r='EPERM'\n  print(json.dumps({'name':f'{n}','result':r}))`;
  const inForce = async (): Promise<string> => {
    const results = await inside(cgroup, ['-c', tryOne]);
    return [...results]
      .filter(([, result]) => result === 'EPERM')
      .map(([name]) => name)
      .join();
  };
  t.equal(await inForce(), '2');
  writeFileSync(join(dir, 'v4'), '127.0.0.4\n');
  symlinkSync('v4', join(dir, 'link'));
  renameSync(join(dir, 'link'), file);
  await sleep(200);
  t.equal(await inForce(), '4', 'a symlink put in its place');
  writeFileSync(join(dir, 'v4'), '127.0.0.5\n');
  await sleep(200);
  t.equal(await inForce(), '5', 'what it points to, written');
  unlinkSync(file);
  await sleep(200);
  t.equal(await inForce(), '5', 'gone: the last one stays');
  writeFileSync(file, '127.0.0.6\nnot a host!\n');
  await sleep(200);
  t.equal(await inForce(), '5', 'an error: the last one stays');
  writeFileSync(file, '127.0.0.6\n');
  await sleep(200);
  t.equal(await inForce(), '6');
  const slow = spawn(python, [
    '-c',
    `import os,time\nf=os.open(${JSON.stringify(file)},os.O_WRONLY|os.O_TRUNC)\ntime.sleep(1)\nos.write(f,b'127.0.0.7\\n')\ntime.sleep(0.1)\nos.close(f)`,
  ]);
  await sleep(500);
  t.equal(await inForce(), '6', 'truncated and not written yet');
  await new Promise((resolve) => slow.once('close', resolve));
  await sleep(200);
  t.equal(await inForce(), '7', 'closed');
  const growing = spawn(python, [
    '-c',
    `import time\nf=open(${JSON.stringify(file)},'a')\nf.write('127.0.0.2\\n');f.flush()\ntime.sleep(5)`,
  ]);
  await sleep(800);
  t.equal(await inForce(), '2,7', 'grown, and left alone, its writer still there');
  growing.kill();
  const run = await sensor.stop();
  const refused = of(run, 'guard_reload').filter(({ data }) => data.outcome === 'refused');
  t.deepEqual(
    refused.map(({ data }) => data.error?.line),
    [0, 2],
    'gone, and the line with the error',
  );
});

const HOLDING = `import socket, sys, time
t = socket.create_connection(('127.0.0.2', int(sys.argv[1])))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('127.0.0.2', int(sys.argv[1])))
t.send(b'before'); u.send(b'before')
open(sys.argv[2], 'w').write('ready')
sys.stdin.readline()
try: t.send(b'later tcp')
except OSError: pass
try: u.send(b'later udp'); print('sent')
except PermissionError: print('EPERM')`;

live('connections from before the guard carry nothing more', async (t, { dir, cgroup, outside }) => {
  const port = await outside.listen();
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '127.0.0.2\n');
  const child = spawn(...cgroup.wrap(python, ['-c', HOLDING, String(port), join(dir, 'ready')]), { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout?.on('data', (bytes) => {
    said += bytes;
  });
  while (!existsSync(join(dir, 'ready'))) await sleep(20);
  const sensor = guard(['--cgroup', cgroup.path, file]);
  await sensor.attached();
  child.stdin?.end('go\n');
  await new Promise((resolve) => child.once('close', resolve));
  await sleep(300);
  const run = await sensor.stop();
  t.equal(said.trim(), 'EPERM', 'a datagram');
  t.deepEqual(
    outside.reached.filter((line) => line.includes('later')),
    [],
    'and a stream',
  );
  t.ok(
    outside.reached.some((line) => line.startsWith('tcp') && line.endsWith('before')),
    'which worked before',
  );
  t.ok(
    of(run, 'guard_deny').every(({ data }) => data.operation === 'send' && data.pid === child.pid),
    'told of the process that holds them',
  );
});

const AGENT = `import json, socket, ssl, sys, time
def hello(name):
    out = ssl.MemoryBIO(); tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    return out.read()
def reach(host, port, name):
    s = socket.socket()
    try: s.connect((host, port))
    except PermissionError: return 'EPERM'
    s.sendall(hello(name)); s.close()
    return 'ok'
bad, good = int(sys.argv[1]), int(sys.argv[2])
first = time.time(); result = reach('127.0.0.8', bad, 'api.openai.com')
print(json.dumps({'name': 'first', 'result': result}))
while reach('127.0.0.8', bad, 'api.openai.com') == 'ok' and time.time() - first < 20: time.sleep(0.02)
print(json.dumps({'name': 'cut off after', 'result': f'{time.time() - first:.3f}'}))
print(json.dumps({'name': 'the other', 'result': reach('127.0.0.9', good, 'api.anthropic.com')}))`;

live('the closed loop: seen, written down by a controller, refused from then on', async (t, { dir, cgroup, outside }) => {
  const [bad, good] = [await outside.listen(), await outside.listen()];
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '');
  const sensor = guard(['--cgroup', cgroup.path, file]);
  const line = `${bin('netmon')} --cgroup ${cgroup.path} | tee ${dir}/net | ${bin('tls')} | ${bin('provider')} | ${bin('controller')} --allow anthropic --deny-file ${file}`;
  const chain = spawn('sh', ['-c', line], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  chain.stdout.on('data', (bytes) => {
    said += bytes;
  });
  await sensor.attached();
  while (!existsSync(join(dir, 'net')) || !readFileSync(join(dir, 'net'), 'utf8').includes('sensor_start')) await sleep(50);
  const results = await inside(cgroup, ['-c', AGENT, String(bad), String(good)]);
  process.kill(-(chain.pid as number), 'SIGINT');
  await new Promise((resolve) => chain.once('close', resolve));
  const run = await sensor.stop();
  t.equal(results.get('first'), 'ok', 'the first goes through');
  t.comment(`cut off after ${results.get('cut off after')} s`);
  t.ok(Number(results.get('cut off after')) < 15, 'then it is cut off');
  t.equal(results.get('the other'), 'ok', 'the allowed provider is not');
  t.match(said, /deny provider:openai · provider openai · python3?\S*\[\d+\]/);
  const rules = new Set(of(run, 'guard_deny').map(({ data }) => data.rule?.text));
  t.deepEqual([...rules], [`127.0.0.8:${bad}/tcp`], 'by the line that the controller wrote');
});
