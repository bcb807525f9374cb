import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import tape from 'tape';
import { type SseMessage, SseParser } from '../../lib/protocols/sse.js';

type Said = [event: string, data: string, id: string, retry: number | undefined];

function parse(pieces: readonly (Buffer | 'gap')[], limit?: number): { said: Said[]; limited: boolean[] } {
  const parser = new SseParser(limit);
  const said: Said[] = [];
  const limited: boolean[] = [];
  const emit = (message: SseMessage): void => {
    said.push([message.event, message.data.toString(), message.lastEventId, message.retryMs]);
    limited.push(message.limited);
  };
  for (const piece of pieces) {
    if (piece === 'gap') parser.gap();
    else parser.push(piece, emit);
  }
  return { said, limited };
}

const text = (...pieces: string[]): Said[] => parse(pieces.map((piece) => Buffer.from(piece))).said;

tape('fields, comments, and the end of an event', (t) => {
  t.deepEqual(text('data: a\n\n'), [['message', 'a', '', undefined]]);
  t.deepEqual(text('data:a\ndata\ndata:  b\n\n'), [['message', 'a\n\n b', '', undefined]], 'lines are joined; one blank goes');
  t.deepEqual(
    text(': note\nevent: x\nid: 1\nretry: 20\ndata: y\n\ndata: z\n\n'),
    [
      ['x', 'y', '1', 20],
      ['message', 'z', '1', undefined],
    ],
    'the id stays',
  );
  t.deepEqual(text('event: x\n\ndata: y\n\n'), [['message', 'y', '', undefined]], 'no data, no event');
  t.deepEqual(text('data:\n\n'), [['message', '', '', undefined]], 'empty data is data');
  t.deepEqual(
    text('id: 1\ndata: a\n\nid: b\0d\ndata: b\n\nid\ndata: c\n\n').map(([, , id]) => id),
    ['1', '1', ''],
    'no NUL in an id; an empty one resets it',
  );
  t.deepEqual(text('retry: 1x\nretry: -1\ndata: a\n\n'), [['message', 'a', '', undefined]], 'digits only');
  t.deepEqual(text('dataset: a\ndat: b\nDATA: c\nunknown: d\n\n'), [], 'other names mean nothing');
  t.deepEqual(text('data: never ended'), [], 'an event without its blank line is none');
  t.end();
});

tape('CR, LF, CRLF and a byte order mark, at any border', (t) => {
  t.deepEqual(
    text('\u{feff}data: a\r\rdata: b\r\n\r\ndata: c\n\n').map(([, data]) => data),
    ['a', 'b', 'c'],
  );
  t.deepEqual(
    text('data: a\r', '\n\r', '\ndata: b\r', '\r').map(([, data]) => data),
    ['a', 'b'],
  );
  t.deepEqual(
    text('data: a\n\n\u{feff}data: b\n\n').map(([, data]) => data),
    ['a'],
    'only at the beginning',
  );
  t.end();
});

tape('after a gap nothing is believed before the next blank line', (t) => {
  const { said } = parse([Buffer.from('data: one\n\ndata: tw'), 'gap', Buffer.from('o\ndata: x\n\ndata: three\n\n')]);
  t.deepEqual(
    said.map(([, data]) => data),
    ['one', 'three'],
  );
  t.end();
});

tape('an event over the limit is cut, and says so; the next one is whole', (t) => {
  for (const pieces of [
    [`data: ${'x'.repeat(100)}\n\ndata: y\n\n`],
    [`data: ${'x'.repeat(30)}`, 'x'.repeat(70), '\n\ndata: y\n\n'],
    [`data: a\ndata: ${'x'.repeat(100)}\n\ndata: y\n\n`],
  ]) {
    const { said, limited } = parse(
      pieces.map((piece) => Buffer.from(piece)),
      40,
    );
    t.deepEqual(limited, [true, false]);
    t.ok((said[0]?.[1].length as number) <= 40 && said[1]?.[1] === 'y');
  }
  t.end();
});

const lines = fc.array(
  fc.constantFrom(
    'data',
    'data:',
    'data: x',
    'data:  \u20ac',
    'event: e',
    'event:',
    'id: 7',
    'id',
    'retry: 10',
    'retry: ten',
    ': c',
    'unknown: 1',
    '',
    '',
    '{"a": 1}',
    'data: a:b',
  ),
  { maxLength: 25 },
);

tape('what eventsource-parser says, however it is cut', (t) => {
  fc.assert(
    fc.property(
      lines,
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (list, end, sizes) => {
        const stream = list.map((line) => line + end).join('') + end;
        const theirs: string[] = [];
        const parser = createParser({ onEvent: (event) => void theirs.push(JSON.stringify([event.event ?? 'message', event.data])) });
        parser.feed(`${stream}\n`);
        const bytes = Buffer.from(`${stream}\n`);
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const n = sizes[i % sizes.length] as number;
          pieces.push(bytes.subarray(at, at + n));
          at += n;
        }
        const ours = parse(pieces).said;
        const whole = parse([bytes]).said;
        return (
          JSON.stringify(ours) === JSON.stringify(whole) &&
          JSON.stringify(ours.map(([event, data]) => JSON.stringify([event, data]))) === JSON.stringify(theirs)
        );
      },
    ),
    { numRuns: 1500 },
  );
  t.pass('1500 streams');
  t.end();
});

