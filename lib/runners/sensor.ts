/**
 * What all sensors have in common: the scope, the command under watch, the ring, first and last words, heartbeats, and
 * the clock. A sensor of its own adds its programs and its records. Several may be parts of one (agent/sensor.ts): then
 * that one has the command, the clock, the order and the words, and they have their programs and records.
 */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import {
  type BpfObject,
  bootTimeNs,
  type Capability,
  type CommandEnd,
  capabilities,
  clockOffsetNs,
  dropCapabilities,
  type Ring,
  type StoppedCommand,
  u32,
} from '../bpf/index.js';
import { Counter } from '../bpf/records.gen.js';
import { CONTRACT, type Scope } from '../stream/event.js';
import { CommandError, EXIT } from '../stream/exit.js';
import type { Outlet, Source } from '../stream/source.js';
import { execFailure, startStopped } from './command.js';
import { Emitter } from './emitter.js';
import { hostFacts, packageVersion, whereFacts } from './host.js';
import { type RecordHandler, TimeOrder } from './order.js';
import { Pulse } from './pulse.js';
import { describeScope, type ResolvedScope, resolveScope } from './scope.js';
import { prepareScope, ScopeTables, type TaskSnapshot } from './scope-tables.js';
import type { SensorFacts, SensorOptions, SensorPart, Totals } from './sensor-part.js';
import { whom } from './whom.js';

export type { Roof, SensorFacts, SensorOptions, SensorPart, Totals } from './sensor-part.js';

const MEBIBYTE = 1024 * 1024;
/** A step of the wall clock against boot time that is said; smaller ones are the trimming of its rate. */
const CLOCK_STEP_US = 1000;
/**
 * What is still needed after the start: to look into tables, to probe libraries that are mapped later, to look into
 * processes that come later; and to end the command.
 */
const LASTING_CAPABILITIES: readonly Capability[] = [
  'CAP_BPF',
  'CAP_PERFMON',
  'CAP_SYS_PTRACE',
  'CAP_DAC_READ_SEARCH',
  'CAP_CHECKPOINT_RESTORE',
  'CAP_KILL',
];

/** How long a running program is waited for at the end, and how often it is asked for. */
const SETTLE_MS = 400;
const SETTLE_STEP_MS = 2;
/** A reader that has taken nothing for so long at the end gets no more data. */
const READER_STALLED_MS = 2000;
/** How long a command that was told to end may take. */
const COMMAND_GRACE_MS = 5000;

/** Boot time in nanoseconds, exact to some nanoseconds. */
export function bootNow(): number {
  return Number(bootTimeNs());
}

/** The size of a ring buffer that is at least so large: the kernel takes powers of two, from a page to 1 GiB here. */
function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.min(Math.max(bytes, 4096), 1024 * MEBIBYTE)));
}

export abstract class Sensor implements Source {
  abstract readonly name: string;
  protected readonly scope: ResolvedScope;
  protected readonly emitter: Emitter;
  protected readonly ringBytes: number;
  protected readonly queueBytes: number;
  protected readonly say: (sentence: string) => void;
  protected readonly verbose: boolean;
  protected readonly ownProcess: boolean;
  protected object!: BpfObject;
  protected order!: TimeOrder;
  protected command: StoppedCommand | undefined;
  /** Nothing more will come: what has not been said is said now. */
  protected ending = false;
  readonly #heartbeatMs: number;
  readonly #alsoNeeded: readonly Capability[];
  readonly #options: SensorOptions;
  #saidProcesses = 0;
  #saidScope = 0;
  /** By part. */
  #rings: Ring[] = [];
  #pulse: Pulse | undefined;
  #startNs = 0;
  #beatNs = 0;
  #beatTimer: NodeJS.Timeout | undefined;
  #wanted: string | undefined;
  #askedToStop: (reason: string) => void = () => {};

