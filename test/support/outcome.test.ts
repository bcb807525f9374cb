/** The comparison itself: what it calls equal, and what it must not. */
import { createHash } from 'node:crypto';
import test from 'tape';
import type { TracerEvent } from '../../lib/stream/event.js';
import { differences, match } from '../agents/outcome.js';
import type { Connection, Plain } from '../agents/room.js';
import { readSessions } from './sessions.js';
import { type Piece, Recorder } from './tls-session.js';

const plain = (text: string | Buffer): Plain => {
  const kept = Buffer.from(text as string);
  return { bytes: kept.length, sha256: createHash('sha256').update(kept).digest('hex'), kept };
};

function connection(n: number, received: string | Buffer, sent: string | Buffer, alpn: string | false = false): Connection {
  return { n, name: 'model.example', alpn, requests: [], received: plain(received), sent: plain(sent) };
}

/** What is different between these sessions and what the server had. */
function compared(sessions: Piece[][], connections: Connection[]): string[] {
  const recorder = new Recorder();
  for (const [n, pieces] of sessions.entries()) {
    const session = recorder.session({ conn: `1841.8123456.${n}` });
    for (const [direction, piece] of pieces) {
      if (typeof piece === 'number') session.lost(direction, piece);
      else session.data(direction, piece);
    }
  }
  return differences(match(readSessions(recorder.events as TracerEvent[]), connections));
}

const ASK = 'GET /a HTTP/1.1\r\nHost: model.example\r\n\r\n';
const TOLD = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('outcome: the same bytes are equal, however they are cut and in whichever order they come', (t) => {
  const sessions: Piece[][] = [
    [
      ['write', ASK],
      ['read', TOLD],
    ],
    [
      ['write', 'PO'],
      ['write', 'ST'],
      ['read', 'done'],
    ],
  ];
  t.deepEqual(compared(sessions, [connection(1, 'POST', 'done'), connection(2, ASK, TOLD)]), []);
  t.deepEqual(
    compared(sessions.slice(1), [connection(1, 'POST', 'done'), connection(2, '', '')]),
    [],
    'a silent connection has no session',
  );
  t.end();
});

test('outcome: a byte that differs, lacks or is too many is a difference', (t) => {
  const seen = (write: string, read: string): string[] =>
    compared(
      [
        [
          ['write', write],
          ['read', read],
        ],
      ],
      [connection(1, ASK, TOLD)],
    );
  t.equal(seen(ASK, TOLD).length, 0);
  t.match(seen(ASK, TOLD.replace('200', '201'))[0] ?? '', /alike to 9;|alike to 11 /, 'where they part is said');
  t.equal(seen(ASK, TOLD.slice(0, -1)).length, 1, 'a last byte that lacks');
  t.equal(seen(`${ASK}x`, TOLD).length, 1, 'a byte too many');
  t.end();
});

test('outcome: a connection without session, and a session without connection', (t) => {
  t.match(compared([], [connection(3, ASK, TOLD)])[0] ?? '', /^connection 3 .* were not seen$/);
  t.match(compared([[['write', ASK]]], [])[0] ?? '', /is no connection of the server's/);
  const twice = [connection(1, ASK, TOLD), connection(2, ASK, TOLD)];
  const once: Piece[] = [
    ['write', ASK],
    ['read', TOLD],
  ];
  t.equal(compared([once], twice).length, 1, 'one session does not stand for two connections');
  t.end();
});

test('outcome: of HTTP/2, only frames without content may be left unread', (t) => {
  const frame = (type: number, payload: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, payload.length, type, 1, 0, 0, 0, 1]), Buffer.from(payload)]);
  const content = frame(0, 'content');
  const seen = (tail: Buffer, alpn: string | false): number =>
    compared(
      [
        [
          ['write', ASK],
          ['read', content],
        ],
      ],
      [connection(1, ASK, Buffer.concat([content, tail]), alpn)],
    ).length;
  t.equal(seen(frame(0, ''), 'h2'), 0, 'the empty frame that ends a stream');
  t.equal(seen(Buffer.concat([frame(8, 'wind'), frame(4, '')]), 'h2'), 0, 'a window and settings');
  t.equal(seen(frame(0, 'more'), 'h2'), 1, 'content');
  t.equal(seen(frame(8, 'wind').subarray(0, 10), 'h2'), 1, 'half a frame');
  t.equal(seen(frame(0, ''), false), 1, 'not HTTP/2');
  t.end();
});
