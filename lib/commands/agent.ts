/** `tracer-agent`: the three sensors in one process, with one clock and one order. */
import { AgentSensor } from '../runners/agent/sensor.js';
import type { Options, SourceCommand } from '../stream/command.js';
import { SENSOR_PART_OPTIONS as PROC_OPTIONS, partOptions as procPart } from './proc.js';
import { BUFFER_OPTIONS, SCOPE_OPTIONS, sensorOptions } from './sensor-options.js';
import { SENSOR_PART_OPTIONS as SSL_OPTIONS, partOptions as sslPart } from './ssl.js';

export const command: SourceCommand = {
  kind: 'source',
  name: 'agent',
  takesCommand: true,
  summary: 'tracer-ssl, tracer-proc and tracer-net in one: one clock, one order, one stream',
  description:
    'Prints what tracer-ssl, tracer-proc and tracer-net print, as one stream in the order in which things happened: what programs say over TLS, what they run, whom they connect to; with --files what they do to files.\n\nWith a command it ends when the command ends, with its status. Without -p, -c, --cgroup, --uid or a command it watches everybody on this host. Needs root.\n\n--ring-bytes is the size of each of the three buffers.',
  options: [
    ...SCOPE_OPTIONS,
    ...PROC_OPTIONS,
    ...SSL_OPTIONS,
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say on stderr what is probed.' },
  ],
  examples: [
    { run: 'sudo tracer-agent -c claude -o session.ndjson', shows: 'record what an agent says and does' },
    {
      run: 'sudo tracer-agent -- python3 agent.py | tracer-http | tracer-llm | tracer-identity | tracer-show',
      shows: 'run an agent under watch, one line per event',
    },
  ],
  open: (options: Options, args: readonly string[]) =>
    new AgentSensor({ ...sensorOptions('tracer-agent', options, args), process: procPart(options), ssl: sslPart(options) }),
};
