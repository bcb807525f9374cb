import fc from 'fast-check';
import test from 'tape';
import { readDataLine } from '../../lib/stream/data-line.js';
import type { SslDataEvent } from '../../lib/stream/event.js';
import { bytesOf } from '../../lib/stream/payload.js';

/** Reads `line` between other bytes, as it stands in a batch. */
function read(line: string): ReturnType<typeof readDataLine> {
  const buf = Buffer.from(`{"id":"before"}\n${line}\n{"id":"behind","offset":1}\n`);
  const start = 16;
  return readDataLine(buf, start, start + Buffer.byteLength(line));
}

/** What lib/stream/data-line.ts promises of an event. */
function fieldsRead(event: SslDataEvent): unknown[] {
  const { pid, start_us, uid, comm, comm_b64, cgroup_id, conn, direction, offset, total_bytes, captured_bytes, library } = event.data;
  const who = [event.id, event.timestamp, event.source, event.event_type, pid, start_us, uid, comm, comm_b64, cgroup_id];
  return [...who, conn, direction, offset, total_bytes, captured_bytes, library === 'plain'];
}

/** True when the line is refused, or read as JSON.parse does. */
function agrees(line: string): boolean {
  const found = read(line);
  if (found === undefined) return true;
  const event = JSON.parse(line) as SslDataEvent;
  const bytes = bytesOf(event.data);
  if (bytes === undefined || !found.payload.equals(bytes)) return false;
  return JSON.stringify(fieldsRead(found.event)) === JSON.stringify(fieldsRead(event));
}

const count = fc.oneof({ weight: 30, arbitrary: fc.nat() }, { weight: 1, arbitrary: fc.maxSafeNat() });
const optional = { requiredKeys: [] };
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom('', 'a "b" \\ \r\n\t\u0001é – 😀', '","payload":"', '"offset":0'),
);

/** Events in the contract's order. */
const events = fc
  .tuple(
    fc.integer({ min: 1, max: 1e9 }),
    fc.integer({ min: 0, max: 4e15 }),
    fc.record({ pid: count, tid: count, uid: count, comm: text, thread: text, start_us: count, cgroup_id: fc.constant('42') }, optional),
    fc.record({ conn: fc.oneof(fc.constant('1.2.3'), text), direction: fc.constantFrom('read', 'write') }),
    fc.record({ offset: count, total_bytes: count, captured_bytes: count }),
    fc.record(
      {
        call: count,
        call_bytes: count,
        latency_ns: count,
        library: fc.constantFrom('openssl', 'plain'),
        function: fc.constantFrom('SSL_read', 'SSL_write_ex', 'é"'),
        fd: count,
      },
      optional,
    ),
    fc.oneof(
      { weight: 3, arbitrary: text.map((payload) => ({ payload })) },
      { weight: 1, arbitrary: fc.uint8Array().map((bytes) => ({ payload_b64: Buffer.from(bytes).toString('base64') })) },
      { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(...'AZaz09+/=-_ ') }).map((payload_b64) => ({ payload_b64 })) },
    ),
  )
  .map(([n, us, who, where, counts, call, payload]) => ({
    id: `abcdefghjk-${n}`,
    timestamp: us / 1000,
    source: 'ssl',
    event_type: 'ssl_data',
    data: { ...who, ...where, ...counts, ...call, ...payload },
  }));

test('data-line: reads what our sensors print as JSON.parse does', (t) => {
  const data = { pid: 7, comm: 'é', start_us: 8, conn: '7.8.1', direction: 'read', offset: 5, total_bytes: 4, captured_bytes: 4, call: 1 };
  const line = (more: object): string =>
    JSON.stringify({ id: 'a-1', timestamp: 1764000000000.125, source: 'ssl', event_type: 'ssl_data', data: { ...data, ...more } });
  const found = read(line({ library: 'plain', function: 'read', fd: 3, payload: 'a"\\\n\u0001é😀' }));
  t.equal(found?.payload.toString(), 'a"\\\n\u0001é😀', 'the payload');
  t.deepEqual(
    [found?.event.id, found?.event.timestamp, found?.event.data.offset, found?.event.data.comm, found?.event.data.library],
    ['a-1', 1764000000000.125, 5, 'é', 'plain'],
    'the fields',
  );
  t.equal(read(line({ payload: 'x' }).replace('":"read","offset"', '\\"offset"')), undefined, 'a key that ends like it is not the offset');
  t.equal(read(line({ payload: '' }))?.payload.length, 0, 'nothing captured');
  t.deepEqual(read(line({ payload_b64: 'AP8=' }))?.payload, Buffer.from([0, 255]), 'base64');
  t.equal(read(line({ payload_b64: 'A\\/8=' })), undefined, 'base64 with an escape goes the ordinary way');
  t.equal(read(line({ payload_b64: 'AP8=' }).replace('"pid"', '"payload":"x","pid"')), undefined, 'two payloads: the ordinary way');
  t.equal(read(line({ payload: 'x'.repeat(2_000_000) })), undefined, 'so does what is very long');
  t.equal(read(line({ payload: 'x'.repeat(200_000) }))?.payload.length, 200_000, 'but not what is long');
  t.end();
});

test('data-line: many sessions, each known by its own bytes', (t) => {
  const line = (conn: number, direction: string): string =>
    `{"id":"a-${conn}","timestamp":1,"source":"ssl","event_type":"ssl_data","data":{"pid":${conn},"conn":"${conn}.1.1","direction":"${direction}","offset":0,"total_bytes":1,"captured_bytes":1,"payload":"x"}}`;
  let wrong = 0;
  for (let round = 0; round < 3; round++) {
    for (let conn = 0; conn < 3000; conn++) {
      for (const direction of ['read', 'write', 'write']) if (!agrees(line(conn, direction)) || !read(line(conn, direction))) wrong++;
    }
  }
  t.equal(wrong, 0, 'more than are remembered, in turns');
  t.equal(read(line(1, 'read').replace('"pid":1,', '"pid":1,,')), undefined, 'what cannot be parsed is refused');
  t.equal(read(line(1, 'read').replace('"pid":1,', '"pid":1,,')), undefined, 'and is so again');
  t.end();
});

test('data-line: any event', (t) => {
  let taken = 0;
  fc.assert(
    fc.property(events, (event) => {
      const line = JSON.stringify(event);
      if (read(line) !== undefined) taken++;
      return agrees(line);
    }),
    { numRuns: 5000 },
  );
  t.ok(taken > 1500, `${taken} of 5000 were read`);
  t.end();
});

test('data-line: damaged lines are refused, or read as JSON.parse does', (t) => {
  const piece = fc.constantFrom(
    ...'{}[]",:\\ \t\u0001tu0.-+eé',
    '"offset":',
    ',"payload":"',
    ',"library":"plain"',
    '\\u00e9',
    '\\u0000',
    '\\ud83d',
    '"data":{',
    '"id":"x",',
    '00',
    '.5',
  );
  fc.assert(
    fc.property(events, fc.nat(), fc.nat({ max: 12 }), piece, (event, at, cut, put) => {
      const line = JSON.stringify(event);
      const place = at % (line.length + 1);
      const damaged = line.slice(0, place) + put + line.slice(place + cut);
      // Lone surrogates do not survive the way into bytes: they are no UTF-8.
      return Buffer.from(damaged).toString() !== damaged || agrees(damaged);
    }),
    { numRuns: 50_000 },
  );
  t.pass('random damage');
  t.end();
});
