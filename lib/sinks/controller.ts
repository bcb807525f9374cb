/** The controller: events in, lines of a deny-file out. What it is not sure of it does not write. */
import { spawnSync } from 'node:child_process';
import type { AnyEvent } from '../stream/event.js';
import type { TextSink } from '../stream/stage.js';
import { isEntry, type OwnEntry, OwnedDenyFile } from './controller/deny-file.js';
import { contactOf, type Policy, type Verdict } from './controller/policy.js';

/** Lines of ours that a file may have: a loop that makes up names shall not fill the disk. */
const MOST_OWN = 10_000;
const CMD_TIMEOUT_MS = 5000;
const CMD_MOST_BYTES = 1 << 20;

export interface ControllerOptions {
  denyFile: string;
  policies: readonly Policy[];
  /** Seconds for which entries hold that say nothing themselves. */
  ttlS?: number;
  /** A shell command that gets each contact's event on stdin and prints entries. */
  cmd?: string;
  say(sentence: string): void;
}

export function controller(options: ControllerOptions): TextSink {
  return new Controller(options);
}

class Controller implements TextSink {
  readonly name = 'controller';
  readonly #options: ControllerOptions;
  readonly #file: OwnedDenyFile;
  readonly #said = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #full = false;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#file = new OwnedDenyFile(options.denyFile);
    process.once('exit', () => this.#file.close());
    this.#expire();
  }

  transform(event: AnyEvent, write: (text: string) => void): void {
    for (const verdict of this.#ask(event)) this.#obey(verdict, event, write);
  }

  flush(): void {
    clearTimeout(this.#timer);
  }

  #ask(event: AnyEvent): Verdict[] {
    const verdicts: Verdict[] = [];
    const ask = (call: (() => Verdict | undefined) | undefined): void => {
      try {
        const verdict = call?.();
        if (verdict !== undefined && verdict !== null) verdicts.push(verdict);
      } catch (error) {
        this.#sayOnce(`a policy failed, and decides nothing: ${(error as Error).message}`);
      }
    };
    const contact = contactOf(event);
    for (const policy of this.#options.policies) {
      if (contact !== undefined) ask(() => policy.egress?.(contact));
      if (event.source === 'file') ask(() => policy.file?.(event));
      if (event.event_type === 'process_exec') ask(() => policy.exec?.(event));
    }
    const { cmd } = this.#options;
    if (contact !== undefined && cmd !== undefined) ask(() => this.#run(cmd, event));
    return verdicts;
  }

  /** Its stdout is entries. One that fails decides nothing. */
  #run(cmd: string, event: AnyEvent): Verdict | undefined {
    const run = spawnSync('sh', ['-c', cmd], {
      input: `${JSON.stringify(event)}\n`,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: CMD_TIMEOUT_MS,
      maxBuffer: CMD_MOST_BYTES,
    });
    if (run.error !== undefined || run.status !== 0) {
      const why = run.error?.message ?? (run.signal === null ? `it ended with status ${run.status}` : `it was ended by ${run.signal}`);
      this.#sayOnce(`${cmd} decides nothing: ${why}`);
      return undefined;
    }
    const deny = run.stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    return deny.length === 0 ? undefined : { deny, reason: 'by command' };
  }

  #obey(verdict: Verdict, event: AnyEvent, write: (text: string) => void): void {
    const now = Date.now();
    const ttlS = verdict.ttlS ?? this.#options.ttlS;
    const fresh: OwnEntry[] = [];
    for (const text of verdict.deny) {
      if (typeof text !== 'string' || !isEntry(text)) {
        this.#sayOnce(`"${String(text).slice(0, 100)}" is no entry of a deny-file: left out`);
        continue;
      }
      if (this.#file.size >= MOST_OWN) {
        if (!this.#full) this.#options.say(`${this.#options.denyFile} has ${MOST_OWN} entries of ours: no more are added`);
        this.#full = true;
        break;
      }
      const entry: OwnEntry = { text, reason: String(verdict.reason), ...(ttlS === undefined ? {} : { until: now + ttlS * 1000 }) };
      if (this.#file.add(entry)) fresh.push(entry);
    }
    if (fresh.length === 0) return;
    this.#save();
    const { pid, comm } = event.data as { pid?: number; comm?: string };
    const who = pid === undefined ? '' : ` · ${comm ?? ''}[${pid}]`;
    for (const { text, reason } of fresh) write(`deny ${text} · ${reason}${who}\n`);
  }

  #save(): void {
    try {
      this.#file.write();
    } catch (error) {
      this.#options.say((error as Error).message);
    }
    this.#expire();
  }

  /** Takes out what is over, now and when the next one is. */
  #expire(): void {
    clearTimeout(this.#timer);
    if (this.#file.expire(Date.now()).length > 0) this.#save();
    const next = this.#file.nextEnd();
    if (next === undefined) return;
    this.#timer = setTimeout(() => this.#expire(), Math.min(Math.max(next - Date.now(), 10), 2 ** 31 - 1));
    this.#timer.unref();
  }

  #sayOnce(sentence: string): void {
    if (this.#said.has(sentence) || this.#said.size > 1000) return;
    this.#said.add(sentence);
    this.#options.say(sentence);
  }
}
