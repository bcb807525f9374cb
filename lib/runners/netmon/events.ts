/** Records into events: sockets at their outcome, DNS, hellos; and names of peers that DNS told of. */
import { constants } from 'node:os';
import { NetState, RecExec, RecExit, RecNet, RecStamp, RecType } from '../../bpf/records.gen.js';
import { ipv4, ipv6, readDns } from '../../protocols/dns.js';
import type { NetFamily } from '../../stream/event.js';
import { textListField } from '../../stream/payload.js';
import type { Emitter } from '../emitter.js';
import { factsOf, splitAtNul } from '../proc.js';
import { KnownProcess, ProcessTable } from '../processes.js';
import { Names } from './names.js';
import { DnsStreams, Hellos } from './pieces.js';

const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10];
const [TCP, UDP] = [6, 17];
const KINDS: Readonly<Record<number, string>> = { 1: 'stream', 2: 'dgram', 5: 'seqpacket' };
const DNS_PORT = 53;

const ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** A socket of TCP has a cookie; of another one the inode stands for it, where no cookie reaches. */
const INODES = 1n << 62n;

function socketOf(record: RecNet): string {
  return (record.cookie_exact !== 0n ? record.cookie_exact : INODES + record.inode_exact).toString();
}

/** IPv4 addresses mapped into IPv6 are IPv4's. */
function familyOf(record: RecNet): NetFamily | undefined {
  if (record.family === AF_UNIX) return 'unix';
  if (record.family === AF_INET) return 'ipv4';
  if (record.family !== AF_INET6) return undefined;
  return isMapped(record.peer) || isMapped(record.local) ? 'ipv4' : 'ipv6';
}

function isMapped(address: Buffer): boolean {
  return address.readUInt16BE(10) === 0xffff && address.subarray(0, 10).every((byte) => byte === 0);
}

function addressOf(record: RecNet, bytes: Buffer): string {
  return record.family === AF_INET ? ipv4(bytes) : ipv6(bytes);
}

function placeOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `unix:/run/x`, `unix:@name` of an abstract one, `unix:` of one without a name. A NUL inside a name as @, as /proc/net/unix has it. */
export function unixPlace(sockaddr: Buffer): string {
  const name = sockaddr.subarray(2);
  if (name.length === 0) return 'unix:';
  if (name[0] === 0) return `unix:${name.toString('utf8').replaceAll('\0', '@')}`;
  const end = name.indexOf(0);
  return `unix:${name.toString('utf8', 0, end < 0 ? name.length : end)}`;
}

function protocolOf(record: RecNet): string {
  if (record.family === AF_UNIX) return KINDS[record.kind] ?? String(record.kind);
  return record.protocol === TCP ? 'tcp' : record.protocol === UDP ? 'udp' : String(record.protocol);
}

function ms(ns: number): number {
  return Math.round(ns / 1000) / 1000;
}

