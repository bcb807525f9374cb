/**
 * What a command is: the registry in lib/commands holds one of these per command, and the parser, `--help`, the man
 * page, shell completion, the README table and `tracer pipe` are all made from it.
 */
import type { Source } from './source.js';
import type { Stage, TextSink } from './stage.js';

export interface OptionSpec {
  /** As commander writes them: `-p, --pid <pid...>`, `--keep`, `--body-limit <bytes>`. */
  flags: string;
  /** One sentence for `--help`, the man page and completion. */
  description: string;
  /** How the value is read. `list` options are repeatable or comma-separated. Flags without a value are `boolean`. */
  type: 'boolean' | 'string' | 'bytes' | 'count' | 'list' | 'pids';
  default?: string | number | boolean;
  choices?: readonly string[];
  /** What completion offers for the value. */
  completes?: 'file' | 'directory' | 'pid' | 'comm';
  /** Changes the output of an analyzer, so it is part of its stream id. */
  changesOutput?: boolean;
}

/** Parsed values by camelCase name: `--body-limit` is `bodyLimit`. */
export type Options = Record<string, unknown>;

export interface Example {
  /** A shell line. */
  run: string;
  /** What it shows. */
  shows: string;
}

interface CommandBase {
  /** The plain name, as in `tracer pipe`: `ssl`, `http`, `show`. Installed as `tracer-<name>`. */
  name: string;
  /** One line, for lists. */
  summary: string;
  /** Paragraphs for `--help` and the man page. */
  description: string;
  options: readonly OptionSpec[];
  /** Positional arguments, as commander writes them: `[file...]`. */
  arguments?: string;
  examples: readonly Example[];
}

export interface SourceCommand extends CommandBase {
  kind: 'source';
  /** True for sensors: they take `-- COMMAND…`. */
  takesCommand?: boolean;
  /** Stdout is the command's: without -o, events go through this view to stderr. */
  view?(terminal: { color: boolean; columns: number }): { stages: Stage[]; sink: TextSink };
  /** `operands`: positional arguments of one that takes a command, too. */
  open(options: Options, args: readonly string[], operands?: readonly string[]): Source | Promise<Source>;
}

export interface AnalyzerCommand extends CommandBase {
  kind: 'analyzer';
  /** It has no `--keep`: what it replaces is not to be passed on. */
  replaces?: true;
  stage(options: Options): Stage;
}

export interface SinkCommand extends CommandBase {
  kind: 'sink';
  sink(options: Options, terminal: { color: boolean; columns: number; rows?: number }): TextSink | Promise<TextSink>;
}

/** A command that neither reads nor writes events: `doctor`, `pipe`. */
export interface ToolCommand extends CommandBase {
  kind: 'tool';
  /** Resolves with the exit status. */
  run(options: Options, args: readonly string[]): Promise<number>;
}

export type Command = SourceCommand | AnalyzerCommand | SinkCommand | ToolCommand;
