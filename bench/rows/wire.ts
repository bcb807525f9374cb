/** Parsers of the wire in one process, against the packages that they stand for. */
import { once } from 'node:events';
import { connect, createServer } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { HTTPParser } from 'http-parser-js';
import { httpParser } from '../../lib/analyzers/http.js';
import { HpackDecoder } from '../../lib/protocols/hpack/decoder.js';
import { Http1Parser } from '../../lib/protocols/http1/parser.js';
import { PREFACE } from '../../lib/protocols/http2/frame.js';
import type { SslDataEvent } from '../../lib/stream/event.js';
import type { Bench } from '../bench.js';
import { show, spread } from '../stats.js';
import type { Row } from '../table.js';

interface Hpack {
  compressor: { create(options: object): { write(fields: object[]): void; read(): Buffer | null } };
  decompressor: { create(options: object): { write(block: Buffer): void; execute(): void; read(): object | null } };
}

/** Times a second that `work` runs, measured for about half a second after as long a warm-up. */
function rate(work: () => void): number {
  const run = (seconds: number): number => {
    const begin = process.hrtime.bigint();
    const end = begin + BigInt(Math.round(seconds * 1e9));
    let n = 0;
    while (process.hrtime.bigint() < end) {
      for (let i = 0; i < 16; i++) work();
      n += 16;
    }
    return (n * 1e9) / Number(process.hrtime.bigint() - begin);
  };
  run(0.5);
  return run(0.5);
}

function race(
  bench: Bench,
  what: string,
  unit: string,
  ours: () => void,
  name: string,
  theirs: () => void,
  times: number,
  perRun = 1,
): Row {
  const mine: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    bench.say(`${what}, round ${round + 1}/${bench.rounds}`);
    mine.push(rate(ours) * perRun);
    others.push(rate(theirs) * perRun);
  }
  const ratios = mine.map((value, i) => value / (others[i] as number));
  const ratio = `${show(spread(ratios))} ×`;
  return {
    what,
    against: name,
    ours: show(spread(mine), unit),
    theirs: show(spread(others), unit),
    ratio,
    bar: `≥ ${times} ×`,
    met: spread(ratios).median >= times,
  };
}

/** A request as undici and nghttp2 send it, on a connection that has spoken before. */
function hpackBlocks(hpack: Hpack): Buffer[] {
  const peer = hpack.compressor.create({ table: { size: 4096 } });
  const blocks: Buffer[] = [];
  for (let i = 0; i < 64; i++) {
    const fields = {
      ':method': 'POST',
      ':scheme': 'https',
      ':authority': 'api.example.com',
      ':path': `/v1/messages?n=${i}`,
      'content-type': 'application/json',
      'user-agent': 'agent/1.2.3 (linux)',
      accept: 'text/event-stream',
      'x-request-id': `req_${i}_abcdef0123456789`,
      'content-length': String(1000 + i),
      'accept-encoding': 'gzip, deflate, br',
    };
    peer.write(Object.entries(fields).map(([name, value]) => ({ name, value, huffman: true })));
    const parts: Buffer[] = [];
    for (let part = peer.read(); part; part = peer.read()) parts.push(part);
    blocks.push(Buffer.concat(parts));
  }
  return blocks;
}

function hpackRow(bench: Bench): Row {
  const hpack = createRequire(import.meta.url)('hpack.js') as Hpack;
  const blocks = hpackBlocks(hpack);
  const ours = (): void => {
    const decoder = new HpackDecoder(true);
    for (const block of blocks) decoder.decode(block, () => {});
  };
  const theirs = (): void => {
    const decoder = hpack.decompressor.create({ table: { maxSize: 4096, size: 4096 } });
    for (const block of blocks) {
      decoder.write(block);
      decoder.execute();
      while (decoder.read());
    }
  };
  return race(bench, 'HPACK: header blocks of 10 fields', 'blocks/s', ours, 'hpack.js', theirs, 5, blocks.length);
}

