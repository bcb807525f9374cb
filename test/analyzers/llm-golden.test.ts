/**
 * For every API the cases that it has to have: plain, streamed, tool calls at once, reasoning, cached input, an error, a cut
 * stream, compressed, HTTP/2. What a case shows is read out of what is expected of it and of its input, not from its name.
 * `UPDATE=1` writes the table of docs/model-apis.md anew: run it twice.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { root } from '../support/paths.js';
import { facts, through } from '../support/tls-session.js';

type Data = Record<string, unknown>;

const KINDS = ['plain', 'streamed', 'tool calls at once', 'reasoning', 'cached input', 'error', 'cut', 'gzip', 'HTTP/2'] as const;
type Kind = (typeof KINDS)[number];

/** Of an API, what there is none of. */
const APIS: Record<string, readonly Kind[]> = {
  'Anthropic Messages': [],
  'Anthropic count_tokens': ['streamed', 'tool calls at once', 'reasoning', 'cached input', 'cut'],
  'OpenAI Chat Completions': [],
  'OpenAI Responses': [],
  'OpenAI Responses, WebSocket': ['plain', 'gzip', 'HTTP/2'],
  'OpenAI Completions': ['tool calls at once', 'reasoning'],
  'OpenAI Embeddings': ['streamed', 'tool calls at once', 'reasoning', 'cached input', 'cut'],
  'Azure OpenAI': [],
  'Gemini, AI Studio': [],
  'Gemini, Vertex': [],
  'Bedrock Converse': ['gzip'],
  'Bedrock InvokeModel': ['gzip'],
  Mistral: ['cached input'],
  Cohere: [],
  Ollama: ['cached input'],
  'OpenAI-compatible': [],
};

function apiOf({ api, host, operation, status }: Data): string {
  const at = String(host);
  switch (api) {
    case 'anthropic.messages':
      return operation === 'count_tokens' ? 'Anthropic count_tokens' : 'Anthropic Messages';
    case 'openai.chat_completions':
      return /^api\.openai\.com/.test(at) ? 'OpenAI Chat Completions' : /azure\.com/.test(at) ? 'Azure OpenAI' : 'OpenAI-compatible';
    case 'openai.responses':
      return status === 101 ? 'OpenAI Responses, WebSocket' : 'OpenAI Responses';
    case 'openai.completions':
      return 'OpenAI Completions';
    case 'openai.embeddings':
      return 'OpenAI Embeddings';
    case 'gemini.generate_content':
      return /aiplatform/.test(at) ? 'Gemini, Vertex' : 'Gemini, AI Studio';
    case 'bedrock.converse':
      return 'Bedrock Converse';
    case 'bedrock.invoke_model':
      return 'Bedrock InvokeModel';
    case 'mistral.chat':
      return 'Mistral';
    case 'cohere.chat':
      return 'Cohere';
    default:
      return String(api).startsWith('ollama') ? 'Ollama' : String(api);
  }
}

const count = (data: Data, name: string): number => (data[name] as number | undefined) ?? 0;

/** @param response what HTTP says of its answer */
function kindsOf(data: Data, response: Data | undefined): Kind[] {
  const { stream, end, error, status } = data as { stream: boolean; end: string; error?: { type: string }; status?: number };
  const parts = ((data.output_messages ?? []) as { parts: { type: string }[] }[]).flatMap((message) => message.parts);
  const whole = error === undefined && end === 'complete';
  const shows: [Kind, boolean][] = [
    ['plain', whole && !stream],
    ['streamed', whole && stream],
    ['tool calls at once', whole && (data.tool_calls as unknown[]).length > 1],
    ['reasoning', whole && (count(data, 'reasoning_output_tokens') > 0 || parts.some(({ type }) => type === 'reasoning'))],
    ['cached input', whole && count(data, 'cache_read_input_tokens') > 0],
    ['error', error !== undefined && ((status ?? 0) >= 400 || (status === 101 && end === 'complete'))],
    ['cut', error?.type === 'stream_cut'],
    ['gzip', whole && ((response?.encoding ?? []) as string[]).includes('gzip')],
    ['HTTP/2', whole && response?.version === '2'],
  ];
  return shows.filter(([, shown]) => shown).map(([kind]) => kind);
}

const lines = (file: string): AnyEvent[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AnyEvent);

function table(): Map<string, Map<Kind, number>> {
  const found = new Map(Object.keys(APIS).map((api) => [api, new Map<Kind, number>()]));
  const cases = join(root, 'test/cases/llm');
  for (const name of readdirSync(cases)) {
    const [input, output] = [join(cases, name, 'in.ndjson'), join(cases, name, 'out.ndjson')];
    const told = existsSync(output) ? lines(output).filter(({ event_type }) => event_type === 'llm_call') : [];
    if (told.length === 0 || !existsSync(input)) continue;
    const responses = new Map(facts(through(httpParser(), lines(input)), 'http_response').map(({ data }) => [data.exchange, data]));
    for (const { data } of told as { data: Data }[]) {
      const kinds = found.get(apiOf(data));
      for (const kind of kindsOf(data, responses.get(data.exchange))) kinds?.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  }
  return found;
}

tape('recorded calls: every API has what it has to have, and docs/model-apis.md says so', (t) => {
  const rows: string[] = [];
  for (const [api, kinds] of table()) {
    const none = APIS[api] as readonly Kind[];
    for (const kind of KINDS)
      if (none.includes(kind)) t.notOk(kinds.has(kind), `${api}: there is no ${kind}`);
      else t.ok(kinds.has(kind), `${api}: ${kind}`);
    rows.push(`| ${[api, ...KINDS.map((kind) => (none.includes(kind) ? '–' : String(kinds.get(kind) ?? 0)))].join(' | ')} |`);
  }
  const file = join(root, 'docs/model-apis.md');
  const page = readFileSync(file, 'utf8');
  const start = page.indexOf('-->\n', page.indexOf('<!-- golden')) + 4;
  const end = page.indexOf('<!-- end of golden');
  const made = [`| API | ${KINDS.join(' | ')} |`, `|${'---|'.repeat(KINDS.length + 1)}`, ...rows].join('\n');
  if (process.env.UPDATE === '1') writeFileSync(file, `${page.slice(0, start)}${made}\n${page.slice(end)}`);
  else t.equal(page.slice(start, end).trimEnd(), made, 'the table');
  t.end();
});
