/**
 * Records the corpora of HTTP/2 and WebSocket: small conversations of node:http2 and of ws with themselves, in the pieces in
 * which they came. Run by hand (after scripts/build: node dist/test/fuzz/record.js); what it wrote is in the repository.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { root } from '../support/paths.js';
import type { Piece } from '../support/tls-session.js';
import { wiretap } from '../support/wiretap.js';

function write(target: string, sessions: readonly { name: string; pieces: readonly Piece[] }[]): void {
  const lines = sessions.map(({ name, pieces }) =>
    JSON.stringify({ name, pieces: pieces.map(([direction, bytes]) => [direction, (bytes as Buffer).toString('base64')]) }),
  );
  writeFileSync(`${root}/test/fuzz/corpus/${target}.ndjson`, `${lines.join('\n')}\n`);
}

function answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  stream.on('error', () => {});
  stream.resume();
  const json = { 'content-type': 'application/json', server: 'node', 'x-path': String(headers[':path']) };
  if (headers[':path'] === '/trailers') {
    stream.respond(json, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'good' }));
    stream.end('{"with":"trailers"}');
  } else if (headers[':path'] === '/sse') {
    stream.additionalHeaders({ ':status': 103, link: '</a>' });
    stream.respond({ 'content-type': 'text/event-stream' });
    stream.write('data: {"n":1}\n\n');
    stream.end('data: [DONE]\n\n');
  } else if (headers[':path'] === '/reset') stream.close(http2.constants.NGHTTP2_CANCEL);
  else if (headers[':path'] === '/push') {
    stream.pushStream({ ':path': '/pushed' }, (error, push) => {
      if (error) return;
      push.respond({ 'x-pushed': 'yes' });
      push.end('pushed');
      stream.respond(json);
      stream.end('{}');
    });
  } else {
    stream.respond(json);
    stream.end('{"an":"answer"}');
  }
}

async function http2Session(name: string, paths: readonly string[], settings: http2.Settings, padding: boolean) {
  const options = padding ? { paddingStrategy: http2.constants.PADDING_STRATEGY_CALLBACK } : {};
  const server = http2.createServer({ ...options, settings });
  server.on('stream', answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tap = await wiretap((server.address() as AddressInfo).port);
  const client = http2.connect(`http://127.0.0.1:${tap.port}`, { ...options, settings: { enablePush: true, ...settings } });
  client.on('stream', (stream) => stream.resume());
  await Promise.all(
    paths.map(async (path) => {
      const body = path === '/get' ? undefined : JSON.stringify({ path, text: 'hello' });
      const stream = client.request({ ':method': body ? 'POST' : 'GET', ':path': path, 'x-same': 'each time' }, { endStream: !body });
      if (body) stream.end(body);
      stream.on('error', () => {});
      stream.resume();
      await new Promise((done) => stream.on('close', done));
    }),
  );
  const closed = once(client, 'close');
  client.close();
  await closed;
  tap.close();
  server.close();
  return { name, pieces: tap.sessions[0] as Piece[] };
}

async function webSocketSession(name: string, deflate: ConstructorParameters<typeof WebSocketServer>[0]['perMessageDeflate']) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: deflate ?? false });
  await once(server, 'listening');
  server.on('connection', (socket: WebSocket) => {
    socket.on('message', (data: Buffer, binary: boolean) => socket.send(binary ? data : `{"type":"delta","delta":"${data.toString()}"}`));
  });
  const tap = await wiretap((server.address() as AddressInfo).port);
  const client = new WebSocket(`ws://127.0.0.1:${tap.port}/`, { perMessageDeflate: deflate ?? false });
  await once(client, 'open');
  const said = async (say: () => void): Promise<void> => {
    const heard = once(client, 'message');
    say();
    await heard;
  };
  await said(() => client.send('hello '.repeat(12)));
  await said(() => client.send('hello é '.repeat(30)));
  await said(() => client.send(Buffer.from(Array.from({ length: 140 }, (_, i) => (i * i * 31) & 0xff)), { binary: true }));
  await said(() => {
    client.send('in several ', { fin: false });
    client.ping('now');
    client.send('frames', { fin: true });
  });
  await said(() => client.send(''));
  const closed = once(client, 'close');
  client.close(1000, 'that is all');
  await closed;
  tap.close();
  server.close();
  return { name, pieces: tap.sessions[0] as Piece[] };
}

write('http2', [
  await http2Session('requests', ['/get', '/post', '/trailers', '/sse', '/push', '/reset'], {}, false),
  await http2Session('padded', ['/post', '/trailers', '/push'], {}, true),
  await http2Session('without a table', ['/get', '/post', '/sse'], { headerTableSize: 0 }, false),
]);
write('websocket', [
  await webSocketSession('plain', false),
  await webSocketSession('deflated with context', { threshold: 0 }),
  await webSocketSession('deflated without context', { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }),
]);
process.exit();
