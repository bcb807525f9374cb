/**
 * Fuzzing of HPACK: blocks that an encoder of our own wrote, which chooses any form of each field, have to be read as what they
 * are, and from the middle as nothing else; damaged ones as hpack.js reads them, where it reads them at all.
 */
import { createRequire } from 'node:module';
import { HpackDecoder, TABLE_LIMIT } from '../../lib/protocols/hpack/decoder.js';
import { huffmanText } from '../../lib/protocols/hpack/huffman.js';
import { mutateBytes, type Next, pick, random } from './random.js';

interface HpackJs {
  decompressor: {
    create(options: { table: { maxSize: number } }): {
      updateTableSize(size: number): void;
      write(block: Buffer): void;
      on(event: 'error', listener: () => void): void;
      execute(): void;
      read(): { name: string; value: string } | null;
    };
  };
  huffman: { encode: [length: number, code: number][] };
  'static-table': { table: { name: string; value: string }[] };
}
const peer = createRequire(import.meta.url)('hpack.js') as HpackJs;

export type Field = [name: string, value: string];

const STATIC = peer['static-table'].table.map(({ name, value }): Field => [name, value]);

const NAMES = [':path', ':status', 'cookie', 'x-one', 'X-Two', 'date', 'x-a-rather-long-name-for-a-header'];
const VALUES = ['', '1', '/v1/messages', 'application/json', 'gzip, deflate', 'a=1; b=2', 'é\xff\0', 'v'.repeat(150)];

/** An encoder that has the table that a decoder has to follow. */
export class Encoder {
  private table: Field[] = [];
  private capacity = 4096;

  constructor(private readonly next: Next) {}

  block(fields: readonly Field[]): Buffer {
    const parts: Buffer[] = [];
    if (this.next(12) === 0) {
      this.capacity = pick([0, 100, 300, 4096, 5000, 70_000], this.next);
      parts.push(integer(this.capacity, 5, 0x20));
      this.evict();
    }
    for (const field of fields) parts.push(this.field(field));
    return Buffer.concat(parts);
  }

  private field([name, value]: Field): Buffer {
    const { next } = this;
    const all = [...STATIC, ...this.table];
    const whole = all.findIndex((entry) => entry[0] === name && entry[1] === value);
    if (whole >= 0 && next(4) > 0) return integer(whole + 1, 7, 0x80);
    const [bits, first] = pick(
      [
        [6, 0x40],
        [6, 0x40],
        [4, 0x10],
        [4, 0],
      ] as const,
      next,
    );
    const named = next(4) > 0 ? all.findIndex((entry) => entry[0] === name) : -1;
    if (first === 0x40) {
      this.table.unshift([name, value]);
      this.evict();
    }
    const head = integer(named + 1, bits, first);
    return Buffer.concat(named < 0 ? [head, this.string(name), this.string(value)] : [head, this.string(value)]);
  }

  private string(text: string): Buffer {
    const bytes = Buffer.from(text, 'latin1');
    if (this.next(2) === 0) return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
    const coded = huffmanBytes(bytes);
    return Buffer.concat([integer(coded.length, 7, 0x80), coded]);
  }

  private evict(): void {
    let size = 0;
    const fits = this.table.findIndex(([name, value]) => {
      size += name.length + value.length + 32;
      return size > this.capacity;
    });
    if (fits >= 0) this.table.length = fits;
  }
}

function integer(value: number, bits: number, first: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  let left = value - most;
  for (; left > 127; left >>= 7) bytes.push((left & 127) | 128);
  return Buffer.from([...bytes, left]);
}

