import { isIP } from 'node:net';
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import test from 'tape';
import { ipv6, readDns } from '../../lib/protocols/dns.js';
import { message, name, pointer } from './dns-maker.js';

const address = Buffer.of(192, 0, 2, 1);
const WWW = pointer(12);

test('dns: a question', (t) => {
  const query = readDns(message({ id: 0x7777, flags: 0x0100, qtype: 28 }));
  t.deepEqual(query, {
    ...{ id: 0x7777, answer: false, name: 'www.test', qtype: 'AAAA', rcode: 'NOERROR' },
    ...{ cname: [], addresses: [], ttl: undefined },
  });
  t.equal(readDns(message({ flags: 0x0100, qtype: 1234 }))?.qtype, 'TYPE1234');
  t.equal(readDns(message({ flags: 0x0100, question: name('') }))?.name, '.', 'the root');
  t.equal(readDns(message({ flags: 0x0100, question: name('WwW.TeSt') }))?.name, 'WwW.TeSt', 'as it was asked');
  t.end();
});

test('dns: an answer by way of aliases', (t) => {
  const answer = readDns(
    message({
      answers: [
        { owner: WWW, type: 5, data: name('a.cdn.test'), ttl: 300 },
        { owner: name('A.CDN.test'), type: 5, data: name('b.cdn.test'), ttl: 20 },
        { owner: name('b.cdn.test'), type: 1, data: address, ttl: 60 },
        { owner: name('b.cdn.test'), type: 28, data: Buffer.alloc(16, 1), ttl: 60 },
      ],
    }),
  );
  t.deepEqual(answer?.cname, ['a.cdn.test', 'b.cdn.test']);
  t.deepEqual(answer?.addresses, ['192.0.2.1', '101:101:101:101:101:101:101:101']);
  t.equal(answer?.ttl, 20, 'the least');
  t.end();
});

test('dns: aliases in another order, in a circle, and records that nobody asked for', (t) => {
  const turned = readDns(
    message({
      answers: [
        { owner: name('b.test'), type: 1, data: address },
        { owner: name('a.test'), type: 5, data: name('b.test') },
        { owner: WWW, type: 5, data: name('a.test') },
      ],
    }),
  );
  t.deepEqual([turned?.cname, turned?.addresses], [['a.test', 'b.test'], ['192.0.2.1']]);
  const circle = readDns(
    message({
      answers: [
        { owner: WWW, type: 5, data: name('a.test') },
        { owner: name('a.test'), type: 5, data: name('www.test') },
      ],
    }),
  );
  t.deepEqual([circle?.cname, circle?.addresses], [['a.test', 'www.test'], []]);
  const foreign = readDns(
    message({
      answers: [
        { owner: name('evil.test'), type: 1, data: address },
        { owner: WWW, type: 1, data: address, klass: 3 },
        { owner: WWW, type: 1, data: Buffer.alloc(5) },
        { owner: WWW, type: 1, data: Buffer.of(192, 0, 2, 7), ttl: 9 },
      ],
    }),
  );
  t.deepEqual([foreign?.addresses, foreign?.ttl], [['192.0.2.7'], 9], 'other owners, classes and lengths are left out');
  t.end();
});

test('dns: outcomes', (t) => {
  t.equal(readDns(message({ flags: 0x8183 }))?.rcode, 'NXDOMAIN');
  t.equal(readDns(message({ flags: 0x8182 }))?.rcode, 'SERVFAIL');
  t.equal(readDns(message({ flags: 0x818f }))?.rcode, 'RCODE15');
  t.end();
});

