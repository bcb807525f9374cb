/** Records into events: sessions, their names, forks, losses. Processes here are numbers that no process has. */
import fc from 'fast-check';
import test from 'tape';
import { RecExec, RecExit, RecFork, RecSslData, RecSslSession, RecType, SslFunction, SslRole } from '../../../lib/bpf/records.gen.js';
import { Emitter } from '../../../lib/runners/emitter.js';
import { SslEvents } from '../../../lib/runners/sslsniff/events.js';
import type { SessionTable } from '../../../lib/runners/sslsniff/session-table.js';
import { encode, type Fields, stamp } from './records.js';

interface Event {
  id: string;
  timestamp: number;
  source: string;
  event_type: string;
  data: Record<string, unknown>;
}

const PID = 4_190_001;
const WHO: Fields = {
  pid: PID,
  tid: PID,
  ppid: 1,
  uid: 1000,
  start_ns: 5_000_000,
  cgroup_id: 9,
  ns_pid: PID,
  comm: 'agent',
  thread: 'agent',
};

/** A stage for records: what they say, in events. */
function bench(options: { queueBytes?: number; prefersLines?: boolean } = {}) {
  const events: Event[] = [];
  const lines: Buffer[] = [];
  const queue = { bytes: 0 };
  const emitter = new Emitter({ queueBytes: options.queueBytes ?? 1e9, clockOffsetUs: 1_000_000_000 });
  emitter.open({
    push: (event) => {
      events.push(event as Event);
      lines.push(Buffer.from(`${JSON.stringify(event)}\n`));
    },
    pushLines: (bytes) => lines.push(bytes),
    queuedBytes: () => queue.bytes,
    drained: async () => {},
    prefersLines: options.prefersLines ?? false,
  });
  const removed: string[] = [];
  const table = {
    look: () => undefined,
    remove: (_process: unknown, session: { conn: string }) => removed.push(session.conn),
  } as unknown as SessionTable;
  const model = new SslEvents(emitter, { changed: () => {}, ended: () => {} }, table);
  let now = 10_000_000;
  const give = (record: Buffer): void => {
    now += 1000;
    stamp(record, now);
    model.record(record, new DataView(record.buffer, record.byteOffset, record.byteLength), 0, now);
  };
  return {
    events,
    /** All that was given, as it is written. The stream's name is random. */
    text: () => {
      emitter.flush();
      return Buffer.concat(lines).toString('latin1').replaceAll(emitter.stream, 'STREAM');
    },
    emitter,
    queue,
    removed,
    types: () => events.map((event) => event.event_type),
    data: (fields: Fields, bytes: string | Buffer) => {
      const payload = Buffer.from(bytes as string);
      give(
        encode(
          RecSslData,
          {
            type: RecType.REC_SSL_DATA,
            ...WHO,
            ssl: 0x1000,
            session: 7,
            call: 1,
            call_bytes: payload.length,
            total: payload.length,
            fd: -1,
            function: SslFunction.SSL_FN_WRITE,
            direction: 1,
            from_start: 1,
            ...fields,
          },
          payload,
        ),
      );
    },
    session: (type: number, fields: Fields = {}) =>
      give(encode(RecSslSession, { type, ...WHO, ssl: 0x1000, session: 7, fd: -1, from_start: 1, ...fields })),
    fork: (child: number, start: number, fields: Fields = {}) =>
      give(encode(RecFork, { type: RecType.REC_FORK, ...WHO, child_pid: child, child_start: start, child_ns_pid: child, ...fields })),
    exec: (args: string, fields: Fields = {}) =>
      give(encode(RecExec, { type: RecType.REC_EXEC, ...WHO, args_len: args.length, ...fields }, Buffer.from(args))),
    exit: (fields: Fields = {}) => give(encode(RecExit, { type: RecType.REC_EXIT, ...WHO, ...fields })),
  };
}

