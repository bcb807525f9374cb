/** The process sensor: what processes do. */
import { fileURLToPath } from 'node:url';
import { BpfError, BpfObject } from '../../bpf/index.js';
import { Counter } from '../../bpf/records.gen.js';
import type { Probe } from '../../stream/event.js';
import type { RecordHandler } from '../order.js';
import { ENV_NAMES } from '../proc.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { Sensor, type SensorOptions } from '../sensor.js';
import { ProcessEvents } from './events.js';

export type ProcessMode = 'all' | 'process' | 'filter';

export interface ProcessOptions extends SensorOptions {
  /**
   * `filter`: only who is in scope (default). `process`: processes of everybody, files of who is in scope. `all`:
   * everything of everybody.
   */
  mode?: ProcessMode;
  /** Ends of processes that lived shorter, in milliseconds, are left out. */
  minDurationMs?: number;
  /** What is done to files, too. */
  files?: boolean;
  /** Actions that matter for security, too. */
  security?: boolean;
  /** Repeated opens for reading of one file by one process are told once. */
  dedup?: boolean;
  /** Environment variables that may be told besides those that name an agent's session. */
  env?: readonly string[];
}

const FORMER_PROBES: readonly (readonly [string, string])[] = [
  ['scope_fork', 'sched_process_fork'],
  ['scope_exec', 'sched_process_exec'],
  ['scope_exit', 'sched_process_exit'],
];

/** System calls whose ends are told with --files; not every machine has all. */
const FILE_CALLS = [
  ...['open', 'creat', 'openat', 'openat2', 'unlink', 'rmdir', 'unlinkat', 'mkdir', 'mkdirat', 'rename', 'renameat', 'renameat2'],
  ...['link', 'linkat', 'symlink', 'symlinkat', 'truncate', 'ftruncate', 'chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'chdir', 'fchdir'],
];

/** System calls whose ends are told with --security. */
const SECURITY_CALLS = [
  ...['setuid', 'setreuid', 'setresuid', 'ptrace', 'process_vm_readv', 'process_vm_writev', 'listen', 'mount', 'move_mount', 'bpf'],
  ...['init_module', 'finit_module', 'setns', 'unshare', 'clone', 'clone3'],
];
/** Of these the beginning is seen as well. */
const UID_CALLS = ['setuid', 'setreuid', 'setresuid'];

/** Room that events of files never take. */
const KEPT_SHARE = 16;

/** Of counts by event type, those of events that stand for a record each. */
function sumOfOurs(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [type, n] of counts) if (/^(process_(?!info)|file_|dir_|cwd_|security_)/.test(type)) sum += n;
  return sum;
}

export class ProcessSensor extends Sensor {
  readonly name = 'process';
  readonly #options: ProcessOptions;
  readonly #events: ProcessEvents;
  #probes: Probe[] = [];
  #saidLost = { ring: 0, copy: 0, limit: 0 };

