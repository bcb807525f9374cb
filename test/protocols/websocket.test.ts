/** One direction of a WebSocket, frame by frame: messages, what of them is missing, and how a frame is told from other bytes. */
import { constants, deflateRawSync } from 'node:zlib';
import tape from 'tape';
import {
  INFLATED_LIMIT,
  WebSocketDirection,
  type WebSocketMessage,
  type WebSocketOptions,
} from '../../lib/protocols/websocket/direction.js';
import { agreedDeflate } from '../../lib/protocols/websocket/extension.js';
import { isFrame, readFrameHeader, unmask } from '../../lib/protocols/websocket/frame.js';
import { Inflater } from '../../lib/protocols/websocket/inflater.js';

function frame(first: number, payload: Buffer | string = '', mask?: Buffer): Buffer {
  const bytes = Buffer.from(payload as string);
  const bit = mask ? 128 : 0;
  const head = Buffer.alloc(bytes.length < 126 ? 2 : bytes.length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = bit | (head.length === 2 ? bytes.length : head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(bytes.length, 2);
  else if (head.length === 10) head.writeUInt32BE(bytes.length, 6);
  return Buffer.concat([head, ...(mask ? [mask, unmask(bytes, mask, 0)] : [bytes])]);
}

/** `Hello` (RFC 7692 §7.2.3.1), and again with the window of the first (§7.2.3.2). */
const HELLO = Buffer.from('f248cdc9c90700', 'hex');
const AGAIN = Buffer.from('f200110000', 'hex');
const MASK = Buffer.from('37fa213d', 'hex');

interface Listener {
  direction: WebSocketDirection;
  take(): string[];
}

const FLAGS = ['compressed', 'coded', 'cut', 'limited', 'unfinished'] as const;

function listen(options: Partial<WebSocketOptions> = {}): Listener {
  const said: string[] = [];
  const message = (its: WebSocketMessage): void => {
    const flags = FLAGS.filter((flag) => its[flag]);
    said.push([its.opcode, its.fragments, its.payload.toString('latin1'), ...flags].join(' '));
  };
  const direction = new WebSocketDirection(
    {
      begin: (control) => said.push(control ? 'begin control' : 'begin'),
      message,
      sent: (bytes) => said.push(`sent ${bytes}`),
      lost: () => said.push('lost'),
    },
    { deflate: true, alone: false, midway: false, limit: 1000, ...options },
  );
  return { direction, take: () => said.splice(0).filter((line) => !line.startsWith('begin') && !line.startsWith('sent')) };
}

function read(bytes: readonly Buffer[], options: Partial<WebSocketOptions> = {}): string[] {
  const { direction, take } = listen(options);
  for (const piece of bytes) direction.push(piece);
  return take();
}

tape('messages of every kind', (t) => {
  t.deepEqual(
    read([frame(0x81, 'text'), frame(0x82, 'binary'), frame(0x89, 'ping'), frame(0x8a, 'pong'), frame(0x88, 'close'), frame(0x81)]),
    ['text 1 text', 'binary 1 binary', 'ping 1 ping', 'pong 1 pong', 'close 1 close', 'text 1 '],
  );
  t.deepEqual(read([frame(0x81, 'Hello', MASK)]), ['text 1 Hello']);
  t.deepEqual(read([frame(0x81, 'x'.repeat(125)), frame(0x81, 'y'.repeat(126))]), [
    `text 1 ${'x'.repeat(125)}`,
    `text 1 ${'y'.repeat(126)}`,
  ]);
  t.deepEqual(read([frame(0x81, 'z'.repeat(70_000), MASK)], { limit: 100_000 }), [`text 1 ${'z'.repeat(70_000)}`]);
  t.deepEqual(read([frame(1, 'one '), frame(0x89, 'ping'), frame(0, 'two '), frame(0x80, 'three')]), [
    'ping 1 ping',
    'text 3 one two three',
  ]);
  t.end();
});

tape('what belongs to a message is said as it comes', (t) => {
  const said: string[] = [];
  const direction = new WebSocketDirection(
    {
      begin: (control) => said.push(`begin ${control}`),
      message: () => said.push('message'),
      sent: (n) => said.push(`sent ${n}`),
      lost: () => {},
    },
    { deflate: false, alone: false, midway: false, limit: 1000 },
  );
  t.equal(direction.push(frame(1, 'one').subarray(0, 1)), true);
  direction.push(frame(1, 'one').subarray(1, 4));
  direction.push(Buffer.concat([frame(1, 'one').subarray(4), frame(0x89, 'ping'), frame(0x80, 'end')]));
  t.deepEqual(said, ['begin false', 'sent 2', 'sent 1', 'begin true', 'message', 'sent 3', 'message']);
  direction.finish();
  t.equal(direction.push(frame(0x81, 'x')), false, 'nothing is read after the end');
  t.end();
});

tape('a message that is over the limit; frames that may not be', (t) => {
  t.deepEqual(read([frame(0x81, '12345'), frame(0x81, '123456'), frame(0x81, '1')], { limit: 5 }), [
    'text 1 12345',
    'text 1 12345 limited',
    'text 1 1',
  ]);
  t.deepEqual(read([frame(1, '1234'), frame(0, '5'), frame(0, '6'), frame(0x80, '')], { limit: 5 }), ['text 4 12345 limited']);
  t.deepEqual(
    read([frame(0x89, 'x'.repeat(126)), frame(0x8b, 'x'), frame(0x80, 'of nothing'), frame(0x81, 'next')]),
    ['text 1 next'],
    'left out',
  );
  t.deepEqual(read([frame(0x89, 'x'.repeat(125))]), [`ping 1 ${'x'.repeat(125)}`]);
  t.deepEqual(read([frame(1, 'not ended'), frame(0x81, 'next')]), ['text 1 not ended cut', 'text 1 next']);
  t.deepEqual(read([Buffer.from([0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0])]), ['lost'], 'a length that cannot be');
  t.end();
});

tape('deflated: with the window of the messages before, or each by itself', (t) => {
  t.deepEqual(read([frame(0xc1, HELLO), frame(0x81, 'plain'), frame(0xc1, AGAIN)]), [
    'text 1 Hello compressed',
    'text 1 plain',
    'text 1 Hello compressed',
  ]);
  t.deepEqual(read([frame(0xc1, HELLO), frame(0xc1, HELLO)], { alone: true }), ['text 1 Hello compressed', 'text 1 Hello compressed']);
  t.deepEqual(
    read([frame(0xc1, HELLO), frame(0xc1, AGAIN)], { alone: true })[1],
    `text 1 ${AGAIN.toString('latin1')} compressed coded`,
    'no window: as it was sent',
  );
  t.deepEqual(read([frame(0x41, HELLO.subarray(0, 3)), frame(0x80, HELLO.subarray(3))]), ['text 2 Hello compressed']);
  t.deepEqual(read([frame(0xc1, HELLO)], { deflate: false }), [`text 1 ${HELLO.toString('latin1')} coded`], 'not agreed on');
  t.deepEqual(read([frame(0xc1, 'no deflate'), frame(0xc1, HELLO), frame(0xc1, AGAIN)]), [
    'text 1 no deflate compressed coded',
    'text 1 Hello compressed',
    'text 1 Hello compressed',
  ]);
  t.end();
});

tape('what cannot be inflated and is over the limit, or not: the same at any cut (found by fuzzing)', (t) => {
  // A block that is whole, and a kind of block that is not there.
  const damaged = Buffer.concat([deflateRawSync(Buffer.alloc(5000, 'x'), { finishFlush: constants.Z_SYNC_FLUSH }), Buffer.from([7])]);
  const bytes = frame(0xc1, damaged);
  const whole = read([bytes], { limit: 200 });
  const pieces = read(
    Array.from(bytes, (byte) => Buffer.from([byte])),
    { limit: 200 },
  );
  t.deepEqual(pieces, whole);
  t.deepEqual(whole, [`text 1 ${damaged.toString('latin1')} compressed coded`]);
  t.deepEqual(read([frame(0xc1, 'no deflate')], { limit: 4 }), ['text 1 no d compressed coded limited']);
  t.ok(INFLATED_LIMIT > 8 * 1024 * 1024);
  t.end();
});

tape('holes', (t) => {
  const { direction, take } = listen();
  direction.push(frame(0x81, 'one two', MASK).subarray(0, 9));
  direction.gap(2);
  direction.push(frame(0x81, 'one two', MASK).subarray(11));
  t.deepEqual(take(), ['text 1 onewo cut'], 'the mask goes on behind it');
  direction.push(frame(0x81, 'one').subarray(0, 3));
  direction.gap(2);
  t.deepEqual(take(), ['text 1 o cut'], 'to its end');
  direction.push(frame(0x89, 'ping').subarray(0, 4));
  direction.gap(1);
  direction.push(Buffer.from('g'));
  t.deepEqual(take(), ['ping 1 pig cut']);
  direction.push(Buffer.concat([frame(0xc1, HELLO), frame(0xc1, AGAIN).subarray(0, 4)]));
  direction.gap(3);
  t.deepEqual(take(), ['text 1 Hello compressed', 'text 1 ò\0 compressed coded cut']);
  direction.push(frame(0xc1, AGAIN));
  t.deepEqual(take(), [`text 1 ${AGAIN.toString('latin1')} compressed coded cut`], 'what refers to it is cut, too');
  direction.push(frame(0xc1, HELLO));
  t.deepEqual(take(), ['text 1 Hello compressed'], 'what refers to nothing is read');
  direction.push(frame(0x81, 'one').subarray(0, 3));
  direction.gap(3);
  t.deepEqual(take(), ['text 1 o cut', 'lost'], 'beyond the frame');
  t.equal(direction.push(Buffer.alloc(30, 0xff)), false, 'nothing of it belongs to a frame');
  direction.push(Buffer.concat([frame(0x81, 'a'), frame(0x81, 'b'), frame(0x81, 'c'), frame(0x81, 'd')]));
  t.deepEqual(take(), ['text 1 a', 'text 1 b', 'text 1 c', 'text 1 d'], 'found');
  direction.push(Buffer.from([0x81]));
  direction.gap(1);
  t.deepEqual(take(), ['lost'], 'in a header');
  direction.push(frame(0x81, 'text at once'));
  t.deepEqual(take(), ['text 1 text at once'], 'text where a frame may begin is enough');
  direction.push(frame(0x80, 'skipped').subarray(0, 4));
  direction.gap(2);
  direction.push(Buffer.from('ped'));
  t.deepEqual(take(), [], 'of what goes nowhere');
  direction.push(frame(1, 'open'));
  direction.gap(1);
  t.deepEqual(take(), ['text 1 open cut', 'lost'], 'between frames');
  direction.finish();
  direction.gap(1);
  t.deepEqual(take(), []);
  t.end();
});

tape('the end, and when memory runs short', (t) => {
  const { direction, take } = listen();
  direction.push(Buffer.concat([frame(1, 'one '), frame(0x80, 'two').subarray(0, 4)]));
  t.ok(direction.heldBytes > 0);
  direction.finish();
  t.deepEqual(take(), ['text 2 one tw unfinished']);
  const deflated = listen();
  deflated.direction.push(Buffer.concat([frame(0xc1, HELLO), frame(0x41, AGAIN).subarray(0, 4)]));
  t.ok(deflated.direction.heldBytes > 40_000, 'a window');
  deflated.direction.shed();
  t.equal(deflated.direction.heldBytes, 0);
  deflated.direction.push(Buffer.concat([AGAIN.subarray(2), frame(0x80, '')]));
  t.deepEqual(deflated.take(), ['text 1 Hello compressed', 'text 2 \x11\0\0 compressed coded limited']);
  deflated.direction.push(frame(0xc1, AGAIN));
  t.deepEqual(deflated.take(), [`text 1 ${AGAIN.toString('latin1')} compressed coded cut`]);
  const plain = listen({ deflate: false });
  plain.direction.push(frame(1, 'one '));
  plain.direction.shed();
  plain.direction.push(frame(0x80, 'two'));
  t.deepEqual(plain.take(), ['text 2 two limited']);
  const idle = listen();
  idle.direction.push(frame(0xc1, HELLO));
  idle.direction.shed();
  idle.direction.push(frame(0xc1, AGAIN));
  t.deepEqual(idle.take()[1], `text 1 ${AGAIN.toString('latin1')} compressed coded cut`, 'the window is gone');
  const alone = listen({ alone: true });
  alone.direction.push(frame(0xc1, HELLO));
  alone.direction.shed();
  alone.direction.push(frame(0xc1, AGAIN));
  t.deepEqual(alone.take()[1], `text 1 ${AGAIN.toString('latin1')} compressed coded`, 'there was none');
  t.end();
});

tape('joined midway', (t) => {
  const { direction, take } = listen({ midway: true });
  t.equal(direction.push(Buffer.from('the end of another one')), false);
  t.equal(direction.push(frame(0x82, 'one')), true);
  t.deepEqual(take(), [], 'a frame alone is not believed');
  direction.push(Buffer.concat([frame(0x82, 'two'), frame(0x82, 'three'), frame(0xc1, AGAIN), frame(0xc1, HELLO)]));
  t.deepEqual(take(), [
    'binary 1 one',
    'binary 1 two',
    'binary 1 three',
    `text 1 ${AGAIN.toString('latin1')} compressed coded cut`,
    'text 1 Hello compressed',
  ]);
  const masked = listen({ midway: true, masked: true });
  t.equal(masked.direction.push(Buffer.concat(Array.from({ length: 5 }, () => frame(0x82, 'one')))), false, 'a client masks');
  t.deepEqual(masked.take(), []);
  t.end();
});

tape('headers', (t) => {
  const header = (text: string): unknown => readFrameHeader(Buffer.from(text, 'hex'), 0);
  t.deepEqual(header('8105'), { fin: true, rsv1: false, opcode: 1, masked: false, length: 5, size: 2 });
  t.deepEqual(header('428537fa213d'), { fin: false, rsv1: true, opcode: 2, masked: true, length: 5, size: 6 });
  t.deepEqual(header('817e0100'), { fin: true, rsv1: false, opcode: 1, masked: false, length: 256, size: 4 });
  t.deepEqual(header('817f0000000100000002'), { fin: true, rsv1: false, opcode: 1, masked: false, length: 2 ** 32 + 2, size: 10 });
  t.equal((header('817fffffffffffffffff') as { length: number }).length, Number.POSITIVE_INFINITY);
  for (const short of ['', '81', '817e01', '817f00000001000000', '818537fa21'])
    t.equal(header(short), undefined, `${short.length / 2} bytes`);
  t.end();
});

tape('how a frame is told from other bytes', (t) => {
  const chain = (count: number, first: Buffer): ReturnType<typeof isFrame> =>
    isFrame(Buffer.concat([first, ...Array.from({ length: count }, () => frame(0x82, 'x'))]), 0, undefined, false, 4);
  t.equal(chain(3, frame(0x82, 'x')), 'yes');
  t.deepEqual(chain(2, frame(0x82, 'x')), { more: 10 }, 'three of four');
  t.deepEqual(isFrame(frame(0x82, 'body').subarray(0, 3), 0, undefined, false, 2), { more: 7 }, 'where the next one is');
  t.deepEqual(isFrame(Buffer.from([0x82]), 0, undefined, false, 1), { more: 2 });
  t.deepEqual(isFrame(Buffer.from([0x82, 126, 1]), 0, undefined, false, 1), { more: 4 });
  const unlikely: [string, Buffer][] = [
    ['RSV2', frame(0xa2, 'x')],
    ['RSV3', frame(0x92, 'x')],
    ['opcode 3', frame(0x83, 'x')],
    ['opcode 7', frame(0x87, 'x')],
    ['opcode 11', frame(0x8b, 'x')],
    ['a ping in parts', frame(0x09, 'x')],
    ['a ping that is compressed', frame(0xc9, 'x')],
    ['a ping that is long', frame(0x89, 'x'.repeat(126))],
    ['a continuation that is compressed', frame(0xc0, 'x')],
    ['two bytes for a length of one', Buffer.from([0x82, 126, 0, 125])],
    ['eight bytes for a length of two', Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff])],
    ['very long', Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 4, 0, 1])],
  ];
  for (const [name, bytes] of unlikely) t.equal(chain(3, bytes), 'no', name);
  for (const likely of [
    frame(0x89, 'x'.repeat(125)),
    frame(0x88),
    frame(0x8a),
    frame(0, 'x'),
    frame(0xc2, 'x'),
    frame(0x82, 'x'.repeat(126)),
    frame(0x82, 'x'.repeat(65_536)),
  ])
    t.equal(chain(3, likely), 'yes');
  t.deepEqual(isFrame(Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 4, 0, 0]), 0, undefined, false, 1), 'yes', 'as long as may be');
  t.equal(isFrame(frame(0x82, 'x'), 0, true, false, 1), 'no', 'not masked');
  t.equal(isFrame(frame(0x82, 'x', MASK), 0, true, false, 1), 'yes', 'masked');
  t.equal(
    isFrame(Buffer.concat([frame(0x82, 'x', MASK), frame(0x82, 'x')]), 0, undefined, false, 2),
    'no',
    'one is masked, the next one not',
  );
  const anchored = (bytes: Buffer): ReturnType<typeof isFrame> => isFrame(bytes, 0, undefined, true, 2);
  t.equal(anchored(frame(0x81, 'text')), 'yes');
  t.equal(anchored(frame(0x81, 'text', MASK)), 'yes', 'under its mask');
  t.deepEqual(anchored(frame(0x81, 'text').subarray(0, 5)), { more: 6 });
  for (const [name, bytes] of [
    ['no UTF-8', frame(0x81, Buffer.from([0xff, 0xfe]))],
    ['a NUL in it', frame(0x81, 'a\0')],
    ['one character', frame(0x81, 'a')],
    ['binary', frame(0x82, 'text')],
    ['compressed', frame(0xc1, 'text')],
    ['a part', frame(0x01, 'text')],
  ] as const)
    t.deepEqual(anchored(bytes), { more: bytes.length + 1 }, `${name}: the next header is needed`);
  t.end();
});

