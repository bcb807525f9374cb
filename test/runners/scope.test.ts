/** Who is watched: what the options ask for. */
import test from 'tape';
import { describeScope, nameKeys, resolveScope, scriptOf } from '../../lib/runners/scope.js';
import { CommandError } from '../../lib/stream/exit.js';

function refusal(run: () => unknown): CommandError {
  try {
    run();
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('without any wish it is everybody, and with one it is not', (t) => {
  t.deepEqual(describeScope(resolveScope({})), { all: true });
  t.deepEqual(describeScope(resolveScope({ comms: ['python3'] })), { comms: ['python3'] });
  t.deepEqual(describeScope(resolveScope({ pids: [process.pid, process.pid], uids: ['root', '0'] })), { pids: [process.pid], uids: [0] });
  t.deepEqual(describeScope(resolveScope({ command: ['curl', '-s'] })), { command: ['curl', '-s'] });
  t.end();
});

test('what is not there is refused with a next step, as a usage error', (t) => {
  const cases: [() => unknown, RegExp][] = [
    [() => resolveScope({ pids: [4_194_999] }), /no process 4194999/],
    [() => resolveScope({ uids: ['nobody-of-that-name'] }), /no user/],
    [() => resolveScope({ cgroups: ['/nonexistent/group'] }), /cgroup/],
    [() => resolveScope({ cgroups: ['/tmp'] }), /not a directory of a cgroup2 tree/],
    [() => resolveScope({ comms: ['/usr/bin/curl'] }), /is a path/],
    [() => resolveScope({ comms: ['x'.repeat(64)] }), /longer/],
  ];
  for (const [run, message] of cases) {
    const error = refusal(run);
    t.match(error.message, message);
    t.equal(error.status, 64);
  }
  t.end();
});

test('a long name is looked for whole and as the kernel cuts it', (t) => {
  const keys = nameKeys(['a-rather-long-name-it-is', 'sh']);
  t.deepEqual(
    keys.map((key) => key.toString('latin1').replace(/\0+$/, '')),
    ['a-rather-long-name-it-is', 'a-rather-long-n', 'sh'],
  );
  t.ok(keys.every((key) => key.length === 64));
  t.end();
});

test('the script is the first argument of an interpreter that is no option', (t) => {
  t.equal(scriptOf('/usr/bin/python3.11', ['python3', '-u', '/opt/tools/agent.py', '--flag']), 'agent.py');
  t.equal(scriptOf('/usr/local/bin/node', ['node', '/usr/bin/claude']), 'claude');
  t.equal(scriptOf('/usr/bin/cat', ['cat', 'claude']), undefined, 'cat runs no script');
  t.equal(scriptOf('/usr/bin/python3', ['python3']), undefined);
  t.end();
});
