/** On a terminal a sensor is never silent without saying why (contract, promise 11). `script` makes the terminal. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { live } from '../support/live.js';
import { bin, python } from '../support/paths.js';
import { Running } from '../support/processes.js';
import { reported } from '../support/truth.js';

live('what it watches within a second; after ten seconds without events, why that may be', async (t, bench) => {
  const box = bench.box('tlsbox', 'hold', '20000');
  const client = new Running(box[0] ?? '', box.slice(1));
  await reported(bench.report, 'ready');
  const out = join(bench.dir, 'out');
  const terminal = new Running('script', ['-qec', `exec ${bin('sslsniff')} -p ${client.pid} > ${out}`, '/dev/null']);
  const started = Date.now();
  await terminal.until((r) => /watching .*libssl/.test(r.stdout.toString()), 'word of what it watches', 8000);
  t.comment(`said after ${Date.now() - started} ms`);
  const first = terminal.stdout.toString();
  await terminal.until(
    (r) =>
      r.stdout.length > first.length + 20 && /nothing|no (event|tls|traffic)|silent|yet/i.test(r.stdout.toString().slice(first.length)),
    'a reason for the silence',
    15000,
  );
  t.ok(Date.now() - started > 8000, 'not before its time');
  client.say('go');
  await client.done;
  for (let i = 0; i < 100 && !readFileSync(out, 'utf8').includes('ssl_close'); i++) await sleep(50);
  t.ok(readFileSync(out, 'utf8').includes('ssl_close'), 'events are on stdout all the same');
  // Ctrl-C on the terminal.
  terminal.child.stdin?.write('\x03');
  t.equal((await terminal.done).status, 0);
  t.match(readFileSync(out, 'utf8'), /sensor_end.*\n$/);
});

live('Ctrl-C at a terminal is the command’s: it goes on, is watched on, and its status is ours', async (t, bench) => {
  const out = join(bench.dir, 'command');
  const agent = join(bench.dir, 'agent.py');
  const enough = join(bench.dir, 'enough');
  writeFileSync(
    agent,
    `import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: os.write(1, b'turn stopped\\n'))
os.write(1, b'ready\\n')
while not os.path.exists('${enough}'): time.sleep(0.1)
sys.exit(7)
`,
  );
  const terminal = new Running('script', ['-qec', `exec ${bin('sslsniff')} -- ${python} ${agent} > ${out}`, '/dev/null']);
  const shown = () => terminal.stdout.toString();
  await terminal.until(() => /ready/.test(shown()), 'the command');
  for (const times of [1, 2, 3]) {
    terminal.child.stdin?.write('\x03');
    await terminal.until(() => shown().split('turn stopped').length > times, `Ctrl-C number ${times} at the command`);
  }
  t.notOk(readFileSync(out, 'utf8').includes('sensor_end'), 'the sensor goes on');
  writeFileSync(enough, '');
  t.equal((await terminal.done).status, 7);
  t.match(readFileSync(out, 'utf8'), /"event_type":"sensor_end".*"reason":"command ended".*"exit_code":7/);
});
