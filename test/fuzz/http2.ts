/**
 * Fuzzing of HTTP/2: the frames of test/fuzz/corpus, and of conversations made up here, are changed one by one. What is said
 * must not depend on how the bytes are cut, nor on what RFC 9113 lets a sender choose; and over holes nothing new is said.
 */
import { BLOCK_LIMIT, Http2Direction, type Http2Handler } from '../../lib/protocols/http2/direction.js';
import { FLAG, PREFACE, TYPE } from '../../lib/protocols/http2/frame.js';
import type { Http2Head } from '../../lib/protocols/http2/head.js';
import { Encoder, someFields } from './hpack.js';
import { mutateBytes, type Next, pick, random } from './random.js';
import { cutUp, type Given, mutateList, sessionsOf, sideOf, withHoles } from './sides.js';

interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
  /** What its header says, where that is not the length of the payload. */
  length?: number;
}

/** Frames, and bytes that are none. */
type Side = (Frame | Buffer)[];

const CORPUS: Side[] = sessionsOf('http2').flatMap((pieces) => [framesOf(sideOf(pieces, 'write')), framesOf(sideOf(pieces, 'read'))]);

function framesOf(bytes: Buffer): Side {
  const side: Side = bytes.subarray(0, PREFACE.length).equals(PREFACE) ? [PREFACE] : [];
  for (let at = side.length * PREFACE.length; at < bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    const [type, flags] = [bytes[at + 3] as number, bytes[at + 4] as number];
    side.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return side;
}

function bytesOf(side: Side): Buffer {
  const parts: Buffer[] = [];
  for (const frame of side) {
    if (Buffer.isBuffer(frame)) parts.push(frame);
    else {
      const head = Buffer.alloc(9);
      head.writeUIntBE(frame.length ?? frame.payload.length, 0, 3);
      head[3] = frame.type;
      head[4] = frame.flags;
      head.writeUInt32BE(frame.stream, 5);
      parts.push(head, frame.payload);
    }
  }
  return Buffer.concat(parts);
}

const SETTINGS: Frame = { type: TYPE.settings, flags: 0, stream: 0, payload: Buffer.alloc(0) };

/** A side that nobody recorded. */
function madeUp(next: Next): Side {
  const side: Side = next(2) === 0 ? [PREFACE, SETTINGS] : [SETTINGS];
  const encoder = new Encoder(next);
  for (let i = 1 + next(4); i > 0; i--) {
    const stream = 1 + next(6);
    const promise = next(8) === 0;
    const id = Buffer.from([0, 0, 0, 2 + 2 * next(3)]);
    const block = encoder.block([[':method', 'GET'], ...someFields(next)]);
    const ends = Number(!promise && next(3) === 0);
    side.push({
      type: promise ? TYPE.pushPromise : TYPE.headers,
      flags: FLAG.endHeaders | ends,
      stream,
      payload: promise ? Buffer.concat([id, block]) : block,
    });
    for (let k = ends ? 0 : next(3); k > 0; k--)
      side.push({ type: TYPE.data, flags: Number(k === 1), stream, payload: Buffer.alloc(next(60), 'body ') });
    if (next(10) === 0) side.push({ type: TYPE.rstStream, flags: 0, stream, payload: Buffer.alloc(4) });
    if (next(20) === 0) side.push({ type: TYPE.goaway, flags: 0, stream: 0, payload: Buffer.alloc(8 + next(9), next(256)) });
  }
  return side;
}

const isBlock = ({ type }: Frame): boolean => type === TYPE.headers || type === TYPE.pushPromise || type === TYPE.continuation;

/** Says the same in other frames: padding, priorities, CONTINUATION, DATA in two, frames that mean nothing here. */
function rephrased(side: Side, next: Next): Side {
  return side.flatMap((frame): Side => {
    if (Buffer.isBuffer(frame)) return [frame];
    const { type, flags, stream, payload } = frame;
    const padded = (flags & FLAG.padded) !== 0;
    switch (next(7)) {
      case 0: {
        if (padded || (type !== TYPE.data && type !== TYPE.headers && type !== TYPE.pushPromise)) break;
        const padding = next(30);
        return [
          { type, flags: flags | FLAG.padded, stream, payload: Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]) },
        ];
      }
      case 1: {
        if (!isBlock(frame) || padded) break;
        const at = Math.max(
          type === TYPE.pushPromise ? 4 : flags & FLAG.priority && type === TYPE.headers ? 5 : 0,
          next(payload.length + 1),
        );
        const last = flags & FLAG.endHeaders;
        return [
          { type, flags: flags & ~FLAG.endHeaders, stream, payload: payload.subarray(0, at) },
          { type: TYPE.continuation, flags: last, stream, payload: payload.subarray(at) },
        ];
      }
      case 2: {
        if (type !== TYPE.data || padded) break;
        const at = next(payload.length + 1);
        return [
          { type, flags: flags & ~FLAG.endStream, stream, payload: payload.subarray(0, at) },
          { type, flags, stream, payload: payload.subarray(at) },
        ];
      }
      case 3: {
        if (type !== TYPE.headers || padded || flags & FLAG.priority) break;
        return [{ type, flags: flags | FLAG.priority, stream, payload: Buffer.concat([Buffer.from([0, 0, 0, 0, 15]), payload]) }];
      }
      case 4:
        // After the frame, unless its block goes on.
        if (isBlock(frame) && !(flags & FLAG.endHeaders)) break;
        return [frame, { type: pick([TYPE.ping, 12, 0xfb], next), flags: 0, stream: 0, payload: Buffer.alloc(8) }];
    }
    return [frame];
  });
}

