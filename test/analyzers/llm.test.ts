/** Calls of models: the same however the bytes are cut, never a throw, bounded; and what a person would ask of one. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { LlmOptions } from '../../lib/analyzers/llm/options.js';
import { llm } from '../../lib/analyzers/llm.js';
import { compose } from '../../lib/stream/compose.js';
import type { AnyEvent, Direction, LlmCallEvent } from '../../lib/stream/event.js';
import { bytesOf } from '../../lib/stream/payload.js';
import { ROOT } from '../support/harness.js';
import { type Piece, recut, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const MB = 1024 * 1024;

/** Sessions of the recorded cases, as pieces. */
const CASES = `${ROOT}test/cases/llm`;
const recorded: [string, Piece[]][] = readdirSync(CASES).flatMap((name): [string, Piece[]][] => {
  if (!existsSync(`${CASES}/${name}/in.ndjson`)) return [];
  const sessions = new Map<string, Piece[]>();
  for (const line of readFileSync(`${CASES}/${name}/in.ndjson`, 'utf8').trim().split('\n')) {
    const { event_type, data } = JSON.parse(line) as { event_type: string; data: { conn: string; direction: Direction; payload?: string } };
    if (event_type !== 'ssl_data') continue;
    const pieces = sessions.get(data.conn) ?? [];
    sessions.set(data.conn, pieces);
    pieces.push([data.direction, bytesOf(data) as Buffer]);
  }
  return [...sessions].map(([conn, pieces]) => [`${name} ${conn}`, pieces]);
});

function calls(events: readonly AnyEvent[]): LlmCallEvent[] {
  return events.filter((event) => event.event_type === 'llm_call') as LlmCallEvent[];
}

/** What was said, without ids, which follow from the input's. */
function said(pieces: readonly Piece[], options: LlmOptions = {}): unknown[] {
  const out = through(compose([httpParser(), llm(options)]), sessionEvents(pieces, { step: 0 }));
  assertValid(out.filter((event) => event.source === 'llm'));
  return out.filter((event) => event.source !== 'ssl').map(({ event_type, data }) => ({ event_type, data }));
}

const normal = (made: unknown): string => JSON.stringify(made).replaceAll(/"continues":"\w+-/g, '"continues":"');

tape('recorded calls: the same whatever the cut of the bytes', (t) => {
  t.ok(recorded.length > 15, `${recorded.length} sessions`);
  for (const [name, pieces] of recorded) {
    const whole = normal(said(pieces));
    t.equal(normal(said(recut(pieces, () => 1))), whole, `${name}: byte by byte`);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        let at = 0;
        return normal(said(recut(pieces, () => sizes[at++ % sizes.length] as number))) === whole;
      }),
      { numRuns: 10 },
    );
  }
  t.end();
});

tape('recorded calls: in pieces (--stream-all) or merged (--sse-merge) they say the same', (t) => {
  for (const [name, pieces] of recorded) {
    const texts = (options: object): string => {
      const out = through(compose([httpParser(options), llm()]), sessionEvents(pieces, { step: 0 }));
      return JSON.stringify(
        calls(out).map(({ data }) => [
          data.api,
          data.output_messages,
          data.tool_calls,
          data.input_tokens,
          data.output_tokens,
          data.finish_reasons,
          data.error?.type,
        ]),
      );
    };
    const plain = texts({});
    t.equal(texts({ streamAll: true }), plain, `${name}: --stream-all`);
    // One event for the whole answer does not say that its stream of HTTP/2 was reset.
    const known = (said: string): string => (name.includes('-h2 ') ? said.replaceAll('"stream_cut"', 'null') : said);
    t.equal(known(texts({ sseMerge: true })), known(plain), `${name}: --sse-merge`);
  }
  t.end();
});

// ------------------------------------------------------------------ HTTP events made by hand

let serial = 0;
function line(event_type: string, data: object, timestamp: number): AnyEvent {
  return { id: `httpevents-${++serial}`, timestamp, source: 'http', event_type, data };
}

interface Exchange {
  path?: string;
  host?: string;
  headers?: Record<string, string>;
  body: unknown;
  reply: unknown;
  status?: number;
  pid?: number;
}

