/** What the benchmark prints, and docs/benchmarks.md: one table with the machine above it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Row {
  /** What is measured. */
  what: string;
  /** The other side, in the same run. */
  against: string;
  /** Our figure with its unit and spread. */
  ours: string;
  /** Theirs. */
  theirs: string;
  /** The ratio or figure that the bar is about. */
  ratio: string;
  /** What was to be reached. */
  bar: string;
  /** Undefined where nothing can be said: a side is missing. */
  met?: boolean;
  /** A sentence below the table. */
  note?: string;
}

export interface Machine {
  date: string;
  kernel: string;
  cpu: string;
  memory: string;
  node: string;
  commit: string;
  load: string;
}

export function machine(): Machine {
  const git = (...args: string[]): string => {
    try {
      return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return '';
    }
  };
  const model = /^model name\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1] ?? cpus()[0]?.model ?? 'unknown';
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    kernel: release(),
    cpu: `${cpus().length} × ${model}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    commit: `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes'}`,
    load: loadavg()
      .map((value) => value.toFixed(1))
      .join(' '),
  };
}

/** Markdown, aligned so that it reads in a terminal as well. */
export function markdown(rows: readonly Row[], where: Machine, rounds: number): string {
  const cells = rows.map((row) => [
    row.what,
    row.against,
    row.ours,
    row.theirs,
    row.ratio,
    row.bar,
    row.met === undefined ? '–' : row.met ? 'yes' : 'no',
  ]);
  const head = ['what', 'against', 'tracer', 'the other', 'figure', 'bar', 'met'];
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => (row[column] as string).length)));
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`;
  const notes = rows.filter((row) => row.note !== undefined).map((row) => `- ${row.what}: ${row.note}`);
  return [
    `${where.date} UTC · commit ${where.commit} · Linux ${where.kernel} · ${where.cpu} · ${where.memory} · Node ${where.node} · load ${where.load}`,
    '',
    `Medians of ${rounds} rounds (smallest..largest); the sides take turns inside a round. Trust the ratios: the machine is shared.`,
    '',
    line(head),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...cells.map(line),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
  ].join('\n');
}
