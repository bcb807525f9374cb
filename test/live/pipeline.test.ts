/** The one-liners: from live traffic to HTTP messages and to text for people; recorded, replayed, cut otherwise. */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyEvent, HttpRequest, HttpResponse } from '../../lib/stream/event.js';
import { clockShift } from '../support/clock-shift.js';
import { bytesSha256, models } from '../support/https-server.js';
import { type Bench, live } from '../support/live.js';
import { bin, python, workload } from '../support/paths.js';
import { Running, type RunOptions, run, sh } from '../support/processes.js';
import { assertValid } from '../support/validate.js';

const quote = (words: readonly string[]) => words.map((w) => `'${w}'`).join(' ');
const curl = (bench: Bench, path: string, ...more: string[]) =>
  quote(['curl', '-sS', '-o', '/dev/null', '--cacert', bench.certificate.ca, ...more, `${bench.server.url}${path}`]);

function parse(text: Buffer): AnyEvent[] {
  return text
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as AnyEvent);
}

function only<T>(events: readonly AnyEvent[], type: string): T[] {
  return events.filter((e) => e.event_type === type).map((e) => e.data as T);
}

/** A conversation of several programs: curl, python3, node, openssl s_client. Prints nothing. */
function conversation(bench: Bench): string {
  const { ca } = bench.certificate;
  // Where any user may read it: a clone can be in a home that is closed to others.
  const open = (name: string): string => {
    const copy = join(bench.dir, name);
    copyFileSync(workload(name), copy);
    chmodSync(copy, 0o644);
    return copy;
  };
  const py = quote([python, open('client.py'), bench.report, ca, bench.server.url, 'get:/gzip?tag-py', 'upload:5000', 'get:/sse?n=4&ms=2']);
  const node = quote([
    process.execPath,
    open('client.mjs'),
    `${bench.report}.node`,
    ca,
    bench.server.url,
    'get:/chunked/7?tag-node',
    'tls:/v1/models?tag-node',
  ]);
  const get = 'GET /v1/models?tag-s_client HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n';
  const openssl = `printf '${get}' | openssl s_client -quiet -ign_eof -CAfile '${ca}' -connect localhost:${bench.server.port} >/dev/null 2>&1`;
  return [curl(bench, '/v1/models?tag-curl'), py, node, openssl, curl(bench, '/bytes/20000?tag-last')].join('\n');
}

/** Records the conversation: the sensor's lines, as they came. */
async function record(bench: Bench): Promise<Buffer> {
  const { stdout } = await run(bin('sslsniff'), ['--', 'sh', '-c', conversation(bench)], { timeout: 60000 });
  return stdout;
}

live('tracer-ssl | tracer-http: the messages of curl, python3, node and openssl s_client', async (t, bench) => {
  const script = join(bench.dir, 'conversation.sh');
  writeFileSync(script, conversation(bench));
  const { stdout, stderr, status } = await sh(`${bin('sslsniff')} -- sh ${script} | ${bin('http')}`, { timeout: 60000 });
  t.equal(status, 0, stderr.slice(-500));
  const events = parse(stdout);
  for (const event of events) assertValid(event);
  t.notOk(stdout.includes(bench.unrelated), 'nothing of the unrelated client');
  const requests = only<HttpRequest>(events, 'http_request');
  const responses = only<HttpResponse>(events, 'http_response');
  const expected = [
    'GET /v1/models?tag-curl',
    'GET /gzip?tag-py',
    'POST /upload',
    'GET /sse?n=4&ms=2',
    'GET /chunked/7?tag-node',
    'GET /v1/models?tag-node',
    'GET /v1/models?tag-s_client',
    'GET /bytes/20000?tag-last',
  ];
  t.same(
    requests.map((r) => `${r.method} ${r.path}`),
    expected,
  );
  t.same(
    responses.map((r) => `${r.method} ${r.path}`),
    expected,
    'each with its answer',
  );
  t.same(new Set(responses.map((r) => r.status)), new Set([200]));
  t.same(new Set(requests.map((r) => r.role)), new Set(['client']));
  const by = (tag: string) => responses.find((r) => r.path?.includes(tag));
  t.equal(by('tag-curl')?.body, models);
  t.equal(by('tag-s_client')?.body, models);
  t.equal(by('gzip')?.body, models, 'unpacked');
  t.same(by('gzip')?.encoding, ['gzip']);
  t.equal(by('chunked')?.body, Array.from({ length: 7 }, (_, i) => `Zeile ${i}\n`).join(''));
  t.equal(by('sse')?.streamed, true);
  t.equal(only(events, 'sse_event').length, 5);
  t.equal(only(events, 'http_end').length, 1);
  const last = by('tag-last');
  t.equal(
    createHash('sha256')
      .update(Buffer.from(last?.body_b64 ?? '', 'base64'))
      .digest('hex'),
    bytesSha256(20000),
  );
  t.equal(requests.find((r) => r.path === '/upload')?.body_bytes, 5000);
});

