/**
 * Connections whose two directions are seen as streams of their own, because only their TLS records are (rustls): they
 * are joined by the socket that carries both. A direction that reads knows its socket from the start; one that writes
 * learns it from the send that follows its first record within microseconds, so that record is kept until then. What
 * never learns its socket is a connection by itself.
 */
import type { Process, Session, SessionPeer } from './model.js';

/** A connection made of streams. A key that is changed in the middle makes another stream of the same direction. */
export class Whole {
  /** Streams that live. */
  readonly parts = new Set<Session>();
  announced = false;
  /** Where it has come to, by direction. */
  readonly position: [number, number] = [0, 0];
  /** Calls of all its streams. */
  calls = 0;
  lostBytes = 0;
  peer: SessionPeer | undefined;

  constructor(
    readonly conn: string,
    /** Boot time of its first record. */
    readonly since: number,
  ) {}
}

export interface Socket {
  /** Names the socket: never used again in one boot. */
  inode: bigint;
  said: SessionPeer;
}

/** A writing stream's first record waits so long for its socket, in nanoseconds; records that wait behind it, and their bytes. */
export const WAIT_NS = 50_000_000;
export const WAITING_RECORDS = 4096;
export const WAITING_BYTES = 8 * 1024 * 1024;
/** Sockets of streams that have not shown a record yet; the oldest is forgotten. */
const MOST_EARLY = 1024;

function keyOf(ssl: number, id: number): string {
  return `${ssl} ${id}`;
}

/** An address as the contract writes it; undefined for a socket of another kind. */
export function addressOf(family: number, address: Buffer, port: number): string | undefined {
  const v4 = family === 2 ? address.subarray(0, 4) : isMapped(address) ? address.subarray(12) : undefined;
  if (v4 !== undefined && (family === 2 || family === 10)) return `${v4.join('.')}:${port}`;
  return family === 10 ? `[${ipv6(address)}]:${port}` : undefined;
}

/** RFC 4291, 2.5.5.2. */
function isMapped(address: Buffer): boolean {
  return address.readBigUInt64BE(0) === 0n && address.readUInt32BE(8) === 0xffff;
}

/** RFC 5952: groups without leading zeros, the longest run of zero groups left out. */
function ipv6(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => address.readUInt16BE(i * 2).toString(16));
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length === 1) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

/** What one process has of such connections. */
export class Halves {
  /** Sockets that were told of before the stream's first record came. */
  readonly #early = new Map<string, Socket>();
  /** By socket. */
  readonly #wholes = new Map<bigint, Whole>();

  /** True when the socket of this stream is known. */
  knows(ssl: number, id: number): boolean {
    return this.#early.has(keyOf(ssl, id));
  }

  told(ssl: number, id: number, socket: Socket): void {
    if (this.#early.size >= MOST_EARLY) this.#early.delete(this.#early.keys().next().value as string);
    this.#early.set(keyOf(ssl, id), socket);
  }

  /** The socket that was told of a stream; it is not kept. */
  take(ssl: number, id: number): Socket | undefined {
    const key = keyOf(ssl, id);
    const socket = this.#early.get(key);
    this.#early.delete(key);
    return socket;
  }

  /** The connection that a stream belongs to, which may be a new one. */
  wholeOf(process: Process, ssl: number, id: number): { whole: Whole; socket: SessionPeer | undefined } {
    const socket = this.take(ssl, id);
    const known = socket === undefined ? undefined : this.#wholes.get(socket.inode);
    if (known !== undefined) return { whole: known, socket: socket?.said };
    const whole = new Whole(process.nextConn(), id);
    if (socket !== undefined) {
      whole.peer = socket.said;
      this.#wholes.set(socket.inode, whole);
    }
    return { whole, socket: socket?.said };
  }

  /** Nothing of it is left. */
  over(whole: Whole): void {
    for (const [inode, kept] of this.#wholes) if (kept === whole) this.#wholes.delete(inode);
  }
}
