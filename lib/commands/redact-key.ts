/** `--redact-key FILE` of tracer-http and tracer-redact. */
import { readFileSync } from 'node:fs';
import type { Options } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';

/** The key's file is read as it is: every byte counts. */
export function redactKey(options: Options): { redactKey?: Uint8Array } {
  const file = options.redactKey;
  if (typeof file !== 'string') return {};
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (error) {
    throw new CommandError(
      EXIT.config,
      `cannot read the key ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`,
      'Make one with: head -c 32 /dev/urandom > FILE',
    );
  }
  if (key.length === 0) throw new CommandError(EXIT.config, `the key ${file} is empty`, 'Make one with: head -c 32 /dev/urandom > FILE');
  return { redactKey: key };
}