live("the issue's one-liner with jq", async (t, bench) => {
  const filter = `select(.event_type=="http_response") | "\\(.data.status) \\(.data.method // "?") \\(.data.host // "?")\\(.data.path // "")"`;
  const { stdout, stderr } = await sh(`${bin('sslsniff')} -- ${curl(bench, '/v1/models?tag')} | ${bin('http')} | jq -r '${filter}'`);
  t.equal(stdout.toString(), `200 GET localhost:${bench.server.port}/v1/models?tag\n`, stderr.slice(-500));
});

live('a redacted header is nowhere in the messages', async (t, bench) => {
  const { stdout } = await sh(
    `${bin('sslsniff')} -- ${curl(bench, '/v1/models?tag', '-H', 'Authorization: Bearer sk-topsecret')} | ${bin('http')}`,
  );
  const messages = parse(stdout).filter((e) => e.source === 'http');
  t.equal(messages.length, 2);
  // The command line in process_info is the sensor's fact: tracer-redact is for that.
  t.notOk(JSON.stringify(messages).includes('sk-topsecret'), 'not in the messages');
  t.equal(only<HttpRequest>(messages, 'http_request')[0]?.headers.authorization, 'redacted:1');
});

live('tracer pipe shows the same text as processes in a pipe', async (t, bench) => {
  const watched = curl(bench, '/v1/models?tag');
  const inPipes = await sh(`${bin('sslsniff')} -- ${watched} | ${bin('http')} | ${bin('show')}`);
  const inOne = await run(bin('tracer'), ['pipe', `ssl -- ${watched} | http | show`]);
  // Two runs: times, processes and ports differ, and a process can be gone before its directory was looked up.
  const normal = (text: Buffer) =>
    text
      .toString()
      .replace(/ in \/\S+/g, '')
      .replace(/[0-9]+(\.[0-9]+)?( [mµ]?s\b)?/g, '#')
      .replace(/ +/g, ' ');
  t.equal(normal(inOne.stdout), normal(inPipes.stdout), inOne.stderr.slice(-500));
  t.match(inPipes.stdout.toString(), /\/v1\/models\?tag/);
  t.equal(inOne.status, 0);
});

live('tracer pipe ends with the status of the command', async (t) => {
  t.equal((await run(bin('tracer'), ['pipe', "ssl -- sh -c 'exit 7' | http"])).status, 7);
});

live('-o: a file of 0600 that replays to the same output as live', async (t, bench) => {
  const file = join(bench.dir, 'session.ndjson');
  const uid = 61000 + (process.pid % 4000);
  const env = { SUDO_UID: String(uid), SUDO_GID: String(uid), SUDO_USER: 'x' };
  const { status, stderr } = await run(bin('sslsniff'), ['-o', file, '--', 'sh', '-c', conversation(bench)], { timeout: 60000, env });
  t.equal(status, 0, stderr.slice(-500));
  t.equal((statSync(file).mode & 0o777).toString(8), '600');
  t.equal(statSync(file).uid, uid, 'owned by the invoking user');
  const events = parse(readFileSync(file));
  for (const event of events) assertValid(event);
  t.equal(events.at(-1)?.event_type, 'sensor_end');
  const replayed = await sh(`${bin('replay')} ${file} | ${bin('http')}`);
  t.equal(only(parse(replayed.stdout), 'http_response').length, 8);
});

