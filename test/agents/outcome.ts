/** What a sensor's events say of a run, beside what the server had: connection by connection, byte by byte. */
import { createHash } from 'node:crypto';
import type { Reading, Session } from '../support/sessions.js';
import type { Connection, Plain } from './room.js';

export interface Seen {
  connection: Connection;
  /** The session whose bytes are most like it. */
  session?: Session;
  exact: boolean;
  /** Of what the server sent last, so many bytes that the client closed over without reading; part of `read`. */
  unread: number;
  /** Bytes of the client's writes and reads that agree from the first on. */
  write: number;
  read: number;
}

export interface Outcome {
  /** Connections that carried plaintext. */
  seen: Seen[];
  /** Sessions with bytes that no connection had, as sentences. */
  strangers: string[];
}

/** How many bytes two have in common from the first on. */
export function common(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length);
  let [low, high] = [0, most];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (a.subarray(low, middle).equals(b.subarray(low, middle))) low = middle;
    else high = middle - 1;
  }
  return low;
}

const empty = createHash('sha256').digest('hex');

function same(stream: { next: number; captured: number; sha256(): string }, plain: Plain): boolean {
  if (plain.bytes === 0) return stream.next === 0;
  return stream.next === plain.bytes && stream.captured === plain.bytes && stream.sha256() === plain.sha256;
}

/** HTTP/2 frames that a client may well leave in its socket when it has all it wants: those that carry no content. */
const NO_CONTENT = new Set([3, 4, 6, 7, 8]);

/** Are these bytes whole HTTP/2 frames (RFC 9113, 4.1) without content: settings, pings, windows, an empty last DATA? */
export function onlyControl(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 9) return false;
    const [length, type] = [bytes.readUIntBE(at, 3), bytes[at + 3] ?? 0];
    if (!NO_CONTENT.has(type) && !(type === 0 && length === 0)) return false;
    at += 9 + length;
    if (at > bytes.length) return false;
  }
  return true;
}

/** How many bytes at the end of a connection its client never read: 0 when the sessions differ in another way. */
function unreadBy(session: Session, { alpn, received, sent }: Connection): number {
  if (alpn !== 'h2' || !same(session.write, received) || sent.kept.length !== sent.bytes) return 0;
  const { next } = session.read;
  if (next >= sent.bytes || !onlyControl(sent.kept.subarray(next))) return 0;
  const got = createHash('sha256').update(sent.kept.subarray(0, next)).digest('hex');
  return got === session.read.sha256() && session.read.captured === next ? sent.bytes - next : 0;
}

/** Pairs connections with sessions: the exact ones first, of the rest those that have most in common. */
export function match(reading: Reading, connections: readonly Connection[]): Outcome {
  const sessions = [...reading.sessions.values()].filter((s) => s.read.next + s.write.next > 0);
  const left = new Set(sessions);
  const carried = connections.filter(({ received, sent }) => received.sha256 !== empty || sent.sha256 !== empty);
  const seen = new Map<Connection, Seen>();
  const whole = (connection: Connection) => (s: Session) =>
    left.has(s) && same(s.write, connection.received) && same(s.read, connection.sent);
  const allButTail = (connection: Connection) => (s: Session) => left.has(s) && unreadBy(s, connection) > 0;
  for (const alike of [whole, allButTail]) {
    for (const connection of carried.filter((one) => !seen.has(one))) {
      const session = sessions.find(alike(connection));
      if (session === undefined) continue;
      left.delete(session);
      const [write, read] = [connection.received.bytes, connection.sent.bytes];
      seen.set(connection, { connection, session, exact: true, unread: alike === whole ? 0 : unreadBy(session, connection), write, read });
    }
  }
  for (const connection of carried) {
    if (seen.has(connection)) continue;
    let best: Seen = { connection, exact: false, unread: 0, write: 0, read: 0 };
    for (const session of left) {
      const write = common(Buffer.concat(session.write.pieces), connection.received.kept);
      const read = common(Buffer.concat(session.read.pieces), connection.sent.kept);
      // A few bytes are alike by chance: every request begins with a method.
      if (write + read > Math.max(24, best.write + best.read)) best = { connection, session, exact: false, unread: 0, write, read };
    }
    if (best.session !== undefined) left.delete(best.session);
    seen.set(connection, best);
  }
  return {
    seen: carried.map((connection) => seen.get(connection) as Seen),
    strangers: [...left].map((s) => {
      const first = Buffer.concat(s.write.pieces).subarray(0, 60).toString('latin1').split('\r\n')[0];
      return `${s.conn} (${s.open?.library}, ${s.open?.comm}; ${s.write.next} written, ${s.read.next} read, begins ${JSON.stringify(first)}) is no connection of the server's`;
    }),
  };
}

/** What is not as it should be, as sentences. */
export function differences(outcome: Outcome): string[] {
  return [
    ...outcome.seen
      .filter((s) => !s.exact)
      .map(({ connection, session, write, read }) => {
        const { received, sent } = connection;
        const what = `connection ${connection.n} (${connection.name ?? 'no name'}, ${connection.alpn || 'no ALPN'}; ${connection.requests.slice(0, 3).join(', ') || 'no request'})`;
        if (session === undefined) return `${what}: ${received.bytes} bytes written and ${sent.bytes} read were not seen`;
        const start = session.open?.from_start === false ? ', joined late' : '';
        return `${what}: written ${session.write.captured} of ${received.bytes}, alike to ${write}; read ${session.read.captured} of ${sent.bytes}, alike to ${read} (${session.conn}, ${session.open?.library}${start})`;
      }),
    ...outcome.strangers,
  ];
}
