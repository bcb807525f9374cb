/** TLS sessions as events, made from the bytes that a test wants to have been read and written. */
import type { AnyEvent, Direction, SslOpenEvent, TracerEvent } from '../../lib/stream/event.js';
import { payloadOf } from '../../lib/stream/payload.js';
import type { Stage } from '../../lib/stream/stage.js';

/** A piece of a session: bytes in a direction, or so many bytes that were lost there. */
export type Piece = [Direction, string | Buffer | number];

const STREAM = 'q7f3k2m9xd';
const START = 1764000000000;

export interface SessionOptions {
  conn?: string;
  pid?: number;
  /** Fields of `ssl_open` that differ; `null`: no `ssl_open` at all. */
  open?: Partial<SslOpenEvent['data']> | null;
  /** Says `ssl_close` at the end (default true). */
  close?: boolean;
  /** Milliseconds between events. */
  step?: number;
}

/** Makes events with ids from 1 on and a clock of its own. */
export class Recorder {
  readonly events: TracerEvent[] = [];
  private n = 0;
  private time = START;

  constructor(private readonly step = 0.125) {}

  private line(source: 'ssl', event_type: string, data: object): void {
    this.n++;
    this.time = Math.round((this.time + this.step) * 1000) / 1000;
    this.events.push({ id: `${STREAM}-${this.n}`, timestamp: this.time, source, event_type, data } as unknown as TracerEvent);
  }

  session(options: SessionOptions = {}): RecordedSession {
    return new RecordedSession(options, (type, data) => this.line('ssl', type, data));
  }
}

export class RecordedSession {
  private readonly who: Record<'pid' | 'tid' | 'ppid' | 'uid' | 'comm' | 'start_us' | 'cgroup_id', unknown>;
  private readonly conn: string;
  private readonly next: Record<Direction, number> = { read: 0, write: 0 };
  private call = 0;

  constructor(
    options: SessionOptions,
    private readonly line: (type: string, data: object) => void,
  ) {
    const pid = options.pid ?? 1841;
    this.conn = options.conn ?? `${pid}.8123456.1`;
    this.who = { pid, tid: pid, ppid: 1207, uid: 1000, comm: 'python3', start_us: 8123456, cgroup_id: '4321' };
    if (options.open !== null) {
      line('ssl_open', { ...this.who, conn: this.conn, library: 'openssl', role: 'client', from_start: true, ...options.open });
    }
  }

  data(direction: Direction, content: string | Buffer): this {
    const bytes = Buffer.from(content as string);
    this.event(direction, bytes, bytes.length);
    return this;
  }

  /** One event that stands for more bytes than it carries. */
  event(direction: Direction, bytes: Buffer, total: number): this {
    this.call++;
    const { pid, tid, ppid, uid, comm, start_us, cgroup_id } = this.who;
    // Without spreading: fuzzing makes millions of these.
    const data: Record<string, unknown> = {
      pid,
      tid,
      ppid,
      uid,
      comm,
      start_us,
      cgroup_id,
      conn: this.conn,
      direction,
      offset: this.next[direction],
      total_bytes: total,
      captured_bytes: bytes.length,
      call: this.call,
      call_bytes: total,
      latency_ns: 1200,
      library: 'openssl',
      function: direction === 'write' ? 'SSL_write' : 'SSL_read',
    };
    const payload = payloadOf(bytes);
    if ('payload' in payload) data.payload = payload.payload;
    else data.payload_b64 = payload.payload_b64;
    this.line('ssl_data', data);
    this.next[direction] += total;
    return this;
  }

  lost(direction: Direction, bytes: number): this {
    this.next[direction] += bytes;
    return this;
  }

  close(reason: 'shutdown' | 'free' | 'exit' = 'shutdown'): this {
    const { read, write } = this.next;
    this.line('ssl_close', { ...this.who, conn: this.conn, reason, read_bytes: read, write_bytes: write, duration_ms: 5 });
    return this;
  }
}

/** The events of one session. */
export function sessionEvents(pieces: readonly Piece[], options: SessionOptions = {}): TracerEvent[] {
  const recorder = new Recorder(options.step);
  const session = recorder.session(options);
  for (const [direction, piece] of pieces) {
    if (typeof piece === 'number') session.lost(direction, piece);
    else session.data(direction, piece);
  }
  if (options.close !== false) session.close();
  return recorder.events;
}

/** Neighbouring pieces of one direction joined, then cut at `cut(length)` bytes each time. */
export function recut(pieces: readonly Piece[], cut: (left: number) => number): Piece[] {
  const joined: Piece[] = [];
  for (const [direction, piece] of pieces) {
    const last = joined.at(-1);
    if (typeof piece === 'number') joined.push([direction, piece]);
    else if (last && last[0] === direction && typeof last[1] !== 'number')
      last[1] = Buffer.concat([last[1] as Buffer, Buffer.from(piece as string)]);
    else joined.push([direction, Buffer.from(piece as string)]);
  }
  const out: Piece[] = [];
  for (const [direction, piece] of joined) {
    if (typeof piece === 'number') {
      out.push([direction, piece]);
      continue;
    }
    const bytes = piece as Buffer;
    for (let at = 0; at < bytes.length; ) {
      const n = Math.max(1, Math.min(bytes.length - at, cut(bytes.length - at)));
      out.push([direction, bytes.subarray(at, at + n)]);
      at += n;
    }
  }
  return out;
}

/** What a stage makes of events, in order. */
export function through(stage: Stage, events: readonly AnyEvent[]): AnyEvent[] {
  const out: AnyEvent[] = [];
  const push = (event: AnyEvent): void => {
    out.push(event);
  };
  for (const event of events) {
    if (stage.consumes && !stage.consumes.has(event.event_type ?? '')) push(event);
    else stage.transform(event, push);
  }
  stage.flush(push);
  return out;
}

type Made = { event_type: string; data: Record<string, unknown>; from?: string[] };

/** Those of some types, for comparing: type and data only. */
export function facts(events: readonly AnyEvent[], ...types: string[]): Made[] {
  return events
    .filter((event) => (types.length === 0 ? event.source === 'http' : types.includes(event.event_type ?? '')))
    .map((event) => ({ event_type: event.event_type as string, data: event.data as Record<string, unknown> }));
}
