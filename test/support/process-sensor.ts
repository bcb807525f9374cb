/** Runs tracer-proc around a command, and sorts what it says. */
import type { TracerEvent } from '../../lib/stream/event.js';
import { bin } from './paths.js';
import type { RunOptions } from './processes.js';
import { Sensor, type SensorRun } from './sensor.js';

export type EventOf<T extends TracerEvent['event_type']> = Extract<TracerEvent, { event_type: T }>;

/**
 * Where our root is for the kernel: the tests may run in a chroot themselves (scripts/fresh), and paths are told as they are
 * outside of it. Learnt from the directory in which the command began.
 */
function rootOf(run: SensorRun, cwd: string): string {
  if (process.env['TRACER_IN_FRESH'] === undefined) return '';
  const began = of(run, 'process_exec').find(({ data }) => data.errno === undefined)?.data.cwd ?? '';
  return cwd === '/' ? began.replace(/^\/$/, '') : began.slice(0, -cwd.length);
}

class ProcessSensor extends Sensor {
  constructor(
    args: readonly string[],
    readonly options: RunOptions,
  ) {
    super(args, options, [bin('procmon')]);
  }

  override async end(): Promise<SensorRun> {
    const run = await super.end();
    const root = rootOf(run, String(this.options.cwd ?? process.cwd()));
    if (root === '') return run;
    const text = JSON.stringify(run.events).replaceAll(`"${root}"`, '"/"').replaceAll(`${root}/`, '/');
    return { ...run, events: JSON.parse(text) as SensorRun['events'] };
  }
}

export function processSensor(args: readonly string[], options: RunOptions = {}): Sensor {
  return new ProcessSensor(args, options);
}

/** Events of one type. */
export function of<T extends TracerEvent['event_type']>(run: SensorRun, type: T): EventOf<T>[] {
  return run.events.filter((event): event is EventOf<T> => event.event_type === type);
}

/** What is wrong with any run that should have lost nothing: sums, and who was not announced. */
export function ledger(run: SensorRun): string[] {
  const problems: string[] = [];
  const announced = new Set<string>();
  for (const event of run.events) {
    if (event.source !== 'process' && event.source !== 'file') continue;
    const data = event.data as { pid: number; start_us?: number };
    const key = `${data.pid}.${data.start_us}`;
    if (event.event_type === 'process_info') announced.add(key);
    else if (!announced.has(key)) problems.push(`${event.id} ${event.event_type} of ${key} comes before its process_info`);
  }
  const end = of(run, 'sensor_end')[0]?.data;
  if (end === undefined) return [...problems, 'there is no sensor_end'];
  const lost = Object.values(end.lost).reduce((sum, n) => sum + n, 0);
  if (end.seen !== end.emitted + lost) problems.push(`seen ${end.seen}, emitted ${end.emitted}, lost ${lost}`);
  if (lost > 0) problems.push(`lost ${JSON.stringify(end.lost)}`);
  return problems;
}
