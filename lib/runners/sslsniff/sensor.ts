/** The TLS sensor: what programs read and write through TLS. */
import { fileURLToPath } from 'node:url';
import { BpfObject, u32 } from '../../bpf/index.js';
import { Counter } from '../../bpf/records.gen.js';
import type { Probe } from '../../stream/event.js';
import type { RecordHandler } from '../order.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { bootNow, Sensor, type SensorOptions } from '../sensor.js';
import { type Account, accountOf, accountsOf } from './account.js';
import { Blindness } from './blindness.js';
import { SslEvents } from './events.js';
import { Libraries } from './libraries.js';
import { likelyFiles } from './likely.js';
import type { Process } from './model.js';
import { SessionTable } from './session-table.js';
import { Silence } from './silence.js';
import { SocketWatch } from './sockets.js';
import { Watcher } from './watcher.js';

export interface SslOptions extends SensorOptions {
  /** Bytes of one library call that are copied; the rest is only counted. 0: all. */
  maxBytes?: number;
  /** Programs that begin under watch are stopped until they have been looked into, so that nothing of them is missed. */
  hold?: boolean;
  /** Ports at whose TCP sockets the bytes are taken as they are, without TLS. */
  plainPorts?: readonly number[];
  /** System calls are looked at all the time: for {@link SslSensor.accounts}. */
  accounts?: boolean;
}

/** Room in the ring that data never takes, however small the ring is: for some beginnings and ends of sessions. */
const KEPT_BYTES = 2048;
const LARGEST_PIECE = 65_536;
const SMALLEST_PIECE = 256;
/** bpf/sslsniff.bpf.c: the first, then RECORDS_PER_TURN times TURNS_PER_CALL. */
const PIECES_PER_CALL = 1025;
const LAG_NS = 5e8;
/** Processes that have ended and of which the account is kept. */
const MOST_CLOSED = 1024;
/** A person may wonder. */
const QUIET_MS = 10_000;

export class SslSensor extends Sensor {
  readonly name = 'ssl';
  readonly #maxBytes: number;
  readonly #hold: boolean;
  readonly #plainPorts: readonly number[];
  readonly #accounts: boolean;
  /** Processes that stand still for us. */
  readonly #held = new Set<number>();
  #libraries!: Libraries;
  #watcher!: Watcher;
  #sessions!: SessionTable;
  #blindness!: Blindness;
  #sockets!: SocketWatch;
  /** Of processes that have ended, when accounts are asked for. */
  readonly #closed = new Map<string, Account>();
  #events!: SslEvents;
  #countedBefore = { ring: 0, copy: 0, limit: 0 };
  readonly #silence = new Silence();
  #quiet: NodeJS.Timeout | undefined;

  constructor(options: SslOptions = {}) {
    super(options);
    this.#maxBytes = options.maxBytes ?? 0;
    this.#hold = options.hold ?? false;
    this.#plainPorts = options.plainPorts ?? [];
    this.#accounts = options.accounts ?? false;
  }

  protected readonly onRecord: RecordHandler = (bytes, view, at, ts) => this.#events.record(bytes, view, at, ts);

