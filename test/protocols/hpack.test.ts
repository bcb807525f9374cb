/** HPACK: RFC 7541's own examples, hpack.js as the oracle, and tables of which the beginning was not seen. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import tape from 'tape';
import { HpackDecoder, TABLE_LIMIT } from '../../lib/protocols/hpack/decoder.js';
import { STATIC_TABLE } from '../../lib/protocols/hpack/static-table.js';

interface Peer {
  write(fields: { name: string; value: string; huffman?: boolean; neverIndex?: boolean }[]): void;
  read(): Buffer | null;
}
const hpack = createRequire(import.meta.url)('hpack.js') as {
  compressor: { create(options: { table: { size: number } }): Peer };
};

type Field = [string | undefined, string | undefined];

function read(decoder: HpackDecoder, block: Buffer): { fields: Field[]; state: string } {
  const fields: Field[] = [];
  const state = decoder.decode(block, (name, value) => fields.push([name, value]));
  return { fields, state };
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

tape('RFC 7541, appendix C.3 and C.4: requests, plain and in Huffman code', (t) => {
  const requests: Field[][] = [
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
    [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ],
  ];
  for (const blocks of [
    [
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ]) {
    const decoder = new HpackDecoder(true);
    for (const [i, block] of blocks.entries()) t.deepEqual(read(decoder, hex(block)), { fields: requests[i], state: 'whole' });
  }
  t.end();
});

tape('RFC 7541, appendix C.6: responses, entries are evicted from a table of 256 bytes', (t) => {
  const decoder = new HpackDecoder(true);
  // The example takes the size as agreed on; an encoder has to say it: 0x3f 0xe1 0x01.
  const blocks = [
    '3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  ].map((block) => read(decoder, hex(block)));
  t.deepEqual(
    blocks.map(({ state }) => state),
    ['whole', 'whole', 'whole'],
  );
  t.deepEqual(blocks[1]?.fields, [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ]);
  t.deepEqual(blocks[2]?.fields.at(-1), ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1']);
  t.end();
});

const names = fc.constantFrom(
  ':path',
  ':authority',
  'cookie',
  'x-one',
  'x-two',
  'content-type',
  'date',
  'x-a-rather-long-name-for-a-header',
);
// hpack.js looks values up in a plain object: `toString` and its like it writes wrongly.
const values = fc
  .oneof(fc.constantFrom('', '1', 'application/json', '/v1/messages'), fc.string({ maxLength: 60, unit: 'binary-ascii' }))
  .filter((value) => !(value in {}));
const heads = fc.array(fc.array(fc.tuple(names, values, fc.boolean()), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 20 });

function encode(blocks: readonly [string, string, boolean][][]): Buffer[] {
  const peer = hpack.compressor.create({ table: { size: 4096 } });
  return blocks.map((block) => {
    peer.write(block.map(([name, value, huffman]) => ({ name, value, huffman })));
    const parts: Buffer[] = [];
    for (let part = peer.read(); part; part = peer.read()) parts.push(part);
    return Buffer.concat(parts);
  });
}

tape('what hpack.js writes is what is read', (t) => {
  fc.assert(
    fc.property(heads, (blocks) => {
      const decoder = new HpackDecoder(true);
      return encode(blocks).every((block, i) => {
        const { fields, state } = read(decoder, block);
        return (
          state === 'whole' &&
          JSON.stringify(fields) === JSON.stringify((blocks[i] as [string, string, boolean][]).map(([name, value]) => [name, value]))
        );
      });
    }),
    { numRuns: 300 },
  );
  t.pass('300 connections');
  t.end();
});

tape('joined midway, or with a block lost: what is said is true, the rest is unknown', (t) => {
  let known = 0;
  fc.assert(
    fc.property(heads, fc.nat(19), (blocks, from) => {
      const decoder = new HpackDecoder(from % 2 === 0);
      return encode(blocks).every((block, i) => {
        if (i < from % blocks.length) {
          if (i === 0) decoder.lose();
          return true;
        }
        const truth = blocks[i] as [string, string, boolean][];
        const { fields } = read(decoder, block);
        return (
          fields.length === truth.length &&
          fields.every(([name, value], k) => {
            if (name !== undefined && value !== undefined) known++;
            return (name ?? truth[k]?.[0]) === truth[k]?.[0] && (value ?? truth[k]?.[1]) === truth[k]?.[1];
          })
        );
      });
    }),
    { numRuns: 300 },
  );
  t.ok(known > 1000, `${known} fields known`);
  t.end();
});

tape('names come back as the table refills', (t) => {
  const decoder = new HpackDecoder(false);
  const block = hex('82 be 40 03 782d61 01 31');
  t.deepEqual(read(decoder, block), {
    fields: [
      [':method', 'GET'],
      [undefined, undefined],
      ['x-a', '1'],
    ],
    state: 'unknown',
  });
  t.deepEqual(read(decoder, hex('be')), { fields: [['x-a', '1']], state: 'whole' });
  t.deepEqual(read(decoder, hex('7f00 01 32')), { fields: [[undefined, '2']], state: 'unknown' }, 'a value whose name is not known');
  t.end();
});

tape('any bytes: never a throw', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.boolean(),
      (bytes, whole) => read(new HpackDecoder(whole), Buffer.from(bytes)).state !== '',
    ),
    { numRuns: 3000 },
  );
  t.end();
});

/** A literal that is inserted: `name` and `value` of less than 127 bytes. */
const insert = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);

