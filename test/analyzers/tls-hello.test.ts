import test from 'tape';
import { tlsHello } from '../../lib/analyzers/tls-hello.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { CHROME, helloMessage, records } from '../protocols/hello-maker.js';

function hello(n: number, socket: string, bytes: Buffer): AnyEvent {
  return {
    id: `aaaaaaaaaa-${n}`,
    timestamp: 1764000000000 + n,
    source: 'tls',
    event_type: 'tls_client_hello',
    data: { pid: 1, socket, hello_b64: bytes.toString('base64') },
  } as AnyEvent;
}

function run(events: readonly AnyEvent[]): Record<string, unknown>[] {
  const stage = tlsHello();
  const out: AnyEvent[] = [];
  for (const event of events) stage.transform(event, (each) => out.push(each));
  return out.map((event) => event.data as Record<string, unknown>);
}

test('tls-hello: a hello over several events of one socket is said at the one that completes it', (t) => {
  const bytes = records(helloMessage(CHROME), 77);
  for (const cuts of [[1], [5], [100], [50, 120], [bytes.length - 1]]) {
    const ends = [...cuts, bytes.length];
    const pieces = ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end));
    const said = run(pieces.flatMap((piece, i) => [hello(2 * i + 1, '7', piece), hello(2 * i + 2, '8', piece)]));
    const last = said.slice(-2);
    t.ok(
      said.slice(0, -2).every((data) => data['ja4'] === undefined),
      `cut at ${cuts.join(', ')}: no fingerprint of a part`,
    );
    t.ok(
      last.every((data) => data['ja4'] === 't13d1516h2_8daaf6152771_e5627efa2ab1' && data['partial'] === undefined),
      'one of the whole',
    );
  }
  t.end();
});

test('tls-hello: a hello that is cut short says its name and that it is not whole', (t) => {
  const [data] = run([hello(1, '7', records(helloMessage(CHROME)).subarray(0, 160))]);
  t.deepEqual([data?.['sni'], data?.['partial'], data?.['ja3']], ['example.com', ['gap'], undefined]);
  t.end();
});

test('tls-hello: a second hello of a socket, after a HelloRetryRequest, is read by itself', (t) => {
  const whole = records(helloMessage(CHROME));
  const said = run([hello(1, '7', whole.subarray(0, 60)), hello(2, '7', whole), hello(3, '7', whole)]);
  t.deepEqual(
    said.map((data) => typeof data['ja4']),
    ['undefined', 'string', 'string'],
  );
  t.end();
});

test('tls-hello: fields that are there stay as they are', (t) => {
  const event = hello(1, '7', records(helloMessage(CHROME)));
  (event.data as unknown as Record<string, unknown>)['sni'] = 'mine';
  t.equal(run([event])[0]?.['sni'], 'mine');
  t.end();
});
