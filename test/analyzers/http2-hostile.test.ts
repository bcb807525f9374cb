/** HTTP/2 and WebSocket peers that mean harm: what is held stays small, and the events say what was given up. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { constants, createDeflateRaw } from 'node:zlib';
import tape from 'tape';
import { STREAMS_LIMIT } from '../../lib/analyzers/http/http2.js';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { facts, Recorder } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const MB = 1024 * 1024;
/** What a filter may take of memory, all in all, for any of these. */
const CAP = 160 * MB;

class Peer {
  readonly out: AnyEvent[] = [];
  readonly types = new Map<string, number>();
  private readonly recorder = new Recorder();
  private readonly session;
  private readonly stage = httpParser();

  constructor(alpn?: string) {
    this.session = this.recorder.session({ open: alpn ? { alpn } : {} });
  }

  send(direction: 'read' | 'write', content: string | Buffer): this {
    this.session.data(direction, content);
    for (const event of this.recorder.events.splice(0)) this.stage.transform(event, (made) => this.keep(made));
    return this;
  }

  end(): this {
    this.stage.flush((event) => this.keep(event));
    return this;
  }

  private keep(event: AnyEvent): void {
    const type = event.event_type ?? '';
    const n = (this.types.get(type) ?? 0) + 1;
    this.types.set(type, n);
    if (n <= 200) this.out.push(event);
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0)]);
/** `:method POST`, `:scheme https`, `:path /`. */
const HEAD = Buffer.from([0x83, 0x87, 0x84]);

