/** Secrets planted in every place: none is left, wherever a stream was cut, and all else is as it was. */
import fc from 'fast-check';
import { RE2JS } from 're2js';
import tape from 'tape';
import { parseRules } from '../../lib/analyzers/redact/rules.js';
import { type RedactOptions, redactor } from '../../lib/analyzers/redact.js';
import { Batch } from '../../lib/stream/batch.js';
import type { AnyEvent } from '../../lib/stream/event.js';
import { LineFilter } from '../../lib/stream/line-filter.js';
import { Recorder } from '../support/tls-session.js';
import { assertValid, problemsOf } from '../support/validate.js';

/** One of each kind, made up. */
const PLANTED = {
  anthropic: 'sk-ant-api03-Zq8mK2vLx7TnR4wYb6Hc9Jd3Fg5PsAe1',
  openai: 'sk-proj-h7Jk2LmN9pQr4StU6vWx8YzA1bCd3EfG5',
  plain: 'sk-9f8e7d6c5b4a3928171605f4e3d2c1b0',
  google: 'AIzaSyD9tR4vXk2LmNq7PwZs5HbJc8Fg3YeTu1o',
  github: 'ghp_aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1b',
  aws: 'AKIAIOSFODNN7EXAMPLE',
  slack: 'xoxb-123456789012-abcdefGHIJKL',
  jwt: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
  mail: 'jane.doe+work@example.com',
  card: '4111 1111 1111 1111',
  amex: '378282246310005',
  pem: '-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\nKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END RSA PRIVATE KEY-----',
};
const SECRETS = Object.values(PLANTED);

/** What is left of a secret, if anything telling. */
function leftOf(output: string): string[] {
  const forms = SECRETS.flatMap((secret) => {
    const json = JSON.stringify(secret).slice(1, -1);
    return [secret, json, JSON.stringify(json).slice(1, -1)];
  });
  return forms.filter((form) => output.includes(form) || output.includes(form.slice(-16)));
}

function run(lines: string | Buffer, options: RedactOptions = {}, step = Number.POSITIVE_INFINITY): string {
  const batch = new Batch();
  const filter = new LineFilter(redactor(options), batch, { warn: () => {} });
  const bytes = Buffer.from(lines as string);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += Math.min(step, bytes.length)) {
    filter.feed(Buffer.from(bytes.subarray(at, at + step)));
    out.push(...batch.take().map((part) => Buffer.from(part)));
  }
  filter.end();
  out.push(...batch.take());
  if (filter.failures > 0) throw filter.failure;
  return Buffer.concat(out).toString();
}

function ndjson(events: readonly unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}

function parsed(text: string): AnyEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AnyEvent);
}

