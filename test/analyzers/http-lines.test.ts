/** What `tracer-http` prints without making events is, byte for byte, what JSON.stringify makes of the events. */
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import { Batch } from '../../lib/stream/batch.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { LineFilter } from '../../lib/stream/line-filter.js';
import { conversations, cuts } from '../support/http-conversations.js';
import { type Piece, recut, sessionEvents, through } from '../support/tls-session.js';

const text = (events: readonly AnyEvent[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

/** As the command does it. */
function asLines(events: readonly AnyEvent[], options: object): string {
  const batch = new Batch();
  const filter = new LineFilter(httpParser(options), batch, { warn: (sentence) => tape.skip(sentence) });
  filter.feed(Buffer.from(text(events)));
  filter.end();
  return Buffer.concat(batch.take()).toString();
}

function differs(events: readonly AnyEvent[], options: object = {}): string | undefined {
  const lines = asLines(events, options).split('\n');
  const printed = text(through(httpParser(options), JSON.parse(`[${text(events).trimEnd().replaceAll('\n', ',')}]`) as AnyEvent[])).split(
    '\n',
  );
  const at = printed.findIndex((line, i) => line !== lines[i]);
  return at < 0 && lines.length === printed.length ? undefined : `${lines[at]}\n${printed[at]}`;
}

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n';
const request: Piece = ['write', 'GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n'];

tape('server-sent events with anything in them', (t) => {
  const field = fc.oneof(
    fc.string({ unit: 'binary' }).map((line) => Buffer.from(line)),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.constantFrom('', 'é', '😀', '{"a":"\\n"}', '\x01\x7f\u2028', '"').map((line) => Buffer.from(line)),
  );
  const part = fc.oneof(
    fc
      .tuple(fc.constantFrom('data: ', 'data:', 'event: ', 'id: ', 'retry: ', ': ', ''), field)
      .map(([name, value]) => Buffer.concat([Buffer.from(name), value])),
    fc.constantFrom('data: {"delta":"a"}', 'event: content_block_delta', 'id: 7', 'retry: 3000', '', '').map((line) => Buffer.from(line)),
  );
  const body = fc
    .array(fc.tuple(part, fc.constantFrom('\n', '\n', '\r\n', '\r', '\n\n')), { maxLength: 12 })
    .map((parts) => Buffer.concat(parts.flatMap(([line, end]) => [line, Buffer.from(end)])));
  fc.assert(
    fc.property(body, cuts, (bytes, sizes) => {
      let i = 0;
      const pieces = recut([request, ['read', head], ['read', bytes]], () => sizes[i++ % sizes.length] as number);
      const found = differs(sessionEvents(pieces));
      if (found !== undefined) t.comment(found);
      return found === undefined;
    }),
    { numRuns: 1500 },
  );
  t.pass('1500 streams');
  t.end();
});

tape('any conversation, in any pieces, with any options', (t) => {
  for (const options of [{}, { streamAll: true }, { sseMerge: true }, { showSecrets: true, bodyLimit: 20 }]) {
    fc.assert(
      fc.property(conversations, cuts, fc.boolean(), ({ pieces }, sizes, open) => {
        let i = 0;
        const recuts = recut(pieces, () => sizes[i++ % sizes.length] as number);
        const found = differs(sessionEvents(recuts, open ? {} : { open: null }), options);
        if (found !== undefined) t.comment(found);
        return found === undefined;
      }),
      { numRuns: 200 },
    );
  }
  t.pass('800 conversations');
  t.end();
});

tape('what is too long to be printed in place, and ids that are no text', (t) => {
  const long = `data: ${'é"\\'.repeat(40_000)}\n\ndata: short\n\n`;
  t.equal(differs(sessionEvents([request, ['read', head], ['read', long]])), undefined, 'an event of 160 KB and one behind it');
  t.equal(differs(sessionEvents([request, ['read', head], ['read', long.slice(6)]]), { streamAll: true }), undefined, 'a piece of it');
  const streamed = sessionEvents([
    request,
    ['read', `${head}data: a\n\ndata: `],
    ['read', 'b\n'],
    ['read', 'c'],
    ['read', '\n\ndata: d\n\n'],
  ]);
  for (const id of [undefined, 7, null, '', '\ud800"\\', { a: 1 }]) {
    const events = streamed.map((event) => (event.event_type === 'ssl_data' ? { ...event, id } : event)) as AnyEvent[];
    t.equal(differs(events), undefined, `id ${JSON.stringify(id)}`);
  }
  for (const pid of [undefined, '7', null, -0.5]) {
    const events = streamed.map((event) => ({ ...event, data: { ...event.data, pid } })) as AnyEvent[];
    t.equal(differs(events), undefined, `pid ${JSON.stringify(pid)}`);
  }
  for (const timestamp of [0, 1.5, 1e21, -3, 1764000000000.25]) {
    const events = streamed.map((event) => ({ ...event, timestamp })) as AnyEvent[];
    t.equal(differs(events), undefined, `timestamp ${timestamp}`);
  }
  t.end();
});
