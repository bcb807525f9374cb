/**
 * Fuzzing of WebSocket: the frames of test/fuzz/corpus are changed one by one. What is said must not depend on how the bytes are
 * cut, nor on masks and fragments; where nothing is compressed it begins with what ws itself reads.
 */
import { createRequire } from 'node:module';
import { deflateRawSync } from 'node:zlib';
import { WebSocketDirection, type WebSocketMessage } from '../../lib/protocols/websocket/direction.js';
import { agreedDeflate } from '../../lib/protocols/websocket/extension.js';
import { mutateBytes, type Next, pick, random } from './random.js';
import { cutUp, type Given, mutateList, sessionsOf, sideOf, withHoles } from './sides.js';

interface Frame {
  /** FIN, RSV and opcode. */
  first: number;
  mask: Buffer | undefined;
  /** Without the mask. */
  payload: Buffer;
  /** What its header says, where that is not the length of the payload. */
  length?: number;
}

interface Side {
  frames: Frame[];
  deflate: boolean;
  alone: boolean;
  masked: boolean;
}

const CORPUS: Side[] = sessionsOf('websocket').flatMap((pieces) => {
  const answer = sideOf(pieces, 'read').toString('latin1');
  const agreed = agreedDeflate([/^sec-websocket-extensions:(.*)$/im.exec(answer)?.[1] ?? '']);
  return (['write', 'read'] as const).map((direction): Side => {
    const all = sideOf(pieces, direction);
    const masked = direction === 'write';
    const alone = (masked ? agreed?.clientAlone : agreed?.serverAlone) ?? false;
    return { frames: framesOf(all.subarray(all.indexOf('\r\n\r\n') + 4)), deflate: agreed !== undefined, alone, masked };
  });
});

/** Of well-formed frames, of less than 64 KiB each. */
function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [first, second] = [bytes[at] as number, bytes[at + 1] as number];
    const long = (second & 127) === 126;
    let from = at + (long ? 4 : 2);
    const length = long ? bytes.readUInt16BE(at + 2) : second & 127;
    const mask = second > 127 ? bytes.subarray(from, from + 4) : undefined;
    from += mask ? 4 : 0;
    frames.push({ first, mask, payload: masked(bytes.subarray(from, from + length), mask) });
    at = from + length;
  }
  return frames;
}

function masked(bytes: Buffer, mask: Buffer | undefined): Buffer {
  return mask ? Buffer.from(bytes.map((byte, i) => byte ^ (mask[i % 4] as number))) : bytes;
}

function bytesOf(frames: readonly (Frame | Buffer)[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      if (Buffer.isBuffer(frame)) return [frame];
      const { first, mask, payload, length = payload.length } = frame;
      const bit = mask ? 128 : 0;
      const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
      head[0] = first;
      head[1] = bit | (head.length === 2 ? length : head.length === 4 ? 126 : 127);
      if (head.length === 4) head.writeUInt16BE(length, 2);
      else if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
      return [head, mask ?? Buffer.alloc(0), masked(payload, mask)];
    }),
  );
}

const someMask = (next: Next): Buffer => Buffer.from([next(256), next(256), next(256), next(256)]);

/** Says the same: other masks, in fragments, with pings between. */
function rephrased({ frames, masked: has }: Side, next: Next): Frame[] {
  return frames.flatMap((frame): Frame[] => {
    const mask = (): Buffer | undefined => (has ? someMask(next) : undefined);
    const { first, payload } = frame;
    if ((first & 15) >= 8 || next(2) === 0) return [{ ...frame, mask: mask() }];
    const at = next(payload.length + 1);
    const beginning: Frame = { first: first & 0x7f, mask: mask(), payload: payload.subarray(0, at) };
    const end: Frame = { first: first & 0x80, mask: mask(), payload: payload.subarray(at) };
    return next(2) === 0 ? [beginning, end] : [beginning, { first: 0x89, mask: mask(), payload: Buffer.from('between') }, end];
  });
}

function damaged(frames: readonly (Frame | Buffer)[], next: Next): (Frame | Buffer)[] {
  const at = next(frames.length);
  const frame = frames[at];
  if (frame === undefined || Buffer.isBuffer(frame) || next(4) === 0) return mutateList(frames, next);
  const changed = (other: Frame): (Frame | Buffer)[] => [...frames.slice(0, at), other, ...frames.slice(at + 1)];
  switch (next(8)) {
    case 0:
      return changed({ ...frame, first: frame.first ^ (1 << next(8)) });
    case 1:
      return changed({ ...frame, first: (frame.first & 0xf0) | pick([0, 1, 2, 8, 9, 10, 11], next) });
    case 2:
      return changed({ ...frame, mask: frame.mask ? undefined : someMask(next) });
    case 3:
      return changed({ ...frame, length: pick([0, 1, 125, 126, 65_535, 65_536, 2 ** 40, 2 ** 60, frame.payload.length + 1], next) });
    case 4:
      return [...frames.slice(0, at), Buffer.from(Array.from({ length: next(20) }, () => next(256))), ...frames.slice(at)];
    case 5: {
      const { frames: others } = pick(CORPUS, next);
      return [...frames.slice(0, at), ...others.slice(next(others.length)), ...frames.slice(at)];
    }
    default:
      return changed({ ...frame, payload: mutateBytes(frame.payload, frame.payload, next) });
  }
}

interface Said {
  lines: string[];
  wrong: string | undefined;
}

