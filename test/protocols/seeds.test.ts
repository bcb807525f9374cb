/** The first inputs of each fuzz target (test/fuzz), among the quick tests: a change that breaks them is seen at once. */
import tape from 'tape';
import { fuzz } from '../fuzz/run.js';
import { TARGETS } from '../fuzz/targets.js';

const SEEDS = 100;

for (const target of TARGETS) {
  tape(`${target.name}: seeds 1 to ${SEEDS}`, async (t) => {
    const { ran, found } = await fuzz(target, { from: 1, end: SEEDS + 1, step: 1, deadline: Number.POSITIVE_INFINITY });
    t.equal(found, undefined, `${ran} seeds, nothing found`);
    t.end();
  });
}
