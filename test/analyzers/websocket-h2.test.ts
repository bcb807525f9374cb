/** A WebSocket in a stream of HTTP/2 (RFC 8441): node:http2 carries it, ws speaks it; it is read as any other, whatever the cut, beside other streams. */
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import tape from 'tape';
import { WebSocket } from 'ws';
import { httpParser } from '../../lib/analyzers/http.js';
import { llm } from '../../lib/analyzers/llm.js';
import { compose } from '../../lib/stream/compose.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { facts, type Piece, recut, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';
import { wiretap } from '../support/wiretap.js';

interface Bare extends WebSocket {
  _isServer: boolean;
  setSocket(stream: Duplex, head: Buffer, options: object): void;
}

/** A WebSocket of ws over a stream that is agreed on already. */
function speaker(stream: Duplex, isServer: boolean): WebSocket {
  const Bare = WebSocket as unknown as new (address: null, protocols: undefined, options: object) => Bare;
  const socket = new Bare(null, undefined, { autoPong: true });
  socket._isServer = isServer;
  socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 20, skipUTF8Validation: false, allowSynchronousEvents: true });
  return socket;
}

async function record(status: number, reset = false): Promise<Piece[]> {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (headers[':protocol'] !== 'websocket') {
      stream.respond({ ':status': 200 });
      stream.end('plain');
      return;
    }
    stream.respond({ ':status': status });
    if (status !== 200) {
      stream.end('no');
      return;
    }
    const socket = speaker(stream, true);
    socket.on('message', (data: Buffer) => {
      const { type } = JSON.parse(data.toString()) as { type: string };
      if (reset) stream.close(http2.constants.NGHTTP2_CANCEL);
      if (type !== 'response.create') return;
      const response = {
        id: 'resp_1',
        object: 'response',
        model: 'gpt-5',
        status: 'completed',
        output: [],
        usage: { input_tokens: 3, output_tokens: 2 },
      };
      socket.send(JSON.stringify({ type: 'response.output_text.delta', output_index: 0, item_id: 'm', delta: 'Take a coat – x' }));
      socket.send(JSON.stringify({ type: 'response.completed', response }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tap = await wiretap((server.address() as AddressInfo).port);
  const session = http2.connect(`http://127.0.0.1:${tap.port}`);
  await once(session, 'remoteSettings');
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/v1/responses?key=s3cret',
      ':scheme': 'https',
      ':authority': 'api.openai.com',
    },
    { endStream: false },
  );
  stream.on('error', () => {});
  await once(stream, 'response');
  const beside = session.request({ ':path': '/beside' });
  beside.resume();
  if (status === 200) {
    const socket = speaker(stream, false);
    const closed = once(socket, 'close');
    socket.on('error', () => {});
    const answered = reset ? closed : once(socket, 'message').then(() => once(socket, 'message'));
    socket.send(JSON.stringify({ type: 'response.create', response: { model: 'gpt-5', input: 'Coat?' } }));
    await answered;
    if (!reset) {
      socket.close(1000, 'that is all');
      await closed;
    }
  } else {
    stream.resume();
    stream.end();
    await once(stream, 'close');
  }
  if (!beside.closed) await once(beside, 'close');
  session.close();
  await once(session, 'close');
  tap.close();
  server.close();
  return tap.sessions[0] as Piece[];
}

const run = (pieces: readonly Piece[]): AnyEvent[] => through(httpParser(), sessionEvents(pieces, { step: 0 }));
const shown = (events: readonly AnyEvent[]): string =>
  JSON.stringify(events.filter(({ source }) => source === 'http').map(({ event_type, data }) => [event_type, data]));

tape('a WebSocket over HTTP/2: its handshake, its messages, its end, and the stream beside it', async (t) => {
  const pieces = await record(200);
  const events = run(pieces);
  const [request] = facts(events, 'http_request');
  t.deepEqual(
    [request?.data.method, request?.data.path, request?.data.host, request?.data.partial],
    ['CONNECT', '/v1/responses?key=redacted:1', 'api.openai.com', undefined],
  );
  const response = facts(events, 'http_response').find(({ data }) => data.exchange === request?.data.exchange);
  t.deepEqual([response?.data.status, response?.data.streamed], [200, true]);
  const messages = facts(events, 'ws_message');
  t.deepEqual(
    messages.slice(0, 4).map(({ data }) => [data.sender, data.opcode]),
    [
      ['client', 'text'],
      ['server', 'text'],
      ['server', 'text'],
      ['client', 'close'],
    ],
  );
  t.ok(messages.every(({ data }) => data.exchange === request?.data.exchange && data.partial === undefined));
  const ends = facts(events, 'http_end').map(({ data }) => [data.exchange, data.end, data.partial]);
  t.deepEqual(ends, [[request?.data.exchange, 'complete', undefined]]);
  t.equal(facts(events, 'http_response').find(({ data }) => data.path === '/beside')?.data.body, 'plain');
  assertValid(t, events);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }), (sizes) => {
      let at = 0;
      return shown(run(recut(pieces, () => sizes[at++ % sizes.length] as number))) === shown(events);
    }),
    { numRuns: 20 },
  );
  const calls = through(compose([httpParser(), llm()]), sessionEvents(pieces, { step: 0 })).filter(
    ({ event_type }) => event_type === 'llm_call',
  );
  t.deepEqual(
    calls.map(({ data }) => [(data as { request_model: string }).request_model, (data as { output_tokens: number }).output_tokens]),
    [['gpt-5', 2]],
    'and the call on it is one',
  );
  t.end();
});

tape('a WebSocket over HTTP/2 that is refused is an answer like any other', async (t) => {
  const events = run(await record(403));
  const response = facts(events, 'http_response').find(({ data }) => data.status === 403);
  t.deepEqual([response?.data.body, response?.data.streamed], ['no', undefined]);
  t.equal(facts(events, 'ws_message').length, 0);
  assertValid(t, events);
  t.end();
});

tape('a WebSocket over HTTP/2 whose stream is reset', async (t) => {
  const events = run(await record(200, true));
  t.deepEqual(
    facts(events, 'http_end').map(({ data }) => data.end),
    ['reset'],
  );
  assertValid(t, events);
  t.end();
});
