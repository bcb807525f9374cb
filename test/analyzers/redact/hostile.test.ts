/** Text made to be slow to look through: a megabyte of each takes no more than its length. */
import tape from 'tape';
import { findSecrets } from '../../../lib/analyzers/redact/find.js';

const MB = 1_000_000;

/** A megabyte of it. Were the time to grow with the square of the length, each would take minutes. */
const HOSTILE: Record<string, string> = {
  'addresses without end': 'a@',
  'beginnings of keys': 'sk-',
  'beginnings of tokens': 'eyJ-',
  'tokens of nothing': 'eyJ.',
  'names of nothing': 'token=',
  'queries of variables': '?key=$',
  'headers in headers': 'x-token: ',
  'cookies in cookies': 'cookie: ',
  schemes: 'authorization: bearer $',
  'private keys without end': '-----BEGIN PRIVATE KEY-----!',
  digits: '4',
  'digits apart': '4 ',
  backslashes: '\\',
  'passwords in addresses': '://a:b',
  'quotes that do not close': 'password="\\"',
  'encoded bytes': '%aa',
};

tape('a megabyte of hostile text', (t) => {
  for (const [name, piece] of Object.entries(HOSTILE)) {
    const text = piece.repeat(Math.ceil(MB / piece.length));
    const { undecided, found } = findSecrets(text, 0, false);
    t.ok(undecided <= text.length && found.every(({ end }) => end <= undecided), name);
    t.equal(findSecrets(text, 0, true).undecided, text.length, 'and to its end');
  }
  t.end();
});

tape('JSON in a string in JSON, 100 deep', (t) => {
  const secret = 'ghp_aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1b';
  let text = secret;
  for (let i = 0; i < 14; i++) text = JSON.stringify({ a: text });
  text = `${'[{"a":'.repeat(100)}${JSON.stringify(text)}${'}]'.repeat(100)}`;
  const { found } = findSecrets(text, 0, true);
  t.deepEqual(
    found.map(({ start, end }) => text.slice(start, end)),
    [secret],
  );
  t.end();
});
