/** Peers that mean harm, against the command itself: its memory stays bounded, and the event says what was given up. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import tape from 'tape';
import type { AnyEvent } from '../../lib/stream/event.js';
import { cleanEnvironment, outcome, ROOT } from '../support/harness.js';
import { Recorder } from '../support/tls-session.js';

const MB = 1024 * 1024;
/** Under 60 MB when nobody means harm; HTTP_LIMITS lets it hold 80 MB; a line is 16 MB at most; and what V8 has not collected yet. */
const MOST_MB = 60 + 80 + 2 * 16 + 60;

type Part = ['read' | 'write', string | Buffer];

/** The most memory that a process has had so far, in MB. */
function peak(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** Feeds sessions to tracer-http as they are made. */
async function attack(
  sessions: readonly Iterable<Part>[],
  args: readonly string[] = [],
): Promise<{ events: AnyEvent[]; megabytes: number }> {
  const child = spawn(process.execPath, [`${ROOT}bin/http`, ...args], { env: cleanEnvironment(), stdio: 'pipe' });
  const ended = outcome(child);
  const seen = once(child.stdout, 'data');
  const recorder = new Recorder();
  const flush = async (): Promise<void> => {
    const lines = recorder.events.splice(0).map((event) => `${JSON.stringify(event)}\n`);
    if (lines.length > 0 && !child.stdin.write(lines.join(''))) await once(child.stdin, 'drain');
  };
  const running = sessions.map((parts, n) => ({
    parts: parts[Symbol.iterator](),
    session: recorder.session({ conn: `${n + 1}.1.1`, pid: n + 1 }),
  }));
  for (let left = running; left.length > 0; ) {
    const next: typeof left = [];
    for (const one of left) {
      const part = one.parts.next();
      if (part.done) one.session.close();
      else {
        one.session.data(...part.value);
        next.push(one);
      }
      await flush();
    }
    left = next;
  }
  await seen;
  const megabytes = peak(child.pid as number);
  child.stdin.end();
  const { stdout, code } = await ended;
  if (code !== 0) throw new Error(`exit status ${code}`);
  const events = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AnyEvent);
  return { events, megabytes };
}

const data = (events: readonly AnyEvent[], type: string): Record<string, unknown> =>
  (events.find((event) => event.event_type === type)?.data ?? {}) as Record<string, unknown>;

const GET: Part = ['write', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'];

function* times(n: number, direction: 'read' | 'write', content: string | Buffer): Iterable<Part> {
  for (let i = 0; i < n; i++) yield [direction, content];
}

function* joined(...parts: (Part | Iterable<Part>)[]): Iterable<Part> {
  for (const part of parts) {
    if (typeof (part as Part)[0] === 'string') yield part as Part;
    else yield* part as Iterable<Part>;
  }
}

const ATTACKS: Record<
  string,
  { parts: () => Iterable<Part>; type: 'http_request' | 'http_response'; partial: string[]; body_bytes?: number }
> = {
  'a header of 10 MB': {
    parts: () =>
      joined(['write', 'GET / HTTP/1.1\r\nHost: a\r\nX-Big: '], times(160, 'write', 'y'.repeat(65_536)), [
        'write',
        '\r\nContent-Length: 2\r\n\r\nhi',
      ]),
    type: 'http_request',
    partial: ['limit'],
    body_bytes: 2,
  },
  'a million headers': {
    parts: () =>
      joined(['write', 'GET / HTTP/1.1\r\n'], times(500, 'write', Array.from({ length: 2000 }, (_, i) => `x-${i}: 1\r\n`).join('')), [
        'write',
        'Content-Length: 2\r\n\r\nhi',
      ]),
    type: 'http_request',
    partial: ['limit'],
    body_bytes: 2,
  },
  'a declared length of 4 GB': {
    parts: () => joined(['write', 'POST / HTTP/1.1\r\nContent-Length: 4294967296\r\n\r\n'], times(96, 'write', 'z'.repeat(MB))),
    type: 'http_request',
    partial: ['limit', 'eof'],
    body_bytes: 96 * MB,
  },
  'a body that never ends': {
    parts: () =>
      joined(GET, ['read', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'], times(96, 'read', `100000\r\n${'z'.repeat(MB)}\r\n`)),
    type: 'http_response',
    partial: ['limit', 'eof'],
    body_bytes: 96 * MB,
  },
  'trailers that never end': {
    parts: () =>
      joined(
        GET,
        ['read', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n'],
        times(300, 'read', `x: ${'t'.repeat(99_000)}\r\n`),
      ),
    type: 'http_response',
    partial: ['limit', 'eof'],
  },
};

for (const [name, { parts, type, partial, body_bytes }] of Object.entries(ATTACKS)) {
  tape(`tracer-http: ${name}`, async (t) => {
    const { events, megabytes } = await attack([parts()]);
    const event = data(events, type);
    t.deepEqual(event.partial, partial, 'it says what was given up');
    if (body_bytes !== undefined) t.equal(event.body_bytes, body_bytes, 'what it counts is true');
    t.ok(megabytes < MOST_MB, `${megabytes.toFixed(0)} MB`);
    t.end();
  });
}

const zeros = Buffer.alloc(96 * MB);
const BOMBS: Record<string, [codings: string, bomb: () => Buffer]> = {
  gzip: ['gzip', () => gzipSync(zeros)],
  zlib: ['deflate', () => deflateSync(zeros)],
  'raw deflate': ['deflate', () => deflateRawSync(zeros)],
  br: ['br', () => brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })],
  // One byte a hundred thousand times, in blocks of 128 KiB.
  zstd: [
    'zstd',
    () => Buffer.concat([Buffer.from('28b52ffd0068', 'hex'), ...Array.from({ length: 4000 }, () => Buffer.from('02001000', 'hex'))]),
  ],
  'gzip in gzip': ['gzip, gzip', () => gzipSync(gzipSync(zeros))],
};

for (const [name, [codings, bomb]] of Object.entries(BOMBS)) {
  tape(`tracer-http: a bomb in ${name}, in one write`, async (t) => {
    const body = bomb();
    const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: ${codings}\r\nContent-Length: ${body.length}\r\n\r\n`);
    const { events, megabytes } = await attack([joined(GET, ['read', Buffer.concat([head, body])])]);
    const response = data(events, 'http_response');
    t.ok(96 * MB > 1000 * body.length, `${body.length} bytes`);
    t.deepEqual([response.wire_bytes, response.partial], [body.length, ['limit']], `${response.body_bytes} decoded, and it says so`);
    t.ok(megabytes < MOST_MB, `${megabytes.toFixed(0)} MB`);
    t.end();
  });
}

tape('tracer-http: forty bodies that never end at once', async (t) => {
  const body = (): Iterable<Part> =>
    joined(['write', 'POST / HTTP/1.1\r\nContent-Length: 4294967296\r\n\r\n'], times(12, 'write', 'z'.repeat(MB / 2)));
  const { events, megabytes } = await attack(Array.from({ length: 40 }, body));
  const losses = events.filter((event) => event.event_type === 'loss');
  t.ok(losses.length > 0 && losses.every((event) => (event.data as { where: string }).where === 'limit'), `${losses.length} losses`);
  const requests = events.filter((event) => event.event_type === 'http_request').map((event) => event.data as Record<string, unknown>);
  t.ok(requests.length === 40 && requests.every(({ body_bytes }) => body_bytes === 6 * MB), 'all of them are counted to the byte');
  t.ok(megabytes < MOST_MB, `${megabytes.toFixed(0)} MB; without a limit the bodies alone would be 240`);
  t.end();
});
