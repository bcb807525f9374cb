/** What a workload itself counted and hashed: the other side of every live test's comparison. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Moved {
  bytes: number;
  sha256: string;
}

/** One end of one TLS session, as the process that had it tells it. */
export interface SessionTruth {
  /** The workload's own name for it. */
  conn: string;
  pid?: number;
  /** The name of the session that this is a forked copy of. */
  parent?: string;
  requests?: number;
  read: Moved;
  write: Moved;
}

type Line = Record<string, unknown>;

/** The lines of a workload's report; [] when there is none yet. */
export function readReport(file: string): Line[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Line);
}

/** The sessions of a workload's report. */
export function readTruth(file: string): SessionTruth[] {
  return readReport(file)
    .filter((line) => typeof line.conn === 'string' && line.read_bytes !== undefined)
    .map((line) => ({
      conn: line.conn as string,
      pid: line.pid as number,
      ...(line.parent ? { parent: line.parent as string } : {}),
      ...(line.requests === undefined ? {} : { requests: line.requests as number }),
      read: { bytes: line.read_bytes as number, sha256: line.read_sha256 as string },
      write: { bytes: line.write_bytes as number, sha256: line.write_sha256 as string },
    }));
}

/** Waits until the report has a line with this field; rejects after `ms` milliseconds. */
export async function reported(file: string, field: string, ms = 15000): Promise<Line> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(10)) {
    const line = readReport(file).find((l) => field in l);
    if (line) return line;
  }
  throw new Error(`no ${field} in ${file} within ${ms} ms`);
}
