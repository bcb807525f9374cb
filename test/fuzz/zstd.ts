/**
 * Fuzzing of Zstandard: the frames of test/fuzz/corpus are taken apart into blocks, these into their sections, and put together
 * again with other ones. What is accepted is what fzstd says, and what Node's own decoder says, where it has one.
 */
import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { decompress } from 'fzstd';
import { Zstd } from '../../lib/protocols/coding/zstd.js';
import { root } from '../support/paths.js';
import { cut, cutSizes, mutateBytes, type Next, pick, random } from './random.js';
import { mutateList } from './sides.js';

/** Decoded bytes after which it is enough. */
const MOST = 20_000;

interface Block {
  kind: number;
  /** Of one byte over and over: how often. */
  repeat: number;
  content: Buffer;
}

interface Frame {
  /** From the magic number to the first block. */
  head: Buffer;
  blocks: Block[];
  checksum: Buffer;
}

const CORPUS: Frame[] = readFileSync(`${root}/test/fuzz/corpus/coding.ndjson`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { codings: string[]; coded: string })
  .filter(({ codings }) => codings.join() === 'zstd')
  .map(({ coded }) => frameOf(Buffer.from(coded, 'base64')))
  .filter((frame): frame is Frame => frame !== undefined && decode([bytesOf(frame)]).out.length < 4000);

/** The first frame of well-formed bytes, if it is none to skip. */
function frameOf(bytes: Buffer): Frame | undefined {
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== 0xfd2fb528) return undefined;
  const descriptor = bytes[4] as number;
  const single = (descriptor >> 5) & 1;
  const sizeBytes = [single, 2, 4, 8][descriptor >> 6] as number;
  let at = 5 + (1 - single) + ([0, 1, 2, 4][descriptor & 3] as number) + sizeBytes;
  const head = Buffer.from(bytes.subarray(0, at));
  // A smaller window: fzstd makes all of it, and that would take most of the time.
  if (single === 0) head[5] = 0x30;
  const blocks: Block[] = [];
  for (let last = false; !last && at + 3 <= bytes.length; ) {
    const value = bytes.readUIntLE(at, 3);
    const [kind, size] = [(value >> 1) & 3, value >> 3];
    const end = at + 3 + (kind === 1 ? 1 : size);
    blocks.push({ kind, repeat: size, content: bytes.subarray(at + 3, end) });
    last = (value & 1) === 1;
    at = end;
  }
  return { head, blocks, checksum: descriptor & 4 ? bytes.subarray(at, at + 4) : Buffer.alloc(0) };
}

function bytesOf({ head, blocks, checksum }: Frame): Buffer {
  const parts = [head];
  for (const [i, { kind, repeat, content }] of blocks.entries()) {
    const value = Buffer.alloc(3);
    const size = kind === 1 ? repeat : content.length;
    value.writeUIntLE(((size << 3) | (kind << 1) | Number(i === blocks.length - 1)) & 0xffffff, 0, 3);
    parts.push(value, content);
  }
  return Buffer.concat([...parts, checksum]);
}

/** Where the section of sequences begins in a compressed block: RFC 8878 §3.1.1.3.1. */
function literalsEnd(content: Buffer): number {
  const first = content[0] ?? 0;
  const form = (first >> 2) & 3;
  const padded = Buffer.concat([content, Buffer.alloc(5)]);
  if ((first & 3) < 2) {
    const head = form === 1 ? 2 : form === 3 ? 3 : 1;
    const size = head === 1 ? first >> 3 : padded.readUIntLE(0, head) >> 4;
    return head + ((first & 3) === 0 ? size : 1);
  }
  const [head, width] = (
    [
      [3, 10],
      [3, 10],
      [4, 14],
      [5, 18],
    ] as const
  )[form] as readonly [number, number];
  return head + Math.floor(padded.readUIntLE(0, head) / 2 ** (4 + width));
}

