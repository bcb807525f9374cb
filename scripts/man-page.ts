/** A command's page as a man page: man(7) macros, from the same table as `--help`. */
import { programOf, remarkOf, usageOf } from '../lib/commands/help.js';
import { optionsOf } from '../lib/commands/shared-options.js';
import type { Command } from '../lib/stream/command.js';
import { EXIT } from '../lib/stream/exit.js';
import { flagsOf, variableOf } from '../lib/stream/options.js';

/** Text as roff: backslashes and hyphens kept, no line that begins like a macro. */
function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(/[^\0-\x7f]/gu, (char) => `\\[u${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0')}]`);
}

function paragraphs(text: string): string[] {
  return text
    .split(/\n\s*\n/)
    .map((each) => each.trim().replace(/\s*\n\s*/g, ' '))
    .filter((each) => each !== '');
}

/** What the exit statuses mean, in words: docs/events.md, promise 10. */
const STATUS: readonly [number, string][] = [
  [EXIT.ok, 'All went well; also when the reader went away, or after SIGINT or SIGTERM.'],
  [EXIT.usage, 'The command line is wrong.'],
  [EXIT.malformed, 'The input had lines that are no JSON object; they are in the output as malformed events.'],
  [EXIT.unavailable, 'The kernel lacks something that is needed.'],
  [EXIT.io, 'Reading or writing failed.'],
  [EXIT.permission, 'Not permitted.'],
  [EXIT.config, 'A configuration was refused.'],
];

/** The page for `man tracer-http`. `version` is the package's. */
export function manPage(command: Command, version: string): string {
  const page = programOf(command.name).replace(' ', '-');
  const out = [
    `.TH ${page.toUpperCase()} 1 "" "tracer ${version}" "Tracer"`,
    '.SH NAME',
    `${roff(page)} \\- ${roff(command.summary)}`,
    '.SH SYNOPSIS',
    `.B ${roff(usageOf(command))}`,
    '.SH DESCRIPTION',
  ];
  for (const paragraph of paragraphs(command.description)) out.push('.PP', roff(paragraph));
  out.push('.SH OPTIONS');
  for (const option of optionsOf(command)) {
    const { short, long, value, many } = flagsOf(option);
    const names = [short, long].filter((name) => name !== undefined).map((name) => `\\fB${roff(name)}\\fR`);
    out.push('.TP', `${names.join(', ')}${value === undefined ? '' : ` \\fI${roff(value)}\\fR`}${many ? ',...' : ''}`);
    out.push(roff(`${option.description} ${remarkOf(option)}`.trim()), `.br`, `Environment: \\fB${roff(variableOf(option))}\\fR`);
  }
  out.push(
    '.TP',
    '\\fB\\-h\\fR, \\fB\\-\\-help\\fR',
    'Show a short help.',
    '.TP',
    '\\fB\\-V\\fR, \\fB\\-\\-version\\fR',
    'Show the version.',
  );
  if (command.examples.length > 0) {
    out.push('.SH EXAMPLES');
    for (const { run, shows } of command.examples)
      out.push('.PP', `${roff(shows.charAt(0).toUpperCase() + shows.slice(1))}:`, '.PP', '.nf', '.RS', roff(run), '.RE', '.fi');
  }
  out.push('.SH EXIT STATUS');
  for (const [status, meaning] of STATUS) out.push('.TP', `.B ${status}`, roff(meaning));
  if (command.kind === 'source' && command.takesCommand === true) {
    out.push(
      '.PP',
      roff(
        'With -- COMMAND the status is that of the command, 128 plus the signal number if a signal ended it, 125 if Tracer itself failed, 126 if the command cannot be run and 127 if it is not found.',
      ),
    );
  }
  out.push('.SH SEE ALSO', '.BR tracer (1)');
  return `${out.join('\n')}\n`;
}

/** What somebody new should type first. */
const FIRST_LINES: readonly [string, string][] = [
  ['What can this host do?', 'tracer doctor'],
  [
    'What does a command say over TLS? One line for everything that happens:',
    'sudo tracer-ssl -- curl -s https://example.org | tracer-http | tracer-show',
  ],
  ['What do an agent and its model say to each other?', 'sudo tracer-ssl -c python3 | tracer-http | tracer-show --chat'],
  [
    'Record now, look later:',
    'sudo tracer-ssl -c python3 -o session.ndjson\ntracer-replay session.ndjson | tracer-http | tracer-show --chat',
  ],
];

/** `man tracer`: the list of commands. */
export function umbrellaPage(commands: readonly Command[], version: string): string {
  const out = [
    `.TH TRACER 1 "" "tracer ${version}" "Tracer"`,
    '.SH NAME',
    'tracer \\- see what AI agents really do on a Linux host',
    '.SH SYNOPSIS',
    '.B tracer',
    '\\fICOMMAND\\fR [options]',
    '.SH DESCRIPTION',
    roff(
      'Small filters that speak NDJSON: sources write events, analyzers make events of events, sinks print them for people. tracer NAME is the same as tracer-NAME.',
    ),
    '.SH COMMANDS',
  ];
  for (const command of commands) out.push('.TP', `.B ${roff(programOf(command.name))}`, roff(command.summary));
  out.push('.SH EXAMPLES');
  for (const [shows, run] of FIRST_LINES) out.push('.PP', roff(shows), '.PP', '.nf', '.RS', roff(run), '.RE', '.fi');
  const pages = commands.map((command) => `.BR ${roff(programOf(command.name).replace(' ', '-'))} (1)`);
  out.push('.SH SEE ALSO', pages.join(' ,\n'));
  return `${out.join('\n')}\n`;
}