tape('what no block may say is a fault, and the table is unknown after it', (t) => {
  const bad: [string, string][] = [
    ['index 0', '80'],
    ['an index that is not there', 'bf'],
    ['a name that is not there', '7f 00 01 61'],
    ['a name that is not there, not inserted', '0f 30 01 61'],
    ['an integer that ends early', 'ff'],
    ['an integer of too many bytes', 'ff 80 80 80 80 01'],
    ['a size that ends early', '3f'],
    ['the index of a name that ends early', '0f'],
    ['a name that ends early', '40 05 6162'],
    ['a name without a value', '40 01 61'],
    ['a value that ends early', '40 01 61 02 62'],
    ['a value whose length ends early', '40 01 61 7f'],
    ['EOS within a string', '00 01 61 84 ffffffff'],
    ['padding of zeros', '00 01 61 81 18'],
    ['padding of more than seven bits', '00 01 61 82 1fff'],
  ];
  for (const [name, block] of bad) {
    const decoder = new HpackDecoder(true);
    read(decoder, insert('x-a', '1'));
    t.equal(read(decoder, Buffer.concat([Buffer.from([0x82]), hex(block)])).state, 'fault', name);
    t.equal(decoder.heldBytes, 0, 'nothing of it is held');
    t.equal(read(decoder, hex('be')).state, 'unknown', 'nor known');
  }
  t.end();
});

tape('the forms at their borders', (t) => {
  const decoder = new HpackDecoder(true);
  t.deepEqual(read(decoder, hex('bd')).fields, [['www-authenticate', '']], 'the last entry that is always there');
  t.deepEqual(read(decoder, hex('0f 2e 01 61')).fields, [['www-authenticate', 'a']], 'by its name');
  t.deepEqual(read(decoder, hex('20 82')), { fields: [[':method', 'GET']], state: 'whole' }, 'a table of no bytes');
  t.deepEqual(read(decoder, hex('10 01 41 01 42')).fields, [['a', 'B']], 'never indexed; a name in capitals is none');
  t.deepEqual(read(decoder, hex('00 00 00')).fields, [['', '']]);
  t.deepEqual(read(decoder, hex('00 01 61 80')).fields, [['a', '']], 'no bytes in Huffman code');
  t.deepEqual(read(decoder, hex('00 01 61 7f 00')).state, 'fault', '127 bytes that are not there');
  const long = new HpackDecoder(true);
  const value = 'v'.repeat(127 + 128 * 300);
  t.deepEqual(
    read(long, Buffer.concat([hex('00 01 61 7f 80 ac 02'), Buffer.from(value)])).fields,
    [['a', value]],
    'a length of four bytes',
  );
  t.equal(read(long, hex('bf')).state, 'fault');
  t.end();
});