  /** Checks the options against this host: throws a CommandError. Nothing is attached before `run`. */
  constructor(options: SensorOptions) {
    this.#options = options;
    this.scope = options.roof?.scope ?? resolveScope(options);
    this.ringBytes = powerOfTwo(options.ringBytes ?? 64 * MEBIBYTE);
    this.queueBytes = options.queueBytes ?? 16 * MEBIBYTE;
    this.say = options.say ?? (() => {});
    this.verbose = options.verbose ?? false;
    this.ownProcess = options.ownProcess ?? false;
    this.#alsoNeeded = options.alsoNeeded ?? [];
    this.#heartbeatMs = Math.max(10, options.heartbeatMs ?? 1000);
    this.emitter = options.roof?.emitter ?? new Emitter({ queueBytes: this.queueBytes, clockOffsetUs: Number(clockOffsetNs() / 1000n) });
  }

  /** What it is made of: itself, or several others, of which the first follows processes. */
  protected parts(): readonly Sensor[] {
    return [this];
  }

  protected eachPart<T>(ask: (part: SensorPart) => T): T[] {
    return this.parts().map((part) => ask(part as unknown as SensorPart));
  }

  /** The command, waiting before its exec. */
  protected startCommand(command: readonly string[]): StoppedCommand {
    return startStopped(command);
  }

  /** Opens the object and sets what must be set before the load. */
  protected abstract open(): BpfObject;
  /** The object is loaded and the scope followed: attach, and look at those who are there. */
  protected abstract attach(tasks: readonly TaskSnapshot[]): void;
  protected abstract facts(): SensorFacts;
  /** Gives `process_info` for those who were there at the start. */
  protected abstract announce(tasks: readonly TaskSnapshot[], ns: number): void;
  protected abstract readonly onRecord: RecordHandler;
  /** Once per heartbeat: says losses that the kernel counted and no record has told. */
  protected abstract sayLosses(ns: number): void;
  /** What the kernel counted: bulk records due, and those lost by place. */
  protected abstract totals(): Totals;
  protected abstract probesAttached(): number;
  /** For the person: what is watched, said once at the start. */
  protected abstract introduce(tasks: readonly TaskSnapshot[]): void;
  /** The command has ended, or the sensor is stopped: last words for the person. */
  protected abstract conclude(): void;
  /** No more timers and looks at processes. Called more than once. */
  protected abstract stopLooking(): void;

  leavesInterruptToCommand(): boolean {
    return this.command !== undefined && !this.ending && isatty(0);
  }

  stop(reason: string): void {
    this.#wanted ??= reason;
    this.#askedToStop(reason);
  }

  /** Events until the end; resolves with the exit status, the command's if there is one. Rejects with a CommandError. */
  async run(outlet: Outlet): Promise<number> {
    try {
      return await this.#run(outlet);
    } catch (error) {
      // As env(1) has it: with a command, our own failures have a status that no command means.
      if (!(error instanceof CommandError) || this.scope.command.length === 0 || error.status >= EXIT.commandFailed) throw error;
      throw new CommandError(EXIT.commandFailed, error.message, error.next);
    }
  }

  async #run(outlet: Outlet): Promise<number> {
    this.emitter.open(outlet);
    this.#startNs = bootNow();
    this.#beatNs = this.#startNs;
    const parts = this.parts();
    try {
      if (this.#options.heartbeatFile !== undefined) this.#pulse = new Pulse(this.#options.heartbeatFile);
      for (const part of parts) {
        part.object = part.open();
        prepareScope(part.object, this.scope, this.ownProcess);
        part.object.load();
      }
      this.order = new TimeOrder(...parts.map((part) => part.onRecord));
      if (this.scope.command.length > 0) this.command = this.startCommand(this.scope.command);
      this.#begin();
      this.#beatTimer = setInterval(() => this.#beat(), this.#heartbeatMs);
      return await this.#watch();
    } catch (error) {
      // It waits for its exec, or would go on unwatched.
      this.command?.kill('SIGKILL');
      throw error;
    } finally {
      clearInterval(this.#beatTimer);
      this.#pulse?.close();
      this.stopLooking();
      this.#closeObjects();
    }
  }

  #closeObjects(): void {
    for (const part of this.parts()) (part.object as BpfObject | undefined)?.close();
  }

