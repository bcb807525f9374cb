/** Time to the first event, and memory: of a sensor, of each filter after a million events, of many open sessions. */

import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import type { Bench } from '../bench.js';
import { peersDirectory } from '../peers.js';
import { memory, Process, sleep } from '../process.js';
import { recordedStream } from '../recorded.js';
import { tracerIsBuilt } from '../sensors.js';
import { digits, show, spread } from '../stats.js';
import type { Row } from '../table.js';

const MEGABYTE = 1e6;

/** Milliseconds from the start of the process to its first ssl_data; and the sensor's anonymous memory then. */
async function start(bench: Bench): Promise<{ ms: number; anonymous: number }> {
  const program = bench.workshop.program('ssl-pair', ['-lssl', '-lcrypto']);
  const { directory } = bench.workshop.privateLibssl(program, 'start');
  const target = Process.start([program], { cpu: bench.targetCpu, env: { LD_LIBRARY_PATH: directory } });
  try {
    await target.line();
    const load = target.ask('256 5 1000');
    const before = performance.now();
    const sensor = Process.start([process.execPath, join('bin', 'sslsniff'), '-p', String(target.pid)], { cpu: bench.sensorCpu });
    try {
      for (let line = await sensor.line(); line !== undefined; line = await sensor.line()) {
        if (!line.includes('"event_type":"ssl_data"')) continue;
        const ms = performance.now() - before;
        await sleep(1000);
        return { ms, anonymous: memory(sensor.pid, 'RssAnon') };
      }
      throw new Error(`no event: ${sensor.stderr}`);
    } finally {
      await sensor.stop('SIGINT');
      await load.catch(() => {});
    }
  } finally {
    await target.stop();
  }
}

/** Feeds `input` to a filter and keeps its stdin open, so that its memory can be read at the end. */
export async function filterMemory(
  command: readonly string[],
  input: AsyncIterable<Buffer> | NodeJS.ReadableStream,
  bench: Bench,
  open = false,
): Promise<{ peak: number; resident: number; bytes: number }> {
  const filter = Process.start(command, { cpu: bench.sensorCpu });
  let peak = 0;
  let resident = 0;
  // What it writes is read, counted and thrown away.
  let bytes = 0;
  filter.child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const watcher = setInterval(() => {
    try {
      peak = Math.max(peak, memory(filter.pid, 'VmHWM'));
    } catch {
      // It has ended.
    }
  }, 50);
  try {
    const { stdin } = filter.child;
    if (!stdin) throw new Error('no stdin');
    await pipeline(
      Readable.from(input),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) yield chunk;
        // Time to take in what is still in the pipe.
        await sleep(open ? 3000 : 1000);
        resident = memory(filter.pid, 'VmRSS');
        peak = Math.max(peak, memory(filter.pid, 'VmHWM'));
      },
      stdin,
    );
    await filter.exited;
  } finally {
    clearInterval(watcher);
    await filter.stop();
  }
  return { peak, resident, bytes };
}

const SESSIONS = 5000;
const INFLATING = 1000;

