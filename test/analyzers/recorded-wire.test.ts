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
