/** `--providers FILE`: a user's own lines before the built-in table of providers. Shared by the commands that know one. */
import { MOST_ENTRIES, ProviderTable, readLine } from '../match/providers.js';
import type { OptionSpec, Options } from '../stream/command.js';
import { readTableFile } from './table-file.js';

export const PROVIDERS_OPTION: OptionSpec = {
  flags: '--providers <file>',
  type: 'string',
  completes: 'file',
  description:
    'Lines of "provider host[:port][/path]" that come before the built-in table; - as the provider means nobody. A host stands for itself and all below it.',
  changesOutput: true,
};

/** The table that the options ask for. @throws CommandError with file and line */
export function providerTable(options: Options): ProviderTable {
  const file = options.providers;
  if (typeof file !== 'string') return new ProviderTable();
  return new ProviderTable(readTableFile(file, { of: 'providers', most: MOST_ENTRIES, readLine, example: 'openai llm.example.com/v1' }));
}
