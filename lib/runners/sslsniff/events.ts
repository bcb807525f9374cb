/**
 * Records into events: keeps the model of processes and sessions up to date and says what the contract wants said, in
 * the order in which it happened.
 */
import {
  RecExec,
  RecExit,
  RecFork,
  RecSslData,
  RecSslSession,
  RecSslSocket,
  RecStamp,
  RecType,
  SslDirection,
  SslRole,
  TlsLibrary,
} from '../../bpf/records.gen.js';
import type { Library, Role } from '../../stream/event.js';
import type { Emitter } from '../emitter.js';
import { ProcessTable } from '../processes.js';
import { DataPrinter } from './data-printer.js';
import { LIBRARY_NAMES } from './functions.js';
import { addressOf, type Socket, WAIT_NS, WAITING_BYTES, WAITING_RECORDS, type Whole } from './halves.js';
import { LOSS_PLACES, Process, type Processes, Session, type SessionPeer } from './model.js';
import type { SessionTable } from './session-table.js';
import { SOCKET_BY } from './sockets.js';

/** What happens to processes, for those who look for libraries in them. */
export interface ProcessWatcher {
  /** A process came into scope, ran another program, or loaded a library: its mappings are worth a look. */
  changed(process: Process, why: 'first_seen' | 'exec' | 'maps'): void;
  /** It has ended, or begins another program; in nanoseconds of boot time. */
  ended(process: Process, ns: number): void;
}

function roleOf(role: number): Role | undefined {
  return role === SslRole.ROLE_CLIENT ? 'client' : role === SslRole.ROLE_SERVER ? 'server' : undefined;
}

/** OpenSSL's symbols may be BoringSSL's: then the only file with them says so. */
function libraryOf(process: Process, library: number): Library {
  const name = LIBRARY_NAMES[library] ?? 'openssl';
  return name === 'openssl' && process.has('boringssl') && !process.has('openssl') ? 'boringssl' : name;
}

/** Libraries of which no call tells when a session begins: it is seen from its start when the program is. */
const BEGINNING_UNKNOWN: ReadonlySet<number> = new Set([TlsLibrary.LIBRARY_RUSTLS]);

/** A record that waits for what comes behind it. */
interface Waiting {
  ts: number;
  bytes: Buffer;
}

export class SslEvents {
  readonly processes: Processes;
  readonly #emitter: Emitter;
  readonly #printer: DataPrinter;
  readonly #watcher: ProcessWatcher;
  readonly #table: SessionTable;
  readonly #stamp = new RecStamp();
  readonly #data = new RecSslData();
  readonly #session = new RecSslSession();
  readonly #fork = new RecFork();
  readonly #exec = new RecExec();
  readonly #exit = new RecExit();
  readonly #socket = new RecSslSocket();
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** ssl_data records taken from the ring. */
  records = 0;

  /** Losses of data that have been said, by place. */
  readonly saidLost = { ring: 0, copy: 0, limit: 0 };

  constructor(emitter: Emitter, watcher: ProcessWatcher, table: SessionTable) {
    this.#emitter = emitter;
    this.#printer = new DataPrinter(emitter);
    this.#watcher = watcher;
    this.#table = table;
    this.processes = new ProcessTable((pid, start) => new Process(pid, start), emitter, {
      met: (process) => watcher.changed(process, 'first_seen'),
      replaced: (process, ns) => this.#end(process, ns),
    });
  }

  /** One record, in order. A {@link RecordHandler}. */
  readonly record = (bytes: Buffer, view: DataView, at: number, ts: number): void => {
    const type = this.#stamp.at(bytes, view, at).type;
    if (type === RecType.REC_SSL_SOCKET) {
      this.#onSocket(bytes, view, at, ts);
      this.#release(ts);
      return;
    }
    if (this.#waiting.length > 0) {
      this.#wait(bytes, at, ts);
      this.#release(ts);
      return;
    }
    if (type === RecType.REC_SSL_DATA && this.#mustWait(bytes, view, at)) this.#wait(bytes, at, ts);
    else this.#handle(bytes, view, at, ts);
  };

  /** Everything that waits for a socket goes on without. */
  waitNoLonger(): void {
    this.#release(Number.POSITIVE_INFINITY);
  }

  /** The first record of a stream that writes, whose socket is not known yet. */
  #mustWait(bytes: Buffer, view: DataView, at: number): boolean {
    const record = this.#data.at(bytes, view, at);
    if (record.library !== TlsLibrary.LIBRARY_RUSTLS || record.direction !== SslDirection.SSL_WRITE) return false;
    const process = this.processes.find(record.pid);
    if (process === undefined || process.start !== record.start_ns_exact) return true;
    return process.sessions.get(record.ssl)?.id !== record.session && !process.halves.knows(record.ssl, record.session);
  }

