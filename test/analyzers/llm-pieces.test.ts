/** Pieces of an answer that are read without JSON.parse say what JSON.parse says, and server-sent events that are handed over as bytes what the events say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import { anthropic } from '../../lib/analyzers/llm/anthropic.js';
import type { Api } from '../../lib/analyzers/llm/api.js';
import { chatCompletions } from '../../lib/analyzers/llm/openai.js';
import { RepeatedPiece } from '../../lib/analyzers/llm/repeated.js';
import { llm } from '../../lib/analyzers/llm.js';
import { compose } from '../../lib/stream/compose.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { utf8Text } from '../../lib/stream/payload.js';
import { ROOT } from '../support/harness.js';
import { through } from '../support/tls-session.js';

const openai = chatCompletions('openai.chat_completions');

/** Reads pieces as a call does. Returns what was read, and how many were not parsed. */
function readAll(api: Api, pieces: readonly Buffer[]): { values: string[]; unparsed: number } {
  const repeated = new RepeatedPiece(api);
  let unparsed = 0;
  const values = pieces.map((data) => {
    const like = repeated.read(data);
    if (like !== undefined) {
      unparsed++;
      return JSON.stringify(like);
    }
    const json = utf8Text(data);
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch {
      return '(not JSON)';
    }
    repeated.learn(data, json, value);
    return JSON.stringify(value);
  });
  return { values, unparsed };
}

function parsedAll(pieces: readonly Buffer[]): string[] {
  return pieces.map((data) => {
    try {
      return JSON.stringify(JSON.parse(utf8Text(data)));
    } catch {
      return '(not JSON)';
    }
  });
}

const delta = (inner: object, index = 0): string => JSON.stringify({ type: 'content_block_delta', index, delta: inner });
const chunk = (inner: object, more: object = {}): string =>
  JSON.stringify({
    id: 'c',
    object: 'chat.completion.chunk',
    model: 'm',
    choices: [{ index: 0, delta: inner, finish_reason: null }],
    ...more,
  });

tape('pieces like the one before them are read without being parsed', (t) => {
  const said = ['Hel', 'lo', '', '"quoted"', 'é “x” 😀', 'a\\nb\n', '\u0000', '\ud800'];
  for (const [api, make] of [
    [anthropic, (text: string) => delta({ type: 'text_delta', text })],
    [anthropic, (partial_json: string) => delta({ type: 'input_json_delta', partial_json })],
    [openai, (content: string) => chunk({ content })],
    [openai, (args: string) => chunk({ tool_calls: [{ index: 0, function: { arguments: args } }] })],
  ] as [Api, (text: string) => string][]) {
    const pieces = said.map((text) => Buffer.from(make(text)));
    const { values, unparsed } = readAll(api, pieces);
    t.deepEqual(values, parsedAll(pieces));
    t.equal(unparsed, said.length - 1);
  }
  t.end();
});

tape('pieces that only look alike are parsed', (t) => {
  const first = delta({ type: 'text_delta', text: 'one' });
  for (const other of [
    first.replace('one', 'o"ne'),
    first.replace('one', 'one\\'),
    first.replace('one', 'o\nne'),
    first.replace('one', 'one","text":"two'),
    first.replace('"text":"one"', '"text":null'),
    first.replace(':0', ':1'),
    `${first} `,
    first.slice(0, -1),
    first.slice(0, 20),
  ]) {
    const pieces = [first, other, first].map((text) => Buffer.from(text));
    t.deepEqual(readAll(anthropic, pieces).values, parsedAll(pieces), other);
  }
  // A member that stands twice: the last one counts, wherever the text is looked for.
  for (const twice of [
    '{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"},"x":{"text":"a"}}',
    '{"type":"content_block_delta","delta":{"text":"a"},"delta":{"type":"text_delta","text":"a"}}',
    '{"type":"content_block_delta","delta":{"type":"text_delta","text":"a","text":"a"}}',
    '{"type":"content_block_delta","delta":{"type":"text_delta","text" : "a"}}',
  ]) {
    const pieces = [twice, twice.replace(/a"(?!.*a")/, 'b"'), twice.replace('"a"', '"b"'), twice].map((text) => Buffer.from(text));
    t.deepEqual(readAll(anthropic, pieces).values, parsedAll(pieces), twice);
  }
  t.end();
});

tape('whatever the pieces are: what JSON.parse gives', (t) => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('"', '\\', 'text', '"text":"', 'content'));
  const one = fc.oneof(
    text.map((said) => delta({ type: 'text_delta', text: said })),
    text.map((said) => delta({ type: 'thinking_delta', thinking: said }, 1)),
    fc.tuple(text, text).map(([said, other]) => delta({ text: other, type: 'text_delta', extra: { text: said } })),
    text.map((said) => chunk({ content: said })),
    fc.tuple(text, text).map(([said, obfuscation]) => chunk({ content: said }, { obfuscation })),
    text.map((said) => chunk({ role: 'assistant', content: said, refusal: null })),
  );
  const damaged = fc.tuple(one, fc.nat(200), fc.integer({ min: 0, max: 255 })).map(([json, at, byte]) => {
    const bytes = Buffer.from(json);
    bytes[at % bytes.length] = byte;
    return bytes;
  });
  const piece = fc.oneof({ weight: 3, arbitrary: one.map((json) => Buffer.from(json)) }, { weight: 1, arbitrary: damaged });
  fc.assert(
    fc.property(fc.constantFrom(anthropic, openai), fc.array(piece, { maxLength: 12 }), (api, pieces) => {
      t.deepEqual(readAll(api, pieces).values, parsedAll(pieces)) as unknown;
    }),
    { numRuns: 300 },
  );
  t.end();
});

const CASES = `${ROOT}test/cases/llm`;

tape('recorded calls: the same in one process and in two', (t) => {
  let streams = 0;
  for (const name of readdirSync(CASES)) {
    const path = `${CASES}/${name}/in.ndjson`;
    if (!existsSync(path)) continue;
    streams++;
    const events = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as AnyEvent);
    for (const options of [{}, { progress: true, messages: 'all' as const }]) {
      const apart = through(llm(options), through(httpParser(), events));
      const together = through(compose([httpParser(), llm(options)]), events);
      t.deepEqual(together, apart, `${name} ${JSON.stringify(options)}`);
    }
  }
  t.ok(streams > 15);
  t.end();
});