/** One exchange as tracer-http gives it; a list is an SSE stream. */
function exchange(
  n: number,
  { path = '/v1/messages', host = 'api.example.com', headers = {}, body, reply, status = 200, pid = 7 }: Exchange,
): AnyEvent[] {
  const at = 1764000000000 + n * 1000;
  const of = { pid, start_us: 1, conn: `${pid}.1.1`, exchange: `${pid}.1.1/${n}`, role: 'client', version: '1.1' };
  const sent = typeof body === 'string' ? body : JSON.stringify(body);
  const request = line(
    'http_request',
    { ...of, method: 'POST', scheme: 'https', host, path, headers, body_bytes: sent.length, wire_bytes: sent.length, body: sent },
    at,
  );
  if (!Array.isArray(reply)) {
    const text = typeof reply === 'string' ? reply : JSON.stringify(reply);
    return [
      request,
      line(
        'http_response',
        { ...of, status, headers: { 'content-type': 'application/json' }, body_bytes: text.length, wire_bytes: text.length, body: text },
        at + 100,
      ),
    ];
  }
  return [
    request,
    line(
      'http_response',
      { ...of, status, headers: { 'content-type': 'text/event-stream' }, streamed: true, body_bytes: 0, wire_bytes: 0 },
      at + 50,
    ),
    ...reply.map((event: unknown, index) =>
      line(
        'sse_event',
        {
          pid,
          exchange: of.exchange,
          index,
          event: (event as { type?: string } | null)?.type ?? 'message',
          data: typeof event === 'string' ? event : JSON.stringify(event),
        },
        at + 60 + index * 10,
      ),
    ),
    line('http_end', { pid, exchange: of.exchange, sender: 'server', end: 'complete', body_bytes: 1, wire_bytes: 1 }, at + 900),
  ];
}

function run(events: readonly AnyEvent[], options: LlmOptions = {}): AnyEvent[] {
  const out = through(llm(options), events);
  assertValid(out.filter((event) => event.source === 'llm' || event.event_type === 'loss'));
  return out;
}

const message = (content: unknown[], stop_reason = 'end_turn'): object => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-x',
  content,
  stop_reason,
  usage: { input_tokens: 1, output_tokens: 1 },
});
const text = (words: string): object => ({ type: 'text', text: words });
const ask = (messages: unknown[], more: object = {}): object => ({ model: 'claude-x', max_tokens: 10, messages, ...more });
const user = (words: string): object => ({ role: 'user', content: words });
const assistant = (words: string): object => ({ role: 'assistant', content: words });

tape('what is no call of a model passes, the same objects', (t) => {
  const none: Exchange[] = [
    { path: '/v1/messages', body: { to: '+4912345', text: 'hi' }, reply: {} },
    { path: '/v1/threads/t/messages', body: { role: 'user', content: 'hi' }, reply: {} },
    { path: '/v1/moderations', body: { model: 'm', input: 'x' }, reply: {} },
    { path: '/v1/images/generations', body: { model: 'm', prompt: 'x' }, reply: {} },
    { path: '/tokenize', body: { model: 'm', messages: [user('x')] }, reply: {} },
    { path: '/api/chat', body: { room: 'x', message: 'y' }, reply: {} },
    { path: '/model/x/converse', body: { other: 1 }, reply: {} },
    { path: '/responses', body: { survey: 3 }, reply: {} },
    { path: '/chat/completions', body: 'no json', reply: {} },
    { path: '/chat/completions', body: '[1]', reply: {} },
    { path: '/v1/messages/batches', body: { requests: [] }, reply: {} },
    { path: '/logs/chat', body: { model: 'm', messages: ['a', 'b'] }, reply: {} },
  ];
  const events = none.flatMap((each, n) => exchange(n + 1, each));
  const out = run(events);
  t.ok(out.length === events.length && out.every((event, at) => event === events[at]), 'all of them, in order');
  t.end();
});

tape('a chat on an unknown path is known by its shape', (t) => {
  const out = calls(
    run(
      exchange(1, {
        path: '/gateway/acme/chat',
        body: ask([user('hi')]),
        reply: { model: 'm', choices: [{ message: { content: 'yo' }, finish_reason: 'stop' }] },
      }),
    ),
  );
  t.equal(out[0]?.data.api, 'openai.chat_completions');
  t.deepEqual(out[0]?.data.output_messages, [{ role: 'assistant', parts: [{ type: 'text', content: 'yo' }], finish_reason: 'stop' }]);
  t.end();
});

