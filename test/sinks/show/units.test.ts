import test from 'tape';
import { bytes, clock, count, day, duration, grouped } from '../../../lib/sinks/show/units.js';

test('bytes: powers of 1000, two digits where they tell something', (t) => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [517, '517 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1234, '1.2 kB'],
    [9960, '10 kB'],
    [999_600, '1.0 MB'],
    [16_777_216, '17 MB'],
    [5e15, '5.0 PB'],
    [9e18, '9000 PB'],
    [-1, '? B'],
    [Number.NaN, '? B'],
  ];
  for (const [n, text] of cases) t.equal(bytes(n), text, text);
  t.end();
});

test('duration: in the unit that a person would choose', (t) => {
  const cases: [number, string][] = [
    [0, '0 ms'],
    [0.44, '0.4 ms'],
    [12.5, '13 ms'],
    [340.2, '340 ms'],
    [999.9, '1.0 s'],
    [12_345, '12 s'],
    [125_000, '2 min 5 s'],
    [3_599_900, '1 h 0 min'],
    [11_040_000, '3 h 4 min'],
    [-1, '? ms'],
  ];
  for (const [ms, text] of cases) t.equal(duration(ms), text, text);
  t.end();
});

test('count and grouped', (t) => {
  t.equal(count(1, 'event'), '1 event');
  t.equal(count(12345, 'event'), '12,345 events');
  t.equal(grouped(-1234567), '-1,234,567');
  t.equal(grouped(1234.5678), '1,234.5678');
  t.end();
});

test('clock: UTC unless asked otherwise, in any time zone', (t) => {
  const ms = Date.UTC(2026, 10, 21, 23, 59, 59, 987) + 0.654;
  t.equal(clock('utc')(ms), '23:59:59.987Z');
  t.equal(clock('iso')(ms), '2026-11-21T23:59:59.987Z');
  t.equal(clock('none')(ms), '');
  const relative = clock('relative');
  t.deepEqual([relative(ms), relative(ms + 1234), relative(ms - 5)], ['+0.000', '+1.234', '-0.005']);
  t.equal(day(ms), '2026-11-21');
  t.end();
});

test('clock: local time says its offset', (t) => {
  const before = process.env.TZ;
  process.env.TZ = 'Asia/Kolkata';
  t.equal(clock('local')(Date.UTC(2026, 0, 1, 0, 0, 0, 5)), '05:30:00.005+05:30');
  t.equal(clock('utc')(Date.UTC(2026, 0, 1, 0, 0, 0, 5)), '00:00:00.005Z');
  process.env.TZ = 'America/St_Johns';
  t.equal(clock('local')(Date.UTC(2026, 0, 1, 0, 0, 0, 5)), '20:30:00.005-03:30');
  if (before === undefined) delete process.env.TZ;
  else process.env.TZ = before;
  t.end();
});

test('clock: a time that is none does not stop it', (t) => {
  for (const kind of ['utc', 'iso', 'relative', 'local'] as const) {
    for (const bad of [undefined, null, 'x', Number.NaN, Number.POSITIVE_INFINITY, 1e300, {}]) t.equal(clock(kind)(bad), '--:--:--.---');
  }
  t.end();
});