function damaged(side: Side, next: Next): Side {
  const at = next(side.length);
  const frame = side[at];
  if (frame === undefined || next(4) === 0) return mutateList(side, next);
  const changed = (other: Frame | Buffer): Side => [...side.slice(0, at), other, ...side.slice(at + 1)];
  if (Buffer.isBuffer(frame)) return changed(mutateBytes(frame, PREFACE, next));
  switch (next(8)) {
    case 0:
      return changed({ ...frame, flags: frame.flags ^ pick([1, 4, 8, 0x20, 0x40], next) });
    case 1:
      return changed({ ...frame, type: next(12) });
    case 2:
      return changed({ ...frame, stream: pick([0, 1, 3, 0x80000001], next) });
    case 3:
      return changed({ ...frame, length: pick([0, 1, 4, 5, 8, frame.payload.length + next(12), 16_385, 0xffffff], next) });
    case 4:
      return [...side.slice(0, at), Buffer.from(Array.from({ length: next(20) }, () => next(4) * next(80))), ...side.slice(at)];
    case 5:
      return [...side.slice(0, at), ...pick(CORPUS, next).slice(next(6)), ...side.slice(at)];
    default:
      return changed({ ...frame, payload: mutateBytes(frame.payload, pick(CORPUS, next).find(isFrame)?.payload ?? PREFACE, next) });
  }
}

const isFrame = (frame: Frame | Buffer): frame is Frame => !Buffer.isBuffer(frame);

/** A header block that is larger than what is held, in one frame or in many. */
function giant(next: Next): Side {
  const payload = Buffer.alloc(BLOCK_LIMIT + 1 + next(100_000), 0x82);
  const frame: Frame = { type: TYPE.headers, flags: FLAG.endHeaders, stream: 1, payload };
  if (next(2) === 0) return [SETTINGS, frame];
  const continued: Side = [];
  for (let at = 0; at < payload.length; at += 60_000)
    continued.push({ type: at === 0 ? TYPE.headers : TYPE.continuation, flags: 0, stream: 1, payload: payload.subarray(at, at + 60_000) });
  return [SETTINGS, ...continued, { type: TYPE.continuation, flags: FLAG.endHeaders, stream: 1, payload: Buffer.alloc(0) }];
}

