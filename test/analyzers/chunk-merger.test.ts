import fc from 'fast-check';
import tape from 'tape';
import { type ChunkLimits, chunkMerger } from '../../lib/analyzers/chunk-merger.js';
import type { AnyEvent, SslData } from '../../lib/stream/event.js';
import { bytesOf } from '../../lib/stream/payload.js';
import { type Piece, Recorder, recut, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const data = (events: readonly AnyEvent[]): SslData[] =>
  events.filter((event) => event.event_type === 'ssl_data').map((event) => event.data as SslData);

function joined(pieces: readonly Piece[], limits: Partial<ChunkLimits> = {}, step = 0.125): [string, number, string | undefined][] {
  return data(through(chunkMerger(limits), sessionEvents(pieces, { step }))).map((d) => [d.direction, d.offset, d.payload]);
}

tape('consecutive bytes of one direction are joined until it turns', (t) => {
  const events = through(
    chunkMerger(),
    sessionEvents([
      ['write', 'GET '],
      ['write', '/ '],
      ['write', 'HTTP'],
      ['read', 'one'],
      ['write', 'two'],
    ]),
  );
  t.deepEqual(
    data(events).map((d) => [d.direction, d.offset, d.total_bytes, d.captured_bytes, d.payload]),
    [
      ['write', 0, 10, 10, 'GET / HTTP'],
      ['read', 0, 3, 3, 'one'],
      ['write', 10, 3, 3, 'two'],
    ],
  );
  const { from, from_count } = events[1] as { from?: string[]; from_count?: number };
  t.deepEqual([from, from_count], [['q7f3k2m9xd-2', 'q7f3k2m9xd-4'], 3]);
  t.equal(events.at(-1)?.event_type, 'ssl_close', 'the bytes come before the close');
  assertValid(t, events);
  t.end();
});

tape('a gap, 1 MiB and 1 s end a chunk', (t) => {
  t.deepEqual(
    joined([
      ['read', 'a'],
      ['read', 5],
      ['read', 'b'],
    ]),
    [
      ['read', 0, 'a'],
      ['read', 6, 'b'],
    ],
    'a gap',
  );
  t.deepEqual(
    joined(
      [
        ['read', 'abc'],
        ['read', 'de'],
        ['read', 'f'],
      ],
      { bytes: 5 },
    ),
    [
      ['read', 0, 'abcde'],
      ['read', 5, 'f'],
    ],
    'size',
  );
  t.deepEqual(
    joined(
      [
        ['read', 'a'],
        ['read', 'b'],
        ['read', 'c'],
        ['read', 'd'],
      ],
      {},
      600,
    ),
    [
      ['read', 0, 'ab'],
      ['read', 2, 'cd'],
    ],
    'time',
  );
  t.end();
});

tape('an event that lacks bytes passes by itself, in its place', (t) => {
  const recorder = new Recorder();
  recorder.session().data('read', 'a').event('read', Buffer.from('b'), 9).data('read', 'c').close();
  t.deepEqual(
    data(through(chunkMerger(), recorder.events)).map((d) => [d.offset, d.total_bytes, d.payload]),
    [
      [0, 1, 'a'],
      [1, 9, 'b'],
      [10, 1, 'c'],
    ],
  );
  t.end();
});

tape('sessions are kept apart and bounded; nothing is lost', (t) => {
  const pieces = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom('read', 'write'), fc.uint8Array({ minLength: 1, maxLength: 20 })),
    { maxLength: 60 },
  );
  const limits = fc.record({
    bytes: fc.integer({ min: 1, max: 50 }),
    sessions: fc.integer({ min: 1, max: 3 }),
    heldBytes: fc.integer({ min: 1, max: 60 }),
  });
  const streams = (events: readonly AnyEvent[]): string => {
    const out = new Map<string, Buffer>();
    for (const d of data(events)) {
      const key = `${d.conn} ${d.direction}`;
      const before = out.get(key) ?? Buffer.alloc(0);
      if (before.length !== d.offset) return 'out of place';
      out.set(key, Buffer.concat([before, bytesOf(d) as Buffer]));
    }
    return JSON.stringify([...out].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, bytes]) => [key, bytes.toString('base64')]));
  };
  fc.assert(
    fc.property(pieces, limits, (list, bounds) => {
      const recorder = new Recorder(70);
      const sessions = [0, 1, 2, 3].map((n) => recorder.session({ pid: n + 1, conn: `${n}.1.1`, open: null }));
      for (const [n, direction, bytes] of list) sessions[n]?.data(direction as 'read' | 'write', Buffer.from(bytes));
      return streams(recorder.events) === streams(through(chunkMerger(bounds), recorder.events));
    }),
    { numRuns: 300 },
  );
  t.pass('300 mixtures');
  t.end();
});

tape('what speaks of a process or a loss does not overtake its bytes', (t) => {
  const recorder = new Recorder();
  recorder.session().data('read', 'a');
  const meta = (event_type: string, d: object): AnyEvent => ({
    id: 'x-1',
    timestamp: 1764000000000.5,
    source: 'meta',
    event_type,
    data: d,
  });
  for (const last of [
    meta('process_exit', { pid: 1841, exit_code: 0 }),
    meta('loss', { where: 'ring', lost: 1 }),
    meta('sensor_end', {}),
  ]) {
    const events = through(chunkMerger(), [...recorder.events, last]);
    t.deepEqual(
      events.map((event) => event.event_type),
      ['ssl_open', 'ssl_data', last.event_type],
    );
  }
  const other = through(chunkMerger(), [...recorder.events, meta('process_exit', { pid: 7, exit_code: 0 })]);
  t.equal(other.at(-1)?.event_type, 'ssl_data', 'another process has no say');
  t.deepEqual(
    through(chunkMerger(), [{ event_type: 'ssl_data' }, { event_type: 'ssl_data', data: 7 }]),
    [{ event_type: 'ssl_data' }, { event_type: 'ssl_data', data: 7 }],
    'malformed ones pass',
  );
  t.end();
});

tape('however it is cut, a chunk is the same', (t) => {
  const pieces: Piece[] = [
    ['write', 'x'.repeat(100)],
    ['read', 'y'.repeat(50)],
  ];
  t.deepEqual(joined(recut(pieces, () => 7)), joined(pieces));
  t.end();
});