test('a session is announced with its process before its first byte, and closed with its sums', (t) => {
  const b = bench();
  b.session(RecType.REC_SSL_OPEN);
  b.session(RecType.REC_SSL_ROLE, { role: SslRole.ROLE_CLIENT, fd: 5 });
  b.data({ role: SslRole.ROLE_CLIENT, fd: 5 }, 'GET / HTTP/1.1\r\n\r\n');
  b.data({ offset: 0, direction: 0, function: SslFunction.SSL_FN_READ, call: 2, fd: 5 }, 'HTTP/1.1 200 OK\r\n\r\n');
  b.session(RecType.REC_SSL_CLOSE, { read_bytes: 19, write_bytes: 18, shutdown: 1, fd: 5 });
  t.deepEqual(b.types(), ['process_info', 'ssl_open', 'ssl_data', 'ssl_data', 'ssl_close']);
  const [info, open, write, read, close] = b.events;
  t.equal(info?.data.origin, 'first_seen');
  t.equal(info?.data.tid, undefined);
  t.deepEqual(open?.data, {
    pid: PID,
    tid: PID,
    ppid: 1,
    uid: 1000,
    comm: 'agent',
    start_us: 5000,
    cgroup_id: '9',
    conn: `${PID}.5000.1`,
    library: 'openssl',
    role: 'client',
    from_start: true,
    fd: 5,
  });
  t.equal(write?.data.payload, 'GET / HTTP/1.1\r\n\r\n');
  t.equal(Object.keys(write?.data ?? {}).at(-1), 'payload', 'the payload is last');
  t.equal(read?.data.direction, 'read');
  t.equal(read?.data.function, 'SSL_read');
  t.deepEqual(
    [close?.data.reason, close?.data.read_bytes, close?.data.write_bytes, close?.data.lost_bytes],
    ['shutdown', 19, 18, undefined],
  );
  t.deepEqual(
    b.events.map((event) => event.id),
    b.events.map((_, i) => `${b.emitter.stream}-${i + 1}`),
    'numbered from 1 without a hole',
  );
  t.ok(b.events.every((event, i) => i === 0 || event.timestamp >= (b.events[i - 1] as Event).timestamp));
  t.end();
});

test('an address that is used again is another session', (t) => {
  const b = bench();
  b.data({ session: 7 }, 'one');
  b.session(RecType.REC_SSL_CLOSE, { session: 7, write_bytes: 3 });
  b.session(RecType.REC_SSL_OPEN, { session: 8 });
  b.data({ session: 8 }, 'two');
  // The close of this one is lost.
  b.data({ session: 9, from_start: 0 }, 'three');
  t.deepEqual(b.types(), [
    'process_info',
    'ssl_open',
    'ssl_data',
    'ssl_close',
    'ssl_open',
    'ssl_data',
    'ssl_close',
    'ssl_open',
    'ssl_data',
  ]);
  t.deepEqual(
    b.events.filter((event) => event.event_type === 'ssl_data').map((event) => event.data.conn),
    [`${PID}.5000.1`, `${PID}.5000.2`, `${PID}.5000.3`],
  );
  t.deepEqual(
    b.events.filter((event) => event.event_type === 'ssl_open').map((event) => event.data.from_start),
    [true, true, false],
  );
  t.end();
});

test('a number that is used again is another process', (t) => {
  const b = bench();
  b.data({}, 'one');
  b.data({ start_ns: 6_000_000, session: 8 }, 'two');
  t.deepEqual(b.types(), ['process_info', 'ssl_open', 'ssl_data', 'ssl_close', 'process_info', 'ssl_open', 'ssl_data']);
  t.equal(b.events[3]?.data.reason, 'exit');
  t.equal(b.events[6]?.data.conn, `${PID}.6000.1`);
  t.end();
});

test('a child takes sessions along: its own name, and whose it was', (t) => {
  const b = bench();
  b.data({}, 'from the parent');
  b.fork(PID + 1, 9_000_000);
  b.session(RecType.REC_SSL_CLOSE, { write_bytes: 15 });
  b.data({ pid: PID + 1, tid: PID + 1, start_ns: 9_000_000, session: 20, from_start: 0 }, 'from the child');
  const open = b.events.filter((event) => event.event_type === 'ssl_open')[1];
  t.equal(open?.data.conn, `${PID + 1}.9000.1`);
  t.equal(open?.data.parent_conn, `${PID}.5000.1`);
  t.equal(open?.data.from_start, false, 'bytes went before');
  t.end();
});

