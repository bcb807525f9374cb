import { brotliCompressSync, constants, crc32, deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import fc from 'fast-check';
import tape from 'tape';
import { CodingChain, RATIO_FREE_BYTES, RATIO_LIMIT } from '../../lib/protocols/coding/chain.js';
import type { Decoder, DecoderState } from '../../lib/protocols/coding/decoder.js';
import { NativeDecoder } from '../../lib/protocols/coding/native.js';

const TEXT = Buffer.from('Many a little makes a mickle. '.repeat(4000));
const NOISE = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * i * 2654435761) >>> 24));

interface Result {
  out: Buffer;
  state: DecoderState;
}

function decode(decoder: Decoder, pieces: readonly Buffer[]): Result {
  const out: Buffer[] = [];
  const take = (piece: Buffer): boolean => out.push(Buffer.from(piece)) > 0;
  for (const piece of pieces) {
    // Bytes are lent for the call: they are overwritten after it.
    const lent = Buffer.from(piece);
    decoder.push(lent, take);
    lent.fill(0xaa);
  }
  decoder.end(take);
  return { out: Buffer.concat(out), state: decoder.state };
}

/** Cuts at the given sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  fc.array(fc.constantFrom('data: ', 'token ', '{"a":1}', '\n\n', 'é€😀'), { maxLength: 800 }).map((words) => Buffer.from(words.join(''))),
);
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 });

tape('gzip and deflate give what zlib gives, however they are cut', (t) => {
  fc.assert(
    fc.property(bodies, sizes, fc.integer({ min: 0, max: 9 }), (body, pieces, level) => {
      for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE]) {
        const options = { level, strategy };
        for (const [coded, format] of [
          [gzipSync(body, options), 'gzip'],
          [deflateSync(body, options), 'deflate'],
          [deflateRawSync(body, options), 'deflate'],
        ] as const) {
          const { out, state } = decode(new NativeDecoder(format), cut(coded, pieces));
          if (!out.equals(body) || state !== 'done') return false;
        }
      }
      return true;
    }),
    { numRuns: 150 },
  );
  t.pass('150 bodies, 12 ways each');
  t.end();
});

tape('bodies larger than the window', (t) => {
  for (const body of [TEXT, NOISE, Buffer.alloc(3_000_000, 'x'), Buffer.concat([NOISE, TEXT, NOISE, TEXT])]) {
    for (const size of [1, 7, 1000, 1_000_000]) {
      if (size === 1 && body.length > 200_000) continue;
      const { out, state } = decode(new NativeDecoder('gzip'), cut(gzipSync(body), [size]));
      t.ok(out.equals(body) && state === 'done', `${body.length} bytes in pieces of ${size}`);
    }
  }
  t.end();
});

tape('damaged streams never throw, and what zlib accepts is accepted', (t) => {
  const accepts = (f: () => Buffer): Buffer | undefined => {
    try {
      return f();
    } catch {
      return undefined;
    }
  };
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(bodies, sizes, flips, fc.constantFrom('gzip', 'deflate'), (body, pieces, flipped, format) => {
      const coded = Buffer.from(format === 'gzip' ? gzipSync(body) : deflateSync(body));
      for (const [at, bits] of flipped) coded[at % coded.length] = (coded[at % coded.length] as number) ^ bits;
      const { out, state } = decode(new NativeDecoder(format), cut(coded, pieces));
      const zlib = accepts(() => (format === 'gzip' ? gunzipSync(coded) : inflateSync(coded)));
      return zlib === undefined || (state === 'done' && out.equals(zlib));
    }),
    { numRuns: 500 },
  );
  t.pass('500 damaged streams');
  t.end();
});

tape('Brotli gives what was put in, however it is cut, and as it comes', (t) => {
  fc.assert(
    fc.property(bodies, sizes, fc.integer({ min: 0, max: 11 }), (body, pieces, quality) => {
      const coded = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } });
      const { out, state } = decode(new NativeDecoder('br'), cut(coded, pieces));
      return out.equals(body) && state === 'done';
    }),
    { numRuns: 100 },
  );
  const flushed = brotliCompressSync('data: one\n\n', { finishFlush: constants.BROTLI_OPERATION_FLUSH });
  const out: string[] = [];
  new NativeDecoder('br').push(flushed, (piece) => out.push(piece.toString()) > 0);
  t.deepEqual(out, ['data: one\n\n'], 'what was flushed comes out at once');
  t.equal(decode(new NativeDecoder('br'), [brotliCompressSync(NOISE).subarray(0, 40_000)]).state, 'more', 'a cut stream');
  t.equal(decode(new NativeDecoder('br'), [Buffer.from('no brotli at all, only text')]).state, 'fault');
  t.end();
});

tape('a stream that is cut gives what it has, and says so', (t) => {
  const coded = gzipSync(TEXT);
  const { out, state } = decode(new NativeDecoder('gzip'), [coded.subarray(0, coded.length - 9)]);
  t.equal(state, 'more');
  t.ok(out.length > 0 && TEXT.subarray(0, out.length).equals(out), `${out.length} bytes`);
  t.end();
});

tape('flushed pieces come out at once: the text of a live stream is not held back', (t) => {
  const inflate = new NativeDecoder('gzip');
  const whole = gzipSync('data: one\n\n', { finishFlush: constants.Z_SYNC_FLUSH });
  const out: string[] = [];
  inflate.push(whole, (piece) => out.push(piece.toString()) > 0);
  t.deepEqual(out, ['data: one\n\n']);
  t.end();
});

tape('gzip: members follow each other, headers have names, comments and checksums; zeros may follow', (t) => {
  const member = gzipSync('one ');
  const head = Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 3, 0, 9, 9, 9]);
  const header = Buffer.concat([head, Buffer.from('name\0comment\0')]);
  const sum = Buffer.from([crc32(header) & 0xff, (crc32(header) >> 8) & 0xff]);
  const named = Buffer.concat([header, sum, member.subarray(10)]);
  const joined = Buffer.concat([member, named, gzipSync('two'), Buffer.from('\0\0\0')]);
  for (const size of [1, 3, 1000]) {
    const { out, state } = decode(new NativeDecoder('gzip'), cut(joined, [size]));
    t.equal(out.toString(), 'one one two', `pieces of ${size}`);
    t.equal(state, 'done');
  }
  t.end();
});

tape('wrong checksums, sizes and headers are faults', (t) => {
  const flip = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes);
    const i = at < 0 ? copy.length + at : at;
    copy[i] = (copy[i] as number) ^ 1;
    return copy;
  };
  const gzip = gzipSync('hello');
  for (const at of [0, 1, 2, -1, -8]) t.equal(decode(new NativeDecoder('gzip'), [flip(gzip, at)]).state, 'fault', `gzip, byte ${at}`);
  t.equal(decode(new NativeDecoder('deflate'), [flip(deflateSync('hello'), -1)]).state, 'fault', 'zlib, checksum');
  const dictionary = deflateSync('hello', { dictionary: Buffer.from('hello') });
  t.equal(decode(new NativeDecoder('deflate'), [dictionary]).state, 'fault', 'zlib with a dictionary that nobody has');
  t.end();
});

function chain(codings: readonly string[], pieces: readonly Buffer[]): { out: Buffer; state: string } {
  const decoder = CodingChain.for(codings) as CodingChain;
  const out: Buffer[] = [];
  const take = (piece: Buffer): boolean => out.push(Buffer.from(piece)) > 0;
  for (const piece of pieces) {
    const state = decoder.push(piece, take);
    if (state !== 'ok') return { out: Buffer.concat(out), state };
  }
  const state = decoder.end(take);
  return { out: Buffer.concat(out), state };
}

tape('stacked codings are undone from the last to the first', (t) => {
  const coded = brotliCompressSync(gzipSync(deflateSync(TEXT)));
  for (const size of [1, 100, coded.length]) {
    const { out, state } = chain(['deflate', 'x-gzip', 'br'], cut(coded, [size]));
    t.ok(out.equals(TEXT), `pieces of ${size}`);
    t.equal(state, 'ok');
  }
  t.equal(CodingChain.for(['gzip', 'compress']), undefined, 'one unknown coding makes it unreadable');
  t.equal(CodingChain.for(['gzip', 'gzip', 'gzip', 'gzip', 'gzip', 'gzip']), undefined, 'six are too many');
  t.equal(chain(['gzip'], []).state, 'ok', 'a body of no bytes needs no end');
  t.equal(chain(['gzip', 'br'], [brotliCompressSync(gzipSync(TEXT).subarray(0, 40))]).state, 'cut', 'the inner one is cut');
  t.end();
});

tape('decoding stops when no more is wanted', (t) => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  let got = 0;
  const inflate = new NativeDecoder('gzip');
  inflate.push(bomb, (piece) => {
    got += piece.length;
    return got < 1_000_000;
  });
  t.equal(inflate.state, 'stopped');
  t.ok(got < 6_000_000, `${got} bytes came out`);
  t.equal(inflate.heldBytes, 0, 'nothing is held any more');
  t.end();
});

const CODERS: Record<string, [encode: (body: Buffer) => Buffer, format: 'gzip' | 'deflate' | 'br']> = {
  gzip: [gzipSync, 'gzip'],
  'gzip, two members': [(body) => Buffer.concat([gzipSync(body), Buffer.from('\0\0'), gzipSync('more')]), 'gzip'],
  zlib: [deflateSync, 'deflate'],
  deflate: [deflateRawSync, 'deflate'],
  br: [(body) => brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }), 'br'],
};
const TAILS = ['', '', 'x', '\0', '\0\0x', '\0\x1f\x8b', '\x1f\x8b\x08\0', 'what nobody expects here'];

tape('damaged or followed by something else: the same comes out however it is cut', (t) => {
  const seen = new Set<string>();
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 7 })), { maxLength: 3 });
  for (const [name, [encode, format]] of Object.entries(CODERS)) {
    fc.assert(
      fc.property(bodies, sizes, flips, fc.constantFrom(...TAILS), (body, pieces, flipped, tail) => {
        const coded = Buffer.concat([encode(body), Buffer.from(tail, 'latin1')]);
        for (const [at, bit] of flipped) coded[at % coded.length] = (coded[at % coded.length] as number) ^ (1 << bit);
        const whole = decode(new NativeDecoder(format), [coded]);
        const other = decode(new NativeDecoder(format), cut(coded, pieces));
        seen.add(`${format} ${whole.state}`);
        return whole.state === other.state && whole.out.equals(other.out);
      }),
      { numRuns: 100 },
    );
    t.pass(name);
  }
  for (const format of ['gzip', 'deflate', 'br'])
    t.ok(seen.has(`${format} fault`) && seen.has(`${format} done`), `${format}: some of each`);
  t.end();
});

tape('what was decoded before a fault comes out, to the byte', (t) => {
  const body = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `${Math.imul(i, 2654435761) >>> 12} `).join(''));
  for (const [name, encode, format] of [
    ['gzip', gzipSync, 'gzip'],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }), 'br'],
  ] as const) {
    const coded = Buffer.from(encode(body));
    t.ok(coded.length > 100_000, `${name}: ${coded.length} coded bytes, more than are kept`);
    for (const at of [500, 30_000, 90_000]) {
      const damaged = Buffer.concat([coded.subarray(0, at), Buffer.alloc(3000, 0xff), coded.subarray(at + 3000)]);
      const results = [damaged.length, 1, 777, 5000].map((size) => decode(new NativeDecoder(format), cut(damaged, [size])));
      const [whole] = results as [Result];
      // Brotli has no checksum, and may take anything for its end.
      if (name === 'gzip') t.equal(whole.state, 'fault', `${name}: damaged at ${at}`);
      t.ok(
        results.every(({ out, state }) => state === whole.state && out.equals(whole.out)),
        `${name}: ${whole.state} at every cut`,
      );
      const before = decode(new NativeDecoder(format), [coded.subarray(0, at)]).out;
      t.ok(whole.out.subarray(0, before.length).equals(before), `all ${before.length} bytes before it`);
    }
  }
  t.end();
});

tape('after a gzip member: another one, or zeros; anything else is a fault', (t) => {
  const after = (tail: string): Result => decode(new NativeDecoder('gzip'), [gzipSync('one'), Buffer.from(tail, 'latin1')]);
  t.deepEqual([after('\0\0').state, after('xy').state, after('\0\0xy').state], ['done', 'fault', 'fault']);
  t.equal(after('xy').out.toString(), 'one', 'the member is there');
  t.equal(decode(new NativeDecoder('br'), [brotliCompressSync('one'), Buffer.from('xy')]).state, 'done', 'Brotli: what follows is ignored');
  t.equal(decode(new NativeDecoder('deflate'), [Buffer.from('x')]).state, 'more', 'deflate: one byte is not enough to know its kind');
  t.end();
});

tape('a Brotli bomb of several meta-blocks in a few bytes: one slice gives what it may, at every cut', (t) => {
  // Each meta-block of 16 MiB zeros is some 20 bytes.
  const block = brotliCompressSync(Buffer.alloc(16 * 1024 * 1024), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
  const results = [block.length, 1].map((size) => {
    const decoder = new NativeDecoder('br');
    let n = 0;
    const count = ({ length }: Buffer): boolean => {
      n += length;
      return true;
    };
    for (const piece of cut(block, [size])) decoder.push(piece, count);
    decoder.end();
    return [n, decoder.state];
  });
  t.deepEqual(results[0], results[1], `${block.length} bytes: ${results[0]}`);
  t.end();
});

tape('what is held is said, and freed', (t) => {
  const decoder = new NativeDecoder('gzip');
  t.equal(decoder.heldBytes, 0, 'nothing before the first byte');
  const coded = gzipSync(NOISE);
  decoder.push(coded.subarray(0, 100), () => true);
  const few = decoder.heldBytes;
  t.ok(few > 10_000, 'zlib and its window');
  decoder.push(coded.subarray(100, 70_000), () => true);
  t.ok(decoder.heldBytes > few && decoder.heldBytes < 250_000, `${decoder.heldBytes} after 70,000 coded bytes`);
  decoder.close();
  t.equal(decoder.heldBytes, 0, 'nothing after the end');
  t.end();
});

tape('the proportion of decoded to coded bytes is bounded, beyond what is small anyhow', (t) => {
  const bomb = gzipSync(gzipSync(Buffer.alloc(32 * 1024 * 1024), { level: 9 }), { level: 9 });
  const results = [bomb.length, 700, 13].map((size) => {
    const decoder = CodingChain.for(['gzip', 'gzip']) as CodingChain;
    let n = 0;
    const count = ({ length }: Buffer): boolean => {
      n += length;
      return true;
    };
    let state = 'ok';
    for (const piece of cut(bomb, [size])) {
      if (state === 'ok') state = decoder.push(piece, count);
    }
    decoder.close();
    return `${n} ${state}`;
  });
  t.equal(results[0], `${RATIO_FREE_BYTES} stopped`, `${bomb.length} bytes stand for 32 MiB`);
  t.ok(
    results.every((result) => result === results[0]),
    'the same at every cut',
  );
  const zeros = Buffer.alloc(20 * 1024 * 1024);
  t.equal(chain(['gzip'], [gzipSync(zeros)]).out.length, zeros.length, 'a single gzip never comes to it');
  t.ok(RATIO_LIMIT > 1032);
  t.end();
});

tape('deflate: its kind is told by both of the first two bytes', (t) => {
  const end = Buffer.from([3, 0]);
  const stored = (first: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([first, text.length, 0, 255 - text.length, 255]), Buffer.from(text), end]);
  const method = stored(8, 'hello');
  const check = stored(0, 'x'.repeat(31));
  for (const [name, coded, text] of [
    ['the method of zlib, another checksum', method, 'hello'],
    ['a checksum that holds, another method', check, 'x'.repeat(31)],
  ] as const) {
    for (const size of [1, 2, 1000]) {
      const { out, state } = decode(new NativeDecoder('deflate'), cut(coded, [size]));
      t.deepEqual([out.toString(), state], [text, 'done'], `${name}, pieces of ${size}`);
    }
  }
  const decoder = new NativeDecoder('deflate');
  decoder.push(Buffer.alloc(0), () => true);
  t.equal(decoder.heldBytes, 0);
  decoder.push(deflateSync('hello').subarray(0, 1), () => true);
  decoder.push(Buffer.alloc(0), () => true);
  const out: string[] = [];
  decoder.push(deflateSync('hello').subarray(1), (piece) => out.push(piece.toString()) > 0);
  decoder.end();
  t.deepEqual([out.join(''), decoder.state], ['hello', 'done'], 'nothing is nothing, before it and after');
  t.end();
});

tape('what an open stream holds: zlib, what is kept of the coded bytes, and the window of Brotli', (t) => {
  const open = 52 * 1024;
  const gzip = new NativeDecoder('gzip');
  const coded = gzipSync(NOISE);
  gzip.push(coded.subarray(0, 1000), () => true);
  t.equal(gzip.heldBytes, open + 1000);
  gzip.push(coded.subarray(1000, 65_536), () => true);
  t.ok(gzip.heldBytes >= open + 65_536 && gzip.heldBytes <= open + 2 * 65_536, 'up to so much is kept');
  gzip.push(coded.subarray(65_536, 65_600), () => true);
  t.ok(gzip.heldBytes > 2 * open && gzip.heldBytes < 2 * open + 40_000, 'then a second stream follows');
  const brotli = new NativeDecoder('br');
  const body = brotliCompressSync(TEXT, { finishFlush: constants.BROTLI_OPERATION_FLUSH });
  let n = 0;
  brotli.push(body, ({ length }) => {
    n += length;
    return true;
  });
  t.equal(n, TEXT.length);
  t.ok(brotli.heldBytes > open + TEXT.length && brotli.heldBytes < open + TEXT.length + 2 * body.length + 64, `${brotli.heldBytes}`);
  t.end();
});

tape('the end is known when bytes follow it; what is not wanted does not come', (t) => {
  const brotli = new NativeDecoder('br');
  brotli.push(Buffer.concat([brotliCompressSync('one'), Buffer.from('xy')]), () => true);
  t.deepEqual([brotli.state, brotli.heldBytes], ['done', 0]);
  const zlib = new NativeDecoder('deflate');
  zlib.push(Buffer.concat([deflateSync('one'), Buffer.from('xy')]), () => true);
  t.equal(zlib.state, 'done');
  let calls = 0;
  const gzip = new NativeDecoder('gzip');
  gzip.push(Buffer.concat([gzipSync(TEXT), Buffer.from('xy')]), () => {
    calls++;
    return false;
  });
  gzip.end();
  t.deepEqual([gzip.state, calls], ['stopped', 1]);
  const damaged = Buffer.from(gzipSync(NOISE));
  damaged.fill(0xff, 30_000, 30_100);
  const stopping = new NativeDecoder('gzip');
  calls = 0;
  stopping.push(damaged, () => ++calls < 3);
  t.deepEqual([stopping.state, calls], ['stopped', 3], 'also where a fault would follow');
  t.end();
});
