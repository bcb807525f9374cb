/**
 * Whether uprobes are linked by uprobe_multi (Linux 6.6) or by perf events. Both do the same; the former end together
 * in the time of one, the latter one after another, 100 to 300 ms each.
 */
import { release } from 'node:os';

/** The version from which it is used: before 6.12 a link for one process saw only its main thread. */
const SINCE = [6, 12] as const;

/** By the kernel's version. TRACER_UPROBE_PERF=1 in the environment chooses perf events, for tests. */
export function prefersUprobeMulti(version = release()): boolean {
  if (process.env.TRACER_UPROBE_PERF) return false;
  const [, major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  return major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1]);
}
