/** Options of sensors as a library has them: names for one as well as for many. */
import type { ScopeOptions } from './scope.js';

export interface OneOrMany extends ScopeOptions {
  pid?: number;
  comm?: string;
  cgroup?: string;
  uid?: number | string;
}

/** The same with lists only. */
export function manyOf<T extends OneOrMany>(options: T): Omit<T, 'pid' | 'comm' | 'cgroup' | 'uid'> {
  const { pid, comm, cgroup, uid, ...rest } = options;
  return {
    ...rest,
    pids: [...(rest.pids ?? []), ...(pid === undefined ? [] : [pid])],
    comms: [...(rest.comms ?? []), ...(comm === undefined ? [] : [comm])],
    cgroups: [...(rest.cgroups ?? []), ...(cgroup === undefined ? [] : [cgroup])],
    uids: [...(rest.uids ?? []), ...(uid === undefined ? [] : [String(uid)])],
  };
}
