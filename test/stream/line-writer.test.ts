/** lib/stream/line-writer.ts prints as JSON.stringify does. */
import fc from 'fast-check';
import test from 'tape';
import { Batch } from '../../lib/stream/batch.js';
import { JSON_GROWTH, LineWriter, NUMBER_BYTES } from '../../lib/stream/line-writer.js';

/** What `print` puts into a line, without its end. */
function printed(most: number, print: (out: LineWriter) => void): string {
  const batch = new Batch();
  const out = new LineWriter(batch);
  if (!out.begin(most + 1)) throw new Error('no place');
  print(out);
  out.end();
  const text = Buffer.concat(batch.take());
  if (text.length > most + 1) throw new Error(`${text.length - 1} bytes, and at most ${most} were said`);
  return text.toString().slice(0, -1);
}

const units = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  // Halves of surrogate pairs, control characters, line separators.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((codes) => String.fromCharCode(...codes)),
  fc.string({
    unit: fc.constantFrom(
      '"',
      '\\',
      '\b',
      '\f',
      '\n',
      '\r',
      '\t',
      '\v',
      '\0',
      '\x1f',
      '\x7f',
      '\u2028',
      '\u2029',
      '\ud83d',
      '\ude00',
      'é',
      'a',
    ),
  }),
);

const bytes = fc.oneof(
  units.map((text) => Buffer.from(text)),
  fc.uint8Array().map((array) => Buffer.from(array)),
  // A character of UTF-8 that is cut.
  units.map((text) => Buffer.from(`${text}😀`).subarray(0, -1)),
);

test('line-writer: strings', (t) => {
  fc.assert(
    fc.property(units, (text) => printed(JSON_GROWTH * text.length + 2, (out) => out.string(text)) === JSON.stringify(text)),
    { numRuns: 20_000 },
  );
  t.pass('as JSON.stringify has them');
  t.end();
});

test('line-writer: bytes', (t) => {
  fc.assert(
    fc.property(bytes, (buf) => {
      const text = buf.toString('utf8');
      const most = JSON_GROWTH * buf.length + 2;
      const whole = printed(most, (out) => out.text(buf)) === JSON.stringify(text);
      const strict = printed(most + 1, (out) => out.utf8(buf) || out.ascii('-'));
      return whole && strict === (Buffer.from(text).equals(buf) ? JSON.stringify(text) : '-');
    }),
    { numRuns: 20_000 },
  );
  t.pass('as JSON.stringify has their text');
  t.end();
});

test('line-writer: numbers and times', (t) => {
  const numbers = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.nat(),
    fc.integer({ min: 0, max: 5_000_000_000_000 }),
    fc.constantFrom(
      0,
      -0,
      1,
      9,
      10,
      99_999_999,
      100_000_000,
      1e8 + 1,
      1e16,
      2 ** 31,
      2 ** 32,
      2 ** 42 - 1,
      2 ** 42,
      2 ** 53,
      Number.NaN,
      Infinity,
    ),
  );
  const times = fc.oneof(
    numbers,
    fc.integer({ min: 0, max: 4_500_000_000_000_000 }).map((us) => us / 1000),
    fc.integer({ min: 0, max: 2_000_000 }).map((us) => us / 1000),
    // Next to such a time.
    fc.tuple(fc.integer({ min: 0, max: 4_400_000_000_000_000 }), fc.constantFrom(-1, 1)).map(([us, step]) => us / 1000 + step * 0.0005),
  );
  fc.assert(
    fc.property(numbers, (value) => printed(NUMBER_BYTES, (out) => out.number(value)) === JSON.stringify(value)),
    { numRuns: 20_000 },
  );
  fc.assert(
    fc.property(times, (value) => printed(NUMBER_BYTES, (out) => out.time(value)) === JSON.stringify(value)),
    { numRuns: 50_000 },
  );
  t.pass('as JSON.stringify has them');
  t.end();
});

test('line-writer: among other lines of a batch', (t) => {
  const batch = new Batch();
  const out = new LineWriter(batch);
  const line = Buffer.from('passed\n');
  t.equal(out.begin(1_000_000), false, 'a line that may be longer than there is room for is not begun');
  for (let i = 0; i < 3; i++) {
    batch.line(line, 0, line.length - 1);
    out.begin(8);
    out.ascii('given up');
    out.begin(100_000);
    out.number(i);
    out.end();
    batch.event({ event: i });
  }
  t.equal(Buffer.concat(batch.take()).toString(), [0, 1, 2].map((i) => `passed\n${i}\n{"event":${i}}\n`).join(''), 'in their order');
  t.end();
});

test('line-writer: what was taken stays as it is until it is written', (t) => {
  const batch = new Batch();
  const out = new LineWriter(batch);
  let right = true;
  for (let round = 0; round < 20; round++) {
    batch.reuse();
    const taken: Buffer[] = [];
    const expected: string[] = [];
    for (let n = 0; n < 10 + round; n++) {
      const text = `${round}/${n} `.repeat(6000);
      if (n % 3 === 0) batch.text(text);
      else {
        out.begin(text.length + 1);
        out.ascii(text);
        out.end();
      }
      expected.push(n % 3 === 0 ? text : `${text}\n`);
      if (n % 4 === 0) taken.push(...batch.take());
    }
    taken.push(...batch.take());
    right &&= Buffer.concat(taken).toString() === expected.join('');
  }
  t.ok(right, 'buffers are used again only between batches');
  t.end();
});
