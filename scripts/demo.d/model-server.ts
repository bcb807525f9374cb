/**
 * A real HTTPS server on loopback that speaks Anthropic Messages, OpenAI Chat Completions and Responses (also over
 * WebSocket) and Gemini's generateContent, with streaming and tool calls, for the demo and for tests. The model behind
 * it is in model.ts.
 *
 *   node dist/scripts/demo.d/model-server.js [--port N] [--dir DIR] [--cert FILE --key FILE] [--delay MS] [--http2]
 *
 * Without --cert it makes a certificate in DIR (a new directory in /tmp, by default, which it removes at its end). When
 * it listens it prints one line, `{"port":…,"pid":…,"ca":"…"}`. It ends on SIGTERM and SIGINT.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { parseArgs } from 'node:util';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import * as anthropic from './anthropic.js';
import { makeCertificate } from './certificate.js';
import * as gemini from './gemini.js';
import * as openai from './openai.js';
import * as responses from './responses.js';
import { ServerSocket } from './websocket.js';

const MODELS = ['pretend-large', 'pretend-small'];
const MOST_BODY_BYTES = 64 * 1024 * 1024;

export interface ModelServer {
  port: number;
  close(): Promise<void>;
}

export interface ModelServerOptions {
  /** PEM files. */
  key: string;
  cert: string;
  /** 0, the default: any that is free. */
  port?: number;
  /** The pause before each streamed event. */
  delayMs?: number;
  /** Speaks HTTP/2 with clients that offer it. */
  http2?: boolean;
  /** Given each connection when its handshake is done; what it returns is spoken to in its place. */
  wrap?: (socket: TLSSocket) => Duplex;
  /** Told of each request, upgrades too. */
  asked?: (request: IncomingMessage) => void;
  /** Asked first, by `METHOD /path`. True: it has answered, or will. */
  also?: (route: string, request: IncomingMessage, response: ServerResponse) => boolean;
  /** Told of each handshake that fails. */
  failed?: (message: string) => void;
}

interface State {
  answers: number;
  delayMs: number;
  also: NonNullable<ModelServerOptions['also']>;
}

/** Starts it on 127.0.0.1. */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const state: State = { answers: 0, delayMs: options.delayMs ?? 0, also: options.also ?? (() => false) };
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    options.asked?.(request);
    respond(request, response, state).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else fail(response, 500, 'api_error', error instanceof Error ? error.message : String(error));
    });
  };
  const http1 = createServer(take);
  http1.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    options.asked?.(request);
    upgrade(request, socket, head, state);
  });
  // Its compatibility layer gives requests and responses that answer to the same calls.
  const http2 = createHttp2Server((request, response) =>
    take(request as unknown as IncomingMessage, response as unknown as ServerResponse),
  );
  http2.on('sessionError', () => {});
  const open = new Set<TLSSocket>();
  const server = createTlsServer({
    key: readFileSync(options.key),
    cert: readFileSync(options.cert),
    ALPNProtocols: options.http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
  });
  server.on('secureConnection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    (socket.alpnProtocol === 'h2' ? http2 : http1).emit('connection', options.wrap?.(socket) ?? socket);
  });
  server.on('tlsClientError', (error) => options.failed?.(error.message));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** One API: what it answers to a JSON body, in one piece or as a stream. */
interface Api {
  /** Is this body a question to it? */
  takes(body: Record<string, unknown>): boolean;
  streams(body: Record<string, unknown>, url: URL): boolean;
  whole(body: never, n: number, url: URL): Record<string, unknown>;
  /** What is written, piece by piece. */
  wire(body: never, n: number, url: URL): Iterable<string>;
  type?(url: URL): string;
}

const isList = (value: unknown): boolean => Array.isArray(value) && value.length > 0;
const wantsStream = (body: Record<string, unknown>): boolean => body.stream === true;

function* sse(events: Iterable<{ event?: string; data: unknown }>, last = '', eol = '\n'): Generator<string> {
  for (const { event, data } of events)
    yield `${event === undefined ? '' : `event: ${event}${eol}`}data: ${JSON.stringify(data)}${eol}${eol}`;
  if (last !== '') yield last;
}

function* unnamed(events: Iterable<Record<string, unknown>>): Generator<{ data: unknown }> {
  for (const data of events) yield { data };
}

/** Gemini's stream without `alt=sse`: one JSON array. */
function* array(chunks: Iterable<unknown>): Generator<string> {
  let before = '[';
  for (const chunk of chunks) {
    yield before + JSON.stringify(chunk, null, 2);
    before = '\r\n,\r\n';
  }
  yield ']';
}

const modelOf = (url: URL): string => /\/models\/([^/:]+):/.exec(url.pathname)?.[1] ?? '?';
const isSse = (url: URL): boolean => url.searchParams.get('alt') === 'sse';

