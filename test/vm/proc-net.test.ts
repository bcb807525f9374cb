/** tracer-proc and tracer-net on Debian's kernels: what programs of a guest with 6.1 and one with 6.12 did, and a clock that is set. */
import tape from 'tape';
import { isEvent, type TracerEvent } from '../../lib/stream/event.js';
import { assertValid } from '../support/validate.js';
import { guest } from './guest.js';

type EventOf<T extends TracerEvent['event_type']> = Extract<TracerEvent, { event_type: T }>;

function all<T extends TracerEvent['event_type']>(events: readonly TracerEvent[], type: T): EventOf<T>['data'][] {
  return events.filter((event): event is EventOf<T> => event.event_type === type).map(({ data }) => data as EventOf<T>['data']);
}

function wholeLedger(t: tape.Test, events: readonly TracerEvent[]): void {
  const end = all(events, 'sensor_end')[0];
  t.deepEqual([end?.lost, end?.seen], [{}, end?.emitted], `${end?.sensor}: ${end?.seen} were due, all of them were given`);
}

function programs(t: tape.Test, events: readonly TracerEvent[]): void {
  wholeLedger(t, events);
  const execs = all(events, 'process_exec').filter(({ errno }) => errno === undefined);
  t.ok(
    execs.some(({ args }) => args?.join(' ') === '/bin/busybox false'),
    'exec: the arguments',
  );
  const exits = all(events, 'process_exit');
  t.ok(
    exits.some(({ exit_code }) => exit_code === 1),
    'exit: the status',
  );
  t.ok(
    exits.some(({ signal }) => signal === 'SIGKILL'),
    'exit: the signal',
  );
  t.ok(all(events, 'process_fork').length >= exits.length - 1, 'fork: one for each but the first');
  const opens = all(events, 'file_open');
  t.ok(
    opens.some(({ path, access, errno }) => path === '/tmp/box/a' && access === 'write' && errno === undefined),
    'open: a relative path is absolute',
  );
  t.ok(
    opens.some(({ path, errno }) => path === '/tmp/no-such-file' && errno === 'ENOENT'),
    'open: one that failed',
  );
  t.ok(
    all(events, 'file_rename').some(({ path, new_path }) => path === '/tmp/box/a' && new_path === '/tmp/box/b'),
    'rename: both names',
  );
  t.ok(
    all(events, 'file_link').some(({ path, new_path }) => path === '/tmp/box/b' && new_path === '/tmp/box/c'),
    'link',
  );
  const deleted = all(events, 'file_delete').map(({ path }) => path);
  t.ok(deleted.includes('/tmp/box/b') && deleted.includes('/tmp/box/c'), 'delete');
  t.ok(
    all(events, 'dir_create').some(({ path }) => path === '/tmp/box/below') &&
      all(events, 'dir_delete').some(({ path }) => path === '/tmp/box/below'),
    'directories',
  );
}

