/**
 * The frame of a live test: root, a directory, a server, and an unrelated client that talks all the while and must not
 * be seen. Everything a test starts is ended with it.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tape from 'tape';
import { type Certificate, makeCertificate } from './certificate.js';
import { HttpsServer } from './https-server.js';
import { run } from './processes.js';
import { type Program, program } from './programs.js';
import { faults, Sensor, type SensorRun } from './sensor.js';
import { readTruth, type SessionTruth } from './truth.js';

export interface Bench {
  /** A directory of the test's own that every user may enter and write to. */
  dir: string;
  certificate: Certificate;
  server: HttpsServer;
  /** File that a workload reports to. */
  report: string;
  /** What the unrelated client sends with every request. */
  unrelated: string;
  /** Arguments of a C workload: program, report, certificate, key, then the mode. */
  box(name: Program, ...mode: string[]): string[];
  /** What the workload's report tells. */
  truth(): SessionTruth[];
  /** Runs the sensor with these arguments to its end, and checks everything against the truth. */
  watch(
    t: tape.Test,
    args: readonly string[],
    truth?: () => readonly SessionTruth[],
    options?: ConstructorParameters<typeof Sensor>[1],
  ): Promise<SensorRun>;
  /** To be done when the test is over, however it ends. */
  after(undo: () => unknown): void;
}

/** An own curl against the same server, again and again, until stopped. Returns how often it has been answered. */
function unrelatedClient(server: HttpsServer, marker: string): () => Promise<number> {
  let going = true;
  let answered = 0;
  const url = `${server.url}/v1/models?${marker}`;
  const loop = (async () => {
    while (going) {
      const { status } = await run('curl', ['-sS', '--cacert', server.certificate.ca, '-H', `X-Unrelated: ${marker}`, url]);
      if (status === 0) answered++;
      await sleep(100);
    }
  })();
  return async () => {
    going = false;
    await loop;
    return answered;
  };
}

async function makeBench(): Promise<[Bench, () => Promise<number>]> {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-live-'));
  chmodSync(dir, 0o777);
  const undo: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })];
  const certificate = makeCertificate(dir);
  const server = await HttpsServer.start(certificate);
  undo.push(() => server.stop());
  const unrelated = `unrelated-${randomBytes(8).toString('hex')}`;
  const stopClient = unrelatedClient(server, unrelated);
  const report = join(dir, 'report');
  const bench: Bench = {
    dir,
    certificate,
    server,
    report,
    unrelated,
    box: (name, ...mode) => [program(name), report, certificate.cert, certificate.key, ...mode],
    truth: () => readTruth(report),
    async watch(t, args, truth = () => readTruth(report), options = {}) {
      const result = await new Sensor(args, options).end();
      agree(t, faults(result, truth(), unrelated), result);
      return result;
    },
    after: (f) => undo.push(f),
  };
  const end = async () => {
    const answered = await stopClient();
    for (const f of undo.reverse()) await f();
    return answered;
  };
  return [bench, end];
}

/** No fault, or each one as a failed line, with what the sensor said. */
export function agree(t: tape.Test, problems: readonly string[], result: { stderr: string }): void {
  if (problems.length === 0) {
    t.pass('events and workload agree, byte for byte');
    return;
  }
  for (const problem of problems.slice(0, 20)) t.fail(problem);
  if (problems.length > 20) t.fail(`and ${problems.length - 20} more`);
  t.comment(`stderr: ${result.stderr.slice(-2000)}`);
}

/** What a test left running does not keep the process: tape has said everything by then. */
tape.onFinish(() => setTimeout(() => process.exit(), 500).unref());

/**
 * A live test. Fails at once without root: this tier is for root only. `seconds`: its deadline, after which the next
 * test begins.
 */
export function live(name: string, body: (t: tape.Test, bench: Bench) => Promise<void>, seconds = 60): void {
  tape(name, async (t) => {
    if (process.getuid?.() !== 0) {
      t.fail('the live tests need root: sudo scripts/test');
      return;
    }
    const [bench, end] = await makeBench();
    const deadline = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
      throw new Error(`not done after ${seconds} s`);
    });
    try {
      await Promise.race([body(t, bench), deadline]);
    } catch (error) {
      t.fail((error as Error).stack ?? String(error));
    } finally {
      t.ok((await end()) > 0, 'the unrelated client was answered meanwhile');
    }
  });
}
