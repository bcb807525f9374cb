/** Options that commands of one kind share: added to each command's own table. */
import type { Command, OptionSpec } from '../stream/command.js';

const OUTPUT: readonly OptionSpec[] = [
  {
    flags: '-o, --output <file>',
    type: 'string',
    completes: 'file',
    description: 'Write the events to this file instead of stdout: mode 0600, under sudo owned by the user who called it.',
  },
  {
    flags: '--rotate-bytes <size>',
    type: 'bytes',
    description:
      'With -o: when the file would grow past this size, rename it to FILE.1, FILE.2 … and begin a new one with a copy of sensor_start and the process_infos.',
  },
];

const KEEP: OptionSpec = {
  flags: '--keep',
  type: 'boolean',
  description: 'Also pass on the events that are turned into others, before what is made of them.',
};

/** The whole option table of a command: its own, then the shared ones that it does not define itself. */
export function optionsOf(command: Command): OptionSpec[] {
  const shared: readonly OptionSpec[] =
    command.kind === 'source' ? OUTPUT : command.kind === 'analyzer' && command.replaces !== true ? [KEEP] : [];
  const own = new Set(command.options.map((option) => longOf(option)));
  return [...command.options, ...shared.filter((option) => !own.has(longOf(option)))];
}

function longOf(option: OptionSpec): string | undefined {
  return /--[\w-]+/.exec(option.flags)?.[0];
}
