import fc from 'fast-check';
import test from 'tape';
import { redactor } from '../../lib/analyzers/redact.js';
import { Batch } from '../../lib/stream/batch.js';
import { compose, keeping, passAll } from '../../lib/stream/compose.js';
import { Derived } from '../../lib/stream/derive.js';
import { type AnyEvent, isEvent, type MalformedEvent } from '../../lib/stream/event.js';
import { LineFilter } from '../../lib/stream/line-filter.js';
import { bytesOf } from '../../lib/stream/payload.js';
import type { Stage } from '../../lib/stream/stage.js';
import { assertValid } from '../support/validate.js';

/** Runs an input through a stage and returns the output, as bytes in Latin-1. */
function filtered(stage: Stage, chunks: readonly (Buffer | string)[], limits: { maxLineBytes?: number; maxPieceBytes?: number } = {}) {
  const batch = new Batch();
  const warnings: string[] = [];
  const filter = new LineFilter(stage, batch, { warn: (sentence) => warnings.push(sentence), ...limits });
  const parts: Buffer[] = [];
  for (const chunk of chunks) {
    filter.feed(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    parts.push(...batch.take());
  }
  filter.end();
  parts.push(...batch.take());
  return { text: Buffer.concat(parts).toString('latin1'), warnings, filter };
}

/** Derives one event of two ssl_data. */
function pairs(): Stage {
  const derived = new Derived('pairs');
  let first: AnyEvent | undefined;
  return {
    name: 'pairs',
    consumes: new Set(['ssl_data']),
    transform(event, push) {
      if (!isEvent(event, 'ssl_data') || typeof event.data !== 'object') push(event);
      else if (first === undefined) first = event;
      else {
        push(
          derived.event(
            'http',
            'http_body',
            { exchange: 'a', index: 0, sender: 'client', payload: '' } as never,
            { first: first.id, last: event.id, count: 2 },
            event.timestamp,
          ) as AnyEvent,
        );
        first = undefined;
      }
    },
    flush(push) {
      if (first !== undefined) push(first);
    },
  };
}

const line = (n: number, type: string, rest = ''): string =>
  `{"id":"aaaaaaaaaa-${n}","timestamp":${n}.5,"source":"ssl","event_type":"${type}","data":{}${rest}}\n`;

test('line-filter: what passes has its own bytes, what is derived comes right after its last input', (t) => {
  const odd = '{"id":"x-1", "event_type":"zebra", "n": 1.0}\n';
  const { text } = filtered(pairs(), [odd, line(1, 'ssl_data'), odd, line(2, 'ssl_data'), line(3, 'ssl_open'), odd]);
  const lines = text.split('\n');
  t.deepEqual(
    [lines[0], lines[1], lines[4]].map((each) => `${each}\n`),
    [odd, odd, odd],
  );
  const made = JSON.parse(lines[2] as string) as { from: string[] };
  t.deepEqual(made.from, ['aaaaaaaaaa-1', 'aaaaaaaaaa-2']);
  t.equal(`${lines[3]}\n`, line(3, 'ssl_open'));
  t.end();
});

test('line-filter: the same bytes however the input is cut', (t) => {
  const piece = fc.constantFrom(
    line(1, 'ssl_data'),
    line(2, 'zebra'),
    'junk\n',
    '{"a":1}\r\n',
    '\n',
    'null\n',
    `${'y'.repeat(150)}\n`,
    '{"b":"é"}\n',
    '{"c":',
    '\ufeff',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), fc.array(fc.nat(), { maxLength: 10 }), (pieces, places) => {
      const bytes = Buffer.from(pieces.join(''));
      const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
      const chunks = [0, ...at].map((from, i) => Buffer.from(bytes.subarray(from, at[i] ?? bytes.length)));
      const limits = { maxLineBytes: 120, maxPieceBytes: 50 };
      return filtered(pairs(), [Buffer.from(bytes)], limits).text === filtered(pairs(), chunks, limits).text;
    }),
    { numRuns: 3000 },
  );
  t.pass('random cuts');
  t.end();
});

test('line-filter: nothing that comes in is lost, and what goes out is NDJSON', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(10, 13, 0x22, 0x7b, 0x7d, 0x3a, 0x31), fc.nat(255)), { maxLength: 300 }), (array) => {
      const bytes = Buffer.from(array);
      const { text } = filtered(passAll, [bytes], { maxLineBytes: 60, maxPieceBytes: 16 });
      const given: string[] = [];
      for (const each of text.split('\n').slice(0, -1)) {
        const event = JSON.parse(Buffer.from(each, 'latin1').toString()) as MalformedEvent;
        if (event.event_type !== 'malformed') {
          given.push(each);
          continue;
        }
        const content = bytesOf(event.data)?.toString('latin1') ?? '';
        if ((event.data.offset ?? 0) > 0) given[given.length - 1] += content;
        else given.push(content);
      }
      const expected = bytes
        .toString('latin1')
        .split('\n')
        .map((each) => each.replace(/\r$/, '').replace(/^\xef\xbb\xbf/, ''))
        .filter((each) => !/^[ \t\r]*$/.test(each))
        .join('\n');
      return given.join('\n') === expected;
    }),
    { numRuns: 5000 },
  );
  t.pass('random bytes');
  t.end();
});

