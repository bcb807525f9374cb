/** The egress guard: refuses what its files say, for the watched processes only. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { BpfError, BpfObject } from '../../bpf/index.js';
import { Counter } from '../../bpf/records.gen.js';
import { addressBytes } from '../../match/address.js';
import { masked } from '../../policy/egress-tables.js';
import type { EgressEntry } from '../../policy/entry.js';
import type { Probe } from '../../stream/event.js';
import { CommandError, EXIT } from '../../stream/exit.js';
import type { RecordHandler } from '../order.js';
import { cgroup2Mount } from '../scope.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { bootNow, Sensor, type SensorOptions } from '../sensor.js';
import { GuardEvents } from './events.js';
import { KernelPolicy } from './kernel-policy.js';
import { Resolver } from './names.js';
import { EgressPolicy } from './policy.js';

export interface EnforceOptions extends SensorOptions {
  denyFile?: string;
  allowFile?: string;
  /** Nothing is refused; what would be is said. */
  audit?: boolean;
  /** With an allow-file: this machine itself may be reached. */
  loopback?: boolean;
  /** With an allow-file: the configured resolvers may be asked. Default: yes. */
  dns?: boolean;
  /** Resolvers instead of those of /etc/resolv.conf: addresses. */
  resolvers?: readonly string[];
}

const ONE = Buffer.from([1, 0, 0, 0]);
/** Program, and whether the guard is none without it. */
const PROGRAMS = [
  ['guard_connect4', true],
  ['guard_connect6', true],
  ['guard_sendmsg4', true],
  ['guard_sendmsg6', true],
  ['guard_ingress', true],
  ['guard_egress', true],
  ['guard_sock_create', true],
] as const;

const NOT_COVERED = [
  'What is sent on a connected socket that somebody else made and handed to a watched process: until the next heartbeat.',
  'Packets of AF_PACKET and AF_VSOCK sockets: they need a privilege (CAP_NET_RAW) or a virtual machine.',
  'Names that are looked up by DNS over TLS or HTTPS, or in answers of TCP that are cut over packets: their addresses are not learnt.',
  'What root inside the scope does to the guard itself.',
];

/** Addresses of resolvers in resolv.conf(5). */
export function resolversOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1]?.split('%')[0] ?? '')
    .filter((address) => isIP(address) !== 0);
}

function entryOf(address: string, bits: number | undefined, more: Pick<EgressEntry, 'ports' | 'protocol'> = {}): EgressEntry {
  const whole = addressBytes(address);
  const bytes = address.includes(':') ? whole : whole.subarray(12);
  return {
    kind: 'egress',
    line: 0,
    text: address,
    target: { kind: 'net', address: masked(bytes, bits ?? bytes.length * 8), bits: bits ?? bytes.length * 8 },
    ...more,
  };
}

export class EnforceSensor extends Sensor {
  readonly name = 'enforce';
  readonly #options: EnforceOptions;
  readonly #resolvers: string[];
  readonly #probes: Probe[] = [];
  readonly #policy: EgressPolicy;
  readonly #resolver: Resolver;
  #kernel!: KernelPolicy;
  #events!: GuardEvents;
  #saidReaderGone = false;
  #said = { ring: 0, limit: 0 };

  protected readonly onRecord: RecordHandler = (bytes, view, at, ts) => this.#events.record(bytes, view, at, ts);

