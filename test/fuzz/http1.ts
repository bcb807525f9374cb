/**
 * Fuzzing of HTTP/1: sessions of test/fuzz/corpus are changed where they have structure, go through the whole of tracer-http,
 * and what comes out is held against what must always be true.
 */
import { readFileSync } from 'node:fs';
import type { HttpOptions } from '../../lib/analyzers/http/options.js';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent, Direction } from '../../lib/stream/event.js';
import { root } from '../support/paths.js';
import { facts, type Piece, recut, sessionEvents, through } from '../support/tls-session.js';
import { cutSizes, mutateText, type Next, pick, random } from './random.js';

type Session = [Direction, string][];

/** Sessions as latin1 text: one character per byte. */
const CORPUS: Session[] = readFileSync(`${root}/test/fuzz/corpus/http1.ndjson`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { pieces: Session }).pieces);

/** What HTTP is made of: inserted, and put in the place of each other. */
const TOKENS = [
  'GET ',
  'POST ',
  'HEAD ',
  'CONNECT ',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ' HTTP/1.1\r\n',
  ' HTTP/1.0\r\n',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n',
  'HTTP/1.1 ',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999999999999\r\n',
  'Content-Length: -1\r\n',
  'Content-Length: 3, 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Content-Encoding: gzip\r\n',
  'Content-Encoding: br, zstd, deflate\r\n',
  'Content-Type: text/event-stream\r\n',
  'Content-Type: application/x-ndjson\r\n',
  'Upgrade: h2c\r\n',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  ' ',
  '\t folded\r\n',
  ':',
  ';',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'ffffffffffffff\r\n',
  '-1\r\n',
  '\0',
  '\xff\xfe',
  'data: x\n\n',
  'id: 1\nretry: 5\n',
  '__proto__: 1\r\n',
  'Authorization: Bearer secret\r\n',
  '\x1f\x8b\x08\0\0\0\0\0\0\x03',
];

export interface Input {
  pieces: Piece[];
  sizes: number[];
  options: HttpOptions;
  open: { from_start: boolean; role?: 'client' | 'server' };
}

/** What is larger than any limit of lines and heads. Rare: it costs as much as a thousand others. */
function giant(text: string, next: Next): string {
  const line = text.indexOf('\n', next(text.length + 1)) + 1;
  const lines = [
    (): string => `X-Long: ${'v'.repeat(300_000)}\r\n`,
    (): string => 'x-many: 1\r\n'.repeat(4200),
    (): string => `X-Large: ${'v'.repeat(200_000)}\r\n`.repeat(6),
    (): string => `${' folded'.repeat(30_000)}\r\n`.repeat(6),
    (): string => `GET /${'a'.repeat(40_000)} HTTP/1.1\r\n`,
    (): string => `data: ${'d'.repeat(100_000)}\n`,
  ];
  return text.slice(0, line) + pick(lines, next)() + text.slice(line);
}

/** Bytes of a piece that nothing giant was put into. */
const PIECE_BYTES = 4000;

/** The input of a seed. */
export function inputOf(seed: number): Input {
  const next = random(seed);
  const pieces: Piece[] = [];
  const large = next(4000) === 0;
  for (let i = large ? 1 : pick([1, 1, 1, 2, 3], next); i > 0; i--) {
    for (const [direction, text] of pick(CORPUS, next)) {
      let mutated = text;
      for (let k = next(4); k > 0; k--) mutated = mutateText(mutated, TOKENS, next);
      mutated = large ? giant(mutated, next) : mutated.slice(0, PIECE_BYTES);
      if (next(12) === 0) pieces.push([direction, 1 + next(200)]);
      if (next(20) !== 0 && mutated !== '') pieces.push([next(30) === 0 ? 'read' : direction, Buffer.from(mutated, 'latin1')]);
    }
  }
  const sizes = cutSizes(
    pieces.reduce((sum, [, piece]) => sum + (typeof piece === 'number' ? 0 : piece.length), 0),
    next,
  );
  const options = pick<HttpOptions>([{}, {}, { streamAll: true }, { sseMerge: true }, { bodyLimit: next(50) }], next);
  const role = pick([undefined, 'client', 'client', 'server'] as const, next);
  return { pieces, sizes, options, open: { from_start: next(3) > 0, ...(role ? { role } : {}) } };
}

