import { brotliCompressSync, gzipSync } from 'node:zlib';
import tape from 'tape';
import type { HttpOptions } from '../../lib/analyzers/http/options.js';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { facts, type Piece, Recorder, recut, type SessionOptions, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const CONN = '1841.8123456.1';

function run(pieces: readonly Piece[], session: SessionOptions = {}, options: HttpOptions = {}): AnyEvent[] {
  return through(httpParser(options), sessionEvents(pieces, session));
}

const types = (events: readonly AnyEvent[]): string[] => events.map((event) => event.event_type as string);
const data = (event: AnyEvent | undefined): Record<string, unknown> => event?.data as Record<string, unknown>;
const only = (events: readonly AnyEvent[], type: string): AnyEvent[] => events.filter((event) => event.event_type === type);
const one = (events: readonly AnyEvent[], type: string): Record<string, unknown> => data(only(events, type)[0]);

const GET: Piece = ['write', 'GET /v1/models?limit=2 HTTP/1.1\r\nHost: API.example.com:443\r\n\r\n'];
const OK: Piece = ['read', 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'];

tape('a request and its response', (t) => {
  const events = run([GET, OK]);
  assertValid(t, events);
  t.deepEqual(types(events), ['ssl_open', 'http_request', 'http_response', 'ssl_close'], 'each right after the event it was made of');
  t.deepEqual(data(events[1]), {
    pid: 1841,
    start_us: 8123456,
    uid: 1000,
    comm: 'python3',
    cgroup_id: '4321',
    conn: CONN,
    exchange: `${CONN}/1`,
    role: 'client',
    version: '1.1',
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    path: '/v1/models?limit=2',
    headers: { host: 'API.example.com:443' },
    body_bytes: 0,
    wire_bytes: 0,
  });
  t.deepEqual(data(events[2]), {
    pid: 1841,
    start_us: 8123456,
    uid: 1000,
    comm: 'python3',
    cgroup_id: '4321',
    conn: CONN,
    exchange: `${CONN}/1`,
    role: 'client',
    version: '1.1',
    method: 'GET',
    scheme: 'https',
    host: 'api.example.com',
    path: '/v1/models?limit=2',
    status: 200,
    reason: 'OK',
    headers: { 'content-type': 'application/json', 'content-length': '2' },
    body_bytes: 2,
    wire_bytes: 2,
    ttfb_ms: 0.125,
    duration_ms: 0.125,
    body: '{}',
  });
  t.deepEqual((events[1] as { from?: string[] }).from, ['q7f3k2m9xd-2'], 'from');
  t.end();
});

tape('from names the first and the last of the events, and counts them', (t) => {
  const [request] = only(run(recut([GET, OK], () => 20)), 'http_request');
  const { from, from_count } = request as { from?: string[]; from_count?: number };
  t.deepEqual([from, from_count], [['q7f3k2m9xd-2', 'q7f3k2m9xd-5'], 4]);
  t.end();
});

tape('keep-alive and pipelining: exchanges count from 1, answers go to the oldest request', (t) => {
  const get = (n: number): string => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const ok = (n: number): string => `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${n}`;
  const events = run([
    ['write', get(1)],
    ['read', ok(1)],
    ['write', get(2) + get(3)],
    ['read', ok(2) + ok(3)],
  ]);
  t.deepEqual(
    only(events, 'http_response').map((event) => [data(event).exchange, data(event).path, data(event).body]),
    [
      [`${CONN}/1`, '/1', '1'],
      [`${CONN}/2`, '/2', '2'],
      [`${CONN}/3`, '/3', '3'],
    ],
  );
  assertValid(t, events);
  t.end();
});

tape('chunks, extensions and trailers', (t) => {
  const body = '5;name="a;b"\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 12\r\nX-Sum: 13\r\n\r\n';
  const events = run([GET, ['read', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`]]);
  const response = one(events, 'http_response');
  t.equal(response.body, 'hello world');
  t.equal(response.wire_bytes, 11, 'without chunk framing');
  t.deepEqual(response.trailers, { 'x-sum': ['12', '13'] });
  assertValid(t, events);
  t.end();
});

tape('HEAD, 204 and 304 have no body, whatever their length says', (t) => {
  const head: Piece = ['write', 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n'];
  const events = run([
    head,
    ['read', 'HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n'],
    GET,
    ['read', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9999\r\n\r\n'],
    GET,
    ['read', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    GET,
    OK,
  ]);
  t.deepEqual(
    only(events, 'http_response').map((event) => [data(event).status, data(event).body_bytes, data(event).partial]),
    [
      [200, 0, undefined],
      [304, 0, undefined],
      [204, 0, undefined],
      [200, 2, undefined],
    ],
  );
  t.end();
});

tape('interim responses belong to the exchange of the final one', (t) => {
  const events = run([
    ['write', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n'],
    ['read', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['write', 'abc'],
    ['read', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
    OK,
  ]);
  t.deepEqual(types(events), ['ssl_open', 'http_response', 'http_request', 'http_response', 'http_response', 'ssl_close']);
  t.deepEqual(
    only(events, 'http_response').map((event) => [data(event).status, data(event).interim, data(event).exchange]),
    [
      [100, true, `${CONN}/1`],
      [103, true, `${CONN}/1`],
      [200, undefined, `${CONN}/1`],
    ],
  );
  assertValid(t, events);
  t.end();
});

tape('a body without length is complete when the session closes, partial when only the input ends', (t) => {
  const pieces: Piece[] = [GET, ['read', 'HTTP/1.0 200 OK\r\n\r\nhello '], ['read', 'world']];
  const closed = run(pieces);
  t.deepEqual(types(closed), ['ssl_open', 'http_request', 'ssl_close', 'http_response']);
  t.equal(one(closed, 'http_response').body, 'hello world');
  t.equal(one(closed, 'http_response').partial, undefined);
  const open = one(run(pieces, { close: false }), 'http_response');
  t.deepEqual([open.body, open.partial], ['hello world', ['eof']]);
  t.end();
});

tape('a message that the close cuts is partial', (t) => {
  const events = run([['write', 'POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc']]);
  const request = one(events, 'http_request');
  t.deepEqual([request.body, request.body_bytes, request.partial], ['abc', 3, ['eof']]);
  const head = one(run([['write', 'GET / HTTP/1.1\r\nHost: a\r\nAcc']]), 'http_request');
  t.deepEqual([head.headers, head.partial], [{ host: 'a' }, ['eof']], 'in its head');
  t.end();
});

tape('101 and CONNECT: what follows is a WebSocket, HTTP/2, or passes as it is', (t) => {
  const upgrade: Piece[] = [
    ['write', 'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    ['read', Buffer.concat([Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'), Buffer.from([0x81, 2])])],
    ['read', 'hi'],
    ['write', Buffer.from([0x81, 0x80, 1, 2, 3, 4])],
  ];
  const events = run(upgrade);
  t.deepEqual(types(events), ['ssl_open', 'http_request', 'http_response', 'ws_message', 'ws_message', 'ssl_close', 'http_end']);
  const other = upgrade.map(
    ([direction, bytes]): Piece => [direction, Buffer.from(String(bytes).replace('websocket', 'tls/1.0'), 'latin1')],
  );
  t.deepEqual(types(run(other)), ['ssl_open', 'http_request', 'http_response', 'ssl_data', 'ssl_data', 'ssl_close'], 'another protocol');
  t.equal(one(events, 'http_response').interim, undefined, "a WebSocket's 101 is final");
  const h2c = run([upgrade[0] as Piece, ['read', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n']]);
  t.equal(one(h2c, 'http_response').interim, true, 'that of h2c is interim');
  const connect = run([
    ['write', 'CONNECT Example.com:443 HTTP/1.1\r\nHost: Example.com:443\r\n\r\n'],
    ['read', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['write', Buffer.from([22, 3, 1, 0, 5])],
  ]);
  t.deepEqual(types(connect), ['ssl_open', 'http_request', 'http_response', 'ssl_data', 'ssl_close']);
  t.deepEqual([one(connect, 'http_request').path, one(connect, 'http_request').host], ['Example.com:443', 'example.com']);
  t.end();
});

tape('a 101 whose head is cut is no WebSocket: it does not go on', (t) => {
  const events = run([
    ['write', 'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    ['read', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n'],
  ]);
  t.deepEqual(types(events), ['ssl_open', 'http_request', 'ssl_close', 'http_response']);
  t.equal(one(events, 'http_response').streamed, undefined);
  t.end();
});

tape('targets in absolute form', (t) => {
  const request = (target: string): Record<string, unknown> =>
    one(run([['write', `GET ${target} HTTP/1.1\r\nHost: other\r\n\r\n`]]), 'http_request');
  const parts = (target: string): unknown[] => [request(target).scheme, request(target).host, request(target).path];
  t.deepEqual(parts('http://user:pass@Example.com:80/a?b#c'), ['http', 'example.com', '/a?b#c'], 'the user is left out');
  t.deepEqual(parts('http://example.com:8080'), ['http', 'example.com:8080', '/']);
  t.deepEqual(parts('/a'), ['https', 'other', '/a']);
  t.deepEqual(parts('*'), ['https', 'other', '*']);
  t.end();
});

tape('Transfer-Encoding wins over Content-Length; folded lines and bare LF are read', (t) => {
  const head = 'HTTP/1.1 200 OK\nContent-Length: 3\nX-Long: one\n  two\n\tthree\nTransfer-Encoding: chunked\n\n';
  const response = one(run([GET, ['read', `${head}2\nok\n0\n\n`]]), 'http_response');
  t.equal(response.body, 'ok');
  t.deepEqual((response.headers as Record<string, unknown>)['x-long'], 'one two three');
  t.end();
});

tape('header names and values: bytes are never replaced', (t) => {
  const head = Buffer.concat([
    Buffer.from('GET /caf\u00e9 HTTP/1.1\r\nX-Utf8: \u00e9\u20ac\r\nX-Latin: '),
    Buffer.from([0xe9, 0xff]),
    Buffer.from('\r\n__proto__: 1\r\nX-Empty:\r\nno colon here\r\n\r\n'),
  ]);
  const request = one(run([['write', head]]), 'http_request');
  t.equal(request.path, '/caf\u00e9');
  t.deepEqual(Object.entries(request.headers as object), [
    ['x-utf8', '\u00e9\u20ac'],
    ['x-latin', '\u00e9\u00ff'],
    ['__proto__', '1'],
    ['x-empty', ''],
    ['no colon here', ''],
  ]);
  t.end();
});

tape('codings are undone, and counted both ways', (t) => {
  const text = 'many a little makes a mickle '.repeat(20);
  for (const [name, bytes] of [
    ['gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
  ] as const) {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${name}\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    for (const size of [1, 10_000]) {
      const events = run(recut([GET, ['read', Buffer.concat([Buffer.from(head), bytes])]], () => size));
      const response = one(events, 'http_response');
      t.deepEqual(
        [response.body, response.body_bytes, response.wire_bytes, response.encoding, response.partial],
        [text, text.length, bytes.length, name.split(', '), undefined],
        `${name} in pieces of ${size}`,
      );
    }
  }
  t.end();
});

tape('a coding that cannot be undone is said', (t) => {
  const response = (name: string, bytes: Buffer | string): Record<string, unknown> => {
    const head = `HTTP/1.1 200 OK\r\nContent-Encoding: ${name}\r\nContent-Length: ${Buffer.from(bytes as string).length}\r\n\r\n`;
    return one(run([GET, ['read', Buffer.concat([Buffer.from(head), Buffer.from(bytes as string)])]]), 'http_response');
  };
  t.deepEqual(response('gzip', 'plain text').partial, ['coding'], 'not gzip');
  t.deepEqual(response('gzip', gzipSync('hello').subarray(0, 12)).partial, ['coding'], 'cut');
  const unknown = response('compress', 'as it is');
  t.deepEqual([unknown.body, unknown.partial], ['as it is', ['coding']], 'unknown: the body stays as it is');
  t.equal(response('gzip', '').partial, undefined, 'a body of no bytes is whole');
  t.end();
});

tape('a gap inside a body of known length: it goes on, and says so', (t) => {
  const events = run([GET, ['read', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'], ['read', 4], ['read', 'xyz'], GET, OK]);
  const [cut, whole] = only(events, 'http_response').map(data);
  t.deepEqual([cut?.body, cut?.body_bytes, cut?.wire_bytes, cut?.partial], ['abcxyz', 10, 10, ['gap']]);
  t.deepEqual([whole?.body, whole?.partial, whole?.exchange], ['{}', undefined, `${CONN}/2`]);
  assertValid(t, events);
  t.end();
});

tape('a gap over the end of a message: found again at the next start line', (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel';
  const events = run([
    GET,
    ['read', chunked],
    ['read', 100],
    ['read', `rest of it}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`],
  ]);
  const [cut, whole] = only(events, 'http_response').map(data);
  t.deepEqual([cut?.body, cut?.partial], ['hel', ['gap']]);
  t.deepEqual([whole?.body, whole?.partial], ['ok', undefined]);
  t.end();
});

tape('a gap in a head: what there was of it, partial', (t) => {
  const events = run([
    ['write', 'POST /a HTTP/1.1\r\nHost: a\r\nX-Cut: so'],
    ['write', 50],
    ['write', 'me: y\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n'],
  ]);
  t.deepEqual(
    only(events, 'http_request').map((event) => [data(event).path, data(event).headers, data(event).partial]),
    [
      ['/a', { host: 'a' }, ['gap']],
      ['/b', { host: 'b' }, undefined],
    ],
  );
  t.end();
});

tape('an event that stands for more than it carries is a gap too', (t) => {
  const recorder = new Recorder();
  const session = recorder.session();
  session.data('write', GET[1] as string);
  session.event('read', Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc'), 1041);
  session
    .data('write', GET[1] as string)
    .data('read', OK[1] as string)
    .close();
  const events = through(httpParser(), recorder.events);
  const [cut, whole] = only(events, 'http_response').map(data);
  t.deepEqual([cut?.body, cut?.wire_bytes, cut?.partial], ['abc', 1000, ['gap']]);
  t.deepEqual([whole?.exchange, whole?.partial], [`${CONN}/2`, undefined]);
  t.end();
});

tape('a lost response does not take the next request with it', (t) => {
  const get = (n: number): Piece => ['write', `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`];
  const events = run([get(1), ['read', 500], get(2), OK, get(3), OK]);
  t.deepEqual(
    only(events, 'http_response').map((event) => [data(event).exchange, data(event).path]),
    [
      [`${CONN}/2`, '/2'],
      [`${CONN}/3`, '/3'],
    ],
  );
  t.end();
});

tape('bytes missing at the end are known from ssl_close', (t) => {
  const recorder = new Recorder();
  recorder
    .session()
    .data('write', GET[1] as string)
    .data('read', 'HTTP/1.0 200 OK\r\n\r\nhello')
    .lost('read', 7)
    .close();
  t.deepEqual(one(through(httpParser(), recorder.events), 'http_response').partial, ['gap']);
  t.end();
});

tape('joined midway: the rest of a message passes, the next one is found, its answer is marked', (t) => {
  const open = { from_start: false } as const;
  const events = run([['read', '"tail of a body"}'], ['read', '\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'], GET, OK], { open });
  t.deepEqual(types(events), ['ssl_open', 'ssl_data', 'http_response', 'http_request', 'http_response', 'ssl_close']);
  const [first, second] = only(events, 'http_response').map(data);
  t.deepEqual([first?.method, first?.partial], [undefined, ['start']], 'its request was before our time');
  t.deepEqual([second?.method, second?.partial], ['GET', undefined]);
  assertValid(t, events);
  t.end();
});

tape('the role is inferred where ssl_open does not say it, or is not there', (t) => {
  const swap = (pieces: Piece[]): Piece[] => pieces.map(([direction, piece]) => [direction === 'read' ? 'write' : 'read', piece]);
  for (const open of [null, { from_start: false }]) {
    const client = run([GET, OK], open ? { open: { ...open, role: undefined as never } } : { open: null });
    const server = run(swap([GET, OK]), open ? { open: { ...open, role: undefined as never } } : { open: null });
    t.deepEqual([one(client, 'http_request').role, one(client, 'http_response').role], ['client', 'client']);
    t.deepEqual([one(server, 'http_request').role, one(server, 'http_response').role], ['server', 'server']);
  }
  const recorder = new Recorder();
  const a = recorder.session({ pid: 1, conn: '1.1.1' });
  const b = recorder.session({ pid: 2, conn: '2.2.1', open: { role: 'server' } });
  a.data('write', GET[1] as string);
  b.data('read', GET[1] as string).data('write', OK[1] as string);
  a.data('read', OK[1] as string);
  const both = through(httpParser(), recorder.events);
  t.deepEqual(
    only(both, 'http_response').map((event) => [data(event).role, data(event).exchange]),
    [
      ['server', '2.2.1/1'],
      ['client', '1.1.1/1'],
    ],
    'both ends on one host are kept apart',
  );
  t.end();
});

tape('what is not HTTP passes: the same events, in order, and nothing is said of it', (t) => {
  const others: Record<string, Piece[]> = {
    smtp: [
      ['read', '220 mail ESMTP\r\n'],
      ['write', 'EHLO me\r\n'],
      ['read', '250 ok\r\n'],
      ['write', 'GET / HTTP/1.1\r\n\r\n'],
    ],
    binary: [
      ['write', Buffer.from([1, 2, 3, 0, 255])],
      ['read', Buffer.from('\0\0HTTP/1.1 200 OK\r\nA: b\r\n\r\n')],
    ],
    'a line that never ends': [
      ['write', 'x'.repeat(40_000)],
      ['write', 'y'.repeat(1000)],
    ],
    'half a word at the end': [['write', 'GE']],
  };
  for (const [name, pieces] of Object.entries(others)) {
    for (const options of [{}, { open: { from_start: false } }] as SessionOptions[]) {
      if (options.open && (name === 'smtp' || name === 'binary')) continue; // joined midway, it looks like HTTP
      const input = sessionEvents(pieces, options);
      t.deepEqual(through(httpParser(), input), input, `${name}${options.open ? ', joined midway' : ''}`);
    }
  }
  const h2 = sessionEvents([['write', 'GET / HTTP/1.1\r\nA: b\r\n\r\n']], { open: { alpn: 'h2' } });
  t.deepEqual(through(httpParser(), h2), h2, 'ALPN h2');
  t.end();
});

tape('events that are not ours, or are malformed, pass', (t) => {
  const odd = [
    { event_type: 'ssl_data' },
    { event_type: 'ssl_data', data: null },
    { event_type: 'ssl_data', data: { conn: 7 } },
    { event_type: 'ssl_data', data: { conn: 'a', direction: 'sideways', payload: 'GET / HTTP/1.1\r\n\r\n' } },
    { event_type: 'ssl_data', data: { conn: 'a', direction: 'read', offset: -1, total_bytes: 'x', payload: '\u0001' } },
    { event_type: 'ssl_data', data: { conn: 'a', direction: 'read', offset: 1e300 } },
    { event_type: 'ssl_close', data: { conn: 'nobody' } },
    { event_type: 'ssl_close', data: { conn: 'a', read_bytes: 'many' } },
    { event_type: 'ssl_open', data: { conn: 'b', role: 5, library: [] } },
    { event_type: 'http_request', data: {} },
  ] as AnyEvent[];
  t.deepEqual(through(httpParser(), odd), odd);
  t.end();
});

const SSE_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

tape('server-sent events come one by one, as they arrive', (t) => {
  const events = run([
    GET,
    ['read', SSE_HEAD],
    ['read', chunk('event: start\nid: 7\nretry: 500\nda')],
    ['read', chunk('ta: {"a":1}\n\n')],
    ['read', chunk(': comment\n\ndata: one\ndata: two\n\ndata: cut')],
    ['read', '0\r\n\r\n'],
  ]);
  t.deepEqual(types(events), ['ssl_open', 'http_request', 'http_response', 'sse_event', 'sse_event', 'http_end', 'ssl_close']);
  t.deepEqual(
    facts(events, 'sse_event').map((event) => event.data),
    [
      { pid: 1841, exchange: `${CONN}/1`, index: 0, event: 'start', last_event_id: '7', retry_ms: 500, data: '{"a":1}' },
      { pid: 1841, exchange: `${CONN}/1`, index: 1, event: 'message', last_event_id: '7', data: 'one\ntwo' },
    ],
  );
  t.deepEqual(one(events, 'http_end'), {
    pid: 1841,
    exchange: `${CONN}/1`,
    sender: 'server',
    end: 'complete',
    body_bytes: 86,
    wire_bytes: 86,
    duration_ms: 0.625,
  });
  const [first] = only(events, 'sse_event') as { from?: string[] }[];
  t.deepEqual(first?.from, ['q7f3k2m9xd-4', 'q7f3k2m9xd-5'], 'from: the events that it came in');
  assertValid(t, events);
  t.end();
});

tape('a gap in a stream of events: no event is put together over it', (t) => {
  const rest = 'o\n\ndata: three\n\n'.padEnd(64 - 8 - 10, ':');
  const events = run([
    GET,
    ['read', SSE_HEAD],
    ['read', chunk('data: one\n\n')],
    ['read', '40\r\ndata: tw'],
    ['read', 10],
    ['read', `${rest}\r\n0\r\n\r\n`],
  ]);
  t.deepEqual(
    facts(events, 'sse_event').map((event) => event.data.data),
    ['one', 'three'],
  );
  t.deepEqual([one(events, 'http_end').end, one(events, 'http_end').partial], ['complete', ['gap']]);
  t.end();
});

tape('--sse-merge: one response with its events', (t) => {
  const events = run(
    [GET, ['read', SSE_HEAD], ['read', chunk('id: 1\ndata: a\n\nevent: b\ndata: c\n\n')], ['read', '0\r\n\r\n']],
    {},
    { sseMerge: true },
  );
  t.deepEqual(types(events), ['ssl_open', 'http_request', 'http_response', 'ssl_close']);
  t.deepEqual(one(events, 'http_response').events, [
    { event: 'message', last_event_id: '1', data: 'a' },
    { event: 'b', last_event_id: '1', data: 'c' },
  ]);
  assertValid(t, events);
  t.end();
});

tape('JSON lines and --stream-all: pieces as they arrive', (t) => {
  const lines = run([
    GET,
    ['read', 'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 8\r\n\r\n{}\n'],
    ['read', '{"a"}'],
  ]);
  t.deepEqual(types(lines), ['ssl_open', 'http_request', 'http_response', 'http_body', 'http_body', 'http_end', 'ssl_close']);
  t.deepEqual(
    facts(lines, 'http_body').map((event) => [event.data.index, event.data.sender, event.data.payload]),
    [
      [0, 'server', '{}\n'],
      [1, 'server', '{"a"}'],
    ],
  );
  const all = run([['write', 'POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na'], ['write', 'b'], OK], {}, { streamAll: true });
  t.deepEqual(types(all), [
    'ssl_open',
    'http_request',
    'http_body',
    'http_body',
    'http_end',
    'http_response',
    'http_body',
    'http_end',
    'ssl_close',
  ]);
  t.equal(data(only(all, 'http_end')[0]).sender, 'client');
  assertValid(t, [...lines, ...all]);
  t.end();
});

tape('--body-limit: the body is cut at a character, the counts stay true', (t) => {
  const text = 'a\u20ac'.repeat(10);
  const response: Piece = ['read', `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`];
  const cut = one(run([GET, response], {}, { bodyLimit: 10 }), 'http_response');
  t.deepEqual([cut.body, cut.body_bytes, cut.partial], ['a\u20aca\u20aca', 40, ['limit']], 'ten bytes, less the half character');
  const none = one(run([GET, response], {}, { bodyLimit: 0 }), 'http_response');
  t.deepEqual([none.body, none.body_bytes, none.partial], [undefined, 40, ['limit']]);
  t.end();
});

tape('secrets', (t) => {
  const request = (path: string, key: string): Piece => [
    'write',
    `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\nX-Api-Key: ${key}\r\nReferer: https://b/?token=${key}\r\n\r\n`,
  ];
  const response: Piece = ['read', 'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n'];
  const pieces = [request('/p?key=sk-1&page=2&api_key=sk-1#x', 'sk-1'), response, request('/q?accessToken=zz&monkey=1', 'sk-1')];
  const events = run(pieces);
  t.notOk(JSON.stringify(facts(events)).includes('sk-1'), 'no secret is left');
  const [first, second] = only(events, 'http_request').map(data);
  t.equal(first?.path, '/p?key=redacted:1&page=2&api_key=redacted:1#x');
  t.deepEqual(first?.headers, {
    host: 'a',
    authorization: 'redacted:2',
    'x-api-key': 'redacted:1',
    referer: 'https://b/?token=redacted:1',
  });
  t.equal((second?.headers as Record<string, unknown> | undefined)?.authorization, 'redacted:2', 'equal secrets stay equal');
  t.equal(second?.path, '/q?accessToken=redacted:5&monkey=1');
  t.deepEqual(one(events, 'http_response').headers, { 'set-cookie': ['redacted:3', 'redacted:4', 'redacted:3'], 'content-length': '0' });
  t.equal(one(run(pieces, {}, { showSecrets: true }), 'http_request').path, '/p?key=sk-1&page=2&api_key=sk-1#x', '--show-secrets');
  const key = { redactKey: Buffer.from('key') };
  const hashed = one(run(pieces, {}, key), 'http_request').headers as Record<string, string>;
  t.match(hashed.authorization as string, /^redacted:[0-9a-f]{16}$/);
  t.deepEqual(run(pieces, {}, key), run(pieces, {}, key), 'the same again');
  t.end();
});

tape('ids follow from the input and the options', (t) => {
  const id = (options: HttpOptions): string => run([GET, OK], {}, options).find((event) => event.source === 'http')?.id as string;
  t.equal(id({}), id({}));
  t.equal(id({ bodyLimit: 8 * 1024 * 1024 }), id({}), 'a default is no option');
  t.notEqual(id({ streamAll: true }), id({}));
  t.end();
});

tape('sessions are bounded: the least recently used goes, with a loss when something was under way', (t) => {
  const recorder = new Recorder();
  const sessions = [1, 2, 3].map((n) => recorder.session({ pid: n, conn: `${n}.1.1` }));
  for (const session of sessions) session.data('write', 'POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc');
  sessions[0]?.data('write', 'defghij');
  const events = through(httpParser({ limits: { sessions: 2 } }), recorder.events);
  t.deepEqual(
    facts(events, 'loss').map((event) => event.data),
    [
      { where: 'limit', lost: 1, conn: '1.1.1' },
      { where: 'limit', lost: 1, conn: '2.1.1' },
    ],
  );
  t.deepEqual(facts(events, 'http_request')[0]?.data.partial, ['limit']);
  assertValid(t, events);
  const again = new Recorder();
  const first = again.session({ conn: 'a' });
  first.data('write', GET[1] as string).data('read', OK[1] as string);
  for (const conn of ['b', 'c', 'd'])
    again
      .session({ conn })
      .data('write', GET[1] as string)
      .data('read', OK[1] as string);
  first.data('write', GET[1] as string).data('read', OK[1] as string);
  const resumed = through(httpParser({ limits: { sessions: 2 } }), again.events);
  t.deepEqual(
    facts(resumed, 'http_request')
      .filter((event) => event.data.conn === 'a')
      .map((event) => event.data.exchange),
    ['a/1', 'a/2'],
    'a session that comes back counts on',
  );
  t.equal(facts(resumed, 'loss').length, 0, 'nothing was lost');
  t.end();
});

tape('memory is bounded: bodies are given up, counted, and said', (t) => {
  const recorder = new Recorder();
  const body = 'x'.repeat(10_000);
  const sessions = [1, 2, 3, 4].map((n) => recorder.session({ pid: n, conn: `${n}.1.1` }));
  for (const session of sessions) session.data('write', `POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n${body}`);
  for (const session of sessions) session.data('write', body).close();
  const events = through(httpParser({ limits: { memoryBytes: 35_000 } }), recorder.events);
  const requests = facts(events, 'http_request').map((event) => event.data);
  t.ok(facts(events, 'loss').length > 0 && facts(events, 'loss').every((event) => event.data.where === 'limit'), 'loss');
  t.deepEqual(
    requests.map((request) => [request.body_bytes, request.wire_bytes]),
    Array(4).fill([20_000, 20_000]),
    'counts stay true',
  );
  t.deepEqual(requests[0]?.partial, ['limit']);
  assertValid(t, events);
  t.end();
});

tape('a transfer coding before chunked is undone; one that is named but not applied is not', (t) => {
  const response = (body: Buffer): Record<string, unknown> => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n';
    const wire = Buffer.concat([Buffer.from(`${head}${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
    return one(run(recut([GET, ['read', wire]], () => 9)), 'http_response');
  };
  t.deepEqual([response(gzipSync('hello')).body, response(gzipSync('hello')).partial], ['hello', undefined]);
  t.deepEqual([response(Buffer.from('plain')).body, response(Buffer.from('plain')).partial], ['plain', undefined]);
  t.end();
});

tape('key-like parameters are known by their names, however they are written', (t) => {
  const path = (query: string): unknown => one(run([['write', `GET /?${query} HTTP/1.1\r\nHost: a\r\n\r\n`]]), 'http_request').path;
  for (const name of [
    'key',
    'api_key',
    'API-KEY',
    'apiKey',
    'access_token',
    'X-Amz-Signature',
    'client%5Fsecret',
    'auth[token]',
    'sig',
    'password',
  ]) {
    t.equal(path(`${name}=abc`), `/?${name}=redacted:1`, name);
  }
  for (const query of ['monkey=abc', 'keyword=abc', 'tokens=5', 'key', 'key=', '%zz=1', 'author=me', 'design=1'])
    t.equal(path(query), `/?${query}`, query);
  t.end();
});

tape('--sse-merge keeps to the body limit, and over gaps', (t) => {
  const stream = [1, 2, 3, 4].map((n) => `data: ${String(n).repeat(60)}\n\n`).join('');
  const head: Piece = ['read', `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ${stream.length}\r\n\r\n`];
  const limited = one(run([GET, head, ['read', stream]], {}, { sseMerge: true, bodyLimit: 300 }), 'http_response');
  t.deepEqual([(limited.events as unknown[]).length, limited.partial], [2, ['limit']]);
  const holed = one(
    run([GET, head, ['read', stream.slice(0, 80)], ['read', 20], ['read', stream.slice(100)]], {}, { sseMerge: true }),
    'http_response',
  );
  t.deepEqual([(holed.events as { data: string }[]).map((event) => event.data[0]), holed.partial], [['1', '3', '4'], ['gap']]);
  t.end();
});

tape('streams under way give up what they hold, too, and go on', (t) => {
  const recorder = new Recorder();
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n';
  for (const merge of [false, true]) {
    const session = recorder.session({ conn: String(merge) });
    session
      .data('write', GET[1] as string)
      .data('read', `${head}data: a\n\ndata: ${'x'.repeat(5000)}`)
      .data('read', '\n\ndata: b\n\n')
      .close();
    const events = through(httpParser({ limits: { memoryBytes: 2000 }, sseMerge: merge }), recorder.events.splice(0));
    t.ok(facts(events, 'loss').length > 0, 'loss');
    const last = one(events, merge ? 'http_response' : 'http_end');
    t.deepEqual(last.partial, ['limit']);
    assertValid(t, events);
  }
  t.end();
});
