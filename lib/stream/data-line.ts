/**
 * Reads an `ssl_data` line as our sensors print it (fields in the contract's order, no spaces, the payload last)
 * without JSON.parse: most of a stream is such lines, and the payload is wanted as bytes. What stands before the offset
 * repeats with each event of a session and direction, so it is parsed once. Any other line is refused here and goes the
 * ordinary way. Checked against JSON.parse in test/stream/data-line.test.ts.
 */
import type { SslData, SslDataEvent } from './event.js';

/** An `ssl_data` event with what analyzers of bytes ask for and no more: actor, session, place; of libraries only `plain`. */
export interface DataLine {
  event: SslDataEvent;
  /** Its bytes: valid until the next line is read. */
  payload: Buffer;
}

type Whose = Omit<SslData, 'offset' | 'total_bytes' | 'captured_bytes'>;

/** What stands between the timestamp and the offset's value, as bytes, and what it says; undefined when it is not as we print it. */
interface KnownHead {
  bytes: Uint8Array;
  whose: Whose | undefined;
}

/** A power of two: a head's place follows from its hash, and a newer one takes it over. */
const KNOWN_HEADS = 1024;
const LONGEST_HEAD_BYTES = 1024;
const heads: (KnownHead | undefined)[] = new Array(KNOWN_HEADS).fill(undefined);
/** The one found last: events of one session come in runs. */
let latest: KnownHead = { bytes: new Uint8Array(1), whose: undefined };

const OURS = Buffer.from(',"source":"ssl","event_type":"ssl_data","data":{');
const OFFSET = Buffer.from('"offset":');
const ID = Buffer.from('{"id":"');
const TIMESTAMP = Buffer.from('","timestamp":');
const TOTAL = Buffer.from(',"total_bytes":');
const CAPTURED = Buffer.from(',"captured_bytes":');
const CALL = Buffer.from(',"call":');
const CALL_BYTES = Buffer.from(',"call_bytes":');
const LATENCY = Buffer.from(',"latency_ns":');
const LIBRARY = Buffer.from(',"library":"');
const FUNCTION = Buffer.from(',"function":"');
const FD = Buffer.from(',"fd":');
const PAYLOAD = Buffer.from(',"payload":"');
const PAYLOAD_B64 = Buffer.from(',"payload_b64":"');
const PLAIN = Buffer.from('plain"');

/** What a byte of a JSON string stands for by itself: 1; 0 for quote, backslash and control characters. */
const ITSELF = new Uint8Array(256).fill(1, 0x20);
ITSELF[0x22] = 0;
ITSELF[0x5c] = 0;
/** What a letter after a backslash stands for; 0 for none (`\u` is read apart). */
const ESCAPED = new Uint8Array(256);
for (const [letter, byte] of Object.entries({ '"': 0x22, '\\': 0x5c, '/': 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 })) {
  ESCAPED[letter.charCodeAt(0)] = byte;
}

/** Letters of base64, and the `=` that fills it up. */
const BASE64 = new Uint8Array(256);
for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=') BASE64[letter.charCodeAt(0)] = 1;

const FIRST_SCRATCH_BYTES = 64 * 1024;
/** Longer payloads are rare and go the ordinary way, so that this memory stays small. */
const LONGEST_BYTES = 1024 * 1024;
let scratch = Buffer.allocUnsafeSlow(FIRST_SCRATCH_BYTES);

/** Where the last field ended; -1 when the line is refused. */
let at = 0;

function follows(buf: Buffer, from: number, text: Uint8Array): boolean {
  for (let k = 0; k < text.length; k++) if (buf[from + k] !== text[k]) return false;
  return true;
}

/** Reads a whole number at `from` and leaves `at` behind it. Without leading zeros, below 2^53. */
function digits(buf: Buffer, from: number): number {
  let i = from;
  let value = 0;
  for (; ; i++) {
    const digit = (buf[i] as number) - 0x30;
    if (digit >>> 0 > 9) break;
    value = value * 10 + digit;
  }
  at = i === from || i - from > 15 || (buf[from] === 0x30 && i - from > 1) ? -1 : i;
  return value;
}

/** A time with at most three decimals: `n / 1000` is rounded as the decimal number is. */
function time(buf: Buffer, from: number): number {
  const whole = digits(buf, from);
  if (at < 0 || buf[at] !== 0x2e) return whole;
  const begin = at + 1;
  let value = whole;
  let scale = 1;
  let i = begin;
  for (; i < begin + 4; i++) {
    const digit = (buf[i] as number) - 0x30;
    if (digit >>> 0 > 9) break;
    value = value * 10 + digit;
    scale *= 10;
  }
  at = i === begin || i === begin + 4 || value > Number.MAX_SAFE_INTEGER ? -1 : i;
  return value / scale;
}

/** Passes `,"name":<number>` where it stands. */
function passNumber(buf: Buffer, name: Buffer): void {
  if (at >= 0 && follows(buf, at, name)) digits(buf, at + name.length);
}

/** Passes `,"name":"<plain word>"` where it stands. */
function passWord(buf: Buffer, name: Buffer): void {
  if (at < 0 || !follows(buf, at, name)) return;
  let i = at + name.length;
  while (ITSELF[buf[i] as number] === 1) i++;
  at = buf[i] === 0x22 ? i + 1 : -1;
}

