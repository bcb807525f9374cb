/** Options that commands with the egress guard share. */
import type { EnforceOptions } from '../runners/enforce/sensor.js';
import type { OptionSpec, Options } from '../stream/command.js';
import { listOf, sensorOptions } from './sensor-options.js';

/** `allow`: the flag that names the allow-file. */
export function guardOptionTable(allow: string): OptionSpec[] {
  return [
    { flags: '--audit', type: 'boolean', description: 'Refuse nothing: say what would be.' },
    { flags: '--loopback', type: 'boolean', description: `With ${allow}: this machine itself may be reached.` },
    { flags: '--no-dns', type: 'boolean', description: `With ${allow}: the resolvers may not be asked either.` },
    { flags: '--resolver <address...>', type: 'list', description: 'Servers of DNS instead of those of /etc/resolv.conf.' },
  ];
}

/** What all options ask of the guard whose command is `program`. Reading a policy takes a lease, of a file of anybody's. */
export function guardOptions(
  program: string,
  options: Options,
  args: readonly string[],
  files: { deny: unknown; allow: unknown },
): EnforceOptions {
  const sensor = sensorOptions(program, options, args);
  return {
    ...sensor,
    alsoNeeded: [...(sensor.alsoNeeded ?? []), 'CAP_LEASE'],
    ...(typeof files.deny === 'string' ? { denyFile: files.deny } : {}),
    ...(typeof files.allow === 'string' ? { allowFile: files.allow } : {}),
    audit: options.audit === true,
    loopback: options.loopback === true,
    dns: options.dns !== false,
    resolvers: listOf(options.resolver),
  };
}