tape('two conversations of one agent, turn by turn interleaved: each goes on from its own', (t) => {
  const turns: AnyEvent[] = [];
  const histories: object[][] = [[user('one')], [user('two')]];
  for (let n = 0; n < 6; n++) {
    const history = histories[n % 2] as object[];
    turns.push(...exchange(n + 1, { body: ask(history, { system: 'S', tools: [{ name: 'T' }] }), reply: message([text(`answer ${n}`)]) }));
    history.push(assistant(`answer ${n}`), user(`more ${n}`));
  }
  const out = calls(run(turns));
  t.deepEqual(
    out.map(({ data }) => data.continues),
    [undefined, undefined, out[0]?.id, out[1]?.id, out[2]?.id, out[3]?.id],
  );
  t.deepEqual(
    out.map(({ data }) => data.input_messages_skipped),
    [undefined, undefined, 2, 2, 4, 4],
  );
  for (const { data } of out.slice(2))
    t.deepEqual([data.input_messages?.length, data.system_instructions, data.tool_definitions], [1, undefined, undefined]);
  t.equal(
    JSON.stringify(calls(run(turns, { messages: 'all' })).map(({ data }) => data.input_messages?.length)),
    '[1,1,3,3,5,5]',
    '--messages all',
  );
  const none = calls(run(turns, { messages: 'none' }));
  t.ok(
    none.every(
      ({ data }) => data.input_messages === undefined && data.output_messages === undefined && data.system_instructions === undefined,
    ),
    '--messages none',
  );
  t.end();
});

tape('other instructions or tools than in the call before are printed', (t) => {
  const first = exchange(1, { body: ask([user('a')], { system: 'S1', tools: [{ name: 'T' }] }), reply: message([text('b')]) });
  const second = exchange(2, {
    body: ask([user('a'), assistant('b'), user('c')], { system: 'S2', tools: [{ name: 'T' }] }),
    reply: message([text('d')]),
  });
  const [, after] = calls(run([...first, ...second]));
  t.deepEqual([after?.data.system_instructions, after?.data.tool_definitions], [[{ type: 'text', content: 'S2' }], undefined]);
  const chat = (n: number, system: string, ...more: object[]): AnyEvent[] =>
    exchange(n, {
      path: '/v1/chat/completions',
      body: ask([{ role: 'system', content: system }, user('a'), ...more]),
      reply: { choices: [{ message: { content: 'b' }, finish_reason: 'stop' }] },
    });
  const [, changed] = calls(run([...chat(1, 'at 10:00'), ...chat(2, 'at 10:01', assistant('b'), user('c'))]));
  t.deepEqual([changed?.data.input_messages_skipped, changed?.data.input_messages?.map(({ role }) => role)], [2, ['system', 'user']]);
  t.end();
});

tape('the same words in another process are another conversation', (t) => {
  const out = calls(run([7, 8].flatMap((pid) => exchange(1, { pid, body: ask([user('a')]), reply: message([text('b')]) }))));
  t.deepEqual(
    out.map(({ data }) => data.continues),
    [undefined, undefined],
  );
  t.end();
});

tape('times: first token, and between tokens', (t) => {
  const delta = (words: string): object => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } });
  const reply = [
    { type: 'message_start', message: { usage: {} } },
    { type: 'ping' },
    delta('a'),
    delta('b'),
    delta('c'),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
    { type: 'message_stop' },
  ];
  const out = run(exchange(1, { body: ask([user('a')], { stream: true }), reply }), { progress: true });
  const [begun, token, call] = out.filter((event) => event.source === 'llm');
  t.deepEqual([begun?.event_type, token?.event_type, call?.event_type], ['llm_start', 'llm_first_token', 'llm_call']);
  const { ttft_ms, inter_token_p50_ms, inter_token_p95_ms, duration_ms } = (call as LlmCallEvent).data;
  t.deepEqual(
    { ttft_ms, inter_token_p50_ms, inter_token_p95_ms, duration_ms },
    { ttft_ms: 80, inter_token_p50_ms: 10, inter_token_p95_ms: 10, duration_ms: 900 },
  );
  t.deepEqual([call?.timestamp, (call as LlmCallEvent).from_count], [1764000001900, 10]);
  t.end();
});

