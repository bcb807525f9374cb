import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { readTap, runFile } from '../../scripts/lib/tap-file.js';

const TAP = `TAP version 13
# adds
ok 1 one
not ok 2 two
  ---
    operator: equal
    expected: 2
    actual:   3
  ...
# leaves out
ok 3 three # SKIP no such kernel
ok 4 four

1..4
# tests 4
# pass  3
# fail  1
`;

tape('a report counts what passed, keeps failures whole and skips with their reasons', (t) => {
  const { passed, failures, skips, complete } = readTap(TAP);
  t.equal(passed, 2);
  t.deepEqual(skips, ['no such kernel']);
  t.equal(failures.length, 1);
  t.match(failures[0] ?? '', /# adds\nnot ok 2 two\n[\s\S]*actual: {3}3/);
  t.ok(complete);
  t.end();
});

tape('a file that breaks off, hangs or tests nothing has failed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-tap-'));
  const file = (text: string): string => {
    const path = join(dir, 'file.mjs');
    writeFileSync(path, text);
    return path;
  };
  const broken = await runFile('x', file("console.log('ok 1 fine'); process.exit(3);"), dir, 20);
  t.match(broken.failures.join(), /broke off \(exit status 3\)/);
  const hanging = await runFile('x', file("console.log('ok 1 fine'); setInterval(() => {}, 1000);"), dir, 1);
  t.match(hanging.failures.join(), /no end within 1 s/);
  const empty = await runFile('x', file("console.log('1..0');"), dir, 20);
  t.match(empty.failures.join(), /no test in this file/);
  const late = await runFile('x', file("console.log('ok 1 fine\\n1..1'); process.exitCode = 1;"), dir, 20);
  t.match(late.failures.join(), /exit status is 1/);
  const good = await runFile('x', file("console.log('ok 1 fine\\n1..1');"), dir, 20);
  t.deepEqual(good.failures, []);
  t.equal(good.passed, 1);
  rmSync(dir, { recursive: true });
});