const MESSAGES: Api = {
  takes: (body) => isList(body.messages),
  streams: wantsStream,
  whole: anthropic.whole,
  wire: (body, n) => sse(anthropic.streamed(body, n)),
};
const CHAT: Api = {
  takes: (body) => isList(body.messages),
  streams: wantsStream,
  whole: openai.whole,
  wire: (body, n) => sse(unnamed(openai.streamed(body, n)), 'data: [DONE]\n\n'),
};
const RESPONSES: Api = {
  takes: (body) => typeof body.input === 'string' || isList(body.input),
  streams: wantsStream,
  whole: (body, n) => responses.whole(body, n),
  wire: (body, n) => sse(responses.streamed(body, n)),
};
const GEMINI: Api = {
  takes: (body) => isList(body.contents),
  streams: (_body, url) => url.pathname.endsWith(':streamGenerateContent'),
  whole: (body, n, url) => gemini.whole(body, modelOf(url), n),
  wire: (body, n, url) => {
    const chunks = gemini.streamed(body, modelOf(url), n);
    return isSse(url) ? sse(unnamed(chunks), '', '\r\n') : array(chunks);
  },
  type: (url) => (isSse(url) ? 'text/event-stream' : 'application/json; charset=UTF-8'),
};

function apiOf(route: string): Api | undefined {
  if (route === 'POST /v1/messages') return MESSAGES;
  if (route === 'POST /v1/chat/completions') return CHAT;
  if (route === 'POST /v1/responses') return RESPONSES;
  return /^POST \/v1(?:beta|alpha)?\/models\/[^/:]+:(?:stream)?[gG]enerateContent$/.test(route) ? GEMINI : undefined;
}

function mayAsk(request: IncomingMessage): boolean {
  return ['x-api-key', 'authorization', 'x-goog-api-key'].some((name) => request.headers[name] !== undefined);
}

async function respond(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://localhost');
  const route = `${request.method} ${url.pathname}`;
  if (state.also(route, request, response)) return;
  if (route === 'GET /v1/models') {
    return json(response, 200, { object: 'list', data: MODELS.map((id) => ({ id, object: 'model', owned_by: 'tracer' })) });
  }
  const api = apiOf(route);
  if (api === undefined) {
    request.resume();
    return fail(response, 404, 'not_found_error', `no ${route} here`);
  }
  if (!mayAsk(request) && !url.searchParams.has('key')) {
    request.resume();
    return fail(response, 401, 'authentication_error', 'an API key is needed; any will do');
  }
  const body = await read(request);
  if (body === undefined) return fail(response, 413, 'request_too_large', `more than ${MOST_BODY_BYTES} bytes`);
  const asked = objectIn(body);
  if (asked === undefined || !api.takes(asked))
    return fail(response, 400, 'invalid_request_error', 'the body must be JSON with a list of messages');
  const n = ++state.answers;
  if (!api.streams(asked, url)) return json(response, 200, api.whole(asked as never, n, url));
  return stream(response, state.delayMs, api.wire(asked as never, n, url), api.type?.(url));
}

/** A conversation over WebSocket: each message a request, which may leave out what an earlier one said. */
function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, state: State): void {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket' || !request.url?.startsWith('/v1/responses') || !mayAsk(request)) {
    socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  let tools: responses.Tool[] = [];
  new ServerSocket(request, socket, head, async (text, client) => {
    const asked = JSON.parse(text) as responses.ResponsesRequest & { type?: string };
    if (asked.type !== 'response.create') return;
    asked.input ??= [];
    const offered = responses.toolsOf(asked);
    if (offered.length > 0) tools = offered;
    for (const { data } of responses.streamed(asked, ++state.answers, tools)) {
      if (state.delayMs > 0) await wait(state.delayMs);
      await client.send(JSON.stringify(data));
    }
  });
}

/** The pieces of a stream, each in a write of its own. */
async function stream(response: ServerResponse, delayMs: number, pieces: Iterable<string>, type?: string): Promise<void> {
  response.writeHead(200, { 'content-type': type ?? 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  const closed = once(response, 'close').catch(() => undefined);
  for (const piece of pieces) {
    if (delayMs > 0) await wait(delayMs);
    if (response.destroyed) return;
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), closed]);
  }
  response.end();
}

function json(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

function fail(response: ServerResponse, status: number, type: string, message: string): void {
  json(response, status, { type: 'error', error: { type, message } });
}

const CODINGS: Record<string, (body: Buffer, options: { maxOutputLength: number }) => Buffer> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

/** The body, decoded; nothing when it is too long. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length > MOST_BODY_BYTES) return undefined;
    parts.push(part as Buffer);
  }
  const body = Buffer.concat(parts);
  const decode = CODINGS[request.headers['content-encoding'] ?? ''];
  return decode === undefined ? body : decode(body, { maxOutputLength: MOST_BODY_BYTES });
}

function objectIn(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      dir: { type: 'string' },
      cert: { type: 'string' },
      key: { type: 'string' },
      delay: { type: 'string', default: '0' },
      http2: { type: 'boolean', default: false },
    },
  });
  const own = values.cert === undefined && values.dir === undefined ? mkdtempSync(join(tmpdir(), 'model-server-')) : undefined;
  const files =
    values.cert === undefined || values.key === undefined
      ? makeCertificate(values.dir ?? own ?? tmpdir())
      : { ca: values.cert, cert: values.cert, key: values.key };
  const started = { ...files, delayMs: Number(values.delay), http2: values.http2 };
  const port = Number(values.port);
  const server = await startModelServer({ ...started, port });
  process.stdout.write(`${JSON.stringify({ port: server.port, pid: process.pid, ca: files.ca })}\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  await server.close();
  if (own !== undefined) rmSync(own, { recursive: true, force: true });
}

if (process.argv[1]?.endsWith('model-server.js')) {
  main().catch((error: unknown) => {
    process.stderr.write(`model-server: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  });
}