live('live and replay are the same bytes', async (t, bench) => {
  const [raw, out] = [join(bench.dir, 'raw'), join(bench.dir, 'out')];
  const script = join(bench.dir, 'conversation.sh');
  writeFileSync(script, conversation(bench));
  const stages = `${bin('http')} | ${bin('show')} --chat`;
  const first = await sh(`${bin('sslsniff')} -- sh ${script} | tee ${raw} | ${bin('http')} | tee ${out} | ${bin('show')} --chat`, {
    timeout: 60000,
  });
  t.ok(first.stdout.length > 1000, first.stderr.slice(-500));
  const again = await sh(`${bin('replay')} ${raw} | ${bin('http')}`);
  t.ok(again.stdout.equals(readFileSync(out)), 'tracer-http');
  t.ok((await sh(`${bin('replay')} ${raw} | ${stages}`)).stdout.equals(first.stdout), 'tracer-show --chat');
  t.ok((await run(bin('tracer'), ['pipe', `replay ${raw} | http | show --chat`])).stdout.equals(first.stdout), 'tracer pipe');
});

/** Writes `bytes` to the stdin of a shell line in pieces, with pauses, and gives what it prints. */
async function feed(
  line: string,
  bytes: Buffer,
  pieces: Iterable<number>,
  pause: (n: number) => Promise<unknown> | undefined,
  options: RunOptions,
): Promise<Buffer> {
  const running = new Running('sh', ['-c', line], { timeout: 90000, ...options });
  const { stdin } = running.child;
  let at = 0;
  let n = 0;
  for (const size of pieces) {
    if (at >= bytes.length || stdin === null) break;
    const ready = stdin.write(bytes.subarray(at, at + size)) || new Promise((done) => stdin.once('drain', done));
    at += size;
    await pause(n++);
    if (ready !== true) await ready;
  }
  stdin?.end(bytes.subarray(at));
  const { status, stdout, stderr } = await running.done;
  if (status !== 0) throw new Error(`${line}: ${status} ${stderr}`);
  return stdout;
}

function* always(size: number): Generator<number> {
  for (;;) yield size;
}

/** Sizes from 1 on, by chance that is the same each time. */
function* chance(most: number): Generator<number> {
  for (let x = 12345; ; ) {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    yield 1 + ((x >> 8) % most);
  }
}

live(
  'a recorded session, cut and timed otherwise, in another zone, language and year, gives the same bytes',
  async (t, bench) => {
    const raw = await record(bench);
    const short = raw.length;
    t.ok(short > 10000, `${short} bytes recorded`);
    const lines = [
      ['pipes', `${bin('http')} | ${bin('show')} --chat`],
      ['messages', bin('http')],
      ['tracer pipe', `${bin('tracer')} pipe 'replay - | http | show --chat'`],
    ] as const;
    const expected = new Map<string, Buffer>();
    for (const [name, line] of lines) {
      const output = await feed(line, raw, [raw.length], () => undefined, {});
      t.ok(output.length > 1000, `${name}: ${output.length} bytes`);
      expected.set(name, output);
    }
    t.ok(expected.get('tracer pipe')?.equals(expected.get('pipes') ?? Buffer.alloc(0)), 'tracer pipe prints what the pipe prints');
    const elsewhere = { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', ...clockShift(bench.dir, 400 * 86400) };
    const stall = (n: number) => (n % 40 === 0 ? sleep(n % 7) : undefined);
    const tick = (n: number) => (n % 64 === 0 ? new Promise((done) => setImmediate(done)) : undefined);
    for (const [name, line] of lines) {
      const same = async (what: string, output: Promise<Buffer>) =>
        t.ok((await output).equals(expected.get(name) ?? Buffer.alloc(0)), `${name}: ${what}`);
      await same(
        'another zone, language and year',
        feed(line, raw, [raw.length], () => undefined, { env: elsewhere }),
      );
      await same('random pieces with random stalls', feed(line, raw, chance(5000), stall, { env: elsewhere }));
      await same('byte by byte', feed(line, raw, always(1), tick, {}));
    }
  },
  120,
);