  #wait(bytes: Buffer, at: number, ts: number): void {
    const length = this.#lengthOf(bytes, at);
    this.#waitingBytes += length;
    this.#waiting.push({ ts, bytes: Buffer.from(bytes.subarray(at, at + length)) });
  }

  /** A batch holds more than one record, each behind its length; one that was held before is alone. */
  #lengthOf(bytes: Buffer, at: number): number {
    return at === 0 ? bytes.length : bytes.readUInt32LE(at - 8) & 0x3fff_ffff;
  }

  /** Hands over what waits no longer, by what is known at boot time `now`. */
  #release(now: number): void {
    let given = 0;
    for (; given < this.#waiting.length; given++) {
      const { ts, bytes } = this.#waiting[given] as Waiting;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const full = this.#waiting.length - given > WAITING_RECORDS || this.#waitingBytes > WAITING_BYTES;
      if (now - ts < WAIT_NS && !full && this.#stamp.at(bytes, view, 0).type === RecType.REC_SSL_DATA && this.#mustWait(bytes, view, 0))
        break;
      this.#waitingBytes -= bytes.length;
      this.#handle(bytes, view, 0, ts);
    }
    this.#waiting.splice(0, given);
  }

  #handle(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const type = this.#stamp.at(bytes, view, at).type;
    if (type === RecType.REC_SSL_DATA) this.#onData(bytes, view, at, ts);
    else if (type === RecType.REC_SSL_OPEN || type === RecType.REC_SSL_ROLE || type === RecType.REC_SSL_CLOSE)
      this.#onSession(type, bytes, view, at, ts);
    else if (type === RecType.REC_FORK) this.#onFork(bytes, view, at);
    else if (type === RecType.REC_EXEC) this.#onExec(bytes, view, at, ts);
    else if (type === RecType.REC_EXIT) this.#onExit(bytes, view, at, ts);
    else if (type === RecType.REC_SCOPE) this.#watcher.changed(this.processes.of(bytes, view, at, ts), 'first_seen');
    else if (type === RecType.REC_MAPS) this.#watcher.changed(this.processes.of(bytes, view, at, ts), 'maps');
  }

  #sessionOf(
    process: Process,
    record: { ssl: number; ssl_exact: bigint; session: number; from_start: number; library: number },
    ns: number,
  ): Session {
    const known = process.sessions.get(record.ssl);
    if (known !== undefined && known.id === record.session) return known;
    // The end of the former session at this address was lost.
    if (known !== undefined) this.#close(process, known, ns, 'free');
    const inherited = record.from_start === 0 ? process.inherited?.get(record.ssl) : undefined;
    const library = libraryOf(process, record.library);
    const seen = record.from_start !== 0 || (BEGINNING_UNKNOWN.has(record.library) && process.hadFromStart(library));
    const fromStart = seen || inherited?.fromStart === true;
    const half = record.library === TlsLibrary.LIBRARY_RUSTLS ? process.halves.wholeOf(process, record.ssl, record.session) : undefined;
    const conn = half?.whole.conn ?? process.nextConn();
    const session = new Session(conn, record.ssl, record.session, record.ssl_exact, fromStart, library);
    if (half !== undefined) {
      session.whole = half.whole;
      session.peer = half.socket ?? half.whole.peer;
      session.fd = session.peer?.fd;
      half.whole.parts.add(session);
    }
    session.parentConn = inherited?.conn;
    if (half === undefined) this.#takeEarly(process, session);
    process.sessions.set(record.ssl, session);
    return session;
  }

  #learn(session: Session, record: { role: number; fd: number }): void {
    session.role ??= roleOf(record.role);
    if (record.fd >= 0) session.fd = record.fd;
  }

  #open(process: Process, session: Session, ns: number): void {
    const { whole } = session;
    if ((whole ?? session).announced) return;
    (whole ?? session).announced = true;
    this.processes.announce(process, ns);
    this.#emitter.emit(
      'ssl',
      'ssl_open',
      {
        ...process.who?.who,
        conn: session.conn,
        ...(session.parentConn === undefined ? {} : { parent_conn: session.parentConn }),
        library: session.library,
        ...(session.role === undefined ? {} : { role: session.role }),
        from_start: session.fromStart,
        ...(session.peer === undefined && session.fd !== undefined ? { fd: session.fd } : {}),
        ...session.peer,
      },
      ns,
    );
  }

  /** Says what was lost of a session since it was last said. */
  #sayLost(session: Session, record: { lost(index: number): number; lost_bytes(index: number): number }, ns: number): void {
    LOSS_PLACES.forEach((where, index) => {
      const lost = record.lost(index) - (session.saidLost[index] as number);
      if (lost <= 0) return;
      const bytes = record.lost_bytes(index) - (session.saidLostBytes[index] as number);
      session.saidLost[index] = record.lost(index);
      session.saidLostBytes[index] = record.lost_bytes(index);
      session.lostBytes += bytes;
      if (session.whole !== undefined) session.whole.lostBytes += bytes;
      this.saidLost[where] += lost;
      this.#emitter.loss({ where, lost, lost_bytes: bytes, kind: 'ssl_data', conn: session.conn }, ns);
    });
  }

  /** Looks for losses that no record has told of: of sessions that have said nothing since. */
  sayOpenLosses(ns: number): void {
    for (const process of this.processes) {
      for (const session of process.sessions.values()) this.#lookForLosses(process, session, ns);
    }
  }

  #lookForLosses(process: Process, session: Session, ns: number): void {
    const entry = this.#table.look(process, session);
    if (entry === undefined) return;
    this.#sayLost(session, entry, ns);
    session.shutdown = entry.shutdown !== 0;
    session.readBytes = entry.offset(0);
    session.writeBytes = entry.offset(1);
  }

  #onData(bytes: Buffer, view: DataView, at: number, ts: number): void {
    this.records++;
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#data.at(bytes, view, at);
    const session = this.#sessionOf(process, record, ts);
    if (session.library !== 'plain') process.spoke = true;
    this.#learn(session, record);
    this.#open(process, session, ts);
    this.#sayLost(session, record, ts);
    if (session.whole !== undefined) this.#placeInWhole(session, session.whole, record, view, at);
    const { total, offset, direction } = record;
    if (session.library !== 'plain') process.plaintext[direction === 0 ? 0 : 1] += total;
    if (direction === 0) session.readBytes = offset + total;
    else session.writeBytes = offset + total;
    if (this.#printer.print(process, session, record, bytes, at, ts)) return;
    session.lostBytes += total;
    if (session.whole !== undefined) session.whole.lostBytes += total;
  }

  /** A stream that begins in the middle of its connection, and whose calls are counted apart: the record is told in place. */
  #placeInWhole(session: Session, whole: Whole, record: RecSslData, view: DataView, at: number): void {
    const direction = record.direction === 0 ? 0 : 1;
    if (session.lastCall === 0) session.base = whole.position[direction];
    if (session.lastCall !== record.call) {
      session.lastCall = record.call;
      whole.calls++;
    }
    const offset = session.base + record.offset;
    whole.position[direction] = offset + record.total;
    view.setBigUint64(at + RecSslData.places.offset, BigInt(offset), true);
    view.setBigUint64(at + RecSslData.places.call, BigInt(whole.calls), true);
  }

  #onSocket(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#socket.at(bytes, view, at);
    const peer = addressOf(record.family, record.address, record.port);
    const cookie = record.cookie_exact;
    const socket: Socket = {
      inode: record.inode_exact,
      said: {
        fd: record.fd,
        ...(cookie === 0n ? {} : { socket: String(cookie) }),
        // A socket that is not connected has port 0.
        ...(peer === undefined || record.port === 0 ? {} : { peer, peer_by: SOCKET_BY[record.by] ?? 'system_call' }),
      },
    };
    const session = process.sessions.get(record.ssl);
    if (record.library === TlsLibrary.LIBRARY_RUSTLS || session?.id !== record.session) {
      process.halves.told(record.ssl, record.session, socket);
      return;
    }
    this.#tellPeer(process, session, socket.said, ts);
  }

  /** The socket of a session that was told of before it was known. */
  #takeEarly(process: Process, session: Session): void {
    session.peer = process.halves.take(session.ssl, session.id)?.said;
    session.fd ??= session.peer?.fd;
  }

  #tellPeer(process: Process, session: Session, said: SessionPeer, ns: number): void {
    if (session.peer?.peer !== undefined) return;
    session.peer = said;
    session.fd ??= said.fd;
    if (!session.announced || said.peer === undefined) return;
    this.#emitter.emit('ssl', 'ssl_peer', { ...process.who?.who, conn: session.conn, ...said }, ns);
  }

  #onSession(type: number, bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#session.at(bytes, view, at);
    // A stream of records: which connection it is of, its first data tells.
    if (type === RecType.REC_SSL_OPEN && record.library === TlsLibrary.LIBRARY_RUSTLS) return;
    const session = this.#sessionOf(process, record, ts);
    this.#learn(session, record);
    if (type === RecType.REC_SSL_OPEN) return;
    this.#open(process, session, ts);
    if (type === RecType.REC_SSL_ROLE) return;
    this.#sayLost(session, record, ts);
    session.readBytes = record.read_bytes;
    session.writeBytes = record.write_bytes;
    this.#close(process, session, ts, record.shutdown !== 0 ? 'shutdown' : 'free');
  }

  #close(process: Process, session: Session, ns: number, reason: 'shutdown' | 'free' | 'exit'): void {
    this.#open(process, session, ns);
    process.sessions.delete(session.ssl);
    const { whole } = session;
    if (whole !== undefined) {
      whole.parts.delete(session);
      if (whole.parts.size > 0) return;
      process.halves.over(whole);
    }
    this.#emitter.emit(
      'ssl',
      'ssl_close',
      {
        ...process.who?.who,
        conn: session.conn,
        reason,
        read_bytes: whole?.position[0] ?? session.readBytes,
        write_bytes: whole?.position[1] ?? session.writeBytes,
        ...((whole ?? session).lostBytes === 0 ? {} : { lost_bytes: (whole ?? session).lostBytes }),
        duration_ms: Math.max(0, Math.round((ns - (whole?.since ?? session.id)) / 1000) / 1000),
      },
      ns,
    );
  }

  #onFork(bytes: Buffer, view: DataView, at: number): void {
    const record = this.#fork.at(bytes, view, at);
    const { child_pid, child_start_exact, pid } = record;
    const parent = this.processes.find(pid);
    const former = this.processes.find(child_pid);
    if (former !== undefined && former.start !== child_start_exact) this.#end(former, record.ts);
    const child = this.processes.at(child_pid, child_start_exact);
    child.inherited = parent?.start === record.start_ns_exact ? parent.legacy() : undefined;
    this.#watcher.changed(child, 'first_seen');
  }

  #onExec(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const process = this.processes.of(bytes, view, at, ts);
    const record = this.#exec.at(bytes, view, at);
    // The old address space is gone, and its sessions with it.
    for (const session of [...process.sessions.values()]) this.#lostWithProcess(process, session, ts);
    process.inherited = undefined;
    this.#watcher.ended(process, ts);
    process.runsSince = ts;
    process.spoke = false;
    process.plaintext[0] = 0;
    process.plaintext[1] = 0;
    process.blindSaid = false;
    process.files.clear();
    process.unreadable.clear();
    this.processes.runsAnother(process, record.args(record.len));
    this.#watcher.changed(process, 'exec');
  }

  #lostWithProcess(process: Process, session: Session, ns: number): void {
    // Its last words may have been lost.
    this.#lookForLosses(process, session, ns);
    this.#table.remove(process, session);
    this.#close(process, session, ns, session.shutdown ? 'shutdown' : 'exit');
  }

  #onExit(bytes: Buffer, view: DataView, at: number, ts: number): void {
    const { pid, start_ns_exact } = this.#exit.at(bytes, view, at);
    const process = this.processes.find(pid);
    if (process !== undefined && process.start === start_ns_exact) this.#end(process, ts);
  }

  #end(process: Process, ns: number): void {
    for (const session of [...process.sessions.values()]) this.#lostWithProcess(process, session, ns);
    process.exited = true;
    this.processes.delete(process);
    this.#watcher.ended(process, ns);
  }
}
