import test from 'tape';
import type { FieldReader } from '../../../lib/protocols/http1/fields.js';
import { type Head, type Http1Handler, Http1Parser } from '../../../lib/protocols/http1/parser.js';
import { type Kind, START_LINE_LIMIT } from '../../../lib/protocols/http1/start-line.js';

type Piece = string | Buffer | number;

/** Writes down what the parser reports; neighbouring pieces of a body as one. */
class Listener implements Http1Handler {
  readonly said: string[] = [];
  private body = '';

  constructor(private readonly method?: string) {}

  private say(what: string): void {
    if (this.body !== '') this.said.push(`body ${this.body}`);
    this.body = '';
    this.said.push(what);
  }

  begin(kind: Kind, position: number): void {
    this.say(`${kind} at ${position}`);
  }
  head({ start, fields }: Head, whole: boolean): string | undefined {
    const names = fields.list.map(([name, value]) => `${name}=${value}`).join(' ');
    this.say(`${'status' in start ? start.status : `${start.method} ${start.target}`} ${names}${whole ? '' : ' (cut)'}`.trim());
    return this.method;
  }
  framed(): void {}
  data(piece: Buffer): void {
    this.body += piece.toString('latin1');
  }
  missing(bytes: number): void {
    this.say(`${bytes} missing`);
  }
  end(how: string, trailers: FieldReader | undefined): void {
    this.say(trailers ? `end ${how} with ${trailers.list.join(' ')}` : `end ${how}`);
  }
  lost(): void {
    this.say('lost');
  }
  other(what: string): void {
    this.say(`other ${what}`);
  }
  rest(): void {}
}

interface Options {
  kind?: Kind;
  midway?: boolean;
  method?: string;
  /** Ends with the connection (default), with the input, or not at all. */
  end?: 'closed' | 'eof' | 'none';
}

function feed(
  pieces: readonly Piece[],
  { kind, midway = false, method, end = 'closed' }: Options,
): { said: string[]; parser: Http1Parser } {
  const listener = new Listener(method);
  const parser = new Http1Parser(listener, kind, midway);
  for (const piece of pieces) {
    if (typeof piece === 'number') parser.gap(piece);
    else parser.push(Buffer.from(piece as string, 'latin1'));
  }
  if (end !== 'none') parser.end(end === 'closed');
  return { said: listener.said, parser };
}

/** What is said, which must be the same in whole pieces and byte by byte. */
function said(pieces: readonly Piece[], options: Options = {}): string[] {
  const whole = feed(pieces, options).said;
  const single = feed(
    pieces.flatMap((piece): Piece[] => (typeof piece === 'string' ? [...piece] : [piece])),
    options,
  ).said;
  if (JSON.stringify(whole) !== JSON.stringify(single)) throw new Error(`cut otherwise:\n${whole.join('\n')}\n--\n${single.join('\n')}`);
  return whole;
}

const GET = 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi';

test('http1 parser: messages one after the other, and where they begin', (t) => {
  t.deepEqual(said([`\r\n${GET}\r\n\n${GET}`]), [
    'request at 2',
    'GET /a host=h',
    'end complete',
    `request at ${GET.length + 5}`,
    'GET /a host=h',
    'end complete',
  ]);
  t.deepEqual(said([OK + OK]), [
    'response at 0',
    '200 content-length=2',
    'body hi',
    'end complete',
    `response at ${OK.length}`,
    '200 content-length=2',
    'body hi',
    'end complete',
  ]);
  t.deepEqual(
    said(['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\n', GET]).slice(2, 5),
    [
      'body ab',
      'end complete with a,b',
      `request at ${'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\n'.length}`,
    ],
    'trailers',
  );
  t.end();
});

