/** `tracer-net`: whom programs talk to, and by what name. */
import { NetSensor } from '../runners/netmon/sensor.js';
import type { SourceCommand } from '../stream/command.js';
import { BUFFER_OPTIONS, SCOPE_OPTIONS, sensorOptions } from './sensor-options.js';

export const command: SourceCommand = {
  kind: 'source',
  name: 'net',
  takesCommand: true,
  summary: 'connections, listening sockets, DNS and TLS hellos of programs',
  description:
    'Prints an event for each connection that a watched program makes (net_connect, when it is established or has failed), accepts, listens for, and closes, with bytes and times; for what it asks DNS and is answered, so that later connections carry the name; and for each TLS ClientHello, whole, as it was sent (tracer-tls reads it).\n\nTCP over IPv4 and IPv6, connected UDP, unix sockets by path and abstract. With a command it ends when the command ends, with its status.\n\nWithout -p, -c, --cgroup, --uid or a command it watches everybody on this host. Needs root.',
  options: [
    ...SCOPE_OPTIONS,
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say on stderr what is attached.' },
  ],
  examples: [
    { run: 'sudo tracer-net -- curl -s https://example.org | tracer-tls | tracer-show', shows: 'run a command under watch' },
    { run: `sudo tracer-net -c node | jq -r 'select(.event_type=="net_connect") | .data.name // .data.peer'`, shows: 'where node goes' },
  ],
  open: (options, args) => new NetSensor(sensorOptions('tracer-net', options, args)),
};
