/** Peers that mean harm: what is held stays small, and the event says what was given up. */
import { brotliCompressSync, gzipSync } from 'node:zlib';
import tape from 'tape';
import type { HttpOptions } from '../../lib/analyzers/http/options.js';
import { httpParser } from '../../lib/analyzers/http.js';
import { FIELD_LIMITS } from '../../lib/protocols/http1/fields.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { facts, Recorder, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const MB = 1024 * 1024;

/** One session, fed piece by piece, so that the input itself is never held whole. */
class Peer {
  readonly out: AnyEvent[] = [];
  private readonly recorder = new Recorder();
  private readonly session;
  private readonly stage;

  constructor(options: HttpOptions = {}, role: 'client' | 'server' = 'client') {
    this.stage = httpParser(options);
    this.session = this.recorder.session({ open: { role } });
  }

  send(direction: 'read' | 'write', content: string | Buffer): this {
    this.session.data(direction, content);
    return this.drain();
  }

  close(): this {
    this.session.close();
    this.drain();
    this.stage.flush((event) => this.out.push(event));
    return this;
  }

  private drain(): this {
    for (const event of this.recorder.events.splice(0)) this.stage.transform(event, (made) => this.out.push(made));
    return this;
  }

  one(type: string): Record<string, unknown> {
    return facts(this.out, type)[0]?.data as Record<string, unknown>;
  }
}

tape('a header of 10 MB', (t) => {
  const peer = new Peer().send('write', 'GET / HTTP/1.1\r\nHost: a\r\nX-Big: ');
  for (let i = 0; i < 160; i++) peer.send('write', 'y'.repeat(64 * 1024));
  peer.send('write', '\r\nContent-Length: 2\r\n\r\nhiGET /next HTTP/1.1\r\nHost: b\r\n\r\n').close();
  const [first, next] = facts(peer.out, 'http_request').map((event) => event.data);
  t.deepEqual([first?.headers, first?.body, first?.partial], [{ host: 'a', 'content-length': '2' }, 'hi', ['limit']], 'it is left out');
  t.deepEqual([next?.path, next?.partial], ['/next', undefined], 'the place is kept');
  assertValid(t, peer.out);
  t.end();
});

tape('a million headers', (t) => {
  const peer = new Peer().send('write', 'GET / HTTP/1.1\r\n');
  for (let i = 0; i < 100; i++) peer.send('write', Array.from({ length: 10_000 }, (_, n) => `x-${i}-${n}: 1\r\n`).join(''));
  peer.send('write', 'Content-Length: 2\r\n\r\nhiGET /next HTTP/1.1\r\n\r\n').close();
  const [first, next] = facts(peer.out, 'http_request').map((event) => event.data);
  t.ok(Object.keys(first?.headers as object).length <= FIELD_LIMITS.count + 1, `${Object.keys(first?.headers as object).length} are kept`);
  t.deepEqual([first?.body, first?.partial, next?.path], ['hi', ['limit'], '/next'], 'its length is still read');
  t.end();
});

tape('many long headers stay under a megabyte', (t) => {
  const peer = new Peer().send('write', 'GET / HTTP/1.1\r\n');
  for (let i = 0; i < 100; i++) peer.send('write', `x-${i}: ${'v'.repeat(50_000)}\r\n`);
  peer.send('write', '\r\n').close();
  t.ok(JSON.stringify(peer.one('http_request')).length < 1.2 * MB);
  t.deepEqual(peer.one('http_request').partial, ['limit']);
  t.end();
});

tape('a length of 4 GB, and of more than can be counted', (t) => {
  for (const length of ['4294967296', '9999999999999999999999']) {
    const peer = new Peer().send('write', `POST / HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n`);
    for (let i = 0; i < 32; i++) peer.send('write', 'z'.repeat(MB));
    peer.close();
    const request = peer.one('http_request');
    t.deepEqual([(request.body as string).length, request.body_bytes, request.partial], [8 * MB, 32 * MB, ['limit', 'eof']], length);
  }
  t.end();
});

tape('a body that never ends', (t) => {
  const peer = new Peer().send('write', 'GET / HTTP/1.1\r\n\r\n').send('read', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (let i = 0; i < 64; i++) peer.send('read', `100000\r\n${'z'.repeat(MB)}\r\n`);
  peer.close();
  const response = peer.one('http_response');
  t.deepEqual([(response.body as string).length, response.body_bytes, response.partial], [8 * MB, 64 * MB, ['limit', 'eof']]);
  t.end();
});

tape('bombs', (t) => {
  const zeros = Buffer.alloc(64 * MB);
  for (const [name, bomb] of [
    ['gzip', gzipSync(zeros)],
    ['br', brotliCompressSync(zeros)],
    ['gzip, gzip', gzipSync(gzipSync(zeros))],
  ] as const) {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${name}\r\nContent-Length: ${bomb.length}\r\n\r\n`;
    const peer = new Peer()
      .send('write', 'GET / HTTP/1.1\r\n\r\n')
      .send('read', Buffer.concat([Buffer.from(head), bomb]))
      .close();
    const response = peer.one('http_response');
    t.ok((response.partial as string[]).includes('limit'), `${name}: ${response.wire_bytes} bytes, ${response.body_bytes} decoded: said`);
    t.ok(Buffer.from((response.body_b64 ?? '') as string, 'base64').length <= 8 * MB, 'what is carried is bounded');
  }
  t.end();
});

tape('a server-sent event without end', (t) => {
  const peer = new Peer()
    .send('write', 'GET / HTTP/1.1\r\n\r\n')
    .send('read', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ');
  for (let i = 0; i < 20; i++) peer.send('read', 's'.repeat(MB));
  peer.send('read', '\n\ndata: next\n\n').close();
  const events = facts(peer.out, 'sse_event').map((event) => (event.data.data as string).length);
  t.ok((events[0] as number) <= 8 * MB && events[1] === 4, `${events}`);
  t.deepEqual(peer.one('http_end').partial, ['limit']);
  t.end();
});

tape('more requests on their way than anybody sends', (t) => {
  const peer = new Peer();
  for (let i = 0; i < 50; i++) peer.send('write', 'GET / HTTP/1.1\r\n\r\n'.repeat(100));
  peer.send('read', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n').close();
  t.equal(facts(peer.out, 'http_request').length, 5000);
  t.equal(facts(peer.out, 'http_response').length, 1);
  t.end();
});

tape('a start line that trickles in: it is not waited for without end', (t) => {
  const recorder = new Recorder();
  const session = recorder.session();
  for (let i = 0; i < 5000; i++) session.data('write', 'G');
  const out = through(httpParser(), recorder.events);
  t.deepEqual(out, recorder.events, 'all of it passes');
  t.end();
});
