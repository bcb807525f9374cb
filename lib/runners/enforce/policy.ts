/** The deny-file and the allow-file of a guard: read, compiled, put in force, and each change told. */
import { BpfError } from '../../bpf/index.js';
import { KnownLines, parseDenyFile } from '../../policy/deny-file.js';
import { compileEgress, type EgressTables, MOST_RULES, TooMuch } from '../../policy/egress-tables.js';
import type { EgressEntry, Entry, PolicyError } from '../../policy/entry.js';
import type { GuardReload, GuardRule } from '../../stream/event.js';
import { CommandError, EXIT } from '../../stream/exit.js';
import type { Compiled, ListName } from './kernel-policy.js';
import { PolicyFile, Unreadable } from './policy-file.js';

/** Policies whose refusals may still be on their way. */
const REVS_KEPT = 16;
/** Texts of entries that are remembered, of all versions of a file. */
const MOST_IDS = 1_000_000;

interface List {
  name: ListName;
  path: string;
  file: PolicyFile;
  entries: Entry[];
  egress: EgressEntry[];
  tables: EgressTables;
}

/** Numbers of entries by their text: an edit elsewhere in the file changes none. */
class EntryIds {
  #ids = new Map<string, number>();
  #next = 0;

  of(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      // What is forgotten gets another number: then the kernel is told all of it anew, once.
      if (this.#ids.size >= MOST_IDS) this.#ids = new Map();
      id = this.#next++;
      this.#ids.set(text, id);
    }
    return id;
  }
}

/** Entries of one policy by number, put in order when the first of them refuses something. */
class ById {
  #entries: Map<number, EgressEntry> | undefined;

  constructor(
    readonly entries: readonly EgressEntry[],
    readonly ids: EntryIds,
  ) {}

  find(id: number): EgressEntry | undefined {
    this.#entries ??= new Map(this.entries.map((entry) => [this.ids.of(entry.text), entry]));
    return this.#entries.get(id);
  }
}

class Refused extends Error {
  constructor(readonly error: PolicyError) {
    super(error.message);
  }
}

export interface PolicyOptions {
  deny: string | undefined;
  allow: string | undefined;
  /** What passes besides the allow-file: entries of no file. */
  implied: readonly EgressEntry[];
  /** Puts it in force. */
  apply(compiled: Compiled): void;
  told(reload: GuardReload): void;
  say(sentence: string): void;
}

