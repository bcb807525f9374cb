/** The network sensor: sockets at their outcome, DNS and TLS hellos. */
import { fileURLToPath } from 'node:url';
import { BpfError, BpfObject, u32 } from '../../bpf/index.js';
import { Counter } from '../../bpf/records.gen.js';
import type { LossPlace, Probe } from '../../stream/event.js';
import type { RecordHandler } from '../order.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { bootNow, Sensor } from '../sensor.js';
import { NetEvents } from './events.js';

/** System calls at whose end something is seen: program, call. */
const SYSCALLS: readonly (readonly [string, string])[] = [
  ['connect_exit', 'connect'],
  ['accept_exit', 'accept'],
  ['accept_exit', 'accept4'],
  ['listen_exit', 'listen'],
  ['write_exit', 'write'],
  ['writev_exit', 'writev'],
  ['sendto_exit', 'sendto'],
  ['sendmsg_exit', 'sendmsg'],
  ['sendmmsg_exit', 'sendmmsg'],
  ['read_exit', 'read'],
  ['readv_exit', 'readv'],
  ['recvfrom_exit', 'recvfrom'],
  ['recvmsg_exit', 'recvmsg'],
  ['recvmmsg_exit', 'recvmmsg'],
];

/** Without them nothing of TCP is seen. */
const NEEDED = new Set(['net_state', 'net_destroy', 'connect_exit']);

/** Kinds of events whose records are counted apart when they are lost: by enum net_loss. */
const KINDS: readonly string[] = ['net_connect', 'net_accept', 'net_listen', 'net_close', 'tls_client_hello', 'dns_query', 'dns_answer'];

const NOT_COVERED = [
  'Datagrams to a peer that no connect(2) named: only DNS is seen of them. Closes and bytes of UDP and unix sockets.',
  'Connections that were open when the sensor started, and their closes.',
  'DNS over TLS, HTTPS and QUIC, and questions to a resolver over another protocol (systemd-resolved by D-Bus or varlink).',
  'What goes by io_uring: accepts, connects of UDP and unix sockets, DNS, hellos. Hellos of splice, sendfile, QUIC, and of kernel threads.',
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
    for (const [program, name] of [
      ['net_destroy', 'tcp_destroy_sock'],
      ['net_read', 'tcp_rcv_space_adjust'],
    ] as const)
      this.#attach(program, name, () => this.object.attachRawTracepoint(program, name));
    for (const [program, call] of SYSCALLS)
      this.#attach(program, `sys_exit_${call}`, () => this.object.attachTracepoint(program, 'syscalls', `sys_exit_${call}`));
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

  /** What has been said of losses, by place and kind. */
  readonly #said = new Map<string, number>();

  #say(where: LossPlace, kind: string, lost: number, ns: number): void {
    const key = `${where} ${kind}`;
    const before = this.#said.get(key) ?? 0;
    if (lost <= before) return;
    this.#said.set(key, lost);
    this.emitter.loss({ where, lost: lost - before, kind }, ns);
  }

  protected sayLosses(ns: number): void {
    this.sayProcessLosses(ns);
    const losses = this.object.map('losses');
    KINDS.forEach((kind, index) => {
      this.#say('ring', kind, Number(losses.sumPerCpu(u32(index))), ns);
      this.#say('limit', kind, Number(losses.sumPerCpu(u32(KINDS.length + index))), ns);
    });
    const { hellos, dns } = this.#events.givenUp;
    this.#say('reassembly', 'tls_client_hello', hellos, ns);
    this.#say('reassembly', 'dns_answer', dns, ns);
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
    const { records, dropped } = this.#events;
    const lost: Record<string, number> = {};
    for (const [where, n] of [...this.#lostInKernel(), ['queue', dropped] as const]) if (n > 0) lost[where] = n;
    return { seen: this.count(Counter.COUNT_SEEN), emitted: records - dropped, lost };
  }

  #lostInKernel(): [LossPlace, number][] {
    return [
      ['ring', this.count(Counter.COUNT_LOST_RING)],
      ['copy', this.count(Counter.COUNT_LOST_COPY)],
      ['limit', this.count(Counter.COUNT_LOST_LIMIT)],
    ];
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
    const lost = this.#lostInKernel().reduce((sum, [, n]) => sum + n, 0);
    return this.#events.records + lost >= this.count(Counter.COUNT_SEEN);
  }
}
