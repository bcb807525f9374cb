/** tracer-proc | tracer-show --tree: the tree of a real command, as it ran. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { bin } from '../support/paths.js';
import { processSensor } from '../support/process-sensor.js';
import { skip } from '../support/skip.js';

const SCRIPT = `sh -c '/bin/true one; exit 3'
/bin/sleep 0.2 &
sh -c 'kill -KILL $$'
wait
:
`;

tape('show --tree: a command, what it started, and how each ended', async (t) => {
  if (process.getuid?.() !== 0) return skip(t, 'needs root');
  const dir = mkdtempSync(join(tmpdir(), 'tracer-tree-'));
  try {
    writeFileSync(join(dir, 'job.sh'), SCRIPT);
    const { stdout, status } = await processSensor(['--', '/bin/sh', 'job.sh'], { cwd: dir }).end();
    t.equal(status, 0);
    const tree = execFileSync(process.execPath, [bin('show'), '--tree', '--time', 'none'], { input: stdout, encoding: 'utf8' });
    const shape = tree.replace(/\[\d+\]/g, '[n]').replace(/after \S+ m?s/g, 'after a while');
    t.equal(
      shape,
      `/bin/sh job.sh [n] exit 0 after a while
├─ sh -c '/bin/true one; exit 3' [n] exit 3 after a while
│  └─ /bin/true one [n] exit 0 after a while
├─ /bin/sleep 0.2 [n] exit 0 after a while
└─ sh -c 'kill -KILL $$' [n] SIGKILL after a while
`,
    );
    t.match(
      tree,
      /sleep 0\.2 \[\d+\] exit 0 after (2\d\d|[3-9]\d\d) ms|sleep 0\.2 \[\d+\] exit 0 after [\d.]+ s/,
      'it took as long as it says',
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
