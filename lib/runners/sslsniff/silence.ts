/** Says for a person why there may be no data: never silent without saying why. */
import type { Process, Processes } from './model.js';
import { linkedTls } from './unreadable.js';

/** Programs that are looked into at most, and sentences that are said at most. */
const MOST = 6;

function nameOf(process: Process): string {
  const exe = process.facts?.exe;
  return process.who?.who.comm ?? (exe === undefined ? `process ${process.pid}` : exe.slice(exe.lastIndexOf('/') + 1));
}

function whyNot(process: Process): string | undefined {
  if (process.spoke || process.readable) return undefined;
  const exe = process.facts?.exe;
  const found = process.unreadable.size > 0 ? [...process.unreadable].join(' and ') : exe === undefined ? undefined : linkedTls(exe);
  return found === undefined ? undefined : `${nameOf(process)} uses ${found}, which tracer-ssl cannot read there`;
}

export class Silence {
  /** Programs that ended without a word, one process for each file. */
  readonly #ended = new Map<string, Process>();

  /** A process has ended or runs another program from now on. */
  ended(process: Process): void {
    if (process.spoke || process.readable || this.#ended.size >= MOST) return;
    const exe = process.facts?.exe;
    if (exe !== undefined && !this.#ended.has(exe)) this.#ended.set(exe, process);
  }

  /** Sentences about those who live. */
  reasons(processes: Processes): string[] {
    const all = [...processes];
    if (all.length === 0) return ['nobody who is watched is there yet'];
    const why = new Set(
      all
        .slice(0, 100)
        .map(whyNot)
        .filter((sentence) => sentence !== undefined),
    );
    if (why.size > 0) return [...why].slice(0, MOST);
    const readable = all.filter((process) => process.readable);
    if (readable.length > 0)
      return [`${readable.length} of ${all.length} watched process(es) have TLS loaded that is watched and did not use it yet`];
    return [`none of ${all.length} watched process(es) has a TLS library loaded`];
  }

  /** Sentences about all who never said a word. */
  reasonsAtEnd(processes: Processes): string[] {
    const why = new Set(
      [...this.#ended.values(), ...[...processes].slice(0, 100)].map(whyNot).filter((sentence) => sentence !== undefined),
    );
    return [...why].slice(0, MOST);
  }
}