tape('OpenAI Responses on a WebSocket: several calls, each by itself; what is no call passes', (t) => {
  const of = { pid: 7, start_us: 1, conn: '7.1.1', exchange: '7.1.1/1' };
  let index = 0;
  const says = (sender: 'client' | 'server', value: object): AnyEvent =>
    line(
      'ws_message',
      { pid: 7, exchange: of.exchange, index: index++, sender, opcode: 'text', payload: JSON.stringify(value) },
      1764000000000 + index * 10,
    );
  const over = (id: string, output: object[]): object => ({
    type: 'response.completed',
    response: { id, object: 'response', model: 'gpt-x', status: 'completed', output, usage: { input_tokens: 5, output_tokens: 2 } },
  });
  const tools = {
    type: 'additional_tools',
    tools: [{ type: 'namespace', name: 'functions', tools: [{ type: 'custom', name: 'exec', description: 'runs' }] }],
  };
  const events = [
    line(
      'http_request',
      {
        ...of,
        role: 'client',
        version: '1.1',
        method: 'GET',
        scheme: 'https',
        host: 'api.openai.com',
        path: '/v1/responses',
        headers: { upgrade: 'websocket' },
        body_bytes: 0,
        wire_bytes: 0,
      },
      1764000000000,
    ),
    line('http_response', { ...of, role: 'client', version: '1.1', status: 101, headers: {}, body_bytes: 0, wire_bytes: 0 }, 1764000000001),
    says('client', { type: 'response.create', model: 'gpt-x', generate: false, input: [tools, { role: 'user', content: 'hi' }] }),
    says('server', { type: 'codex.rate_limits' }),
    says('server', { type: 'response.created', response: { id: 'r1', model: 'gpt-x' } }),
    says('server', over('r1', [])),
    says('client', {
      type: 'response.create',
      model: 'gpt-x',
      previous_response_id: 'r1',
      input: [{ role: 'user', content: 'list files' }],
    }),
    says('server', {
      type: 'response.output_item.done',
      output_index: 0,
      item: { type: 'custom_tool_call', call_id: 'c1', name: 'exec', input: 'ls("/")' },
    }),
    says('server', over('r2', [])),
    says('client', {
      type: 'response.create',
      model: 'gpt-x',
      previous_response_id: 'r2',
      input: [{ type: 'custom_tool_call_output', call_id: 'c1', output: 'bin' }],
    }),
    says('server', { type: 'response.output_text.delta', output_index: 0, delta: 'There' }),
    line('http_end', { pid: 7, exchange: of.exchange, sender: 'server', end: 'closed', body_bytes: 1, wire_bytes: 1 }, 1764000002000),
  ];
  const out = run(events);
  t.deepEqual(
    out.map(({ event_type }) => event_type),
    ['http_request', 'http_response', 'ws_message', 'llm_call', 'llm_call', 'llm_call', 'http_end'],
  );
  const [warm, second, third] = calls(out);
  t.deepEqual(warm?.data.tool_definitions, [{ name: 'exec', description: 'runs' }]);
  t.deepEqual(
    [second?.data.continues, second?.data.tool_definitions, second?.data.tool_calls],
    [warm?.id, undefined, [{ id: 'c1', name: 'exec', arguments: 'ls("/")' }]],
  );
  t.deepEqual([third?.data.continues, third?.data.tool_results], [second?.id, [{ id: 'c1', content: 'bin' }]]);
  t.deepEqual(
    [third?.data.end, third?.data.error?.type, third?.data.output_messages?.[0]?.parts],
    ['closed', 'stream_cut', [{ type: 'text', content: 'There' }]],
  );
  t.deepEqual(
    calls(run(events, { messages: 'all' }))[1]?.data.tool_definitions,
    [{ name: 'exec', description: 'runs' }],
    'the tools that were named before',
  );
  t.end();
});

tape('a request to which no answer comes', (t) => {
  const [request] = exchange(1, { body: ask([user('a')]), reply: {} }) as [AnyEvent];
  const closed = line(
    'ssl_close',
    { pid: 7, conn: '7.1.1', reason: 'shutdown', read_bytes: 0, write_bytes: 1, duration_ms: 1 },
    1764000001500,
  );
  const next = exchange(1, { pid: 8, body: ask([user('a')]), reply: message([text('b')]) });
  const [lost, whole] = calls(run([request, closed, ...next]));
  t.deepEqual(
    [lost?.data.error?.type, lost?.data.end, lost?.data.duration_ms, whole?.data.end],
    ['no_response', 'closed', 500, 'complete'],
  );
  const [open] = calls(run([request]));
  t.deepEqual([open?.data.error, open?.data.end, open?.data.partial], [undefined, 'eof', ['eof']]);
  t.end();
});

