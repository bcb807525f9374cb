import fc from 'fast-check';
import test from 'tape';
import { scanObject } from '../../lib/stream/json-scan.js';

/** What JSON.parse says, which is the oracle. */
function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function scan(text: string): number {
  const bytes = Buffer.from(text);
  return scanObject(bytes, 0, bytes.length);
}

test('json-scan: says of any JSON what JSON.parse says', (t) => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('', ' ', '\t\r\n '), (json, space) => (scan(space + json + space) === -1) === isObject(json)),
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => scan(JSON.stringify({ value }, null, 2)) === -1));
  t.pass('random values');
  t.end();
});

test('json-scan: says of damaged JSON what JSON.parse says', (t) => {
  const damaged = fc
    .tuple(fc.object({ maxDepth: 3 }), fc.nat(), fc.nat(), fc.constantFrom(...'{}[]",:\\ \t\u0000\u001ftfn-+.eE019ua\n'))
    .map(([value, at, cut, char]) => {
      const text = JSON.stringify(value);
      const place = at % (text.length + 1);
      return text.slice(0, place) + char + text.slice(place + (cut % 3));
    });
  fc.assert(
    fc.property(damaged, (text) => (scan(text) === -1) === isObject(text)),
    { numRuns: 20_000 },
  );
  t.pass('random damage');
  t.end();
});

test('json-scan: says of JSON that is nearly made of tokens what JSON.parse says', (t) => {
  const token = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"',
    '1',
    '-0',
    '01',
    '1.',
    '.5',
    '1e',
    '1e+9',
    'true',
    'tru',
    'null',
    ' ',
    '\\',
    '"\\u00e9"',
    '"\\u00g0"',
    '"\\x"',
    'NaN',
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
      const text = `{"a":${tokens.join('')}`;
      return (scan(text) === -1) === isObject(text);
    }),
    { numRuns: 20_000 },
  );
  t.pass('random tokens');
  t.end();
});

test('json-scan: names the place', (t) => {
  const places: [string, number][] = [
    ['{"a":1}', -1],
    ['{"a":1', 6],
    ['{"a":1}x', 7],
    ['{"a" 1}', 5],
    ['{"a":01}', 6],
    ['{"a":"\n"}', 6],
    ['{"a":"\\q"}', 7],
    ['{"a":tru}', 8],
    ['{"a":[1,]}', 8],
    ['{"a":1,}', 7],
    ['[1]', 0],
    ['', 0],
    ['{"a":-}', 6],
    ['{"a":"\\u12', 10],
  ];
  for (const [text, place] of places) t.equal(scan(text), place, JSON.stringify(text));
  t.end();
});

test('json-scan: depth is no limit', (t) => {
  const depth = 100_000;
  t.equal(scan(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`), -1);
  t.equal(scan(`{"a":${'['.repeat(depth)}${']'.repeat(depth - 1)}}`), 5 + depth + depth - 1);
  t.equal(scan(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`), -1);
  t.end();
});
