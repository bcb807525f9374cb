/** HTTP/2: what node:http2 said is what is read, however it is cut, over holes, and from the middle. */
import fc from 'fast-check';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { cuts } from '../support/http-conversations.js';
import { type Conversation2, converse } from '../support/http2-traffic.js';
import { facts, type Piece, recut, type SessionOptions, sessionEvents, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

const CONN = '1841.8123456.1';
const H2: SessionOptions = { open: { alpn: 'h2' }, step: 0 };
const run = (pieces: readonly Piece[], options: SessionOptions = H2): AnyEvent[] => through(httpParser(), sessionEvents(pieces, options));

type Data = Record<string, unknown>;

function bytesOf(data: Data, name: string): Buffer {
  if (typeof data[name] === 'string') return Buffer.from(data[name] as string);
  return Buffer.from((data[`${name}_b64`] ?? '') as string, 'base64');
}

function of(events: readonly AnyEvent[], type: string, stream: number): Data | undefined {
  return facts(events, type).find(({ data }) => data.exchange === `${CONN}/${stream}` && !data.interim)?.data as Data | undefined;
}

/** What is not as it was said; `whole`: all of it has to be there. */
function differences({ exchanges, pushed }: Conversation2, events: readonly AnyEvent[], whole: boolean): string[] {
  const wrong: string[] = [];
  for (const exchange of exchanges) {
    const request = of(events, 'http_request', exchange.stream);
    const response = of(events, 'http_response', exchange.stream);
    const say = (what: string): void => {
      wrong.push(`${exchange.stream} ${exchange.path}: ${what}`);
    };
    if (whole && (!request || !response)) say('is missing');
    if (request && (whole || !request.partial)) {
      if (request.method !== exchange.method || request.path !== exchange.path) say(`request ${request.method} ${request.path}`);
      if (!bytesOf(request, 'body').equals(exchange.sent)) say('body of the request');
      if ((request.headers as Data)['x-number'] !== new URLSearchParams(exchange.path.split('?')[1]).get('n')) say('header of the request');
    }
    const end = of(events, 'http_end', exchange.stream);
    if (response && (whole || (!response.partial && !end?.partial))) {
      if (response.status !== exchange.status) say(`status ${response.status}`);
      for (const [name, value] of Object.entries(exchange.headers)) {
        if (name !== 'date' && String((response.headers as Data)[name]) !== value) say(`header ${name}`);
      }
      if (response.streamed) {
        const sse = facts(events, 'sse_event').filter(({ data }) => data.exchange === response.exchange);
        if (sse.length !== 2 || sse[1]?.data.data !== 'end') say(`${sse.length} server-sent events`);
      } else if (!exchange.headers['content-encoding'] && !bytesOf(response, 'body').equals(exchange.received)) say('body of the response');
      else if (exchange.headers['content-encoding'] && !bytesOf(response, 'body').toString().startsWith(`{"path":"${exchange.path}"}`))
        say('coded body');
      if (JSON.stringify(response.trailers ?? {}) !== JSON.stringify(exchange.trailers)) say('trailers');
    }
  }
  const promised = facts(events, 'http_request').filter(({ data }) => data.pushed);
  if (whole && promised.length !== pushed.length) wrong.push(`${promised.length} pushed, not ${pushed.length}`);
  if (whole && facts(events, 'http_request', 'http_response', 'http_end').some(({ data }) => data.partial))
    wrong.push('something is partial');
  return wrong;
}

const spoken = Promise.all([
  converse(40, 8),
  converse(20, 3, { headerTableSize: 0 }),
  converse(30, 5, { headerTableSize: 65_536, maxFrameSize: 65_536 }, true),
]);

tape('what node:http2 said, with CONTINUATION, padding, push, trailers, and other sizes of the table', async (t) => {
  for (const conversation of await spoken) {
    const events = run(conversation.pieces);
    t.deepEqual(differences(conversation, events, true), [], `${conversation.exchanges.length} exchanges`);
    t.notOk(
      events.some(({ event_type }) => event_type === 'ssl_data'),
      'nothing is left over',
    );
    assertValid(t, events);
    const blind = run(conversation.pieces, { open: { role: undefined as never }, step: 0 });
    t.deepEqual(differences(conversation, blind, true), [], 'without ALPN and role');
    const swapped = conversation.pieces.map(([d, b]): Piece => [d === 'read' ? 'write' : 'read', b]);
    const server = run(swapped, { open: { role: undefined as never }, step: 0 });
    t.deepEqual(differences(conversation, server, true), [], 'seen from the server');
    t.ok(facts(server, 'http_request').every(({ data }) => data.role === 'server'));
  }
});

/** Events without what follows from the cut. */
function said(events: readonly AnyEvent[]): string {
  return JSON.stringify(facts(events).map(({ event_type, data }) => [event_type, data]));
}

tape('the same events however the bytes are cut', async (t) => {
  for (const { pieces } of await spoken) {
    const expected = said(run(pieces));
    fc.assert(
      fc.property(cuts, fc.integer({ min: 1, max: 60 }), (sizes, times) => {
        let i = 0;
        return said(run(recut(pieces, () => (sizes[i++ % sizes.length] as number) * times))) === expected;
      }),
      { numRuns: 25 },
    );
  }
  t.pass('75 ways');
});

tape('joined midway: what is said is true, and names come back', async (t) => {
  for (const conversation of await spoken) {
    const { pieces } = conversation;
    for (const alpn of ['h2', undefined]) {
      let heard = 0;
      for (let from = 1; from < pieces.length; from += 3) {
        const open = { from_start: false, ...(alpn ? { alpn } : {}) };
        const events = run(pieces.slice(from), { open, step: 0 });
        const wrong = differences(conversation, events, false);
        if (wrong.length > 0) t.fail(`from piece ${from}: ${wrong}`);
        if (from < pieces.length / 2) heard += facts(events, 'http_request').length;
        if (from % 5 === 1) assertValid(t, events);
      }
      t.ok(heard > 0, `${heard} requests`);
    }
  }
});

tape('holes: never a throw, never a whole message that is not', async (t) => {
  for (const conversation of await spoken) {
    fc.assert(
      fc.property(cuts, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 3 }), (sizes, holes) => {
        let i = 0;
        const pieces = recut(conversation.pieces, () => (sizes[i++ % sizes.length] as number) * 17);
        for (const [at, many] of holes) {
          for (let k = 0; k < many; k++) {
            const piece = pieces[(at + k) % pieces.length] as Piece;
            if (typeof piece[1] !== 'number') piece[1] = piece[1].length;
          }
        }
        const wrong = differences(conversation, run(pieces), false);
        if (wrong.length > 0) throw new Error(wrong.join('; '));
        return true;
      }),
      { numRuns: 60 },
    );
  }
  t.pass('180 conversations with holes');
});

tape('damage: never a throw', async (t) => {
  const [{ pieces }] = await spoken;
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 30 }), (flips) => {
      const damaged = pieces.map(([direction, bytes]): Piece => [direction, Buffer.from(bytes as Buffer)]);
      for (const [at, place, value] of flips) {
        const bytes = (damaged[at % damaged.length] as Piece)[1] as Buffer;
        bytes[place % bytes.length] = value;
      }
      run(damaged);
      return true;
    }),
    { numRuns: 100 },
  );
  t.pass('100 damaged conversations');
});
