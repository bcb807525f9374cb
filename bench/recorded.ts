/**
 * A recorded stream of any length, made from a short pattern: agents that talk to a model server, as tracer-ssl prints it.
 * The same seed gives the same bytes.
 */

import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { payloadOf } from '../lib/stream/payload.js';
import { peersDirectory } from './peers.js';

/** Repeatable chance (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const WORDS =
  'the agent reads a file and writes what it found into another one before it asks for the next step of its plan é – “quoted” \\path'.split(
    ' ',
  );

interface Conn {
  conn: string;
  pid: number;
  read: number;
  write: number;
  calls: number;
  requests: number;
}

/** Lines of a stream of about `bytes` bytes: 85 % ssl_data (requests with JSON bodies, SSE answers in chunks), the rest other sensors'. */
export function* recordedLines(bytes: number, seed = 1): Generator<string> {
  const chance = random(seed);
  const pick = (n: number): number => Math.floor(chance() * n);
  const text = (words: number): string => Array.from({ length: words }, () => WORDS[pick(WORDS.length)]).join(' ');
  let n = 0;
  let clock = 1_764_000_000_000;
  let written = 0;
  const line = (source: string, event_type: string, data: Record<string, unknown>): string => {
    clock += chance() * 2;
    const out = `${JSON.stringify({ id: `benchmark0-${++n}`, timestamp: Math.round(clock * 1000) / 1000, source, event_type, data })}\n`;
    written += Buffer.byteLength(out);
    return out;
  };
  const conns: Conn[] = Array.from({ length: 20 }, (_, i) => ({
    conn: `${1000 + i}.8123456.1`,
    pid: 1000 + i,
    read: 0,
    write: 0,
    calls: 0,
    requests: 0,
  }));
  const who = (conn: Conn): Record<string, unknown> => ({
    pid: conn.pid,
    tid: conn.pid,
    ppid: 900,
    uid: 1000,
    comm: 'python3',
    start_us: 8123456,
    cgroup_id: '4321',
  });
  const data = (conn: Conn, direction: 'read' | 'write', payload: string): string => {
    const total = Buffer.byteLength(payload);
    const offset = conn[direction];
    conn[direction] += total;
    return line('ssl', 'ssl_data', {
      ...who(conn),
      conn: conn.conn,
      direction,
      offset,
      total_bytes: total,
      captured_bytes: total,
      call: ++conn.calls,
      call_bytes: total,
      latency_ns: 2000 + pick(50_000),
      library: 'openssl',
      function: direction === 'read' ? 'SSL_read' : 'SSL_write',
      fd: 5,
      ...payloadOf(Buffer.from(payload)),
    });
  };
  yield line('meta', 'sensor_start', {
    contract: 1,
    sensor: 'ssl',
    version: '0.1.0',
    kernel: '6.1.0',
    arch: 'x64',
    host: 'bench',
    boot_id: '00000000-0000-0000-0000-000000000000',
    clock_offset_us: 1_763_991_876_544_000,
    scope: { all: true },
    probes: [],
    not_covered: [],
    limits: {},
  }); // prettier-ignore
  for (const conn of conns)
    yield line('ssl', 'ssl_open', {
      ...who(conn),
      conn: conn.conn,
      library: 'openssl',
      role: 'client',
      from_start: true,
      version: 'TLSv1.3',
      fd: 5,
    });
  while (written < bytes) {
    const conn = conns[pick(conns.length)] as Conn;
    const streamed = chance() < 0.7;
    const body = JSON.stringify({
      model: 'claude-sonnet-4-5',
      max_tokens: 1024,
      stream: streamed,
      messages: [{ role: 'user', content: text(20 + pick(400)) }],
    });
    const head = `POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\nAuthorization: Bearer sk-ant-${pick(1e9)}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    conn.requests++;
    yield data(conn, 'write', head);
    yield data(conn, 'write', body);
    if (streamed) {
      yield data(conn, 'read', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let i = 0, events = 10 + pick(60); i < events; i++) {
        const delta = `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ` ${text(1 + pick(12))}` } })}\n\n`;
        yield data(conn, 'read', `${Buffer.byteLength(delta).toString(16)}\r\n${delta}\r\n`);
        if (chance() < 0.1)
          yield line('file', 'file_open', {
            ...who(conn),
            path: `/home/agent/project/src/file${pick(1000)}.ts`,
            access: 'read',
            flags: ['O_RDONLY', 'O_CLOEXEC'],
          });
      }
      yield data(conn, 'read', '0\r\n\r\n');
    } else {
      const answer = JSON.stringify({
        id: `msg_${pick(1e9)}`,
        type: 'message',
        role: 'assistant',
        content: [{ type: 'text', text: text(50 + pick(600)) }],
        usage: { input_tokens: pick(5000), output_tokens: pick(1000) },
      });
      yield data(conn, 'read', `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(answer)}\r\n\r\n`);
      yield data(conn, 'read', answer);
    }
    for (let i = 0, others = pick(3); i < others; i++) {
      yield line('net', 'net_connect', {
        ...who(conn),
        socket: String(pick(1e9)),
        family: 'ipv4',
        protocol: 'tcp',
        local: '10.0.0.5:43210',
        peer: '160.79.104.10:443',
        handshake_ms: 12.5,
      });
    }
  }
}

/** Lines that tracer-http has no use for: files, processes, connections, and types that no version knows. About 600 bytes each. */
export function* foreignLines(bytes: number, seed = 2): Generator<string> {
  const chance = random(seed);
  const pick = (n: number): number => Math.floor(chance() * n);
  const text = (words: number): string => Array.from({ length: words }, () => WORDS[pick(WORDS.length)]).join(' ');
  for (let n = 1, written = 0; written < bytes; n++) {
    const pid = 1000 + pick(50);
    const who = { pid, tid: pid, ppid: 900, uid: 1000, comm: 'python3', start_us: 8123456, cgroup_id: '4321' };
    const [source, event_type, data] = [
      [
        'file',
        'file_open',
        {
          ...who,
          path: `/home/agent/project/${text(4).replaceAll(' ', '/')}`,
          access: 'read',
          flags: ['O_RDONLY', 'O_CLOEXEC'],
          file_id: `8:1:${pick(1e8)}:${pick(1e9)}`,
        },
      ],
      [
        'process',
        'process_exec',
        {
          ...who,
          filename: '/usr/bin/bash',
          args: ['bash', '-c', text(60)],
          args_bytes: 400,
          cwd: '/home/agent/project',
          exe_file_id: `8:1:${pick(1e8)}`,
        },
      ],
      [
        'net',
        'net_connect',
        {
          ...who,
          socket: String(pick(1e9)),
          family: 'ipv4',
          protocol: 'tcp',
          local: '10.0.0.5:43210',
          peer: '160.79.104.10:443',
          name: 'api.anthropic.com',
        },
      ],
      [
        'llm',
        'llm_call',
        { pid, output_messages: [{ role: 'assistant', parts: [{ type: 'text', content: text(200) }] }], input_tokens: pick(10_000) },
      ],
    ][pick(4)] as [string, string, Record<string, unknown>];
    const line = `${JSON.stringify({ id: `benchmark1-${n}`, timestamp: 1_764_000_000_000 + n, source, event_type, data })}\n`;
    written += Buffer.byteLength(line);
    yield line;
  }
}

/**
 * One agent's session of so many turns: each request holds all messages before it, as agents send them. A turn is a tool call
 * streamed by the model, and its result in the next request.
 */
export function* sessionLines(turns: number, seed = 3): Generator<string> {
  const chance = random(seed);
  const pick = (n: number): number => Math.floor(chance() * n);
  const text = (words: number): string => Array.from({ length: words }, () => WORDS[pick(WORDS.length)]).join(' ');
  const who = { pid: 1000, tid: 1000, ppid: 900, uid: 1000, comm: 'node', start_us: 8123456, cgroup_id: '4321' };
  const conn = '1000.8123456.1';
  const offsets = { read: 0, write: 0 };
  let n = 0;
  const line = (event_type: string, data: object): string => {
    n++;
    const event = {
      id: `benchmark2-${n}`,
      timestamp: 1_764_000_000_000 + n * 3,
      source: 'ssl',
      event_type,
      data: { ...who, conn, ...data },
    };
    return `${JSON.stringify(event)}\n`;
  };
  const data = function* (direction: 'read' | 'write', whole: string): Generator<string> {
    const bytes = Buffer.from(whole);
    // As much as a TLS record holds.
    for (let at = 0; at < bytes.length; at += 16_384) {
      const piece = bytes.subarray(at, at + 16_384);
      const size = { offset: offsets[direction], total_bytes: piece.length, captured_bytes: piece.length };
      offsets[direction] += piece.length;
      yield line('ssl_data', { direction, ...size, library: 'openssl', ...payloadOf(piece) });
    }
  };
  const sse = (event: { type: string }): string => {
    const bytes = `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;
  };
  yield line('ssl_open', { library: 'openssl', role: 'client', from_start: true });
  const messages: object[] = [{ role: 'user', content: text(200) }];
  const system = [{ type: 'text', text: text(2000) }];
  const tools = Array.from({ length: 15 }, (_, i) => ({ name: `tool_${i}`, description: text(80), input_schema: { type: 'object' } }));
  for (let turn = 0; turn < turns; turn++) {
    const body = JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 8192, stream: true, system, tools, messages });
    const head = `POST /v1/messages HTTP/1.1\r\nHost: api.anthropic.com\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
    yield* data('write', head + body);
    yield* data('read', 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    const words = text(40);
    const id = `toolu_${turn}`;
    const input = { path: `src/file${pick(1000)}.ts` };
    const begun = {
      type: 'message_start',
      message: { id: `msg_${turn}`, model: 'claude-sonnet-4-5', content: [], usage: { input_tokens: 5, output_tokens: 1 } },
    };
    yield* data(
      'read',
      sse(begun) + sse({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string }),
    );
    for (const word of words.split(/(?= )/))
      yield* data('read', sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: word } } as { type: string }));
    const call = [
      { type: 'content_block_start', index: 1, content_block: { type: 'tool_use', id, name: 'tool_3', input: {} } },
      { type: 'content_block_delta', index: 1, delta: { type: 'input_json_delta', partial_json: JSON.stringify(input) } },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 60 } },
      { type: 'message_stop' },
    ];
    yield* data('read', `${call.map(sse).join('')}0\r\n\r\n`);
    messages.push({
      role: 'assistant',
      content: [
        { type: 'text', text: words },
        { type: 'tool_use', id, name: 'tool_3', input },
      ],
    });
    messages.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: text(60 + pick(200)) }] });
  }
}

/** The streams as files in the benchmark's cache, made once for each length. */
export function recordedStream(bytes: number): Promise<string> {
  return cached('recorded-v2', bytes, recordedLines);
}

export function sessionStream(turns: number): Promise<string> {
  return cached('session-v1', turns, sessionLines);
}

export function foreignStream(bytes: number): Promise<string> {
  return cached('foreign-v1', bytes, foreignLines);
}

async function cached(name: string, bytes: number, lines: (bytes: number) => Generator<string>): Promise<string> {
  const directory = join(peersDirectory(), 'streams');
  const path = join(directory, `${name}-${bytes}.ndjson`);
  if (existsSync(path) && statSync(path).size >= bytes) return path;
  mkdirSync(directory, { recursive: true });
  const out = createWriteStream(`${path}.part`);
  let batch: string[] = [];
  let size = 0;
  for (const text of lines(bytes)) {
    batch.push(text);
    size += text.length;
    if (size < 1_000_000) continue;
    if (!out.write(batch.join(''))) await once(out, 'drain');
    batch = [];
    size = 0;
  }
  out.end(batch.join(''));
  await once(out, 'finish');
  renameSync(`${path}.part`, path);
  return path;
}
