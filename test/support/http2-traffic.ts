/** Conversations of node:http2 with itself, recorded: what was said, and the bytes that said it. */
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Piece } from './tls-session.js';
import { wiretap } from './wiretap.js';

export interface SpokenExchange {
  stream: number;
  path: string;
  method: string;
  sent: Buffer;
  status: number;
  received: Buffer;
  headers: Record<string, string>;
  trailers: Record<string, string>;
}

export interface Conversation2 {
  pieces: Piece[];
  exchanges: SpokenExchange[];
  pushed: string[];
}

/** The server alone, for other clients. */
export async function serve(): Promise<{ port: number; close(): void }> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => answer(stream, headers));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
}

const LONG = 'v'.repeat(9000);

/** `count` requests, up to `width` at once, of every kind that the server knows. */
export async function converse(count: number, width: number, settings: http2.Settings = {}, padding = false): Promise<Conversation2> {
  const options = padding ? { paddingStrategy: http2.constants.PADDING_STRATEGY_MAX } : {};
  const server = http2.createServer({ ...options, settings });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => answer(stream, headers));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tap = await wiretap((server.address() as AddressInfo).port);
  const client = http2.connect(`http://127.0.0.1:${tap.port}`, { ...options, settings: { enablePush: true, ...settings } });
  const pushed: string[] = [];
  client.on('stream', (stream, headers) => {
    pushed.push(String(headers[':path']));
    stream.resume();
  });
  await once(client, 'connect');
  const exchanges: SpokenExchange[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      exchanges.push(await ask(client, n));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  const closed = once(client, 'close');
  client.close();
  await closed;
  for (const session of sessions) session.destroy();
  tap.close();
  await new Promise((done) => server.close(done));
  exchanges.sort((a, b) => a.stream - b.stream);
  return { pieces: tap.sessions[0] as Piece[], exchanges, pushed };
}

const KINDS = ['plain', 'gzip', 'br', 'sse', 'empty', 'long-headers', 'trailers', 'large', 'push'] as const;

async function ask(client: http2.ClientHttp2Session, n: number): Promise<SpokenExchange> {
  const kind = KINDS[n % KINDS.length] as string;
  const method = n % 2 === 0 ? 'POST' : 'GET';
  const path = `/${kind}?n=${n}`;
  const stream = client.request(
    {
      ':method': method,
      ':path': path,
      'x-number': String(n),
      'x-same': 'the same each time',
      cookie: 'a=1; b=2',
      ...(n % 5 === 0 ? { 'x-long': LONG + LONG } : {}),
    },
    { endStream: method === 'GET' },
  );
  const sent = method === 'GET' ? Buffer.alloc(0) : Buffer.from(JSON.stringify({ n, text: 'é'.repeat(n * 7) }));
  if (method === 'POST') stream.end(sent);
  const got: Buffer[] = [];
  stream.on('data', (piece: Buffer) => got.push(piece));
  let trailers: Record<string, string> = {};
  stream.on('trailers', (fields) => {
    trailers = plain(fields);
  });
  const responded = once(stream, 'response') as Promise<[Record<string, string>]>;
  const [headers] = await responded;
  if (!stream.readableEnded) await once(stream, 'end');
  return {
    stream: stream.id as number,
    path,
    method,
    sent,
    status: Number(headers[':status']),
    received: Buffer.concat(got),
    headers: plain(headers),
    trailers,
  };
}

function plain(fields: object): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !name.startsWith(':')));
}

function answer(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  const path = String(headers[':path']);
  const [, kind] = /^\/([a-z-]+)/.exec(path) ?? [];
  stream.on('error', () => {});
  stream.resume();
  const json = { 'content-type': 'application/json', server: 'node' };
  switch (kind) {
    case 'gzip':
      stream.respond({ ...json, 'content-encoding': 'gzip' });
      stream.end(gzipSync(`{"path":"${path}"}`));
      return;
    case 'br':
      stream.respond({ ...json, ':status': 201, 'content-encoding': 'br' });
      stream.end(brotliCompressSync(`{"path":"${path}"}`.repeat(50)));
      return;
    case 'sse':
      stream.respond({ 'content-type': 'text/event-stream' });
      for (let i = 0; i < 5; i++) stream.write(`data: {"i":${i}}\n`);
      stream.end('\ndata: end\n\n');
      return;
    case 'empty':
      stream.respond({ ':status': 204, 'x-empty': path }, { endStream: true });
      return;
    case 'long-headers':
      stream.respond({ ...json, 'x-a': LONG, 'x-b': LONG, 'x-c': path.repeat(20) });
      stream.end('{}');
      return;
    case 'trailers':
      stream.respond(json, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': path }));
      stream.end('{"with":"trailers"}');
      return;
    case 'large':
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond(json);
      stream.end(Buffer.alloc(200_000, path));
      return;
    case 'push':
      stream.pushStream({ ':path': `/pushed${path}` }, (error, push) => {
        if (!error) {
          push.on('error', () => {});
          push.respond({ 'x-pushed': 'yes' });
          push.end('pushed');
        }
        stream.respond(json);
        stream.end('{"and":"pushed"}');
      });
      return;
    default:
      stream.respond(json);
      stream.end(`{"path":"${path}"}`);
  }
}
