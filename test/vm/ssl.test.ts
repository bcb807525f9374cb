/** The built package on Debian's kernels: what curl and node say over TLS is seen in a guest with 6.1 and one with 6.12. */
import tape from 'tape';
import { isEvent } from '../../lib/stream/event.js';
import { assertValid } from '../support/validate.js';
import { guest } from './guest.js';

for (const kernel of ['6.1', '6.12']) {
  tape(`kernel ${kernel}: tracer-ssl -- curl … | tracer-http sees request and response, and so with node`, async (t) => {
    const { status, events, said } = await guest(kernel, [], 'test/vm/guest/ssl.mjs');
    t.equal(status, 0, 'the command succeeded in the guest');
    if (status !== 0) t.comment(said);
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
