/** WebSockets: what the library ws said is what is read, however it is cut, compressed or not, and over holes. */
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { cuts } from '../support/http-conversations.js';
import { facts, type Piece, recut, type SessionOptions, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';
import { converse, type Spoken } from '../support/ws-conversation.js';

const recordings = Promise.all([
  converse('plain', false),
  converse('deflated with context', { threshold: 0 }),
  converse('deflated without context', { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true }),
  converse('deflated with a small window', { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 }),
]);

const run = (pieces: readonly Piece[], options: SessionOptions = { step: 0 }): AnyEvent[] =>
  through(httpParser(), sessionEvents(pieces, options));
type Data = Record<string, unknown>;
const bytesOf = (data: Data): Buffer =>
  typeof data.payload === 'string' ? Buffer.from(data.payload) : Buffer.from((data.payload_b64 ?? '') as string, 'base64');
const messages = (events: readonly AnyEvent[]): Data[] =>
  facts(events, 'ws_message')
    .map(({ data }) => data as Data)
    .filter(({ opcode }) => opcode === 'text' || opcode === 'binary');

function ofSender(spoken: readonly Spoken[], sender: string): string[] {
  return spoken.filter((each) => each.sender === sender).map(({ opcode, bytes }) => `${opcode} ${bytes.toString('base64')}`);
}

tape('what ws said', async (t) => {
  for (const { name, pieces, spoken } of await recordings) {
    const events = run(pieces);
    for (const sender of ['client', 'server']) {
      const read = messages(events).filter((data) => data.sender === sender);
      t.deepEqual(
        read.map((data) => `${data.opcode} ${bytesOf(data).toString('base64')}`),
        ofSender(spoken, sender),
        `${name}: of the ${sender}`,
      );
      t.ok(read.every(({ compressed }) => compressed === (name === 'plain' ? undefined : true)));
    }
    t.deepEqual(
      facts(events, 'ws_message').map(({ data }) => data.index),
      [...facts(events, 'ws_message').keys()],
      'numbered from 0',
    );
    const response = facts(events, 'http_response')[0]?.data as Data;
    t.deepEqual(
      [response.status, response.streamed, response.path],
      [101, true, '/v1/responses?key=redacted:1'],
      'a response that goes on',
    );
    const close = facts(events, 'ws_message').filter(({ data }) => data.opcode === 'close');
    t.deepEqual(
      close.map(({ data }) => [data.close_code, data.payload]),
      [
        [1000, 'that is all'],
        [1000, 'that is all'],
      ],
    );
    const [end] = facts(events, 'http_end');
    t.deepEqual([end?.data.end, end?.data.partial], ['complete', undefined]);
    t.ok(
      facts(events, 'ws_message').some(({ data }) => data.opcode === 'ping' && data.payload === 'now'),
      'the ping between',
    );
    t.ok(
      messages(events).some(({ fragments }) => fragments === 3),
      'three frames',
    );
    t.notOk(
      events.some(({ event_type }) => event_type === 'ssl_data'),
      'nothing is left over',
    );
    assertValid(t, events);
  }
});

const said = (events: readonly AnyEvent[]): string => JSON.stringify(facts(events).map(({ event_type, data }) => [event_type, data]));

tape('the same events however the bytes are cut', async (t) => {
  for (const { pieces } of await recordings) {
    const expected = said(run(pieces));
    fc.assert(
      fc.property(cuts, fc.integer({ min: 1, max: 40 }), (sizes, times) => {
        let i = 0;
        return said(run(recut(pieces, () => (sizes[i++ % sizes.length] as number) * times))) === expected;
      }),
      { numRuns: 15 },
    );
  }
  t.pass('60 ways');
});

tape('holes: a message is either what was said or partial; they come back', async (t) => {
  for (const { name, pieces, spoken } of await recordings) {
    const known = new Set(spoken.map(({ bytes }) => bytes.toString('base64')));
    let heard = 0;
    fc.assert(
      fc.property(cuts, fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), (sizes, holes) => {
        let i = 0;
        const cut = recut(pieces.slice(2), () => (sizes[i++ % sizes.length] as number) * 5);
        for (const at of holes) {
          const piece = cut[at % cut.length] as Piece;
          if (typeof piece[1] !== 'number') piece[1] = piece[1].length;
        }
        const read = messages(run([...pieces.slice(0, 2), ...cut]));
        heard += read.filter(({ partial }) => !partial).length;
        return read.every((data) => data.partial || known.has(bytesOf(data).toString('base64')));
      }),
      { numRuns: 60 },
    );
    t.ok(heard > 60, `${name}: ${heard} whole messages`);
  }
});

const UPGRADE: Piece[] = [
  ['write', 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n'],
  ['read', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n'],
];
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

tape('the examples of RFC 7692, section 7.2.3', (t) => {
  const examples: [string, string][] = [
    ['one block', 'c1 07 f2 48 cd c9 c9 07 00'],
    ['fragmented', '41 03 f2 48 cd 80 04 c9 c9 07 00'],
    ['shared window', 'c1 07 f2 48 cd c9 c9 07 00 c1 05 f2 00 11 00 00'],
    ['no compression', 'c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00'],
    ['the last block says so', 'c1 08 f3 48 cd c9 c9 07 00 00 c1 07 f2 48 cd c9 c9 07 00'],
    ['two blocks', 'c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00'],
  ];
  for (const [name, bytes] of examples) {
    const read = messages(run([...UPGRADE, ['read', hex(bytes)]]));
    t.ok(read.length > 0 && read.every(({ payload, partial }) => payload === 'Hello' && !partial), name);
  }
  t.end();
});

tape('RFC 6455, section 5.7: masked and not, a ping, in two frames', (t) => {
  const read = run([
    ...UPGRADE,
    ['write', hex('81 85 37 fa 21 3d 7f 9f 4d 51 58')],
    ['read', hex('01 03 48 65 6c')],
    ['read', hex('89 05 48 65 6c 6c 6f 80 02 6c 6f')],
  ]);
  t.deepEqual(
    facts(read, 'ws_message').map(({ data }) => [data.sender, data.opcode, data.payload, data.fragments]),
    [
      ['client', 'text', 'Hello', undefined],
      ['server', 'ping', 'Hello', undefined],
      ['server', 'text', 'Hello', 2],
    ],
  );
  t.deepEqual(facts(read, 'http_end')[0]?.data.end, 'closed', 'the session was closed without a word');
  t.end();
});

tape('damage: never a throw', async (t) => {
  for (const { pieces } of await recordings) {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 20 }), (flips) => {
        const damaged = pieces.map(([direction, bytes]): Piece => [direction, Buffer.from(bytes as Buffer)]);
        for (const [at, place, value] of flips) {
          const bytes = (damaged[at % damaged.length] as Piece)[1] as Buffer;
          bytes[place % bytes.length] = value;
        }
        run(damaged);
        return true;
      }),
      { numRuns: 40 },
    );
  }
  t.pass('160 damaged recordings');
});
