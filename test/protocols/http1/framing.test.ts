import test from 'tape';
import { FieldReader } from '../../../lib/protocols/http1/fields.js';
import { type Framing, listItems, requestFraming, responseFraming, transferCodings } from '../../../lib/protocols/http1/framing.js';

function fields(...lines: string[]): FieldReader {
  const reader = new FieldReader();
  for (const line of lines) reader.line(line);
  return reader;
}

const LENGTH = (length: number): Framing => ({ by: 'length', length });

test('http1 framing: where a request ends', (t) => {
  const cases: [string, string[], Framing][] = [
    ['without fields it has no body', [], { by: 'none' }],
    ['by length', ['content-length: 12'], LENGTH(12)],
    ['length 0 is no body', ['content-length: 0'], { by: 'none' }],
    ['the same length twice', ['content-length: 7', 'content-length: 7'], LENGTH(7)],
    ['the same length twice in one field', ['content-length: 7, 7'], LENGTH(7)],
    ['two lengths contradict each other', ['content-length: 7', 'content-length: 8'], { by: 'unknown' }],
    ['two lengths in one field', ['content-length: 7,8'], { by: 'unknown' }],
    ['a length with a sign is none', ['content-length: +7'], { by: 'unknown' }],
    ['a negative length is none', ['content-length: -7'], { by: 'unknown' }],
    ['an empty length is none', ['content-length:'], { by: 'unknown' }],
    ['a length in hexadecimal is none', ['content-length: 0x7'], { by: 'unknown' }],
    ['a length of 30 digits is a number, of 31 is none', [`content-length: ${'1'.repeat(31)}`], { by: 'unknown' }],
    ['a length of 30 digits', [`content-length: ${'1'.repeat(30)}`], LENGTH(Number('1'.repeat(30)))],
    ['blanks around a length', ['content-length:  7 '], LENGTH(7)],
    ['chunked', ['transfer-encoding: chunked'], { by: 'chunked' }],
    ['chunked in capitals', ['transfer-encoding: Chunked'], { by: 'chunked' }],
    ['chunked wins over a length', ['content-length: 5', 'transfer-encoding: chunked'], { by: 'chunked' }],
    ['gzip, then chunked', ['transfer-encoding: gzip, chunked'], { by: 'chunked' }],
    ['gzip, then chunked, in two fields', ['transfer-encoding: gzip', 'transfer-encoding: chunked'], { by: 'chunked' }],
    ['chunked that is not last', ['transfer-encoding: chunked, gzip'], { by: 'unknown' }],
    ['a coding without chunked', ['transfer-encoding: gzip'], { by: 'unknown' }],
    ['identity is no coding', ['transfer-encoding: identity', 'content-length: 3'], LENGTH(3)],
    ['an empty coding is none', ['transfer-encoding: ,', 'content-length: 3'], LENGTH(3)],
    ['chunked with parameters', ['transfer-encoding: chunked;q=1'], { by: 'chunked' }],
  ];
  for (const [name, lines, expected] of cases) t.deepEqual(requestFraming(fields(...lines)), expected, name);
  t.end();
});

test('http1 framing: where a response ends', (t) => {
  const cases: [string, string[], number, string | undefined, Framing][] = [
    ['without fields it ends with the connection', [], 200, 'GET', { by: 'close' }],
    ['by length', ['content-length: 12'], 200, 'GET', LENGTH(12)],
    ['two lengths', ['content-length: 1, 2'], 200, 'GET', { by: 'unknown' }],
    ['chunked', ['transfer-encoding: chunked'], 200, 'GET', { by: 'chunked' }],
    ['a coding without chunked ends with the connection', ['transfer-encoding: gzip'], 200, 'GET', { by: 'close' }],
    ['identity is no coding', ['transfer-encoding: identity', 'content-length: 3'], 200, 'GET', LENGTH(3)],
    ['to HEAD there is no body', ['content-length: 12'], 200, 'HEAD', { by: 'none' }],
    ['to a method that is not known there is one', ['content-length: 12'], 200, undefined, LENGTH(12)],
    ['1xx has none', ['content-length: 12'], 100, 'GET', { by: 'none' }],
    ['199 has none', ['content-length: 12'], 199, 'GET', { by: 'none' }],
    ['200 has one', ['content-length: 12'], 200, 'POST', LENGTH(12)],
    ['204 has none', ['content-length: 12'], 204, 'GET', { by: 'none' }],
    ['304 has none', ['content-length: 12'], 304, 'GET', { by: 'none' }],
    ['205 may have one', ['content-length: 12'], 205, 'GET', LENGTH(12)],
    ['101 is the end of HTTP/1', [], 101, 'GET', { by: 'tunnel' }],
    ['a successful CONNECT is the end of HTTP/1', ['content-length: 12'], 200, 'CONNECT', { by: 'tunnel' }],
    ['so is 299', [], 299, 'CONNECT', { by: 'tunnel' }],
    ['a refused CONNECT is a response like any other', ['content-length: 12'], 300, 'CONNECT', LENGTH(12)],
  ];
  for (const [name, lines, status, method, expected] of cases)
    t.deepEqual(responseFraming(fields(...lines), status, method), expected, name);
  t.end();
});

test('http1 framing: lists', (t) => {
  t.deepEqual(listItems([' A , b;q=1,, C ', '', ';x', 'd']), ['a', 'b', 'c', 'd']);
  t.deepEqual(listItems([]), []);
  t.deepEqual(transferCodings(fields('Transfer-Encoding: identity, gzip', 'transfer-encoding: chunked')), ['gzip', 'chunked']);
  t.end();
});
