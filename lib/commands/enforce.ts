/** `tracer-enforce`: refuses connections by a plain file. */
import { EnforceSensor } from '../runners/enforce/sensor.js';
import type { Options, SourceCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { guardOptions, guardOptionTable } from './guard-options.js';
import { BUFFER_OPTIONS, SCOPE_OPTIONS } from './sensor-options.js';

export const command: SourceCommand = {
  kind: 'source',
  name: 'enforce',
  takesCommand: true,
  arguments: '[deny-file]',
  summary: 'refuses connections of the watched processes to what a plain file names',
  description:
    'Refuses (EPERM) whatever the watched processes send to an address, a network, a host or a provider that the deny-file names; with --allow-file, whatever it does not name. The files may be written by anything at any time: a change is in force at once, a file with an error is refused whole and the one before stays in force. docs/deny-file.md has their lines.\n\nPrints an event for each refusal, with the line that decided. It goes on when nobody reads them; its end lifts the policy. Whoever is not watched is not affected. Needs root, or capabilities.',
  options: [
    ...SCOPE_OPTIONS,
    {
      flags: '--allow-file <file>',
      type: 'string',
      completes: 'file',
      description: 'Refuse everything that this file does not name. A deny-file may take away from it.',
    },
    ...guardOptionTable('--allow-file'),
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say more on stderr.' },
  ],
  examples: [
    {
      run: 'sudo tracer-enforce -c claude egress.deny | jq -c "select(.event_type==\\"guard_deny\\") | .data.target"',
      shows: 'refuse what egress.deny names, and see what was tried',
    },
    {
      run: "echo 'provider:anthropic' > only.allow && sudo tracer-enforce -c claude --allow-file only.allow",
      shows: 'an agent that reaches its provider and nobody else',
    },
  ],
  open(options: Options, args: readonly string[], operands: readonly string[] = []) {
    const [denyFile, more] = operands;
    if (more !== undefined)
      throw new CommandError(EXIT.usage, `there is a second deny-file, ${more}`, 'Name one; a command to run stands behind --');
    return new EnforceSensor(guardOptions('tracer-enforce', options, args, { deny: denyFile, allow: options.allowFile }));
  },
};