export class NetEvents {
  readonly processes: ProcessTable<KnownProcess>;
  readonly #emitter: Emitter;
  readonly #names = new Names();
  readonly #hellos = new Hellos();
  readonly #dns = new DnsStreams();
  readonly #stamp = new RecStamp();
  readonly #exec = new RecExec();
  readonly #exit = new RecExit();
  readonly #net = new RecNet();
  /** Records of what the kernel counts as due. */
  records = 0;
  /** What was made of them and given. */
  emitted = 0;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
    this.processes = new ProcessTable((pid, start) => new KnownProcess(pid, start), emitter, { met() {}, replaced() {} });
  }

  /** One record, in order. A {@link RecordHandler}. */
  readonly record = (bytes: Buffer, view: DataView, at: number, ts: number): void => {
    const { type } = this.#stamp.at(bytes, view, at);
    if (type === RecType.REC_EXEC) this.#onExec(bytes, view, at, ts);
    else if (type === RecType.REC_EXIT) {
      const { pid, start_ns_exact } = this.#exit.at(bytes, view, at);
      const process = this.processes.find(pid);
      if (process !== undefined && process.start === start_ns_exact) this.processes.delete(process);
    } else if (type === RecType.REC_SCOPE) this.processes.of(bytes, view, at, ts);
    else if (type >= RecType.REC_NET_CONNECT && type <= RecType.REC_NET_DNS) {
      const process = this.processes.of(bytes, view, at, ts);
      this.processes.announce(process, ts);
      this.#onNet(type, process, this.#net.at(bytes, view, at), ts);
    }
  };

  #onExec(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#exec.at(bytes, view, at);
    process.announced = false;
    process.facts = this.processes.announces ? factsOf(process.pid) : {};
    // It has ended already: what the kernel saw of its arguments.
    if (process.facts.args === undefined && process.facts.args_b64 === undefined)
      process.facts = { ...process.facts, ...textListField('args', splitAtNul(Buffer.from(record.args(record.len)))) };
  }

  #onNet(type: number, process: KnownProcess, record: RecNet, ts: number): void {
    if (type === RecType.REC_NET_HELLO) this.#onHello(process, record, ts);
    else if (type === RecType.REC_NET_DNS) this.#onDns(process, record, ts);
    else {
      this.records++;
      if (type === RecType.REC_NET_CONNECT) this.#onConnect(process, record, ts);
      else if (type === RecType.REC_NET_ACCEPT) this.#onAccept(process, record, ts);
      else if (type === RecType.REC_NET_LISTEN) this.#onListen(process, record, ts);
      else this.#onClose(process, record, ts);
    }
  }

  #give(event_type: string, process: KnownProcess, data: object, ts: number): void {
    if (this.#emitter.emit('net', event_type, { ...process.who?.who, ...data }, ts, 0)) this.emitted++;
  }

  /** The fields that all say of a socket. */
  #base(record: RecNet): { socket: string; family?: NetFamily; protocol: string } {
    const family = familyOf(record);
    return { socket: socketOf(record), ...(family === undefined ? {} : { family }), protocol: protocolOf(record) };
  }

  #local(record: RecNet): { local?: string } {
    if (record.family === AF_UNIX || record.local_port === 0) return {};
    return { local: placeOf(addressOf(record, record.local), record.local_port) };
  }

  #peer(record: RecNet): { peer: string; name?: string; name_by?: 'dns' } {
    if (record.family === AF_UNIX) return { peer: unixPlace(Buffer.from(record.data(record.len))) };
    const address = addressOf(record, record.peer);
    const name = this.#names.of(address);
    return { peer: placeOf(address, record.peer_port), ...(name === undefined ? {} : { name, name_by: 'dns' as const }) };
  }

  #onConnect(process: KnownProcess, record: RecNet, ts: number): void {
    const { error } = record;
    this.#give(
      'net_connect',
      process,
      {
        ...this.#base(record),
        ...this.#local(record),
        ...this.#peer(record),
        ...(record.protocol === TCP && error === 0 && record.established > 0
          ? { handshake_ms: ms(record.established - record.began) }
          : {}),
        ...(error !== 0 ? { errno: ERRNO.get(error) ?? `E${error}` } : record.established === 0 ? { partial: ['eof'] } : {}),
      },
      ts,
    );
  }

  /** At the end: a connection whose outcome is open. `record` is an entry of the kernel's table. */
  unfinished(bytes: Buffer, ts: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const record = this.#net.at(bytes, view, 0);
    if (record.state !== NetState.NET_PENDING) return;
    const process = this.processes.of(bytes, view, 0, ts);
    this.processes.announce(process, ts);
    this.#onConnect(process, this.#net.at(bytes, view, 0), ts);
    this.records++;
  }

  #onAccept(process: KnownProcess, record: RecNet, ts: number): void {
    const isUnix = record.family === AF_UNIX;
    const place = isUnix ? { local: unixPlace(Buffer.from(record.data(record.len))), peer: 'unix:' } : undefined;
    this.#give('net_accept', process, { ...this.#base(record), ...(place ?? { ...this.#local(record), ...this.#peer(record) }) }, ts);
  }

  #onListen(process: KnownProcess, record: RecNet, ts: number): void {
    const local =
      record.family === AF_UNIX
        ? unixPlace(Buffer.from(record.data(record.len)))
        : placeOf(addressOf(record, record.local), record.local_port);
    this.#give('net_listen', process, { ...this.#base(record), local, backlog: record.backlog }, ts);
  }

  #onClose(process: KnownProcess, record: RecNet, ts: number): void {
    const { first, established } = record;
    this.#give(
      'net_close',
      process,
      {
        ...this.#base(record),
        ...this.#peer(record),
        tx_bytes: record.tx,
        rx_bytes: record.rx,
        ...(first === 0 ? {} : { first_byte_ms: ms(Math.max(0, first - established)) }),
        duration_ms: ms(ts - established),
      },
      ts,
    );
    const left = this.#hellos.forget(socketOf(record));
    if (left !== undefined) this.#giveHello(process, record, left, ts);
  }

  #onHello(process: KnownProcess, record: RecNet, ts: number): void {
    const hello = this.#hellos.add(socketOf(record), record.offset, record.data(record.len), record.len < record.full);
    if (hello !== undefined) this.#giveHello(process, record, hello, ts);
  }

  #giveHello(process: KnownProcess, record: RecNet, hello: Buffer, ts: number): void {
    const { name_by: _by, ...peer } = this.#peer(record);
    this.#emitter.emit(
      'tls',
      'tls_client_hello',
      { ...process.who?.who, socket: socketOf(record), ...peer, hello_b64: hello.toString('base64') },
      ts,
    );
  }

  #onDns(process: KnownProcess, record: RecNet, ts: number): void {
    const piece = record.data(record.len);
    const isTcp = record.protocol === TCP;
    const cut = record.len < record.full;
    const way = record.received === 0 ? '>' : '<';
    const messages = isTcp ? this.#dns.add(`${socketOf(record)}${way}`, piece, cut) : [piece];
    for (const bytes of messages) {
      const message = readDns(bytes);
      // A receive that only looks (MSG_PEEK, a length) gives no message.
      if (message === undefined || message.answer !== (record.received === 1)) continue;
      if (message.answer) this.#names.learn(message.name, message.addresses);
      this.#emitter.emit(
        'dns',
        message.answer ? 'dns_answer' : 'dns_query',
        {
          ...process.who?.who,
          socket: socketOf(record),
          transport: isTcp ? 'tcp' : 'udp',
          server: placeOf(addressOf(record, record.peer), record.peer_port || DNS_PORT),
          query_id: message.id,
          name: message.name,
          qtype: message.qtype,
          ...(message.answer
            ? {
                rcode: message.rcode,
                ...(message.cname.length === 0 ? {} : { cname: message.cname }),
                addresses: message.addresses,
                ...(message.ttl === undefined ? {} : { ttl_s: message.ttl }),
              }
            : {}),
        },
        ts,
      );
    }
  }
}
