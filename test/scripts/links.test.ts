/** The commands that scripts/setup puts on PATH, tried in a folder of the test's own instead of /usr/local. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { root } from '../support/paths.js';

interface Place {
  prefix: string;
  /** Runs functions of scripts/lib in bash, with the state and prefix of this place. */
  sh(script: string, clone?: string): { status: number | null; stdout: string; stderr: string };
  remove(): void;
}

function place(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-links-'));
  const prefix = join(dir, 'usr local');
  return {
    prefix,
    sh(script, clone = root) {
      // Root is asked for because of /usr/local; here nobody needs it.
      const start = `set -eu; for f in common node links uninstall; do . '${root}/scripts/lib/'$f.sh; done; ROOT=${JSON.stringify(clone)} OWNER=root; need_root() { :; }; NODE='${process.execPath}';`;
      const env = { ...process.env, TRACER_PREFIX: prefix, TRACER_STATE_DIR: join(dir, 'state'), XDG_CACHE_HOME: join(dir, 'cache') };
      const { status, stdout, stderr } = spawnSync('bash', ['-c', `${start} ${script}`], { env, encoding: 'utf8' });
      return { status, stdout, stderr };
    },
    remove: () => rmSync(dir, { recursive: true }),
  };
}

const commands = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).bin as Record<string, string>);

tape('every command of package.json is linked, and runs without node on PATH, as under sudo', (t) => {
  const { prefix, sh, remove } = place();
  const linked = sh('link_commands; links_current');
  t.equal(linked.status, 0, linked.stderr);
  t.deepEqual(readdirSync(join(prefix, 'bin')).sort(), [...commands].sort());
  for (const name of commands) {
    const run = spawnSync(join(prefix, 'bin', name), ['--version'], { env: { PATH: '/usr/bin:/bin' }, encoding: 'utf8' });
    t.equal(run.status, 0, `${name} --version ${run.stderr}`);
  }
  remove();
  t.end();
});

tape('a command whose clone has gone says so', (t) => {
  const { prefix, sh, remove } = place();
  const clone = mkdtempSync(join(tmpdir(), "tracer clone's "));
  writeFileSync(join(clone, 'package.json'), '{\n  "bin": {\n    "tracer-ssl": "bin/sslsniff"\n  }\n}\n');
  sh('link_commands', clone);
  rmSync(clone, { recursive: true });
  const run = spawnSync(join(prefix, 'bin/tracer-ssl'), [], { encoding: 'utf8' });
  t.equal(run.status, 69);
  t.match(run.stderr, /^tracer-ssl: .* is gone\. Run sudo scripts\/setup/);
  remove();
  t.end();
});

tape('a second clone takes the commands over and says so; a foreign file is left alone', (t) => {
  const { prefix, sh, remove } = place();
  mkdirSync(join(prefix, 'bin'), { recursive: true });
  writeFileSync(join(prefix, 'bin/tracer-ssl'), 'somebody else’s\n');
  const first = sh('link_commands', root);
  t.match(first.stderr, /left alone: .*tracer-ssl is not ours/);
  const clone = mkdtempSync(join(tmpdir(), "tracer clone's "));
  writeFileSync(join(clone, 'package.json'), readFileSync(join(root, 'package.json')));
  const second = sh('link_commands', clone);
  t.ok(second.stderr.includes(`the commands ran the clone in ${root}; from now on they run this one`), second.stderr);
  t.ok(readFileSync(join(prefix, 'bin/tracer-http'), 'utf8').includes(clone.replace("'", "'\\''")));
  t.equal(readFileSync(join(prefix, 'bin/tracer-ssl'), 'utf8'), 'somebody else’s\n');
  // uninstall also removes build results of the clone it runs in: here one that has none.
  const gone = sh('uninstall keep', clone);
  t.equal(gone.status, 0, gone.stderr);
  t.deepEqual(readdirSync(join(prefix, 'bin')), ['tracer-ssl'], 'only the foreign file is left');
  t.notOk(existsSync(join(prefix, 'share')), 'folders that setup made are gone');
  rmSync(clone, { recursive: true });
  remove();
  t.end();
});
