/** `tracer pipe 'ssl -c node | http | show'`: a pipeline in one process, with the same text as the pipe of processes. */
import type { Command, Options, SourceCommand, ToolCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { run } from '../stream/filter.js';
import { parseArguments } from '../stream/options.js';
import { say } from '../stream/say.js';
import type { Stage, TextSink } from '../stream/stage.js';
import { outputFor, partOf, stayLean } from './main.js';
import { type PipePart, parsePipe } from './pipe-language.js';
import { findCommand, nearestName } from './registry.js';
import { optionsOf } from './shared-options.js';

const PROGRAM = 'tracer pipe';

interface Part {
  command: Command;
  options: Options;
  args: string[];
  operands?: string[] | undefined;
  column: number;
}

export const command: ToolCommand = {
  kind: 'tool',
  name: 'pipe',
  summary: 'run a source, filters and a view in one process',
  description:
    'The parts are written as in a shell, without the prefix tracer-. Nothing is printed and parsed again between them, and the output is the same as that of the separate filters. When the first part is a filter, events are read from stdin. Quotes and backslashes work as in a shell; variables, globs and redirections do not.',
  arguments: '<pipeline...>',
  options: [],
  examples: [
    { run: "sudo tracer pipe 'ssl -c node | http | show'", shows: 'watch what node says over TLS, as text' },
    { run: `tracer pipe 'replay session.ndjson | http' | jq -r '.data.path // empty'`, shows: 'the paths of a recorded session' },
    { run: "tracer pipe 'http | show --chat' < session.ndjson", shows: 'from stdin' },
  ],
  async run(_options, words) {
    return runPipe(words.join(' '));
  },
};

async function runPipe(text: string): Promise<number> {
  const parts: Part[] = [];
  for (const part of parsePipe(text)) parts.push(await loadPart(part));
  const [first, last] = [parts[0] as Part, parts[parts.length - 1] as Part];
  for (const part of parts) checkPlace(part, part === first, part === last);

  const warn = (sentence: string): void => say(PROGRAM, sentence);
  const stages: Stage[] = [];
  let sink: TextSink | undefined;
  for (const part of parts) {
    if (part.command.kind === 'source') continue;
    const made = await partOf(part.command, part.options);
    if ('sink' in made) sink = made.sink;
    else stages.push(...made.stages);
  }
  const { command } = first;
  stayLean(command);
  if (command.kind !== 'source') return run({ stages, sink, output: await outputFor({}, warn, false), warn });
  const source = await (command as SourceCommand).open(first.options, first.args, first.operands);
  return run({
    source,
    stages,
    sink,
    output: await outputFor(first.options, warn, sink === undefined),
    statusOfCommand: command.takesCommand === true && first.args.length > 0,
    warn,
  });
}

async function loadPart({ words, column }: PipePart): Promise<Part> {
  const name = (words[0] as string).replace(/^tracer-/, '');
  const command = await findCommand(name);
  if (command === undefined) {
    const near = nearestName(name);
    throw new CommandError(
      EXIT.usage,
      `column ${column}: there is no command "${name}"`,
      near === undefined ? 'tracer help lists them' : `Did you mean ${near}?`,
    );
  }
  try {
    const { options, args, operands, wants } = await parseArguments(command, optionsOf(command), words.slice(1), process.env);
    if (wants !== undefined)
      throw new CommandError(EXIT.usage, `--${wants} does not work inside a pipeline`, `Run tracer ${name} --${wants}`);
    return { command, options, args, operands, column };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(error.status, `column ${column}: ${name}: ${error.message}`, error.next);
  }
}

/** A source may only be first, a view only last, and a source with -o has no next. */
function checkPlace({ command, options, column }: Part, isFirst: boolean, isLast: boolean): void {
  const refuse = (why: string, next: string): never => {
    throw new CommandError(EXIT.usage, `column ${column}: ${command.name} ${why}`, next);
  };
  if (command.kind === 'tool') refuse('is no part of a pipeline', `Run it alone: tracer ${command.name}`);
  if (command.kind === 'source' && !isFirst) refuse('makes events and reads none', 'Put it first');
  if (command.kind === 'sink' && !isLast) refuse('writes text for people', 'Put it last');
  if (options.output !== undefined && !isLast)
    refuse('would write to its own file, and nothing would reach the next part', 'Leave out -o, or write ... > FILE after the pipeline');
}
