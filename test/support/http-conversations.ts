/** Random HTTP/1 conversations, well-formed, for property tests and the fuzzer. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Piece } from './tls-session.js';

export interface Message {
  head: string;
  body: Buffer;
  /** The body as it goes over the wire, with its framing. */
  wire: Buffer;
}

export interface Conversation {
  requests: Message[];
  responses: Message[];
  /** In order, seen from the client. */
  pieces: Piece[];
}

const words = fc.constantFrom(
  'data: {"a":1}',
  '\n\n',
  'event: x\n',
  'HTTP/1.1 200 OK\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  '\u20ac\u00e9',
  '\r\n',
  '0\r\n\r\n',
  'id: 7\n',
  ' ',
);
const bodies = fc.oneof(
  { weight: 3, arbitrary: fc.array(words, { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
);
const codings = fc.constantFrom('', '', '', 'gzip', 'deflate', 'raw', 'br', 'gzip, br');
const framings = fc.constantFrom('length', 'chunked', 'chunked', 'trailers');

function code(coding: string, body: Buffer): Buffer {
  switch (coding) {
    case 'gzip':
      return gzipSync(body);
    case 'deflate':
      return deflateSync(body);
    case 'raw':
      return deflateRawSync(body);
    case 'br':
      return brotliCompressSync(body);
    case 'gzip, br':
      return brotliCompressSync(gzipSync(body));
    default:
      return body;
  }
}

function frame(framing: string, coded: Buffer, size: number): { fields: string; wire: Buffer } {
  if (framing === 'length') return { fields: `Content-Length: ${coded.length}\r\n`, wire: coded };
  const parts: Buffer[] = [];
  for (let at = 0; at < coded.length; at += size) {
    const chunk = coded.subarray(at, at + size);
    parts.push(Buffer.from(`${chunk.length.toString(16)}${size % 3 === 0 ? ';x="y;z"' : ''}\r\n`), chunk, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from(framing === 'trailers' ? '0\r\nX-Check: 1\r\n\r\n' : '0\r\n\r\n'));
  return { fields: 'Transfer-Encoding: chunked\r\n', wire: Buffer.concat(parts) };
}

const message = fc.record({ body: bodies, coding: codings, framing: framings, size: fc.integer({ min: 1, max: 64 }), fold: fc.boolean() });

function make(start: string, type: string, spec: { body: Buffer; coding: string; framing: string; size: number; fold: boolean }): Message {
  const { fields, wire } = frame(spec.framing, code(spec.coding, spec.body), spec.size);
  const encoding = spec.coding === '' ? '' : `Content-Encoding: ${spec.coding === 'raw' ? 'deflate' : spec.coding}\r\n`;
  const head = `${start}\r\nContent-Type: ${type}\r\n${encoding}${spec.fold ? 'X-Fold: a\r\n b\r\n' : ''}${fields}\r\n`;
  return { head, body: spec.body, wire };
}

const exchange = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'PURGE', 'M-SEARCH'),
  path: fc.constantFrom('/', '/v1/messages?key=s3cret', '*', '/a%20b'),
  request: message,
  interim: fc.boolean(),
  status: fc.constantFrom(200, 404, 500),
  type: fc.constantFrom('text/event-stream', 'application/json', 'application/x-ndjson'),
  response: message,
});

/** `pipelined`: all requests come before all responses. */
export const conversations: fc.Arbitrary<Conversation> = fc
  .record({ exchanges: fc.array(exchange, { minLength: 1, maxLength: 4 }), pipelined: fc.boolean() })
  .map(({ exchanges, pipelined }) => {
    const requests: Message[] = [];
    const responses: Message[] = [];
    const pieces: Piece[] = [];
    const answers: Piece[] = [];
    for (const spec of exchanges) {
      const request = make(`${spec.method} ${spec.path} HTTP/1.1\r\nHost: a`, 'application/json', spec.request);
      const response = make(`HTTP/1.1 ${spec.status} Some Reason`, spec.type, spec.response);
      requests.push(request);
      responses.push(response);
      pieces.push(['write', Buffer.concat([Buffer.from(request.head), request.wire])]);
      const to = pipelined ? answers : pieces;
      if (spec.interim) to.push(['read', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n']);
      to.push(['read', Buffer.concat([Buffer.from(response.head), response.wire])]);
    }
    return { requests, responses, pieces: [...pieces, ...answers] };
  });

/** Sizes of pieces, used over and over. */
export const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 });
