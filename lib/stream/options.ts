/**
 * Reads a command's arguments by its option table: the only place where options are written down (command.ts). Values
 * come from the command line, else from `TRACER_<OPTION>` in the environment, else from the table.
 */
import type { Option } from 'commander';
import type { Command, OptionSpec, Options } from './command.js';
import { CommandError, EXIT } from './exit.js';

/** Flags taken apart: `-p, --pid <pid...>` is `{ short: '-p', long: '--pid', value: 'pid', many: true }`. */
export interface Flags {
  short?: string;
  long: string;
  /** The name of the value; absent for a switch. */
  value?: string;
  many: boolean;
}

export function flagsOf(option: OptionSpec): Flags {
  const match = /^(?:(-\w),\s*)?(--[\w-]+)(?:[ =][<[]([^>\]]+?)(\.\.\.)?[>\]])?$/.exec(option.flags);
  if (match?.[2] === undefined) throw new Error(`option table: cannot read the flags "${option.flags}"`);
  return {
    ...(match[1] === undefined ? {} : { short: match[1] }),
    long: match[2],
    ...(match[3] === undefined ? {} : { value: match[3] }),
    many: match[4] !== undefined || option.type === 'list' || option.type === 'pids',
  };
}

/** The name under which a value is found in {@link Options}: `--body-limit` is `bodyLimit`, `--no-children` is `children`. */
export function keyOf(option: OptionSpec): string {
  return flagsOf(option)
    .long.replace(/^--(no-)?/, '')
    .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The environment variable that sets an option: `--body-limit` is `TRACER_BODY_LIMIT`. */
export function variableOf(option: OptionSpec): string {
  return `TRACER_${flagsOf(option).long.slice(2).replaceAll('-', '_').toUpperCase()}`;
}

const UNITS: Record<string, number> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `8MiB`, `64k`, `1.5G`, `4096`: units are powers of 1024. Undefined when it is no such thing. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? '').toLowerCase()];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Why a value is refused: goes after `option --pid: `. */
class Refused extends Error {}

function oneOf(option: OptionSpec, text: string): string {
  if (option.choices !== undefined && !option.choices.includes(text)) {
    throw new Refused(`"${text}" is none of ${option.choices.join(', ')}`);
  }
  return text;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Reads one value of the command line or the environment. */
function read(option: OptionSpec, text: string): unknown {
  switch (option.type) {
    case 'bytes': {
      const bytes = parseBytes(text);
      if (bytes === undefined) throw new Refused(`"${text}" is not a size. Write it like 65536, 64k or 8MiB`);
      return bytes;
    }
    case 'count': {
      if (!/^\d{1,15}$/.test(text)) throw new Refused(`"${text}" is not a whole number`);
      return Number(text);
    }
    case 'list': {
      const items = listOf(text);
      if (items.length === 0) throw new Refused('needs a value');
      return items.map((item) => oneOf(option, item));
    }
    case 'pids': {
      const pids = listOf(text);
      if (pids.length === 0) throw new Refused('needs a process id');
      return pids.map((pid) => {
        if (!/^[1-9]\d{0,9}$/.test(pid)) throw new Refused(`"${pid}" is not a process id. To choose by name use -c`);
        return Number(pid);
      });
    }
    default:
      if (text === '') throw new Refused('needs a value');
      return oneOf(option, text);
  }
}

function readSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off|)$/i.test(text)) return false;
  throw new Refused(`"${text}" is neither 1 nor 0`);
}

/** Values that the environment sets, by key. */
function fromEnvironment(options: readonly OptionSpec[], env: NodeJS.ProcessEnv): Options {
  const values: Options = {};
  for (const option of options) {
    const name = variableOf(option);
    const text = env[name];
    if (text === undefined) continue;
    try {
      if (option.type === 'boolean') values[keyOf(option)] = readSwitch(text) !== flagsOf(option).long.startsWith('--no-');
      else if (text !== '') values[keyOf(option)] = read(option, text);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new CommandError(EXIT.usage, `environment variable ${name}: ${error.message}`, `Correct it, or unset ${name}`);
    }
  }
  return values;
}

function toCommander(option: OptionSpec, { Option }: typeof import('commander')): Option {
  const flags = flagsOf(option);
  // Never variadic: `-p 12 file` must leave `file` alone. Lists are repeated or have commas.
  const made = new Option(option.flags.replace('...', ''), option.description);
  if (flags.value === undefined) return made;
  made.argParser((text: string, before: unknown) => {
    try {
      const value = read(option, text);
      return flags.many && Array.isArray(value) ? [...(Array.isArray(before) ? before : []), ...value] : value;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new CommandError(EXIT.usage, `option ${flags.long}: ${error.message}`);
    }
  });
  return made;
}

