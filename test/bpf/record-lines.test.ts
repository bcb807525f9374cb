/** The addon's printer of ssl_data against the one in TypeScript: the same lines, byte for byte, whatever the payload. */
import fc from 'fast-check';
import test from 'tape';
import { RecordLines } from '../../lib/bpf/index.js';
import { RecSslData } from '../../lib/bpf/records.gen.js';
import { payloadOf } from '../../lib/stream/payload.js';
import { encode } from '../runners/sslsniff/records.js';

const HEAD = ',"source":"ssl","event_type":"ssl_data","data":{"pid":7,"comm":"é\\"","conn":"7.8.9","direction":"read","offset":';
const TAIL = ',"library":"openssl","function":"SSL_read","fd":3';

interface Numbers {
  ts: number;
  offset: number;
  total: number;
  call: number;
  call_bytes: number;
  latency: number;
}

const some: Numbers = { ts: 123_456_789_012, offset: 5, total: 100, call: 1, call_bytes: 100, latency: 99 };
const CLOCK_US = 1_795_253_961_720_504;

/** The line as JSON.stringify prints the event. */
function oracle(n: number, numbers: Numbers, payload: Buffer, clockUs = CLOCK_US): string {
  const { ts, offset, total, call, call_bytes, latency } = numbers;
  const event = {
    id: `streamstre-${n}`,
    timestamp: (Math.floor(ts / 1000) + clockUs) / 1000,
    source: 'ssl',
    event_type: 'ssl_data',
    data: {
      pid: 7,
      comm: 'é"',
      conn: '7.8.9',
      direction: 'read',
      offset,
      total_bytes: total,
      captured_bytes: payload.length,
      call,
      call_bytes,
      latency_ns: latency,
      library: 'openssl',
      function: 'SSL_read',
      fd: 3,
      ...payloadOf(payload),
    },
  };
  return `${JSON.stringify(event)}\n`;
}

const fixed = encode(RecSslData, {});

/** A record with these numbers; its place in a batch is found by the decoder's own layout. */
function record(numbers: Numbers, payload: Buffer): Buffer {
  return encode(RecSslData, { ...numbers }, payload);
}

/** What the addon makes of these records, in one call. */
function lines(records: readonly Buffer[], firstN = 1, clockUs = CLOCK_US): string {
  const printer = new RecordLines('streamstre-');
  const head = printer.share(HEAD);
  const tail = printer.share(TAIL);
  if (!head || !tail) throw new Error('no room');
  const batch = Buffer.concat(records.map((bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)])));
  let at = 0;
  for (const bytes of records) {
    if (!printer.add(batch, at, bytes.length - fixed.length, head, tail)) throw new Error('not added');
    at += (bytes.length + 7) & ~7;
  }
  return printer.take(firstN, clockUs)?.text.toString('utf8') ?? '';
}

test('payloads by hand: text, quotes, controls, NUL, UTF-8 and what is none', (t) => {
  const long = 'The quick brown fox "jumps" over the lazy dog.\r\n'.repeat(50);
  const cases: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('GET / HTTP/1.1\r\nHost: example.org\r\n\r\n')],
    ['long text', Buffer.from(long)],
    ['quotes and backslashes', Buffer.from('"\\"\\'.repeat(5) + 'x'.repeat(100))],
    ['so many quotes that base64 is shorter', Buffer.from('"'.repeat(100))],
    ['every character below 0x80 but NUL', Buffer.from(Array.from({ length: 127 }, (_, i) => i + 1))],
    ['NUL at the end', Buffer.from(`${long}\0`)],
    ['NUL alone', Buffer.from([0])],
    ['one control character', Buffer.from([1])],
    ['one quote', Buffer.from('"')],
    ['DEL', Buffer.from([0x7f])],
    ['line separators, which JSON leaves', Buffer.from('a\u2028b\u2029c')],
    ['all lengths of UTF-8', Buffer.from('aé€😀'.repeat(20))],
    ['the limits of UTF-8', Buffer.from('\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}')],
    ['overlong', Buffer.from([0x61, 0xc0, 0x80])],
    ['overlong of three', Buffer.from([0xe0, 0x9f, 0xbf])],
    ['overlong of four', Buffer.from([0xf0, 0x8f, 0xbf, 0xbf])],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['beyond Unicode', Buffer.from([0xf4, 0x90, 0x80, 0x80])],
    ['cut off', Buffer.from([0x61, 0xe2, 0x82])],
    ['a continuation alone', Buffer.from([0x80])],
    ['0xff', Buffer.from([0xff])],
    ['bytes', Buffer.from(Array.from({ length: 256 }, (_, i) => i))],
  ];
  for (const [what, payload] of cases) {
    const expected = oracle(1, some, payload);
    const actual = lines([record(some, payload)]);
    t.ok(actual === expected, what);
    if (actual !== expected) t.equal(actual, expected);
  }
  t.end();
});

