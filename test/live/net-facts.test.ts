/** tracer-net: connections, names and hellos, compared with what the program that made them wrote down. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import tape from 'tape';
import { bin, python, root } from '../support/paths.js';
import { of } from '../support/process-sensor.js';
import { Sensor } from '../support/sensor.js';
import { skip } from '../support/skip.js';

/** A network and mounts of its own: names resolve at the server there, which is not watched, and ends with the sensor. */
const ROOM = `
mount --make-rprivate /
mount --bind "$DIR/resolv.conf" "$(readlink -f /etc/resolv.conf)"
mount --bind "$DIR/nsswitch.conf" /etc/nsswitch.conf
exec 3> >(SERVER=1 "$PYTHON" "$FACTS" "$DIR/ready" >&2)
for i in $(seq 200); do [ -s "$DIR/ready" ] && break; sleep 0.05; done
exec "$@"
`;

type Fact = Record<string, unknown>;

/** What the kernel's sensor may say besides: glibc's own sockets. */
function isOfTheResolver(data: Fact): boolean {
  return /:53$/.test(String(data['peer'] ?? data['server'] ?? '')) || /nscd|systemd/.test(String(data['peer'] ?? ''));
}

tape('net: each fact that the program wrote down is an event, and nothing else is', async (t) => {
  if (process.getuid?.() !== 0) return skip(t, 'needs root');
  const dir = mkdtempSync(join(tmpdir(), 'tracer-net-'));
  try {
    writeFileSync(join(dir, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:5\n');
    writeFileSync(join(dir, 'nsswitch.conf'), 'hosts: files dns\n');
    const facts = join(root, 'test/live/net-facts.py');
    const report = join(dir, 'report');
    const env = { DIR: dir, PYTHON: python, FACTS: facts };
    const room = ['unshare', '--net', '--mount', 'bash', '-c', ROOM, 'room', bin('netmon')];
    const run = await new Sensor(['--', python, facts, report], { env }, room).end();
    t.equal(run.status, 0, run.stderr.slice(-500));

    const wanted = readFileSync(report, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Fact);
    t.ok(wanted.length > 80, `${wanted.length} facts`);
    const seen = run.events.filter(({ source }) => source === 'net' || source === 'dns' || source === 'tls');
    const left = new Set(seen);
    for (const { event_type, ...fields } of wanted) {
      const found = [...left].find(
        (event) =>
          event.event_type === event_type &&
          Object.entries(fields).every(([name, value]) => isDeepStrictEqual((event.data as unknown as Fact)[name], value)),
      );
      if (found === undefined) t.fail(`no ${event_type} ${JSON.stringify(fields).slice(0, 200)}`);
      else left.delete(found);
    }
    const begun = of(run, 'process_info').map(({ data }) => data.pid);
    t.ok(
      seen.every(({ data }) => begun.includes((data as { pid: number }).pid)),
      'all are of the program',
    );
    // Closes of what it left to its end, and of sockets whose connect failed, are not in its list.
    const odd = [...left].filter(
      ({ event_type, data }) => event_type !== 'net_close' && !isOfTheResolver(data as unknown as Fact) && !/^dns/.test(event_type),
    );
    t.deepEqual(
      odd.map(({ event_type, data }) => `${event_type} ${JSON.stringify(data)}`),
      [],
      'nothing that was not done',
    );
    const end = of(run, 'sensor_end')[0]?.data;
    t.deepEqual([end?.lost, end?.seen], [{}, end?.emitted], 'all that was due was given');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