export interface Parsed {
  options: Options;
  /** Positional arguments; for a sensor, the command after `--`. */
  args: string[];
  /** Of a guard: its positional arguments. */
  operands?: string[];
  /** `--help` or `--version` was asked for, and nothing else counts. */
  wants?: 'help' | 'version';
}

/** Positional arguments that the command line may and must have: `[file...]` is 0 to any number. */
function arity(usage: string | undefined): { least: number; most: number } {
  const words = usage?.split(/\s+/).filter((word) => word !== '') ?? [];
  return {
    least: words.filter((word) => word.startsWith('<')).length,
    most: words.some((word) => word.includes('...')) ? Number.POSITIVE_INFINITY : words.length,
  };
}

/** What stands on the command line: values by key, and the words that belong to no option. */
interface Given {
  values: Options;
  words: string[];
}

/** Has commander take the command line apart. It is loaded only when there is something to take apart: it costs 10 ms. */
async function readCommandLine(argv: readonly string[], options: readonly OptionSpec[], hint: string): Promise<Given> {
  if (argv.length === 0) return { values: {}, words: [] };
  const commander = await import('commander');
  const parser = new commander.Command();
  parser.exitOverride().configureOutput({ writeOut() {}, writeErr() {} });
  parser.allowExcessArguments(true).helpOption(false).argument('[words...]');
  parser.option('-h, --help').option('-V, --version');
  for (const option of options) parser.addOption(toCommander(option, commander));
  try {
    parser.parse(argv as string[], { from: 'user' });
  } catch (error) {
    if (!(error instanceof commander.CommanderError)) throw error;
    throw new CommandError(EXIT.usage, error.message.replace(/^error: /, '').replace(/\n/g, ' '), hint);
  }
  const values = Object.entries(parser.opts<Options>()).filter(([key]) => parser.getOptionValueSource(key) === 'cli');
  return { values: Object.fromEntries(values), words: parser.args };
}

/** What holds where neither the command line nor the environment says anything. */
function defaults(options: readonly OptionSpec[]): Options {
  const values: Options = {};
  for (const option of options) {
    const { default: value } = option;
    if (value !== undefined) values[keyOf(option)] = typeof value === 'string' ? read(option, value) : value;
    else if (option.type === 'boolean') values[keyOf(option)] = flagsOf(option).long.startsWith('--no-');
  }
  return values;
}

/**
 * Parses `argv` (without node and script). Throws a {@link CommandError} with status 64 on anything that is wrong.
 * `options` is the command's table with the shared ones added.
 */
export async function parseArguments(
  command: Command,
  options: readonly OptionSpec[],
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Parsed> {
  const program = command.kind === 'tool' ? `tracer ${command.name}` : `tracer-${command.name}`;
  const hint = `See ${program} --help`;
  const takesCommand = command.kind === 'source' && command.takesCommand === true;
  const dashes = takesCommand ? argv.indexOf('--') : -1;
  const { values, words } = await readCommandLine(dashes < 0 ? argv : argv.slice(0, dashes), options, hint);
  if (values.help === true) return { options: {}, args: [], wants: 'help' };
  if (values.version === true) return { options: {}, args: [], wants: 'version' };

  const merged = { ...defaults(options), ...fromEnvironment(options, env), ...values };
  const { least, most } = arity(command.arguments);
  if (takesCommand) {
    if (words.length > most) {
      const next = `To run a command under watch write -- before it: ${program} -- ${words.slice(most).join(' ')}`;
      throw new CommandError(EXIT.usage, `unexpected argument "${words[most]}"`, next);
    }
    const watched = dashes < 0 ? [] : argv.slice(dashes + 1);
    if (dashes >= 0 && watched.length === 0) {
      throw new CommandError(EXIT.usage, 'no command after --', `Write ${program} -- COMMAND [ARGUMENT...]`);
    }
    return { options: merged, args: watched, operands: words };
  }
  if (words.length > most) {
    const readsStdin = command.kind === 'analyzer' || command.kind === 'sink';
    const next = readsStdin ? `Events come from stdin: tracer-replay ${words[most]} | ${program}` : hint;
    throw new CommandError(EXIT.usage, `unexpected argument "${words[most]}"`, next);
  }
  if (words.length < least) throw new CommandError(EXIT.usage, `needs ${command.arguments}`, hint);
  return { options: merged, args: words };
}
