/** Other projects' own test suites as event streams: nothing in them was written to suit us. Found by TRACER_CORPORA. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import tape from 'tape';
import { bin, root } from '../support/paths.js';
import { skip } from '../support/skip.js';

const SUITES = ['http1-llhttp', 'http1-h11', 'sse', 'h2-hpack', 'ws-autobahn', 'llm-registry', 'tls-hello'];
const corpora = process.env['TRACER_CORPORA'] ?? resolve(root, '../shared/corpora');
const runner = join(corpora, 'run.mjs');

for (const suite of SUITES) {
  tape(`${suite}: every case in every cutting`, (t) => {
    if (!existsSync(runner)) {
      skip(t, `the conformance corpora are not at ${corpora}: set TRACER_CORPORA`);
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'tracer-corpora-'));
    for (const name of ['http', 'llm', 'tls']) symlinkSync(bin(name), join(folder, `tracer-${name}`));
    const run = spawnSync(process.execPath, [runner, suite, '--budget', '240', '--failures', join(folder, 'failures')], {
      env: { ...process.env, TRACER_BIN: folder },
      encoding: 'utf8',
    });
    rmSync(folder, { recursive: true });
    t.equal(run.status, 0, run.stdout.trim().split('\n')[0] ?? 'no output');
    if (run.status !== 0) t.comment(run.stdout + run.stderr);
    t.end();
  });
}