tape('the inflater', (t) => {
  const inflater = new Inflater();
  const out: string[] = [];
  const take = (piece: Buffer): number => out.push(piece.toString());
  t.equal(inflater.heldBytes, 0);
  t.equal(inflater.push(HELLO, take) && inflater.end(take), true);
  t.ok(inflater.heldBytes > 40_000);
  t.equal(inflater.push(AGAIN, take) && inflater.end(take), true);
  t.deepEqual(out.splice(0), ['Hello', 'Hello']);
  t.equal(inflater.push(Buffer.from('no deflate'), take), false);
  t.equal(inflater.push(HELLO, take), false, 'nothing more can be read');
  inflater.reset();
  t.equal(inflater.heldBytes, 0);
  t.equal(inflater.push(Buffer.from('f348cdc9c9070000', 'hex'), take) && inflater.end(take), true, 'a last block');
  t.equal(inflater.push(HELLO, take) && inflater.end(take), true);
  t.deepEqual(out.splice(0), ['Hello', 'Hello']);
  const noise = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * i * 31) & 0xff));
  const got: Buffer[] = [];
  inflater.reset();
  inflater.push(deflateRawSync(noise), (piece) => got.push(Buffer.from(piece)));
  t.ok(Buffer.concat(got).equals(noise), 'of more than one slice');
  t.end();
});

tape('what was agreed on', (t) => {
  t.equal(agreedDeflate([]), undefined);
  t.equal(agreedDeflate(['x-webkit-deflate-frame']), undefined);
  t.deepEqual(agreedDeflate(['permessage-deflate']), { clientAlone: false, serverAlone: false });
  t.deepEqual(agreedDeflate(['x, Permessage-Deflate ; Client_No_Context_Takeover; server_max_window_bits=10']), {
    clientAlone: true,
    serverAlone: false,
  });
  t.deepEqual(agreedDeflate(['foo', 'permessage-deflate; server_no_context_takeover=1']), { clientAlone: false, serverAlone: true });
  t.end();
});
