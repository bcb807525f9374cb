/** Records into events: sockets at their outcome, DNS, hellos; and names of peers that DNS told of. */
import { NetState, RecExec, RecExit, RecStamp, RecType } from '../../bpf/records.gen.js';
import { readDns } from '../../protocols/dns.js';
import type { Emitter } from '../emitter.js';
import { KnownProcess, ProcessTable, type WhoSaid } from '../processes.js';
import { sameWho, whoBytes, whoOf } from '../who.js';
import { Names } from './names.js';
import { DnsStreams, Hellos } from './pieces.js';
import {
  errnoName,
  isUnix,
  localPlace,
  ms,
  peerAddress,
  placeOf,
  SocketRecord,
  socketOf,
  socketText,
  TCP,
  unixText,
} from './socket-text.js';

const DNS_PORT = 53;

/** Who, with the beginnings of lines, which are the same for most events of a process: by type of event. */
interface Teller extends WhoSaid {
  heads: Map<string, Buffer>;
}

class NetProcess extends KnownProcess {
  teller: Teller | undefined;
  /** No other process has it. */
  readonly key = `${this.pid}.${this.start}`;
}

function headOf({ heads, who }: Teller, event_type: string): Buffer {
  let head = heads.get(event_type);
  if (head === undefined) {
    head = Buffer.from(`,"source":"net","event_type":"${event_type}","data":${JSON.stringify(who).slice(0, -1)},`);
    heads.set(event_type, head);
  }
  return head;
}

function tellerOf(said: WhoSaid): Teller {
  return { ...said, heads: new Map() };
}

export class NetEvents {
  readonly processes: ProcessTable<NetProcess>;
  readonly #emitter: Emitter;
  readonly #names = new Names();
  readonly #hellos = new Hellos();
  readonly #dns = new DnsStreams();
  readonly #stamp = new RecStamp();
  readonly #exec = new RecExec();
  readonly #exit = new RecExit();
  readonly #net = new SocketRecord();
  /** Who the last close of a process was of that is not there any more. */
  #gone: Teller | undefined;
  /** Records that the kernel has counted as due. */
  records = 0;
  /** Of these, those of which an event had to be dropped. */
  dropped = 0;

  /** Pieces of hellos and of DNS over TCP that had to be given up. */
  get givenUp(): { hellos: number; dns: number } {
    return { hellos: this.#hellos.givenUp, dns: this.#dns.givenUp };
  }

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
    this.processes = new ProcessTable((pid, start) => new NetProcess(pid, start), emitter, { met() {}, replaced() {} });
  }

  /** One record, in order. A {@link RecordHandler}. */
  readonly record = (bytes: Buffer, view: DataView, at: number, ts: number): void => {
    const { type } = this.#stamp.at(bytes, view, at);
    if (type >= RecType.REC_NET_CONNECT && type <= RecType.REC_NET_DNS) {
      this.records++;
      if (!this.#onNet(type, bytes, view, at, ts)) this.dropped++;
    } else if (type === RecType.REC_EXEC) this.#onExec(bytes, view, at, ts);
    else if (type === RecType.REC_EXIT) {
      const { pid, start_ns_exact } = this.#exit.at(bytes, view, at);
      const process = this.processes.find(pid);
      if (process !== undefined && process.start === start_ns_exact) this.processes.delete(process);
    } else if (type === RecType.REC_SCOPE) this.processes.of(bytes, view, at, ts);
  };

  #onExec(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#exec.at(bytes, view, at);
    this.processes.runsAnother(process, record.args(record.len));
  }

