/**
 * Reads a sensor's whole stream the way a careful stranger would: puts each session's bytes together by offset, hashes
 * them, and checks what the contract promises about the stream. What does not hold comes back as sentences.
 */
import { createHash, type Hash } from 'node:crypto';
import type { SslClose, SslData, SslOpen, TracerEvent } from '../../lib/stream/event.js';
import type { SessionTruth } from './truth.js';

/** Bytes of each direction that are kept to be looked at; all are hashed. */
const KEPT = 8 << 20;

/** One direction of one session. */
export class Stream {
  /** Position after the last event. */
  next = 0;
  captured = 0;
  readonly gaps: { offset: number; bytes: number }[] = [];
  readonly #hash: Hash = createHash('sha256');
  /** The first of its bytes, up to KEPT. */
  readonly pieces: Buffer[] = [];

  add(data: SslData, bytes: Buffer): void {
    if (data.offset > this.next) this.gaps.push({ offset: this.next, bytes: data.offset - this.next });
    this.next = data.offset + data.total_bytes;
    if (data.captured_bytes < data.total_bytes) {
      this.gaps.push({ offset: data.offset + data.captured_bytes, bytes: data.total_bytes - data.captured_bytes });
    }
    this.captured += bytes.length;
    this.#hash.update(bytes);
    if (this.captured <= KEPT) this.pieces.push(bytes);
  }

  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  missing(): number {
    return this.gaps.reduce((sum, gap) => sum + gap.bytes, 0);
  }
}

export interface Session {
  conn: string;
  pid: number;
  open?: SslOpen;
  close?: SslClose;
  read: Stream;
  write: Stream;
  /** Where its last call has come to, to check `call` and `call_bytes`. */
  call: number;
  callDone: number;
}

