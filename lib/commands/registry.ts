/**
 * Every command, by its plain name, loaded when it is first asked for: the parser, `--help`, man pages, completion,
 * `tracer pipe` and the README's table are made from this.
 */
import type { Command } from '../stream/command.js';

const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  ssl: () => import('./ssl.js'),
  proc: () => import('./proc.js'),
  net: () => import('./net.js'),
  agent: () => import('./agent.js'),
  enforce: () => import('./enforce.js'),
  run: () => import('./run.js'),
  merge: () => import('./merge.js'),
  replay: () => import('./replay.js'),
  chunks: () => import('./chunks.js'),
  http: () => import('./http.js'),
  llm: () => import('./llm.js'),
  tls: () => import('./tls.js'),
  provider: () => import('./provider.js'),
  identity: () => import('./identity.js'),
  redact: () => import('./redact.js'),
  show: () => import('./show.js'),
  controller: () => import('./controller.js'),
  pipe: () => import('./pipe.js'),
  doctor: () => import('./doctor.js'),
  'ssl-probe': () => import('./ssl-probe.js'),
};

/** The names of all commands, in the order of lists. */
export const commandNames: readonly string[] = Object.keys(COMMANDS);

/** The command of that name; undefined when there is none. */
export async function findCommand(name: string): Promise<Command | undefined> {
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return load === undefined ? undefined : (await load()).command;
}

/** The known name that `name` is most likely a slip of; undefined when none is near. */
export function nearestName(name: string): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const known of commandNames) {
    const distance = editDistance(name, known);
    if (distance < least) {
      best = known;
      least = distance;
    }
  }
  return best;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
