/** tracer-enforce on Debian's kernels: programs load, attach and refuse, and a reload counts. */
import tape from 'tape';
import { isEvent } from '../../lib/stream/event.js';
import { assertValid } from '../support/validate.js';
import { guest } from './guest.js';

for (const kernel of ['6.1', '6.12']) {
  tape(`kernel ${kernel}: tracer-enforce refuses what its file names, to those it guards`, async (t) => {
    const { status, events, said } = await guest(kernel, [], 'test/vm/guest/enforce.mjs');
    t.equal(status, 0, 'the command succeeded in the guest');
    if (status !== 0) t.comment(said);
    const tries = new Map([...said.matchAll(/^try: (.*): (true|false)$/gm)].map(([, name, reached]) => [name, reached === 'true']));
    t.deepEqual(
      Object.fromEntries(tries),
      {
        allowed: true,
        denied: false,
        'denied mapped': false,
        'denied v6': false,
        outsider: true,
        'denied since': false,
        'allowed since': true,
        'after its end': true,
      },
      'who reached what',
    );
    assertValid(t, events);
    const refused = events.filter((event) => isEvent(event, 'guard_deny')).map(({ data }) => data.rule?.text);
    t.deepEqual([...new Set(refused)], ['127.0.0.2', '[::1]:8080/tcp', '127.0.0.1'], 'each entry');
  });
}
