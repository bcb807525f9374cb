/** Amazon's event stream: the vectors of botocore's own tests, any cut, damage, and the events made of it. */
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import { crc32 } from '../../lib/protocols/crc32.js';
import { EVENTSTREAM_LIMIT, EventstreamParser } from '../../lib/protocols/eventstream.js';
import { facts, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

type Read = { headers: Record<string, unknown>; payload: string };

function read(pieces: readonly Buffer[]): { messages: Read[]; damaged: boolean } {
  const parser = new EventstreamParser();
  const messages: Read[] = [];
  for (const piece of pieces)
    parser.push(piece, ({ headers, payload }) =>
      messages.push({ headers: Object.fromEntries(headers), payload: payload.toString('latin1') }),
    );
  return { messages, damaged: parser.damaged };
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const EMPTY = latin1('\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff');
const INTEGER = latin1("\x00\x00\x00+\x00\x00\x00\x0e4\x8b\xec{\x08event-id\x04\x00\x00\xa0\x0c{'foo':'bar'}\xd3\x89\x02\x85");
const PLAIN = latin1("\x00\x00\x00\x1d\x00\x00\x00\x00\xfdR\x8cZ{'foo':'bar'}\xc3e96");
const STRING = latin1(
  "\x00\x00\x00=\x00\x00\x00 \x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8d\x9c\x08\xb1",
);

tape('vectors of botocore', (t) => {
  t.deepEqual(read([EMPTY]).messages, [{ headers: {}, payload: '' }], 'empty');
  t.deepEqual(read([INTEGER]).messages, [{ headers: { 'event-id': 0xa00c }, payload: "{'foo':'bar'}" }], 'a number');
  t.deepEqual(read([PLAIN]).messages, [{ headers: {}, payload: "{'foo':'bar'}" }], 'no headers');
  t.deepEqual(read([STRING]).messages, [{ headers: { 'content-type': 'application/json' }, payload: "{'foo':'bar'}" }], 'a string');
  for (const [name, at] of [
    ['length', 3],
    ['headers length', 7],
    ['prelude checksum', 9],
    ['payload', 50],
    ['checksum', 60],
  ] as const) {
    const bad = Buffer.from(STRING);
    bad[at] = (bad[at] as number) ^ 1;
    t.deepEqual(read([bad, PLAIN]), { messages: read([PLAIN]).messages, damaged: true }, `damaged ${name}: the next one is found`);
  }
  t.end();
});

/** A message as the specification has it. */
function encode(headers: readonly [string, number, Buffer][], payload: Buffer): Buffer {
  const fields = Buffer.concat(
    headers.flatMap(([name, type, value]) => [Buffer.from([name.length]), Buffer.from(name), Buffer.from([type]), value]),
  );
  const head = Buffer.alloc(12);
  head.writeUInt32BE(16 + fields.length + payload.length, 0);
  head.writeUInt32BE(fields.length, 4);
  head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
  const all = Buffer.concat([head, fields, payload, Buffer.alloc(4)]);
  all.writeUInt32BE(crc32(all.subarray(0, -4)), all.length - 4);
  return all;
}

const sized = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

tape('every type of header', (t) => {
  const { messages } = read([
    encode(
      [
        ['t', 0, Buffer.alloc(0)],
        ['f', 1, Buffer.alloc(0)],
        ['byte', 2, Buffer.from([0xcf])],
        ['short', 3, Buffer.from([0x01, 0x02])],
        ['long', 5, Buffer.from('7fffffffffffffff', 'hex')],
        ['bytes', 6, sized(Buffer.from([1, 2, 255]))],
        ['text', 7, sized(Buffer.from('é'))],
        ['time', 8, Buffer.from('00000189d3b8a000', 'hex')],
        ['uuid', 9, Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex')],
      ],
      Buffer.from('x'),
    ),
  ]);
  t.deepEqual(messages[0]?.headers, {
    t: true,
    f: false,
    byte: -49,
    short: 258,
    long: '9223372036854775807',
    bytes: 'AQL/',
    text: 'é',
    time: '1691474239488',
    uuid: '01020304-0506-0708-090a-0b0c0d0e0f10',
  });
  t.end();
});

tape('the same messages at any cut; after a hole the next one', (t) => {
  const all = Buffer.concat([STRING, PLAIN, EMPTY, INTEGER, STRING]);
  const expected = read([all]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }), (sizes) => {
      const pieces: Buffer[] = [];
      for (let at = 0, i = 0; at < all.length; i++) {
        const size = sizes[i % sizes.length] as number;
        pieces.push(all.subarray(at, at + size));
        at += size;
      }
      return JSON.stringify(read(pieces)) === JSON.stringify(expected);
    }),
  );
  const parser = new EventstreamParser();
  let n = 0;
  parser.push(STRING.subarray(0, 30), () => n++);
  parser.gap();
  parser.push(Buffer.concat([STRING.subarray(40), PLAIN]), () => n++);
  t.deepEqual([n, parser.damaged], [1, true]);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => (read([Buffer.from(bytes)]), true)));
  t.end();
});

