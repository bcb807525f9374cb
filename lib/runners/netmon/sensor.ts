/** The network sensor: sockets at their outcome, DNS and TLS hellos. */
import { fileURLToPath } from 'node:url';
import { BpfError, BpfObject } from '../../bpf/index.js';
import { Counter } from '../../bpf/records.gen.js';
import type { Probe } from '../../stream/event.js';
import type { RecordHandler } from '../order.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { bootNow, Sensor } from '../sensor.js';
import { NetEvents } from './events.js';

/** System calls at whose beginning or end something is seen: program, tracepoint. */
const SYSCALLS: readonly (readonly [string, string])[] = [
  ['connect_enter', 'sys_enter_connect'],
  ['connect_exit', 'sys_exit_connect'],
  ['accept_exit', 'sys_exit_accept'],
  ['accept4_exit', 'sys_exit_accept4'],
  ['listen_enter', 'sys_enter_listen'],
  ['write_enter', 'sys_enter_write'],
  ['writev_enter', 'sys_enter_writev'],
  ['sendto_enter', 'sys_enter_sendto'],
  ['sendmsg_enter', 'sys_enter_sendmsg'],
  ['sendmmsg_enter', 'sys_enter_sendmmsg'],
  ['read_enter', 'sys_enter_read'],
  ['read_exit', 'sys_exit_read'],
  ['recvfrom_enter', 'sys_enter_recvfrom'],
  ['recvfrom_exit', 'sys_exit_recvfrom'],
  ['recvmsg_enter', 'sys_enter_recvmsg'],
  ['recvmsg_exit', 'sys_exit_recvmsg'],
  ['recvmmsg_enter', 'sys_enter_recvmmsg'],
  ['recvmmsg_exit', 'sys_exit_recvmmsg'],
];

/** Without them nothing of TCP is seen. */
const NEEDED = new Set(['net_state', 'connect_enter', 'connect_exit']);

const NOT_COVERED = [
  'Datagrams to a peer that no connect(2) named: only DNS is seen of them. Closes and bytes of UDP and unix sockets.',
  'Connections that were open when the sensor started, and their closes.',
  'DNS over TLS, HTTPS and QUIC, and questions to a resolver over another protocol (systemd-resolved by D-Bus or varlink). Answers that are read by readv or io_uring.',
  'A ClientHello that is sent by io_uring, splice or sendfile, of QUIC, and of kernel threads.',
  'System calls of 32-bit programs. Multipath TCP and SCTP.',
];

export class NetSensor extends Sensor {
  readonly name = 'net';
  readonly #probes: Probe[] = [];
  #events!: NetEvents;

  protected readonly onRecord: RecordHandler = (bytes, view, at, ts) => this.#events.record(bytes, view, at, ts);

  protected open(): BpfObject {
    const object = BpfObject.open(fileURLToPath(new URL('../../../bpf/netmon.bpf.o', import.meta.url)));
    object.setMaxEntries('ring', this.ringBytes);
    return object;
  }

  protected attach(_tasks: readonly TaskSnapshot[]): void {
    this.#events = new NetEvents(this.emitter);
    this.#attach('net_state', 'inet_sock_set_state', () => this.object.attachRawTracepoint('net_state', ''));
    this.#attach('net_read', 'tcp_rcv_space_adjust', () => this.object.attachRawTracepoint('net_read', 'tcp_rcv_space_adjust'));
    for (const [program, name] of SYSCALLS) this.#attach(program, name, () => this.object.attachTracepoint(program, 'syscalls', name));
  }

  #attach(program: string, target: string, attach: () => unknown): void {
    try {
      attach();
      this.#probes.push({ name: program, target, state: 'attached' });
    } catch (error) {
      if (!(error instanceof BpfError) || NEEDED.has(program)) throw error;
      this.#probes.push({ name: program, target, state: 'failed', reason: error.message });
    }
  }

  protected facts(): { probes: Probe[]; notCovered: string[]; limits: Record<string, number> } {
    return {
      probes: this.#probes,
      notCovered: NOT_COVERED,
      limits: {
        ring_bytes: this.ringBytes,
        queue_bytes: this.queueBytes,
        sockets: this.object.map('socks').info.maxEntries,
        processes: this.object.map('scope').info.maxEntries,
      },
    };
  }

  protected announce(tasks: readonly TaskSnapshot[], ns: number): void {
    for (const task of tasks) this.#events.processes.snapshot(task.record, ns);
  }

  #said = { ring: 0, limit: 0 };

  protected sayLosses(ns: number): void {
    this.sayProcessLosses(ns);
    const now = { ring: this.count(Counter.COUNT_LOST_RING), limit: this.count(Counter.COUNT_LOST_LIMIT) };
    for (const where of ['ring', 'limit'] as const) {
      if (now[where] > this.#said[where]) this.emitter.loss({ where, lost: now[where] - this.#said[where], kind: 'net_connect' }, ns);
    }
    this.#said = now;
    if (this.ending) this.#sayUnfinished();
  }

  /** Connections whose outcome nobody will see. */
  #sayUnfinished(): void {
    const map = this.object.map('socks');
    const ns = bootNow();
    for (const key of [...map.keys()]) {
      const entry = map.lookup(key);
      if (entry !== undefined) this.#events.unfinished(entry, ns);
    }
  }

  protected totals(): { seen: number; lost: Record<string, number>; emitted: number } {
    const lost: Record<string, number> = {};
    const add = (where: string, n: number): void => {
      if (n > 0) lost[where] = n;
    };
    add('ring', this.count(Counter.COUNT_LOST_RING));
    add('limit', this.count(Counter.COUNT_LOST_LIMIT));
    add('queue', this.#events.records - this.#events.emitted);
    return { seen: this.count(Counter.COUNT_SEEN), emitted: this.#events.emitted, lost };
  }

  protected probesAttached(): number {
    return this.#probes.filter(({ state }) => state === 'attached').length;
  }

  protected introduce(tasks: readonly TaskSnapshot[]): void {
    this.say(`watching ${this.whom(tasks)}: connections, names and TLS hellos`);
    if (this.verbose)
      for (const { state, name, target, reason } of this.#probes)
        this.say(`${state} ${name} at ${target}${reason === undefined ? '' : `: ${reason}`}`);
    this.giveUpCapabilities();
  }

  protected conclude(): void {}

  protected stopLooking(): void {}

  protected settled(): boolean {
    return (
      this.#events.records + this.count(Counter.COUNT_LOST_RING) + this.count(Counter.COUNT_LOST_LIMIT) >= this.count(Counter.COUNT_SEEN)
    );
  }
}