tape('between two events nothing is held, and it says so', (t) => {
  const parser = new SseParser();
  const feed = (bytes: string): boolean => {
    parser.push(Buffer.from(bytes), () => {});
    return parser.idle;
  };
  t.deepEqual([parser.idle, parser.heldBytes], [true, 0]);
  t.equal(feed('da'), false, 'a part of a line');
  t.ok(parser.heldBytes >= 2);
  t.equal(feed('ta: x\n'), false, 'data');
  t.equal(feed('\n'), true);
  t.equal(feed('event: e\n'), false, 'a name');
  t.equal(parser.heldBytes, 1);
  t.equal(feed('\n'), true);
  t.equal(feed('id: 12\n'), true, 'an id alone is no event');
  t.equal(parser.heldBytes, 2, 'but is held');
  parser.push(Buffer.from('event: abc\ndata: x\nda'), () => {});
  t.equal(parser.heldBytes, 2 + 3 + 64 + 64, 'a line, data, a name, an id');
  const small = new SseParser(4);
  small.push(Buffer.from('data: xy'), () => {});
  t.equal(small.idle, false);
  small.gap();
  t.deepEqual([small.idle, small.heldBytes], [true, 0], 'after a hole neither');
  t.end();
});

tape('limits, to the byte', (t) => {
  const of = (limit: number, ...pieces: string[]): [string, boolean] | undefined => {
    const { said, limited } = parse(
      pieces.map((piece) => Buffer.from(piece)),
      limit,
    );
    return said[0] && [said[0][1], limited[0] as boolean];
  };
  t.deepEqual(of(8, 'data: xy\n\n'), ['xy', false], 'a line as long as may be');
  t.deepEqual(of(7, 'data: xy\n\n'), ['x', true]);
  t.deepEqual(of(7, 'data', ': ', 'xy\n\n'), ['x', true], 'in pieces');
  t.deepEqual(of(8, 'data', ': ', 'xy\n', '\n'), ['xy', false]);
  t.deepEqual(of(10, 'data: xy\ndata: z\n\n'), ['xy\nz', false], 'two lines');
  t.deepEqual(of(9, 'data: xy\ndata:zz\n\n'), ['xy\nzz', false]);
  t.deepEqual(of(8, 'data: xy\ndata:zz\n\n'), ['xy\nz', true], 'what data there is leaves less for a line');
  t.deepEqual(of(8, 'data: xy\nda', 'ta:zz\n\n'), ['xy\nz', true]);
  t.deepEqual(of(8, 'data: xy', '', 'z', '\n\n'), ['xy', true]);
  t.end();
});

tape('byte order marks, line ends and holes at odd places', (t) => {
  const data = (...pieces: (Buffer | string)[]): string[] =>
    parse(pieces.map((piece) => (piece === 'gap' ? 'gap' : Buffer.from(piece as string)))).said.map(([, its]) => its);
  const bom = (...bytes: number[]): Buffer => Buffer.concat([Buffer.from(bytes), Buffer.from('data: a\n\n')]);
  t.deepEqual(data(bom(0xef, 0xbb, 0xbf)), ['a']);
  for (const other of [
    [0xef, 0xbb, 0xbe],
    [0xef, 0xba, 0xbf],
    [0xee, 0xbb, 0xbf],
    [0xef, 0xbb],
  ])
    t.deepEqual(data(bom(...other)), [], 'nearly one');
  t.deepEqual(data(Buffer.from([0xef, 0xbb, 0xbf, 0x0a]), 'data: a\n\n'), ['a'], 'alone on its line');
  t.deepEqual(data('\ndata: a\n\n'), ['a'], 'an LF at the beginning is a line end');
  t.deepEqual(data('data: a\r', '', '\n\r', '\n'), ['a']);
  t.deepEqual(data('data: a\r', 'data: b\n\n'), ['a\nb'], 'a CR, and no LF');
  t.deepEqual(data('data: a\r', '\ndata: b\n', '\n'), ['a\nb']);
  t.deepEqual(data('x\r', 'gap', '\ndata: b\n\n'), ['b'], 'the LF after a hole is a blank line');
  t.deepEqual(data('gap', bom(0xef, 0xbb, 0xbf), 'data: b\n\n'), ['b'], 'no mark after a hole');
  t.deepEqual(data('data:x\n\ndata:\n\ndata: \n\ndata\n\n'), ['x', '', '', '']);
  t.deepEqual(data('d\n\ndat: x\n\ndatb: x\n\ndata x\n\nidea: x\n\n'), [], 'nearly a field');
  t.end();
});

tape('names of events repeat, or nearly', (t) => {
  const names = [
    'delta',
    'delta',
    'deltb',
    'elta',
    'delta',
    '',
    'x'.repeat(256),
    'x'.repeat(256),
    'y'.repeat(257),
    'y'.repeat(256),
    'z'.repeat(257),
  ];
  const stream = names.map((name) => `: padding\nevent: ${name}\ndata: x\n\n`).join('');
  t.deepEqual(
    text(stream).map(([event]) => event),
    names.map((name) => name || 'message'),
  );
  t.end();
});
