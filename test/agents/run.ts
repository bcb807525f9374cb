/** One run of a program in a room of its own, under the sensor or beside it. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TracerEvent } from '../../lib/stream/event.js';
import { bin } from '../support/paths.js';
import { type Finished, Running } from '../support/processes.js';
import { recorded } from '../support/sensor.js';
import { type Reading, readSessions } from '../support/sessions.js';
import { differences, match, type Outcome } from './outcome.js';
import { environment, type Program, type Surroundings, type Trust } from './program.js';
import { Room } from './room.js';

/** How the sensor is told what to watch: `-- COMMAND`, or `-c NAME` when it runs before the program. */
export type Watch = 'command' | 'name';

export interface Run {
  program: Program;
  trust: Trust;
  watch: Watch;
  /** The program did what it was asked. */
  answered: boolean;
  reading: Reading;
  events: TracerEvent[];
  outcome: Outcome;
  /** Sentences: of the comparison, of the contract, of handshakes that failed. [] when all is well. */
  problems: string[];
  /** What program and sensor said. */
  said: string;
  seconds: number;
}

const LONGEST_MS = 90_000;
/** How long a process that ended has to close what it left open, and its server to see it. */
const SETTLE_MS = 150;

/** Several agents at once: one room, one server, one sensor that knows them by their names. */
export async function runTogether(programs: readonly Program[]): Promise<Pick<Run, 'outcome' | 'problems' | 'said' | 'events'>> {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-agents-'));
  chmodSync(dir, 0o755);
  const room = await Room.open(join(dir, 'room'), { trusted: true });
  let report: Awaited<ReturnType<Room['close']>> | undefined;
  try {
    const tasks = programs.map((program) => {
      const [home, work] = [join(dir, program.name, 'home'), join(dir, program.name, 'work')];
      mkdirSync(home, { recursive: true });
      mkdirSync(work, { recursive: true });
      const where: Surroundings = { trust: 'system', home, work, ca: room.certificate.ca };
      const task = program.task(where);
      const env = Object.entries({ ...environment(where), ...task.env }).map(([name, value]) => `${name}=${value}`);
      return { task, inside: room.inside(['env', '-i', ...env, ...task.argv], work).slice(1) };
    });
    const recording = join(dir, 'events.ndjson');
    const path = [...tasks.map(({ task }) => dirname(task.argv[0] ?? '')), process.env['PATH'] ?? ''].join(':');
    const names = programs.flatMap((program) => ['-c', program.comm]);
    const sensor = new Running(process.execPath, [bin('sslsniff'), '-v', '-o', recording, ...names], {
      env: { PATH: path },
      timeout: LONGEST_MS + 60_000,
    });
    await sensor.until((it) => /watching/.test(it.stderr), 'a word from the sensor', 60_000);
    const ended = await Promise.all(tasks.map(({ inside }) => new Running('nsenter', inside, { timeout: LONGEST_MS, input: '' }).done));
    await sleep(SETTLE_MS);
    sensor.signal('SIGINT');
    const { stderr } = await sensor.done;
    report = await room.close();
    const events = [...recorded(recording)];
    const reading = readSessions(events);
    const outcome = match(reading, report.connections);
    const said = ended.map(({ stdout, stderr }) => `${stdout.toString('utf8')}${stderr}`);
    const problems = [
      ...tasks.flatMap(({ task }, i) => (task.answer.test(said[i] ?? '') ? [] : [`${programs[i]?.name} did not do what it was asked`])),
      ...differences(outcome),
      ...reading.problems,
      ...report.failed.map((message) => `a handshake failed: ${message}`),
    ];
    return { outcome, problems, said: `${said.join('')}${stderr}`, events };
  } finally {
    if (report === undefined) await room.close().catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Runs `program` once. `keep`: leaves the directory with the recording there, and says where. */
export async function runProgram(program: Program, trust: Trust, watch: Watch, keep?: string): Promise<Run> {
  const dir = keep ?? mkdtempSync(join(tmpdir(), 'tracer-agents-'));
  chmodSync(dir, 0o755);
  const [home, work] = [join(dir, 'home'), join(dir, 'work')];
  mkdirSync(home, { recursive: true });
  mkdirSync(work, { recursive: true });
  const room = await Room.open(join(dir, 'room'), { trusted: trust === 'system' });
  let report: Awaited<ReturnType<Room['close']>> | undefined;
  try {
    const where = { trust, home, work, ca: room.certificate.ca };
    const task = program.task(where);
    const env: Record<string, string> = { ...environment(where), ...task.env };
    // As after `npm install -g`: the sensor finds a program by its name.
    const path = `${dirname(task.argv[0] ?? '')}:${env.PATH}`;
    const set = ['env', '-i', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
    const recording = join(dir, 'events.ndjson');
    const sensor = [process.execPath, bin('sslsniff'), '-v', '-o', recording];
    const started = process.hrtime.bigint();
    let ended: Finished;
    let stderr = '';
    if (watch === 'command') {
      ended = await new Running('nsenter', room.inside([...set, ...sensor, '--', ...task.argv], work).slice(1), {
        timeout: LONGEST_MS,
        input: '',
      }).done;
    } else {
      const beside = new Running(sensor[0] ?? '', [...sensor.slice(1), '-c', program.comm], {
        env: { PATH: path },
        timeout: LONGEST_MS + 30_000,
      });
      await beside.until((it) => /watching/.test(it.stderr), 'a word from the sensor', 60_000);
      ended = await new Running('nsenter', room.inside([...set, ...task.argv], work).slice(1), { timeout: LONGEST_MS, input: '' }).done;
      await sleep(SETTLE_MS);
      beside.signal('SIGINT');
      stderr = (await beside.done).stderr;
    }
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    await sleep(SETTLE_MS);
    report = await room.close();
    const said = `${ended.stdout.toString('utf8')}${ended.stderr}${stderr}`;
    const events = [...recorded(recording)];
    const reading = readSessions(events);
    const outcome = match(reading, report.connections);
    const answered = task.answer.test(said);
    const problems = [
      ...(answered ? [] : [`it did not do what it was asked; status ${ended.status ?? ended.signal}`]),
      ...differences(outcome),
      ...reading.problems,
      ...report.failed.map((message) => `a handshake failed: ${message}`),
    ];
    return { program, trust, watch, answered, reading, events, outcome, problems, said, seconds };
  } finally {
    if (report === undefined) await room.close().catch(() => undefined);
    if (keep === undefined) rmSync(dir, { recursive: true, force: true });
  }
}
