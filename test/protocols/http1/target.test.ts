import test from 'tape';
import { readTarget } from '../../../lib/protocols/http1/target.js';

const TARGETS: [string, string, string, string | undefined, string, { scheme: string; host?: string; path: string }][] = [
  [
    'origin form takes the host of its field',
    'GET',
    '/a?b=c',
    'Example.COM',
    'https',
    { scheme: 'https', host: 'example.com', path: '/a?b=c' },
  ],
  ['the default port of the scheme is left out', 'GET', '/', 'h:443', 'https', { scheme: 'https', host: 'h', path: '/' }],
  ['another port stays', 'GET', '/', 'h:80', 'https', { scheme: 'https', host: 'h:80', path: '/' }],
  ['port 80 is the default of http', 'GET', '/', 'h:80', 'http', { scheme: 'http', host: 'h', path: '/' }],
  ['port 8443 only ends like a default port', 'GET', '/', 'h:8443', 'https', { scheme: 'https', host: 'h:8443', path: '/' }],
  ['blanks around the host are none of it', 'GET', '/', ' h ', 'https', { scheme: 'https', host: 'h', path: '/' }],
  ['no host is absent, not empty', 'GET', '/', undefined, 'https', { scheme: 'https', path: '/' }],
  ['an empty host is absent', 'GET', '/', '', 'https', { scheme: 'https', path: '/' }],
  ['asterisk form', 'OPTIONS', '*', 'h', 'https', { scheme: 'https', host: 'h', path: '*' }],
  ['absolute form decides against the field', 'GET', 'http://A.b/p?q', 'other', 'https', { scheme: 'http', host: 'a.b', path: '/p?q' }],
  ['absolute form without a path', 'GET', 'http://a.b', 'other', 'https', { scheme: 'http', host: 'a.b', path: '/' }],
  ['absolute form with a query only', 'GET', 'http://a.b?x', 'other', 'https', { scheme: 'http', host: 'a.b', path: '?x' }],
  ['the scheme is lower-case', 'GET', 'HTTPS://a.b:443/x', undefined, 'http', { scheme: 'https', host: 'a.b', path: '/x' }],
  ['user and password are none of the host', 'GET', 'http://u:p@a.b:80/x', undefined, 'https', { scheme: 'http', host: 'a.b', path: '/x' }],
  ['the host begins after the last @', 'GET', 'http://u@v@a.b/x', undefined, 'https', { scheme: 'http', host: 'a.b', path: '/x' }],
  ['ws and wss have default ports', 'GET', 'ws://a:80/', undefined, 'https', { scheme: 'ws', host: 'a', path: '/' }],
  ['ws and wss have default ports', 'GET', 'wss://a:443/', undefined, 'https', { scheme: 'wss', host: 'a', path: '/' }],
  [
    'a scheme that is not known has none',
    'GET',
    'ftp+x.1-y://a:21/f',
    undefined,
    'https',
    { scheme: 'ftp+x.1-y', host: 'a:21', path: '/f' },
  ],
  ['a scheme does not begin with a digit', 'GET', '1http://a/f', 'h', 'https', { scheme: 'https', host: 'h', path: '1http://a/f' }],
  ['a path that holds a URL is a path', 'GET', '/x?u=http://a/b', 'h', 'https', { scheme: 'https', host: 'h', path: '/x?u=http://a/b' }],
  ['CONNECT: the path is the authority', 'CONNECT', 'a.b:443', 'other', 'https', { scheme: 'https', host: 'a.b', path: 'a.b:443' }],
  ['CONNECT: another port stays in the host', 'CONNECT', 'a.b:22', undefined, 'https', { scheme: 'https', host: 'a.b:22', path: 'a.b:22' }],
];

test('http1 target: what scheme, host and path an onlooker names', (t) => {
  for (const [name, method, target, host, scheme, expected] of TARGETS)
    t.deepEqual(readTarget(method, target, host, scheme), expected, name);
  t.end();
});
