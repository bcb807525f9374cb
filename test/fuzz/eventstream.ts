/**
 * Fuzzing of Amazon's event stream: messages with all kinds of headers, damaged where they have structure, with checksums that
 * hold all the same. What is said is what a reader says that has all the bytes at once, however they are cut.
 */
import { crc32 } from 'node:zlib';
import { EVENTSTREAM_LIMIT, EventstreamParser } from '../../lib/protocols/eventstream.js';
import { mutateBytes, type Next, pick, random } from './random.js';
import { cutUp, type Given, mutateList } from './sides.js';

const NAMES = [':event-type', ':content-type', ':message-type', 'x', ''];

function header(next: Next): Buffer {
  const name = Buffer.from(pick(NAMES, next));
  const type = next(11);
  const length = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16, 3][type] as number;
  const value = Buffer.alloc(length < 0 ? next(30) : length, next(256));
  const size = length < 0 ? Buffer.from([0, value.length]) : Buffer.alloc(0);
  return Buffer.concat([Buffer.from([name.length]), name, Buffer.from([type]), size, value]);
}

interface Parts {
  headers: Buffer;
  payload: Buffer;
  /** What the prelude says more than there is. */
  longer: number;
  headersLonger: number;
}

function message({ headers, payload, longer, headersLonger }: Parts): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32BE((16 + headers.length + payload.length + longer) >>> 0, 0);
  head.writeUInt32BE((headers.length + headersLonger) >>> 0, 4);
  head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
  const body = Buffer.concat([head, headers, payload]);
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(body), 0);
  return Buffer.concat([body, end]);
}

function someMessage(next: Next): Buffer {
  let headers: Buffer = Buffer.concat(Array.from({ length: next(4) }, () => header(next)));
  if (next(6) === 0) headers = mutateBytes(headers, headers, next);
  const longer = next(12) === 0 ? pick([-1, 1, 5, -17, -16, EVENTSTREAM_LIMIT, 2 ** 31], next) : 0;
  const headersLonger = next(12) === 0 ? pick([-1, 1, 5, 40, 2 ** 31], next) : 0;
  return message({ headers, payload: Buffer.alloc(next(40), '{"a":1}'), longer, headersLonger });
}

/** All that can be read, from all the bytes at once. Returns where the last one ended, too. */
function plainly(bytes: Buffer, said: string[]): boolean {
  let damaged = false;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const [length, headers] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    const sane = length >= 16 && length <= EVENTSTREAM_LIMIT && headers <= length - 16;
    if (!sane || crc32(bytes.subarray(at, at + 8)) !== bytes.readUInt32BE(at + 8)) {
      damaged = true;
      at++;
      continue;
    }
    if (at + length > bytes.length) break;
    const end = at + length - 4;
    const fields =
      crc32(bytes.subarray(at, end)) === bytes.readUInt32BE(end) ? headersOf(bytes.subarray(at + 12, at + 12 + headers)) : undefined;
    if (fields) said.push(JSON.stringify([fields, bytes.toString('latin1', at + 12 + headers, end)]));
    else damaged = true;
    at += length;
  }
  return damaged;
}

/** Names and raw values. */
function headersOf(bytes: Buffer): [string, string][] | undefined {
  const all = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const name = bytes.toString('utf8', at + 1, at + 1 + (bytes[at] as number));
    at += 1 + (bytes[at] as number);
    const type = bytes[at++] ?? 255;
    if (type > 9) return undefined;
    const sized = type === 6 || type === 7;
    if (sized && at + 2 > bytes.length) return undefined;
    const length = sized ? bytes.readUInt16BE(at) : ([0, 0, 1, 2, 4, 8, 0, 0, 8, 16][type] as number);
    at += sized ? 2 : 0;
    if (at + length > bytes.length) return undefined;
    all.set(name, textOf(type, bytes.subarray(at, at + length)));
    at += length;
  }
  return [...all];
}

/** By another way than the parser's. */
function textOf(type: number, bytes: Buffer): string {
  if (type < 2) return String(type === 0);
  if (type === 6) return bytes.toString('base64');
  if (type === 7) return bytes.toString('utf8');
  const hex = bytes.toString('hex');
  if (type === 9) return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`)).toString();
}

/** What is not true of the input of a seed. */
export function wrongWithEventstream(seed: number): string | undefined {
  const next = random(seed);
  const given: Given[] = [];
  const expected: string[] = [];
  let damaged = false;
  for (let i = 1 + next(3); i > 0; i--) {
    let messages = Array.from({ length: 1 + next(4) }, () => someMessage(next));
    if (next(4) === 0) messages = mutateList(messages, next);
    let bytes: Buffer = Buffer.concat(messages);
    for (let k = Math.max(0, next(6) - 3); k > 0; k--) bytes = mutateBytes(bytes, bytes, next);
    if (given.length > 0) {
      given.push(1);
      damaged = true;
    }
    given.push(bytes);
    damaged = plainly(bytes, expected) || damaged;
  }
  for (const pieces of [given, cutUp(given, next)]) {
    const parser = new EventstreamParser();
    const said: string[] = [];
    for (const piece of pieces) {
      if (!Buffer.isBuffer(piece)) parser.gap();
      else {
        const lent = Buffer.from(piece);
        parser.push(lent, ({ headers, payload }) =>
          said.push(JSON.stringify([[...headers].map(([name, value]) => [name, String(value)]), payload.toString('latin1')])),
        );
        lent.fill(0xaa);
      }
      if (parser.idle !== (parser.heldBytes === 0)) return `idle: ${parser.idle}, and ${parser.heldBytes} bytes are held`;
    }
    if (said.join('\n') !== expected.join('\n')) return `it says:\n${said.join('\n')}\nand should:\n${expected.join('\n')}`;
    if (parser.damaged !== damaged) return `damaged: ${parser.damaged}`;
  }
  return undefined;
}
