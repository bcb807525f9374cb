/** `tracer-replay`: recorded events again, byte for byte. */
import { openReplay } from '../sources/replay.js';
import type { SourceCommand } from '../stream/command.js';

export const command: SourceCommand = {
  kind: 'source',
  name: 'replay',
  summary: 'read recorded events again, as if they happened now',
  description:
    'Gives the events of the files, in the order named, with their original bytes. A file may be compressed by gzip; - is stdin. What an analyzer makes of a replay is the same, byte for byte, as what it made of the live events.',
  arguments: '<file...>',
  options: [
    {
      flags: '--speed <factor>',
      type: 'string',
      description:
        'Pace the events by their timestamps: 1 is as fast as they were recorded, 10 ten times as fast. Without it: as fast as they can be read.',
    },
    {
      flags: '--where <conditions>',
      type: 'string',
      description:
        'Only events for which all of these hold: time>=10:40 (also with <, <=, >; with a date, as +30s after the first event, or time=A..B), pid=1841,1842, conn=1841.8123456.3. sensor_start is always there. A session that begins before the range is joined in its middle.',
    },
  ],
  examples: [
    { run: 'tracer-replay session.ndjson | tracer-http | tracer-show', shows: 'look at a recorded session' },
    {
      run: 'tracer-replay monday.ndjson.gz tuesday.ndjson | tracer-http | jq -r ".data.path // empty"',
      shows: 'several files, one of them compressed',
    },
    {
      run: "tracer-replay --where 'time=10:40..10:45 pid=1841' day.ndjson | tracer-http | tracer-show",
      shows: 'five minutes of one process',
    },
  ],
  open: (options, files) => openReplay(files, textOf(options.speed), textOf(options.where)),
};

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