/** A response of 40 chunks, each a server-sent event in a piece of its own. */
function sseRow(bench: Bench): Row {
  const chunk = `data: {"type":"content_block_delta","delta":{"text":"${'word '.repeat(12)}"}}\n\n`;
  const pieces = [
    Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nDate: today\r\n\r\n'),
    ...Array.from({ length: 40 }, () => Buffer.from(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)),
    Buffer.from('0\r\n\r\n'),
  ];
  const nothing = (): void => {};
  const handler = {
    begin: nothing,
    head: () => undefined,
    framed: nothing,
    data: nothing,
    missing: nothing,
    end: nothing,
    lost: nothing,
    other: nothing,
    rest: nothing,
  };
  const parser = new Http1Parser(handler, 'response', false);
  const ours = (): void => {
    for (const piece of pieces) parser.push(piece);
  };
  const peer = new HTTPParser(HTTPParser.RESPONSE);
  peer[HTTPParser.kOnHeadersComplete] = () => 0;
  peer[HTTPParser.kOnBody] = nothing;
  peer[HTTPParser.kOnMessageComplete] = nothing;
  const theirs = (): void => {
    for (const piece of pieces) peer.execute(piece);
  };
  return race(bench, 'HTTP/1.1 responses of server-sent events in 40 chunks', 'responses/s', ours, 'http-parser-js', theirs, 1);
}

const DATA_BYTES = 65_536;
/** Frames of one request: a body of a megabyte. */
const FRAMES = 16;

/** Requests of sixteen DATA frames through tracer-http, bodies joined, beside what node:http2 moves over loopback, both ends in one process. */
async function dataRow(bench: Bench): Promise<Row> {
  const data = Buffer.alloc(9 + DATA_BYTES, 'x');
  data.writeUIntBE(DATA_BYTES, 0, 3);
  const head = Buffer.from('000003010400000000838684', 'hex');
  const mine: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    bench.say(`HTTP/2 DATA, round ${round + 1}/${bench.rounds}`);
    const stage = httpParser();
    let stream = 1;
    let offset = 0;
    const give = (bytes: Buffer): void => {
      const place = { direction: 'write', offset, total_bytes: bytes.length, captured_bytes: bytes.length };
      offset += bytes.length;
      const event = { id: 'benchmark0-1', timestamp: 1, source: 'ssl', event_type: 'ssl_data', data: { pid: 1, conn: 'a', ...place } };
      stage.transformData?.(event as unknown as SslDataEvent, bytes, () => {});
    };
    give(Buffer.concat([PREFACE, Buffer.from('000000040000000000', 'hex')]));
    const requests = rate(() => {
      head.writeUInt32BE(stream, 5);
      give(head);
      for (let i = 1; i <= FRAMES; i++) {
        data[3] = 0;
        data[4] = i === FRAMES ? 1 : 0;
        data.writeUInt32BE(stream, 5);
        give(data);
      }
      stream += 2;
    });
    mine.push((requests * FRAMES * DATA_BYTES) / 1e6);
    others.push(await nodeHttp2());
  }
  const ratios = mine.map((value, i) => value / (others[i] as number));
  const what = 'HTTP/2: DATA frames of 64 KiB, bodies of 1 MiB joined';
  const row = { what, against: 'node:http2, both ends', ours: show(spread(mine), 'MB/s'), theirs: show(spread(others), 'MB/s') };
  return { ...row, ratio: `${show(spread(ratios))} ×`, bar: 'stated' };
}

/** Megabytes a second. */
async function nodeHttp2(): Promise<number> {
  const total = 128 * 1024 * 1024;
  const piece = Buffer.alloc(DATA_BYTES, 'x');
  const settings = { maxFrameSize: DATA_BYTES, initialWindowSize: 16 * 1024 * 1024 };
  const server = createServer({ settings });
  server.on('stream', (stream) => {
    stream.respond();
    let left = total;
    const more = (): void => {
      while (left > 0) {
        left -= piece.length;
        if (!stream.write(piece)) {
          stream.once('drain', more);
          return;
        }
      }
      stream.end();
    };
    more();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { settings });
  await once(client, 'connect');
  const begin = process.hrtime.bigint();
  const stream = client.request();
  stream.resume();
  await once(stream, 'end');
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  client.close();
  server.close();
  return total / 1e6 / seconds;
}

export async function wireRows(bench: Bench): Promise<Row[]> {
  return [sseRow(bench), hpackRow(bench), await dataRow(bench)];
}
