/** tracer-show as a command: the same bytes everywhere, colours when they are wanted, and what is wrong is said. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'tape';

const CASE = 'test/cases/show/chat';
const INPUT = readFileSync(`${CASE}/in.ndjson`);
const ESCAPE = String.fromCharCode(27);

function run(
  args: string[],
  env: NodeJS.ProcessEnv = {},
  input: Buffer | string = INPUT,
): { status: number | null; stdout: string; stderr: string } {
  const { PATH } = process.env;
  const done = spawnSync(process.execPath, ['bin/show', ...args], { input, env: { PATH, ...env }, encoding: 'utf8' });
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

test('tracer-show: the same bytes in any time zone and locale', (t) => {
  for (const args of [[], ['--chat']]) {
    const here = run(args);
    t.equal(here.status, 0);
    for (const env of [
      { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
      { TZ: 'America/St_Johns', LC_ALL: 'C' },
      { TZ: 'nonsense', LC_ALL: 'ja_JP.eucJP' },
    ]) {
      t.equal(run(args, env).stdout, here.stdout, `${args.join(' ') || 'lines'} with TZ=${env.TZ} LC_ALL=${env.LC_ALL}`);
    }
  }
  t.end();
});

test('tracer-show: times by other clocks', (t) => {
  const line =
    '{"id":"a-1","timestamp":1764000000123.4,"source":"net","event_type":"net_listen","data":{"pid":7,"comm":"x","local":"[::]:80"}}\n';
  t.equal(run([], {}, line).stdout, '16:00:00.123Z x[7] listens on [::]:80\n');
  t.equal(run(['--time', 'local'], { TZ: 'Asia/Kathmandu' }, line).stdout, '21:45:00.123+05:45 x[7] listens on [::]:80\n');
  t.equal(run(['--time', 'iso'], {}, line).stdout, '2025-11-24T16:00:00.123Z x[7] listens on [::]:80\n');
  t.equal(run(['--time', 'relative'], {}, line).stdout, '+0.000 x[7] listens on [::]:80\n');
  t.equal(run(['--time', 'none'], {}, line).stdout, 'x[7] listens on [::]:80\n');
  t.end();
});

test('tracer-show: colour only when it is wanted', (t) => {
  t.notOk(run([]).stdout.includes(ESCAPE), 'none into a pipe');
  t.ok(run(['--color=always'], { NO_COLOR: '1' }).stdout.includes(ESCAPE), 'always is always');
  t.notOk(run(['--color=never'], { FORCE_COLOR: '1' }).stdout.includes(ESCAPE), 'never is never');
  const coloured = run(['--color=always', '--chat', '--width', '100']).stdout;
  t.equal(
    coloured.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), ''),
    run(['--chat', '--width', '100']).stdout,
    'and it adds nothing but colour',
  );
  t.end();
});

test('tracer-show: lines are cut at the width, and never into a pipe', (t) => {
  t.ok(
    run(['--width', '60'])
      .stdout.split('\n')
      .every((line) => [...line].length <= 60),
  );
  t.ok(
    run([])
      .stdout.split('\n')
      .some((line) => line.length > 100),
  );
  t.end();
});

test('tracer-show: one line per event', (t) => {
  const events = INPUT.toString().trimEnd().split('\n').length;
  t.equal(run(['--all']).stdout.trimEnd().split('\n').length, events);
  t.end();
});

test('tracer-show: a wrong option is named', (t) => {
  const wrong = run(['--time', 'noon']);
  t.equal(wrong.status, 64);
  t.ok(wrong.stderr.includes('noon') && wrong.stderr.includes('relative'), wrong.stderr);
  t.end();
});
