/**
 * An HTTPS server on 127.0.0.1 for the live tests. It counts and hashes the plaintext of every connection in both
 * directions, apart from whatever the traced client counts.
 *
 * GET /v1/models       fixed JSON, Content-Length
 * GET /bytes/N         N pseudo-random bytes (their sha256: bytesSha256), Content-Length
 * GET /chunked/N       N lines in N chunks
 * GET /gzip            fixed JSON, Content-Encoding: gzip
 * GET /sse?n=&ms=      n events, one every ms milliseconds
 * GET /close           a body that ends with the connection
 * POST /upload         takes everything; says how many bytes came and their sha256
 * POST /echo           gives the body back
 */
import { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import type { Certificate } from './certificate.js';
import { CountedDuplex } from './counted.js';
import type { SessionTruth } from './truth.js';

export const models = JSON.stringify({
  object: 'list',
  data: [
    { id: 'tiny-1', object: 'model' },
    { id: 'größer-2', object: 'model' },
  ],
});

const PIECE = 65536;

/** N bytes that are always the same for the same N, in pieces. */
function* pseudoRandom(n: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', createHash('md5').update(String(n)).digest(), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE);
  for (let left = n; left > 0; left -= PIECE) yield cipher.update(left >= PIECE ? zeros : zeros.subarray(0, left));
}

/** sha256 of the body of /bytes/N. */
export function bytesSha256(n: number): string {
  const hash = createHash('sha256');
  for (const piece of pseudoRandom(n)) hash.update(piece);
  return hash.digest('hex');
}

function json(res: ServerResponse, text: string | Buffer, headers: Record<string, string> = {}): void {
  res.writeHead(200, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers });
  res.end(text);
}

function sse(res: ServerResponse, n: number, ms: number): void {
  let i = 0;
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const timer = setInterval(() => {
    if (i === n) {
      clearInterval(timer);
      res.end('data: [DONE]\n\n');
    } else {
      res.write(`event: tick\nid: ${i}\ndata: {"i":${i},"text":"Schlag ${i} · δ"}\n\n`);
      i++;
    }
  }, ms);
  res.on('close', () => clearInterval(timer));
}

function answer(req: IncomingMessage, res: ServerResponse): void {
  const url = new URL(req.url ?? '/', 'https://localhost');
  const [, first = '', second = ''] = url.pathname.split('/');
  if (req.method === 'POST' && first === 'upload') {
    const hash = createHash('sha256');
    let bytes = 0;
    req.on('data', (data: Buffer) => {
      bytes += data.length;
      hash.update(data);
    });
    req.on('end', () => json(res, JSON.stringify({ bytes, sha256: hash.digest('hex') })));
    return;
  }
  if (req.method === 'POST' && first === 'echo') {
    const type = req.headers['content-type'] ?? 'application/octet-stream';
    res.writeHead(200, {
      'content-type': type,
      ...(req.headers['content-length'] ? { 'content-length': req.headers['content-length'] } : {}),
    });
    req.pipe(res);
    return;
  }
  req.resume();
  if (first === 'bytes') {
    const n = Number(second);
    res.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(n) });
    pipeline(Readable.from(pseudoRandom(n)), res, () => {});
  } else if (first === 'chunked') {
    res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
    for (let i = 0; i < Number(second); i++) res.write(`Zeile ${i}\n`);
    res.end();
  } else if (first === 'gzip') {
    json(res, gzipSync(models), { 'content-encoding': 'gzip' });
  } else if (first === 'sse') {
    sse(res, Number(url.searchParams.get('n') ?? 5), Number(url.searchParams.get('ms') ?? 10));
  } else if (first === 'close') {
    res.useChunkedEncodingByDefault = false;
    res.writeHead(200, { 'content-type': 'text/plain', connection: 'close' });
    res.end('bis zum Ende\n');
  } else {
    json(res, models);
  }
}

interface Connection {
  counted: CountedDuplex;
  requests: string[];
}

export class HttpsServer {
  readonly #connections: Connection[] = [];
  readonly #open = new Set<tls.TLSSocket>();

  private constructor(
    private readonly server: tls.Server,
    readonly port: number,
    readonly certificate: Certificate,
  ) {}

  static async start(certificate: Certificate): Promise<HttpsServer> {
    const byStream = new Map<unknown, Connection>();
    const http = createServer((req, res) => {
      byStream.get(req.socket)?.requests.push(`${req.method} ${req.url}`);
      answer(req, res);
    });
    http.keepAliveTimeout = 0;
    const server = tls.createServer({
      cert: readFileSync(certificate.cert),
      key: readFileSync(certificate.key),
      ALPNProtocols: ['http/1.1'],
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const self = new HttpsServer(server, (server.address() as AddressInfo).port, certificate);
    server.on('secureConnection', (socket) => {
      const connection: Connection = { counted: new CountedDuplex(socket), requests: [] };
      self.#connections.push(connection);
      self.#open.add(socket);
      byStream.set(connection.counted, connection);
      connection.counted.on('error', () => {});
      socket.on('close', () => {
        self.#open.delete(socket);
        byStream.delete(connection.counted);
      });
      http.emit('connection', connection.counted);
    });
    server.on('tlsClientError', () => {});
    return self;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /**
   * What the *client's* end of each connection moved, for the connections with a request whose target holds `tag`.
   * True for a client that read everything that it was sent.
   */
  clientTruth(tag: string): SessionTruth[] {
    return this.#connections
      .filter((c) => c.requests.some((r) => r.includes(tag)))
      .map((c, i) => ({
        conn: `${tag}#${i}`,
        requests: c.requests.length,
        read: { bytes: c.counted.sent.bytes, sha256: c.counted.sent.sha256() },
        write: { bytes: c.counted.received.bytes, sha256: c.counted.received.sha256() },
      }));
  }

  /** What was sent on the first connection with a request whose target holds `tag`. */
  sentTo(tag: string): Buffer {
    return this.#connections.find((c) => c.requests.some((r) => r.includes(tag)))?.counted.sent.kept() ?? Buffer.alloc(0);
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }
}
