import test from 'tape';
import { foreignLines, recordedLines } from '../../bench/recorded.js';
import { digits, show, spread } from '../../bench/stats.js';
import { markdown } from '../../bench/table.js';
import { assertValid } from '../support/validate.js';

test('figures have three significant digits and no exponent', (t) => {
  const cases: [number, string][] = [
    [0, '0'],
    [0.03456, '0.0346'],
    [1.2345, '1.23'],
    [51.06, '51.1'],
    [362.4, '362'],
    [33_149, '33,100'],
    [1_234_567, '1,230,000'],
    [-5.5, '-5.50'],
    [Number.NaN, '–'],
  ];
  for (const [value, text] of cases) t.equal(digits(value), text);
  t.end();
});

test('the median stands with the smallest and largest', (t) => {
  t.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
  t.deepEqual(spread([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 });
  t.equal(show(spread([3, 1, 2]), 'µs'), '2.00 µs (1.00..3.00)');
  t.equal(show(spread([2])), '2.00');
  t.throws(() => spread([]));
  t.end();
});

test('a table says which bars were met, and what is not known', (t) => {
  const row = { what: 'a', against: 'b', ours: '1', theirs: '2', ratio: '0.5', bar: '≤ 1' };
  const where = { date: '2026-01-01 00:00', kernel: '6.1', cpu: '2 × x', memory: '4 GiB', node: 'v20', commit: 'abc', load: '0.0' };
  const text = markdown([{ ...row, met: true }, { ...row, met: false, note: 'because' }, row], where, 3);
  const cells = text.split('\n').filter((line) => line.startsWith('| a'));
  t.deepEqual(
    cells.map((line) => line.split('|').at(-2)?.trim()),
    ['yes', 'no', '–'],
  );
  t.match(text, /- a: because/);
  t.match(text, /Medians of 3 rounds/);
  t.end();
});

test('the recorded streams hold the contract and are the same for the same seed', (t) => {
  const lines = [...recordedLines(200_000)];
  t.deepEqual([...recordedLines(200_000)], lines);
  t.notDeepEqual([...recordedLines(200_000, 7)], lines);
  const events = lines.map((line) => JSON.parse(line));
  assertValid(
    t,
    events.filter(({ source }) => source === 'ssl' || source === 'meta'),
  );
  const positions = new Map<string, number>();
  for (const { event_type, data } of events) {
    if (event_type !== 'ssl_data') continue;
    const key = `${data.conn} ${data.direction}`;
    if ((positions.get(key) ?? 0) !== data.offset) t.fail(`a gap in ${key}`);
    positions.set(key, data.offset + data.total_bytes);
  }
  t.ok(positions.size > 10, 'several sessions without gaps');
  t.equal([...foreignLines(50_000)].filter((line) => line.includes('"ssl_data"')).length, 0, 'nothing for tracer-http in the other');
  t.end();
});
