/** `tracer-merge`: several streams as one, in the order in which things happened. */
import { openMerge } from '../sources/merge.js';
import type { SourceCommand } from '../stream/command.js';
import { say } from '../stream/say.js';

export const command: SourceCommand = {
  kind: 'source',
  name: 'merge',
  summary: 'put several streams into one, in the order in which things happened',
  description:
    'Reads files, fifos and stdin (-) at once and gives their lines, byte for byte, by boot time: clocks that were set meanwhile make no difference, nor does the order of the arguments. Lines of one input keep their order. Of live inputs each heartbeat says up to when all has been told; one that is silent for two heartbeats is not waited for.',
  arguments: '<file...>',
  options: [],
  examples: [
    { run: 'tracer-merge ssl.ndjson proc.ndjson | tracer-identity | tracer-show', shows: 'two recordings of one session' },
    { run: 'tracer-merge <(sudo tracer-ssl -c node) <(sudo tracer-net -c node) | tracer-show', shows: 'two sensors, live' },
  ],
  open: (_options, files) => openMerge(files, (sentence) => say('tracer-merge', sentence)),
};