  /** @throws CommandError when there is nothing to obey, or no scope */
  constructor(options: EnforceOptions) {
    super(options);
    if (options.denyFile === undefined && options.allowFile === undefined)
      throw new CommandError(EXIT.usage, 'there is no policy', 'Name a deny-file, or give --allow-file FILE');
    if (this.scope.all)
      throw new CommandError(EXIT.usage, 'a guard needs to know whom to guard', 'Give --cgroup, -c, -p, --uid, or -- COMMAND');
    this.#options = options;
    this.#resolvers = options.resolvers !== undefined && options.resolvers.length > 0 ? [...options.resolvers] : configuredResolvers();
    for (const address of this.#resolvers)
      if (isIP(address) === 0) throw new CommandError(EXIT.usage, `"${address}" is no address`, '--resolver takes IPv4 and IPv6 addresses');
    this.#policy = new EgressPolicy({
      deny: options.denyFile,
      allow: options.allowFile,
      implied: this.#implied(),
      apply: (compiled) => this.#kernel.put(compiled, () => this.#events.names.byAddress),
      told: (reload) => {
        this.#resolver.follow(this.#policy.exactNames());
        this.emitter.emit('guard', 'guard_reload', reload, Math.max(bootNow(), this.order.horizon));
      },
      say: this.say,
    });
    this.#resolver = new Resolver((name, addresses) => {
      this.#events.names.learn(name, addresses);
      this.#kernel.learn(addresses, name);
    });
  }

  /** What an allow-file need not say. */
  #implied(): EgressEntry[] {
    const { loopback, dns } = this.#options;
    return [
      ...(loopback === true ? [entryOf('127.0.0.0', 8), entryOf('::1', undefined)] : []),
      ...(dns === false ? [] : this.#resolvers.map((address) => entryOf(address, undefined, { ports: { from: 53, to: 53 } }))),
    ];
  }

  /** Nobody reads any more: that lifts no policy. */
  override stop(reason: string): void {
    if (reason !== 'reader gone') {
      super.stop(reason);
      return;
    }
    if (!this.#saidReaderGone) this.say('nobody reads the events any more; the policy stays in force until this is stopped');
    this.#saidReaderGone = true;
  }

  protected open(): BpfObject {
    const object = BpfObject.open(fileURLToPath(new URL('../../../bpf/enforce.bpf.o', import.meta.url)));
    object.setMaxEntries('ring', this.ringBytes);
    object.setRodata('audit_only', this.#options.audit === true ? 1 : 0);
    return object;
  }

  protected attach(_tasks: readonly TaskSnapshot[]): void {
    const mount = cgroup2Mount();
    if (mount === undefined)
      throw new CommandError(EXIT.unavailable, 'no cgroup2 tree is mounted here', 'Mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup');
    this.#events = new GuardEvents(
      this.emitter,
      (rev, list, entry) => this.#policy.rule(rev, list, entry),
      () => this.#markHeld(),
    );
    this.#kernel = new KernelPolicy(this.object);
    for (const address of this.#resolvers) this.object.map('resolvers').update(addressBytes(address), ONE);
    // Before the first program is attached: there is no moment without the policy.
    this.#policy.begin();
    this.#resolver.follow(this.#policy.exactNames());
    for (const [program, needed] of PROGRAMS) {
      try {
        this.object.attachCgroup(program, mount);
        this.#probes.push({ name: program, target: mount, state: 'attached' });
      } catch (error) {
        if (!(error instanceof BpfError) || needed) throw error;
        this.#probes.push({ name: program, target: mount, state: 'failed', reason: error.message });
      }
    }
    showOwnNamespace();
    this.#markHeld();
  }

  /** Sockets that the watched processes hold: from before the start, or handed to them since. */
  #markHeld(): void {
    this.object.runIter('guard_held_sockets');
  }

  protected facts(): { probes: Probe[]; notCovered: string[]; limits: Record<string, number> } {
    return {
      probes: this.#probes,
      notCovered: NOT_COVERED,
      limits: {
        ring_bytes: this.ringBytes,
        queue_bytes: this.queueBytes,
        prefixes: this.object.map('nets').info.maxEntries,
        names: this.object.map('hosts').info.maxEntries,
        resolved_addresses: this.object.map('resolved').info.maxEntries,
        processes: this.object.map('scope').info.maxEntries,
      },
    };
  }

  protected announce(tasks: readonly TaskSnapshot[], ns: number): void {
    for (const task of tasks) this.#events.processes.snapshot(task.record, ns);
  }

  protected sayLosses(ns: number): void {
    if (!this.ending) this.#markHeld();
    this.sayProcessLosses(ns);
    const now = { ring: this.count(Counter.COUNT_LOST_RING), limit: this.count(Counter.COUNT_LOST_LIMIT) };
    for (const where of ['ring', 'limit'] as const) {
      if (now[where] > this.#said[where])
        this.emitter.loss(
          { where, lost: now[where] - this.#said[where], kind: this.#options.audit === true ? 'guard_audit' : 'guard_deny' },
          ns,
        );
    }
    this.#said = now;
  }

  #suppressed(): number {
    return Number(this.object.global('suppressed_all').read().readBigUInt64LE(0));
  }

  protected totals(): { seen: number; lost: Record<string, number>; emitted: number } {
    const lost: Record<string, number> = {};
    const add = (where: string, n: number): void => {
      if (n > 0) lost[where] = n;
    };
    add('ring', this.count(Counter.COUNT_LOST_RING));
    add('throttle', this.#suppressed());
    add('queue', this.#events.records - this.#events.emitted);
    return { seen: this.count(Counter.COUNT_SEEN), emitted: this.#events.emitted, lost };
  }

  protected probesAttached(): number {
    return this.#probes.filter(({ state }) => state === 'attached').length;
  }

  protected introduce(tasks: readonly TaskSnapshot[]): void {
    this.say(`guards ${this.whom(tasks)}${this.#options.audit === true ? ' (audit: nothing is refused)' : ''}`);
    for (const sentence of this.#policy.describe()) this.say(sentence);
    this.giveUpCapabilities();
  }

  protected conclude(): void {}

  protected stopLooking(): void {
    this.#resolver.stop();
    this.#policy.close();
  }

  protected settled(): boolean {
    return this.#events.records + this.count(Counter.COUNT_LOST_RING) + this.#suppressed() >= this.count(Counter.COUNT_SEEN);
  }
}

function configuredResolvers(): string[] {
  try {
    return resolversOf(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    return [];
  }
}

/** The programs learn from a connection of ours in which network namespace we are: answers of DNS in others open nothing. */
function showOwnNamespace(): void {
  const socket = createSocket('udp4');
  const close = (): void => void socket.close();
  socket.once('error', close);
  socket.connect(9, '127.0.0.1', close);
}
