/**
 * The vendors' own clients for Node (Anthropic, OpenAI, Google, Ollama) against a local server over TLS, under the real sensor:
 * each call is what the client says that it got. And what a user types to see them. (Python's are recorded: test/cases/llm.)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type tape from 'tape';
import type { AnyEvent, LlmCall } from '../../lib/stream/event.js';
import { startModelServer } from '../../scripts/demo.d/model-server.js';
import { type Bench, live } from '../support/live.js';
import { bin, workload } from '../support/paths.js';
import { sh } from '../support/processes.js';
import { assertValid } from '../support/validate.js';

interface Told {
  api: string;
  stream: boolean;
  input: number;
  output: number;
  text: string;
  tools: string[];
  reason: string;
  /** Calls of tools that it answers. */
  results?: string[];
}

function lines<T>(text: string | Buffer): T[] {
  return String(text)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** What the server does not speak: Ollama's stream of lines. */
function ollama(route: string, request: IncomingMessage, response: ServerResponse): boolean {
  if (route !== 'POST /api/chat') return false;
  request.resume();
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const content of ['Take', ' a coat.'])
      response.write(`${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content }, done: false })}\n`);
    const end = { done: true, done_reason: 'stop', prompt_eval_count: 26, eval_count: 9 };
    response.end(`${JSON.stringify({ model: 'llama3.2', message: { role: 'assistant', content: '' }, ...end })}\n`);
  });
  return true;
}

const textOf = (call: LlmCall): string =>
  (call.output_messages ?? []).flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.content : ''))).join('');

function same(t: tape.Test, call: LlmCall | undefined, told: Told): void {
  const { api, stream } = told;
  t.deepEqual(
    call && {
      api: call.api,
      stream: call.stream,
      input: call.input_tokens,
      output: call.output_tokens,
      text: textOf(call),
      tools: call.tool_calls.map(({ name }) => name),
      reason: call.finish_reasons?.[0],
      ...(told.results ? { results: call.tool_results.map(({ id }) => id) } : {}),
    },
    told,
    `${api}${stream ? ', streamed' : ''}`,
  );
  t.deepEqual([call?.end, call?.error, call?.partial], ['complete', undefined, undefined]);
  t.equal(typeof call?.ttft_ms, stream ? 'number' : 'undefined', 'the first token has a time where there are tokens');
}

async function record(bench: Bench): Promise<{ day: string; live: Buffer; told: Told[] }> {
  const { ca, cert, key } = bench.certificate;
  const server = await startModelServer({ cert, key, http2: true, also: ollama });
  bench.after(() => server.close());
  const day = join(bench.dir, 'day.ndjson');
  const script = join(bench.dir, 'sdks.sh');
  writeFileSync(
    script,
    `NODE_EXTRA_CA_CERTS='${ca}' '${process.execPath}' '${workload('sdks.mjs')}' '${bench.report}' https://localhost:${server.port}\n`,
  );
  const { stdout, stderr, status } = await sh(`${bin('sslsniff')} -- sh ${script} | tee ${day} | ${bin('http')} | ${bin('llm')}`, {
    timeout: 90_000,
  });
  if (status !== 0) throw new Error(stderr.slice(-1000));
  return { day, live: stdout, told: lines<Told>(readFileSync(bench.report)) };
}

live(
  'the SDKs for Node, live; what a user types to see their calls',
  async (t, bench) => {
    const { day, live: seen, told } = await record(bench);
    const events = lines<AnyEvent>(seen);
    for (const event of events) assertValid(event);
    const calls = events.filter(({ event_type }) => event_type === 'llm_call').map(({ data }) => data as LlmCall);
    t.equal(told.length, 11, 'the clients told of every call');
    t.equal(calls.length, told.length, 'each call is there');
    told.forEach((each, n) => {
      same(t, calls[n], each);
    });
    t.ok(calls[1]?.continues !== undefined && calls[1].input_messages_skipped === 2, 'the second turn goes on from the first');
    t.equal(calls.filter(({ status }) => status === 101).length, 1, 'one is on a WebSocket');
    t.notOk(
      events.some(({ event_type, data }) => event_type === 'ssl_data' && (data as { library: string }).library !== 'plain'),
      'nothing is left over',
    );

    const replayed = await sh(`${bin('replay')} ${day} | ${bin('http')} | ${bin('llm')}`);
    t.ok(replayed.stdout.equals(seen), 'a replay gives the same bytes');
    const inOne = await sh(`${bin('tracer')} pipe 'replay ${day} | http | llm'`);
    t.ok(inOne.stdout.equals(seen), 'one process gives the same bytes');

    const type = async (line: string): Promise<string> => {
      const named = line.replace(/tracer-(\w+)/g, (_all, name: string) => bin(name)).replaceAll('day.ndjson', day);
      const { stdout, status, stderr } = await sh(named);
      t.equal(status, 0, status === 0 ? line : stderr.slice(-500));
      return String(stdout);
    };
    const shown = lines<{ request_model: string; input_tokens: number; tools: string[] }>(
      await type(
        "tracer-replay day.ndjson | tracer-http | tracer-llm | jq -c '.data | select(.request_model) | {request_model, input_tokens, output_tokens, ttft_ms, tools: [.tool_calls[]?.name]}'",
      ),
    );
    t.deepEqual(
      shown.map(({ input_tokens, tools }) => [input_tokens, tools]),
      told.map(({ input, tools }) => [input, tools]),
    );
    const providers = await type(
      `tracer-replay day.ndjson | tracer-http | tracer-provider | jq -r 'select(.event_type=="http_request") | .provider // "unknown"' | sort | uniq -c`,
    );
    t.match(providers, /^\s*\d+ unknown\n$/, 'the host on this machine is nobody’s');
    const table = await type('tracer-replay day.ndjson | tracer-http | tracer-llm | tracer-show --table');
    for (const model of ['pretend-large', 'pretend-small', 'llama3.2']) t.ok(table.includes(model), `in the table: ${model}`);
    const chat = await type('tracer-replay day.ndjson | tracer-http | tracer-llm | tracer-show --chat');
    t.ok(chat.includes('tool call') && chat.includes('tool result') && chat.includes('Do I need a coat in Paris?'), 'the conversation');
    const shared = lines<AnyEvent>(await type('tracer-replay day.ndjson | tracer-redact'));
    const bytes = shared.map(({ data }) => {
      const { payload_b64 } = data as { payload_b64?: string };
      return JSON.stringify(data) + Buffer.from(payload_b64 ?? '', 'base64').toString('latin1');
    });
    for (const secret of ['sk-ant-live', 'sk-live-', 'AIzaSyLive'])
      t.notOk(
        bytes.some((each) => each.includes(secret)),
        `no ${secret}…`,
      );
  },
  120,
);
