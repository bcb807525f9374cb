/** `tracer-ssl`: what programs read and write through TLS, before it is encrypted and after it is decrypted. */
import type { SensorOptions } from '../runners/sensor.js';
import { type SslOptions, SslSensor } from '../runners/sslsniff/sensor.js';
import type { OptionSpec, Options, SourceCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { BUFFER_OPTIONS, listOf, numberOf, SCOPE_OPTIONS, sensorOptions } from './sensor-options.js';

/** More than these do not fit into the kernel's table. */
const MOST_PORTS = 64;

function portsOf(words: readonly string[]): number[] {
  for (const word of words)
    if (!/^[1-9]\d{0,4}$/.test(word) || Number(word) > 65535) throw new CommandError(EXIT.usage, `option --plain: "${word}" is not a port`);
  if (words.length > MOST_PORTS) throw new CommandError(EXIT.usage, `option --plain: ${words.length} ports; at most ${MOST_PORTS}`);
  return words.map(Number);
}

/** Those that tracer-agent has as well. */
export const SENSOR_PART_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--max-bytes <size>',
    type: 'bytes',
    description: 'Copy at most this much of one library call; the rest is counted, not copied. Default: all.',
  },
  {
    flags: '--hold',
    type: 'boolean',
    description: 'Stop each program that begins under watch until what TLS is in it is known, so that its first byte is seen.',
  },
  {
    flags: '--plain <port...>',
    type: 'list',
    description:
      'Take the bytes of TCP connections to or at these ports as they are, without TLS: model servers on this host or a private network (11434, 8080).',
  },
];

export function partOptions(options: Options): Omit<SslOptions, keyof SensorOptions> {
  const maxBytes = numberOf(options.maxBytes);
  return {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    hold: options.hold === true,
    plainPorts: portsOf(listOf(options.plain)),
  };
}

export const command: SourceCommand = {
  kind: 'source',
  name: 'ssl',
  takesCommand: true,
  summary: 'what programs read and write through TLS, in plain text',
  description:
    'Watches programs at their TLS library, and prints an event for each piece of data that they read or write, with every byte. Programs are not changed, and not stopped unless you say --hold.\n\nIt sees OpenSSL, GnuTLS, NSS, s2n and Mbed TLS wherever their libraries lie, and what programs have linked in: OpenSSL, BoringSSL, rustls and Go, with or without symbols. Libraries that are loaded later, and programs that are started later, are found.\n\nWith a command it ends when the command ends, with its status. Ctrl-C at a terminal is for the command to answer, since many agents stop a turn by it; SIGTERM ends both.\n\nWithout -p, -c, --cgroup, --uid or a command it watches everybody on this host. Needs root, or the capabilities that `tracer doctor --caps ssl` prints.',
  options: [
    ...SCOPE_OPTIONS,
    ...SENSOR_PART_OPTIONS,
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say on stderr which functions are probed and what each costs.' },
  ],
  examples: [
    { run: 'sudo tracer-ssl -- curl -s https://localhost:8443/v1/models | tracer-http | jq .', shows: 'run a command under watch' },
    { run: 'sudo tracer-ssl -p 4711 | tracer-http | jq -r ".data.path // empty"', shows: 'watch a process that runs' },
    { run: 'sudo tracer-ssl --plain 11434 -c ollama | tracer-http | tracer-show', shows: 'what goes to a model server without TLS' },
    { run: 'sudo tracer-ssl -c python3 -o session.ndjson', shows: 'record what python3 says, to look at it later' },
  ],
  open: (options: Options, args: readonly string[]) =>
    new SslSensor({ ...sensorOptions('tracer-ssl', options, args), ...partOptions(options) }),
};
