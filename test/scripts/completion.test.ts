/** The generated completion and man pages, tried in the programs that read them, where those are installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'tape';
import { commandNames, findCommand } from '../../lib/commands/registry.js';
import { optionsOf } from '../../lib/commands/shared-options.js';
import type { Command } from '../../lib/stream/command.js';
import { flagsOf } from '../../lib/stream/options.js';
import { bashCompletion, fishCompletion, zshCompletion } from '../../scripts/completion.js';
import { manPage } from '../../scripts/man-page.js';
import { ROOT } from '../support/harness.js';

const commands: Command[] = [];
for (const name of commandNames) commands.push((await findCommand(name)) as Command);

/** What bash offers for a line, the cursor being at its end. */
function offered(words: readonly string[]): string[] {
  const script = `${bashCompletion(commands, true)}
    COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
    f=$(complete -p "\${COMP_WORDS[0]}" | sed 's/.*-F \\([^ ]*\\).*/\\1/'); COMPREPLY=(); $f; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '');
}

test('bash completes commands, options, choices', (t) => {
  t.ok(offered(['tracer', 'ht']).includes('http'));
  t.deepEqual(offered(['tracer', 'http', '--body']), ['--body-limit']);
  t.deepEqual(offered(['tracer-http', '--body']), ['--body-limit']);
  t.deepEqual(offered(['tracer-show', '--color', 'n']), ['never']);
  t.deepEqual(offered(['tracer', 'show', '--color', 'n']), ['never']);
  t.ok(offered(['tracer-ssl', '-p', '']).includes(String(process.pid)), 'process ids');
  t.deepEqual(offered(['tracer-replay', `${ROOT}package.j`]), [`${ROOT}package.json`]);
  t.end();
});

test('every option of every command is in all three shells and in the man page', (t) => {
  for (const command of commands) {
    const texts = [
      bashCompletion([command], false),
      zshCompletion([command]),
      fishCompletion([command], false),
      manPage(command, '0').replaceAll('\\-', '-'),
    ];
    for (const option of optionsOf(command)) {
      const name = flagsOf(option).long.slice(2);
      t.ok(
        texts.every((text) => text.includes(name)),
        `${command.name} --${name}`,
      );
    }
  }
  t.end();
});

test('the generated files are those of the tables', (t) => {
  t.ok(readdirSync(`${ROOT}man`).length > commands.length);
  t.equal(readFileSync(`${ROOT}completions/bash/tracer.bash`, 'utf8'), bashCompletion(commands, true));
  t.end();
});

test('man pages are without faults, where groff is there to say so', (t) => {
  if (spawnSync('groff', ['--version']).error !== undefined) {
    t.pass('no groff here: only their text was looked at');
    t.end();
    return;
  }
  for (const command of commands) {
    const { stderr, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], { input: manPage(command, '0'), encoding: 'utf8' });
    t.deepEqual([status, stderr], [0, ''], command.name);
  }
  t.end();
});
