/** The faces for people who write Node programs: through2 streams, and a source with addAnalyzer. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import split2 from 'split2';
import test from 'tape';
import { httpParser } from '../../lib/analyzers/index.js';
import { openReplay, Runner } from '../../lib/index.js';
import { ROOT } from '../support/harness.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-streams-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

const who = { pid: 7, tid: 7, ppid: 1, uid: 0, comm: 'curl', start_us: 5, cgroup_id: '1' };
const data = (n: number, direction: string, offset: number, payload: string): string =>
  JSON.stringify({
    id: `aaaaaaaaaa-${n}`,
    timestamp: 1764000000000 + n,
    source: 'ssl',
    event_type: 'ssl_data',
    data: { ...who, conn: '7.5.1', direction, offset, total_bytes: payload.length, captured_bytes: payload.length, payload },
  });
const request = 'GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n';
const response = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const input = `${[data(1, 'write', 0, request), data(2, 'read', 0, response), data(3, 'write', request.length, request), data(4, 'read', response.length, response)].join('\n')}\n`;
const file = join(directory, 'in.ndjson');
writeFileSync(file, input);
const expected = execFileSync(process.execPath, [`${ROOT}bin/http`], { input }).toString();

test('streams: split2, stream() and ndjson give what the command gives', async (t) => {
  // ndjson is CommonJS without types.
  const { default: ndjson } = (await import('ndjson' as string)) as { default: { stringify(): NodeJS.ReadWriteStream } };
  let text = '';
  const collect = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  await pipeline(Readable.from([Buffer.from(input)]), split2(JSON.parse), httpParser().stream(), ndjson.stringify(), collect);
  t.ok(text.includes('"http_response"'));
  t.equal(text, expected);
  t.end();
});

test('streams: a runner with analyzers emits what the commands print', async (t) => {
  const runner = new Runner(() => openReplay([file])).addAnalyzer(httpParser());
  let text = '';
  for await (const chunk of runner.pipe(new PassThrough())) text += chunk;
  t.equal(text, expected);
  t.equal(runner.exitStatus, 0);
  t.throws(() => runner.addAnalyzer(httpParser()), /has started/);
  t.end();
});

test('streams: a runner waits for its reader, and can be stopped or destroyed', async (t) => {
  const large = join(directory, 'large.ndjson');
  writeFileSync(large, Array.from({ length: 60_000 }, (_, n) => `{"n":${n},"pad":"${'z'.repeat(100)}"}\n`).join(''));
  const slow = new Runner(() => openReplay([large]));
  slow.once('readable', () => {});
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.ok(slow.readableLength < 3_000_000, `holds ${slow.readableLength} bytes`);
  let lines = 0;
  for await (const chunk of slow) lines += (chunk as Buffer).toString().split('\n').length - 1;
  t.equal(lines, 60_000);

  const stopped = new Runner(() => openReplay([large]));
  let got = 0;
  for await (const chunk of stopped) {
    got += (chunk as Buffer).length;
    stopped.stop();
  }
  t.ok(got > 0 && got < 6_000_000, 'ended by stop()');

  const destroyed = new Runner(() => openReplay([large]));
  for await (const _ of destroyed) break;
  t.ok(destroyed.destroyed, 'ended by its reader');

  const failing = new Runner(() => {
    throw new Error('no such thing');
  });
  try {
    for await (const _ of failing) t.fail('no data');
    t.fail('no error');
  } catch (error) {
    t.match(String(error), /no such thing/);
  }
  t.end();
});