export class EgressPolicy {
  rev = 0;
  readonly #options: PolicyOptions;
  readonly #lists = new Map<ListName, List>();
  readonly #revs = new Map<number, ReadonlyMap<ListName, ById>>();
  readonly #known = { deny: new KnownLines(), allow: new KnownLines() };
  readonly #ids = { deny: new EntryIds(), allow: new EntryIds() };

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  /** Reads all files for the first time. @throws CommandError with status 78 */
  begin(): void {
    for (const name of ['deny', 'allow'] as const) {
      const path = this.#options[name];
      if (path === undefined) continue;
      const file = new PolicyFile(path, (content) => this.#changed(name, content));
      try {
        this.#lists.set(name, { name, path, file, ...this.#read(name, file.begin()) });
      } catch (error) {
        this.close();
        throw startFailure(path, error);
      }
    }
    this.#apply();
  }

  close(): void {
    for (const { file } of this.#lists.values()) file.close();
  }

  /** Whom a refusal is owed to; undefined when the list's default decided, or the policy is too old. */
  rule(rev: number, list: ListName, entry: number): GuardRule | undefined {
    const found = this.#revs.get(rev)?.get(list)?.find(entry);
    const file = this.#options[list];
    if (found === undefined || file === undefined) return undefined;
    return { action: list, file, line: found.line, text: found.text };
  }

  /** Names that entries are about, exactly: to be looked up. */
  exactNames(): string[] {
    const names = new Set<string>();
    for (const { egress } of this.#lists.values())
      for (const { target } of egress) if (target.kind === 'name' && !target.below) names.add(target.name);
    return [...names];
  }

  /** For the person: what each list holds. */
  describe(): string[] {
    return [...this.#lists.values()].map(({ name, path, egress, entries, tables }) => {
      const others = entries.length - egress.length;
      const inexact = tables.inexact.map((entry) => egress[entry]?.text).join(', ');
      return (
        `${name === 'deny' ? 'denies' : 'allows'} what ${path} names: ${egress.length} ${egress.length === 1 ? 'entry' : 'entries'}` +
        (others === 0 ? '' : `, and ${others} about files, which this guard does not obey`) +
        (inexact === '' ? '' : `; of ${inexact} not those hosts whose names have a * inside a label`)
      );
    });
  }

  #read(name: ListName, content: Buffer): { entries: Entry[]; egress: EgressEntry[]; tables: EgressTables } {
    const { entries, errors } = parseDenyFile(content, this.#known[name]);
    const [error] = errors;
    if (error !== undefined) throw new Refused(error);
    const egress = entries.filter((entry): entry is EgressEntry => entry.kind === 'egress');
    try {
      const all = name === 'allow' ? [...egress, ...this.#options.implied] : egress;
      const tables = compileEgress(all, ({ text }) => this.#ids[name].of(text));
      if (tables.rules.length > MOST_RULES / 2)
        throw new TooMuch(egress.at(-1) as EgressEntry, `there are more than ${MOST_RULES / 2} entries with ports`);
      return { entries, egress, tables };
    } catch (problem) {
      if (!(problem instanceof TooMuch)) throw problem;
      throw new Refused({ line: problem.entry.line, column: 1, message: problem.message, next: 'Use prefixes, or fewer entries' });
    }
  }

  #apply(): void {
    this.rev++;
    this.#revs.set(this.rev, new Map([...this.#lists].map(([name, { egress }]) => [name, new ById(egress, this.#ids[name])])));
    for (const rev of this.#revs.keys()) if (rev <= this.rev - REVS_KEPT) this.#revs.delete(rev);
    this.#options.apply({ rev: this.rev, deny: this.#lists.get('deny')?.tables, allow: this.#lists.get('allow')?.tables });
  }

  /** @throws Refused when the kernel does not take it: then the one before is in force as it was. */
  #replace(list: List, read: Pick<List, 'entries' | 'egress' | 'tables'>): void {
    const { entries, egress, tables } = list;
    Object.assign(list, read);
    try {
      this.#apply();
    } catch (error) {
      Object.assign(list, { entries, egress, tables });
      this.#revs.delete(this.rev--);
      if (!(error instanceof BpfError)) throw error;
      throw new Refused({ line: 0, column: 0, message: error.message, next: '' });
    }
  }

  #changed(name: ListName, content: Buffer | Unreadable): void {
    const list = this.#lists.get(name) as List;
    const began = process.hrtime.bigint();
    const tell = (outcome: 'applied' | 'refused', change: { added: number; removed: number }, error?: PolicyError): void => {
      this.#options.told({
        guard: 'enforce',
        file: list.path,
        outcome,
        policy_rev: this.rev,
        entries: list.entries.length,
        ...change,
        took_ms: Number(process.hrtime.bigint() - began) / 1e6,
        ...(error === undefined ? {} : { error: { line: error.line, column: error.column, message: error.message } }),
      });
    };
    try {
      if (content instanceof Unreadable) throw new Refused({ line: 0, column: 0, message: content.message, next: '' });
      const read = this.#read(name, content);
      const change = difference(list.entries, read.entries);
      this.#replace(list, read);
      tell('applied', change);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { line, column, message, next } = error.error;
      const place = line === 0 ? list.path : `${list.path}:${line}:${column}`;
      this.#options.say(`${place}: ${message}; what was read before stays in force${next === '' ? '' : `. ${next}`}`);
      tell('refused', { added: 0, removed: 0 }, error.error);
    }
  }
}

function startFailure(path: string, error: unknown): unknown {
  if (error instanceof Unreadable)
    return new CommandError(EXIT.config, `${path} ${error.message}`, 'Make the file first: an empty one means no entries');
  if (!(error instanceof Refused)) return error;
  const { line, column, message, next } = error.error;
  return new CommandError(EXIT.config, `${path}:${line}:${column}: ${message}`, next);
}

function difference(before: readonly Entry[], after: readonly Entry[]): { added: number; removed: number } {
  const left = new Map<string, number>();
  for (const { text } of before) left.set(text, (left.get(text) ?? 0) + 1);
  let added = 0;
  for (const { text } of after) {
    const n = left.get(text) ?? 0;
    if (n === 0) added++;
    else left.set(text, n - 1);
  }
  return { added, removed: before.length - (after.length - added) };
}