function mutated(frame: Frame, next: Next): Frame {
  const { head, blocks, checksum } = frame;
  const at = next(blocks.length);
  const block = blocks[at];
  if (!block || next(6) === 0) return { head, blocks: mutateList(blocks, next), checksum };
  const other = pick(pick(CORPUS, next).blocks, next);
  const changed = (its: Partial<Block>): Frame => ({
    head,
    blocks: [...blocks.slice(0, at), { ...block, ...its }, ...blocks.slice(at + 1)],
    checksum,
  });
  const flipped = (place: number): Frame => {
    const content = Buffer.from(block.content);
    if (place < content.length) content[place] = (content[place] as number) ^ (1 << next(8));
    return changed({ content });
  };
  switch (next(9)) {
    case 0:
      return { head: pick(CORPUS, next).head, blocks, checksum };
    case 1:
      return { head, blocks: [...blocks.slice(0, at), other ?? block, ...blocks.slice(at)], checksum };
    case 2:
      return changed({ kind: next(4), repeat: next(3000) });
    case 3:
      return flipped(next(6));
    case 4:
      // The numbers and modes of the sequences, and the tables after them.
      return flipped(literalsEnd(block.content) + next(12));
    case 5: {
      // Literals of one, sequences of another.
      if (!other || block.kind !== 2 || other.kind !== 2) return flipped(0);
      const literals = block.content.subarray(0, literalsEnd(block.content));
      return changed({ content: Buffer.concat([literals, other.content.subarray(literalsEnd(other.content))]) });
    }
    case 6:
      // The last bytes are where bits are read from first.
      return flipped(Math.max(0, block.content.length - 1 - next(4)));
    case 7: {
      const plain = Buffer.alloc(1 + next(31), 'literal');
      const content = Buffer.concat([Buffer.from([plain.length << 3]), plain, block.content.subarray(literalsEnd(block.content))]);
      return changed({ kind: 2, content });
    }
    default:
      return changed({ content: mutateBytes(block.content, other?.content ?? head, next) });
  }
}

function decode(pieces: readonly Buffer[]): { state: string; out: Buffer } {
  const decoder = new Zstd();
  const out: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    const lent = Buffer.from(piece);
    decoder.push(lent, (decoded) => {
      out.push(Buffer.from(decoded));
      bytes += decoded.length;
      return bytes < MOST;
    });
    lent.fill(0xaa);
  }
  decoder.end();
  if (decoder.heldBytes > 0) throw new Error(`${decoder.heldBytes} bytes are held after the end`);
  return { state: decoder.state, out: Buffer.concat(out) };
}

function attempt(f: () => Uint8Array): Uint8Array | undefined {
  try {
    return f();
  } catch {
    return undefined;
  }
}

const native = (zlib as { zstdDecompressSync?: (bytes: Buffer, options: object) => Buffer }).zstdDecompressSync;

/** What is not true of the input of a seed. */
export function wrongWithZstd(seed: number): string | undefined {
  const next = random(seed);
  let frame = pick(CORPUS, next);
  for (let k = next(4); k > 0; k--) frame = mutated(frame, next);
  const bytes = bytesOf(frame);
  const whole = decode([bytes]);
  const pieces = decode(cut(bytes, cutSizes(bytes.length, next)));
  if (whole.state !== pieces.state || !whole.out.equals(pieces.out))
    return `cut differently: ${whole.state}, ${whole.out.length} bytes; ${pieces.state}, ${pieces.out.length} bytes`;
  if (native) {
    const truth = attempt(() => native(bytes, { maxOutputLength: MOST })) as Buffer | undefined;
    // Node gives what it has of a frame that is cut short, damaged behind the cut or not, as if that were all.
    const both = whole.state === 'done' ? Math.max(whole.out.length, truth?.length ?? 0) : Math.min(whole.out.length, truth?.length ?? 0);
    if (truth && !truth.subarray(0, both).equals(whole.out.subarray(0, both))) return `Node says something else, and we say ${whole.state}`;
  }
  if (whole.state !== 'done' || next(2) === 0) return undefined;
  const theirs = attempt(() => decompress(bytes));
  return theirs && !whole.out.equals(theirs) ? 'fzstd says something else' : undefined;
}