tape('arguments that JSON cannot say again, or that are none', (t) => {
  const call = (id: string, args: string): object => ({ id, type: 'function', function: { name: 'f', arguments: args } });
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
  const sent = [
    '{"n":12345678901234567890}',
    '{"a":1,"a":2}',
    '{"x":1.50}',
    '{"cut":',
    deep,
    '',
    '{"__proto__":{"polluted":true}}',
    '{"e":1e400}',
    '[1]',
  ];
  const reply = {
    choices: [{ message: { content: null, tool_calls: sent.map((args, n) => call(`c${n}`, args)) }, finish_reason: 'tool_calls' }],
  };
  const [made] = calls(run(exchange(1, { path: '/v1/chat/completions', body: ask([user('a')]), reply })));
  const found = (made?.data.tool_calls ?? []).map((each) => [each.arguments_raw, each.arguments_error, each.arguments !== undefined]);
  t.deepEqual(found, [
    [sent[0], undefined, true],
    [sent[1], undefined, true],
    [undefined, undefined, true],
    [sent[3], 'not JSON', false],
    [deep, 'nested deeper than 64', false],
    [undefined, undefined, true],
    [undefined, undefined, true],
    [sent[7], undefined, true],
    [undefined, undefined, true],
  ]);
  t.equal(JSON.stringify(made?.data.tool_calls[6]?.arguments), sent[6]);
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
  const whole = `{"id":"m","type":"message","content":[{"type":"tool_use","id":"t","name":"f","input": {"n": 9007199254740993}}],"stop_reason":"tool_use","usage":{}}`;
  const [exact] = calls(run(exchange(1, { body: ask([user('a')]), reply: whole })));
  t.equal(exact?.data.tool_calls[0]?.arguments_raw, '{"n": 9007199254740993}', 'also where they came as a value');
  t.end();
});

tape('a million pieces of a tool call', (t) => {
  const stage = llm();
  const out: AnyEvent[] = [];
  const push = (event: AnyEvent): void => void out.push(event);
  const [request, head, , end] = exchange(1, { body: ask([user('a')], { stream: true }), reply: [{ type: 'ping' }] }) as [
    AnyEvent,
    AnyEvent,
    AnyEvent,
    AnyEvent,
  ];
  const data = (value: object): AnyEvent =>
    line('sse_event', { exchange: '7.1.1/1', index: 0, event: 'x', data: JSON.stringify(value) }, 1764000001060);
  for (const event of [
    request,
    head,
    data({ type: 'content_block_start', index: 0, content_block: { type: 'tool_use', id: 't', name: 'f', input: {} } }),
  ])
    stage.transform(event, push);
  const before = process.memoryUsage().heapUsed;
  const piece = data({ type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '1234567890' } });
  for (let n = 0; n < 1_000_000; n++) stage.transform(piece, push);
  t.ok(process.memoryUsage().heapUsed - before < 100 * MB, 'memory');
  stage.transform(end, push);
  const [call] = calls(out);
  t.ok((call?.data.tool_calls[0]?.arguments_raw?.length ?? 0) + String(call?.data.tool_calls[0]?.arguments ?? '').length <= 8 * MB);
  t.deepEqual([call?.data.partial, call?.from_count], [['limit'], 1_000_004]);
  t.end();
});

tape('huge, deep and senseless bodies', (t) => {
  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  const bodies = [
    ask(Array.from({ length: 200_000 }, (_, n) => user(String(n)))),
    `{"model":"m","messages":[${deep}]}`,
    `{"model":"m","messages":[{"role":"user","content":[${deep}]}],"tools":[${deep}],"system":[${deep}],"metadata":${deep}}`,
    `{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[${'{"type":"tool_result","content":['.repeat(500)}${']}'.repeat(500)}]}]}]}`,
    ask([user('x'.repeat(7 * MB))]),
    ask([null, 1, 'x', [], { role: 3, content: { a: 1 } }, { content: [null, 1, 'x', [], { type: 5 }] }] as object[]),
    ask([user('a')], { tools: Array.from({ length: 100_000 }, () => null) }),
  ];
  for (const [n, body] of bodies.entries()) {
    for (const path of ['/v1/messages', '/v1/chat/completions', '/model/m/converse', '/model/m/invoke', '/api/chat', '/v2/chat']) {
      const [call] = calls(run(exchange(1, { path, body, reply: message([text('b')]) })));
      t.ok(call !== undefined && Buffer.byteLength(JSON.stringify(call)) < 16 * MB, `body ${n} ${path}`);
    }
  }
  t.end();
});