  #begin(): void {
    const parts = this.parts();
    const others = parts.map((part) => this.#admit(part));
    // Before the first probe: events of a busy process may be in the ring before the first line is given.
    const ns = bootNow();
    parts.forEach((part, at) => {
      part.attach(others[at] as TaskSnapshot[]);
    });
    const { probes, notCovered, limits } = this.facts();
    this.emitter.emit(
      'meta',
      'sensor_start',
      {
        contract: CONTRACT,
        sensor: this.name,
        version: packageVersion(),
        ...hostFacts(),
        ...whereFacts(this.#options.collectorId),
        clock_offset_us: this.emitter.clockOffsetUs,
        scope: describeScope(this.scope) satisfies Scope,
        probes,
        not_covered: notCovered,
        limits,
      },
      ns,
    );
    parts.forEach((part, at) => {
      part.announce(others[at] as TaskSnapshot[], ns);
    });
    this.#rings = parts.map((part, at) =>
      part.object.ring('ring', {
        batch: (records) => {
          this.order.batch(records, this.#clock, at);
          // The next batch is written over this one.
          this.emitter.flush();
        },
        // While the reader is slow the ring is the buffer. What is lost then is lost, and counted, there.
        full: () => this.emitter.full,
      }),
    );
    this.#pulse?.beat();
    for (const [at, part] of parts.entries()) part.introduce(others[at] as TaskSnapshot[]);
  }

  /** Begins to follow processes for a part. Those who are there; of the command is told when it has become what it is to be. */
  #admit(part: Sensor): TaskSnapshot[] {
    const tables = new ScopeTables(part.object, this.scope);
    tables.attach();
    const tasks = tables.admitAll(this.command === undefined ? [] : [this.command.pid]);
    return tasks.filter((task) => task.pid !== this.command?.pid);
  }

  readonly #clock = { now: bootNow, pending: (ring: number): number => this.#rings[ring]?.pending() ?? 1 };

