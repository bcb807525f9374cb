/** The scope in the kernel (bpf/scope.h): filled from the options, and with the processes that there are already. */

import { basename } from 'node:path';
import { type BpfObject, u32 } from '../bpf/index.js';
import { RecTask } from '../bpf/records.gen.js';
import { argumentsOf, exeOf } from './proc.js';
import { INTERPRETERS, nameKeys, type ResolvedScope, scriptOf } from './scope.js';

const ONE = Buffer.from([1, 0, 0, 0]);

/** A process as the kernel's task iterator shows it. */
export interface TaskSnapshot {
  pid: number;
  ppid: number;
  uid: number;
  /** Nanoseconds of boot time, exact. */
  start: bigint;
  comm: Buffer;
  inScope: boolean;
  /** The record itself, for who it is. */
  record: Buffer;
}

function keyOf(pid: number, start: bigint): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(pid, 0);
  key.writeBigUInt64LE(start, 8);
  return key;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** Before the object is loaded: which kinds of wish the programs need to look at. */
export function prepareScope(object: BpfObject, scope: ResolvedScope, ownProcess: boolean): void {
  object.setRodata('scope_all', scope.all ? 1 : 0);
  object.setRodata('scope_names', scope.comms.length > 0 ? 1 : 0);
  object.setRodata('scope_cgroups', scope.cgroups.length > 0 ? 1 : 0);
  object.setRodata('scope_uids', scope.uids.length > 0 ? 1 : 0);
  object.setRodata('scope_children', scope.children ? 1 : 0);
  object.setRodata('scope_self', process.pid);
  object.setRodata('scope_own_process', ownProcess ? 1 : 0);
  object.setAutoload('scope_rename', scope.comms.length > 0);
  object.setAutoload('scope_cgroup_attach', scope.cgroups.length > 0);
}

export class ScopeTables {
  readonly #object: BpfObject;
  readonly #scope: ResolvedScope;

  constructor(object: BpfObject, scope: ResolvedScope) {
    this.#object = object;
    this.#scope = scope;
  }

  /** Fills the wishes and begins to follow processes. After the load, before the first look at who is there. */
  attach(): void {
    const { comms, cgroups, uids } = this.#scope;
    for (const key of nameKeys(comms)) this.#object.map('names').update(key, ONE);
    if (comms.length > 0) for (const key of nameKeys(INTERPRETERS)) this.#object.map('interpreters').update(key, ONE);
    for (const { id } of cgroups) this.#object.map('cgroups').update(u64(id), ONE);
    for (const uid of uids) this.#object.map('uids').update(u32(uid), ONE);
    this.#object.attachRawTracepoint('scope_exit', 'sched_process_exit');
    this.#object.attachRawTracepoint('scope_exec', 'sched_process_exec');
    if (comms.length > 0) this.#object.attachRawTracepoint('scope_rename', 'task_rename');
    if (cgroups.length > 0) this.#object.attachRawTracepoint('scope_cgroup_attach', 'cgroup_attach_task');
    this.#object.attachRawTracepoint('scope_fork', 'sched_process_fork');
  }

  /** Takes a process into scope. */
  add(pid: number, start: bigint): void {
    if (!this.#scope.all) this.#object.map('scope').update(keyOf(pid, start), ONE);
  }

  /** All processes, in no order; those that match by name, cgroup or uid have been taken into scope by the kernel. */
  tasks(): TaskSnapshot[] {
    const bytes = this.#object.runIter('scope_snapshot');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const record = new RecTask();
    const tasks: TaskSnapshot[] = [];
    for (let at = 0; at + RecTask.size <= bytes.length; at += RecTask.size) {
      record.at(bytes, view, at);
      tasks.push({
        pid: record.pid,
        ppid: record.ppid,
        uid: record.uid,
        start: record.start_ns_exact,
        comm: Buffer.from(record.comm),
        inScope: record.in_scope !== 0,
        record: bytes.subarray(at, at + RecTask.size),
      });
    }
    return tasks;
  }

  /**
   * Takes everybody into scope who belongs there now, descendants included, and returns them. Looks again until a look
   * finds nobody new: a child of a process that was not yet in scope is not followed by the kernel.
   */
  admitAll(extraPids: readonly number[] = []): TaskSnapshot[] {
    const pids = new Set([...this.#scope.pids, ...extraPids]);
    for (let look = 0; look < 10; look++) {
      const tasks = this.tasks();
      const newcomers = this.#scope.all ? [] : this.#newcomers(tasks, pids);
      if (newcomers.length === 0) return tasks.filter((task) => task.inScope);
      for (const task of newcomers) this.add(task.pid, task.start);
    }
    return this.tasks().filter((task) => task.inScope);
  }

  #newcomers(tasks: readonly TaskSnapshot[], pids: ReadonlySet<number>): TaskSnapshot[] {
    const names = new Set(this.#scope.comms);
    const byPid = new Map(tasks.map((task) => [task.pid, task]));
    const admitted = new Set(tasks.filter((task) => task.inScope).map((task) => task.pid));
    const found: TaskSnapshot[] = [];
    const admit = (task: TaskSnapshot): void => {
      if (admitted.has(task.pid) || task.pid === process.pid) return;
      admitted.add(task.pid);
      found.push(task);
    };
    for (const task of tasks) if (pids.has(task.pid) || (names.size > 0 && this.#hasName(task, names))) admit(task);
    if (!this.#scope.children) return found;
    for (const task of tasks) {
      // Up the tree until somebody who is in, or known to have nobody in above.
      for (let up = byPid.get(task.ppid), steps = 0; up !== undefined && steps < 1000; up = byPid.get(up.ppid), steps++) {
        if (!admitted.has(up.pid)) continue;
        admit(task);
        break;
      }
    }
    return found;
  }

  /** The name itself was compared in the kernel; here the executable and the script. */
  #hasName(task: TaskSnapshot, names: ReadonlySet<string>): boolean {
    const exe = exeOf(task.pid);
    if (exe === undefined) return false;
    if (names.has(basename(exe))) return true;
    const script = scriptOf(exe, argumentsOf(task.pid));
    return script !== undefined && names.has(script);
  }
}
