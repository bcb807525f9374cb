/** WebSockets of the library ws with permessage-deflate under the real sensor: from their start, and joined midway. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type tape from 'tape';
import { type WebSocket, WebSocketServer } from 'ws';
import type { AnyEvent, HttpEnd, WsMessage } from '../../lib/stream/event.js';
import { bytesOf } from '../../lib/stream/payload.js';
import { type Bench, live } from '../support/live.js';
import { bin, workload } from '../support/paths.js';
import { Running, run } from '../support/processes.js';
import { Sensor, traces } from '../support/sensor.js';
import { assertValid } from '../support/validate.js';

type Deflate = NonNullable<ConstructorParameters<typeof WebSocketServer>[0]['perMessageDeflate']>;
type Told = { sender: string; text: string };

/** Gives each message back, with a word in front. */
async function serve(bench: Bench, perMessageDeflate: Deflate): Promise<string> {
  const [key, cert] = [readFileSync(bench.certificate.key), readFileSync(bench.certificate.cert)];
  const server = createServer({ key, cert });
  const sockets = new WebSocketServer({ server, perMessageDeflate });
  sockets.on('connection', (socket: WebSocket) => {
    socket.on('message', (data: Buffer) => socket.send(`{"you":${JSON.stringify(String(data))}}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  bench.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `wss://localhost:${(server.address() as AddressInfo).port}/v1/talk`;
}

async function messages(t: tape.Test, stdout: Buffer): Promise<{ read: Told[]; end: HttpEnd | undefined; data: WsMessage[] }> {
  const http = await run(bin('http'), [], { input: stdout });
  const events = String(http.stdout)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AnyEvent);
  for (const event of events) assertValid(event);
  const data = events.filter(({ event_type }) => event_type === 'ws_message').map((event) => event.data as WsMessage);
  const texts = data.filter(({ opcode }) => opcode === 'text');
  t.ok(
    texts.every(({ compressed }) => compressed),
    'they are compressed',
  );
  const end = events.find(({ event_type }) => event_type === 'http_end')?.data as HttpEnd | undefined;
  return { read: texts.map((message) => ({ sender: message.sender, text: String(bytesOf(message)) })), end, data };
}

const told = (bench: Bench): Told[] =>
  readFileSync(bench.report, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Told);

live('a WebSocket of ws, compressed over its messages', async (t, bench) => {
  const url = await serve(bench, { threshold: 0 });
  const client = [process.execPath, workload('ws-client.mjs'), bench.report, url, '12'];
  const sensor = await new Sensor(['--', ...client], { env: { ...process.env, NODE_EXTRA_CA_CERTS: bench.certificate.ca } }).end();
  t.same(traces(sensor, bench.unrelated), []);
  const { read, end, data } = await messages(t, sensor.stdout);
  t.deepEqual(read, told(bench), 'what was sent and what came');
  t.ok(data.every(({ partial }) => partial === undefined));
  t.deepEqual([end?.end, end?.partial], ['complete', undefined]);
});

live('a WebSocket that was there before the sensor', async (t, bench) => {
  const url = await serve(bench, { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true });
  const client = new Running(process.execPath, [workload('ws-client.mjs'), bench.report, url, '12', 'wait'], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: bench.certificate.ca },
    timeout: 50_000,
  });
  await client.says('connected');
  const sensor = new Sensor(['-p', String(client.pid)]);
  await sensor.attached();
  client.say('go on');
  t.equal((await client.done).status, 0, 'the client ends as ever');
  const run = await sensor.stop();
  t.same(traces(run, bench.unrelated), []);
  const { read, end, data } = await messages(t, run.stdout);
  t.deepEqual(read, told(bench).slice(2), 'all that was said since, however it was compressed');
  t.ok(data.every(({ partial }) => partial === undefined));
  t.deepEqual([end?.end, end?.partial], ['complete', ['start']], 'its end says that the beginning was not seen');
});