/** Reads what stands from `from` up to the offset's value and leaves `at` there; undefined when it is not as we print it. */
function whose(buf: Buffer, from: number, end: number): Whose | undefined {
  if (follows(buf, from, latest.bytes)) {
    at = from + latest.bytes.length;
    return latest.whose;
  }
  let hash = 0;
  let i = from;
  for (const stop = Math.min(end - OFFSET.length, from + LONGEST_HEAD_BYTES); ; i++) {
    if (i >= stop) return undefined;
    const byte = buf[i] as number;
    if (byte === 0x22 && buf[i + 1] === 0x6f && follows(buf, i, OFFSET)) break;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  at = i + OFFSET.length;
  const place = (hash ^ (hash >>> 15)) & (KNOWN_HEADS - 1);
  const known = heads[place];
  if (known !== undefined && known.bytes.length === at - from && follows(buf, from, known.bytes)) {
    latest = known;
    return known.whose;
  }
  // A copy of its own memory: the line's will be used again.
  latest = { bytes: new Uint8Array(buf.subarray(from, at)), whose: parseWhose(buf, from, at) };
  heads[place] = latest;
  return latest.whose;
}

function parseWhose(buf: Buffer, from: number, to: number): Whose | undefined {
  if (!follows(buf, from, OURS)) return undefined;
  try {
    const data = JSON.parse(`{${buf.toString('utf8', from + OURS.length, to)}0}`) as SslData;
    // Library and payload are read behind the offset; and that key may only end like it.
    return typeof data.conn === 'string' && data.offset === 0 && !('library' in data) && !('payload' in data) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** Sees to it that a payload of that many bytes can be held; false when it is too long. */
function room(bytes: number): boolean {
  if (bytes <= scratch.length) return true;
  if (bytes > LONGEST_BYTES) return false;
  scratch = Buffer.allocUnsafeSlow(Math.min(LONGEST_BYTES, bytes * 2));
  return true;
}

/** The bytes of the JSON string `buf[from..end)`; undefined where a quote, a control character or an escape beyond ASCII is in it. */
function unescaped(buf: Buffer, from: number, end: number): Buffer | undefined {
  if (!room(end - from)) return undefined;
  const out = scratch;
  let to = 0;
  for (let i = from; i < end; ) {
    const byte = buf[i] as number;
    if (ITSELF[byte] === 1) {
      out[to++] = byte;
      i++;
      continue;
    }
    if (byte !== 0x5c || i + 1 >= end) return undefined;
    const plain = ESCAPED[buf[i + 1] as number] as number;
    if (plain !== 0) {
      out[to++] = plain;
      i += 2;
      continue;
    }
    if (buf[i + 1] !== 0x75 || i + 6 > end) return undefined;
    const hex = buf.toString('latin1', i + 2, i + 6);
    if (!/^00[0-7][0-9a-fA-F]$/.test(hex)) return undefined;
    out[to++] = Number.parseInt(hex, 16);
    i += 6;
  }
  return out.subarray(0, to);
}

/** The bytes that the base64 `buf[from..end)` stands for; undefined where anything else is in it. */
function decoded(buf: Buffer, from: number, end: number): Buffer | undefined {
  if (!room(end - from)) return undefined;
  for (let i = from; i < end; i++) if (BASE64[buf[i] as number] === 0) return undefined;
  return scratch.subarray(0, scratch.write(buf.toString('latin1', from, end), 'base64'));
}

/** The payload that stands from `at` on and ends before `end`; undefined when it is not as we print it. */
function payloadAt(buf: Buffer, end: number): Buffer | undefined {
  if (at < 0) return undefined;
  const text = follows(buf, at, PAYLOAD);
  if (!text && !follows(buf, at, PAYLOAD_B64)) return undefined;
  const from = at + (text ? PAYLOAD : PAYLOAD_B64).length;
  if (from > end) return undefined;
  return text ? unescaped(buf, from, end) : decoded(buf, from, end);
}

/** The event of the line `buf[start..end)`, known to be UTF-8; undefined when it has to be parsed. */
export function readDataLine(buf: Buffer, start: number, end: number): DataLine | undefined {
  // `"}}` ends it: no loop below runs past that quote.
  if (end - start < 64 || buf[end - 1] !== 0x7d || buf[end - 2] !== 0x7d || buf[end - 3] !== 0x22 || !follows(buf, start, ID)) {
    return undefined;
  }
  let idEnd = start + ID.length;
  while (ITSELF[buf[idEnd] as number] === 1 && (buf[idEnd] as number) < 0x80) idEnd++;
  if (!follows(buf, idEnd, TIMESTAMP)) return undefined;
  const timestamp = time(buf, idEnd + TIMESTAMP.length);
  if (at < 0) return undefined;
  const who = whose(buf, at, end);
  if (who === undefined) return undefined;
  const offset = digits(buf, at);
  if (at < 0 || !follows(buf, at, TOTAL)) return undefined;
  const total_bytes = digits(buf, at + TOTAL.length);
  if (at < 0 || !follows(buf, at, CAPTURED)) return undefined;
  const captured_bytes = digits(buf, at + CAPTURED.length);
  passNumber(buf, CALL);
  passNumber(buf, CALL_BYTES);
  passNumber(buf, LATENCY);
  const plain = at >= 0 && follows(buf, at, LIBRARY) && follows(buf, at + LIBRARY.length, PLAIN);
  passWord(buf, LIBRARY);
  passWord(buf, FUNCTION);
  passNumber(buf, FD);
  const payload = payloadAt(buf, end - 3);
  if (payload === undefined) return undefined;
  const { pid, start_us, uid, comm, comm_b64, cgroup_id, conn, direction } = who;
  const library = plain ? 'plain' : undefined;
  const data = { pid, start_us, uid, comm, comm_b64, cgroup_id, conn, direction, offset, total_bytes, captured_bytes, library };
  const event = { id: buf.toString('latin1', start + ID.length, idEnd), timestamp, source: 'ssl', event_type: 'ssl_data', data };
  return { event: event as unknown as SslDataEvent, payload };
}