function run({ options, open }: Input, pieces: readonly Piece[]): { input: AnyEvent[]; output: AnyEvent[] } {
  const input = sessionEvents(pieces, { step: 0, open: { role: undefined as never, ...open } });
  return { input, output: through(httpParser(options), input) };
}

/** What is not true of the input of a seed. */
export function wrongWithHttp1(seed: number): string | undefined {
  return wrongWith(inputOf(seed));
}

/** What must be true of every input; the first sentence that is not. */
function wrongWith(input: Input): string | undefined {
  const whole = run(
    input,
    recut(input.pieces, () => 1 << 30),
  );
  let i = 0;
  const cut = run(
    input,
    recut(input.pieces, () => input.sizes[i++ % input.sizes.length] as number),
  );
  for (const { input: given, output } of [whole, cut]) {
    const passed = output.filter((event) => event.source === 'ssl');
    let last = -1;
    const places = new Map(given.map((event, at) => [event, at]));
    for (const event of passed) {
      const at = places.get(event);
      if (at === undefined) return 'an event of the input was changed';
      // Events are held back for one direction while the other one goes on.
      if (event.event_type !== 'ssl_data' && at < last) return 'events were passed out of order';
      last = Math.max(last, at);
    }
    if (new Set(passed).size !== passed.length) return 'an event was passed twice';
    const wrong = untrue(output);
    if (wrong) return wrong;
  }
  const a = comparable(whole.output);
  const b = comparable(cut.output);
  return a === b ? undefined : `cut differently, it says something else:\n${a}\n${b}`;
}

/** Its handshake is missing: from before the sensor's start, or in a gap. */
function isJoined(partial: unknown): boolean {
  return Array.isArray(partial) && (partial.includes('start') || partial.includes('gap'));
}

function untrue(output: readonly AnyEvent[]): string | undefined {
  const streamed = new Map<string, number>();
  // WebSockets: those that were known by their frames have no response.
  const sockets = new Set<unknown>();
  for (const { event_type, data } of facts(output)) {
    if (event_type === 'ws_message') sockets.add(data.exchange);
    const key = `${data.exchange} ${event_type === 'http_request' ? 'client' : (data.sender ?? 'server')}`;
    if (event_type === 'http_end') {
      if (!streamed.has(key) && !(sockets.has(data.exchange) && isJoined(data.partial))) return 'an end without a beginning';
      streamed.delete(key);
    } else if (data.streamed) streamed.set(key, 0);
    else if (event_type === 'sse_event' || event_type === 'http_body') {
      const index = streamed.get(key);
      if (index === undefined) return 'a piece of nothing';
      if (data.index !== index) return 'pieces are not counted';
      streamed.set(key, index + 1);
    }
    if (typeof data.body === 'string' && !data.partial && Buffer.byteLength(data.body) !== data.body_bytes)
      return 'body_bytes is not the length of the body';
  }
  return streamed.size > 0 ? 'a stream without an end' : undefined;
}

/** Events without what may differ by the cut: the sizes of pieces, which are joined. */
function comparable(output: readonly AnyEvent[]): string {
  const lines: string[] = [];
  const streams = new Map<string, Buffer[]>();
  for (const { event_type, data } of facts(output)) {
    if (event_type === 'http_body') {
      const { payload, payload_b64 } = data as { payload?: string; payload_b64?: string };
      const key = `${data.exchange} ${data.sender}`;
      const pieces = streams.get(key) ?? [];
      pieces.push(payload === undefined ? Buffer.from(payload_b64 as string, 'base64') : Buffer.from(payload));
      streams.set(key, pieces);
    } else lines.push(JSON.stringify({ event_type, data }));
  }
  for (const [key, pieces] of streams) lines.push(`${key} ${Buffer.concat(pieces).toString('base64')}`);
  return lines.join('\n');
}
