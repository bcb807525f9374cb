/** tracer-show: events as text for people. */
import { type ShowOptions, show } from '../sinks/show.js';
import type { SinkCommand } from '../stream/command.js';

export const command: SinkCommand = {
  kind: 'sink',
  name: 'show',
  summary: 'show events to a person: one line each, the conversation they make, or the tree of processes',
  description: `Reads events and prints one line for each: when it happened, in which process, and what. #3/1 is exchange 1 on connection 3 of that process, the same for a request and its response; → is what the process sends, ← what it gets. Heartbeats that report no loss are left out.

With --chat it prints what was said instead: requests and responses in the order in which they happened, with JSON laid out, streamed answers put together as they arrive, and the calls and results of tools. It knows the Anthropic Messages, OpenAI Chat Completions and OpenAI Responses formats, on any host; other JSON is printed as JSON. Messages that a request repeats from an earlier one are counted, not repeated. Put tracer-http before it, or tracer-http and tracer-llm: of a call of a model it then prints each turn when it is over, with its tokens and cost.

With --table it prints the calls of models that tracer-llm found as a table, when the input ends.

With --tree it prints the processes that tracer-proc tells of as a tree: who started whom, what each ran, how long it lived and how it ended. On a terminal the tree is drawn anew as it grows; elsewhere each is printed when the last process in it has ended, and what still runs then at the end of the input, marked. Lost events are said.

Times are in UTC unless --time says otherwise, so a recorded session looks the same everywhere. Nothing in an event can drive the terminal: control characters, escape sequences, bidirectional overrides and invisible characters are shown as \\x1b, \\u202e and so on. What looks like a secret is shown as [hidden].`,
  options: [
    { flags: '--chat', description: 'Print the text of requests and responses, laid out for reading.', type: 'boolean' },
    {
      flags: '--table',
      description: 'Print, when the input ends, how many calls of models there were, their tokens and their cost, by session and model.',
      type: 'boolean',
    },
    { flags: '--tree', description: 'Print the processes as a tree, with their arguments, durations and exit codes.', type: 'boolean' },
    {
      flags: '--time <clock>',
      description:
        'How times are printed: 12:03:04.123Z, with the offset of this machine, with the date, as seconds since the first event, or not at all.',
      type: 'string',
      choices: ['utc', 'local', 'iso', 'relative', 'none'],
      default: 'utc',
    },
    {
      flags: '--color <when>',
      description: 'When to use colours; auto is on a terminal, unless NO_COLOR is set.',
      type: 'string',
      choices: ['auto', 'always', 'never'],
      default: 'auto',
    },
    {
      flags: '--width <columns>',
      description: 'Cut and wrap lines at this width; 0 is never. Default: the width of the terminal, 0 without one.',
      type: 'count',
    },
    {
      flags: '--full',
      description: 'Leave nothing out: long texts, long lists and repeated instructions are printed whole.',
      type: 'boolean',
    },
    { flags: '--all', description: 'Print every heartbeat, too.', type: 'boolean' },
    { flags: '--show-secrets', description: 'Do not hide what looks like a key, a token or a password.', type: 'boolean' },
  ],
  examples: [
    { run: 'sudo tracer-ssl -c gemini | tracer-http | tracer-show --chat', shows: 'what an agent and its model say to each other, live' },
    { run: 'sudo tracer-ssl -- curl -s https://example.com | tracer-http | tracer-show', shows: 'one line per request and response' },
    { run: 'sudo tracer-proc -c claude | tracer-show --tree', shows: 'what an agent runs, as a live tree' },
    { run: 'tracer-replay session.ndjson | tracer-http | tracer-show --chat --full | less -R', shows: 'a recorded session, unabridged' },
  ],
  sink: (options, terminal) => {
    const color = options.color === 'always' || (options.color !== 'never' && terminal.color);
    const { width } = options;
    return show(options as ShowOptions, {
      color,
      get columns() {
        return typeof width === 'number' ? width : terminal.columns;
      },
      get rows() {
        return terminal.rows ?? 0;
      },
    });
  },
};
