/** Runs one command as a process: arguments, help, output file, errors and exit status. Called by the scripts in bin/. */
import { fstatSync, readFileSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import type { Command, Options } from '../stream/command.js';
import { keeping } from '../stream/compose.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { run } from '../stream/filter.js';
import { parseArguments } from '../stream/options.js';
import { type Destination, FdOutput } from '../stream/output.js';
import { say } from '../stream/say.js';
import type { Stage, TextSink } from '../stream/stage.js';
import { helpOf, programOf } from './help.js';
import { findCommand } from './registry.js';
import { optionsOf } from './shared-options.js';

/** EX_SOFTWARE of sysexits(3). */
const INTERNAL = 70;

/** Runs the command `name` with this process's arguments, and ends the process with its status. */
export async function main(name: string, argv: readonly string[] = process.argv.slice(2)): Promise<never> {
  process.exit(await statusOf(programOf(name), () => runCommand(name, argv)));
}

/** The exit status of `work`; what it throws is told on stderr, the last line saying what to do about it. */
export async function statusOf(program: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError) {
      say(program, `${error.message}${error.next === undefined ? '' : `. ${error.next}`}.`.replace(/([.?!])\.+$/, '$1'));
      return error.status;
    }
    say(program, `internal error: ${error instanceof Error ? error.stack : String(error)}`);
    say(program, 'this is a bug in Tracer: please report the lines above.');
    return INTERNAL;
  }
}

async function runCommand(name: string, argv: readonly string[]): Promise<number> {
  const command = await findCommand(name);
  if (command === undefined) throw new CommandError(EXIT.usage, `there is no command "${name}"`, 'tracer help lists them');
  const { options, args, operands, wants } = await parseArguments(command, optionsOf(command), argv, process.env);
  if (wants === 'help') return print(helpOf(command, Math.min(columns(80), 100)));
  if (wants === 'version') return print(`tracer ${version()}\n`);
  if (command.kind === 'tool') return command.run(options, args);
  stayLean(command);
  const program = programOf(name);
  const warn = (sentence: string): void => say(program, sentence);
  if (command.kind !== 'source') {
    hintAtTerminal(program);
    return run({ stages: [], ...(await partOf(command, options)), output: new FdOutput(1), warn });
  }
  const source = await command.open(options, args, operands);
  const view =
    options.output === undefined
      ? command.view?.({ ...terminal(), color: isatty(2) && terminal().color, columns: isatty(2) ? (process.stderr.columns ?? 0) : 0 })
      : undefined;
  return run({
    source,
    stages: view?.stages ?? [],
    sink: view?.sink,
    output: view === undefined ? await outputFor(options, warn, true) : new FdOutput(2),
    statusOfCommand: command.takesCommand === true && args.length > 0,
    warn,
  });
}

/**
 * V8's settings for a filter, which holds little and lives long: a young generation of 1 MiB that does not grow, and an
 * old one that grows by fifths. They save 30 MB and cost some 7 % of CPU time. Sensors make too many events for that.
 */
export function stayLean(command: Command): void {
  if (command.kind === 'source' && command.takesCommand === true) return;
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=20');
}

/** An analyzer or sink as a part of a pipeline. */
export async function partOf(command: Command, options: Options): Promise<{ stages: Stage[] } | { sink: TextSink }> {
  if (command.kind === 'sink') return { sink: await command.sink(options, terminal()) };
  if (command.kind !== 'analyzer') throw new Error(`${command.name} is not a filter`);
  const stage = command.stage(options);
  const ownKeep = command.options.some((option) => /--keep\b/.test(option.flags));
  return { stages: [options.keep === true && !ownKeep ? keeping(stage) : stage] };
}

/**
 * Where events go: `-o FILE`, or stdout, with a warning when it is a file that others can read and `raw` is true:
 * a source's events hold raw traffic.
 */
export async function outputFor(options: Options, warn: (sentence: string) => void, raw: boolean): Promise<Destination> {
  if (typeof options.output === 'string') {
    const { openRecordFile } = await import('../stream/record-file.js');
    return openRecordFile(options.output, typeof options.rotateBytes === 'number' ? options.rotateBytes : undefined);
  }
  if (options.rotateBytes !== undefined) throw new CommandError(EXIT.usage, '--rotate-bytes needs -o FILE');
  const stat = fstatSync(1);
  if (raw && stat.isFile() && (stat.mode & 0o044) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0');
    warn(
      `stdout is a file that others on this host can read (mode ${mode}), and events hold raw traffic. -o FILE makes one with mode 0600.`,
    );
  }
  return new FdOutput(1);
}

/** What stdout can show. */
function terminal(): { color: boolean; columns: number; rows: number } {
  const { env } = process;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0';
  const refused = (env.NO_COLOR !== undefined && env.NO_COLOR !== '') || env.TERM === 'dumb';
  const draws = isatty(1) && env.TERM !== 'dumb';
  return {
    color: forced || (isatty(1) && !refused),
    get columns() {
      return columns(0);
    },
    get rows() {
      return draws && process.stdout.rows > 0 ? process.stdout.rows : 0;
    },
  };
}

/** The width of the terminal, or of `COLUMNS`; `otherwise` when stdout is none. */
function columns(otherwise: number): number {
  if (isatty(1) && process.stdout.columns > 0) return process.stdout.columns;
  const set = Number(process.env.COLUMNS);
  return Number.isInteger(set) && set > 0 ? set : otherwise;
}

function hintAtTerminal(program: string): void {
  if (isatty(0) && isatty(2))
    say(program, `reading events from this terminal, one JSON object per line. Usual is: tracer-ssl … | ${program}`);
}

/** The version of the package that this file belongs to. */
export function version(): string {
  const packageFile = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version;
}

function print(text: string): number {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE')
      throw new CommandError(EXIT.io, `cannot write stdout: ${(error as Error).message}`);
  }
  return EXIT.ok;
}