/** A line with what it says in base64 behind it. */
function opened(line: string): string {
  return (
    line +
    [...line.matchAll(/_b64":\[?"([A-Za-z0-9+/=]+)"/g)]
      .map(([, base64]) => Buffer.from(base64 as string, 'base64').toString('latin1'))
      .join(' ')
  );
}

let n = 0;
function event(source: string, event_type: string, data: object): Record<string, unknown> {
  return { id: `q7f3k2m9xd-${++n}`, timestamp: 1764000000000 + n, source, event_type, data };
}

tape('a secret in every place of every event: none is left', (t) => {
  const who = { pid: 1841, tid: 1841, comm: 'python3', start_us: 8123456, cgroup_id: '4321' };
  const places: ((secret: string) => object)[] = [
    (s) =>
      event('process', 'process_exec', {
        ...who,
        filename: '/usr/bin/curl',
        args: ['curl', '-H', `Authorization: Bearer ${s}`, `--data=${s}`],
        args_bytes: 9,
        exe_file_id: '8:1:5',
      }),
    (s) =>
      event('process', 'process_exec', {
        ...who,
        filename: `/tmp/${s}/x`,
        args: ['sh', '-c', `echo "${s}" > f; cat '${s}'`],
        args_bytes: 9,
        exe_file_id: '8:1:5',
        env: { TRACEPARENT: s },
      }),
    (s) =>
      event('process', 'process_info', {
        ...who,
        args: [s],
        cwd: `/home/${s}`,
        env: { OPENAI_API_KEY: s, NOTE: `x ${s}` },
        origin: 'snapshot',
      }),
    (s) =>
      event('process', 'process_info', { ...who, args_b64: [Buffer.from(`${s}\xff`, 'latin1').toString('base64')], origin: 'snapshot' }),
    (s) => event('file', 'file_open', { ...who, path: `/data/${s} (1).txt`, access: 'read', flags: [] }),
    (s) => event('dns', 'dns_query', { ...who, name: `${s} x`, transport: 'udp', server: '1.1.1.1:53', query_id: 1, qtype: 'A' }),
    (s) =>
      event('http', 'http_request', {
        conn: 'c',
        exchange: 'c/1',
        role: 'client',
        version: '1.1',
        method: 'POST',
        scheme: 'https',
        path: `/x?a=${encodeURIComponent(s)}&key=${encodeURIComponent(s)}`,
        headers: { host: 'x', 'x-note': [s, `b ${s}`], authorization: `Bearer ${s.replaceAll('\n', ' ')}` },
        body_bytes: 1,
        wire_bytes: 1,
        body: JSON.stringify({ note: s, deep: JSON.stringify({ text: `a\n${s}` }) }),
      }),
    (s) =>
      event('http', 'http_response', {
        conn: 'c',
        exchange: 'c/1',
        role: 'client',
        version: '1.1',
        status: 200,
        headers: { 'set-cookie': [`a=${s.replaceAll('\n', '')}; Path=/`] },
        body_bytes: 1,
        wire_bytes: 1,
        body_b64: Buffer.from(`\0\xfe${s}\xff`, 'latin1').toString('base64'),
      }),
    (s) =>
      event('http', 'sse_event', {
        exchange: 'c/1',
        index: 0,
        event: 'message',
        data: JSON.stringify({ type: 'x', delta: { text: `so ${s} is` }, other: s }),
      }),
    (s) => event('http', 'ws_message', { exchange: 'c/2', index: 0, sender: 'client', opcode: 'text', payload: `say "${s}"` }),
    (s) => event('http', 'http_body', { exchange: 'c/3', index: 0, sender: 'client', payload: `${s}\n` }),
    (s) =>
      event('llm', 'llm_call', {
        conn: 'c',
        exchange: 'c/4',
        tool_calls: [{ id: 'x', name: 'y', arguments: { path: s, list: [{ a: s }] } }],
        input_messages: [{ role: 'user', parts: [{ type: 'text', content: `my ${s}, please` }] }],
      }),
    (s) => event('meta', 'malformed', { line: 3, reason: 'not JSON', payload: `{"a": "${s}` }),
    (s) => ({ anything: { [`key ${s}`]: [[[s]]] }, later: s }),
    (s) => ({ ...event('agent', 'tool_run', { tool: 'Bash' }), identity: { token: s } }),
  ];
  for (const [kind, secret] of Object.entries(PLANTED)) {
    const input = ndjson(places.map((place) => place(secret)));
    const output = run(input);
    const left = output.split('\n').filter((line) => leftOf(opened(line)).length > 0);
    t.deepEqual(left, [], `${kind}: none left`);
    t.equal(parsed(output).length, places.length, 'every event came out');
    t.deepEqual(
      parsed(output)
        .filter((each) => !opened(JSON.stringify(each)).includes('redacted:r'))
        .map((each) => each.event_type),
      [],
      'in each something stands for it',
    );
    const faults = parsed(output).flatMap((each) =>
      problemsOf(each).filter((problem) => !/unknown event_type|required|additional/.test(problem)),
    );
    t.deepEqual(faults, [], 'they are events');
    const known = new Set([...output.matchAll(/redacted:r\d+/g)].map(([word]) => word));
    if (!/card|amex|pem|mail/.test(kind)) t.ok(known.size <= 3, `it is known again: ${[...known]}`);
  }
  t.end();
});

tape('what is not secret stays, to the byte', (t) => {
  const text = [
    'id 550e8400-e29b-41d4-a716-446655440000 req_011CSHoEeqs5C35K2UUqR7Fy msg_01XFDUDYJgAACzvnptvVoYEL toolu_01A09q90qw90lq917835lq9',
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 commit da39a3ee5e6b4b0d3255bfef95601890afd80709',
    'git@github.com:owner/repo.git react@18.2.0 @types/node@20.1.0 image@2x.png getty@tty1.service chacha20-poly1305@openssh.com a@b',
    'the task-force of disk-usage-in-the-home-directory-2024 asks for a token; basic understanding; the bearer of good news',
    '{"max_tokens": 1024, "token": "Hello", "logprob": -0.1, "key": "Enter", "next_page_token": "CAESBkZvb0JhcjEyMzQ1Njc4", "idempotency-key": "stainless-retry-0a1b2c3d4e5f6a7b"}',
    'const apiKey = process.env.API_KEY; login(password=password); def f(api_key: str = None, token: Optional[str] = None): pass',
    '1764000000123 1234567890123456 4111111111111112 0.4111111111111111 4111111111111111-a 41111111111111110000000',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
    'Authorization: redacted:1\r\nCookie: redacted:2\r\nhttps://x.org/?key=redacted:3&b=1 sk-learn-contrib-imbalanced',
  ];
  const input = ndjson(
    text.map((body) => event('http', 'http_request', { body })).concat([{ big: 12345678901234567890n.toString() } as never]),
  );
  t.equal(run(input), input);
  const odd = '{"id": "a-1" , "n":1.0,"big":12345678901234567890,"a":1,"a":"\\u00e9\\/x","__proto__":{"x":[1e5,-0]}}\n';
  t.equal(run(odd), odd, 'odd JSON');
  const changed =
    '{"id": "a-1" , "big":12345678901234567890,"a":"x sk-ant-api03-Zq8mK2vLx7TnR4wYb6Hc9Jd3Fg5PsAe1","a":1.0,"__proto__":{"x":[1e5,-0]}}\n';
  t.equal(run(changed), changed.replace(PLANTED.anthropic, 'redacted:r1'), 'and around what is replaced');
  t.end();
});

const PROSE = fc.constantFrom(
  'hello world ',
  'é–"quoted" ',
  '\r\n',
  '{"a":"b\\n"}',
  'data: x\n\n',
  'path/to?x=1&y=2 ',
  'a@b ',
  '12345 ',
  '`x` ',
  'token ',
  'password: ',
  '--',
  '\\',
);
const CONTEXT = fc.constantFrom('', ' ', '\n', '"', "'", ': ', '=', '(', 'Bearer ', '\\n', 'x-api-key: ', '"password":"', '&key=');
const CLOSE = fc.constantFrom(' ', '\n', '"', "'", ')', '\r\n', ',');
const TEXT = fc
  .array(
    fc.oneof(
      PROSE,
      fc.tuple(CONTEXT, fc.constantFrom(...SECRETS), CLOSE).map((parts) => parts.join('')),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.join(''));

/** The stream `text`, cut at `cuts`, as the payloads that come out, joined. */
function through(text: string, cuts: readonly number[], options: RedactOptions = {}): { text: string; events: AnyEvent[] } {
  const recorder = new Recorder();
  const session = recorder.session({});
  const places = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort((a, b) => a - b);
  for (let i = 1; i < places.length; i++) session.data('write', text.slice(places[i - 1], places[i]));
  session.close();
  const events = parsed(run(ndjson(recorder.events), options));
  const joined = events
    .filter((each) => each.event_type === 'ssl_data')
    .map(({ data }) => {
      const { payload, payload_b64 } = data as { payload?: string; payload_b64?: string };
      return payload ?? Buffer.from(payload_b64 as string, 'base64').toString();
    });
  return { text: joined.join(''), events };
}

tape('cut anywhere, a stream gives the same text', (t) => {
  fc.assert(
    fc.property(TEXT, fc.array(fc.nat(2000), { maxLength: 30 }), (text, cuts) => {
      const whole = through(text, []);
      const cut = through(text, cuts);
      if (cut.text !== whole.text) throw new Error(`${JSON.stringify(cut.text)} instead of ${JSON.stringify(whole.text)}`);
      if (cut.events.length !== new Set([0, ...cuts.map((each) => each % (text.length + 1)), text.length]).size - 1 + 2)
        throw new Error('an event is missing');
      assertValid(cut.events);
    }),
    { numRuns: 1500 },
  );
  t.pass('1500 streams');
  t.end();
});

tape('cut at every byte', (t) => {
  for (const [kind, secret] of Object.entries(PLANTED)) {
    const text = `POST /x HTTP/1.1\r\nAuthorization: Bearer ${secret.split('\n')[0]}\r\n\r\n{"a":"${secret}", "b": 1}\n`;
    const every = through(
      text,
      Array.from({ length: text.length }, (_, i) => i),
    );
    t.deepEqual(leftOf(every.text), [], kind);
    t.equal(every.text, through(text, []).text, 'as the whole');
  }
  t.end();
});

tape('with rules, too', (t) => {
  const rules = parseRules('badge EMP-[0-9]{6}\nroom (?i)room\\s*=\\s*([a-z]+[0-9]+)\n', RE2JS);
  const text = 'x EMP-123456 y\nRoom = k12, EMP-123456\nroom=zz9\n';
  const whole = through(text, [], { rules }).text;
  t.equal(whole, 'x redacted:r1 y\nRoom = redacted:r2, redacted:r1\nroom=redacted:r3\n');
  for (let cut = 1; cut < text.length; cut++) if (through(text, [cut, cut + 3], { rules }).text !== whole) t.fail(`cut at ${cut}`);
  t.end();
});

tape('a secret that comes word by word in the answer of a model', (t) => {
  const pieces = [
    'The key is ',
    'sk-',
    'ant-',
    'api03-Zq8mK2vLx7',
    'TnR4wYb6Hc9Jd3Fg5PsAe1',
    ' and ',
    'jane.',
    'doe@exam',
    'ple.com',
    '. Good',
    'bye',
  ];
  const shapes: ((text: string) => object)[] = [
    (text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
    (text) => ({ id: 'x', choices: [{ index: 0, delta: { content: text } }] }),
    (text) => ({ type: 'response.output_text.delta', output_index: 0, delta: text }),
    (text) => ({ candidates: [{ content: { parts: [{ text }] } }] }),
  ];
  for (const shape of shapes) {
    const events = pieces.map((piece, index) =>
      event('http', 'sse_event', { exchange: 'c/1', index, event: 'message', data: JSON.stringify(shape(piece)) }),
    );
    events.push(event('http', 'http_end', { exchange: 'c/1', sender: 'server', end: 'complete', body_bytes: 1, wire_bytes: 1 }));
    const output = parsed(run(ndjson(events)));
    t.equal(output.length, events.length);
    const said = output
      .slice(0, -1)
      .map(({ data }) => /"(?:text|content|delta)":"([^"]*)"/.exec((data as { data: string }).data)?.[1])
      .join('');
    t.equal(said, 'The key is redacted:r1 and redacted:r2. Goodbye');
  }
  t.end();
});

tape('two streams at once, and order', (t) => {
  const recorder = new Recorder();
  const a = recorder.session({ conn: '1.1.1', pid: 1 });
  const b = recorder.session({ conn: '2.2.1', pid: 2 });
  a.data('write', 'first sk-ant-api03-Zq8mK2v');
  b.data('write', `second ${PLANTED.github}\n`);
  a.data('write', 'Lx7TnR4wYb6Hc9Jd3Fg5PsAe1\n');
  b.data('write', `again ${PLANTED.anthropic}\n`);
  const output = parsed(run(ndjson(recorder.events)));
  t.deepEqual(
    output.map(({ id }) => id),
    recorder.events.map(({ id }) => id),
    'in the order that they came',
  );
  t.deepEqual(
    output.slice(2).map(({ data }) => (data as { payload: string }).payload),
    ['first redacted:r1', 'second redacted:r2\n', '\n', 'again redacted:r1\n'],
  );
  t.end();
});

tape('what does not go on is given after a second, and what then goes on is still secret', (t) => {
  const recorder = new Recorder(2000);
  const session = recorder.session({});
  session
    .data('write', 'x sk-ant-api03-Zq8mK2v')
    .data('write', 'Lx7TnR4wYb6Hc9Jd3Fg5PsAe1 and sk')
    .data('write', '-ant-api03-Zq8mK2vLx7TnR4wYb6Hc9Jd3Fg5PsAe1\n')
    .data('write', 'end\n');
  const output = parsed(run(ndjson(recorder.events))).slice(1);
  t.deepEqual(
    output.map(({ data }) => (data as { payload: string }).payload),
    ['x redacted:r1', ' and sk', 'redacted:r2\n', 'end\n'],
  );
  t.end();
});

tape('any JSON at all passes, and without a secret to the byte', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), fc.string(), (object, data, type) => {
      const input = ndjson([
        object,
        { ...object, event_type: type, data },
        { event_type: 'ssl_data', data },
        { event_type: 'sse_event', data: { exchange: data, data: type, payload: data } },
      ]);
      const output = run(input);
      if (!output.includes('redacted:r') && output !== input) throw new Error(output);
      if (parsed(output).length !== 4) throw new Error('lines are missing');
    }),
    { numRuns: 1000 },
  );
  t.pass('1000 objects');
  t.end();
});

tape('however the lines are cut, and with objects in place of lines', (t) => {
  const recorder = new Recorder();
  const session = recorder.session({});
  for (const secret of SECRETS)
    session
      .data('write', `a ${secret.slice(0, 9)}`)
      .data('read', 'HTTP/1.1 200 OK\r\n\r\n')
      .data('write', `${secret.slice(9)}\n`);
  session.close();
  const input = ndjson(recorder.events);
  const whole = run(input);
  for (const step of [1, 7, 1000]) t.equal(run(input, {}, step), whole, `in chunks of ${step}`);
  const stage = redactor();
  const out: AnyEvent[] = [];
  for (const each of recorder.events) stage.transform(each, (made) => out.push(made));
  stage.flush((made) => out.push(made));
  t.equal(ndjson(out), whole, 'as objects');
  t.end();
});

tape('one key, one word', (t) => {
  const input = ndjson([event('x', 'y', { a: PLANTED.github, b: `x ${PLANTED.github}` })]);
  const output = run(input, { redactKey: Buffer.from('key') });
  t.equal(new Set([...output.matchAll(/redacted:[0-9a-f]{16}/g)].map(([word]) => word)).size, 1);
  t.end();
});
