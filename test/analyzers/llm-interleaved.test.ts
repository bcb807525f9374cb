/**
 * Two conversations of one process with one host, call by call in turns or at once: each call is what it would be alone. Both
 * have the same instructions, tools and ids of tool calls, so that only their messages tell them apart.
 */
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import { llm } from '../../lib/analyzers/llm.js';
import { compose } from '../../lib/stream/compose.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { type Piece, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';
import { wiretap } from '../support/wiretap.js';

interface Turn {
  role: string;
  content: string | object[];
}

const TURNS = 4;
const system = 'You help people to dress.';
const tools = [{ name: 'get_weather', description: 'The weather of a city', input_schema: { type: 'object' } }];

/** What the model says at that turn to someone in that city: a call of a tool, then a text, by turns. */
function answer(city: string, turn: number): { text?: string; call?: { id: string; name: string; input: object } } {
  return turn % 2 === 0
    ? { call: { id: `toolu_${turn}`, name: 'get_weather', input: { city, turn } } }
    : { text: `In ${city} it is ${turn} degrees.` };
}

function sse(city: string, turn: number): string[] {
  const { text, call } = answer(city, turn);
  const block = call ? { type: 'tool_use', id: call.id, name: call.name, input: {} } : { type: 'text', text: '' };
  const whole = call ? JSON.stringify(call.input) : (text as string);
  const delta = (part: string): object => (call ? { type: 'input_json_delta', partial_json: part } : { type: 'text_delta', text: part });
  const parts = whole.match(/.{1,7}/gs) ?? [];
  const usage = { input_tokens: 10 + turn, output_tokens: 1 };
  return [
    {
      type: 'message_start',
      message: { id: `msg_${city}_${turn}`, type: 'message', role: 'assistant', model: 'claude', content: [], usage },
    },
    { type: 'content_block_start', index: 0, content_block: block },
    ...parts.map((part) => ({ type: 'content_block_delta', index: 0, delta: delta(part) })),
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: call ? 'tool_use' : 'end_turn' }, usage: { output_tokens: parts.length } },
    { type: 'message_stop' },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** What one says after that answer. */
function next(city: string, turn: number): Turn {
  const { call } = answer(city, turn);
  return call
    ? { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: `${turn} °C in ${city}` }] }
    : { role: 'user', content: `And later (${turn}), in ${city}?` };
}

function said(city: string, turn: number): Turn {
  const { text, call } = answer(city, turn);
  return { role: 'assistant', content: call ? [{ type: 'tool_use', ...call }] : [{ type: 'text', text }] };
}

/** The body of each request of a conversation. */
function requests(city: string, opening: string): string[] {
  const messages: Turn[] = [{ role: 'user', content: opening }];
  return Array.from({ length: TURNS }, (_, turn) => {
    if (turn > 0) messages.push(said(city, turn - 1), next(city, turn - 1));
    return JSON.stringify({ model: 'claude', max_tokens: 64, stream: true, system, tools, metadata: { user_id: city }, messages });
  });
}

const HEAD = { 'content-type': 'text/event-stream' };
const cityOf = (body: string): string => (JSON.parse(body) as { metadata: { user_id: string } }).metadata.user_id;
const turnOf = (body: string): number => ((JSON.parse(body) as { messages: unknown[] }).messages.length - 1) / 2;
const tick = (): Promise<void> => new Promise((done) => setImmediate(done));

type Ask = (body: string, headers: Record<string, string>) => Promise<void>;