function connections(t: tape.Test, events: readonly TracerEvent[]): void {
  wholeLedger(t, events);
  const connects = all(events, 'net_connect');
  const closes = all(events, 'net_close');
  for (const [peer, bytes] of [
    ['127.0.0.1:7777', 12345],
    ['[::1]:7777', 54321],
    ['127.0.0.5:7777', 77],
  ] as const) {
    const connect = connects.find((data) => data.peer === peer);
    t.ok(connect !== undefined && connect.errno === undefined && (connect.handshake_ms ?? 0) > 0, `connect to ${peer}`);
    const close = closes.find(({ socket }) => socket === connect?.socket);
    t.deepEqual([close?.tx_bytes, close?.rx_bytes], [bytes, bytes], `close of ${peer}: bytes both ways`);
  }
  t.ok(
    connects.some(({ peer, errno }) => peer === '127.0.0.1:1' && errno === 'ECONNREFUSED'),
    'connect: refused',
  );
  const answer = all(events, 'dns_answer').find(({ qtype }) => qtype === 'A');
  t.deepEqual([answer?.name, answer?.cname, answer?.addresses], ['www.test', ['alias.test'], ['127.0.0.5']], 'DNS: the chain');
  const named = connects.find(({ peer }) => peer === '127.0.0.5:7777');
  t.deepEqual([named?.name, named?.name_by], ['www.test', 'dns'], 'the connection carries the name');
  t.ok(
    all(events, 'net_listen').some(({ local }) => local === '127.0.0.1:9999') &&
      all(events, 'net_accept').some(({ local }) => local === '127.0.0.1:9999'),
    'listen and accept',
  );
  t.ok(
    connects.some(({ peer }) => peer === 'unix:/tmp/box.sock') &&
      all(events, 'net_accept').some(({ local }) => local === 'unix:/tmp/box.sock'),
    'a unix socket',
  );
  const hellos = all(events, 'tls_client_hello');
  t.equal(hellos.length, 1, 'one hello');
  t.ok(Buffer.from(hellos[0]?.hello_b64 ?? '', 'base64').includes('hello.test'), 'with the name');
}

const HOUR_US = 3_600_000_000;

function clock(t: tape.Test, events: readonly TracerEvent[]): void {
  wholeLedger(t, events);
  const at = events.findIndex(({ event_type }) => event_type === 'clock_sync');
  const step = all(events, 'clock_sync')[0]?.step_us ?? 0;
  t.ok(Math.abs(step - HOUR_US) < 2e6, `the clock was put forward by ${step / 1e6} s, and that is said`);
  const [before] = events.filter((event) => isEvent(event, 'net_connect') && event.data.errno === undefined);
  const [after] = events.filter((event) => isEvent(event, 'net_connect') && event.data.errno === 'ECONNREFUSED');
  t.ok(before !== undefined && events.indexOf(before) < at, 'a connection before');
  t.ok(after !== undefined && events.indexOf(after) > at, 'one after');
  const apart = (after?.timestamp ?? 0) - (before?.timestamp ?? 0);
  t.ok(Math.abs(apart - HOUR_US / 1000) < 60_000, `they are an hour apart: ${apart} ms`);
  let last = 0;
  let offset = all(events, 'sensor_start')[0]?.clock_offset_us ?? 0;
  let back = 0;
  for (const event of events) {
    const boot = event.timestamp * 1000 - offset;
    if (boot < last - 1) back++;
    last = boot;
    // It speaks of the events behind it.
    if (isEvent(event, 'clock_sync')) offset = event.data.offset_us;
  }
  t.equal(back, 0, 'in boot time nothing goes back');
}

for (const kernel of ['6.1', '6.12']) {
  tape(`kernel ${kernel}: tracer-proc and tracer-net see what programs do, also while the clock is set`, async (t) => {
    const { status, events, said } = await guest(
      kernel,
      ['--add', 'test/vm/guest/net-server.mjs', '--add', 'test/vm/guest/net-client.mjs'],
      'test/vm/guest/proc-net.mjs',
    );
    t.equal(status, 0, 'the commands succeeded in the guest');
    if (status !== 0) t.comment(said);
    assertValid(t, events);
    const streams = new Map<string, TracerEvent[]>();
    for (const event of events as TracerEvent[]) {
      const stream = event.id.slice(0, event.id.indexOf('-'));
      streams.set(stream, [...(streams.get(stream) ?? []), event]);
    }
    t.equal(streams.size, 3, 'three sensors');
    const [first, second, third] = [...streams.values()];
    for (const one of [first, second, third])
      t.ok(
        all(one ?? [], 'sensor_start')[0]?.kernel.startsWith(`${kernel}.`) &&
          all(one ?? [], 'sensor_start')[0]?.probes.every(({ state }) => state !== 'failed'),
        'on that kernel, with all that it attaches',
      );
    programs(t, first ?? []);
    connections(t, second ?? []);
    clock(t, third ?? []);
  });
}
