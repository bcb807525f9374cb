/** The built package on Debian's kernels: what curl and node say over TLS is seen in a guest with 6.1 and one with 6.12. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import tape from 'tape';
import { type AnyEvent, isEvent } from '../../lib/stream/event.js';
import { root } from '../support/paths.js';
import { assertValid } from '../support/validate.js';

interface Guest {
  status: number | null;
  output: string;
  /** Why it could not be made, or what the guest's kernel said. */
  said: string;
}

function guest(kernel: string, ...command: string[]): Promise<Guest> {
  return new Promise((resolve) => {
    const child = spawn(join(root, 'scripts/vm'), ['--timeout', '200', kernel, '--', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('close', (status) => resolve({ status, output, said }));
  });
}

for (const kernel of ['6.1', '6.12']) {
  tape(`kernel ${kernel}: tracer-ssl -- curl … | tracer-http sees request and response, and so with node`, async (t) => {
    const { status, output, said } = await guest(kernel, 'test/vm/guest/ssl.mjs');
    t.equal(status, 0, 'the command succeeded in the guest');
    if (status !== 0) t.comment(`${said}\n${output.slice(-6000)}`);
    const events = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as AnyEvent);
    assertValid(t, events);
    const starts = events.filter((event) => isEvent(event, 'sensor_start'));
    t.equal(starts.length, 2, 'two sensors started');
    for (const start of starts) t.ok(start.data.kernel.startsWith(`${kernel}.`), `on ${start.data.kernel}`);
    for (const client of ['curl', 'node']) {
      const path = `/by-${client}`;
      const request = events.filter((event) => isEvent(event, 'http_request')).filter((event) => event.data.path === path);
      t.equal(request.length, 1, `${client}: one request`);
      t.equal(request[0]?.data.host, 'localhost:8443');
      const response = events.filter((event) => isEvent(event, 'http_response')).filter((event) => event.data.path === path);
      t.equal(response.length, 1, `${client}: one response`);
      t.equal(response[0]?.data.status, 200);
      t.equal(response[0]?.data.body, `answer to ${path}`, `${client}: every byte of the answer`);
    }
    for (const end of events.filter((event) => isEvent(event, 'sensor_end'))) {
      t.deepEqual(end.data.lost, {}, 'nothing lost');
      t.deepEqual(end.data.command, { exit_code: 0 });
    }
  });
}
