import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decompress } from 'fzstd';
import tape from 'tape';
import type { DecoderState } from '../../lib/protocols/coding/decoder.js';
import { ZSTD_WINDOW_LIMIT, Zstd } from '../../lib/protocols/coding/zstd.js';
import { root } from '../support/paths.js';

/** Frames that the zstd command wrote, of levels 1 to 19, with the digest of what went in. */
const FRAMES = readFileSync(`${root}/test/fixtures/zstd.ndjson`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { name: string; bytes: number; sha256: string; coded: string })
  .map(({ coded, ...frame }) => ({ ...frame, coded: Buffer.from(coded, 'base64') }));

interface Result {
  out: Buffer;
  state: DecoderState;
}

/** Decodes in pieces of the given sizes, over and over. */
function decode(coded: Buffer, sizes: readonly number[] = [coded.length || 1]): Result {
  const decoder = new Zstd();
  const out: Buffer[] = [];
  for (let at = 0, i = 0; at < coded.length; i++) {
    const size = sizes[i % sizes.length] as number;
    decoder.push(coded.subarray(at, at + size), (piece) => out.push(Buffer.from(piece)) > 0);
    at += size;
  }
  decoder.end();
  return { out: Buffer.concat(out), state: decoder.state };
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const MAGIC = '28b52ffd';

/** A block that is not compressed, or one byte over and over. */
function block(kind: 'raw' | 'repeat' | 'coded' | 'reserved', size: number, content: string, last = false): string {
  const head = Buffer.alloc(3);
  head.writeUIntLE(size * 8 + ['raw', 'repeat', 'coded', 'reserved'].indexOf(kind) * 2 + Number(last), 0, 3);
  return head.toString('hex') + content;
}

/** A frame with a window of 1 KiB × 2^`exponent`. */
const frame = (exponent: number, ...blocks: string[]): Buffer =>
  hex(`${MAGIC}00${(exponent * 8).toString(16).padStart(2, '0')}${blocks.join('')}`);

for (const { name, bytes, sha256, coded } of FRAMES) {
  tape(`zstd: ${name}`, (t) => {
    for (const size of [coded.length, 1, 7, 1000]) {
      const { out, state } = decode(coded, [size]);
      t.ok(out.length === bytes && createHash('sha256').update(out).digest('hex') === sha256, `pieces of ${size}: ${out.length} bytes`);
      t.equal(state, 'done');
    }
    for (const length of [1, 5, coded.length - 1]) t.equal(decode(coded.subarray(0, length)).state, 'more', `only ${length} bytes of it`);
    t.end();
  });
}

tape('zstd: damaged frames say the same however they are cut; what fzstd says, if all of it is good', (t) => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 7 })), { minLength: 1, maxLength: 3 });
  const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 });
  const small = FRAMES.filter(({ coded }) => coded.length < 9000);
  const seen = new Set<string>();
  let agreed = 0;
  fc.assert(
    fc.property(fc.constantFrom(...small), sizes, flips, fc.constantFrom('', '', 'x', 'anything'), (known, pieces, flipped, tail) => {
      const coded = Buffer.concat([known.coded, Buffer.from(tail)]);
      for (const [at, bit] of flipped) coded[at % coded.length] = (coded[at % coded.length] as number) ^ (1 << bit);
      const whole = decode(coded);
      const other = decode(coded, pieces);
      seen.add(whole.state);
      if (whole.state !== other.state || !whole.out.equals(other.out)) return false;
      if (whole.state !== 'done') return true;
      agreed++;
      return whole.out.equals(decompress(coded));
    }),
    { numRuns: 1500 },
  );
  t.ok(seen.has('fault') && seen.has('more') && agreed > 0, `1500 frames; ${agreed} of them still good, and the same as fzstd's`);
  t.end();
});

