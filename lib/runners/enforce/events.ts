/** Records of the guard into events. */
import { GuardOperation, RecExec, RecExit, RecGuard, RecGuardName, RecStamp, RecType } from '../../bpf/records.gen.js';
import { ipv6 } from '../../protocols/dns.js';
import type { GuardRule } from '../../stream/event.js';
import type { Emitter } from '../emitter.js';
import { KnownProcess, ProcessTable } from '../processes.js';
import type { ListName } from './kernel-policy.js';
import { AddressNames } from './names.js';

const NO_ENTRY = 0xffffffff;
const OPERATIONS: Readonly<Record<number, string>> = {
  [GuardOperation.GUARD_CONNECT]: 'connect',
  [GuardOperation.GUARD_SEND]: 'send',
  [GuardOperation.GUARD_SOCKET]: 'socket',
};
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp' };

export class GuardEvents {
  readonly processes: ProcessTable<KnownProcess>;
  readonly names = new AddressNames();
  readonly #emitter: Emitter;
  readonly #rule: (rev: number, list: ListName, entry: number) => GuardRule | undefined;
  readonly #newcomer: () => void;
  readonly #stamp = new RecStamp();
  readonly #exec = new RecExec();
  readonly #exit = new RecExit();
  readonly #guard = new RecGuard();
  readonly #name = new RecGuardName();
  records = 0;
  emitted = 0;

  /** `newcomer`: a living process came into scope. */
  constructor(emitter: Emitter, rule: (rev: number, list: ListName, entry: number) => GuardRule | undefined, newcomer: () => void) {
    this.#emitter = emitter;
    this.#rule = rule;
    this.#newcomer = newcomer;
    this.processes = new ProcessTable((pid, start) => new KnownProcess(pid, start), emitter, { met() {}, replaced() {} });
  }

  /** One record, in order. A RecordHandler. */
  readonly record = (bytes: Buffer, view: DataView, at: number, ts: number): void => {
    const { type } = this.#stamp.at(bytes, view, at);
    if (type === RecType.REC_GUARD) this.#onGuard(bytes, view, at, ts);
    else if (type === RecType.REC_GUARD_NAME) this.#onName(bytes, view, at);
    else if (type === RecType.REC_EXEC) this.#onExec(bytes, view, at, ts);
    else if (type === RecType.REC_SCOPE) {
      this.processes.of(bytes, view, at, ts);
      this.#newcomer();
    } else if (type === RecType.REC_EXIT) {
      const { pid, start_ns_exact } = this.#exit.at(bytes, view, at);
      const process = this.processes.find(pid);
      if (process !== undefined && process.start === start_ns_exact) this.processes.delete(process);
    }
  };

  #onExec(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#exec.at(bytes, view, at);
    this.processes.runsAnother(process, record.args(record.len));
  }

  #onName(bytes: Buffer, view: DataView, at: number): void {
    const record = this.#name.at(bytes, view, at);
    const addresses = Array.from({ length: Math.min(record.addresses, 8) }, (_, i) =>
      Buffer.from(record.address.subarray(i * 16, i * 16 + 16)),
    );
    this.names.learn(nameOf(record.name(record.len)), addresses);
  }

  #onGuard(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    this.processes.announce(process, ts);
    const record = this.#guard.at(bytes, view, at);
    this.records++;
    const { exe } = process.facts ?? {};
    const address = Buffer.from(record.address);
    const host = ipv6(address);
    const protocol = PROTOCOLS[record.protocol] ?? (record.protocol === 0 ? undefined : String(record.protocol));
    const place = record.port === 0 ? host : host.includes(':') ? `[${host}]:${record.port}` : `${host}:${record.port}`;
    const name = this.names.of(address);
    const list: ListName = record.list === 0 ? 'deny' : 'allow';
    const rule = record.entry === NO_ENTRY ? undefined : this.#rule(record.rev, list, record.entry);
    const refused = record.refused === 1;
    const given = this.#emitter.emit(
      'guard',
      refused ? 'guard_deny' : 'guard_audit',
      {
        ...process.who?.who,
        ...(exe === undefined ? {} : { exe }),
        guard: 'enforce',
        operation: OPERATIONS[record.operation] ?? 'send',
        target: protocol === undefined ? place : `${place}/${protocol}`,
        ...(name === undefined ? {} : { name }),
        ...(rule === undefined ? { reason: list === 'allow' ? 'not on the allow-list' : 'an entry of an older policy' } : { rule }),
        policy_rev: record.rev,
        pre_op: refused,
        ...(refused ? { errno: 'EPERM' } : {}),
      },
      ts,
      0,
    );
    if (given) this.emitted++;
    if (record.suppressed > 0)
      this.#emitter.emit('meta', 'throttle', { rule: `refusals of process ${process.pid}`, suppressed: record.suppressed }, ts);
  }
}

/** A name of DNS, as the wire has it. */
function nameOf(bytes: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes[at] as number;
    if (size === 0) break;
    labels.push(bytes.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  return labels.join('.');
}
