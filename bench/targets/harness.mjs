// The same two filters as stages in our harness (lib/stream/filter.ts).
import { run } from '../../dist/lib/stream/filter.js';
import { FdOutput } from '../../dist/lib/stream/output.js';

const mark = {
  name: 'mark',
  transform(event, push) {
    push({ ...event, seen: 1 });
  },
  flush() {},
};
const stages = process.argv[2] === 'mark' ? [mark] : [];
process.exit(await run({ stages, output: new FdOutput(1), warn: console.error }));
