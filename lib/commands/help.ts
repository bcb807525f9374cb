/** The text of `--help`, made from a command's page. */
import type { Command, OptionSpec } from '../stream/command.js';
import { flagsOf, variableOf } from '../stream/options.js';
import { optionsOf } from './shared-options.js';

/** How a command is called at a shell. */
export function programOf(name: string): string {
  return ['pipe', 'doctor', 'ssl-probe'].includes(name) ? `tracer ${name}` : `tracer-${name}`;
}

/** `tracer-http [options]`, `tracer-replay [options] <file...>`. */
export function usageOf(command: Command): string {
  const words = [programOf(command.name), '[options]'];
  if (command.arguments !== undefined) words.push(command.arguments);
  if (command.kind === 'source' && command.takesCommand === true) words.push('[-- COMMAND [ARGUMENT...]]');
  return words.join(' ');
}

/** The left column of an option: `-p, --pid <pid>`. */
export function termOf(option: OptionSpec): string {
  const { short, long, value, many } = flagsOf(option);
  const flags = short === undefined ? `    ${long}` : `${short}, ${long}`;
  return value === undefined ? flags : `${flags} <${value}>${many ? ',…' : ''}`;
}

/** What is said about an option beyond its description: choices, default. */
export function remarkOf(option: OptionSpec): string {
  const remarks: string[] = [];
  if (option.choices !== undefined) remarks.push(`One of ${option.choices.join(', ')}.`);
  if (option.default !== undefined && option.default !== false) {
    const { default: value } = option;
    remarks.push(`Default: ${option.type === 'bytes' && typeof value === 'number' ? formatBytes(value) : value}.`);
  }
  return remarks.join(' ');
}

/** `8 MiB`, `64 KiB`, `1000 bytes`: the largest unit that divides it. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value} ${units[unit]}`;
}

/** Breaks text into lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** What a command does with stdin and stdout, in one line. */
function manners(command: Command): string {
  if (command.kind === 'source') return 'Writes events to stdout, one JSON object per line.';
  if (command.kind === 'analyzer')
    return 'Reads events from stdin and writes events to stdout, one JSON object per line. What it does not know passes unchanged.';
  if (command.kind === 'sink') return 'Reads events from stdin and writes text for people to stdout.';
  return '';
}

export function helpOf(command: Command, width = 100): string {
  const out: string[] = [`${programOf(command.name)}: ${command.summary}`, '', `Usage: ${usageOf(command)}`, ''];
  for (const paragraph of [...command.description.split(/\n\s*\n/), manners(command)]) {
    if (paragraph.trim() !== '') out.push(...wrap(paragraph.trim(), width), '');
  }
  out.push('Options:');
  const rows = optionsOf(command).map((option) => [termOf(option), `${option.description} ${remarkOf(option)}`.trim()] as const);
  rows.push(['-h, --help', 'Show this.'], ['-V, --version', 'Show the version.']);
  const column = Math.min(32, Math.max(...rows.map(([term]) => term.length)) + 4);
  for (const [term, text] of rows) {
    const lines = wrap(text, width - column);
    const left = `  ${term}`;
    if (left.length + 2 > column) out.push(left);
    else out.push(left.padEnd(column) + (lines.shift() ?? ''));
    for (const line of lines) out.push(' '.repeat(column) + line);
  }
  const example = command.options[0];
  out.push('');
  if (example !== undefined)
    out.push(...wrap(`Every option can be set in the environment too: ${flagsOf(example).long} as ${variableOf(example)}.`, width), '');
  if (command.examples.length > 0) {
    out.push('Examples:');
    for (const { run, shows } of command.examples) out.push(`  # ${shows}`, `  ${run}`, '');
  }
  return `${out.join('\n').trimEnd()}\n`;
}
