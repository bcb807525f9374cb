/** What CI runs: 100,000 fixed seeds for each target, shared by two test files, that two processors run at once. */
import tape from 'tape';
import { fuzz } from './run.js';
import { TARGETS } from './targets.js';

const SEEDS = 100_000;
const SHARES = 2;

export function fuzzShare(share: number): void {
  for (const target of TARGETS) {
    tape(`fuzz: ${target.name}, share ${share} of ${SHARES} of seeds 1 to ${SEEDS} (more with: scripts/fuzz)`, async (t) => {
      const { ran, found } = await fuzz(target, { from: share, end: SEEDS + 1, step: SHARES, deadline: Number.POSITIVE_INFINITY });
      if (found !== undefined) t.fail(found);
      t.equal(ran, SEEDS / SHARES, `${ran} seeds, nothing found`);
      t.end();
    });
  }
}
