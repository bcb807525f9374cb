import test from 'tape';
import { hideSecrets } from '../../../lib/sinks/show/secrets.js';

const CASES: [string, string][] = [
  ['Authorization: Bearer abc.def', 'Authorization: Bearer [hidden]'],
  ['authorization: Basic dXNlcjpwYXNz\r\nHost: x', 'authorization: Basic [hidden]\r\nHost: x'],
  ['x-api-key: secret123', 'x-api-key: [hidden]'],
  ['X-Goog-Api-Key: AIza', 'X-Goog-Api-Key: [hidden]'],
  ['Cookie: a=1; b=2\nAccept: */*', 'Cookie: [hidden] [hidden]\nAccept: */*'],
  ['Set-Cookie: id=9; HttpOnly', 'Set-Cookie: [hidden] [hidden]'],
  ["curl -H 'Authorization: Bearer tok123' https://x", "curl -H 'Authorization: Bearer [hidden]' https://x"],
  ['--api-key abc123 --model m', '--api-key [hidden] --model m'],
  ['--token=abcdef12', '--token=[hidden]'],
  ['OPENAI_API_KEY=abcdef12 node x.js', 'OPENAI_API_KEY=[hidden] node x.js'],
  ['{"api_key":"abcdef12","n":1}', '{"api_key":"[hidden]","n":1}'],
  ['"password": "hunter22",', '"password": "[hidden]",'],
  ['key sk-ant-api03-AbCdEfGhIjKlMnOp here', 'key [hidden] here'],
  ['sk-proj-abcdefghijklmnop1234', '[hidden]'],
  ['ghp_abcdefghijklmnopqrstuvwxyz0123456789', '[hidden]'],
  ['AKIAIOSFODNN7EXAMPLE', '[hidden]'],
  ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_', '[hidden]'],
  ['GET /v1/x?key=AbCd1234&alt=sse', 'GET /v1/x?key=[hidden]&alt=sse'],
  ['https://me:pa55word@host/x', 'https://me:[hidden]@host/x'],
  ['export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI', 'export AWS_SECRET_ACCESS_KEY=[hidden]'],
  [
    '-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nafter',
    '-----BEGIN RSA PRIVATE KEY-----\n[hidden]\n[hidden]\n[hidden] RSA PRIVATE KEY-----\nafter',
  ],
];

test('hideSecrets: what looks like a secret is hidden', (t) => {
  for (const [text, shown] of CASES) t.equal(hideSecrets(text), shown, shown);
  t.end();
});

test('hideSecrets: other text stays', (t) => {
  for (const text of [
    'max_tokens: 256',
    'The bearer of this letter',
    'a token of thanks',
    'x-api-key: redacted:1',
    'Authorization: redacted:2',
    'Authorization: Bearer redacted:2',
    'https://localhost:8443/v1/messages',
    'sk-demo',
    '-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----',
    'What is the key? The keyboard.',
  ]) {
    t.equal(hideSecrets(text), text, text);
  }
  t.end();
});