export interface Reading {
  sessions: Map<string, Session>;
  counts: Record<string, number>;
  /** Events lost, as `loss` events state them: where → n. */
  stated: Record<string, number>;
  statedBytes: number;
  /** Sentences: what is not as the contract has it. */
  problems: string[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isText(bytes: Buffer): boolean {
  try {
    utf8.decode(bytes);
    return !bytes.includes(0);
  } catch {
    return false;
  }
}

/** The bytes of an event, and what is wrong with how they are written. */
function payload(data: SslData, problems: string[], id: string): Buffer {
  if ((data.payload === undefined) === (data.payload_b64 === undefined)) problems.push(`${id}: not exactly one payload`);
  const bytes = data.payload === undefined ? Buffer.from(data.payload_b64 ?? '', 'base64') : Buffer.from(data.payload, 'utf8');
  const shorter = isText(bytes) && Buffer.byteLength(JSON.stringify(bytes.toString('utf8'))) - 2 <= Math.ceil(bytes.length / 3) * 4;
  if (shorter !== (data.payload !== undefined)) problems.push(`${id}: payload of ${bytes.length} bytes in the wrong form`);
  if (bytes.length !== data.captured_bytes) problems.push(`${id}: ${bytes.length} bytes, captured_bytes ${data.captured_bytes}`);
  const last = Object.keys(data).at(-1);
  if (last !== 'payload' && last !== 'payload_b64') problems.push(`${id}: ${last} after the payload`);
  return bytes;
}

function session(reading: Reading, conn: string, pid: number, id: string): Session {
  let found = reading.sessions.get(conn);
  if (!found) {
    found = { conn, pid, read: new Stream(), write: new Stream(), call: 0, callDone: 0 };
    reading.sessions.set(conn, found);
  }
  if (found.pid !== pid) reading.problems.push(`${id}: ${conn} is used by ${pid} and by ${found.pid}`);
  return found;
}

function data(reading: Reading, d: SslData, id: string): void {
  const { problems } = reading;
  const s = session(reading, d.conn, d.pid, id);
  const bytes = payload(d, problems, id);
  const stream = s[d.direction];
  if (!s.open) problems.push(`${id}: ssl_data of ${d.conn} before its ssl_open`);
  if (s.close) problems.push(`${id}: ssl_data of ${d.conn} after its ssl_close`);
  if (d.offset < stream.next) problems.push(`${id}: ${d.conn} ${d.direction} offset ${d.offset}, ${stream.next} bytes were there already`);
  if (d.captured_bytes > d.total_bytes) problems.push(`${id}: captured_bytes ${d.captured_bytes} of ${d.total_bytes}`);
  stream.add(d, bytes);
  if (d.call === undefined || d.call_bytes === undefined) return;
  if (d.total_bytes > d.call_bytes) problems.push(`${id}: ${d.total_bytes} bytes of a call of ${d.call_bytes}`);
  if (d.call !== s.call) s.callDone = 0;
  s.call = d.call;
  s.callDone += d.total_bytes;
  if (s.callDone > d.call_bytes) problems.push(`${id}: call ${d.call} of ${d.conn} has ${s.callDone} of ${d.call_bytes} bytes`);
}

/** What the contract says of a sensor's stream as a whole, for the events of one run, in order. */
export function readSessions(events: Iterable<TracerEvent>): Reading {
  const reading: Reading = { sessions: new Map(), counts: {}, stated: {}, statedBytes: 0, problems: [] };
  const { problems } = reading;
  const known = new Set<string>();
  let first: TracerEvent | undefined;
  let last: TracerEvent | undefined;
  let stream: string | undefined;
  let offsetUs = 0;
  let boot = 0;
  let n = 0;
  for (const event of events) {
    first ??= event;
    last = event;
    reading.counts[event.event_type] = (reading.counts[event.event_type] ?? 0) + 1;
    n++;
    const [name = '', number] = event.id.split('-');
    stream ??= name;
    if (!/^[0-9a-z]{10}$/.test(name) || name !== stream || Number(number) !== n) problems.push(`${event.id} is event ${n} of ${stream}`);
    if (Object.keys(event).slice(0, 5).join() !== 'id,timestamp,source,event_type,data') problems.push(`${event.id}: order of fields`);
    if (event.event_type === 'sensor_start') offsetUs = event.data.clock_offset_us;
    const at = Math.round(event.timestamp * 1000 - offsetUs);
    if (event.event_type === 'clock_sync') offsetUs = event.data.offset_us;
    // Half a microsecond either way: a timestamp of this size has no more digits.
    if (at < boot - 1) problems.push(`${event.id}: ${event.event_type} is ${boot - at} us before the event ahead of it`);
    boot = Math.max(boot, at);
    if (event.source === 'ssl' || event.source === 'process') {
      const who = `${event.data.pid}.${event.data.start_us}`;
      if (event.event_type === 'process_info') known.add(who);
      else if (!known.has(who)) problems.push(`${event.id}: ${event.event_type} of ${who} before its process_info`);
      if (Object.keys(event.data)[0] !== 'pid') problems.push(`${event.id}: data does not begin with pid`);
    }
    one(reading, event);
  }
  if (first?.event_type !== 'sensor_start') problems.push(`the first event is ${first?.event_type}`);
  for (const s of reading.sessions.values()) closed(s, problems);
  end(reading, last);
  return reading;
}

/** One event into its session, or into the sums. */
function one(reading: Reading, event: TracerEvent): void {
  const { problems } = reading;
  if (event.event_type === 'ssl_open') {
    const s = session(reading, event.data.conn, event.data.pid, event.id);
    if (s.open) problems.push(`${event.id}: second ssl_open of ${event.data.conn}`);
    s.open = event.data;
  } else if (event.event_type === 'ssl_data') {
    data(reading, event.data, event.id);
  } else if (event.event_type === 'ssl_close') {
    const s = session(reading, event.data.conn, event.data.pid, event.id);
    if (!s.open) problems.push(`${event.id}: ssl_close of ${event.data.conn} before its ssl_open`);
    if (s.close) problems.push(`${event.id}: second ssl_close of ${event.data.conn}`);
    s.close = event.data;
  } else if (event.event_type === 'loss' && (event.data.kind ?? 'ssl_data') === 'ssl_data') {
    // What `sensor_end` counts is data; records about processes are lost apart from that.
    reading.stated[event.data.where] = (reading.stated[event.data.where] ?? 0) + event.data.lost;
    reading.statedBytes += event.data.lost_bytes ?? 0;
  }
}

/** The sums of a session that was closed. */
function closed(s: Session, problems: string[]): void {
  if (!s.close) return;
  const lost = s.close.lost_bytes ?? 0;
  const captured = s.read.captured + s.write.captured;
  if (captured + lost !== s.close.read_bytes + s.close.write_bytes) {
    problems.push(`${s.conn}: ${captured} bytes came and ${lost} were lost, ssl_close says ${s.close.read_bytes} + ${s.close.write_bytes}`);
  }
  for (const d of ['read', 'write'] as const) {
    const total = d === 'read' ? s.close.read_bytes : s.close.write_bytes;
    if (lost === 0 ? s[d].next !== total : s[d].next > total) problems.push(`${s.conn}: ${s[d].next} bytes ${d}, ssl_close says ${total}`);
  }
}

/** The sums of the whole. */
function end(reading: Reading, last: TracerEvent | undefined): void {
  const { problems } = reading;
  if (last?.event_type !== 'sensor_end') {
    problems.push(`the last event is ${last?.event_type}`);
    return;
  }
  const { seen, emitted, lost } = last.data;
  const sum = Object.values(lost).reduce((a, b) => a + b, 0);
  if (seen !== emitted + sum) problems.push(`seen ${seen}, but emitted ${emitted} and lost ${JSON.stringify(lost)}`);
  const stated = Object.values(reading.stated).reduce((a, b) => a + b, 0);
  if (stated !== sum) problems.push(`loss events state ${JSON.stringify(reading.stated)}, sensor_end ${JSON.stringify(lost)}`);
  if (emitted !== (reading.counts.ssl_data ?? 0))
    problems.push(`emitted ${emitted}, but ${reading.counts.ssl_data ?? 0} ssl_data are there`);
}

/** Every session that a workload tells of must be there with the same bytes, and no other that carried any. */
export function compare(reading: Reading, truths: readonly SessionTruth[]): string[] {
  const problems: string[] = [];
  const left = new Map<string, Session[]>();
  for (const s of reading.sessions.values()) {
    if (s.read.next + s.write.next === 0) continue;
    const key = `${s.read.sha256()} ${s.write.sha256()}`;
    left.set(key, [...(left.get(key) ?? []), s]);
  }
  const byTag = new Map<string, Session>();
  for (const truth of truths) {
    if (truth.read.bytes + truth.write.bytes === 0) continue;
    const alike = left.get(`${truth.read.sha256} ${truth.write.sha256}`) ?? [];
    const at = alike.findIndex((s) => truth.pid === undefined || s.pid === truth.pid);
    const [same] = at < 0 ? [] : alike.splice(at, 1);
    if (same) {
      byTag.set(`${truth.pid}:${truth.conn}`, same);
      byTag.set(truth.conn, same);
    } else
      problems.push(
        `${truth.conn} of ${truth.pid ?? '?'} (${truth.read.bytes} read, ${truth.write.bytes} written) is not among the events`,
      );
  }
  for (const truth of truths) {
    const child = byTag.get(`${truth.pid}:${truth.conn}`);
    const parent = truth.parent && byTag.get(truth.parent);
    if (truth.parent && child && parent && child.open?.parent_conn !== parent.conn) {
      problems.push(`${truth.conn}: parent_conn is ${child.open?.parent_conn}, not ${parent.conn}`);
    }
  }
  for (const s of [...left.values()].flat())
    problems.push(`${s.conn} of ${s.pid} (${s.read.next} read, ${s.write.next} written) is nobody's`);
  return problems;
}
