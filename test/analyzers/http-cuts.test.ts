/** Properties: the same events however the bytes are cut; nothing throws; what is said over gaps is true. */
import fc from 'fast-check';
import { HTTPParser, type HTTPParserJS } from 'http-parser-js';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { type Conversation, conversations, cuts } from '../support/http-conversations.js';
import { facts, type Piece, recut, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const run = (pieces: readonly Piece[], options = {}): AnyEvent[] => through(httpParser(options), sessionEvents(pieces, { step: 0 }));

/** Type and data without what follows from the clock; pieces of one body joined, since they are cut as the input is. */
function said(events: readonly AnyEvent[]): unknown[] {
  const out: { event_type: string; data: Record<string, unknown> }[] = [];
  for (const { event_type, data } of facts(events)) {
    const last = out.at(-1);
    if (event_type === 'http_body' && last?.event_type === 'http_body') {
      last.data = { ...last.data, bytes: Buffer.concat([last.data.bytes as Buffer, bytesOf(data)]) };
    } else if (event_type === 'http_body') out.push({ event_type, data: { exchange: data.exchange, bytes: bytesOf(data) } });
    else out.push({ event_type, data });
  }
  return out;
}

function bytesOf(data: Record<string, unknown>): Buffer {
  return typeof data.payload === 'string' ? Buffer.from(data.payload) : Buffer.from((data.payload_b64 ?? '') as string, 'base64');
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const cutBy =
  (sizes: readonly number[]) =>
  (pieces: readonly Piece[]): Piece[] => {
    let i = 0;
    return recut(pieces, () => sizes[i++ % sizes.length] as number);
  };

tape('the same events however the bytes are cut', (t) => {
  for (const options of [{}, { streamAll: true }, { sseMerge: true }, { bodyLimit: 20 }]) {
    fc.assert(
      fc.property(conversations, cuts, ({ pieces }, sizes) => same(said(run(pieces, options)), said(run(cutBy(sizes)(pieces), options)))),
      { numRuns: 150 },
    );
  }
  t.pass('600 conversations');
  t.end();
});

tape('every message is there, with its body; nothing of it is left over', (t) => {
  fc.assert(
    fc.property(conversations, cuts, (conversation, sizes) => {
      const events = run(cutBy(sizes)(conversation.pieces), { streamAll: true });
      return whole(events, conversation) && events.every((event) => event.event_type !== 'ssl_data');
    }),
    { numRuns: 300 },
  );
  const events = fc.sample(conversations, 20).flatMap(({ pieces }) => run(pieces));
  assertValid(t, events);
  t.end();
});

function whole(events: readonly AnyEvent[], { requests, responses }: Conversation): boolean {
  const bodies = { client: requests.map(() => Buffer.alloc(0)), server: responses.map(() => Buffer.alloc(0)) };
  for (const { event_type, data } of facts(events)) {
    const n = Number(String(data.exchange).split('/')[1]) - 1;
    if (data.partial) return false;
    if (event_type === 'http_body') {
      const list = bodies[data.sender as 'client' | 'server'];
      list[n] = Buffer.concat([list[n] as Buffer, bytesOf(data)]);
    }
  }
  const streamed = (i: number): boolean =>
    facts(events, 'sse_event').length > 0 || (responses[i] as { head: string }).head.includes('event-stream');
  return (
    facts(events, 'http_request').length === requests.length &&
    facts(events, 'http_response').filter((event) => !event.data.interim).length === responses.length &&
    requests.every((request, i) => request.body.equals(bodies.client[i] as Buffer)) &&
    responses.every((response, i) => streamed(i) || response.body.equals(bodies.server[i] as Buffer))
  );
}

tape('gaps: never a throw, never a whole message that is not', (t) => {
  const holes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 300 })), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(conversations, cuts, holes, (conversation, sizes, lost) => {
      const pieces = cutBy(sizes)(conversation.pieces);
      for (const [at] of lost) {
        const piece = pieces[at % pieces.length] as Piece;
        if (typeof piece[1] !== 'number') piece[1] = piece[1].length;
      }
      const events = run(pieces);
      const bodies = new Set([...conversation.requests, ...conversation.responses].map((message) => message.body.toString('base64')));
      return facts(events, 'http_request', 'http_response').every(({ data }) => {
        if (data.partial || data.streamed || data.interim) return true;
        const body = typeof data.body === 'string' ? Buffer.from(data.body) : Buffer.from((data.body_b64 ?? '') as string, 'base64');
        return bodies.has(body.toString('base64')) || quotesHttp(conversation);
      });
    }),
    { numRuns: 600 },
  );
  t.pass('600 conversations with holes');
  t.end();
});

/** A body may quote HTTP, and after a hole that cannot be told from the real thing. */
function quotesHttp({ requests, responses }: Conversation): boolean {
  return [...requests, ...responses].some((message) => message.body.includes('HTTP/1.1'));
}

tape('what http-parser-js reads, we read', (t) => {
  fc.assert(
    fc.property(conversations, (conversation) => {
      const { requests } = conversation;
      const theirs = parse(requests.map((request) => Buffer.concat([Buffer.from(request.head), request.wire])));
      const ours = facts(
        run(
          requests.map((request): Piece => ['write', Buffer.concat([Buffer.from(request.head), request.wire])]),
          { showSecrets: true },
        ),
      );
      return (
        theirs.length === ours.length &&
        theirs.every((message, i) => {
          const data = ours[i]?.data as Record<string, unknown>;
          return (
            message.method === data.method &&
            message.url === data.path &&
            message.bytes === data.wire_bytes &&
            message.names.every((name) => Object.hasOwn(data.headers as object, name.toLowerCase()))
          );
        })
      );
    }),
    { numRuns: 200 },
  );
  t.pass('200 conversations');
  t.end();
});

function parse(messages: readonly Buffer[]): { method: string; url: string; names: string[]; bytes: number }[] {
  const parser = new HTTPParser(HTTPParser.REQUEST) as HTTPParserJS;
  const out: { method: string; url: string; names: string[]; bytes: number }[] = [];
  parser[HTTPParser.kOnHeadersComplete] = ((info: { method: number; url: string; headers: string[] }) => {
    out.push({
      method: HTTPParser.methods[info.method] as string,
      url: info.url,
      names: info.headers.filter((_, i) => i % 2 === 0),
      bytes: 0,
    });
  }) as never;
  parser[HTTPParser.kOnBody] = ((_bytes: Buffer, _from: number, length: number) => {
    (out.at(-1) as { bytes: number }).bytes += length;
  }) as never;
  parser[HTTPParser.kOnMessageComplete] = (() => {}) as never;
  for (const bytes of messages) parser.execute(bytes);
  return out;
}