const textish = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
      fc.constantFrom(
        '"',
        '\\',
        '\n',
        '\r\n',
        '\t',
        '\u0001',
        '\u001f',
        '\u007f',
        'é',
        '\u2028',
        '😀',
        '中文',
        'x'.repeat(17),
        ' '.repeat(64),
      ),
    ),
    {
      maxLength: 40,
    },
  )
  .map((parts) => Buffer.from(parts.join(''), 'utf8'));
/** Mostly text, with one byte that may spoil it. */
const spoilt = fc.tuple(textish, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([bytes, at, value]) => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[at % copy.length] = value;
  return copy;
});
const payloads = fc.oneof(
  textish,
  spoilt,
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const big = fc.oneof(fc.nat(10), fc.nat(0xffffffff), fc.maxSafeNat());
const numbers = fc.record({
  ts: fc.oneof(
    fc.nat(5_000_000),
    fc.nat(0xffffffff).map((n) => n * 1_000_000),
  ),
  offset: big,
  total: fc.nat(0xffffffff),
  call: big,
  call_bytes: fc.nat(0xffffffff),
  latency: big,
});

test('any payload, any numbers: the line of the TypeScript printer', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(numbers, payloads), { minLength: 1, maxLength: 6 }), fc.nat(1e9), (list, n) => {
      const expected = list.map(([each, payload], i) => oracle(n + i, each, payload)).join('');
      return (
        lines(
          list.map(([each, payload]) => record(each, payload)),
          n,
        ) === expected
      );
    }),
    { numRuns: 3000 },
  );
  t.pass('3000 batches');
  t.end();
});

test('any time: milliseconds as JavaScript prints them', (t) => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.integer({ min: 0, max: 4_000_000_000_000_000 }), (us, clockUs) => {
      const each = { ...some, ts: us * 1000 };
      return lines([record(each, Buffer.alloc(0))], 1, clockUs) === oracle(1, each, Buffer.alloc(0), clockUs);
    }),
    { numRuns: 3000 },
  );
  t.pass('3000 times');
  t.end();
});

test('what does not fit is refused, never overrun', (t) => {
  const printer = new RecordLines('s-');
  const head = printer.share(HEAD);
  const tail = printer.share(TAIL);
  if (!head || !tail) throw new Error('no room');
  const whole = record(some, Buffer.from('data'));
  t.ok(printer.add(whole.subarray(0, whole.length - 1), 0, 4, head, tail));
  t.throws(() => printer.take(1, 0), /cut off/, 'the payload ends outside of the batch');
  t.notOk(printer.add(whole, 0, 4, head, tail), 'another batch has to wait');
  const other = new RecordLines('s-');
  t.ok(other.add(whole.subarray(0, 10), 0, 4, head, tail));
  t.throws(() => other.take(1, 0), /cut off/);
  const small = new RecordLines('s-');
  t.ok(small.add(record(some, Buffer.alloc(100_000, 1)), 0, 0, head, tail));
  t.throws(() => small.take(1, 0), /too small/, 'a length that was stated too small');
  t.equal(new RecordLines('s-').take(1, 0), undefined, 'nothing waits');
  t.end();
});

test('memory that was given back is used again, and none that was not', (t) => {
  const printer = new RecordLines('s-');
  const payload = Buffer.alloc(100_000, 'a');
  const whole = record(some, payload);
  const memory = new Set<ArrayBufferLike>();
  const kept: [Buffer, string][] = [];
  for (let n = 1; n <= 400; n++) {
    const head = printer.share(HEAD);
    const tail = printer.share(TAIL);
    if (!head || !tail) throw new Error('no room');
    printer.add(whole, 0, payload.length, head, tail);
    const printed = printer.take(n, CLOCK_US);
    if (!printed) throw new Error('nothing printed');
    memory.add(printed.text.buffer);
    if (n % 50 === 0) kept.push([printed.text, printed.text.toString()]);
    else printed.release();
  }
  t.ok(memory.size <= 9, `${memory.size} pieces of memory of 4 MiB for 50 MB of text`);
  t.equal(kept.length, 8);
  t.ok(kept.every(([text, before]) => text.toString() === before));
  t.end();
});

test('texts are kept until there are too many of them; then all are made anew', (t) => {
  const printer = new RecordLines('s-');
  const whole = record(some, Buffer.from('data'));
  const first = printer.share('x'.repeat(1000));
  if (!first) throw new Error('no room');
  printer.add(whole, 0, 4, first, first);
  let text = printer.share('y'.repeat(100_000));
  for (let i = 0; i < 20 && text; i++) text = printer.share('y'.repeat(100_000));
  t.equal(text, undefined, 'no room while a line waits that needs the old texts');
  t.equal(first.age, printer.age);
  t.ok(printer.take(1, 0)?.text.toString().includes('x'.repeat(1000)));
  const anew = printer.share('z'.repeat(100_000));
  t.ok(anew && anew.age === printer.age && anew.age !== first.age, 'of another age');
  t.throws(() => printer.add(whole, 0, 4, first, first), /made anew/, 'and the old ones are refused');
  t.end();
});