test('http1 parser: the end of the connection ends a body without length; that of the input only cuts it', (t) => {
  const response = 'HTTP/1.1 200 OK\r\n\r\nabc';
  t.deepEqual(said([response]), ['response at 0', '200', 'body abc', 'end complete']);
  t.deepEqual(said([response], { end: 'eof' }).at(-1), 'end eof');
  t.deepEqual(said(['POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc']).slice(-2), ['body abc', 'end closed']);
  t.deepEqual(said(['GET / HTTP/1.1\r\nA: b\r\nCut'], { end: 'eof' }), ['request at 0', 'GET / a=b (cut)', 'end eof'], 'in a head');
  t.deepEqual(said(['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n']).at(-1), 'end closed with a,b', 'in trailers');
  t.deepEqual(said([GET, 'GET / HT']), said([GET]), 'a start line that is not whole is no message');
  const { parser } = feed([GET], {});
  parser.push(Buffer.from(GET));
  t.equal(parser.messages, 1, 'nothing is looked at after the end');
  t.end();
});

test('http1 parser: missing bytes, in each part of a message', (t) => {
  const post = 'POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n';
  t.deepEqual(said([`${post}abc`, 5, 'hi', GET]).slice(2, 6), ['body abc', '5 missing', 'body hi', 'end complete'], 'inside a body');
  t.deepEqual(said([`${post}abc`, 7, GET]).slice(2, 5), ['body abc', '7 missing', 'end complete'], 'up to its end');
  t.deepEqual(
    said([`${post}abc`, 8, GET]).slice(2),
    ['body abc', '7 missing', 'end gap', 'lost', `request at ${post.length + 11}`, 'GET /a host=h', 'end complete'],
    'over its end',
  );
  t.deepEqual(
    said(['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab', 3, '\r\n1\r\nz\r\n0\r\n\r\n']).slice(2),
    ['body ab', '3 missing', 'body z', 'end complete'],
    'inside a chunk',
  );
  t.deepEqual(
    said(['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab', 4, '\r\n0\r\n\r\n']).slice(2),
    ['body ab', 'end gap', 'lost'],
    'over the end of a chunk',
  );
  t.deepEqual(said(['HTTP/1.1 200 OK\r\n\r\nab', 4, 'cd']).slice(2), ['body ab', '4 missing', 'body cd', 'end complete'], 'until the end');
  t.deepEqual(
    said(['GET / HTTP/1.1\r\nA: b\r\nC: ', 3, GET]).slice(0, 4),
    ['request at 0', 'GET / a=b (cut)', 'end gap', 'lost'],
    'in a head',
  );
  t.deepEqual(said([GET, 3, `x${GET}`]).slice(3, 5), ['lost', `request at ${GET.length + 4}`], 'between messages');
  t.deepEqual(said(['GET / HT', 3, GET]), ['lost', 'request at 11', 'GET /a host=h', 'end complete'], 'in a start line');
  t.end();
});

test('http1 parser: what cannot be framed, and how the next message is found', (t) => {
  t.deepEqual(said([`POST / HTTP/1.1\r\nContent-Length: x\r\n\r\nbody${GET}`]), [
    'request at 0',
    'POST / content-length=x',
    'end fault',
    'lost',
    'request at 42',
    'GET /a host=h',
    'end complete',
  ]);
  const chunked = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n';
  t.deepEqual(
    said([`${chunked}1\r\na\r\n${GET}`]).slice(2),
    ['body a', 'end fault', 'lost', `request at ${chunked.length + 6}`, 'GET /a host=h', 'end complete'],
    'a start line where a chunk should begin',
  );
  // The chunk takes the first letters with it: what is left looks like a method where the search begins.
  t.deepEqual(
    said([`${chunked}5\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n`]).slice(3),
    ['end fault', 'lost', `request at ${chunked.length + 8}`, 'IONS * host=a', 'end complete'],
    'a start line where the end of a chunk should be',
  );
  t.deepEqual(
    said([`${GET}(junk) ${GET}`]).slice(3),
    ['lost', `request at ${GET.length + 7}`, 'GET /a host=h', 'end complete'],
    'junk between messages',
  );
  t.end();
});

