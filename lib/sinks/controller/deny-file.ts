/**
 * A deny-file that a controller writes: its own lines beside those of others, which stay as they are. Written whole into
 * a new file that takes the old one's place, by one controller at a time.
 */
import { closeSync, linkSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseDenyFile } from '../../policy/deny-file.js';
import { CommandError, EXIT } from '../../stream/exit.js';

/** Behind each line of ours. */
const MARK = '# by tracer-controller';

export interface OwnEntry {
  /** As the deny-file has it. */
  text: string;
  /** Why: for people. */
  reason: string;
  /** Milliseconds since 1970; absent: for good. */
  until?: number;
}

/** Whether a line would be one entry about the network. What comes from events is somebody else's text. */
export function isEntry(text: string): boolean {
  if (/[\s#]/.test(text)) return false;
  const { entries, errors } = parseDenyFile(Buffer.from(text));
  return errors.length === 0 && entries.length === 1 && entries[0]?.kind === 'egress';
}

/** What stands behind the mark: nothing that could end the comment or drive a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

export class OwnedDenyFile {
  readonly path: string;
  readonly #own = new Map<string, OwnEntry>();
  readonly #lock: string;

  /** Takes the lock, and takes over what an earlier controller wrote. @throws CommandError when another one has it */
  constructor(path: string) {
    this.path = path;
    this.#lock = `${path}.lock`;
    lock(this.#lock);
    for (const line of this.#lines()) {
      const own = ownOf(line);
      if (own !== undefined) this.#own.set(own.text, own);
    }
  }

  get size(): number {
    return this.#own.size;
  }

  /** True when it is new; an entry with a time of its own begins anew. */
  add(entry: OwnEntry): boolean {
    const known = this.#own.get(entry.text);
    this.#own.set(entry.text, entry);
    return known === undefined;
  }

  /** Takes out what is over at `now`; those entries. */
  expire(now: number): OwnEntry[] {
    const over = [...this.#own.values()].filter(({ until }) => until !== undefined && until <= now);
    for (const { text } of over) this.#own.delete(text);
    return over;
  }

  /** When the next one is over; undefined when none ever is. */
  nextEnd(): number | undefined {
    const ends = [...this.#own.values()].flatMap(({ until }) => until ?? []);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** @throws CommandError */
  write(): void {
    const others = this.#lines().filter((line) => ownOf(line) === undefined);
    const own = [...this.#own.values()].map(
      ({ text, reason, until }) =>
        `${text} ${MARK}${until === undefined ? '' : ` until ${new Date(until).toISOString()}`}: ${printable(reason)}`,
    );
    const fresh = join(dirname(this.path), `.${process.pid}.tracer-controller`);
    try {
      writeFileSync(fresh, [...others, ...own, ''].join('\n'), { mode: modeOf(this.path) });
      renameSync(fresh, this.path);
    } catch (error) {
      throw new CommandError(
        EXIT.io,
        `cannot write ${this.path}: ${(error as NodeJS.ErrnoException).code}`,
        'The file before it stays; nothing was lifted',
      );
    }
  }

  close(): void {
    try {
      unlinkSync(this.#lock);
    } catch {
      // Somebody has tidied up.
    }
  }

  #lines(): string[] {
    try {
      const lines = readFileSync(this.path, 'utf8').split('\n');
      if (lines.at(-1) === '') lines.pop();
      return lines;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new CommandError(EXIT.io, `cannot read ${this.path}: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
}

function ownOf(line: string): OwnEntry | undefined {
  const at = line.indexOf(` ${MARK}`);
  if (at <= 0) return undefined;
  const found = /^(?: until (\S+))?: (.*)$/.exec(line.slice(at + 1 + MARK.length));
  if (found === null) return undefined;
  const until = found[1] === undefined ? undefined : Date.parse(found[1]);
  return { text: line.slice(0, at), reason: found[2] ?? '', ...(until === undefined || Number.isNaN(until) ? {} : { until }) };
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return 0o644;
  }
}

/** Our pid in a file that only one can make. One whose writer is gone is taken over. */
function lock(path: string): void {
  const own = `${path}.${process.pid}`;
  try {
    closeSync(openSync(own, 'w', 0o600));
    writeFileSync(own, `${process.pid}\n`);
    for (let tries = 0; tries < 3; tries++) {
      try {
        linkSync(own, path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = Number(readFileSync(path, 'utf8'));
        if (holder > 0 && isAlive(holder))
          throw new CommandError(
            EXIT.config,
            `process ${holder} writes this deny-file already`,
            `End it first; or, if it is no controller, remove ${path}`,
          );
        unlinkSync(path);
      }
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      EXIT.io,
      `cannot lock with ${path}: ${(error as NodeJS.ErrnoException).code}`,
      'The directory of the deny-file must be writable',
    );
  } finally {
    try {
      unlinkSync(own);
    } catch {
      // It was never made.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