  protected open(): BpfObject {
    const object = BpfObject.open(fileURLToPath(new URL('../../../bpf/sslsniff.bpf.o', import.meta.url)));
    object.setMaxEntries('ring', this.ringBytes);
    object.setRodata('ring_data_limit', this.ringBytes - Math.max(this.ringBytes / 16, Math.min(KEPT_BYTES, this.ringBytes / 2)));
    object.setRodata('max_chunk', this.#pieceBytes());
    object.setRodata('max_call_bytes', this.#maxBytes);
    object.setRodata('scope_hold', this.#hold ? 1 : 0);
    object.setRodata('plain_wanted', this.#plainPorts.length > 0 ? 1 : 0);
    return object;
  }

  /** The longest payload of one event: several must fit into the ring at once. */
  #pieceBytes(): number {
    return Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, this.ringBytes / 16));
  }

  protected attach(tasks: readonly TaskSnapshot[]): void {
    this.#sockets = new SocketWatch(this.object, this.say);
    // From the first system call on: later, only while somebody needs it.
    this.#sockets.need();
    this.#watchPorts();
    this.#libraries = new Libraries(this.object, {
      say: this.say,
      needSockets: () => this.#sockets.needAlways(),
      verbose: this.verbose,
      // The kernel side leaves our children out only where this process is nothing but the sensor.
      mayTest: this.ownProcess || !(this.scope.all || this.scope.uids.length + this.scope.cgroups.length > 0),
    });
    this.#watcher = new Watcher(this.#libraries);
    this.#sessions = new SessionTable(this.object.map('sessions'));
    this.#blindness = new Blindness(this.object.map('tls_traffic'));
    this.#events = new SslEvents(
      this.emitter,
      {
        changed: (process, why) => {
          this.#watcher.changed(process);
          if (why !== 'maps' || !process.spoke) this.#sockets.need();
          if (why === 'exec' && this.#hold) this.#letGo(process);
        },
        ended: (process, ns) => {
          this.#watcher.ended(process);
          this.#sayBlind(process, ns, true);
          this.#keepAccount(process, ns);
          this.#blindness.forget(process, ns);
          this.#silence.ended(process);
        },
      },
      this.#sessions,
    );
    const { command, comms, children, pids, all, uids, cgroups } = this.scope;
    const anybodyMayCome = all || uids.length + cgroups.length > 0;
    // Processes that are there already show their files themselves.
    const nobodyMayCome = pids.length > 0 && !children && !anybodyMayCome && comms.length + command.length === 0;
    const likely = nobodyMayCome ? [] : likelyFiles([...command.slice(0, 1), ...comms], anybodyMayCome);
    for (const file of likely) this.#libraries.examine(file.key, [file.path], file.path);
    for (const task of tasks) this.#watcher.changed(this.#events.processes.at(task.pid, task.start));
  }

  /** --plain: the bytes of sockets, whatever is in them. */
  #watchPorts(): void {
    if (this.#accounts || this.#plainPorts.length > 0) this.#sockets.needAlways();
    if (this.#plainPorts.length === 0) return;
    const ports = this.object.map('plain_ports');
    for (const port of this.#plainPorts) ports.update(u32(port), u32(1));
    this.object.attachRawTracepoint('plain_close', 'sys_enter');
  }

  /** Of each process that is or was watched, what was found in it and seen of it. */
  accounts(): Account[] {
    if (this.#events === undefined) return [];
    return [...this.#closed.values(), ...accountsOf(this.#events.processes, this.#blindness, bootNow())];
  }

  #keepAccount(process: Process, ns: number): void {
    if (!this.#accounts || this.#closed.size >= MOST_CLOSED) return;
    const account = accountOf(process, this.#blindness, ns);
    this.#closed.set(`${process.pid} ${process.start} ${process.runsSince}`, { ...account, exited: true });
  }

  /** The kernel has stopped it at its exec: it goes on when what is in its program is known and probed. */
  #letGo(process: Process): void {
    this.#held.add(process.pid);
    void Promise.all([...process.files].map((file) => file.search)).finally(() => this.#wake(process.pid));
  }

  #wake(pid: number): void {
    if (!this.#held.delete(pid)) return;
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      // It has ended.
    }
  }

  protected facts(): { probes: Probe[]; notCovered: string[]; limits: Record<string, number> } {
    return {
      probes: this.#libraries.found().flatMap((file) => file.probes),
      notCovered: [
        'TLS of Java, wolfSSL and Botan, and what the finder does not know in a program without symbols (`blind` says so).',
        'Bytes that the kernel itself encrypts after SSL_sendfile: they are counted as lost.',
        'A library call that had begun when its library was first probed.',
        ...(this.#plainPorts.length === 0
          ? []
          : ['Without TLS (--plain): bytes that go by io_uring, splice, sendmmsg or recvmmsg; those of sendfile are counted as lost.']),
      ],
      limits: {
        ring_bytes: this.ringBytes,
        queue_bytes: this.queueBytes,
        event_payload_bytes: this.#pieceBytes(),
        call_events: PIECES_PER_CALL,
        ...(this.#maxBytes === 0 ? {} : { max_bytes: this.#maxBytes }),
        sessions: this.#sessions.maxEntries,
        processes: this.object.map('scope').info.maxEntries,
      },
    };
  }

  protected announce(tasks: readonly TaskSnapshot[], ns: number): void {
    for (const task of tasks) this.#events.processes.snapshot(task.record, ns);
  }

  #sayBlind(process: Process, ns: number, ended: boolean): void {
    const blind = this.#blindness.look(process, ns, ended);
    if (blind === undefined) return;
    this.#events.processes.announce(process, ns);
    this.emitter.emit('meta', 'blind', blind, ns);
    this.say(`${blind.exe || `process ${process.pid}`} sends TLS of which nothing is seen: ${blind.hint}`);
  }

  protected sayLosses(ns: number): void {
    // Nothing that comes later may be earlier than what is said now.
    this.#events.waitNoLonger();
    let needed = false;
    // While a slow reader keeps records in the ring, the plaintext in them is not known yet.
    const current = bootNow() - ns < LAG_NS;
    for (const process of this.#events.processes) {
      if (current) this.#sayBlind(process, ns, false);
      needed ||= process.needsSockets(ns);
    }
    if (!this.ending) this.#sockets.beat(needed);
    this.sayProcessLosses(ns);
    this.#sayDataLosses(ns);
  }

  /**
   * Losses of data that no session has said yet: first those of sessions that live. What was counted a heartbeat ago and
   * is still not said belongs to none that is known (its last words were lost, too), and is said as it is.
   */
  #sayDataLosses(ns: number): void {
    const { saidLost } = this.#events;
    const counted = {
      ring: this.count(Counter.COUNT_LOST_RING),
      copy: this.count(Counter.COUNT_LOST_COPY),
      limit: this.count(Counter.COUNT_LOST_LIMIT),
    };
    const due = this.ending ? counted : this.#countedBefore;
    this.#countedBefore = counted;
    const places = ['ring', 'copy', 'limit'] as const;
    if (places.every((where) => counted[where] <= saidLost[where])) return;
    this.#events.sayOpenLosses(ns);
    for (const where of places) {
      const rest = due[where] - saidLost[where];
      if (rest <= 0) continue;
      saidLost[where] += rest;
      this.emitter.loss({ where, lost: rest, kind: 'ssl_data' }, ns);
    }
  }

  protected totals(): { seen: number; lost: Record<string, number>; emitted: number } {
    const lost: Record<string, number> = {};
    const add = (where: string, n: number): void => {
      if (n > 0) lost[where] = n;
    };
    add('ring', this.count(Counter.COUNT_LOST_RING));
    add('copy', this.count(Counter.COUNT_LOST_COPY));
    add('limit', this.count(Counter.COUNT_LOST_LIMIT));
    add('queue', this.emitter.bulkLost.get('ssl_data') ?? 0);
    return { seen: this.count(Counter.COUNT_SEEN), emitted: this.emitter.given.get('ssl_data') ?? 0, lost };
  }

  protected probesAttached(): number {
    return this.#libraries.attached;
  }

  protected introduce(tasks: readonly TaskSnapshot[]): void {
    const files = this.#libraries.found();
    this.#libraries.started();
    this.say(`watching ${this.whom(tasks)}; TLS in ${files.length === 0 ? 'no file yet' : files.map((file) => file.path).join(', ')}`);
    if (this.verbose) {
      for (const file of files)
        for (const probe of file.probes)
          this.say(
            `${probe.state} ${probe.site} in ${probe.target}${probe.cost ? `, ${probe.cost}` : ''}${probe.reason ? `: ${probe.reason}` : ''}`,
          );
    }
    void this.#libraries.tested().then(() => this.giveUpCapabilities());
    this.#quiet = setTimeout(() => this.#explainSilence(), QUIET_MS);
    this.#quiet.unref();
  }

  #explainSilence(): void {
    if (this.#events.records > 0) return;
    this.say('no TLS data for 10 s');
    for (const sentence of this.#silence.reasons(this.#events.processes)) this.say(sentence);
  }

  protected conclude(): void {
    for (const sentence of this.#silence.reasonsAtEnd(this.#events.processes)) this.say(sentence);
  }

  protected stopLooking(): void {
    clearTimeout(this.#quiet);
    this.#watcher?.stop();
    this.#libraries?.stop();
    for (const pid of [...this.#held]) this.#wake(pid);
  }

  protected settled(): boolean {
    const { seen, lost } = this.totals();
    const { queue: _inUserSpace, ...inKernel } = lost;
    return this.#events.records + Object.values(inKernel).reduce((sum, n) => sum + n, 0) >= seen;
  }
}
