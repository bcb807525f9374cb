import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { calculateJa3, calculateJa4, readTlsClientHello } from 'read-tls-client-hello';
import test from 'tape';
import { ja3, ja4, versionsOf } from '../../lib/protocols/client-fingerprint.js';
import { type ClientHello, isGrease, readClientHello } from '../../lib/protocols/client-hello.js';
import { CHROME, extension, type HelloParts, helloMessage, records } from './hello-maker.js';

function read(parts: HelloParts, ...cuts: number[]): ClientHello {
  const { state, hello } = readClientHello(records(helloMessage(parts), ...cuts));
  if (state !== 'whole' || hello === undefined) throw new Error(`it is ${state}`);
  return hello;
}

test('client hello: the published example of JA4', (t) => {
  const hello = read(CHROME);
  t.equal(ja4(hello).hash, 't13d1516h2_8daaf6152771_e5627efa2ab1');
  t.equal(
    ja4(hello).raw,
    't13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601',
  );
  t.equal(hello.serverName?.toString(), 'example.com');
  t.deepEqual(hello.alpn.map(String), ['h2', 'http/1.1']);
  t.deepEqual(versionsOf(hello), [0x0304, 0x0303]);
  t.end();
});

test('client hello: the same wherever it is cut into records', (t) => {
  const message = helloMessage(CHROME);
  const whole = JSON.stringify(readClientHello(records(message)));
  for (let cut = 1; cut < message.length; cut++) {
    const two = JSON.stringify(readClientHello(records(message, cut)));
    if (two !== whole) t.fail(`cut at ${cut}`);
  }
  const each = records(message, ...Array.from({ length: message.length }, (_, i) => i));
  t.equal(JSON.stringify(readClientHello(each)), whole, 'a record for each byte');
  const coalesced = Buffer.concat([records(message), Buffer.from([20, 3, 3, 0, 1, 1]), records(Buffer.from('more'))]);
  t.equal(JSON.stringify(readClientHello(coalesced)), whole, 'with records behind it');
  const again = Buffer.concat([Buffer.from([20, 3, 3, 0, 1, 1]), records(message, 9)]);
  t.equal(JSON.stringify(readClientHello(again)), whole, 'behind a change of cipher, as after a HelloRetryRequest');
  t.end();
});

test('client hello: cut short it waits for more, and says what it knows', (t) => {
  const bytes = records(helloMessage(CHROME), 100);
  for (let length = 5; length < bytes.length; length++) {
    const { state } = readClientHello(bytes.subarray(0, length));
    if (state !== 'short') t.fail(`${length} bytes are ${state}`);
  }
  t.equal(readClientHello(bytes.subarray(0, 150)).hello?.serverName?.toString(), 'example.com', 'the name is known before the end');
  t.end();
});

test('client hello: what is none, and what is damaged', (t) => {
  const message = helloMessage(CHROME);
  t.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n\r\n')).state, 'other');
  t.equal(readClientHello(records(Buffer.from([2, 0, 0, 0]))).state, 'other', 'a server hello');
  t.equal(readClientHello(Buffer.concat([records(message.subarray(0, 40)), Buffer.from('abcdefgh')])).state, 'damaged');
  const long = Buffer.from(message);
  long.writeUInt16BE(0xffff, 4 + 2 + 32 + 1);
  t.equal(readClientHello(records(long)).state, 'damaged', 'a list of ciphers that is longer than all');
  const name = helloMessage({ extensions: [[0, Buffer.from([0, 4, 0, 255, 255, 65])]] });
  t.equal(readClientHello(records(name)).hello?.serverName, undefined, 'a name that is longer than its extension');
  t.end();
});

test('client hello: clients before extensions, and an empty block of them', (t) => {
  const old = read({ version: 0x0301, ciphers: [0x002f, 0x000a] });
  t.equal(ja3(old).raw, '769,47-10,,,');
  t.equal(ja4(old).hash, 't10i020000_b2ad0625f3cb_000000000000');
  t.match(ja4(read({ ciphers: [], extensions: [] })).hash, /^t12i000000_000000000000_000000000000$/);
  t.match(ja4(read({ extensions: [extension.sni('a.b')] })).hash, /^t12d010100_[0-9a-f]{12}_000000000000$/);
  t.end();
});

test('client hello: corners of JA4', (t) => {
  t.match(ja4(read({ ciphers: Array.from({ length: 120 }, (_, i) => 0xc000 + i), extensions: [] })).hash, /^t12i9900/, 'at most 99');
  t.match(ja4(read({ extensions: [extension.alpn('\xab\xcd')] })).hash, /^t12i0101ad_/, 'ALPN that is no text');
  t.match(ja4(read({ extensions: [extension.alpn('h')] })).hash, /^t12i0101hh_/);
  t.match(ja4(read({ extensions: [extension.versions(0x0303)] })).hash, /^t12/, 'versions without 1.3');
  t.match(ja4(read({ extensions: [extension.versions(0x0a0a)] })).hash, /^t12/, 'nothing but GREASE');
  t.match(ja4(read({ ciphers: [0x1a2a, 0x1301] })).hash, /^t12i020000/, '0x1a2a only looks like GREASE');
  t.end();
});

/** Hellos without what the package is known to get wrong: docs/decisions/0011. */
const simple = fc
  .record({
    ciphers: fc.uniqueArray(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 99 }),
    groups: fc.uniqueArray(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }),
    formats: fc.uniqueArray(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 3 }),
    signatures: fc.array(fc.integer({ min: 1, max: 0x0909 }), { minLength: 1, maxLength: 20 }),
    alpn: fc.array(fc.constantFrom('h2', 'http/1.1', 'spdy3', 'x'), { minLength: 1, maxLength: 4 }),
    others: fc.uniqueArray(fc.integer({ min: 100, max: 0xfd00 }), { maxLength: 30 }),
    name: fc.constantFrom('a.b', 'api.anthropic.com', 'EXAMPLE.org'),
    tls13: fc.boolean(),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ ciphers, groups, formats, signatures, alpn, others, name, tls13, order }): HelloParts => {
    const clean = (values: number[]): number[] => values.filter((value) => isGrease(value) || (value & 0x0f0f) !== 0x0a0a);
    const all: [number, Buffer][] = [
      extension.sni(name),
      extension.groups(...clean(groups)),
      extension.formats(...formats),
      extension.signatures(...clean(signatures)),
      extension.alpn(...alpn),
      ...clean(others).map((type) => extension.plain(type, Buffer.from([1, 2, 3]))),
      ...(tls13 ? [extension.versions(0x0304, 0x0303)] : []),
    ];
    const keys = all.map(() => order.next().value as number);
    const extensions = all.map((each, i) => ({ each, key: keys[i] as number })).sort((a, b) => a.key - b.key);
    return { ciphers: clean(ciphers), extensions: extensions.map(({ each }) => each) };
  });

test('client hello: JA3 and JA4 as read-tls-client-hello makes them, where it is right', async (t) => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(simple, async (parts) => {
      const hello = read(parts);
      // It wants a stream that stays open, as a socket does.
      const socket = new PassThrough();
      socket.write(records(helloMessage(parts)));
      const oracle = await readTlsClientHello(socket);
      compared++;
      const [ours, theirs] = [
        [ja3(hello).hash, ja4(hello).hash],
        [calculateJa3(oracle), calculateJa4(oracle)],
      ];
      if (ours.join() !== theirs.join()) throw new Error(`${ours.join(' ')} is not ${theirs.join(' ')}`);
    }),
    { numRuns: 500 },
  );
  t.ok(compared >= 500, `${compared} hellos`);
  t.end();
});
