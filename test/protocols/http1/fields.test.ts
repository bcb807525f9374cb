import test from 'tape';
import { FIELD_LIMITS, FieldReader } from '../../../lib/protocols/http1/fields.js';

function read(...lines: string[]): FieldReader {
  const reader = new FieldReader();
  for (const line of lines) reader.line(line);
  return reader;
}

test('http1 fields: names are lower-case, values trimmed, order kept', (t) => {
  const reader = read('Host: a', 'X-Two:b:c', 'Empty:', 'x-two:  d\t', ' ');
  t.deepEqual(reader.list, [
    ['host', 'a'],
    ['x-two', 'b:c'],
    ['empty', ''],
    ['x-two', 'd'],
  ]);
  t.equal(reader.get('x-two'), 'b:c', 'the first');
  t.equal(reader.get('none'), undefined);
  t.deepEqual(reader.all('x-two'), ['b:c', 'd']);
  t.deepEqual(reader.all('none'), []);
  t.equal(reader.bytes, 'hosta'.length + 'x-twob:c'.length + 'empty'.length + 'x-twod'.length);
  t.equal(reader.limited, false);
  t.deepEqual(read('no colon').list, [['no colon', '']], 'a line without a colon is a name');
  t.deepEqual(read('Name : v').list, [['name', 'v']], 'a blank before the colon');
  t.end();
});

test('http1 fields: a folded line continues the value with one blank', (t) => {
  const reader = read('A: 1', '  2', '\t3', 'B:', ' x', '   ');
  t.deepEqual(reader.list, [
    ['a', '1 2 3'],
    ['b', 'x'],
  ]);
  t.equal(reader.bytes, 'a1 2 3'.length + 'bx'.length + 1);
  t.deepEqual(read(' before', 'A: 1').list, [['a', '1']], 'before the first field it continues nothing');
  const cut = read('A: 1');
  cut.tooLong();
  cut.line(' more');
  t.deepEqual(cut.list, [['a', '1']], 'after a line that was too long it continues nothing');
  t.equal(cut.limited, true);
  t.end();
});

test('http1 fields: over the number, only what decides the framing is read', (t) => {
  const reader = new FieldReader();
  for (let i = 0; i < FIELD_LIMITS.count; i++) reader.line('a: b');
  t.equal(reader.limited, false, 'as many as allowed');
  reader.line('c: d');
  t.equal(reader.limited, true);
  t.equal(reader.list.length, FIELD_LIMITS.count);
  reader.line(' folded');
  t.deepEqual(reader.list.at(-1), ['a', 'b'], 'a fold of a dropped field is dropped');
  reader.line('Content-Length: 5');
  reader.line('Transfer-Encoding: chunked');
  t.deepEqual([reader.get('content-length'), reader.get('transfer-encoding')], ['5', 'chunked']);
  reader.line(`content-length: ${'1'.repeat(16 * 1024)}`);
  t.deepEqual(reader.all('content-length'), ['5'], 'but not without end');
  t.end();
});

test('http1 fields: over the bytes', (t) => {
  const reader = read(`a: ${'x'.repeat(FIELD_LIMITS.bytes - 1)}`);
  t.equal(reader.limited, false, 'to the byte');
  t.equal(reader.bytes, FIELD_LIMITS.bytes);
  reader.line(' y');
  t.equal(reader.limited, true, 'a fold counts');
  t.equal(reader.bytes, FIELD_LIMITS.bytes);
  const other = read(`a: ${'x'.repeat(FIELD_LIMITS.bytes)}`);
  t.deepEqual([other.limited, other.list.length], [true, 0], 'one more is left out');
  const fold = read(`a: ${'x'.repeat(FIELD_LIMITS.bytes - 3)}`, ' y');
  t.deepEqual([fold.limited, fold.bytes], [false, FIELD_LIMITS.bytes], 'a fold that just fits');
  t.end();
});
