/** What `tracer doctor` finds: one line per thing looked at. */

export type State =
  /** Works. */
  | 'ok'
  /** Works, with a restriction that `detail` names. */
  | 'limited'
  /** Does not work here. */
  | 'missing'
  /** Could not be tried, for lack of privileges or because something before it is missing. */
  | 'untried';

export interface Check {
  /** snake_case, for scripts. */
  name: string;
  /** For people. */
  title: string;
  state: State;
  /** What was found, as a phrase. */
  detail: string;
  /** What to do about it, as a sentence. */
  remedy?: string;
}

export interface Section {
  title: string;
  /** Without these nothing can be watched: they decide the exit status. */
  basic: boolean;
  checks: Check[];
}

export interface Report {
  /** Whether everything basic works. */
  ok: boolean;
  /** Nothing but privileges is missing. */
  privileges_missing: boolean;
  kernel: string;
  arch: string;
  system?: string;
  version: string;
  sections: Section[];
}

const plain = (text: string) => text.replace(/\s+/g, ' ').trim();

/** A check, with whatever text the kernel gave made one line. */
export function check(name: string, title: string, state: State, detail: string, remedy?: string): Check {
  return { name, title, state, detail: plain(detail), ...(remedy ? { remedy: plain(remedy) } : {}) };
}