function huffmanBytes(bytes: Buffer): Buffer {
  let bits = '';
  for (const byte of bytes) {
    const [length, code] = peer.huffman.encode[byte] as [number, number];
    bits += code.toString(2).padStart(length, '0');
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

export function someFields(next: Next): Field[] {
  return Array.from({ length: 1 + next(6) }, (): Field => {
    if (next(4) > 0) return [pick(NAMES, next).toLowerCase(), pick(VALUES, next)];
    return pick(STATIC, next);
  });
}

type Read = { state: string; fields: [string | undefined, string | undefined][] };

function read(decoder: HpackDecoder, block: Buffer): Read {
  const fields: Read['fields'] = [];
  return { state: decoder.decode(block, (name, value) => fields.push([name, value])), fields };
}

const same = (ours: Read['fields'], truth: readonly Field[]): boolean =>
  ours.length === truth.length && ours.every(([name, value], i) => name === (truth[i] as Field)[0] && value === (truth[i] as Field)[1]);

/** What of it is known is true. */
const consistent = (ours: Read['fields'], truth: readonly Field[]): boolean =>
  ours.length === truth.length &&
  ours.every(([name, value], i) => (name ?? truth[i]?.[0]) === truth[i]?.[0] && (value ?? truth[i]?.[1]) === truth[i]?.[1]);

/** What is not true of the input of a seed. */
export function wrongWithHpack(seed: number): string | undefined {
  const next = random(seed);
  const encoder = new Encoder(next);
  const heads = Array.from({ length: 1 + next(5) }, () => someFields(next));
  const blocks = heads.map((fields) => encoder.block(fields));
  if (next(2000) === 0) return wrongWithLargeTable(next);
  if (next(3) === 0) return wrongWithDamage(blocks, next);
  const whole = new HpackDecoder(true);
  const midway = new HpackDecoder(false);
  const from = next(blocks.length);
  for (const [i, block] of blocks.entries()) {
    const truth = heads[i] as Field[];
    const ours = read(whole, block);
    if (ours.state !== 'whole' || !same(ours.fields, truth)) return `${ours.state} ${JSON.stringify([ours.fields, truth])}`;
    if (i < from) continue;
    const part = read(midway, block);
    if (part.state === 'fault' || !consistent(part.fields, truth)) return `midway: ${part.state} ${JSON.stringify([part.fields, truth])}`;
    if ((part.state === 'whole') !== same(part.fields, truth)) return `midway it says ${part.state}`;
    if (next(8) === 0) midway.lose();
  }
  return undefined;
}

/** Damaged blocks: never something else than hpack.js makes of them. */
function wrongWithDamage(blocks: readonly Buffer[], next: Next): string | undefined {
  const ours = new HpackDecoder(true);
  const theirs = peer.decompressor.create({ table: { maxSize: 2 ** 30 } });
  theirs.updateTableSize(4096);
  let failed = false;
  theirs.on('error', () => {
    failed = true;
  });
  for (const block of blocks) {
    const damaged = next(3) > 0 ? mutateBytes(block, pick(blocks, next), next) : block;
    const { state, fields } = read(ours, damaged);
    if (ours.heldBytes > 2 * TABLE_LIMIT) return `${ours.heldBytes} bytes are held`;
    theirs.write(damaged);
    theirs.execute();
    if (failed !== (state === 'fault')) return `${state}, and hpack.js says ${failed ? 'fault' : 'good'}`;
    if (failed) return wrongAfterFault(ours, next);
    const truth: Field[] = [];
    for (let field = theirs.read(); field; field = theirs.read()) truth.push([field.name.toLowerCase(), field.value]);
    if (!same(fields, truth)) return `hpack.js says something else: ${JSON.stringify([fields, truth])}`;
  }
  return undefined;
}

/** After a fault the table is unknown, and what comes anew is read. */
function wrongAfterFault(decoder: HpackDecoder, next: Next): string | undefined {
  const fields = someFields(next);
  const encoder = new Encoder(next);
  const { state, fields: got } = read(decoder, encoder.block(fields));
  return state !== 'fault' && consistent(got, fields) ? undefined : `after a fault: ${state} ${JSON.stringify([got, fields])}`;
}

/** More than is kept of a table: what is beyond it is unknown. And random bytes as a string in Huffman code. */
function wrongWithLargeTable(next: Next): string | undefined {
  const decoder = new HpackDecoder(true);
  const grown = integer(1_000_000, 5, 0x20);
  read(decoder, grown);
  const value = Buffer.alloc(1000 + next(2000), 'v');
  const entry = Buffer.concat([Buffer.from([0x40, 3]), Buffer.from('x-v'), integer(value.length, 7, 0), value]);
  const count = Math.ceil((2 * TABLE_LIMIT) / entry.length);
  for (let i = 0; i < count; i++) read(decoder, entry);
  if (decoder.heldBytes > 2 * TABLE_LIMIT) return `${decoder.heldBytes} bytes are held`;
  const states = [1, count, count + 1].map((index) => read(decoder, integer(61 + index, 7, 0x80)).state);
  if (states.join() !== 'whole,unknown,unknown') return `of a large table: ${states}`;
  const noise = Buffer.from(Array.from({ length: 40 }, () => next(256)));
  huffmanText(noise, 0, noise.length);
  return undefined;
}
