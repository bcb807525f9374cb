/** docs/recipes.md: each recipe, as it stands there, prints what stands below it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'tape';
import { root } from '../support/paths.js';
import { assertValid } from '../support/validate.js';
import { recipesSession } from './recipes-session.js';

const page = readFileSync(join(root, 'docs/recipes.md'), 'utf8');

interface Recipe {
  title: string;
  command: string;
  output: string;
}

/** A heading, words, a block of sh and one of text. */
function recipes(): Recipe[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [, command = '', output = ''] = /```sh\n(.*?)```\n\n```text\n(.*?)```/s.exec(section) ?? [];
      return { title: section.slice(0, section.indexOf('\n')), command, output };
    });
}

test('recipes: each prints what the page says', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-recipes-'));
  try {
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> };
    for (const [name, file] of Object.entries(bin)) symlinkSync(join(root, file), join(dir, name));
    const session = recipesSession();
    assertValid(
      t,
      session
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    );
    writeFileSync(join(dir, 'session.ndjson'), session);
    const all = recipes();
    t.ok(all.length >= 10, `${all.length} recipes`);
    for (const { title, command, output } of all) {
      const env = { ...process.env, PATH: `${dir}:${process.env['PATH']}` };
      try {
        const { stdout, stderr } = await promisify(execFile)('bash', ['-c', `set -o pipefail; ${command}`], { cwd: dir, env });
        t.equal(stdout, output, title);
        t.ok(output !== '' && stderr === '', `${title}: it finds something, and has nothing to complain about`);
      } catch (error) {
        t.fail(`${title}: ${(error as Error).message}`);
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