function line({ opcode, compressed, fragments, payload, coded, cut, limited, unfinished }: WebSocketMessage): string {
  return JSON.stringify([opcode, payload.toString('latin1'), { compressed, coded, cut, limited, unfinished }, fragments]);
}

const LIMIT = 4096;

function read(given: readonly Given[], { deflate, alone, masked }: Side, midway: boolean, limit = LIMIT): Said {
  const lines: string[] = [];
  let wrong: string | undefined;
  let messages = 0;
  const direction = new WebSocketDirection(
    {
      begin: () => {},
      message: (message) => {
        messages++;
        lines.push(line(message));
        if (message.payload.length > Math.max(limit, 125)) wrong = `a payload of ${message.payload.length} bytes`;
      },
      sent: (bytes) => {
        if (bytes < 0) wrong = `${bytes} bytes`;
      },
      lost: () => lines.push('lost'),
    },
    { deflate, alone, midway, limit, masked: midway ? undefined : masked },
  );
  for (const piece of given) {
    if (piece === 'shed') direction.shed();
    else if (typeof piece === 'number') direction.gap(piece);
    else {
      const lent = Buffer.from(piece);
      direction.push(lent);
      lent.fill(0xaa);
    }
    if (direction.heldBytes > 400_000 + 6 * limit) wrong = `${direction.heldBytes} bytes are held`;
  }
  direction.finish();
  if (messages > 0 && given.every((piece) => piece.toString() === '')) wrong = 'something was said of nothing';
  return { lines, wrong };
}

interface Receiver {
  on(event: string, listener: (...values: never[]) => void): Receiver;
  write(bytes: Buffer): void;
}
const { Receiver: WsReceiver } = createRequire(import.meta.url)('ws') as { Receiver: new (options: object) => Receiver };

/** What ws reads of one direction before it gives up: opcode and payload. */
function readByWs(bytes: Buffer, isServer: boolean): [string, string][] {
  const said: [string, string][] = [];
  const receiver = new WsReceiver({ isServer, skipUTF8Validation: true, maxPayload: LIMIT });
  receiver
    .on('message', (data: Buffer, binary: boolean) => said.push([binary ? 'binary' : 'text', data.toString('latin1')]))
    .on('ping', (data: Buffer) => said.push(['ping', data.toString('latin1')]))
    .on('pong', (data: Buffer) => said.push(['pong', data.toString('latin1')]))
    .on('error', () => {});
  receiver.write(bytes);
  return said;
}

/** What is not true of the input of a seed. */
export function wrongWithWebSocket(seed: number): string | undefined {
  const next = random(seed);
  const side = pick(CORPUS, next);
  if (next(4000) === 0) return wrongWithMuch(next);
  if (next(4) === 0) {
    // Neither pings nor fragments count; a message that is not whole in one frame may be inflated in other pieces.
    const plain = (said: Said): string =>
      said.wrong ??
      said.lines
        .filter((each) => !each.includes('between'))
        .join('\n')
        .replace(/,\d+\]$/gm, ']');
    const [one, two] = [bytesOf(side.frames), bytesOf(rephrased(side, next))].map((bytes) => plain(read([bytes], side, false)));
    return one === two ? undefined : `in other frames, it says something else:\n${one}\n\n${two}`;
  }
  let frames: (Frame | Buffer)[] = side.frames.slice(0, 1 + next(side.frames.length));
  for (let k = next(4); k > 0; k--) frames = damaged(frames, next);
  const given = withHoles(bytesOf(frames), next(3) === 0 ? 1 + next(3) : 0, next);
  const midway = next(6) === 0;
  const limit = next(5) === 0 ? 1 + next(100) : LIMIT;
  const whole = read(given, side, midway, limit);
  const pieces = read(cutUp(given, next), side, midway, limit);
  if (whole.wrong ?? pieces.wrong) return whole.wrong ?? pieces.wrong;
  const [one, two] = [whole.lines.join('\n'), pieces.lines.join('\n')];
  if (one !== two) return `cut differently, it says something else:\n${one}\n\n${two}`;
  if (side.deflate || midway || limit < LIMIT || given.length > 1) return undefined;
  const theirs = readByWs(given[0] as Buffer, side.masked);
  // ws ends with the message that is not over, and at a close.
  const ours = whole.lines.filter((each) => each !== 'lost').map((each) => (JSON.parse(each) as [string, string]).slice(0, 2));
  const same = theirs.every((message, i) => JSON.stringify(message) === JSON.stringify(ours.filter(([opcode]) => opcode !== 'close')[i]));
  return same ? undefined : `ws reads something else:\n${JSON.stringify(theirs)}\n${one}`;
}

/** A message of many bytes, deflated or not: what is over the limit is left out, and the next one is read. */
function wrongWithMuch(next: Next): string | undefined {
  const text = Buffer.alloc(200_000, 'much of it ');
  const compressed = next(2) === 0;
  const payload = compressed ? deflateRawSync(text) : text;
  const frames = [
    { first: compressed ? 0xc1 : 0x81, mask: undefined, payload },
    { first: 0x81, mask: undefined, payload: Buffer.from('next') },
  ];
  const side = { frames, deflate: true, alone: true, masked: false };
  const { lines, wrong } = read([bytesOf(frames)], side, false);
  const [first, second] = lines.map((each) => JSON.parse(each) as [string, string, { limited: boolean }]);
  const good = first?.[1] === text.toString('latin1', 0, LIMIT) && first[2].limited && second?.[1] === 'next';
  return wrong ?? (good ? undefined : `of much: ${lines.join('\n').slice(0, 300)}`);
}
