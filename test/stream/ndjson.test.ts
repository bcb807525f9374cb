import { Readable } from 'node:stream';
import fc from 'fast-check';
import split2 from 'split2';
import test from 'tape';
import { Coding, LineReader } from '../../lib/stream/ndjson.js';

/** Everything that a reader says about an input, as text. */
function read(chunks: readonly Buffer[], limits = { maxLineBytes: 40, maxPieceBytes: 16 }): string[] {
  const said: string[] = [];
  const reader = new LineReader(
    {
      line(buf: Buffer, start: number, end: number, coding: Coding) {
        said.push(`${reader.number} ${coding === Coding.Invalid ? 'not UTF-8' : 'UTF-8'} ${buf.toString('latin1', start, end)}`);
      },
      overlong(piece: Buffer, offset: number) {
        said.push(`${reader.number} overlong at ${offset}: ${piece.toString('latin1')}`);
      },
    },
    limits,
  );
  for (const chunk of chunks) reader.feed(chunk);
  reader.end();
  return said;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  // Copies: nothing may depend on chunks being neighbours in memory.
  return [0, ...at].map((from, i) => Buffer.from(bytes.subarray(from, at[i] ?? bytes.length)));
}

const piece = fc.constantFrom(
  '{"a":1}',
  'x',
  '\n',
  '\n',
  '\r',
  '\r\n',
  ' ',
  '\t',
  '\ufeff',
  'é',
  '€',
  '😀',
  'x'.repeat(15),
  'y'.repeat(39),
  'é'.repeat(30),
);
const input = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''))),
  fc
    .array(fc.oneof(fc.constantFrom(10, 13, 0xef, 0xbb, 0xbf, 0x80, 0xff, 0x7b, 0x20), fc.nat(255)), { maxLength: 200 })
    .map((array) => Buffer.from(array)),
);

test('ndjson: the same lines however the bytes are cut', (t) => {
  fc.assert(
    fc.property(input, fc.array(fc.nat(), { maxLength: 20 }), (bytes, places) => {
      const whole = read([Buffer.from(bytes)]);
      const some = read(cut(bytes, places));
      return JSON.stringify(whole) === JSON.stringify(some);
    }),
    { numRuns: 20_000 },
  );
  t.pass('random cuts');
  const bytes = Buffer.from(`\ufeff{"a":1}\r\n\n${'z'.repeat(100)}\r\n{"b":"é"}`);
  const whole = JSON.stringify(read([bytes]));
  t.equal(JSON.stringify(read([...bytes].map((byte) => Buffer.from([byte])))), whole, 'byte by byte');
  t.end();
});

test('ndjson: an overlong line is given whole, in pieces that fit, with their places', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 41, maxLength: 300 }), (text) => {
      const line = text.replace(/[\n\r\ufeff]/g, '.');
      const bytes = Buffer.from(line);
      let offset = 0;
      let joined = '';
      for (const said of read([Buffer.from(`${line}\nx\n`)])) {
        const match = /^1 overlong at (\d+): (.*)$/s.exec(said);
        if (match === null) continue;
        if (Number(match[1]) !== offset || (match[2] as string).length > 16) return false;
        offset += (match[2] as string).length;
        joined += match[2];
      }
      return joined === bytes.toString('latin1');
    }),
  );
  t.pass('random text');
  t.deepEqual(
    read([Buffer.from(`${'é'.repeat(25)}\n`)]).map((said) => Buffer.from(said, 'latin1').toString()),
    ['1 overlong at 0: éééééééé', '1 overlong at 16: éééééééé', '1 overlong at 32: éééééééé', '1 overlong at 48: é'],
    'cut between characters',
  );
  t.deepEqual(read([Buffer.from(`${'x'.repeat(40)}\r\n`)]), [`1 UTF-8 ${'x'.repeat(40)}`], 'the limit is for the content, not for CRLF');
  t.equal(read([Buffer.from(`${'x'.repeat(41)}\r\n`)]).length, 3, 'one more is too long');
  t.end();
});

test('ndjson: BOM, CRLF, blank lines, unfinished last line', (t) => {
  t.deepEqual(read([Buffer.from('\ufeff{"a":1}\r\n\r\n  \t\n{"b":2}')]), ['1 UTF-8 {"a":1}', '4 UTF-8 {"b":2}']);
  t.deepEqual(read([Buffer.from('')]), []);
  t.deepEqual(read([Buffer.from('\n\n')]), []);
  t.deepEqual(read([Buffer.from('{}\n\ufeff{}\n')]), ['1 UTF-8 {}', '2 UTF-8 {}'], 'a BOM where a second file begins');
  t.end();
});

test('ndjson: a line that is not UTF-8 does not taint its neighbours', (t) => {
  t.deepEqual(read([Buffer.from('{"a":"\xe9"}\n{"b":1}\n{"c":"\xc3\xa9"}\n', 'latin1')]), [
    '1 not UTF-8 {"a":"\xe9"}',
    '2 UTF-8 {"b":1}',
    '3 UTF-8 {"c":"\xc3\xa9"}',
  ]);
  t.end();
});

test('ndjson: reads what split2 and JSON.parse read', async (t) => {
  const events = fc.array(fc.object({ maxDepth: 2 }), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(events, fc.constantFrom('\n', '\r\n'), fc.array(fc.nat(), { maxLength: 8 }), async (objects, newline, places) => {
      const bytes = Buffer.from(objects.map((object) => JSON.stringify(object)).join(newline) + newline);
      const theirs: unknown[] = [];
      const stream = Readable.from(cut(bytes, places).filter((chunk) => chunk.length > 0)).pipe(split2(JSON.parse));
      for await (const object of stream) theirs.push(object);
      const ours: unknown[] = [];
      const reader = new LineReader({
        line(buf, start, end) {
          ours.push(JSON.parse(buf.toString('utf8', start, end)));
        },
        overlong() {},
      });
      for (const chunk of cut(bytes, places)) reader.feed(chunk);
      reader.end();
      return JSON.stringify(ours) === JSON.stringify(theirs);
    }),
    { numRuns: 300 },
  );
  t.pass('random objects and cuts');
  t.end();
});
