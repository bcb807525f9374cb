/** One direction of HTTP/2, frame by frame: what is said of each, over holes, and where the place is lost. */
import tape from 'tape';
import { HpackDecoder } from '../../lib/protocols/hpack/decoder.js';
import { BLOCK_LIMIT, Http2Direction, type Http2Handler } from '../../lib/protocols/http2/direction.js';
import { isFrame, isValid, PREFACE, TYPE } from '../../lib/protocols/http2/frame.js';
import { Http2Head } from '../../lib/protocols/http2/head.js';

function frame(type: number, flags: number, stream: number, payload: Buffer | string = '', length?: number): Buffer {
  const bytes = Buffer.from(payload as string);
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

const SETTINGS = frame(TYPE.settings, 0, 0);
/** `:method GET`, `:path /`. */
const GET = Buffer.from([0x82, 0x84]);
const words = ({ pseudo, fields, unknown, cut }: Http2Head): string =>
  [
    ...pseudo.values(),
    ...fields.list.flat(),
    ...(unknown ? ['unknown'] : []),
    ...(cut ? ['cut'] : []),
    ...(fields.limited ? ['limited'] : []),
  ].join(' ');

interface Listener {
  direction: Http2Direction;
  said: string[];
  /** What was said since the last time. */
  take(): string[];
}

function listen(midway = false): Listener {
  const said: string[] = [];
  const handler: Http2Handler = {
    client: () => said.push('client'),
    frame: () => {},
    head: (stream, head, ends) => said.push(`head ${stream}: ${words(head)}${ends ? ', ends' : ''}`),
    promise: (stream, promised, head) => said.push(`promise ${stream} of ${promised}: ${words(head)}`),
    data: (stream, piece) => said.push(`data ${stream}: ${piece}`),
    missing: (stream, bytes) => said.push(`missing ${stream}: ${bytes}`),
    end: (stream) => said.push(`end ${stream}`),
    reset: (stream) => said.push(`reset ${stream}`),
    goaway: (last) => said.push(`goaway ${last}`),
    lost: () => said.push('lost'),
  };
  return { direction: new Http2Direction(handler, midway), said, take: () => said.splice(0) };
}

function read(...bytes: Buffer[]): string[] {
  const { direction, said } = listen();
  for (const piece of [SETTINGS, ...bytes]) direction.push(piece);
  return said;
}

tape('a client, and a server', (t) => {
  const client = listen();
  t.equal(client.direction.push(PREFACE.subarray(0, 10)), true, 'a part of the preface is a part of the connection');
  t.equal(client.direction.push(Buffer.concat([PREFACE.subarray(10), SETTINGS, frame(1, 5, 1, GET)])), true);
  t.deepEqual(client.said, ['client', 'head 1: GET /, ends', 'end 1']);
  t.deepEqual(read(frame(1, 4, 1, Buffer.from([0x88])), frame(0, 0, 1, 'one'), frame(0, 1, 1, 'two')), [
    'head 1: 200',
    'data 1: one',
    'data 1: two',
    'end 1',
  ]);
  const other = listen();
  other.direction.push(Buffer.from('PRI / HTTP/1.1\r\n\r\n'));
  t.deepEqual(other.said, ['lost'], 'another preface');
  const first = listen();
  first.direction.push(frame(1, 5, 1, GET));
  t.deepEqual(first.said[0], 'lost', 'SETTINGS has to come first');
  t.end();
});

tape('padding, priority, CONTINUATION, promises', (t) => {
  t.deepEqual(read(frame(0, 9, 1, Buffer.from('\x03abc\0\0\0', 'latin1'))), ['data 1: abc', 'end 1']);
  t.deepEqual(read(frame(0, 9, 1, Buffer.from('\x03\0\0\0', 'latin1'))), ['end 1'], 'padding only');
  t.deepEqual(read(frame(0, 8, 1, Buffer.from('\x09ab', 'latin1'))), [], 'more padding than frame');
  t.deepEqual(read(frame(0, 8, 1)), [], 'without its length');
  t.deepEqual(read(frame(1, 0x0d, 1, Buffer.concat([Buffer.from([2]), GET, Buffer.alloc(2)]))), ['head 1: GET /, ends', 'end 1']);
  t.deepEqual(read(frame(1, 0x24, 1, Buffer.concat([Buffer.alloc(5), GET]))), ['head 1: GET /']);
  t.deepEqual(read(frame(1, 0x2c, 1, Buffer.concat([Buffer.alloc(6, 1), GET, Buffer.alloc(1)]))), ['head 1: GET /']);
  t.deepEqual(read(frame(1, 0x0c, 1, Buffer.from([9, 0x82]))), ['head 1: '], 'padding that takes all');
  t.deepEqual(read(frame(1, 1, 1, GET.subarray(0, 1)), frame(9, 0, 1), frame(9, 4, 1, GET.subarray(1))), ['head 1: GET /, ends', 'end 1']);
  t.deepEqual(read(frame(5, 4, 1, Buffer.from([0, 0, 0, 2, 0x82, 0x84]))), ['promise 1 of 2: GET /']);
  t.deepEqual(read(frame(5, 0x0c, 1, Buffer.from([1, 0x80, 0, 0, 4, 0x82, 0x84, 0]))), ['promise 1 of 4: GET /']);
  t.deepEqual(read(frame(5, 0, 1, Buffer.from([0, 0, 0, 2, 0x82])), frame(9, 4, 1, GET.subarray(1))), ['promise 1 of 2: GET /']);
  t.deepEqual(
    read(frame(5, 0x0c, 1, Buffer.from([0, 0, 0, 2])), frame(1, 4, 3, Buffer.from([0xbe]))),
    ['head 3: unknown'],
    'too short to name a stream',
  );
  t.end();
});

tape('RST_STREAM, GOAWAY, and frames that mean nothing here', (t) => {
  t.deepEqual(
    read(
      frame(3, 0, 5, Buffer.alloc(4)),
      frame(7, 0, 0, Buffer.from([0x80, 0, 0, 7, 0, 0, 0, 0, 1])),
      frame(6, 0, 0, Buffer.alloc(8)),
      frame(8, 0, 1, Buffer.alloc(4)),
      frame(2, 0, 1, Buffer.alloc(5)),
      frame(0xfb, 0xff, 9, 'what is it'),
      frame(4, 1, 0),
      frame(1, 4, 1, GET),
    ),
    ['reset 5', 'goaway 7', 'head 1: GET /'],
  );
  t.end();
});

tape('a block is over when another frame comes in between', (t) => {
  t.deepEqual(read(frame(1, 0, 1, GET), frame(0, 0, 1, 'x')), ['head 1: GET / unknown cut', 'data 1: x']);
  t.deepEqual(read(frame(1, 0, 1, GET), frame(9, 4, 3, GET), frame(1, 4, 5, GET)), ['head 1: GET / unknown cut', 'head 5: GET /']);
  t.deepEqual(
    read(frame(9, 4, 1, GET), frame(1, 4, 3, Buffer.from([0xbe]))),
    ['head 3: unknown'],
    'a continuation of nothing: who knows what it inserted',
  );
  t.end();
});

tape('what the lengths and streams of frames must be', (t) => {
  const good: [number, number, number, number][] = [
    [0, 0, 1, 0],
    [1, 0, 1, 0],
    [1, 8, 1, 1],
    [1, 0x20, 1, 5],
    [1, 0x28, 1, 6],
    [2, 0, 1, 5],
    [3, 0, 1, 4],
    [4, 0, 0, 12],
    [4, 1, 0, 0],
    [5, 0, 1, 4],
    [6, 0, 0, 8],
    [7, 0, 0, 8],
    [8, 0, 0, 4],
    [8, 0, 7, 4],
    [9, 0, 1, 0],
    [10, 0, 0, 16_384],
  ];
  const bad: [number, number, number, number][] = [
    [0, 0, 0, 1],
    [1, 0, 0, 1],
    [1, 8, 1, 0],
    [1, 0x20, 1, 4],
    [1, 0x28, 1, 5],
    [2, 0, 0, 5],
    [2, 0, 1, 4],
    [3, 0, 0, 4],
    [3, 0, 1, 5],
    [4, 0, 1, 6],
    [4, 0, 0, 5],
    [4, 1, 0, 6],
    [5, 0, 0, 4],
    [5, 0, 1, 3],
    [6, 0, 1, 8],
    [6, 0, 0, 7],
    [7, 0, 1, 8],
    [7, 0, 0, 7],
    [8, 0, 0, 5],
    [9, 0, 0, 1],
    [10, 0, 0, 16_385],
  ];
  for (const [type, flags, stream, length] of good) t.ok(isValid({ type, flags, stream, length }), `type ${type}, ${flags}, ${length}`);
  for (const [type, flags, stream, length] of bad)
    t.notOk(isValid({ type, flags, stream, length }), `not type ${type}, ${flags}, ${length}`);
  t.end();
});

tape('how a frame is told from other bytes', (t) => {
  const two = (first: Buffer, second = SETTINGS): Buffer => Buffer.concat([first, second]);
  t.equal(isFrame(SETTINGS, 0, false), 'yes', 'its length is fixed');
  t.equal(isFrame(Buffer.concat([Buffer.from('x'), SETTINGS]), 1, false), 'yes', 'further on');
  t.deepEqual(isFrame(SETTINGS.subarray(0, 8), 0, false), { more: 9 });
  t.equal(isFrame(Buffer.from('text'), 0, false), 'no', 'the first byte of a likely length is 0');
  t.deepEqual(isFrame(frame(0, 0, 1, 'body'), 0, false), { more: 9 + 4 + 9 }, 'DATA: the next header is needed');
  t.equal(isFrame(two(frame(0, 0, 1, 'body')), 0, false), 'yes');
  t.equal(isFrame(two(frame(0, 0, 1, 'body'), Buffer.alloc(9, 'x')), 0, false), 'no');
  for (const type of [1, 5, 9]) t.deepEqual(isFrame(frame(type, 4, 1, 'bodybody'), 0, false), { more: 26 }, `type ${type}, too`);
  t.equal(isFrame(frame(1, 4, 1, GET), 0, true), 'yes', 'a head where one may begin');
  t.deepEqual(isFrame(frame(1, 4, 1, GET).subarray(0, 10), 0, true), { more: 11 });
  t.deepEqual(isFrame(frame(1, 0, 1, GET), 0, true), { more: 20 }, 'a part of a head');
  t.deepEqual(isFrame(frame(1, 4, 1, Buffer.from('\0\x01x\x01y')), 0, true), { more: 23 }, 'without a pseudo-field');
  t.deepEqual(isFrame(frame(1, 4, 1, Buffer.from([0x82, 0x80])), 0, true), { more: 20 }, 'no header block');
  const unlikely: [string, Buffer][] = [
    ['a type beyond CONTINUATION', frame(10, 0, 1, 'x')],
    ['a length that was not agreed on', frame(0, 0, 1, '', 16_385)],
    ['the reserved bit', frame(0, 0, 0x80000001, 'x')],
    ['a flag that is not there', frame(0, 4, 1, 'x')],
    ['many settings', frame(4, 0, 0, Buffer.alloc(17 * 6))],
    ['no stream', frame(0, 0, 0, 'x')],
    ['a head of nothing', frame(1, 4, 1)],
  ];
  for (const [name, bytes] of unlikely) t.equal(isFrame(two(bytes), 0, true), 'no', name);
  t.equal(isFrame(frame(4, 0, 0, Buffer.alloc(16 * 6)), 0, true), 'yes', 'sixteen are few enough');
  t.equal(
    isFrame(two(frame(0, 9, 1, '', 16_384).subarray(0, 9), Buffer.alloc(16_384)).subarray(0, 400), 0, false) === 'no',
    false,
    'as long as may be',
  );
  t.end();
});

tape('a hole in a body, and at its border', (t) => {
  const { direction, take } = listen();
  direction.push(Buffer.concat([SETTINGS, frame(0, 1, 1, 'one two').subarray(0, 12)]));
  direction.gap(2);
  t.deepEqual(take(), ['data 1: one', 'missing 1: 2']);
  direction.push(Buffer.from('wo'));
  t.deepEqual(take(), ['data 1: wo', 'end 1']);
  direction.push(frame(0, 1, 1, 'one').subarray(0, 9));
  direction.gap(3);
  t.deepEqual(take(), ['missing 1: 3', 'end 1'], 'all of it, to the byte');
  direction.push(frame(0, 9, 1, Buffer.from('\x02abcd\0\0', 'latin1')).subarray(0, 11));
  direction.gap(4);
  t.deepEqual(take(), ['data 1: a', 'missing 1: 3'], 'padding is no body');
  direction.push(Buffer.from([0]));
  t.deepEqual(take(), ['end 1']);
  direction.push(frame(0, 8, 1, Buffer.from('\x02abcd\0\0', 'latin1')).subarray(0, 9));
  direction.gap(1);
  t.deepEqual(take(), ['missing 1: 1'], 'the length of the padding is missing');
  direction.push(Buffer.from('abcd\0\0'));
  t.deepEqual(take(), ['data 1: abcd\0\0']);
  direction.push(frame(0, 0, 1, 'one').subarray(0, 10));
  direction.gap(4);
  t.deepEqual(take(), ['data 1: o', 'missing 1: 2', 'lost'], 'a hole beyond the frame');
  direction.push(Buffer.concat([Buffer.from('garbage'), SETTINGS, frame(1, 5, 3, GET)]));
  t.deepEqual(take(), ['head 3: GET /, ends', 'end 3'], 'the next frame is found');
  t.end();
});

tape('a hole in a head', (t) => {
  const { direction, take } = listen();
  direction.push(Buffer.concat([SETTINGS, frame(1, 4, 1, Buffer.from([0x82, 0x84, 0x86])).subarray(0, 11)]));
  direction.gap(1);
  t.deepEqual(take(), ['head 1: GET / unknown cut'], 'what is there of it is read');
  direction.push(frame(1, 0x2c, 1, Buffer.concat([Buffer.alloc(6), GET, Buffer.alloc(4)])).subarray(0, 17));
  direction.gap(4);
  t.deepEqual(take(), ['head 1: GET / unknown cut'], 'after padding and priority');
  direction.push(frame(1, 4, 1, GET).subarray(0, 9));
  direction.gap(1);
  direction.push(GET.subarray(1));
  t.deepEqual(take(), ['head 1: unknown cut'], 'nothing is read after a hole');
  direction.push(frame(1, 4, 1, Buffer.from([0x82, 0x84, 0x87])).subarray(0, 10));
  direction.gap(1);
  direction.push(Buffer.from([0x87]));
  t.deepEqual(take(), ['head 1: GET unknown cut'], 'what was before it is (found by a test: it was dropped)');
  direction.push(frame(1, 0, 1, GET));
  direction.push(frame(9, 4, 1, GET).subarray(0, 9));
  direction.gap(2);
  t.deepEqual(take(), ['head 1: GET / unknown cut'], 'in its continuation');
  direction.push(frame(1, 0, 1, GET));
  direction.push(frame(9, 0, 1, GET).subarray(0, 10));
  direction.gap(1);
  direction.push(frame(9, 4, 1, GET));
  t.deepEqual(take(), ['head 1: GET / unknown cut'], 'and no further');
  direction.push(frame(7, 0, 0, Buffer.alloc(8)).subarray(0, 12));
  direction.gap(5);
  t.deepEqual(take(), [], 'a GOAWAY that names no stream');
  direction.push(frame(1, 4, 1, GET).subarray(0, 4));
  direction.gap(7);
  t.deepEqual(take(), ['lost'], 'in a header');
  t.end();
});

tape('the end: what is being read is given', (t) => {
  const body = listen();
  body.direction.push(Buffer.concat([SETTINGS, frame(0, 1, 1, 'one two').subarray(0, 12)]));
  body.direction.finish();
  t.deepEqual(body.said, ['data 1: one', 'missing 1: 0']);
  t.equal(body.direction.push(SETTINGS), false, 'nothing is read after it');
  body.direction.gap(3);
  t.deepEqual(body.said.length, 2);
  const head = listen();
  head.direction.push(Buffer.concat([SETTINGS, frame(1, 4, 1, GET).subarray(0, 10)]));
  t.ok(head.direction.heldBytes > 0);
  head.direction.finish();
  t.deepEqual(head.said, ['head 1: GET unknown cut']);
  const open = listen();
  open.direction.push(Buffer.concat([SETTINGS, frame(1, 0, 1, GET)]));
  open.direction.finish();
  t.deepEqual(open.said, ['head 1: GET / unknown cut'], 'a block that goes on');
  t.end();
});

tape('joined midway: found by what can confirm it', (t) => {
  const { direction, take } = listen(true);
  t.equal(direction.push(Buffer.from('the middle of some body')), false, 'nothing of it belongs to a frame');
  t.equal(direction.push(frame(0, 0, 1, 'body')), true, 'this may');
  t.deepEqual(take(), []);
  t.equal(direction.push(frame(1, 5, 3, GET)), true);
  t.deepEqual(take(), ['data 1: body', 'head 3: GET /, ends', 'end 3']);
  const last = listen(true);
  last.direction.push(Buffer.concat([Buffer.from('tail'), frame(0, 1, 1, 'body')]));
  t.deepEqual(last.take(), []);
  last.direction.finish();
  t.deepEqual(last.take(), ['data 1: body', 'end 1'], 'nothing follows: one that ends with the bytes is believed');
  const hole = listen(true);
  hole.direction.push(Buffer.concat([Buffer.from('tail'), frame(0, 0, 1, 'body')]));
  hole.direction.gap(10);
  t.deepEqual(hole.take(), ['data 1: body', 'lost']);
  const none = listen(true);
  none.direction.push(Buffer.concat([Buffer.from('tail'), frame(0, 0, 1, 'bod', 4)]));
  none.direction.finish();
  t.deepEqual(none.take(), [], 'one that does not end there is not');
  t.end();
});

tape('an event that ends in garbage is a part of what came before it (found by fuzzing: it was passed and used)', (t) => {
  const { direction, said } = listen();
  direction.push(SETTINGS);
  t.equal(direction.push(Buffer.concat([frame(0, 0, 1, 'body'), Buffer.alloc(40, 'x')])), true);
  t.deepEqual(said, ['data 1: body', 'lost']);
  t.equal(direction.push(Buffer.alloc(40, 'x')), false, 'and the garbage after it of nothing');
  t.equal(direction.push(Buffer.concat([SETTINGS, frame(0, 0, 1, 'more'), Buffer.alloc(40, 'x')])), true, 'nor where a frame was found');
  t.end();
});

tape('a block over the limit: its beginning is read, the same at any cut (found by fuzzing: whole where it came in one piece)', (t) => {
  const block = Buffer.alloc(BLOCK_LIMIT + 1000, 0x84);
  block[0] = 0x82;
  const heads = [block.length + 9, 1000, 70_000].map((size) => {
    const { direction, said } = listen();
    direction.push(SETTINGS);
    const bytes = frame(1, 4, 1, block);
    for (let at = 0; at < bytes.length; at += size) direction.push(bytes.subarray(at, at + size));
    direction.push(frame(1, 4, 3, GET));
    return said;
  });
  t.deepEqual(heads[0], ['head 1: GET / unknown cut', 'head 3: GET /']);
  t.deepEqual(heads[1], heads[0]);
  t.deepEqual(heads[2], heads[0]);
  const exact = read(frame(1, 4, 1, block.subarray(0, BLOCK_LIMIT)));
  t.deepEqual(exact, ['head 1: GET /'], 'as large as may be');
  const many = listen();
  many.direction.push(Buffer.concat([SETTINGS, frame(1, 0, 1, block.subarray(0, BLOCK_LIMIT))]));
  t.ok(many.direction.heldBytes >= BLOCK_LIMIT);
  many.direction.push(frame(9, 0, 1, GET));
  many.direction.push(frame(9, 4, 1, GET));
  t.deepEqual(many.said, ['head 1: GET / unknown limited'], 'in several frames');
  t.end();
});

tape('memory runs short: what is held goes, and the names with it', (t) => {
  const { direction, take } = listen();
  const indexed = Buffer.from('\x40\x01a\x01b', 'latin1');
  direction.push(Buffer.concat([SETTINGS, frame(1, 4, 1, indexed)]));
  t.deepEqual(take(), ['head 1: a b']);
  const held = direction.heldBytes;
  direction.push(frame(1, 0, 1, GET));
  t.ok(direction.heldBytes > held);
  direction.shed();
  t.equal(direction.heldBytes, 0);
  direction.push(frame(9, 4, 1, GET));
  t.deepEqual(take(), ['head 1: unknown cut']);
  direction.push(frame(1, 4, 1, Buffer.from([0xbe])));
  t.deepEqual(take(), ['head 1: unknown']);
  direction.push(frame(1, 4, 1, GET).subarray(0, 10));
  direction.shed();
  direction.push(GET.subarray(1));
  t.deepEqual(take(), ['head 1: unknown cut'], 'in the middle of a frame');
  t.end();
});

tape('a frame begins with the byte being read; a header block of several is one', (t) => {
  let begun = 0;
  const none = (): void => {};
  const handler: Http2Handler = {
    client: none,
    frame: () => begun++,
    head: none,
    promise: none,
    data: none,
    missing: none,
    end: none,
    reset: none,
    goaway: none,
    lost: none,
  };
  const direction = new Http2Direction(handler, false);
  const after = (...pieces: Buffer[]): number => {
    const before = begun;
    for (const piece of pieces) direction.push(piece);
    return begun - before;
  };
  t.equal(after(SETTINGS), 1);
  t.equal(after(SETTINGS.subarray(0, 4), SETTINGS.subarray(4)), 1, 'a header in pieces');
  t.equal(after(frame(0, 0, 1, 'one').subarray(0, 10), frame(0, 0, 1, 'one').subarray(10)), 1);
  t.equal(after(frame(1, 0, 1, GET)), 1);
  t.equal(after(frame(9, 0, 1), frame(9, 4, 1)), 0, 'continued');
  t.equal(after(Buffer.concat([SETTINGS, SETTINGS])), 2);
  t.equal(after(Buffer.alloc(9, 'x')), 1, 'what might be one');
  t.equal(after(Buffer.alloc(9, 'x')), 1, 'a search begins anew with each piece that holds nothing');
  t.equal(after(frame(0, 0, 1, 'body'), SETTINGS), 2, 'found in the bytes that the search began with, and the one behind it');
  t.equal(after(SETTINGS), 1);
  t.end();
});

tape('a head: pseudo-fields, and what is not known of them', (t) => {
  const head = (block: string, { cut = false, limited = false, decoder = new HpackDecoder(true) } = {}): Http2Head =>
    new Http2Head(decoder, Buffer.from(block, 'latin1'), cut, limited);
  const twice = head('\x82\x83\x84');
  t.deepEqual(
    [...twice.pseudo],
    [
      ['method', 'GET'],
      ['path', '/'],
    ],
    'the first one counts',
  );
  t.deepEqual([twice.unknown, twice.cut, twice.fields.limited], [false, false, false]);
  const many = head(Array.from({ length: 20 }, (_, i) => `\0\x02:${String.fromCharCode(97 + i)}\x01x`).join(''));
  t.deepEqual([many.pseudo.size, many.named.size, many.pseudo.get('p'), many.pseudo.has('q')], [16, 16, 'x', false], 'sixteen are enough');
  const midway = new HpackDecoder(false);
  const half = head('\x7f\0\x01a\x7e\0\x01b', { decoder: midway });
  t.deepEqual([half.fields.list, half.unknown], [[], true], 'a value without a name');
  midway.decode(Buffer.from('\x40\x01a\x01b', 'latin1'), () => {});
  t.deepEqual(head('\xbe', { decoder: midway }).fields.list, [['a', 'b']]);
  for (const how of [{ cut: true }, { limited: true }]) {
    const decoder = new HpackDecoder(true);
    const partly = head('\x40\x01a\x01b', { ...how, decoder });
    t.deepEqual([partly.cut, partly.fields.limited, partly.unknown], [how.cut === true, how.limited === true, true]);
    t.equal(
      decoder.decode(Buffer.from([0xbe]), () => {}),
      'unknown',
      'the table is not known after it',
    );
  }
  t.equal(head('\x80').unknown, true, 'a fault');
  t.end();
});

tape('a hole while a frame is looked for, in promises and at the end of padding', (t) => {
  const { direction, take } = listen();
  direction.push(Buffer.concat([SETTINGS, frame(5, 0x0c, 1, Buffer.from([1, 0, 0, 0, 4, 0x82, 0x84, 0])).subarray(0, 16)]));
  direction.gap(1);
  t.deepEqual(take(), ['promise 1 of 4: GET / unknown cut'], 'the padding is in what is missing');
  direction.push(frame(5, 4, 1, Buffer.from([0, 0, 0, 2])));
  t.deepEqual(take(), ['promise 1 of 2: '], 'a promise of nothing');
  direction.push(frame(5, 4, 1, Buffer.from([0, 0, 0, 2, 0x82])).subarray(0, 13));
  direction.finish();
  t.deepEqual(take(), ['promise 1 of 2: unknown cut']);
  const searching = listen(true);
  searching.direction.push(Buffer.from('nothing here'));
  searching.direction.gap(4);
  t.deepEqual(searching.take(), ['lost']);
  searching.direction.push(frame(1, 4, 1, GET));
  t.deepEqual(searching.take(), ['head 1: GET /'], 'a head is believed right behind a hole');
  const further = listen(true);
  further.direction.push(Buffer.from('x'));
  further.direction.push(frame(1, 4, 1, GET));
  t.deepEqual(further.take(), [], 'and not further on');
  further.direction.push(SETTINGS);
  t.deepEqual(further.take(), ['head 1: GET /']);
  const padding = listen();
  padding.direction.push(Buffer.concat([SETTINGS, frame(0, 9, 1, Buffer.from('\x02ab\0\0', 'latin1')).subarray(0, 12)]));
  padding.direction.finish();
  t.deepEqual(padding.take(), ['data 1: ab'], 'nothing of the body is missing');
  t.end();
});
