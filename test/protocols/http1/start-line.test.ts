import test from 'tape';
import {
  findStartLine,
  mayBeStartLine,
  parseRequestLine,
  parseStatusLine,
  START_LINE_LIMIT,
} from '../../../lib/protocols/http1/start-line.js';

test('http1 start line: requests', (t) => {
  t.deepEqual(parseRequestLine('GET /a HTTP/1.1'), { method: 'GET', target: '/a', version: '1.1' });
  t.deepEqual(parseRequestLine('M-SEARCH  *  HTTP/1.0  '), { method: 'M-SEARCH', target: '*', version: '1.0' }, 'more blanks');
  t.deepEqual(parseRequestLine('GET /a b HTTP/1.1'), { method: 'GET', target: '/a b', version: '1.1' }, 'blanks in a target');
  t.deepEqual(parseRequestLine('GET /\xe9 HTTP/1.1'), { method: 'GET', target: '/\xe9', version: '1.1' }, 'bytes over 127 in a target');
  t.deepEqual(parseRequestLine('GET / HTTP/1.1 HTTP/1.1')?.target, '/ HTTP/1.1');
  t.deepEqual(parseRequestLine(`${'A'.repeat(64)} / HTTP/1.1`)?.method.length, 64);
  for (const line of [
    '',
    'GET / HTTP/2.0',
    'GET /HTTP/1.1',
    'GET HTTP/1.1',
    ' GET / HTTP/1.1',
    'G(T / HTTP/1.1',
    'GET /\x00 HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'GET \x7f HTTP/1.1',
    'GET / HTTP/1.1x',
    'GET / HTTP/1.12',
    'xGET / http/1.1',
    `${'A'.repeat(65)} / HTTP/1.1`,
    'PRI * HTTP/2.0',
  ]) {
    t.equal(parseRequestLine(line), undefined, JSON.stringify(line.slice(0, 40)));
  }
  t.end();
});

test('http1 start line: responses', (t) => {
  t.deepEqual(parseStatusLine('HTTP/1.1 200 OK'), { version: '1.1', status: 200, reason: 'OK' });
  t.deepEqual(parseStatusLine('HTTP/1.0 404 Not Found '), { version: '1.0', status: 404, reason: 'Not Found' });
  t.deepEqual(parseStatusLine('HTTP/1.1 200'), { version: '1.1', status: 200, reason: '' });
  t.deepEqual(parseStatusLine('HTTP/1.1 200 '), { version: '1.1', status: 200, reason: '' });
  t.deepEqual(parseStatusLine('HTTP/1.1 200 a\tb\xe9')?.reason, 'a\tb\xe9');
  for (const line of [
    '',
    'HTTP/1.1',
    'HTTP/1.1 20',
    'HTTP/1.1 2000',
    'HTTP/1.1 200OK',
    'HTTP/2.0 200 OK',
    'xHTTP/1.1 200 OK',
    'HTTP/1.1  200 OK',
    'HTTP/1.1 200 a\x01',
    'HTTP/1.1 200 a\x7f',
    'http/1.1 200 OK',
  ]) {
    t.equal(parseStatusLine(line), undefined, JSON.stringify(line));
  }
  t.end();
});

