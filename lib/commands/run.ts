/** `tracer-run`: a command under guard. */
import { collectGarbage } from '../runners/confine/cgroup.js';
import { ConfineSensor } from '../runners/confine/sensor.js';
import { show } from '../sinks/show.js';
import type { Options, SourceCommand } from '../stream/command.js';
import type { AnyEvent } from '../stream/event.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { say } from '../stream/say.js';
import type { Source } from '../stream/source.js';
import type { Stage } from '../stream/stage.js';
import { guardOptions, guardOptionTable } from './guard-options.js';
import { BUFFER_OPTIONS } from './sensor-options.js';

/** What a person beside the command wants to read of a guard. */
const SAID: ReadonlySet<string> = new Set(['guard_deny', 'guard_audit', 'guard_reload', 'throttle', 'loss']);

const refusals: Stage = {
  name: 'refusals',
  transform(event, push) {
    if (SAID.has((event as AnyEvent).event_type ?? '')) push(event);
  },
  flush() {},
};

/** `--gc` as a source of no events. */
const garbage: Source = {
  name: 'run',
  async run() {
    for (const path of await collectGarbage()) say('tracer-run', `took ${path} away`);
    return EXIT.ok;
  },
  stop() {},
};

export const command: SourceCommand = {
  kind: 'source',
  name: 'run',
  takesCommand: true,
  summary: 'runs a command under guard: own cgroup, no privileges, nothing left behind',
  description:
    'Makes a cgroup, puts the egress guard in front of it, and runs the command in it as the user who called sudo, with no way to more privileges (no_new_privs, no capabilities). The command has stdin, stdout and stderr, gets the signals, and gives the exit status. When it ends, what it left running is ended, and the cgroup is taken away.\n\nRefusals are said on stderr, a line each; with -o FILE all events go there instead. The files of the policy may change meanwhile: docs/deny-file.md.\n\n--gc cleans up after runs that were killed.',
  options: [
    { flags: '--egress <file>', type: 'string', completes: 'file', description: 'The deny-file: what may not be reached.' },
    { flags: '--allow-egress <file>', type: 'string', completes: 'file', description: 'The allow-file: what alone may be reached.' },
    ...guardOptionTable('--allow-egress'),
    { flags: '--gc', type: 'boolean', description: 'End and take away what earlier runs left behind, and do nothing else.' },
    ...BUFFER_OPTIONS,
    { flags: '-v, --verbose', type: 'boolean', description: 'Say more on stderr.' },
  ],
  examples: [
    { run: 'sudo tracer-run --egress egress.deny -- claude -p "fix the test"', shows: 'an agent that cannot reach what the file names' },
    { run: 'sudo tracer-run --allow-egress only.allow --loopback -- codex exec "fix the test"', shows: 'one that reaches nothing else' },
  ],
  view: (terminal) => ({ stages: [refusals], sink: show({}, terminal) }),
  open(options: Options, args: readonly string[]) {
    if (options.gc === true) return garbage;
    if (args.length === 0) throw new CommandError(EXIT.usage, 'there is no command', 'Write tracer-run --egress FILE -- COMMAND');
    if (typeof options.egress !== 'string' && typeof options.allowEgress !== 'string')
      throw new CommandError(EXIT.usage, 'there is no policy', 'Give --egress FILE or --allow-egress FILE');
    const guard = guardOptions('tracer-run', options, args, { deny: options.egress, allow: options.allowEgress });
    return ConfineSensor.make({ ...guard, alsoNeeded: [...(guard.alsoNeeded ?? []), 'CAP_DAC_OVERRIDE'] });
  },
};
