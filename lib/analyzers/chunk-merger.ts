/**
 * `tracer-chunks`: consecutive bytes of one session and direction as fewer, larger `ssl_data` events. Joined until the
 * direction turns, 1 MiB, 1 s of event time, a gap, or the end of the session.
 */
import { Derived } from '../stream/derive.js';
import { type AnyEvent, isEvent, type SslData, type SslDataEvent } from '../stream/event.js';
import { bytesOf, payloadOf } from '../stream/payload.js';
import type { Push, Stage } from '../stream/stage.js';

export interface ChunkLimits {
  /** Bytes of one joined event. */
  bytes: number;
  /** Milliseconds of event time from its first input to its last. */
  milliseconds: number;
  /** Sessions with something to join; past it the one that waits longest is given. */
  sessions: number;
  /** Bytes held over all sessions. */
  heldBytes: number;
}

export const CHUNK_LIMITS: ChunkLimits = { bytes: 1024 * 1024, milliseconds: 1000, sessions: 4096, heldBytes: 32 * 1024 * 1024 };

interface Joined {
  first: SslDataEvent;
  last: SslDataEvent;
  count: number;
  pieces: Buffer[];
  bytes: number;
}

/** What tells the time, or must not overtake the bytes of its session or process. Everything else passes unread. */
const CONSUMES = new Set([
  'ssl_open',
  'ssl_data',
  'ssl_peer',
  'ssl_close',
  'process_exec',
  'process_exit',
  'loss',
  'heartbeat',
  'clock_sync',
  'sensor_end',
]);

/** The stage that joins `ssl_data` events. */
export function chunkMerger(limits: Partial<ChunkLimits> = {}): Stage {
  return new ChunkStage({ ...CHUNK_LIMITS, ...limits });
}

class ChunkStage implements Stage {
  readonly name = 'chunks';
  readonly consumes = CONSUMES;
  private readonly derived = new Derived('chunks');
  /** By conn; the one that waits longest comes first. */
  private readonly open = new Map<string, Joined>();
  private heldBytes = 0;
  private push: Push = () => {};

  constructor(private readonly limits: ChunkLimits) {}

  transform(event: AnyEvent, push: Push): void {
    this.push = push;
    if (typeof event.timestamp === 'number') this.expire(event.timestamp);
    if (isEvent(event, 'ssl_data') && isWhole(event)) {
      this.join(event);
      return;
    }
    const { conn, pid } = namesIn(event);
    if (conn !== undefined) this.give(conn);
    else if (event.event_type === 'loss' || event.event_type === 'sensor_end') this.giveAll(() => true);
    else if (pid !== undefined) this.giveAll(({ first }) => first.data.pid === pid);
    push(event);
  }

  flush(push: Push): void {
    this.push = push;
    this.giveAll(() => true);
  }

  private join(event: SslDataEvent): void {
    const { conn } = event.data;
    const bytes = bytesOf(event.data) as Buffer;
    const joined = this.open.get(conn);
    if (joined && this.follows(joined, event, bytes.length)) {
      joined.last = event;
      joined.count++;
      joined.pieces.push(bytes);
      joined.bytes += bytes.length;
    } else {
      this.give(conn);
      this.open.set(conn, { first: event, last: event, count: 1, pieces: [bytes], bytes: bytes.length });
    }
    this.heldBytes += bytes.length;
    if ((this.open.get(conn) as Joined).bytes >= this.limits.bytes) this.give(conn);
    while (this.open.size > this.limits.sessions || this.heldBytes > this.limits.heldBytes) {
      const [longest] = this.open.keys();
      this.give(longest as string);
    }
  }

  private follows({ first, last, bytes }: Joined, { data }: SslDataEvent, more: number): boolean {
    return (
      data.direction === first.data.direction &&
      data.offset === last.data.offset + last.data.total_bytes &&
      data.pid === first.data.pid &&
      bytes + more <= this.limits.bytes
    );
  }

  /** Gives what began too long ago. The map is in the order of beginnings. */
  private expire(now: number): void {
    for (const [conn, { first }] of this.open) {
      if (now - first.timestamp < this.limits.milliseconds) break;
      this.give(conn);
    }
  }

  private giveAll(which: (joined: Joined) => boolean): void {
    for (const [conn, joined] of [...this.open]) if (which(joined)) this.give(conn);
  }

  private give(conn: string): void {
    const joined = this.open.get(conn);
    if (!joined) return;
    this.open.delete(conn);
    this.heldBytes -= joined.bytes;
    const { first, last, count, bytes } = joined;
    const { payload: _text, payload_b64: _base64, ...head } = first.data;
    const data: SslData = { ...head, total_bytes: bytes, captured_bytes: bytes, ...payloadOf(Buffer.concat(joined.pieces)) };
    // Of one call only as long as there was one.
    if (count > 1) {
      delete data.call_bytes;
      delete data.latency_ns;
    }
    this.push(this.derived.event('ssl', 'ssl_data', data, { first: first.id, last: last.id, count }, last.timestamp));
  }
}

/** Has its place and all its bytes; one that lacks some is passed on by itself, so that the gap keeps its place. */
function isWhole({ data, timestamp }: SslDataEvent): boolean {
  if (typeof data !== 'object' || data === null || typeof timestamp !== 'number' || typeof data.conn !== 'string') return false;
  const bytes = typeof data.payload === 'string' || typeof data.payload_b64 === 'string';
  return bytes && Number.isSafeInteger(data.offset) && data.total_bytes === data.captured_bytes;
}

function namesIn({ data }: AnyEvent): { conn: string | undefined; pid: number | undefined } {
  const { conn, pid } = (typeof data === 'object' && data !== null ? data : {}) as { conn?: unknown; pid?: unknown };
  return { conn: typeof conn === 'string' ? conn : undefined, pid: typeof pid === 'number' ? pid : undefined };
}
