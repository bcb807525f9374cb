/** Writes man/*.1 and completions/ from the commands' tables. Part of the build; neither is committed. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { programOf } from '../lib/commands/help.js';
import { version } from '../lib/commands/main.js';
import { commandNames, findCommand } from '../lib/commands/registry.js';
import type { Command } from '../lib/stream/command.js';
import { bashCompletion, fishCompletion, zshCompletion } from './completion.js';
import { manPage, umbrellaPage } from './man-page.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const commands: Command[] = [];
for (const name of commandNames) {
  const command = await findCommand(name);
  if (command !== undefined) commands.push(command);
}

for (const directory of ['man', 'completions']) rmSync(`${root}${directory}`, { recursive: true, force: true });
for (const directory of ['man', 'completions/bash', 'completions/zsh', 'completions/fish'])
  mkdirSync(`${root}${directory}`, { recursive: true });
const write = (file: string, text: string): void => writeFileSync(`${root}${file}`, text);

write('man/tracer.1', umbrellaPage(commands, version()));
write('completions/bash/tracer.bash', bashCompletion(commands, true));
write('completions/zsh/_tracer', zshCompletion(commands));
write('completions/fish/tracer.fish', fishCompletion(commands, true));
for (const command of commands) {
  const program = programOf(command.name);
  write(`man/${program.replace(' ', '-')}.1`, manPage(command, version()));
  if (program.includes(' ')) continue;
  write(`completions/bash/${program}.bash`, bashCompletion([command], false));
  write(`completions/fish/${program}.fish`, fishCompletion([command], false));
}