  /** Bytes in all rings. */
  #pending(): number {
    return this.#rings.reduce((sum, ring) => sum + ring.pending(), 0);
  }

  /** One of the kernel side's counters, over all CPUs. */
  protected count(counter: Counter): number {
    return Number(this.object.map('counters').sumPerCpu(u32(counter)));
  }

  /** Says what the kernel has lost of processes since this was last said. */
  protected sayProcessLosses(ns: number): void {
    const other = this.count(Counter.COUNT_LOST_OTHER);
    if (other > this.#saidProcesses) this.emitter.loss({ where: 'ring', lost: other - this.#saidProcesses, kind: 'process_info' }, ns);
    this.#saidProcesses = other;
    const scope = this.count(Counter.COUNT_LOST_SCOPE);
    if (scope > this.#saidScope) this.emitter.loss({ where: 'limit', lost: scope - this.#saidScope, kind: 'process_info' }, ns);
    this.#saidScope = scope;
  }

  /** For people: who is watched now. */
  protected whom(tasks: readonly TaskSnapshot[]): string {
    return whom(this.scope, tasks);
  }

  /** Called by a sensor when its start is over. Keeps what is also asked for; what is not there cannot be kept. */
  protected giveUpCapabilities(): void {
    this.#options.roof?.started();
    if (this.#options.roof !== undefined || !this.ownProcess) return;
    const { effective } = capabilities();
    try {
      dropCapabilities([...LASTING_CAPABILITIES, ...this.#alsoNeeded].filter((name) => effective.has(name)));
    } catch (error) {
      if (this.verbose) this.say(`keeps all capabilities: ${(error as Error).message}`);
    }
  }

  /** Until somebody stops it, or the command has ended. */
  async #watch(): Promise<number> {
    const stopped = new Promise<undefined>((resolve) => {
      this.#askedToStop = () => resolve(undefined);
      if (this.#wanted !== undefined) resolve(undefined);
    });
    const { command } = this;
    if (command === undefined) {
      await stopped;
      await this.#end(this.#wanted ?? 'stop', undefined);
      return 0;
    }
    const failure = await command.resume();
    if (failure !== undefined) {
      await this.#end('command failed', undefined);
      throw execFailure(this.scope.command, failure.errno);
    }
    let end: CommandEnd | undefined = await Promise.race([command.exited, stopped]);
    if (end === undefined && this.#wanted === 'reader gone') {
      // Nobody listens any more, but the command is not ours to end.
      this.stopLooking();
      this.#closeObjects();
      end = await command.exited;
    } else if (end === undefined) end = await this.#endCommand(command);
    await this.#end(this.#wanted ?? 'command ended', end);
    return 'signal' in end ? 128 + (constants.signals[end.signal as NodeJS.Signals] ?? 0) : end.exit_code;
  }

  /** Hands our signal on. A command that stays is killed: it would go on unwatched. */
  async #endCommand(command: StoppedCommand): Promise<CommandEnd> {
    const signal = this.#wanted !== undefined && this.#wanted in constants.signals ? (this.#wanted as NodeJS.Signals) : 'SIGTERM';
    command.kill(signal);
    const grace = setTimeout(() => command.kill('SIGKILL'), COMMAND_GRACE_MS);
    const end = await command.exited;
    clearTimeout(grace);
    return end;
  }

  /**
   * The last words, said before the probes are taken off, which takes a while: from here on the programs let everybody
   * pass. A program that is just running is waited for: it has counted what it is about to give.
   */
  async #end(reason: string, command: CommandEnd | undefined): Promise<void> {
    if (this.#wanted === 'reader gone') return;
    this.ending = true;
    clearInterval(this.#beatTimer);
    this.stopLooking();
    for (const part of this.parts()) {
      part.ending = true;
      part.object.global('scope_closed').write(Buffer.from([1, 0, 0, 0]));
    }
    await this.#settle();
    const ns = bootNow();
    this.order.empty(ns);
    this.emitter.flush();
    this.sayLosses(ns);
    this.emitter.sayDropped(ns);
    const { seen, lost, emitted } = this.totals();
    this.emitter.insist(
      'meta',
      'sensor_end',
      {
        sensor: this.name,
        reason,
        seen,
        emitted,
        lost,
        duration_ms: Math.round((ns - this.#startNs) / 1e6),
        ...(command === undefined ? {} : { command: 'signal' in command ? { signal: command.signal } : { exit_code: command.exit_code } }),
      },
      ns,
    );
    this.conclude();
    // Detaching blocks: let the last words be written first.
    await sleep(1);
  }

  /** Until everything that the kernel has is here, or nothing moves any more: a reader that has stopped is not waited for. */
  async #settle(): Promise<void> {
    const drain = (): void => {
      for (const ring of this.#rings) ring.drainNow();
    };
    let before = -1;
    for (let still = 0; still < (this.emitter.full ? READER_STALLED_MS : SETTLE_MS); still += SETTLE_STEP_MS) {
      if (!this.emitter.full && this.#pending() < this.queueBytes / 4) {
        drain();
        if (before >= 0 && this.settled()) break;
      }
      const now = this.#rings.reduce((sum, ring) => sum + ring.drainedBytes, 0) - this.emitter.queuedBytes;
      if (now !== before) still = 0;
      before = now;
      await sleep(SETTLE_STEP_MS);
    }
    drain();
  }

  /** Whether all that the kernel has counted has been drained or is counted as lost. */
  protected abstract settled(): boolean;

  /** A watermark: everything before it has been said. */
  #beat(): void {
    if (!this.emitter.full) for (const ring of this.#rings) ring.drainNow();
    this.order.look(this.#clock);
    this.#pulse?.beat();
    const ns = Math.max(this.order.horizon, this.#beatNs);
    this.#followClock(ns);
    this.sayLosses(ns);
    const { windowCounts, windowLost } = this.emitter;
    this.emitter.windowCounts = {};
    this.emitter.windowLost = {};
    this.emitter.emit(
      'meta',
      'heartbeat',
      {
        sensor: this.name,
        window_ms: Math.round((ns - this.#beatNs) / 1e6),
        counts: windowCounts,
        lost: windowLost,
        queue_bytes: this.emitter.queuedBytes,
        rss_bytes: process.memoryUsage.rss(),
        probes_attached: this.probesAttached(),
      },
      ns,
    );
    this.#beatNs = ns;
  }

  /** The wall clock was set, or has drifted: says by how much before any event uses it. */
  #followClock(ns: number): void {
    const offset = Number(clockOffsetNs() / 1000n);
    const step = offset - this.emitter.clockOffsetUs;
    if (Math.abs(step) < CLOCK_STEP_US) return;
    this.emitter.emit('meta', 'clock_sync', { offset_us: offset, step_us: step }, ns);
    this.emitter.clockOffsetUs = offset;
  }
}