test('line-filter: malformed events are dated by the event before them, counted by line, and valid', (t) => {
  const { text, filter } = filtered(passAll, ['bad\n', line(7, 'zebra'), '\n', '{"a":\n', '[]\n']);
  const events = text
    .split('\n')
    .filter((each) => each.includes('"malformed"'))
    .map((each) => JSON.parse(each) as { timestamp: number; data: { line: number; reason: string } });
  t.deepEqual(
    events.map((event) => [event.timestamp, event.data.line, event.data.reason]),
    [
      [0, 1, 'not JSON: column 1'],
      [7.5, 4, 'not JSON: ends too early'],
      [7.5, 5, 'JSON, but not an object'],
    ],
  );
  t.equal(filter.malformed, 3);
  assertValid(t, events);
  t.end();
});

test('line-filter: a passed line is looked at too: what is no JSON object never passes', (t) => {
  const broken = line(1, 'zebra').replace('}\n', '\n');
  const { text } = filtered(passAll, [broken]);
  t.equal((JSON.parse(text) as AnyEvent).event_type, 'malformed');
  t.end();
});

test('line-filter: a newer contract is passed on unread, with one warning', (t) => {
  const start = line(1, 'sensor_start').replace('"data":{}', '"data":{"contract":2}');
  const input = [start, line(2, 'ssl_data'), line(3, 'ssl_data'), start.replace('-1', '-4')];
  const { text, warnings } = filtered(pairs(), input);
  t.equal(text, input.join(''));
  t.equal(warnings.length, 1, warnings[0] ?? '');
  t.end();
});

test('line-filter: secrets of a newer contract do not pass, alone or among others', (t) => {
  const secret = 'sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789';
  const start = line(1, 'sensor_start').replace('"data":{}', '"data":{"contract":2}');
  const other = `{"id":"other-1","timestamp":3,"source":"ssl","event_type":"ssl_open","data":{"conn":"1"}}\n`;
  const input = [start, line(2, 'ssl_data').replace('"data":{}', `"data":{"x":"${secret}"}`), line(3, 'zebra'), other];
  const seen: unknown[] = [];
  const looks: Stage = {
    name: 'looks',
    transform(event, push) {
      seen.push(event.id);
      push(event);
    },
    flush() {},
  };
  for (const stages of [[redactor()], [redactor(), looks], [looks, redactor()], [passAll, looks, redactor(), passAll]]) {
    seen.length = 0;
    const { text, warnings } = filtered(compose(stages), input);
    t.equal(text, input.join('').replace(secret, 'redacted:r1'), stages.map(({ name }) => name).join(' | '));
    t.equal(warnings.length, stages.length === 1 ? 0 : 1);
    t.deepEqual(seen, stages.includes(looks) ? ['other-1'] : [], 'nobody else reads them');
  }
  const broken: Stage = {
    name: 'broken',
    readsAnyVersion: true,
    transform() {
      throw new Error('bug');
    },
    flush() {},
  };
  t.equal(filtered(compose([passAll, broken]), [line(1, 'a')]).text, '', 'what could not be looked at is left out');
  t.end();
});

test('line-filter: a stage that throws loses no event', (t) => {
  const stage: Stage = {
    name: 'broken',
    transform() {
      throw new Error('bug');
    },
    flush() {},
  };
  const { text, filter } = filtered(stage, [line(1, 'a'), line(2, 'b')]);
  t.equal(text, line(1, 'a') + line(2, 'b'));
  t.equal(filter.failures, 2);
  t.end();
});

test('compose: several stages in one are the same as one after the other', (t) => {
  const type = fc.constantFrom('ssl_data', 'zebra', 'http_body', 'malformed');
  const input = fc.array(
    fc.oneof(
      type.map((each) => line(1, each)),
      fc.constantFrom('junk\n', ' {"a": 1}\n'),
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(input, (lines) => {
      const numbered = lines.map((each, i) => each.replace('aaaaaaaaaa-1', `aaaaaaaaaa-${i + 1}`));
      const first = filtered(pairs(), numbered).text;
      const second = filtered(keeping(pairs()), [Buffer.from(first, 'latin1')]).text;
      return filtered(compose([pairs(), keeping(pairs())]), numbered).text === second;
    }),
  );
  t.pass('random streams');
  t.end();
});

test('--keep: consumed events pass before what is made of them, each once', (t) => {
  const { text } = filtered(keeping(pairs()), [line(1, 'ssl_data'), line(2, 'ssl_data'), line(3, 'ssl_data')]);
  const types = text
    .trim()
    .split('\n')
    .map((each) => (JSON.parse(each) as AnyEvent).event_type);
  t.deepEqual(types, ['ssl_data', 'ssl_data', 'http_body', 'ssl_data']);
  t.end();
});

test('batch: neighbours that pass are one part, long ones are not copied', (t) => {
  const batch = new Batch();
  const chunk = Buffer.from(`${'a'.repeat(9000)}\n${'b'.repeat(9000)}\nc\n`);
  batch.line(chunk, 0, 9000);
  batch.line(chunk, 9001, 18001);
  batch.line(chunk, 18002, 18003);
  const parts = batch.take();
  t.equal(parts.length, 1);
  t.equal(parts[0]?.buffer, chunk.buffer, 'the input itself');
  t.deepEqual(batch.take(), []);
  batch.text('é'.repeat(100_000));
  batch.text('!');
  t.equal(Buffer.concat(batch.take()).toString(), `${'é'.repeat(100_000)}!`);
  t.end();
});