test('dns: what is none', (t) => {
  t.equal(readDns(Buffer.alloc(0)), undefined);
  t.equal(readDns(message({}).subarray(0, 16)), undefined, 'cut in the question');
  t.equal(readDns(message({ flags: 0x2800 })), undefined, 'an update');
  t.equal(readDns(message({ flags: 0x0140 })), undefined, 'the reserved bit');
  const two = message({});
  two.writeUInt16BE(2, 4);
  t.equal(readDns(two), undefined, 'two questions');
  t.equal(readDns(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')), undefined);
  t.end();
});

test('dns: hostile compression', (t) => {
  t.equal(readDns(message({ question: pointer(12) })), undefined, 'a pointer to itself');
  const pair = message({ question: Buffer.concat([pointer(14), pointer(12)]) });
  t.equal(readDns(pair), undefined, 'two that point at each other');
  t.equal(readDns(message({ question: pointer(0x3fff) })), undefined, 'one behind the end');
  t.equal(readDns(message({ question: Buffer.of(0x80, 0) })), undefined, 'a label of no kind');
  t.equal(readDns(message({ question: Buffer.of(63, 65) })), undefined, 'a label that is longer than all');
  const long = Array.from({ length: 5 }, () => 'x'.repeat(63)).join('.');
  t.equal(readDns(message({ question: name(long) })), undefined, 'a name over 255 bytes');
  // Each name is a label and a pointer to the one before: what names may follow is bounded.
  const chain = Buffer.concat(Array.from({ length: 60 }, (_, i) => Buffer.concat([Buffer.of(1, 97), pointer(12 + (i - 1) * 4)])));
  chain.fill(0, 2, 4);
  const deep = message({ question: Buffer.concat([chain.subarray(0, 240)]) });
  deep.writeUInt16BE(0xc000 | 12, 12);
  t.equal(readDns(deep), undefined, 'a long chain');
  const bomb = message({ answers: [{ owner: WWW, type: 1, data: address }], count: 65535 });
  t.deepEqual(readDns(bomb)?.addresses, ['192.0.2.1'], 'more records claimed than there are');
  const many = message({ answers: Array.from({ length: 1000 }, () => ({ owner: WWW, type: 1, data: address })) });
  t.equal(readDns(many)?.addresses.length, 256, 'more than are read');
  t.end();
});

test('dns: names that are no letters are escaped, so that no two are the same', (t) => {
  const odd = Buffer.concat([Buffer.of(4), Buffer.from('a.b\\'), Buffer.of(2, 0, 0xff), Buffer.of(0)]);
  t.equal(readDns(message({ question: odd }))?.name, 'a\\.b\\\\.\\000\\255');
  t.end();
});

test('dns: cut anywhere it never throws, and never tells more than the whole', (t) => {
  const whole = message({
    answers: [
      { owner: WWW, type: 5, data: name('a.test') },
      { owner: name('a.test'), type: 1, data: address },
    ],
  });
  for (let n = 0; n < whole.length; n++) {
    const part = readDns(whole.subarray(0, n));
    if (part !== undefined && (part.name !== 'www.test' || part.addresses.length > 0)) t.fail(`cut at ${n}`);
  }
  t.deepEqual(readDns(Buffer.concat([whole, Buffer.from('more')])), readDns(whole), 'what stands behind it does not matter');
  t.end();
});

test('dns: addresses as RFC 5952 has them', (t) => {
  const text = (hex: string): string => ipv6(Buffer.from(hex.padEnd(32, '0'), 'hex'));
  t.equal(text('20010db8000000000000000000000001'), '2001:db8::1');
  t.equal(text(''), '::');
  t.equal(text('00000000000000000000000000000001'), '::1');
  t.equal(text('20010db8000100000001000000010000'), '2001:db8:1:0:1:0:1:0', 'a single zero is not left out');
  t.equal(text('20010000000000010000000000000001'), '2001:0:0:1::1', 'the longest run');
  t.equal(text('00000000000000000000ffff7f000001'), '127.0.0.1', 'mapped');
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => isIP(ipv6(Buffer.from(bytes))) !== 0),
    { seed: 1 },
  );
  t.end();
});

const label = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_'), minLength: 1, maxLength: 20 });
const host = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const ttl = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const record = (owner: string): fc.Arbitrary<Answer> =>
  fc.oneof(
    fc.record({ type: fc.constant('A' as const), name: fc.constant(owner), ttl, data: fc.ipV4() }),
    fc.record({ type: fc.constant('AAAA' as const), name: fc.constant(owner), ttl, data: fc.ipV6() }),
    fc.record({ type: fc.constant('TXT' as const), name: fc.constant(owner), ttl, data: fc.string() }),
    fc.record({
      type: fc.constant('MX' as const),
      name: fc.constant(owner),
      ttl,
      data: fc.record({ preference: fc.nat(100), exchange: host }),
    }),
  );

/** IPv6 as we write it. */
function same(data: unknown): string {
  const { hostname } = new URL(`http://[${String(data)}]/`);
  return hostname.slice(1, -1).replace(/^::ffff:([0-9a-f]+):([0-9a-f]+)$/, (_, high: string, low: string) => {
    const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
    return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
  });
}

test('dns: the same as dns-packet reads', (t) => {
  let addresses = 0;
  fc.assert(
    fc.property(
      host.chain((asked) =>
        fc.record({
          asked: fc.constant(asked),
          id: fc.nat(65535),
          answer: fc.boolean(),
          alias: fc.option(host, { nil: undefined }),
          records: fc.array(record(asked), { maxLength: 6 }),
          type: fc.constantFrom('A' as const, 'AAAA' as const, 'MX' as const),
        }),
      ),
      ({ asked, id, answer, alias, records, type }) => {
        const chain: Answer[] = alias === undefined ? [] : [{ type: 'CNAME', name: asked, ttl: 5, data: alias }];
        const bytes = encode({
          ...{ type: answer ? 'response' : 'query', id, questions: [{ type, name: asked }] },
          ...(answer ? { answers: [...chain, ...records] } : {}),
        });
        const [ours, theirs] = [readDns(bytes), decode(bytes)];
        const found = (theirs.answers ?? []).flatMap((one) =>
          one.type === 'A' ? [String(one.data)] : one.type === 'AAAA' ? [same(one.data)] : [],
        );
        addresses += found.length;
        return (
          ours !== undefined &&
          ours.id === theirs.id &&
          ours.answer === (theirs.type === 'response') &&
          ours.name === theirs.questions?.[0]?.name &&
          ours.qtype === theirs.questions?.[0]?.type &&
          JSON.stringify(ours.addresses) === JSON.stringify(found) &&
          JSON.stringify(ours.cname) === JSON.stringify(answer && alias !== undefined ? [alias] : [])
        );
      },
    ),
    { numRuns: 1000, seed: 7 },
  );
  t.ok(addresses > 500, `${addresses} addresses compared`);
  t.end();
});