interface Said {
  lines: string[];
  wrong: string | undefined;
}

function headText({ fields, pseudo, named, unknown, cut }: Http2Head): string {
  const { limited } = fields;
  return JSON.stringify([[...pseudo], [...named].length, fields.list, { unknown, cut, limited }]);
}

/** Bytes that may be held of one direction: a frame, a block, a search, a table. */
const HELD_BYTES = 8 * BLOCK_LIMIT;

function read(given: readonly Given[], midway: boolean): Said {
  const lines: string[] = [];
  let body: { stream: number; pieces: Buffer[] } | undefined;
  let wrong: string | undefined;
  let pieces = 0;
  const say = (line: string): void => {
    if (body) lines.push(`data ${body.stream} ${Buffer.concat(body.pieces).toString('latin1')}`);
    body = undefined;
    lines.push(line);
  };
  const handler: Http2Handler = {
    client: () => say('client'),
    frame: () => {},
    head: (stream, head, ends) => {
      if (stream === 0) wrong = 'a head of no stream';
      say(`head ${stream} ${headText(head)} ${ends}`);
    },
    promise: (stream, promised, head) => say(`promise ${stream} ${promised} ${headText(head)}`),
    data: (stream, piece) => {
      pieces++;
      if (piece.length === 0) wrong = 'a piece of no bytes';
      if (body?.stream !== stream) {
        if (body) say('');
        body = { stream, pieces: [] };
      }
      body.pieces.push(Buffer.from(piece));
    },
    missing: (stream, bytes) => {
      if (bytes < 0) wrong = `${bytes} bytes are missing`;
      say(`missing ${stream} ${bytes}`);
    },
    end: (stream) => say(`end ${stream}`),
    reset: (stream) => say(`reset ${stream}`),
    goaway: (last) => say(`goaway ${last}`),
    lost: () => say('lost'),
  };
  const direction = new Http2Direction(handler, midway);
  for (const piece of given) {
    if (piece === 'shed') direction.shed();
    else if (typeof piece === 'number') direction.gap(piece);
    else {
      const before = pieces;
      // Bytes are lent for the call: they are overwritten after it.
      const lent = Buffer.from(piece);
      if (!direction.push(lent) && pieces > before) wrong = 'it says that nothing belongs to a frame, and gave a piece of one';
      lent.fill(0xaa);
    }
    if (direction.heldBytes > HELD_BYTES) wrong = `${direction.heldBytes} bytes are held`;
  }
  direction.finish();
  say('finished');
  return { lines, wrong };
}

function differ(what: string, a: Said, b: Said): string | undefined {
  if (a.wrong ?? b.wrong) return a.wrong ?? b.wrong;
  const [one, two] = [a.lines.join('\n'), b.lines.join('\n')];
  return one === two ? undefined : `${what}, it says something else:\n${one}\n\n${two}`;
}

/** What is not true of the input of a seed. */
export function wrongWithHttp2(seed: number): string | undefined {
  const next = random(seed);
  const original = next(4000) === 0 ? giant(next) : next(2) === 0 ? pick(CORPUS, next) : madeUp(next);
  const midway = next(5) === 0;
  if (next(4) === 0) {
    const other = rephrased(next(2) === 0 ? rephrased(original, next) : original, next);
    return differ('in other frames', joined(read([bytesOf(original)], false)), joined(read([bytesOf(other)], false)));
  }
  let side = original;
  for (let k = next(4); k > 0; k--) side = damaged(side, next);
  const given = withHoles(bytesOf(side), next(3) === 0 ? 1 + next(3) : 0, next);
  return differ('cut differently', read(given, midway), read(cutUp(given, next), midway));
}

/** DATA frames in a row are one. */
function joined({ lines, wrong }: Said): Said {
  return { lines: lines.filter((line) => line !== ''), wrong };
}