/** 5,000 sessions in the middle of a response, of which 1,000 are gzip streams that have begun. */
function* openSessions(): Generator<Buffer> {
  const body = gzipSync(Buffer.from(JSON.stringify({ text: 'a model answers in many words '.repeat(2000) })));
  const half = body.subarray(0, body.length >> 1);
  let n = 0;
  const line = (conn: number, direction: string, offset: number, payload: Buffer): string => {
    const data = {
      pid: 1000 + conn,
      tid: 1000 + conn,
      ppid: 1,
      uid: 1000,
      comm: 'python3',
      start_us: 5,
      cgroup_id: '1',
      conn: `${1000 + conn}.5.1`,
      direction,
      offset,
      total_bytes: payload.length,
      captured_bytes: payload.length,
      call: 1,
      call_bytes: payload.length,
      library: 'openssl',
      function: 'SSL_read',
      payload_b64: payload.toString('base64'),
    };
    return `${JSON.stringify({ id: `benchmark2-${++n}`, timestamp: 1764000000000 + n, source: 'ssl', event_type: 'ssl_data', data })}\n`;
  };
  const request = Buffer.from('GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n');
  for (let conn = 0; conn < SESSIONS; conn++) {
    const head = Buffer.from(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${conn < INFLATING ? 'Content-Encoding: gzip\r\n' : ''}Content-Length: 60000\r\n\r\n`,
    );
    const piece = conn < INFLATING ? half : Buffer.from('{"text":"the beginning of an answer');
    yield Buffer.from(line(conn, 'write', 0, request) + line(conn, 'read', 0, head) + line(conn, 'read', head.length, piece));
  }
}

/** A million small events, of which tracer-http and tracer-show make something. */
async function millionEvents(): Promise<string> {
  const path = join(peersDirectory(), 'streams', 'million-v2.ndjson');
  if (existsSync(path)) return path;
  mkdirSync(join(peersDirectory(), 'streams'), { recursive: true });
  const out = createWriteStream(`${path}.part`);
  let lines = 0;
  // The recorded stream has about 1,500 events in a megabyte: so it is read again and again, as other connections' traffic.
  const source = await recordedStream(100 * MEGABYTE);
  for (let round = 0; lines < 1_000_000; round++) {
    let rest = '';
    for await (const chunk of createReadStream(source, { highWaterMark: 1 << 20, encoding: 'utf8' })) {
      const text = (rest + chunk).replaceAll('.8123456.1"', `.8123456.${round + 1}"`);
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      lines += text.slice(0, end).split('\n').length - 1;
      if (!out.write(text.slice(0, end))) await once(out, 'drain');
      if (lines >= 1_000_000) break;
    }
  }
  out.end();
  await once(out, 'finish');
  renameSync(`${path}.part`, path);
  return path;
}

export async function resourceRows(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  if (tracerIsBuilt() && process.getuid?.() === 0) {
    const starts: { ms: number; anonymous: number }[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      bench.say(`start, round ${round + 1}/${bench.rounds}`);
      starts.push(await start(bench));
    }
    const ms = spread(starts.map((one) => one.ms));
    const anonymous = spread(starts.map((one) => one.anonymous / MEGABYTE));
    rows.push(
      {
        what: 'start of tracer-ssl to its first event',
        against: '–',
        ours: show(ms, 'ms'),
        theirs: '–',
        ratio: show(ms, 'ms'),
        bar: '≤ 500 ms',
        met: ms.median <= 500,
      },
      {
        what: "the sensor's anonymous memory",
        against: '–',
        ours: show(anonymous, 'MB'),
        theirs: '–',
        ratio: show(anonymous, 'MB'),
        bar: '≤ 60 MB',
        met: anonymous.median <= 60,
      },
    );
  }
  const million = await millionEvents();
  for (const name of ['http', 'show']) {
    if (!existsSync(join('bin', name))) continue;
    bench.say(`memory of tracer-${name} after a million events`);
    const { peak, resident } = await filterMemory(
      [process.execPath, join('bin', name)],
      createReadStream(million, { highWaterMark: 1 << 20 }),
      bench,
    );
    rows.push({
      what: `RSS of tracer-${name} after 1 M events`,
      against: '–',
      ours: `${digits(resident / MEGABYTE)} MB, ${digits(peak / MEGABYTE)} MB at most`,
      theirs: '–',
      ratio: `${digits(peak / MEGABYTE)} MB`,
      bar: '≤ 60 MB',
      met: peak <= 60 * MEGABYTE,
    });
  }
  bench.say(`${SESSIONS} open sessions`);
  const { peak } = await filterMemory([process.execPath, join('bin', 'http')], Readable.from(openSessions()), bench, true);
  rows.push({
    what: `memory with ${SESSIONS} open sessions, ${INFLATING} of them inflating`,
    against: '–',
    ours: `${digits(peak / MEGABYTE)} MB`,
    theirs: '–',
    ratio: `${digits(peak / MEGABYTE)} MB`,
    bar: '≤ 200 MB',
    met: peak <= 200 * MEGABYTE,
  });
  return rows;
}