test('a session that carried nothing before the fork is seen from its start by the child', (t) => {
  const b = bench();
  b.session(RecType.REC_SSL_OPEN);
  b.fork(PID + 1, 9_000_000);
  b.fork(PID + 2, 9_500_000, { pid: PID + 1, start_ns: 9_000_000 });
  b.data({ pid: PID + 2, tid: PID + 2, start_ns: 9_500_000, session: 20, from_start: 0 }, 'from the grandchild');
  const open = b.events.find((event) => event.event_type === 'ssl_open');
  t.equal(open?.data.from_start, true);
  t.equal(open?.data.parent_conn, `${PID}.5000.1`);
  t.end();
});

test('exec and exit end the sessions of a process, and the kernel forgets them', (t) => {
  const b = bench();
  b.data({}, 'one');
  b.exec('curl\0-s\0');
  b.data({ session: 30, ssl: 0x1000 }, 'two');
  b.exit();
  t.deepEqual(b.types(), ['process_info', 'ssl_open', 'ssl_data', 'ssl_close', 'process_info', 'ssl_open', 'ssl_data', 'ssl_close']);
  t.deepEqual(b.events[4]?.data.args, ['curl', '-s'], 'the arguments that the kernel saw, of a process that is gone');
  t.deepEqual([b.events[3]?.data.reason, b.events[7]?.data.reason], ['exit', 'exit']);
  t.deepEqual(b.removed, [`${PID}.5000.1`, `${PID}.5000.2`]);
  t.end();
});

test('what the kernel lost of a session is said once, before what comes after it', (t) => {
  const b = bench();
  b.data({}, 'one');
  b.data({ offset: 103, lost: [2, 0, 0], lost_bytes: [100, 0, 0] }, 'two');
  b.data({ offset: 116, lost: [2, 1, 0], lost_bytes: [100, 10, 0] }, 'three');
  b.session(RecType.REC_SSL_CLOSE, { write_bytes: 121, lost: [2, 1, 0], lost_bytes: [100, 10, 0] });
  t.deepEqual(b.types(), ['process_info', 'ssl_open', 'ssl_data', 'loss', 'ssl_data', 'loss', 'ssl_data', 'ssl_close']);
  t.deepEqual(b.events[3]?.data, { where: 'ring', lost: 2, lost_bytes: 100, kind: 'ssl_data', conn: `${PID}.5000.1` });
  t.deepEqual(b.events[5]?.data, { where: 'copy', lost: 1, lost_bytes: 10, kind: 'ssl_data', conn: `${PID}.5000.1` });
  t.equal(b.events[7]?.data.lost_bytes, 110);
  t.end();
});

test('a slow reader loses data first, and is told by kind when it reads again', (t) => {
  const b = bench({ queueBytes: 100 });
  b.data({}, 'one');
  b.queue.bytes = 101;
  b.data({ offset: 3 }, 'two');
  b.session(RecType.REC_SSL_OPEN, { ssl: 0x2000, session: 8 });
  b.session(RecType.REC_SSL_ROLE, { ssl: 0x2000, session: 8, role: SslRole.ROLE_SERVER });
  b.data({ offset: 6 }, 'three');
  b.queue.bytes = 0;
  b.data({ offset: 11 }, 'four');
  const losses = b.events.filter((event) => event.event_type === 'loss');
  t.equal(
    losses.reduce((sum, event) => sum + Number(event.data.lost), 0),
    2,
  );
  t.equal(
    losses.reduce((sum, event) => sum + Number(event.data.lost_bytes), 0),
    8,
  );
  t.ok(losses.every((event) => event.data.where === 'queue' && event.data.kind === 'ssl_data'));
  t.equal(b.emitter.bulkLost.get('ssl_data'), 2);
  t.equal(b.types().filter((type) => type === 'ssl_open').length, 2, 'who and what is still said');
  b.session(RecType.REC_SSL_CLOSE, { write_bytes: 15 });
  t.equal(b.events.at(-1)?.data.lost_bytes, 8, 'the session knows what the reader did not get');
  t.end();
});

