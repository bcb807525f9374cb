/**
 * The smallest sets of capabilities with which a command works for an ordinary user, found by running it with less and
 * less. "Works" means that it prints the same kinds of events with the same fields as with all that could matter.
 */
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { type Capability, capabilities } from '../../bpf/index.js';
import { CommandError, EXIT } from '../../stream/exit.js';
import { type Features, ordinaryUser, othersProcesses, ownProcesses, type Scenario, type Trial } from './trial-run.js';

export interface SmallestSet {
  /** What can be watched with it. */
  reach: string;
  capabilities: Capability[];
}

export interface CapsResult {
  command: string;
  kernel: string;
  /** The user that it was tried as; absent for commands that need nothing. */
  uid?: number;
  sets: SmallestSet[];
}

/** From what is always needed to what is a last resort. */
const LADDER: readonly (readonly Capability[])[] = [
  ['CAP_BPF', 'CAP_PERFMON'],
  ['CAP_SYS_PTRACE'],
  ['CAP_DAC_READ_SEARCH'],
  ['CAP_SYS_RESOURCE', 'CAP_NET_ADMIN'],
  ['CAP_SYS_ADMIN'],
];

/** How much longer a second try may take. */
const PATIENCE = 2;

const covers = (seen: Features, wanted: Features): boolean => [...wanted].every((feature) => seen.has(feature));

/** The smallest set in a scenario. Undefined when nothing works even with everything. Sets are tried side by side. */
async function smallest(
  scenario: Scenario,
  ladder: readonly (readonly Capability[])[],
  say: (sentence: string) => void,
): Promise<SmallestSet | undefined> {
  const wanted = (await scenario.run(ladder.flat(), new Set())).seen;
  if (!wanted.has('ssl_data write') || !wanted.has('ssl_data read')) return undefined;
  const tried = new Map<string, Promise<boolean>>();
  /** A set that showed too little in its time is tried once more, with more time and one after the other. */
  let queue: Promise<unknown> = Promise.resolve();
  const again = (set: readonly Capability[]): Promise<Trial> => {
    const turn = queue.then(() => scenario.run(set, wanted, PATIENCE));
    queue = turn;
    return turn;
  };
  const works = (set: readonly Capability[]): Promise<boolean> => {
    const key = set.join(' ') || 'nothing';
    const known = tried.get(key);
    if (known) return known;
    const result = (async () => {
      let trial = await scenario.run(set, wanted);
      if (trial.ranOutOfTime && !covers(trial.seen, wanted)) trial = await again(set);
      const enough = covers(trial.seen, wanted);
      say(`${scenario.reach}: ${key}: ${enough ? 'enough' : 'not enough'}`);
      return enough;
    })();
    tried.set(key, result);
    return result;
  };
  const firstThatWorks = async (sets: readonly Capability[][]): Promise<Capability[] | undefined> => {
    const results = await Promise.all(sets.map(works));
    return sets[results.indexOf(true)];
  };
  const steps = ladder.map((_, rung) => ladder.slice(0, rung + 1).flat());
  let set = (await firstThatWorks(steps)) ?? ladder.flat();
  for (;;) {
    const less = await firstThatWorks(set.map((name) => set.filter((other) => other !== name)).reverse());
    if (!less) return { reach: scenario.reach, capabilities: set };
    set = less;
  }
}

const WITHOUT = new Set(['http', 'show', 'replay', 'pipe', 'chunks', 'merge']);

/**
 * For `ssl`: tries (takes some seconds, needs root). For filters: none. `say` is told each step. Throws a
 * {@link CommandError} when it cannot be tried.
 */
export async function smallestSets(command: string, say: (sentence: string) => void): Promise<CapsResult> {
  const name = command.replace(/^tracer-/, '');
  if (WITHOUT.has(name)) return { command: name, kernel: release(), sets: [{ reach: 'what it reads', capabilities: [] }] };
  if (name !== 'ssl')
    throw new CommandError(
      EXIT.usage,
      `there is no command ${command} that needs capabilities`,
      'tracer help lists the commands; tracer doctor --caps ssl is what can be asked',
    );
  const { effective } = capabilities();
  const needed: Capability[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_BPF', 'CAP_PERFMON'];
  const missing = needed.filter((one) => !effective.has(one));
  // What this root itself lacks (in a container, say) cannot be tried.
  const ladder = LADDER.map((rung) => rung.filter((one) => effective.has(one)));
  if (missing.length)
    throw new CommandError(
      EXIT.permission,
      `trying out sets of capabilities needs root (${missing.join(', ')} missing)`,
      'Run it with sudo',
    );
  if (spawnSync('setpriv', ['--version']).error)
    throw new CommandError(EXIT.unavailable, 'setpriv is not installed', 'It is part of util-linux 2.33 or later');
  const user = ordinaryUser();
  const scenarios = [ownProcesses(user), othersProcesses(user)];
  const found = await Promise.all(scenarios.map((scenario) => smallest(scenario, ladder, say)));
  const sets = found.filter((set) => set !== undefined);
  for (const [index, { reach }] of scenarios.entries()) if (!found[index]) say(`${reach}: could not be tried here`);
  if (sets.length === 0)
    throw new CommandError(
      EXIT.unavailable,
      `tracer-ssl saw nothing as uid ${user.uid}, even with ${ladder.flat().join(' ')}`,
      'tracer doctor says what is missing; that user must be able to read this installation and node',
    );
  return { command: name, kernel: release(), uid: user.uid, sets };
}
