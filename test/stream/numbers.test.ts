import fc from 'fast-check';
import test from 'tape';
import { thousandths } from '../../lib/stream/numbers.js';

test('numbers: thousandths as JSON.stringify prints them', (t) => {
  for (const n of [0, 1, 10, 100, 1000, 1001, 1010, 1100, 999, 1764000000123457, -1, -1500])
    t.equal(thousandths(n), JSON.stringify(n / 1000));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 51 }), (n) => thousandths(n) === JSON.stringify(n / 1000)),
    { numRuns: 5000, seed: 1 },
  );
  t.end();
});
