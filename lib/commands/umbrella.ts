/** `tracer NAME …` runs `tracer-NAME …`; `tracer help` lists what there is. */
import { writeSync } from 'node:fs';
import { CommandError, EXIT } from '../stream/exit.js';
import { helpOf, programOf } from './help.js';
import { main, statusOf, version } from './main.js';
import { commandNames, findCommand, nearestName } from './registry.js';

const KINDS = [
  ['source', 'Sources write events:'],
  ['analyzer', 'Analyzers read events and write events:'],
  ['sink', 'Sinks read events and write text:'],
  ['tool', 'Tools:'],
] as const;

export async function umbrella(argv: readonly string[] = process.argv.slice(2)): Promise<never> {
  const [name = 'help', ...rest] = argv;
  process.exit(
    await statusOf('tracer', async () => {
      if (name === '--version' || name === '-V') return print(`tracer ${version()}\n`);
      if (name === 'help' || name === '--help' || name === '-h') return print(await helpText(rest[0]));
      const plain = name.replace(/^tracer-/, '');
      if (commandNames.includes(plain)) return main(plain, rest);
      throw unknown(name);
    }),
  );
}

function unknown(name: string): CommandError {
  const near = nearestName(name);
  return new CommandError(
    EXIT.usage,
    `there is no command "${name}"`,
    near === undefined ? 'tracer help lists them' : `Did you mean tracer ${near}? tracer help lists all`,
  );
}

async function helpText(name: string | undefined): Promise<string> {
  if (name !== undefined) {
    const command = await findCommand(name.replace(/^tracer-/, ''));
    if (command === undefined) throw unknown(name);
    return helpOf(command);
  }
  const lines = [
    'tracer: see what AI agents really do on this host, with small filters that speak NDJSON',
    '',
    'Usage: tracer COMMAND [options]      the same as tracer-COMMAND [options]',
    '       tracer help COMMAND           what a command does, its options, examples',
    '',
  ];
  const commands = await Promise.all(commandNames.map((each) => findCommand(each)));
  for (const [kind, title] of KINDS) {
    const some = commands.filter((command) => command?.kind === kind);
    if (some.length === 0) continue;
    lines.push(title);
    for (const command of some) if (command !== undefined) lines.push(`  ${programOf(command.name).padEnd(18)} ${command.summary}`);
    lines.push('');
  }
  lines.push('Try: sudo tracer-ssl -c python3 | tracer-http | tracer-show', '     tracer doctor says what this host can do.');
  return `${lines.join('\n')}\n`;
}

function print(text: string): number {
  try {
    writeSync(1, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
  return EXIT.ok;
}
