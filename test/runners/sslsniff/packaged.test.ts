/** The programs behind npm's scripts. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'tape';
import { packagedPrograms } from '../../../lib/runners/sslsniff/packaged.js';

/** A tree of files: text, or a program of so many bytes. Returns its root. */
function tree(files: Record<string, string | number>): string {
  const root = mkdtempSync(join(tmpdir(), 'tracer-packaged-'));
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.alloc(content);
    if (typeof content === 'number') bytes.write('\x7fELF', 'latin1');
    writeFileSync(file, bytes);
    chmodSync(file, 0o755);
  }
  return root;
}

const MEGABYTE = 1 << 20;
const manifest = (optionalDependencies: unknown): string => JSON.stringify({ name: 'x', optionalDependencies });

test('packaged: the program of an optional dependency, beside the package or below it, found through the link in .bin', (t) => {
  const root = tree({
    'node_modules/@scope/agent/package.json': manifest({ '@scope/agent-linux-x64': '1.0.0', '@scope/agent-other': '1.0.0', below: '1' }),
    'node_modules/@scope/agent/bin/agent.js': '#!/usr/bin/env node\n',
    'node_modules/@scope/agent/node_modules/below/program': MEGABYTE,
    'node_modules/@scope/agent/vendor/own': MEGABYTE,
    'node_modules/@scope/agent-linux-x64/vendor/x86_64/bin/agent': MEGABYTE,
    'node_modules/@scope/agent-linux-x64/vendor/x86_64/bin/small': 1000,
    'node_modules/@scope/agent-linux-x64/README': 'x'.repeat(MEGABYTE),
    'node_modules/unrelated/program': MEGABYTE,
  });
  mkdirSync(join(root, 'node_modules/.bin'));
  symlinkSync('../@scope/agent/bin/agent.js', join(root, 'node_modules/.bin/agent'));
  const found = packagedPrograms(join(root, 'node_modules/.bin/agent')).map((path) => path.slice(root.length + '/node_modules/'.length));
  t.deepEqual(found.sort(), [
    '@scope/agent-linux-x64/vendor/x86_64/bin/agent',
    '@scope/agent/node_modules/below/program',
    '@scope/agent/vendor/own',
  ]);
  rmSync(root, { recursive: true });
  t.end();
});

test('packaged: a script in no package, a manifest that is none, and names that lead elsewhere', (t) => {
  const root = tree({
    'broken/package.json': '{"optionalDependencies": {"',
    'broken/script': '#!/bin/sh\n',
    'list/package.json': manifest(['x']),
    'list/script': '#!/bin/sh\n',
    'away/package.json': manifest({ '../../../secret': '1', '@a/../../secret': '1', constructor: '1' }),
    'away/script': '#!/bin/sh\n',
    'secret/program': MEGABYTE,
  });
  for (const name of ['broken', 'list', 'away']) t.deepEqual(packagedPrograms(join(root, name, 'script')), [], name);
  t.deepEqual(
    packagedPrograms('/bin/sh').filter((path) => path.startsWith(root)),
    [],
  );
  t.deepEqual(packagedPrograms(join(root, 'nowhere')), []);
  rmSync(root, { recursive: true });
  t.end();
});
