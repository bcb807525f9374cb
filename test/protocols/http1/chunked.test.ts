import test from 'tape';
import { ChunkedReader } from '../../../lib/protocols/http1/chunked.js';
import { LINE_LIMIT, LineReader } from '../../../lib/protocols/http1/line-reader.js';

/** Reads a coded body, in one piece and byte by byte, which must give the same. */
function read(text: string): { body: string; state: string; taken: number; trailers: [string, string][]; faultLine: string } {
  const bytes = Buffer.from(text, 'latin1');
  const results = [bytes.length, 1].map((step) => {
    const reader = new ChunkedReader();
    let body = '';
    let taken = 0;
    for (let at = 0; at < bytes.length && reader.state !== 'done' && reader.state !== 'fault'; at = taken) {
      const piece = bytes.subarray(0, at + step);
      taken = reader.push(piece, at, (data) => {
        body += data.toString('latin1');
      });
    }
    return { body, state: reader.state as string, taken, trailers: reader.trailers.list, faultLine: reader.faultLine };
  });
  if (JSON.stringify(results[0]) !== JSON.stringify(results[1])) throw new Error(`cut otherwise: ${JSON.stringify(results)}`);
  return results[0] as (typeof results)[0];
}

test('http1 chunked: bodies, trailers, and what follows is left alone', (t) => {
  t.deepEqual(read('5\r\nhello\r\n0\r\n\r\nGET'), { body: 'hello', state: 'done', taken: 15, trailers: [], faultLine: '' });
  t.equal(read('3\nabc\n2\nde\n0\n\n').body, 'abcde', 'bare LF');
  t.equal(read('00a;name="v;\xe9"\r\n0123456789\r\n0\r\n\r\n').body, '0123456789', 'extensions, leading zeros, hexadecimal');
  t.equal(read('A \t\r\n0123456789\r\n0\r\n\r\n').body, '0123456789', 'blanks after the size');
  t.deepEqual(
    read('0\r\nA: b\r\nC: d\r\n e\r\n\r\n').trailers,
    [
      ['a', 'b'],
      ['c', 'd e'],
    ],
    'trailers',
  );
  t.equal(read('000\r\n\r\n').state, 'done', 'zero in any spelling');
  t.equal(read('5\r\nhel').state, 'data', 'goes on');
  t.equal(read('5\r\nhello').state, 'data-end');
  t.equal(read('5\r\nhello\r').state, 'data-end');
  t.equal(read('5\r\nhello\r\n').state, 'size');
  t.equal(read('0\r\n').state, 'trailer');
  t.end();
});

test('http1 chunked: what is no chunk is a fault, and the line is given back', (t) => {
  t.deepEqual(read('xyz\r\nmore'), { body: '', state: 'fault', taken: 5, trailers: [], faultLine: 'xyz\r\n' });
  t.equal(read('HTTP/1.1 200 OK\n').faultLine, 'HTTP/1.1 200 OK\n');
  for (const size of ['', '-1', ' 5', '0x5', '5 5', '12345678901234', '5\x00'])
    t.equal(read(`${size}\r\n`).state, 'fault', JSON.stringify(size));
  t.equal(read('1fffffffffffff\r\n').state, 'fault', '14 digits');
  t.equal(read('fffffffffffff\r\n').state, 'data', '13 digits');
  t.equal(read('00000000000000000005\r\nhello').body, 'hello', 'leading zeros do not count');
  const after = read('2\r\nabX');
  t.deepEqual([after.state, after.taken, after.faultLine], ['fault', 5, ''], 'a byte where the line end must be');
  t.equal(read(`${'1'.repeat(LINE_LIMIT + 1)}\r\n`).faultLine, '', 'a line that was not held is not given back');
  t.end();
});

test('http1 chunked: missing bytes', (t) => {
  const reader = new ChunkedReader();
  t.equal(reader.skip(1), false, 'not known where, outside of a chunk');
  reader.push(Buffer.from('a\r\nab'), 0, () => {});
  t.equal(reader.skip(9), false, 'more than the chunk has');
  t.equal(reader.skip(7), true);
  t.equal(reader.state, 'data');
  t.equal(reader.skip(1), true, 'to its end');
  t.equal(reader.state, 'data-end');
  t.equal(reader.skip(1), false);
  let body = '';
  reader.push(Buffer.from('\r\n1\r\nz\r\n0\r\n\r\n'), 0, (data) => {
    body += data;
  });
  t.deepEqual([body, reader.state], ['z', 'done'], 'and it goes on behind them');
  t.end();
});

test('http1 lines: the limit, and what is held', (t) => {
  const reader = new LineReader();
  t.equal(reader.push(Buffer.from('ab'), 0), 2);
  t.equal(reader.complete, false);
  t.ok(reader.heldBytes >= 2);
  t.equal(reader.push(Buffer.from('c\r\nd'), 0), 3);
  t.deepEqual([reader.complete, reader.tooLong, reader.end, reader.take()], [true, false, '\r\n', 'abc']);
  t.equal(reader.complete, false);
  t.equal(reader.heldBytes, 0);
  t.equal(reader.push(Buffer.from('xx\ny'), 1), 3, 'from the middle');
  t.deepEqual([reader.end, reader.take(), reader.take()], ['\n', 'x', '']);
  reader.push(Buffer.from('lost'), 0);
  reader.forget();
  reader.push(Buffer.from('\n'), 0);
  t.equal(reader.take(), '', 'forgotten');
  reader.push(Buffer.from('\r\n'), 0);
  t.deepEqual([reader.end, reader.take()], ['\r\n', '']);

  reader.push(Buffer.from(`${'z'.repeat(LINE_LIMIT)}\n`), 0);
  t.deepEqual([reader.tooLong, reader.take().length], [false, LINE_LIMIT], 'as long as allowed');
  reader.push(Buffer.from(`${'z'.repeat(LINE_LIMIT + 1)}\n`), 0);
  t.deepEqual([reader.tooLong, reader.take().length], [true, LINE_LIMIT], 'one more is cut and said');
  t.equal(reader.tooLong, false, 'for this line only');
  reader.push(Buffer.alloc(LINE_LIMIT, 'z'), 0);
  reader.push(Buffer.from('zz'), 0);
  t.equal(reader.tooLong, true, 'over several pieces');
  reader.forget();
  t.equal(reader.tooLong, false);
  t.end();
});

test('http1 chunked: a trailer that is too long is left out and said', (t) => {
  const { trailers, state } = read(`0\r\nA: b\r\nL: ${'x'.repeat(LINE_LIMIT)}\r\nC: d\r\n\r\n`);
  t.deepEqual(
    [trailers, state],
    [
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
      'done',
    ],
  );
  const reader = new ChunkedReader();
  reader.push(Buffer.from(`0\r\nL: ${'x'.repeat(LINE_LIMIT)}\r\n`), 0, () => {});
  t.equal(reader.trailers.limited, true);
  t.equal(reader.heldBytes, 0);
  reader.push(Buffer.from('A: b\r\nhalf'), 0, () => {});
  t.ok(reader.heldBytes >= 6, 'what is held is counted');
  t.end();
});