function literal(name: string, value: string, indexed = false): Buffer {
  const size = (n: number): Buffer =>
    n < 127 ? Buffer.from([n]) : Buffer.from([127, ((n - 127) & 127) | 128, (((n - 127) >> 7) & 127) | 128, (n - 127) >> 14]);
  return Buffer.concat([Buffer.from([indexed ? 0x40 : 0]), size(name.length), Buffer.from(name), size(value.length), Buffer.from(value)]);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are still held. */
function memory(): number {
  collect();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
}

tape('10,000 open streams, each with a body that goes on', (t) => {
  const before = memory();
  const peer = new Peer('h2').send('write', PREFACE);
  const body = Buffer.alloc(8192, 'x');
  for (let i = 0; i < 10_000; i++) {
    const id = 2 * i + 1;
    peer.send('write', Buffer.concat([frame(1, 4, id, HEAD), frame(0, 0, id, body)]));
  }
  t.ok(memory() - before < CAP, `${Math.round((memory() - before) / MB)} MB`);
  t.equal(peer.types.get('http_request'), 10_000 - STREAMS_LIMIT, 'the oldest are given up');
  t.deepEqual(facts(peer.out, 'http_request')[0]?.data.partial, ['limit'], 'and say so');
  t.equal(peer.types.get('loss'), 10_000 - STREAMS_LIMIT);
  peer.end();
  t.equal(peer.types.get('http_request'), 10_000);
  assertValid(t, peer.out);
  t.end();
});

tape('streams with heads of a megabyte', (t) => {
  const before = memory();
  const peer = new Peer('h2').send('write', PREFACE);
  const block = Buffer.concat([HEAD, literal('x-large', 'v'.repeat(900_000))]);
  for (let i = 0; i < 300; i++) {
    const id = 2 * i + 1;
    for (let at = 0; at < block.length; at += 16_384) {
      const last = at + 16_384 >= block.length;
      peer.send('write', frame(at === 0 ? 1 : 9, last ? 4 : 0, id, block.subarray(at, at + 16_384)));
    }
    peer.out.length = 0;
  }
  t.ok(memory() - before < CAP, `${Math.round((memory() - before) / MB)} MB`);
  t.ok((peer.types.get('loss') ?? 0) > 0, 'what is given up is said');
  t.end();
});

tape('CONTINUATION without end', (t) => {
  const before = memory();
  const peer = new Peer('h2').send('write', PREFACE).send('write', frame(1, 1, 1, HEAD));
  const piece = frame(9, 0, 1, literal('x-flood', 'v'.repeat(16_000)));
  for (let i = 0; i < 20_000; i++) peer.send('write', piece);
  t.ok(memory() - before < 20 * MB, `320 MB sent, ${Math.round((memory() - before) / MB)} MB held`);
  peer
    .send('write', frame(9, 4, 1))
    .send('write', frame(1, 5, 3, HEAD))
    .end();
  const [flood, next] = facts(peer.out, 'http_request').map(({ data }) => data);
  t.deepEqual([flood?.method, flood?.partial], ['POST', ['headers', 'limit']]);
  t.deepEqual([next?.method, next?.path], ['POST', '/'], 'the next one is read');
  t.end();
});

tape('an HPACK bomb: one entry, named a hundred thousand times', (t) => {
  const before = memory();
  const peer = new Peer('h2').send('write', PREFACE);
  peer.send('write', frame(1, 5, 1, Buffer.concat([HEAD, literal('x-bomb', 'v'.repeat(4000), true)])));
  for (let i = 1; i <= 20; i++) {
    const id = 2 * i + 1;
    peer.send('write', frame(1, 0, id, HEAD));
    for (let k = 0; k < 6; k++) peer.send('write', frame(9, k === 5 ? 4 : 0, id, Buffer.alloc(16_384, 0xbe)));
    peer.send('write', frame(0, 1, id));
  }
  const requests = facts(peer.out, 'http_request').map(({ data }) => data);
  t.equal(requests.length, 21);
  t.ok(
    requests.every((request) => JSON.stringify(request).length < 1.1 * MB),
    'each stays under its limit',
  );
  t.deepEqual(requests[5]?.partial, ['limit']);
  t.ok(memory() - before < CAP, `${Math.round((memory() - before) / MB)} MB`);
  t.end();
});

tape('a table that is asked to be as large as can be', (t) => {
  const before = memory();
  const peer = new Peer('h2').send('write', PREFACE);
  for (let i = 0; i < 3000; i++) {
    const grow = i === 0 ? Buffer.from([0x3f, 0xe1, 0xff, 0xff, 0x7f]) : Buffer.alloc(0);
    peer.send('write', frame(1, 5, 2 * i + 1, Buffer.concat([grow, HEAD, literal(`x-${i}`, 'v'.repeat(8000), true)])));
    if (i % 100 === 0) peer.out.length = 0;
  }
  t.ok(memory() - before < 60 * MB, `24 MB of entries, ${Math.round((memory() - before) / MB)} MB held`);
  t.end();
});

const UPGRADE = [
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n',
  'HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
] as const;

tape('a WebSocket message that never ends', (t) => {
  const before = memory();
  const peer = new Peer().send('write', UPGRADE[0]).send('read', UPGRADE[1]);
  const piece = Buffer.concat([Buffer.from([0x00, 127, 0, 0, 0, 0, 0, 0x10, 0, 0]), Buffer.alloc(MB, 'a')]);
  peer.send('read', Buffer.from([0x01, 1, 0x61]));
  for (let i = 0; i < 100; i++) peer.send('read', piece);
  t.ok(memory() - before < 80 * MB, `100 MB sent, ${Math.round((memory() - before) / MB)} MB held`);
  peer.end();
  const [message] = facts(peer.out, 'ws_message');
  t.deepEqual([String(message?.data.payload).length, message?.data.partial], [8 * MB, ['limit', 'eof']]);
  t.end();
});

tape('a WebSocket message that is a bomb', async (t) => {
  const deflate = createDeflateRaw();
  const parts: Buffer[] = [];
  deflate.on('data', (part: Buffer) => parts.push(part));
  for (let i = 0; i < 320; i++) deflate.write(Buffer.alloc(MB));
  await new Promise<void>((done) => deflate.flush(constants.Z_SYNC_FLUSH, done));
  const bomb = Buffer.concat(parts).subarray(0, -4);
  const before = memory();
  const head = Buffer.from([0xc2, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(bomb.length, 6);
  const peer = new Peer().send('write', UPGRADE[0]).send('read', UPGRADE[1]);
  peer
    .send('read', Buffer.concat([head, bomb]))
    .send('read', Buffer.from([0x81, 2, 0x68, 0x69]))
    .end();
  const [message, next] = facts(peer.out, 'ws_message').map(({ data }) => data);
  t.deepEqual(message?.partial, ['limit', 'coding'], `${bomb.length} bytes that are 320 MB`);
  t.equal(next?.payload, 'hi', 'the next one is read');
  t.ok(memory() - before < CAP, `${Math.round((memory() - before) / MB)} MB`);
});
