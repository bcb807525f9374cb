/** `tracer-chunks`: many small ssl_data events as few large ones. */
import { chunkMerger } from '../analyzers/chunk-merger.js';
import type { AnalyzerCommand } from '../stream/command.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'chunks',
  summary: 'join the pieces of TLS data',
  description:
    'Joins consecutive ssl_data events of one session and direction into one, until the direction turns, 1 MiB, 1 s of event time, a gap, or the end of the session. Everything else passes as it came. For people who want to read or search the plain text itself; tracer-http needs no such help.',
  options: [],
  examples: [
    {
      run: `tracer-replay session.ndjson | tracer-chunks | jq -r 'select(.event_type=="ssl_data") | .data.payload // empty'`,
      shows: 'the plain text of a recorded session, in large pieces',
    },
  ],
  stage: () => chunkMerger(),
};
