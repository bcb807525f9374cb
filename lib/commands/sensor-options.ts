/** Options that all sensors share: whom to watch, the buffers, and how often to say that all is well. */
import type { SensorOptions } from '../runners/sensor.js';
import type { OptionSpec, Options } from '../stream/command.js';
import { say } from '../stream/say.js';

/** Whom to watch: first in the table of each sensor. */
export const SCOPE_OPTIONS: readonly OptionSpec[] = [
  { flags: '-p, --pid <pid...>', type: 'pids', completes: 'pid', description: 'Watch these processes.' },
  {
    flags: '-c, --comm <name...>',
    type: 'list',
    completes: 'comm',
    description:
      'Watch processes of this name: the name that ps shows (its first 15 bytes), or the base name of the executable or of the script that it runs.',
  },
  {
    flags: '--cgroup <directory...>',
    type: 'list',
    completes: 'directory',
    description: 'Watch the processes in this cgroup (version 2) and below.',
  },
  { flags: '--uid <user...>', type: 'list', description: 'Watch the processes of this user, by name or number.' },
  { flags: '--no-children', type: 'boolean', description: 'Leave out the descendants of what is watched.' },
];

/** Between the kernel and the reader: behind the options of the sensor's own. */
export const BUFFER_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--ring-bytes <size>',
    type: 'bytes',
    default: '64MiB',
    description: 'Size of the buffer between the kernel and this program.',
  },
  {
    flags: '--queue-bytes <size>',
    type: 'bytes',
    default: '16MiB',
    description: 'Drop data, and say so, while more than this waits for a slow reader.',
  },
  { flags: '--heartbeat <ms>', type: 'count', default: '1000', description: 'Milliseconds between heartbeats.' },
  {
    flags: '--heartbeat-file <file>',
    type: 'string',
    completes: 'file',
    description: 'Touch this file at each heartbeat: a liveness probe looks how old it is.',
  },
  {
    flags: '--collector-id <name>',
    type: 'string',
    description: 'Say in sensor_start who collects; NODE_NAME and POD_NAME of the environment are said as node and pod.',
  },
];

export function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** What those options ask of the sensor whose command is `program`, and the command under watch. */
export function sensorOptions(program: string, options: Options, args: readonly string[]): SensorOptions {
  const ringBytes = numberOf(options.ringBytes);
  const queueBytes = numberOf(options.queueBytes);
  const heartbeatMs = numberOf(options.heartbeat);
  return {
    pids: listOf(options.pid).map(Number),
    comms: listOf(options.comm),
    cgroups: listOf(options.cgroup),
    uids: listOf(options.uid),
    children: options.children !== false,
    command: args,
    ...(ringBytes === undefined ? {} : { ringBytes }),
    ...(queueBytes === undefined ? {} : { queueBytes }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    ...(typeof options.collectorId === 'string' ? { collectorId: options.collectorId } : {}),
    ...(typeof options.heartbeatFile === 'string' ? { heartbeatFile: options.heartbeatFile } : {}),
    verbose: options.verbose === true,
    ownProcess: true,
    // Each file of a rotation is made in a directory of the user's and given to them.
    ...(options.rotateBytes === undefined ? {} : { alsoNeeded: ['CAP_DAC_OVERRIDE', 'CAP_CHOWN', 'CAP_FOWNER'] }),
    say: (sentence) => say(program, sentence),
  };
}
