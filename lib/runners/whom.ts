/** For people: who is watched. */
import type { ResolvedScope } from './scope.js';
import type { TaskSnapshot } from './scope-tables.js';

/** Processes that are named. */
const NAMED_AT_MOST = 8;

/** What was asked for, and who of those is there: `python3: python3 (4711)`. */
export function whom(scope: ResolvedScope, tasks: readonly TaskSnapshot[]): string {
  const { all, command, comms, cgroups, uids } = scope;
  if (all) return 'everybody on this host';
  const wishes = [
    ...(command.length > 0 ? [command.join(' ')] : []),
    ...comms,
    ...cgroups.map(({ path }) => path),
    ...uids.map((uid) => `uid ${uid}`),
  ];
  const now = tasks.slice(0, NAMED_AT_MOST).map((task) => `${task.comm.toString('utf8')} (${task.pid})`);
  if (tasks.length > now.length) now.push(`${tasks.length - now.length} more`);
  if (now.length === 0) return command.length > 0 ? wishes.join(', ') : `${wishes.join(', ')}: nobody yet`;
  return wishes.length === 0 ? now.join(', ') : `${wishes.join(', ')}: ${now.join(', ')}`;
}
