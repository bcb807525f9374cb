/** What `npm pack` puts into the tarball: everything that a machine without compiler needs, and nothing else. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import tape from 'tape';
import { root } from './support/paths.js';

interface Manifest {
  bin: Record<string, string>;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** Paths in the tarball with their modes. */
function packed(): Map<string, number> {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [pack] = JSON.parse(text) as { files: { path: string; mode: number }[] }[];
  return new Map(pack?.files.map(({ path, mode }) => [path, mode]));
}

tape('the tarball holds commands, programs for the kernel, the addon, schemas, man pages and completions', (t) => {
  const files = packed();
  for (const [name, path] of Object.entries(manifest.bin)) {
    t.ok(((files.get(path) ?? 0) & 0o111) !== 0, `${path} is in it and executable`);
    t.ok(files.has(`man/${name}.1`), `man/${name}.1`);
  }
  for (const source of readdirSync(join(root, 'bpf')).filter((name) => name.endsWith('.bpf.c'))) {
    t.ok(files.has(`dist/bpf/${source.replace(/\.c$/, '.o')}`), `${source} as an object`);
  }
  const has = (pattern: RegExp): boolean => [...files.keys()].some((path) => pattern.test(path));
  t.ok(files.has(`prebuilds/linux-${process.arch}/tracer.node`), 'the addon');
  t.ok(files.has('dist/lib/index.js') && files.has('dist/lib/index.d.ts'), 'the public face with its types');
  for (const room of ['schema', 'completions/bash', 'completions/zsh', 'completions/fish']) t.ok(has(new RegExp(`^${room}/`)), room);
  for (const text of ['LICENSE', 'NOTICE', 'LICENSES/LGPL-3.0.txt', 'LICENSES/GPL-3.0.txt', 'README.md']) t.ok(files.has(text), text);
  t.end();
});

tape('the tarball holds no sources, tests, maps or build files, and runs nothing when it is installed', (t) => {
  const stray = [...packed().keys()].filter((path) =>
    /(^|\/)(test|bench|scripts|node_modules)\/|\.(map|c|h|gyp)$|[^d]\.ts$|\.tgz$/.test(path),
  );
  t.deepEqual(stray, []);
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) t.notOk(script in manifest.scripts, `no ${script} script`);
  t.notOk(existsSync(join(root, 'binding.gyp')), 'no binding.gyp: npm would compile');
  t.end();
});

tape('run-time dependencies are pinned exactly', (t) => {
  for (const [name, version] of Object.entries(manifest.dependencies)) t.match(version, /^\d+\.\d+\.\d+$/, `${name} ${version}`);
  t.end();
});