tape('zstd: blocks that are not compressed', (t) => {
  t.deepEqual(decode(frame(0, block('raw', 3, '616263'), block('repeat', 5, '78'), block('raw', 0, '', true))).out.toString(), 'abcxxxxx');
  t.equal(decode(frame(0, block('raw', 0, '', true))).state, 'done', 'nothing');
  t.equal(decode(frame(0, block('raw', 1024, '00'.repeat(1024), true))).state, 'done', 'as large as the window');
  t.equal(decode(frame(0, block('raw', 1025, '00'.repeat(1025), true))).state, 'fault', 'larger than the window');
  t.equal(decode(frame(0, block('repeat', 1025, '00', true))).state, 'fault');
  t.equal(decode(frame(8, block('repeat', 131_072, '61', true))).out.length, 131_072, 'as large as a block may be');
  t.equal(decode(frame(8, block('repeat', 131_073, '61', true))).state, 'fault', 'larger than a block may be');
  t.equal(decode(frame(0, block('reserved', 1, '00', true))).state, 'fault', 'a kind that is not there');
  t.equal(decode(frame(0, block('coded', 0, '', true))).state, 'fault', 'compressed, of no bytes');
  const piecewise = new Zstd();
  const out: string[] = [];
  piecewise.push(frame(0, block('raw', 6, '616263')), (piece) => out.push(piece.toString()) > 0);
  t.deepEqual(out, ['abc'], 'what is there of one comes out at once');
  t.end();
});

tape('zstd: what a header may say', (t) => {
  const one = block('raw', 1, '61', true);
  t.equal(decode(hex(`${MAGIC}20 01 ${one}`)).state, 'done', 'one segment, length in one byte');
  t.equal(decode(hex(`${MAGIC}20 02 ${one}`)).state, 'fault', 'fewer bytes than stated');
  t.equal(decode(hex(`${MAGIC}20 00 ${one}`)).state, 'fault', 'more bytes than stated');
  t.equal(decode(hex(`${MAGIC}40 00 0000 ${block('repeat', 256, '61', true)}`)).state, 'done', 'in two: from 256 on');
  t.equal(decode(hex(`${MAGIC}80 00 01000000 ${one}`)).state, 'done', 'in four');
  t.equal(decode(hex(`${MAGIC}c0 00 0100000000000000 ${one}`)).state, 'done', 'in eight');
  t.equal(decode(hex(`${MAGIC}c0 00 0100000001000000 ${one}`)).state, 'fault', 'all eight count');
  t.equal(decode(hex(`${MAGIC}03 00 00000000 ${one}`)).state, 'done', 'a dictionary numbered 0 is none');
  for (const head of ['01 00 01', '02 00 0001', '03 00 00000001', '03 00 01000000'])
    t.equal(decode(hex(`${MAGIC}${head} ${one}`)).state, 'fault', `a dictionary that nobody has: ${head}`);
  t.equal(decode(hex(`${MAGIC}08 00 ${one}`)).state, 'fault', 'the reserved bit');
  t.equal(decode(hex(`${MAGIC}10 00 ${one}`)).state, 'done', 'the unused bit');
  t.equal(decode(hex(`${MAGIC}04 00 ${one} 01020304`)).state, 'done', 'a checksum is skipped');
  t.equal(decode(hex(`${MAGIC}04 00 ${one} 010203`)).state, 'more', 'and waited for');
  t.equal(decode(hex('28b52ffe')).state, 'fault', 'another magic number');
  t.equal(decode(Buffer.alloc(0)).state, 'more', 'nothing at all is no frame');
  t.equal(decode(hex('502a4d18 02000000 ffff')).state, 'done', 'a frame to skip');
  t.equal(decode(hex('5f2a4d18 00000000')).state, 'done', 'the last of its sixteen numbers, without content');
  t.equal(decode(hex('602a4d18 00000000')).state, 'fault', 'one more is none');
  t.equal(decode(hex('502a4d18 03000000 ffff')).state, 'more', 'skipped, but cut');
  t.end();
});