tape('calls that never end are given up, the least recently heard first', (t) => {
  const events = Array.from({ length: 20 }, (_, n) => exchange(n + 1, { body: ask([user('x'.repeat(1000))]), reply: {} })[0] as AnyEvent);
  const out = run(events, { limits: { calls: 5 } });
  t.deepEqual([calls(out).length, out.filter(({ event_type }) => event_type === 'loss').length], [20, 15]);
  t.deepEqual(calls(out)[0]?.data.partial, ['limit']);
  const heavy = run(events, { limits: { heldBytes: 5000 } });
  t.ok(heavy.filter(({ event_type }) => event_type === 'loss').length >= 5, 'and by what they hold');
  t.end();
});

tape('any JSON as request, as events of an answer, as HTTP events: never a throw, always the contract', (t) => {
  const paths = [
    '/v1/messages',
    '/v1/chat/completions',
    '/v1/responses',
    '/v1/completions',
    '/v1/embeddings',
    '/v1beta/models/m:streamGenerateContent',
    '/model/m/converse-stream',
    '/model/m/invoke',
    '/v2/chat',
    '/v2/embed',
    '/api/chat',
    '/api/generate',
    '/api/embed',
  ];
  const WORDS = [
    'type',
    'message',
    'messages',
    'content',
    'role',
    'delta',
    'choices',
    'index',
    'usage',
    'tool_calls',
    'function',
    'arguments',
    'input',
    'output',
    'item',
    'response',
    'candidates',
    'parts',
    'error',
    'text',
    'name',
    'id',
    'contents',
    'model',
    'content_block',
    'toolUse',
    'bytes',
    'input_tokens',
    '__proto__',
    'constructor',
  ];
  const VALUES = [
    'message_start',
    'content_block_start',
    'content_block_delta',
    'text_delta',
    'tool_use',
    'message_delta',
    'response.completed',
    'response.output_item.done',
    'function_call',
    'message',
    'content-delta',
    'tool-call-start',
    'message-end',
    'user',
    'error',
    'm',
    '{"a":1}',
    '',
  ];
  const key = fc.constantFrom(...WORDS);
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.constantFrom<unknown>(...VALUES, null, true, 0, -1, 1e308, Number.MAX_SAFE_INTEGER),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc
        .array(fc.tuple(key, tie('tree')), { maxLength: 6 })
        .map(
          (members) =>
            JSON.parse(`{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`) as unknown,
        ),
    ),
  }));
  const shaped = { model: 'm', messages: [user('a')], input: 'x', prompt: 'x', contents: [], texts: [] };
  fc.assert(
    fc.property(fc.constantFrom(...paths), tree, fc.array(tree, { maxLength: 6 }), fc.boolean(), (path, more, replies, streamed) => {
      const extra = typeof more === 'object' && more !== null && !Array.isArray(more) ? more : {};
      run(exchange(1, { path, body: { ...shaped, ...extra }, reply: streamed ? replies : (replies[0] ?? {}) }));
      return true;
    }),
    { numRuns: 1500 },
  );
  const types = ['http_request', 'http_response', 'http_end', 'http_body', 'sse_event', 'ws_message', 'eventstream_message', 'ssl_close'];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...types), tree), { maxLength: 12 }), (made) => {
      const base = { exchange: '7.1.1/1', conn: '7.1.1', method: 'POST', path: '/v1/messages', body: JSON.stringify(shaped) };
      const events = made.map(([type, data]) => ({
        event_type: type,
        data: typeof data === 'object' && data !== null && !Array.isArray(data) ? { ...base, ...data } : data,
      }));
      through(llm({ progress: true }), events as AnyEvent[]);
      return true;
    }),
    { numRuns: 1000 },
  );
  t.pass('none');
  t.end();
});

tape('300 turns with a growing history print each message once', (t) => {
  const history: object[] = [];
  const turns: AnyEvent[] = [];
  for (let n = 0; n < 300; n++) {
    history.push(user(`question ${n} ${'x'.repeat(200)}`));
    turns.push(...exchange(n + 1, { body: ask(history, { system: 'S'.repeat(2000) }), reply: message([text(`answer ${n}`)]) }));
    history.push(assistant(`answer ${n}`));
  }
  const size = (options: LlmOptions): number => calls(run(turns, options)).reduce((sum, event) => sum + JSON.stringify(event).length, 0);
  const [news, all] = [size({}), size({ messages: 'all' })];
  t.ok(news * 20 <= all, `${news} of ${all} characters`);
  t.end();
});