  constructor(options: ProcessOptions = {}) {
    super(options.mode === 'all' ? { ...options, pids: [], comms: [], cgroups: [], uids: [] } : options);
    if (options.mode === 'all') this.scope.all = true;
    this.#options = options;
    this.#events = new ProcessEvents(this.emitter, {
      envNames: new Set([...ENV_NAMES, ...(options.env ?? [])]),
      minDurationNs: (options.minDurationMs ?? 0) * 1e6,
      dedup: options.dedup ?? false,
    });
    if (options.roof !== undefined) this.emitter.announcer = this.#events.processes;
  }

  protected readonly onRecord: RecordHandler = (bytes, view, at, ts) => this.#events.record(bytes, view, at, ts);

  protected open(): BpfObject {
    const object = BpfObject.open(fileURLToPath(new URL('../../../bpf/procmon.bpf.o', import.meta.url)));
    object.setMaxEntries('ring', this.ringBytes);
    object.setRodata('ring_data_limit', this.ringBytes - this.ringBytes / KEPT_SHARE);
    object.setRodata('processes_of_all', this.#options.mode === 'process' && !this.scope.all ? 1 : 0);
    for (const call of FILE_CALLS) object.setAutoload(`file_${call}`, this.#options.files === true);
    const security = this.#options.security === true;
    for (const call of SECURITY_CALLS) object.setAutoload(`security_${call}`, security);
    for (const call of UID_CALLS) object.setAutoload(`security_${call}_enter`, security);
    for (const program of ['security_exec', 'security_capability']) object.setAutoload(program, security);
    return object;
  }

  protected attach(): void {
    this.#probes = FORMER_PROBES.map(([name, target]) => ({ name, target, state: 'attached' }));
    for (const call of ['execve', 'execveat']) this.#attachCall(`failed_${call}`, call);
    if (this.#options.files === true) for (const call of FILE_CALLS) this.#attachCall(`file_${call}`, call);
    if (this.#options.security === true) this.#attachSecurity();
  }

  #attachSecurity(): void {
    for (const call of UID_CALLS)
      this.#attach(`security_${call}_enter`, `sys_enter_${call}`, (...names) =>
        this.object.attachTracepoint(names[0], 'syscalls', names[1]),
      );
    for (const call of SECURITY_CALLS) this.#attachCall(`security_${call}`, call);
    for (const [program, target] of [
      ['security_exec', 'sched_process_exec'],
      ['security_capability', 'cap_capable'],
    ] as const)
      this.#attach(program, target, (...names) => this.object.attachRawTracepoint(...names));
  }

  /** At the end of a system call. */
  #attachCall(program: string, call: string): void {
    this.#attach(program, `sys_exit_${call}`, (...names) => this.object.attachTracepoint(names[0], 'syscalls', names[1]));
  }

  /** What this kernel or this machine does not have is said to be absent. */
  #attach(program: string, target: string, attach: (program: string, target: string) => unknown): void {
    try {
      attach(program, target);
      this.#probes.push({ name: program, target, state: 'attached' });
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      this.#probes.push({ name: program, target, state: error.errno === 'ENOENT' ? 'absent' : 'failed', reason: error.message });
    }
  }

  protected facts(): { probes: Probe[]; notCovered: string[]; limits: Record<string, number> } {
    return {
      probes: this.#probes,
      notCovered: [
        'Environment variables and arguments that a program changes after its start.',
        ...(this.#options.files === true
          ? [
              'Files that are opened, made, deleted or renamed through io_uring, and by 32-bit system calls.',
              'Symbolic links in the names of files that are deleted, renamed, linked or not opened: those paths are joined by their text.',
            ]
          : []),
        ...(this.#options.security === true ? this.#securityNotCovered() : []),
      ],
      limits: {
        ring_bytes: this.ringBytes,
        queue_bytes: this.queueBytes,
        args_bytes: 131_072,
        environment_bytes: 16_384,
        processes: this.object.map('scope').info.maxEntries,
      },
    };
  }

  #securityNotCovered(): string[] {
    const hasCapability = this.#probes.some(({ name, state }) => name === 'security_capability' && state === 'attached');
    return [
      ...(hasCapability ? [] : ['The use of capabilities: this kernel does not show when it is asked for one (cap_capable, Linux 6.13).']),
      'What is done for security by 32-bit system calls and through io_uring; of mounts, what fsopen, fsconfig and fsmount prepare; of BPF and ptrace, what only reads.',
    ];
  }

  protected announce(tasks: readonly TaskSnapshot[], ns: number): void {
    for (const task of tasks) this.#events.processes.snapshot(task.record, ns);
  }

  protected sayLosses(ns: number): void {
    this.sayProcessLosses(ns);
    this.#events.files.saySuppressed(ns);
    const counted = {
      ring: this.count(Counter.COUNT_LOST_RING),
      copy: this.count(Counter.COUNT_LOST_COPY),
      limit: this.count(Counter.COUNT_LOST_LIMIT),
    };
    for (const where of ['ring', 'copy', 'limit'] as const) {
      const lost = counted[where] - this.#saidLost[where];
      if (lost > 0) this.emitter.loss({ where, lost }, ns);
    }
    this.#saidLost = counted;
  }

  #lostInKernel(): Record<string, number> {
    const lost: Record<string, number> = {};
    const add = (where: string, counter: Counter): void => {
      const n = this.count(counter);
      if (n > 0) lost[where] = n;
    };
    add('ring', Counter.COUNT_LOST_RING);
    add('copy', Counter.COUNT_LOST_COPY);
    add('limit', Counter.COUNT_LOST_LIMIT);
    return lost;
  }

  /** What options leave out was never due. */
  protected totals(): { seen: number; lost: Record<string, number>; emitted: number } {
    const lost = this.#lostInKernel();
    const queue = sumOfOurs(this.emitter.bulkLost);
    if (queue > 0) lost.queue = queue;
    const emitted = sumOfOurs(this.emitter.given);
    return { seen: this.count(Counter.COUNT_SEEN) - this.#events.leftOut, emitted, lost };
  }

  protected settled(): boolean {
    const lost = Object.values(this.#lostInKernel()).reduce((sum, n) => sum + n, 0);
    return this.#events.records + lost >= this.count(Counter.COUNT_SEEN);
  }

  protected probesAttached(): number {
    return this.#probes.filter((probe) => probe.state === 'attached').length;
  }

  protected introduce(tasks: readonly TaskSnapshot[]): void {
    const { files, security } = this.#options;
    const what = `processes${files === true ? ' and files' : ''}${security === true ? ' and what matters for security' : ''}`;
    this.say(`watching ${what} of ${this.whom(tasks)}`);
    if (this.verbose)
      for (const probe of this.#probes) this.say(`${probe.state} ${probe.target}${probe.reason === undefined ? '' : `: ${probe.reason}`}`);
    this.giveUpCapabilities();
  }

  protected conclude(): void {}

  protected stopLooking(): void {}
}