  /** False when an event of it was dropped. */
  #onNet(type: number, bytes: Buffer, view: DataView, at: number, ts: number): boolean {
    if (type === RecType.REC_NET_CLOSE) return this.#onClose(bytes, view, at, ts);
    const process = this.processes.of(bytes, view, at, ts);
    if (!process.announced) this.processes.announce(process, ts);
    const teller = this.#tellerOf(process);
    const record = this.#net.at(bytes, view, at);
    if (type === RecType.REC_NET_HELLO) return this.#onHello(process, teller, record, ts);
    if (type === RecType.REC_NET_DNS) return this.#onDns(process, teller, record, ts);
    if (type === RecType.REC_NET_CONNECT) return this.#onConnect(process, teller, record, ts);
    if (type === RecType.REC_NET_ACCEPT) return this.#onAccept(process, teller, record, ts);
    return this.#onListen(teller, record, ts);
  }

  #tellerOf(process: NetProcess): Teller {
    const said = process.who as WhoSaid;
    if (process.teller?.bytes !== said.bytes) process.teller = tellerOf(said);
    return process.teller as Teller;
  }

  /** Whose the connection was that is over: who had opened it may have become another program, or have ended. */
  #closer(process: NetProcess | undefined, bytes: Buffer, view: DataView, at: number): Teller {
    for (const teller of [process?.teller, this.#gone]) if (teller !== undefined && sameWho(teller.bytes, bytes, at)) return teller;
    this.#gone = tellerOf({ bytes: whoBytes(bytes, at), who: whoOf(bytes, view, at) });
    return this.#gone;
  }

  /** `fields`: JSON of the data behind who, without braces. */
  #give(event_type: string, teller: Teller, fields: string, ts: number): boolean {
    const printed = this.#emitter.print(event_type, headOf(teller, event_type), fields, ts, 0);
    return printed ?? this.#emitter.emit('net', event_type, { ...teller.who, ...(JSON.parse(`{${fields}}`) as object) }, ts, 0);
  }

  #peerText(process: string, record: SocketRecord): string {
    if (isUnix(record)) return unixText('peer', record);
    const address = peerAddress(record);
    const known = this.#names.of(process, address);
    const name = known === undefined ? '' : `,"name":${JSON.stringify(known.name)},"name_by":"${known.by}"`;
    return `"peer":"${placeOf(address, record.peer_port)}"${name}`;
  }

  #localText(record: SocketRecord): string {
    return isUnix(record) || record.local_port === 0 ? '' : `,"local":"${localPlace(record)}"`;
  }

  #onConnect(process: NetProcess, teller: Teller, record: SocketRecord, ts: number): boolean {
    const { error, established, protocol } = record;
    const handshake = protocol === TCP && error === 0 && established > 0 ? `,"handshake_ms":${ms(established - record.began)}` : '';
    const end = error !== 0 ? `,"errno":"${errnoName(error)}"` : established === 0 ? ',"partial":["eof"]' : '';
    const place = `${socketText(record)}${this.#localText(record)},${this.#peerText(process.key, record)}`;
    return this.#give('net_connect', teller, place + handshake + end, ts);
  }

  /** At the end: a connection whose outcome is open. `record` is an entry of the kernel's table. */
  unfinished(bytes: Buffer, ts: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { state } = this.#net.at(bytes, view, 0);
    if (state !== NetState.NET_PENDING && state !== NetState.NET_UNSAID) return;
    this.records++;
    if (!this.#onNet(RecType.REC_NET_CONNECT, bytes, view, 0, ts)) this.dropped++;
  }

  #onAccept(process: NetProcess, teller: Teller, record: SocketRecord, ts: number): boolean {
    const place = isUnix(record)
      ? `,${unixText('local', record)},"peer":"unix:"`
      : `${this.#localText(record)},${this.#peerText(process.key, record)}`;
    return this.#give('net_accept', teller, socketText(record) + place, ts);
  }

  #onListen(teller: Teller, record: SocketRecord, ts: number): boolean {
    const local = isUnix(record) ? unixText('local', record) : `"local":"${localPlace(record)}"`;
    return this.#give('net_listen', teller, `${socketText(record)},${local},"backlog":${record.backlog}`, ts);
  }

  #onClose(bytes: Buffer, view: DataView, at: number, ts: number): boolean {
    const record = this.#net.at(bytes, view, at);
    const found = this.processes.find(record.pid);
    const process = found?.start === record.start_ns_exact ? found : undefined;
    if (process !== undefined && !process.announced) this.processes.announce(process, ts);
    const teller = this.#closer(process, bytes, view, at);
    const { first, established } = record;
    const socket = socketOf(record);
    const key = process?.key ?? `${record.pid}.${record.start_ns_exact}`;
    const peer = this.#peerText(key, record);
    const firstByte = first === 0 ? '' : `,"first_byte_ms":${ms(Math.max(0, first - established))}`;
    const bytesMoved = `,"tx_bytes":${record.tx},"rx_bytes":${record.rx}`;
    const given = this.#give(
      'net_close',
      teller,
      `${socketText(record)},${peer}${bytesMoved}${firstByte},"duration_ms":${ms(ts - established)}`,
      ts,
    );
    const left = this.#hellos.forget(socket);
    if (left !== undefined) this.#giveHello(key, teller, record, left, ts);
    if (!this.#dns.empty) for (const way of ['>', '<']) this.#dns.forget(socket + way);
    return given;
  }

  #onHello(process: NetProcess, teller: Teller, record: SocketRecord, ts: number): boolean {
    const hello = this.#hellos.add(socketOf(record), record.offset, record.data(record.len), record.len < record.full);
    return hello === undefined || this.#giveHello(process.key, teller, record, hello, ts);
  }

  #giveHello(process: string, { who }: Teller, record: SocketRecord, hello: Buffer, ts: number): boolean {
    const address = peerAddress(record);
    const known = this.#names.of(process, address);
    return this.#emitter.emit(
      'tls',
      'tls_client_hello',
      {
        ...who,
        socket: socketOf(record),
        peer: placeOf(address, record.peer_port),
        ...(known === undefined ? {} : { name: known.name }),
        hello_b64: hello.toString('base64'),
      },
      ts,
      0,
    );
  }

  #onDns(process: NetProcess, { who }: Teller, record: SocketRecord, ts: number): boolean {
    const piece = record.data(record.len);
    const socket = socketOf(record);
    const isTcp = record.protocol === TCP;
    const cut = record.len < record.full;
    const way = record.received === 0 ? '>' : '<';
    const messages = isTcp ? this.#dns.add(`${socket}${way}`, piece, cut) : [piece];
    const server = placeOf(peerAddress(record), record.peer_port || DNS_PORT);
    let given = true;
    for (const bytes of messages) {
      const message = readDns(bytes);
      if (message === undefined || message.answer !== (record.received === 1)) continue;
      const { id, answer, name, qtype, rcode, cname, addresses, ttl } = message;
      if (answer) this.#names.learn(process.key, name, addresses);
      const answered = {
        rcode,
        ...(cname.length === 0 ? {} : { cname }),
        addresses,
        ...(ttl === undefined ? {} : { ttl_s: ttl }),
      };
      const data = { ...who, socket, transport: isTcp ? 'tcp' : 'udp', server, query_id: id, name, qtype, ...(answer ? answered : {}) };
      if (!this.#emitter.emit('dns', answer ? 'dns_answer' : 'dns_query', data, ts, 0)) given = false;
    }
    return given;
  }
}