test('bytes that are no text, and names that are no text, stand in base64', (t) => {
  const b = bench();
  b.data({}, Buffer.from([0, 1, 0xff]));
  t.equal(b.events.at(-1)?.data.payload_b64, 'AAH/');
  t.equal(b.events.at(-1)?.data.payload, undefined);
  b.data({ offset: 3, thread: 'worker' }, 'é');
  t.equal(b.events.at(-1)?.data.thread, 'worker');
  t.equal(b.events.at(-1)?.data.payload, 'é');
  t.end();
});

test('a cut of --max-bytes stands for the whole call', (t) => {
  const b = bench();
  b.data({ total: 1000, call_bytes: 1000 }, 'abc');
  const { total_bytes, captured_bytes, call_bytes, payload } = b.events.at(-1)?.data ?? {};
  t.deepEqual([total_bytes, captured_bytes, call_bytes, payload], [1000, 3, 1000, 'abc']);
  t.end();
});

/** Payloads that are text, nearly text, and no text. */
const payloads = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom('', '"', '\\', '\n\r\t\b\f', '\u0001', '\u007f', '\u2028\u2029', '\ud7ff\ue000', '€𝄞', '\0')
    .map((text) => Buffer.from(text)),
  fc.constantFrom([0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80]).map((bytes) => Buffer.from(bytes)),
);

const spoken = fc.record({
  payload: payloads,
  direction: fc.constantFrom(0, 1),
  function: fc.constantFrom(...Object.values(SslFunction)),
  ssl: fc.constantFrom(0x1000, 0x2000),
  thread: fc.constantFrom('agent', 'wor"ker', 'é'),
  fd: fc.constantFrom(-1, 0, 7),
  offset: fc.bigInt({ min: 0n, max: 2n ** 52n }),
  call: fc.integer({ min: 1 }),
  latency: fc.bigInt({ min: 0n, max: 2n ** 45n }),
  more: fc.integer({ min: 0, max: 1000 }),
});

test('the addon prints the lines that JavaScript would', (t) => {
  fc.assert(
    fc.property(fc.array(spoken, { minLength: 1, maxLength: 20 }), (records) => {
      const texts = [false, true].map((prefersLines) => {
        const b = bench({ prefersLines });
        for (const { payload, thread, more, ...fields } of records) {
          const tid = PID + thread.length;
          b.data({ ...fields, thread, tid, total: payload.length + more, call_bytes: payload.length + more, session: fields.ssl }, payload);
        }
        return b.text();
      });
      return texts[0] === texts[1] && (texts[0] as string).split('\n').length > records.length;
    }),
    { numRuns: 1500 },
  );
  t.pass('1500 streams');
  const b = bench({ prefersLines: true });
  b.data({}, 'one');
  b.data({ offset: 3 }, 'two');
  b.session(RecType.REC_SSL_CLOSE, { write_bytes: 6 });
  const events = b
    .text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  t.deepEqual(
    events.map((event) => [event.event_type, event.id]),
    [
      ['process_info', 'STREAM-1'],
      ['ssl_open', 'STREAM-2'],
      ['ssl_data', 'STREAM-3'],
      ['ssl_data', 'STREAM-4'],
      ['ssl_close', 'STREAM-5'],
    ],
  );
  t.equal(b.emitter.given.get('ssl_data'), 2);
  t.end();
});

test('more threads and sessions than the printer keeps texts of', (t) => {
  const b = bench({ prefersLines: true });
  const calls = 9000;
  for (let i = 0; i < calls; i++)
    b.data(
      { ssl: 0x1000 + (i % 700) * 16, session: 7, tid: PID + (i % 13), thread: `thread ${i % 13}`, offset: i, fd: i % 3 },
      `payload ${i}`,
    );
  const events = b
    .text()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  const data = events.filter((event) => event.event_type === 'ssl_data');
  t.equal(data.length, calls);
  t.ok(
    data.every(
      (event, i) =>
        event.data.payload === `payload ${i}` &&
        event.data.tid === PID + (i % 13) &&
        event.data.thread === `thread ${i % 13}` &&
        event.data.fd === i % 3,
    ),
  );
  t.ok(events.every((event, i) => event.id === `STREAM-${i + 1}`));
  t.end();
});