tape('an answer of Bedrock: its messages as they come, then its end', (t) => {
  const message = encode([[':event-type', 7, sized(Buffer.from('contentBlockDelta'))]], Buffer.from('{"delta":{"text":"Hi"}}'));
  const events = through(
    httpParser(),
    sessionEvents([
      ['write', 'POST /model/x/converse-stream HTTP/1.1\r\nHost: bedrock-runtime.us-east-1.amazonaws.com\r\nContent-Length: 0\r\n\r\n'],
      ['read', 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n'],
      ['read', Buffer.concat([Buffer.from(`${message.length.toString(16)}\r\n`), message, Buffer.from('\r\n')])],
      ['read', Buffer.concat([Buffer.from(`${message.length.toString(16)}\r\n`), message.subarray(0, 20)])],
      ['read', Buffer.concat([message.subarray(20), Buffer.from('\r\n0\r\n\r\n')])],
    ]),
  );
  t.deepEqual(
    facts(events, 'eventstream_message').map(({ data }) => [data.index, data.headers, data.payload]),
    [0, 1].map((n) => [n, { ':event-type': 'contentBlockDelta' }, '{"delta":{"text":"Hi"}}']),
  );
  const [end] = facts(events, 'http_end');
  t.deepEqual([end?.data.end, end?.data.body_bytes, end?.data.partial], ['complete', 2 * message.length, undefined]);
  assertValid(t, events);
  t.end();
});

tape('what the prelude may say', (t) => {
  const prelude = (length: number, headers: number): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(length, 0);
    head.writeUInt32BE(headers, 4);
    head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
    return head;
  };
  const waits = (length: number, headers: number): boolean => {
    const parser = new EventstreamParser();
    parser.push(prelude(length, headers), () => {});
    return !parser.damaged;
  };
  t.deepEqual([waits(15, 0), waits(16, 0), waits(16, 1), waits(20, 4), waits(20, 5)], [false, true, false, true, false]);
  t.deepEqual([waits(EVENTSTREAM_LIMIT, 0), waits(EVENTSTREAM_LIMIT + 1, 0)], [true, false]);
  t.deepEqual(read([Buffer.concat([prelude(15, 0), PLAIN])]), { messages: read([PLAIN]).messages, damaged: true }, 'the next one is found');
  t.end();
});

tape('headers that do not add up make a message damaged', (t) => {
  const bad: [string, Buffer][] = [
    ['a name that ends early', Buffer.from([5, 0x61])],
    ['no type', Buffer.from([1, 0x61])],
    ['a type that is not there', Buffer.from([1, 0x61, 10])],
    ['a number that ends early', Buffer.from([1, 0x61, 4, 0, 0, 0])],
    ['a length that ends early', Buffer.from([1, 0x61, 7, 0])],
    ['a text that ends early', Buffer.from([1, 0x61, 7, 0, 2, 0x62])],
  ];
  const whole = (fields: Buffer): Buffer => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(16 + fields.length + 40, 0);
    head.writeUInt32BE(fields.length, 4);
    head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
    const all = Buffer.concat([head, fields, Buffer.alloc(44, 'p')]);
    all.writeUInt32BE(crc32(all.subarray(0, -4)), all.length - 4);
    return all;
  };
  for (const [name, fields] of bad) t.deepEqual(read([whole(fields), PLAIN]), { messages: read([PLAIN]).messages, damaged: true }, name);
  t.deepEqual(read([whole(Buffer.from([1, 0x61, 7, 0, 0]))]).messages[0]?.headers, { a: '' }, 'a text of no bytes is one');
  t.deepEqual(read([whole(Buffer.from([0, 0]))]).messages[0]?.headers, { '': true }, 'so is a name');
  t.end();
});

tape('what is held, and when nothing is', (t) => {
  const parser = new EventstreamParser();
  t.deepEqual([parser.idle, parser.heldBytes], [true, 0]);
  parser.push(PLAIN.subarray(0, 20), () => {});
  t.ok(!parser.idle && parser.heldBytes >= 20);
  parser.push(PLAIN.subarray(20), () => {});
  t.deepEqual([parser.idle, parser.heldBytes, parser.damaged], [true, 0, false]);
  // A message that comes in one piece is lent, not copied.
  const lent: Buffer[] = [];
  parser.push(PLAIN, ({ payload }) => lent.push(payload));
  t.equal(lent[0]?.buffer, PLAIN.buffer);
  t.end();
});
