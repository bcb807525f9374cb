/** tracer-net over what a long life brings: connection churn, a reader that stalls, two sensors at once, starts again and again. */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tape from 'tape';
import { bpfIds, stillThere } from '../support/bpf-ids.js';
import { bin, python } from '../support/paths.js';
import { of } from '../support/process-sensor.js';
import { Running } from '../support/processes.js';
import { Sensor, type SensorRun } from '../support/sensor.js';

/** For each line on stdin, that many connections to the port, opened and closed. */
const CHURN = `
import socket, sys
print('up', flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()
    print('done', flush=True)
`;

async function withChurn(body: (churn: Running, turn: (connections: number) => Promise<void>) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const churn = new Running(python, ['-c', CHURN, String((server.address() as { port: number }).port)], { timeout: 100_000 });
  let turns = 0;
  try {
    await churn.says('up');
    await body(churn, async (connections) => {
      churn.say(String(connections));
      turns++;
      await churn.until(({ stdout }) => stdout.toString().split('done').length > turns, 'the end of a turn', 60_000);
    });
  } finally {
    churn.child.stdin?.end();
    await churn.done;
    server.close();
  }
}

function watch(churn: Running, ...args: string[]): Sensor {
  return new Sensor(['-p', String(churn.pid), ...args], { timeout: 90_000 }, [bin('netmon')]);
}

/** What was due is what was given and what is said to be lost; and each loss is an event as well. */
function settles(t: tape.Test, run: SensorRun, connections: number, name: string): number {
  const end = of(run, 'sensor_end')[0]?.data;
  const lost = Object.values(end?.lost ?? {}).reduce((sum, n) => sum + n, 0);
  t.equal(end?.seen, 2 * connections, `${name}: each connect and each close was due`);
  t.equal(end?.seen, (end?.emitted ?? 0) + lost, `${name}: given, or said to be lost`);
  const given = of(run, 'net_connect').length + of(run, 'net_close').length;
  t.equal(given, end?.emitted, `${name}: what is said to be given is there`);
  const said = of(run, 'loss').reduce((sum, { data }) => sum + (data.kind?.startsWith('net_') ? data.lost : 0), 0);
  t.equal(said, lost, `${name}: ${lost} lost, and each is said`);
  return lost;
}

tape('net soak: churn under two sensors at once, one of which has a small buffer and stops for a while', (t) =>
  withChurn(async (churn, turn) => {
    const well = watch(churn);
    const poor = watch(churn, '--ring-bytes', '65536');
    await Promise.all([well.attached(), poor.attached()]);
    await turn(500);
    // It cannot read its ring, as when it gets no time to run.
    poor.running.signal('SIGSTOP');
    await turn(1000);
    poor.running.signal('SIGCONT');
    await sleep(500);
    await turn(100);
    const [all, some] = await Promise.all([well.stop(), poor.stop()]);
    t.equal(settles(t, all, 1600, 'the one with room'), 0, 'which has lost nothing');
    t.ok(settles(t, some, 1600, 'the one without') > 0, 'which has lost something');
  }),
);

tape('net soak: started and ended again and again, by signal and by its reader, nothing is left behind', (t) =>
  withChurn(async (churn, turn) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGTERM'] as const) {
      const sensor = watch(churn);
      await sensor.attached();
      await turn(20);
      const ids = bpfIds(sensor.running.pid);
      t.ok(ids.prog.length > 10 && ids.map.length > 5, `${ids.prog.length} programs, ${ids.map.length} maps`);
      sensor.running.signal(signal);
      const { status, signal: by } = await sensor.running.done;
      t.deepEqual([status, by], signal === 'SIGKILL' ? [null, 'SIGKILL'] : [0, null], `ended by ${signal}`);
      let left = stillThere(ids);
      // The kernel frees them in its own time.
      for (let i = 0; i < 50 && left.length > 0; i++) {
        await sleep(100);
        left = stillThere(ids);
      }
      t.deepEqual(left, [], 'and took all with it');
    }
  }),
);