/** One connection of HTTP/1.1, on which one call follows the other. */
async function overHttp1(run: (ask: Ask) => Promise<void>): Promise<Piece[]> {
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      response.writeHead(200, HEAD);
      for (const event of sse(cityOf(body), turnOf(body))) response.write(event);
      response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tap = await wiretap((server.address() as AddressInfo).port);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  await run(async (body, headers) => {
    const length = String(Buffer.byteLength(body));
    const request = http.request({
      port: tap.port,
      path: '/v1/messages',
      method: 'POST',
      agent,
      headers: { ...headers, 'content-length': length },
    });
    request.end(body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
  });
  agent.destroy();
  tap.close();
  server.closeAllConnections();
  server.close();
  return tap.sessions[0] as Piece[];
}

/** One connection of HTTP/2, on which both ask at once; the server says one event to each by turns. */
async function overHttp2(run: (ask: Ask) => Promise<void>): Promise<Piece[]> {
  const server = http2.createServer();
  server.on('stream', (stream) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', async () => {
      const body = Buffer.concat(parts).toString();
      stream.respond({ ':status': 200, ...HEAD });
      for (const event of sse(cityOf(body), turnOf(body))) {
        stream.write(event);
        await tick();
      }
      stream.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tap = await wiretap((server.address() as AddressInfo).port);
  const session = http2.connect(`http://127.0.0.1:${tap.port}`);
  await run(async (body, headers) => {
    const stream = session.request({ ':method': 'POST', ':path': '/v1/messages', ...headers });
    stream.end(body);
    stream.resume();
    await once(stream, 'close');
  });
  session.close();
  await once(session, 'close');
  tap.close();
  server.close();
  return tap.sessions[0] as Piece[];
}

interface Opening {
  city: string;
  text: string;
  headers?: Record<string, string>;
}

/** A, B, A, B …: each when the one before it is over. */
async function inTurns(both: readonly Opening[], ask: Ask): Promise<void> {
  const bodies = both.map(({ city, text }) => requests(city, text));
  for (let turn = 0; turn < TURNS; turn++)
    for (const [n, { headers = {} }] of both.entries()) await ask(bodies[n]?.[turn] as string, headers);
}

/** Each conversation by itself, both at once. */
async function atOnce(both: readonly Opening[], ask: Ask): Promise<void> {
  await Promise.all(
    both.map(async ({ city, text, headers = {} }) => {
      for (const body of requests(city, text)) await ask(body, headers);
    }),
  );
}

type Data = Record<string, unknown>;
type Part = { type: string; content?: string; response?: unknown };
const parts = (list: unknown): Part[] => ((list ?? []) as { parts: Part[] }[]).flatMap((message) => message.parts);

function check(t: tape.Test, events: readonly AnyEvent[], { city, text }: Opening, begins: boolean): void {
  const calls = events.filter(
    ({ event_type, data }) => event_type === 'llm_call' && String((data as Data).response_id).startsWith(`msg_${city}_`),
  );
  t.equal(calls.length, TURNS, `${city}: every call`);
  calls.forEach((event, turn) => {
    const data = event.data as Data;
    const { text: words, call } = answer(city, turn);
    t.equal(
      data.continues,
      turn === 0 && begins ? undefined : turn === 0 ? data.continues : calls[turn - 1]?.id,
      `${city} ${turn}: goes on`,
    );
    t.equal(data.input_messages_skipped, turn === 0 ? (begins ? undefined : 1) : turn * 2, 'from all that was said before it');
    const fresh = JSON.stringify(data.input_messages);
    if (turn === 0 && begins)
      t.deepEqual([parts(data.input_messages)[0]?.content, parts([{ parts: data.system_instructions }])[0]?.content], [text, system]);
    if (turn > 0) t.ok(fresh.includes(`(${turn - 1})`) || fresh.includes(`${turn - 1} °C`), 'with what is new');
    t.notOk(fresh.includes(city === 'Paris' ? 'Oslo' : 'Paris'), 'and nothing of the other');
    t.deepEqual(data.tool_calls, call ? [{ id: call.id, name: call.name, arguments: call.input }] : [], 'its tool calls');
    const before = turn > 0 ? answer(city, turn - 1).call : undefined;
    t.deepEqual(data.tool_results, before ? [{ id: before.id, content: `${turn - 1} °C in ${city}` }] : [], 'its results');
    if (words) t.equal(parts(data.output_messages)[0]?.content, words, 'its answer');
    t.deepEqual([data.input_tokens, data.end], [10 + turn, 'complete']);
  });
}

const different: Opening[] = [
  { city: 'Paris', text: 'Do I need a coat in Paris?' },
  { city: 'Oslo', text: 'Do I need a coat in Oslo?' },
];
const alike: Opening[] = [
  { city: 'Paris', text: 'Do I need a coat?' },
  { city: 'Oslo', text: 'Do I need a coat?' },
];
const named = alike.map((each) => ({ ...each, headers: { 'x-session-id': each.city } }));

for (const [way, record, drive] of [
  ['HTTP/1.1, in turns', overHttp1, inTurns],
  ['HTTP/2, in turns', overHttp2, inTurns],
  ['HTTP/2, at once', overHttp2, atOnce],
] as const) {
  tape(`two conversations, ${way}`, async (t) => {
    for (const [both, told] of [
      [different, true],
      [named, true],
      [alike, false],
    ] as const) {
      const pieces = await record((ask) => drive(both, ask));
      const events = through(compose([httpParser(), llm()]), sessionEvents(pieces, { step: 0.5 }));
      // Which of two that begin alike comes first is chance when both ask at once: what it repeats is not looked at then.
      both.forEach((opening, n) => {
        const begins = told || n === 0 || drive === atOnce;
        check(t, events, opening, begins);
      });
      assertValid(t, events);
    }
  });
}