tape('the table has as many bytes as it may, and the oldest entries go first', (t) => {
  const decoder = new HpackDecoder(true);
  // Each is 3 + 2 + 32 bytes: 111 are 4107.
  for (let i = 0; i < 111; i++) read(decoder, insert(`x-${i % 10}`, String(10 + (i % 90))));
  t.equal(decoder.heldBytes, 2 * 37 * 110);
  const at = (index: number): string => read(decoder, Buffer.from([0xff, ((index - 127) & 127) | 128, (index - 127) >> 7])).state;
  t.equal(at(61 + 110), 'whole', 'the oldest that is there');
  const gone = new HpackDecoder(true);
  for (let i = 0; i < 111; i++) read(gone, insert(`x-${i % 10}`, String(10 + (i % 90))));
  t.equal(read(gone, Buffer.from([0xff, (61 + 111 - 127) | 128, 0])).state, 'fault', 'and one more: no encoder says that');
  read(decoder, hex('3f 06'));
  t.equal(decoder.heldBytes, 2 * 37, 'a table of 37 bytes');
  read(decoder, hex('3f 05'));
  t.equal(decoder.heldBytes, 0, 'of 36: nothing');
  read(decoder, insert('x-a', '22'));
  t.equal(decoder.heldBytes, 0, 'an entry larger than the table empties it');
  read(decoder, hex('3f e1 1f'));
  for (let i = 0; i < 3000; i++) read(decoder, insert('x-v', 'v'.repeat(97)));
  t.equal(decoder.heldBytes, 2 * 132 * 31, 'over thousands of entries');
  t.equal(read(decoder, Buffer.from([0x80 | 62])).fields[0]?.[1], 'v'.repeat(97));
  t.end();
});

tape('a table that is larger than what is kept: what is beyond it is unknown', (t) => {
  const decoder = new HpackDecoder(true);
  read(decoder, Buffer.concat([hex('3f'), Buffer.from([0xe1, 0xff, 0x3f])]));
  const entry = insert('x-v', 'v'.repeat(100));
  const kept = Math.floor(TABLE_LIMIT / 135);
  for (let i = 0; i < kept + 10; i++) read(decoder, entry);
  t.equal(decoder.heldBytes, 2 * 135 * kept);
  const index = (n: number): Buffer => Buffer.from([0xff, ((n - 127) & 127) | 128, (n - 127) >> 7]);
  t.equal(read(decoder, index(61 + kept)).state, 'whole');
  t.deepEqual(read(decoder, index(62 + kept)), { fields: [[undefined, undefined]], state: 'unknown' });
  t.end();
});

tape('a block that is lost: the table is as large as it may be, and unknown', (t) => {
  const decoder = new HpackDecoder(true);
  read(decoder, insert('x-a', '1'));
  decoder.lose();
  t.deepEqual(read(decoder, hex('be')).fields, [[undefined, undefined]]);
  for (let i = 0; i < 200; i++) read(decoder, insert('x-b', '22'));
  t.equal(decoder.heldBytes, 2 * 37 * 200, 'more than the 4096 bytes of a beginning');
  const unknown = new HpackDecoder(false);
  t.deepEqual(read(unknown, hex('7f 00 01 32 be 40 01 61 01 62 bf')).fields, [
    [undefined, '2'],
    [undefined, '2'],
    ['a', 'b'],
    [undefined, '2'],
  ]);
  t.equal(unknown.heldBytes, 2 * (33 + 34), 'what is not known counts for nothing but its place');
  t.end();
});

tape('the static table is that of hpack.js', (t) => {
  const { table } = createRequire(import.meta.url)('hpack.js/lib/hpack/static-table') as { table: { name: string; value: string }[] };
  t.equal(STATIC_TABLE.length, 61);
  t.deepEqual(
    STATIC_TABLE,
    table.map(({ name, value }) => [name, value]),
  );
  t.end();
});
