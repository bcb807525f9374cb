/** Tables of a user's own, one entry a line: read whole, or refused with file and line. */
import { readFileSync } from 'node:fs';
import { CommandError, EXIT } from '../stream/exit.js';

export interface TableFile<Entry> {
  /** What it is a table of, for the person who gave it. */
  of: string;
  /** Lines that it may have. */
  most: number;
  /** Undefined for a line without an entry. */
  readLine(line: string): { entry: Entry } | { error: string } | undefined;
  /** A good line. */
  example: string;
}

/** @throws CommandError with file and line */
export function readTableFile<Entry>(file: string, { of, most, readLine, example }: TableFile<Entry>): Entry[] {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.config, `cannot read the table of ${of} ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
  const lines = content.split('\n');
  if (lines.length > most) throw new CommandError(EXIT.config, `${file} has ${lines.length} lines`, `A table may have ${most}`);
  return lines.flatMap((line, at) => {
    const read = readLine(line);
    if (read === undefined) return [];
    if ('error' in read) throw new CommandError(EXIT.config, `${file}:${at + 1}: ${read.error}`, `Write lines like "${example}"`);
    return [read.entry];
  });
}
