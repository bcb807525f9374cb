/** Runs tracer-ssl and collects what it says: around a command, or beside processes that a test started. */
import { closeSync, openSync, readSync } from 'node:fs';
import type { TracerEvent } from '../../lib/stream/event.js';
import { bin } from './paths.js';
import { type Finished, Running, type RunOptions } from './processes.js';
import { compare, type Reading, readSessions } from './sessions.js';
import type { SessionTruth } from './truth.js';
import { assertValid } from './validate.js';

export interface SensorRun extends Finished {
  events: TracerEvent[];
  reading: Reading;
}

function parse(raw: Buffer): TracerEvent[] {
  const lines = raw.toString('utf8').split('\n');
  if (lines.pop() !== '') throw new Error(`the last line is not ended: ${raw.subarray(-200)}`);
  return lines.map((line) => {
    const event = JSON.parse(line) as TracerEvent;
    assertValid(event);
    return event;
  });
}

/** The events of a recording (`-o FILE`), one by one, however large it is. Throws on a line that is no event. */
export function* recorded(file: string): Generator<TracerEvent> {
  const fd = openSync(file, 'r');
  const piece = Buffer.alloc(1 << 20);
  let rest = Buffer.alloc(0);
  for (let n = readSync(fd, piece); n > 0; n = readSync(fd, piece)) {
    const bytes = Buffer.concat([rest, piece.subarray(0, n)]);
    let from = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
      yield* parse(bytes.subarray(from, at + 1));
      from = at + 1;
    }
    rest = bytes.subarray(from);
  }
  closeSync(fd);
  if (rest.length > 0) throw new Error(`the last line is not ended: ${rest.subarray(-200)}`);
}

export class Sensor {
  readonly running: Running;

  /** `args`: what a user would write after `tracer-ssl`. `by`: the words that stand for `tracer-ssl` itself. */
  constructor(args: readonly string[], options: RunOptions = {}, by: readonly string[] = [bin('sslsniff')]) {
    this.running = new Running(by[0] ?? '', [...by.slice(1), ...args], { timeout: 60000, ...options });
  }

  /** Resolves when it has said `sensor_start`: everything is attached. */
  attached(): Promise<void> {
    return this.running.says('"event_type":"sensor_start"');
  }

  /** Resolves when this text is in its output. */
  says(text: string): Promise<void> {
    return this.running.says(text);
  }

  /** Waits for its end and reads everything. Rejects on a line that is no event of the contract. */
  async end(): Promise<SensorRun> {
    const finished = await this.running.done;
    const events = parse(finished.stdout);
    return { ...finished, events, reading: readSessions(events) };
  }

  /** As Ctrl-C does. */
  stop(): Promise<SensorRun> {
    this.running.signal('SIGINT');
    return this.end();
  }
}

/** Everything that is wrong with a run that should have seen exactly these sessions; [] when all is well. */
export function faults(run: SensorRun, truths: readonly SessionTruth[], unrelated?: string): string[] {
  const problems = [...run.reading.problems, ...compare(run.reading, truths)];
  if (unrelated !== undefined) problems.push(...traces(run, unrelated));
  return problems;
}

/** Where a marker that must not be seen is seen. */
export function traces(run: SensorRun, marker: string): string[] {
  const problems: string[] = [];
  if (run.stdout.includes(marker)) problems.push(`the unrelated client's ${marker} is on stdout`);
  for (const s of run.reading.sessions.values()) {
    if (Buffer.concat(s.read.pieces).includes(marker) || Buffer.concat(s.write.pieces).includes(marker))
      problems.push(`${s.conn} of ${s.pid} holds ${marker}`);
  }
  return problems;
}