tape('zstd: windows up to what the web allows, in every frame', (t) => {
  const one = block('raw', 1, '61', true);
  t.equal(decode(frame(13, one)).state, 'done', `${ZSTD_WINDOW_LIMIT} bytes`);
  t.equal(decode(hex(`${MAGIC}00 69 ${one}`)).state, 'fault', 'an eighth more');
  t.equal(decode(Buffer.concat([frame(0, one), frame(21, one)])).state, 'fault', '2 GiB in the second frame');
  t.equal(decode(Buffer.concat([hex('502a4d18 00000000'), frame(21, one)])).state, 'fault', '2 GiB after one to skip');
  t.equal(decode(hex(`${MAGIC}a0 00000001 ${one}`)).state, 'fault', '16 MiB as one segment');
  t.end();
});

tape('zstd: a bomb within one write is stopped at the block that was too much', (t) => {
  const blocks = Array.from({ length: 4000 }, () => block('repeat', 131_072, '00'));
  const bomb = frame(10, ...blocks);
  const decoder = new Zstd();
  let got = 0;
  decoder.push(bomb, ({ length }) => {
    got += length;
    return got < 1_000_000;
  });
  t.equal(decoder.state, 'stopped', `${bomb.length} bytes stand for 500 MiB`);
  t.ok(got < 1_000_000 + 131_072, `${got} came out`);
  t.equal(decoder.heldBytes, 0, 'nothing is held any more');
  t.end();
});

tape('zstd: what is held grows with what came, not with what the header asks for', (t) => {
  const decoder = new Zstd();
  decoder.push(frame(13, block('raw', 100, '61'.repeat(100))), () => true);
  t.ok(decoder.heldBytes > 100 && decoder.heldBytes < 200_000, `${decoder.heldBytes} bytes for a window of 8 MiB`);
  for (let i = 0; i < 400; i++) decoder.push(hex(block('repeat', 131_072, '00')), () => true);
  t.ok(decoder.heldBytes < 13 * 1024 * 1024, `${decoder.heldBytes} bytes after 50 MiB`);
  decoder.close();
  t.equal(decoder.heldBytes, 0);
  t.end();
});

tape('zstd: thousands of frames in one write', (t) => {
  const many = Buffer.concat(
    Array.from({ length: 20_000 }, (_, i) => (i % 2 ? hex('502a4d18 00000000') : frame(0, block('raw', 1, '61', true)))),
  );
  const { out, state } = decode(many);
  t.deepEqual([out.length, state], [10_000, 'done']);
  t.end();
});

/** A compressed block of the given bytes in a frame of its own, the window 1 KiB. */
const coded = (content: string): string => {
  const { state, out } = decode(frame(0, block('coded', hex(content).length, content, true)));
  return `${state} ${out}`;
};

tape('zstd: literals of a compressed block', (t) => {
  t.equal(coded('18 616263 00'), 'done abc', 'plain, length in one byte');
  t.equal(coded('3400 616263 00'), 'done abc', 'in two');
  t.equal(coded('3c0000 616263 00'), 'done abc', 'in three');
  t.equal(coded('10 6162 00'), 'done ab');
  t.equal(coded('19 61 00'), 'done aaa', 'one byte over and over');
  t.equal(coded('3500 61 00'), 'done aaa');
  t.equal(coded('3d0000 61 00'), 'done aaa');
  t.equal(coded('05 40 61 00'), `done ${'a'.repeat(1024)}`, 'as many as the block may give');
  t.equal(coded('15 40 61 00'), 'fault ', 'one more');
  t.equal(coded('18 616263 00 00'), 'fault ', 'bytes after the end');
  for (const short of ['18 6162', '34', '3400 61', '3c00', '19', '18 616263']) t.equal(coded(short), 'fault ', `cut: ${short}`);
  t.equal(coded('03 00 00 00'), 'fault ', 'a tree that was not sent');
  for (const short of ['02', '02 00', '0a 00 00', '0e 00 00 00']) t.equal(coded(short), 'fault ', `a tree, cut: ${short}`);
  t.end();
});

