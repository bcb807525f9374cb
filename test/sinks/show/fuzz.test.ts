/** No event can make tracer-show throw, or write anything that drives a terminal. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import test from 'tape';
import { DESCRIBED } from '../../../lib/sinks/show/lines.js';
import { type ShowOptions, show } from '../../../lib/sinks/show.js';
import type { AnyEvent } from '../../../lib/stream/event.js';
import { Conversation, delta } from './conversation.js';

/** Controls but newline, format characters but joiners, surrogates without partner, line separators. */
const DRIVES = /(?!\n)[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u;
const SGR = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');

function shown(events: readonly AnyEvent[], options: ShowOptions, terminal: { color: boolean; columns: number }): string {
  const sink = show(options, terminal);
  let out = '';
  const write = (text: string): void => {
    out += text;
  };
  for (const event of events) sink.transform(event, write);
  sink.flush(write);
  return out;
}

const nasty = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom(
    '\x1b]0;title\x07',
    '\x1b[2J',
    '\u202e',
    '\u{e0041}',
    '\ud800',
    '\r\n',
    'data:image/png;base64,AAAA',
    'a\u200db',
    '\x9b31m',
    '[DONE]',
  ),
);
const NAMES = [
  'pid',
  'comm',
  'conn',
  'exchange',
  'role',
  'method',
  'host',
  'path',
  'headers',
  'body',
  'body_b64',
  'status',
  'streamed',
  'payload',
  'data',
  'event',
  'sender',
  'end',
  'events',
  'args',
  'lost',
  'scope',
  'probes',
  'partial',
  'opcode',
  'type',
  'content',
  'messages',
  'choices',
  'delta',
  'tool_calls',
  'function',
  'usage',
  'index',
  'content_block',
  'input',
  'model',
  'tools',
  'error',
  'output',
  'response',
  'item',
  'text',
  'role',
  'name',
  'id',
  'arguments',
];
const TYPES = [
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'tool_use',
  'tool_result',
  'text',
  'thinking',
  'message',
  'function_call',
  'function_call_output',
  'reasoning',
  'image',
  'response.output_item.done',
  'response.completed',
  'response.output_text.delta',
  'input_json_delta',
  'text_delta',
  'error',
];

const { value } = fc.letrec<{ value: unknown; object: Record<string, unknown> }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    nasty,
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom(...TYPES, 'client', 'server'),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: nasty }), tie('value'), {
    maxKeys: 6,
  }),
}));

/** Events of known types whose facts are anything, and whose texts are sometimes JSON of anything. */
const event = fc
  .record({
    id: fc.constant('a-1'),
    timestamp: fc.oneof(fc.double(), fc.constant(1764000000000), fc.string()),
    source: nasty,
    event_type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...DESCRIBED) }, { weight: 1, arbitrary: nasty }),
    data: fc.oneof(
      {
        weight: 9,
        arbitrary: fc.dictionary(
          fc.constantFrom(...NAMES),
          fc.oneof(
            value,
            value.map((it) => JSON.stringify(it)),
            fc.constantFrom('1.2.3/1', '1.2.4/1', true),
          ),
          { maxKeys: 12 },
        ),
      },
      { weight: 1, arbitrary: value },
    ),
  })
  .map((it) => it as unknown as AnyEvent);

const OPTIONS: [string, ShowOptions][] = [
  ['one line per event', {}],
  ['--chat', { chat: true }],
  ['--chat --full --show-secrets', { chat: true, full: true, showSecrets: true }],
];

for (const [name, options] of OPTIONS) {
  test(`fuzz: ${name}: any events, nothing that drives a terminal`, (t) => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), fc.boolean(), fc.constantFrom(0, 20, 80), (events, color, columns) => {
        const text = shown(events, options, { color, columns });
        return !DRIVES.test(color ? text.replace(SGR, '') : text);
      }),
      { numRuns: 700 },
    );
    t.pass('700 streams');
    t.end();
  });
}

test('fuzz: any JSON object is borne', (t) => {
  fc.assert(
    fc.property(fc.object(), (object) => {
      for (const [, options] of OPTIONS) shown([object as AnyEvent], options, { color: false, columns: 80 });
    }),
    { numRuns: 500 },
  );
  t.pass('500 objects');
  t.end();
});

test('hostile: nesting as deep as a line allows', (t) => {
  const deep = (open: string, close: string, n: number): string => open.repeat(n) + close.repeat(n);
  for (const body of [
    deep('[', ']', 500_000),
    `{"messages":${deep('[{"role":"user","content":', '"x"}]', 1)}}`,
    deep('{"a":', '}', 100_000).replace('{"a":}', '{"a":1}'),
  ]) {
    t.doesNotThrow(() => new Conversation().request('1/1', '/', body).response('1/1', body).shown({ full: true }));
  }
  const nested = `{"type":"message","content":${'[{"type":"tool_result","content":'.repeat(50_000)}"x"${'}]'.repeat(50_000)}}`;
  t.doesNotThrow(() => new Conversation().response('1/1', nested).shown());
  const result: unknown = JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`);
  t.doesNotThrow(() =>
    shown(
      [
        { event_type: 'x', data: result } as AnyEvent,
        {
          event_type: 'sse_event',
          data: { exchange: 'e', data: JSON.stringify({ type: 'content_block_start', content_block: { type: 'tool_use' } }) },
        } as AnyEvent,
      ],
      { chat: true },
      { color: false, columns: 0 },
    ),
  );
  t.end();
});

test('hostile: floods are bounded', (t) => {
  const many = new Conversation();
  for (let n = 0; n < 5000; n++) many.head(`${n}/1`).sse(`${n}/1`, delta(`text ${n}`));
  const text = many.shown();
  t.ok(text.includes('text 0') && text.includes('text 4999'), '5,000 streams at once');

  const spaces = new Conversation().head('1/1');
  for (let n = 0; n < 20_000; n++) spaces.sse('1/1', delta(' '.repeat(50)));
  t.ok(spaces.shown().length < 1000, 'a million spaces');

  const calls = new Conversation().head('1/1');
  for (let n = 0; n < 20_000; n++)
    calls.sse('1/1', { type: 'content_block_start', index: n, content_block: { type: 'tool_use', name: 'x', input: {} } });
  t.ok(calls.shown().includes('tool call'), '20,000 open calls');
  const sink = show({ chat: true }, { color: false, columns: 0 });
  let [told, now] = ['', 0];
  const feed = (c: Conversation): void => {
    now += 3000;
    for (const one of c.events) sink.transform({ ...one, timestamp: now }, (text) => (told += text.slice(0, 200)));
  };
  for (let n = 0; n < 120; n++) {
    feed(
      new Conversation()
        .head(`${n}/1`)
        .sse(`${n}/1`, { type: 'content_block_start', index: 0, content_block: { type: 'tool_use', name: 'hoard', input: {} } }),
    );
    for (let m = 0; m < 5; m++) {
      const partial_json = String(m).repeat(1_000_000);
      feed(new Conversation().sse(`${n}/1`, { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json } }));
    }
  }
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed } = process.memoryUsage();
  t.ok(heapUsed < 250_000_000, `600 MB of arguments that never end: ${Math.round(heapUsed / 1e6)} MB held`);
  sink.flush((text) => (told += text.slice(0, 200)));
  t.ok(told.includes('tool call   hoard'), 'and the last of them are told');
  t.end();
});
