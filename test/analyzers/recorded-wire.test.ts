/** Sessions of curl, nginx, httpx, python-h2 and python-websockets (test/fixtures/wire/record.ts): what the clients say they got. */
import { readFileSync } from 'node:fs';
import tape from 'tape';
import { httpParser } from '../../lib/analyzers/http.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { ROOT } from '../support/harness.js';
import { facts, through } from '../support/tls-session.js';
import { assertValid } from '../support/validate.js';

type Got = { path: string; status: number; body: string };

function fixture(name: string): { events: AnyEvent[]; got: unknown } {
  const file = `${ROOT}test/fixtures/wire/${name}`;
  const input = readFileSync(`${file}.ndjson`, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AnyEvent);
  return { events: through(httpParser(), input), got: (JSON.parse(readFileSync(`${file}.json`, 'utf8')) as { got: unknown }).got };
}

for (const name of ['curl-nginx', 'curl-upgrade', 'httpx-node']) {
  tape(`${name}: each answer is with its request`, (t) => {
    const { events, got } = fixture(name);
    const answers = facts(events, 'http_response').filter(({ data }) => !data.interim);
    t.equal(answers.length, (got as Got[]).length);
    for (const { path, status, body } of got as Got[]) {
      const shown = path.replace(/key=[^&]*/, 'key=redacted:');
      const answer = answers.find(({ data }) => String(data.path).replace(/redacted:\d+/, 'redacted:') === shown);
      t.deepEqual([answer?.data.status, answer?.data.body, answer?.data.partial], [status, body, undefined], path);
      const request = facts(events, 'http_request').find(({ data }) => data.exchange === answer?.data.exchange);
      t.equal(request?.data.path, answer?.data.path, 'its request has its number');
    }
    t.notOk(
      JSON.stringify(events, (name, value) => (name === 'body' ? undefined : value)).includes('s3cret'),
      'no secret is left in a head',
    );
    t.ok(
      events.every(({ event_type }) => event_type !== 'ssl_data'),
      'nothing is left over',
    );
    assertValid(t, events);
    t.end();
  });
}

tape('websockets: what came back is what was sent', (t) => {
  const { events, got } = fixture('websockets');
  const texts = (sender: string): unknown[] =>
    facts(events, 'ws_message')
      .filter(({ data }) => data.sender === sender && data.opcode === 'text')
      .map(({ data }) => data.payload);
  t.deepEqual(texts('server'), got);
  t.deepEqual(texts('client'), got);
  t.ok(facts(events, 'ws_message').some(({ data }) => data.compressed));
  t.deepEqual([facts(events, 'http_end')[0]?.data.end, facts(events, 'http_end')[0]?.data.partial], ['complete', undefined]);
  assertValid(t, events);
  t.end();
});

tape('nginx that ends TLS before another server, recorded in nginx: it is the server, and each answer is with its request', (t) => {
  const { events, got } = fixture('nginx-proxy');
  for (const { path, status, body } of got as Got[]) {
    const shown = path.replace(/key=.*/, 'key=redacted:');
    const answer = facts(events, 'http_response').find(({ data }) => String(data.path).replace(/redacted:\d+/, 'redacted:') === shown);
    const exchange = answer?.data.exchange;
    const request = facts(events, 'http_request').find(({ data }) => data.exchange === exchange);
    t.deepEqual(
      [answer?.data.status, answer?.data.role, answer?.data.version, answer?.data.partial],
      [status, 'server', '2', undefined],
      path,
    );
    t.deepEqual([request?.data.path, request?.data.body], [answer?.data.path, '{"a":1}'], 'its request');
    const streamed = facts(events, 'sse_event').filter(({ data }) => data.exchange === exchange);
    t.equal(streamed.length > 0 ? streamed.map(({ data }) => `data: ${data.data}\n\n`).join('') : answer?.data.body, body, 'what curl got');
  }
  t.ok(
    facts(events, 'http_response').some(({ data }) => JSON.stringify(data.encoding) === '["gzip"]'),
    'one is compressed',
  );
  assertValid(t, events);
  t.end();
});

tape('gRPC of @grpc/grpc-js: its messages, each behind five bytes, and how a call ended', (t) => {
  const { events, got } = fixture('grpc');
  const answers = facts(events, 'http_response');
  t.equal(answers.length, 4);
  (got as { path: string; messages: string[]; code: number; details?: string }[]).forEach(({ path, messages, code, details }, n) => {
    const data = answers[n]?.data as {
      path: string;
      framing: string;
      body?: string;
      body_b64?: string;
      trailers?: object;
      headers: object;
    };
    const body = data.body_b64 === undefined ? Buffer.from(data.body ?? '') : Buffer.from(data.body_b64, 'base64');
    const read: string[] = [];
    for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1))
      read.push(String(body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1))));
    t.deepEqual([data.path, read], [path, messages], `${path}: what the client got`);
    const end = { ...data.headers, ...data.trailers } as Record<string, string>;
    t.equal(end['grpc-status'], String(code), 'its status');
    if (details) t.equal(decodeURIComponent(end['grpc-message'] as string), details);
    const request = facts(events, 'http_request').find((each) => each.data.exchange === answers[n]?.data.exchange);
    t.deepEqual([request?.data.framing, request?.data.path], ['grpc', path], 'named by its request');
  });
  t.notOk(JSON.stringify(events, (name, value) => (name === 'body' ? undefined : value)).includes('s3cret'), 'no secret is left in a head');
  assertValid(t, events);
  t.end();
});