test('http1 start line: what is unfinished may become one', (t) => {
  for (const whole of ['GET /a b HTTP/1.1', 'OPTIONS * HTTP/1.0']) {
    for (let n = 0; n <= whole.length; n++) t.ok(mayBeStartLine(whole.slice(0, n), 'request'), JSON.stringify(whole.slice(0, n)));
    t.ok(mayBeStartLine(`${whole}\r`, 'request'), 'with its CR');
  }
  for (const whole of ['HTTP/1.1 200 OK fine', 'HTTP/1.0 404']) {
    for (let n = 0; n <= whole.length; n++) t.ok(mayBeStartLine(whole.slice(0, n), 'response'), JSON.stringify(whole.slice(0, n)));
    t.ok(mayBeStartLine(`${whole}\r`, 'response'), 'with its CR');
  }
  t.ok(mayBeStartLine('\r', 'request') && mayBeStartLine('\r', 'response'), 'an empty line before it');
  for (const line of ['\x16\x03', 'G(T', ' GET', 'GET \x00', 'GET /\x01', 'GET /\r/', 'A'.repeat(65)])
    t.notOk(mayBeStartLine(line, 'request'), JSON.stringify(line.slice(0, 20)));
  for (const line of ['HTTQ', 'HTTP/2', 'HTTP/1.x', 'HTTP/1.1x', 'HTTP/1.1 2x', 'HTTP/1.1 2000', 'HTTP/1.1 200 \x01', 'xHTTP/1.1', 'GET /'])
    t.notOk(mayBeStartLine(line, 'response'), JSON.stringify(line));
  const long = `GET /${'a'.repeat(START_LINE_LIMIT - 5)}`;
  t.ok(mayBeStartLine(long, 'request'), 'as long as allowed');
  t.notOk(mayBeStartLine(`${long}a`, 'request'), 'one more is too long');
  t.end();
});

test('http1 start line: found in the middle of a stream', (t) => {
  const request = 'POST /v1 HTTP/1.1\r\nHost: h\r\n';
  t.deepEqual(findStartLine(`junk${request}`, 'request', false), { at: 4, hold: 4 + request.length });
  t.deepEqual(findStartLine(request, 'request', true).at, 0);
  t.deepEqual(findStartLine(`xGET / HTTP/1.0\nA:`, 'request', false).at, 1, 'bare LF');
  t.deepEqual(findStartLine('BREW /pot HTTP/1.1\r\nA: b', 'request', true).at, 0, 'any method where the text begins');
  t.equal(findStartLine('BREW /pot HTTP/1.1\r\nA: b', 'request', false).at, undefined, 'but not elsewhere');
  t.equal(findStartLine('xBREW /pot HTTP/1.1\r\nA: b', 'request', true).at, undefined, 'nor later');
  t.equal(findStartLine('say GET / HTTP/1.1\r\n\r\n', 'request', false).at, undefined, 'a quotation has no field after it');
  t.equal(findStartLine(`HTTP/1.1 200 OK\r\nA: b`, 'request', false).at, undefined, 'a response is no request');
  const response = 'HTTP/1.1 200 OK\r\nA: b';
  t.deepEqual(findStartLine(`junk ${response}`, 'response', false), { at: 5, hold: 5 + response.length });
  t.equal(findStartLine('HTTP/1.1 200\nA:', 'response', false).at, 0, 'without a reason');
  t.equal(findStartLine(request, 'response', false).at, undefined);
  t.end();
});

test('http1 start line: a search holds back what may still become one, and no more', (t) => {
  for (const [kind, whole] of [
    ['request', 'DELETE /a?b HTTP/1.1\r\nHost:'],
    ['response', 'HTTP/1.1 503 No\r\nDate:'],
  ] as const) {
    for (let n = 1; n <= whole.length; n++) {
      const { at, hold } = findStartLine(`some junk ${whole.slice(0, n)}`, kind, false);
      t.equal(at ?? hold, 10, `${kind} ${JSON.stringify(whole.slice(0, n))}`);
    }
  }
  t.equal(findStartLine('BREW', 'request', true).hold, 0, 'any word where the text begins');
  t.equal(findStartLine('BREWbrew', 'request', true).hold, 8);
  t.equal(findStartLine('BREW', 'request', false).hold, 4);
  t.equal(findStartLine('nothing here', 'request', false).hold, 12);
  t.equal(findStartLine('nothing here', 'response', false).hold, 12);
  t.equal(findStartLine('', 'request', false).hold, 0);
  t.equal(findStartLine('xH', 'response', false).hold, 1);
  const far = `GET /${'a'.repeat(20_000)}`;
  t.equal(findStartLine(far, 'request', false).hold, far.length, 'a target longer than any is not waited for');
  t.end();
});
