/** `tracer-proc`: what processes do. */
import { type ProcessMode, type ProcessOptions, ProcessSensor } from '../runners/procmon/sensor.js';
import type { SensorOptions } from '../runners/sensor.js';
import type { OptionSpec, Options, SourceCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { BUFFER_OPTIONS, listOf, numberOf, SCOPE_OPTIONS, sensorOptions } from './sensor-options.js';

const MODES: readonly string[] = ['all', 'process', 'filter'];

function modeOf(value: unknown): ProcessMode {
  const mode = value === undefined ? 'filter' : String(value);
  if (!MODES.includes(mode)) throw new CommandError(EXIT.usage, `there is no mode "${mode}"`, `-m takes ${MODES.join(', ')}`);
  return mode as ProcessMode;
}

/** Those that tracer-agent has as well. */
export const SENSOR_PART_OPTIONS: readonly OptionSpec[] = [
  { flags: '-d, --min-duration <ms>', type: 'count', description: 'Leave out the ends of processes that lived shorter.' },
  { flags: '--files', type: 'boolean', description: 'Tell what is done to files, too.' },
  {
    flags: '--security',
    type: 'boolean',
    description:
      'Tell what matters for security, too: becoming root, ptrace, listening, mounts, BPF, modules, namespaces, memory of other processes, programs that are memory alone, capabilities (each once for a process and outcome).',
  },
  {
    flags: '--dedup',
    type: 'boolean',
    description:
      'With --files: tell a process’s opens of one file for reading with one outcome once, and count the rest. Never leaves out a write, a creation or a deletion.',
  },
  {
    flags: '--env <name...>',
    type: 'list',
    description: 'Tell these environment variables of programs, besides those that name an agent’s session.',
  },
];

export function partOptions(options: Options): Omit<ProcessOptions, keyof SensorOptions | 'mode'> {
  const minDurationMs = numberOf(options.minDuration);
  return {
    ...(minDurationMs === undefined ? {} : { minDurationMs }),
    files: options.files === true,
    security: options.security === true,
    dedup: options.dedup === true,
    env: listOf(options.env),
  };
}

export const command: SourceCommand = {
  kind: 'source',
  name: 'proc',
  takesCommand: true,
  summary: 'what processes do: begin, run programs, end; with --files, what they do to files',
  description:
    'Prints an event for each process that is made, each program that is run (with all its arguments, up to 128 KiB, its directory and the identity of its file) and each process that ends (with its exit code or signal, how long it lived, and the most memory that it had). With --files also what is opened, made, deleted, renamed, linked, cut and changed, with absolute paths and with the outcome.\n\nPrograms are not changed and not stopped. Failed calls are told, with their errno.\n\nWith a command it ends when the command ends, with its status. Without -p, -c, --cgroup, --uid or a command it watches everybody on this host. Needs root, or capabilities.',
  options: [
    ...SCOPE_OPTIONS,
    {
      flags: '-m, --mode <mode>',
      type: 'string',
      description:
        'filter: only what is watched (default). process: processes of everybody, files of what is watched. all: everything of everybody.',
    },
    ...SENSOR_PART_OPTIONS,
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say on stderr what is probed.' },
  ],
  examples: [
    {
      run: 'sudo tracer-proc -- make test | jq -c "select(.event_type==\\"process_exec\\") | .data.args"',
      shows: 'every command line of a build',
    },
    { run: 'sudo tracer-proc --files -c claude | tracer-show', shows: 'what an agent runs, and which files it touches' },
  ],
  open(options: Options, args: readonly string[]) {
    return new ProcessSensor({
      ...sensorOptions('tracer-proc', options, args),
      ...partOptions(options),
      mode: modeOf(options.mode),
    });
  },
};