tape('zstd: literals in Huffman code', (t) => {
  // Two symbols of weight 1, so a bit for each: 0 is symbol 0, 1 is symbol 1. A tree as 4-bit weights: 80 10.
  const one = (size: number, bits: string, tree = '8010'): string => {
    const bytes = hex(tree + bits);
    const value = 2 + size * 16 + bytes.length * 2 ** 14;
    return coded(`${Buffer.from([value & 255, (value >> 8) & 255, value >> 16]).toString('hex')}${bytes.toString('hex')}00`);
  };
  t.equal(one(4, '1a'), 'done \x01\0\x01\0', 'four bits after the highest one set');
  t.equal(one(3, '1a'), 'fault ', 'bits that are left');
  t.equal(one(5, '1a'), 'fault ', 'bits that are not there');
  t.equal(one(4, '00'), 'fault ', 'no bit set');
  t.equal(one(4, ''), 'fault ', 'no bits');
  t.equal(one(4, '1a', '80c0'), 'fault ', 'a weight that is too large');
  t.equal(one(4, '1a', '8000'), 'fault ', 'weights of nothing');
  t.equal(one(4, '1a', '8112'), 'fault ', 'weights that nothing completes');
  t.equal(one(0, '', '80'), 'fault ', 'a tree that is cut');
  t.equal(one(0, '', ''), 'fault ', 'no tree');
  // Three weights, 4-bit each, of which the last is inferred: 2 1 (1).
  t.equal(one(3, '14', '8121'), 'fault ', 'bits that end within a code');
  t.equal(one(3, '24', '8121'), 'done \x01\0\x01', 'codes of one and two bits');
  t.equal(one(3, '31', '8121'), 'done \0\x01\x02');
  t.end();
});

tape('zstd: sequences by the tables that are always there, and by one symbol', (t) => {
  t.equal(coded('18 616263 01'), 'fault ', 'no modes');
  t.equal(coded('18 616263 80'), 'fault ', 'half a number of sequences');
  t.equal(coded('18 616263 ff00'), 'fault ');
  t.equal(coded('18 616263 8000'), 'done abc', 'none, in two bytes');
  t.equal(coded('18 616263 01 01 00'), 'fault ', 'reserved bits');
  t.equal(coded('18 616263 01 fc 01'), 'fault ', 'the tables of a block before, and there is none');
  // Three literals, offset 3 (+3 = 6: code 2, two bits: 10), a match of 4 (code 1).
  t.equal(coded('18 616263 01 54 03 02 01 06'), 'done abcabca', 'copied over its own end');
  t.equal(coded('18 616263 01 54 03 02 01 07'), 'fault ', 'further back than anything is');
  t.equal(coded('18 616263 01 54 04 02 01 06'), 'fault ', 'more literals than there are');
  t.equal(coded('18 616263 01 54 24 02 01 06'), 'fault ', 'a code of lengths that is not there');
  t.equal(coded('18 616263 01 54 03 20 01 06'), 'fault ', 'a code of offsets that is not there');
  t.equal(coded('18 616263 01 54 03 19 01 ffffff07'), 'fault ', 'an offset that no window has');
  t.equal(coded('18 616263 01 54 03 02 35 06'), 'fault ', 'a code of matches that is not there');
  t.equal(coded('18 616263 01 54 03 02 01 00'), 'fault ', 'no bits');
  t.equal(coded('18 616263 01 54 03 02 01 0c'), 'fault ', 'bits that are left');
  t.equal(coded('18 616263 01 54 03 02 01 02'), 'fault ', 'bits that are not there');
  t.equal(coded('18 616263 01 54 02 02 01 05'), 'done abababc', 'what is left of the literals ends the block');
  // Repeated offsets at the beginning are 1, 4, 8; value 1 (code 0) is the first.
  t.equal(coded('18 616263 01 54 03 00 02 01'), 'done abcccccc', 'the last offset, which is 1 at the beginning');
  t.equal(coded('20 61626364 01 54 04 01 02 02'), 'done abcdabcda', 'the one before, 4');
  t.equal(coded('40 6162636465666768 01 54 08 01 02 03'), 'done abcdefghabcde', 'the one before that, 8');
  t.end();
});