test('http1 parser: joined midway, the first start line counts that is followed by a field', (t) => {
  const midway = { midway: true };
  t.deepEqual(said([`rest of a body${GET}`], midway)[0], 'request at 14');
  t.deepEqual(said([`say GET / HTTP/1.1\r\n\r\n${OK}`], midway)[0], 'response at 22', 'a quotation is none');
  t.deepEqual(said([`BREW /pot HTTP/1.1\r\nA: b\r\n\r\n`], midway)[0], 'request at 0', 'any method at the first byte');
  t.deepEqual(said([`.BREW /pot HTTP/1.1\r\nA: b\r\n\r\n`], midway), [], 'but not later');
  t.deepEqual(said([OK], { midway: true, kind: 'request' }), [], 'a kind that this direction does not carry');
  t.deepEqual(said([`HTTP/1.1 200 OK\r\nA: ${GET}`], { midway: true, kind: 'request' })[0], 'request at 20');
  t.end();
});

test('http1 parser: other protocols, and what follows an upgrade', (t) => {
  for (const midway of [false, true]) t.deepEqual(said(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], { midway }), ['other http2']);
  t.deepEqual(said([`${GET}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`]).slice(3), ['lost'], 'not after a message');
  t.deepEqual(said(['\x16\x03\x01']), ['other unknown']);
  t.deepEqual(said(['220 smtp ready\r\n']), ['other unknown']);
  t.deepEqual(said([`GET /${'a'.repeat(START_LINE_LIMIT)}`]), ['other unknown'], 'a start line that is not waited for');
  t.deepEqual(said([`HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n${OK}`]), ['response at 0', '101 upgrade=x', 'end complete']);
  t.deepEqual(said([`HTTP/1.1 200 OK\r\n\r\n${OK}`], { method: 'CONNECT' }), ['response at 0', '200', 'end complete'], 'a tunnel');
  t.deepEqual(said([`HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n${OK}`], { method: 'HEAD' }).slice(2, 4), [
    'end complete',
    'response at 38',
  ]);
  t.end();
});

test('http1 parser: stopped, or told to wait no longer', (t) => {
  const { parser, said: stopped } = feed(['POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc'], { end: 'none' });
  t.ok(parser.inMessage);
  parser.stop();
  parser.push(Buffer.from(GET));
  t.deepEqual([stopped.slice(-2), parser.inMessage, parser.messages], [['body abc', 'end tunnel'], false, 1]);

  const { parser: waiting } = feed([GET, 'GET / HT'], { end: 'none' });
  t.deepEqual([waiting.decided, waiting.position, waiting.heldBytes], [GET.length, GET.length + 8, 8], 'undecided bytes are held');
  waiting.forget();
  t.deepEqual([waiting.decided, waiting.heldBytes, waiting.state], [GET.length + 8, 0, 'search']);
  waiting.push(Buffer.from(`TP/1.1\r\nA: b\r\n\r\n${GET}`));
  t.equal(waiting.messages, 2, 'the forgotten one is none, the next one is');
  t.end();
});

test('http1 parser: what is held is counted, and let go', (t) => {
  const { parser } = feed(['GET / HTTP/1.1\r\nA: b\r\nCut: off'], { end: 'none' });
  t.ok(parser.heldBytes >= 'a'.length + 'b'.length + 'Cut: off'.length, `${parser.heldBytes} in a head`);
  parser.gap(1);
  t.equal(parser.heldBytes, 0, 'nothing after a gap');
  const { parser: trailers } = feed(['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: value\r\n'], { end: 'none' });
  t.ok(trailers.heldBytes >= 'trailervalue'.length, `${trailers.heldBytes} in trailers`);
  trailers.push(Buffer.from('\r\n'));
  t.equal(trailers.heldBytes, 0, 'nothing between messages');
  const { parser: body } = feed(['POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc'], { end: 'none' });
  t.deepEqual([body.heldBytes, body.decided], [0, body.position], 'bodies are not held');
  t.end();
});
