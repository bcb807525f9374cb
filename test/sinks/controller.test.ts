/** tracer-controller: what it writes, and what nobody makes it write. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import tape from 'tape';
import { parseDenyFile } from '../../lib/policy/deny-file.js';
import { isEntry } from '../../lib/sinks/controller/deny-file.js';
import { bin, root } from '../support/paths.js';

const WHO = { pid: 4711, tid: 4711, ppid: 1, uid: 1000, comm: 'agent', start_us: 5, cgroup_id: '7' };

function line(event_type: string, data: object, provider?: string): string {
  const source = event_type === 'llm_call' ? 'llm' : event_type === 'tls_client_hello' ? 'tls' : 'net';
  return `${JSON.stringify({ id: 'aaaaaaaaaa-1', timestamp: 1_764_000_000_000, source, event_type, data: { ...WHO, ...data }, ...(provider === undefined ? {} : { provider }) })}\n`;
}

function hello(sni: string | undefined, peer: string, provider?: string): string {
  return line('tls_client_hello', { socket: '1', peer, hello_b64: '', ...(sni === undefined ? {} : { sni }) }, provider);
}

interface Result {
  status: number | null;
  stdout: string;
  stderr: string;
  file: string[];
}

function inTemp<T>(body: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'tracer-controller-'));
  try {
    return body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function run(dir: string, args: readonly string[], input: string): Result {
  const file = join(dir, 'egress.deny');
  const done = spawnSync(bin('controller'), ['--deny-file', file, ...args], { input, encoding: 'utf8', timeout: 30_000 });
  let content = '';
  try {
    content = readFileSync(file, 'utf8');
  } catch {
    // Not written.
  }
  return { status: done.status, stdout: done.stdout, stderr: done.stderr, file: content.split('\n').filter((text) => text !== '') };
}

function entries(result: Result): string[] {
  const { entries: read, errors } = parseDenyFile(Buffer.from(result.file.join('\n')));
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return read.map(({ text }) => text);
}

tape('controller: providers that are not on the list, with place and name', (t) => {
  inTemp((dir) => {
    writeFileSync(join(dir, 'egress.deny'), '# mine\n198.51.100.1\n');
    const input =
      hello('api.anthropic.com', '203.0.113.1:443', 'anthropic') +
      hello('api.openai.com', '203.0.113.2:443', 'openai') +
      hello('api.openai.com', '203.0.113.2:443', 'openai') +
      hello('other.example', '203.0.113.3:443');
    const result = run(dir, ['--allow', 'anthropic'], input);
    t.equal(result.status, 0, result.stderr);
    t.deepEqual(entries(result), ['198.51.100.1', 'provider:openai', '203.0.113.2', 'api.openai.com']);
    t.equal(result.file[0], '# mine', 'what others wrote stays');
    t.equal(result.stdout.split('\n').filter((text) => text.startsWith('deny ')).length, 3, 'a line for each');
    t.match(result.stdout, /deny provider:openai · provider openai · agent\[4711\]/);
    const again = run(dir, ['--allow', 'anthropic'], input);
    t.equal(again.stdout, '', 'known to the next controller');
    t.deepEqual(again.file, result.file);
  });
  t.end();
});

tape('controller: what no table knows, but not this machine', (t) => {
  inTemp((dir) => {
    const result = run(
      dir,
      ['--deny-unclassified'],
      hello('evil.example', '203.0.113.9:443') +
        hello('local.test', '127.0.0.1:8443') +
        hello(undefined, '[2001:db8::9]:443') +
        hello('api.openai.com', '203.0.113.2:443', 'openai'),
    );
    t.deepEqual(entries(result), ['203.0.113.9', 'evil.example', '2001:db8::9']);
  });
  t.end();
});

tape('controller: a budget of tokens', (t) => {
  inTemp((dir) => {
    const call = (tokens: number): string =>
      line('llm_call', { host: 'api.openai.com', input_tokens: tokens, output_tokens: 0, peer: '203.0.113.2:443' }, 'openai');
    t.deepEqual(entries(run(dir, ['--max-tokens-per-hour', '1000'], call(600))), []);
    const result = run(dir, ['--max-tokens-per-hour', '1000'], call(600) + call(600));
    t.deepEqual(entries(result), ['203.0.113.2', 'api.openai.com']);
    t.ok(
      result.file.every((text) => / until 20\d\d-/.test(text)),
      'for an hour',
    );
  });
  t.end();
});

tape('controller: --ttl, and entries that are over', (t) => {
  inTemp((dir) => {
    const first = run(dir, ['--deny', 'openai', '--ttl', '1'], hello('api.openai.com', '203.0.113.2:443', 'openai'));
    t.equal(entries(first).length, 3);
    spawnSync('sleep', ['1.2']);
    t.deepEqual(entries(run(dir, ['--deny', 'openai', '--ttl', '1'], '')), []);
  });
  t.end();
});

tape('controller: a command and a module of a user', (t) => {
  inTemp((dir) => {
    const module = join(dir, 'policy.mjs');
    writeFileSync(
      module,
      `export default { egress(contact) { if (contact.host === 'a.example') return { deny: ['a.example:443/tcp', 'not an entry'], reason: 'mine' }; throw new Error('oops'); } };`,
    );
    const input = hello('a.example', '203.0.113.5:443') + hello('b.example', '203.0.113.6:443');
    const result = run(dir, ['--module', module, '--cmd', 'jq -r "select(.data.sni==\\"b.example\\") | .data.sni"'], input);
    t.deepEqual(entries(result), ['a.example:443/tcp', 'b.example']);
    t.match(result.stderr, /"not an entry" is no entry/);
    t.match(result.stderr, /a policy failed, and decides nothing: oops/);
    const failing = run(dir, ['--cmd', 'echo c.example; exit 3'], input);
    t.deepEqual(entries(failing), ['a.example:443/tcp', 'b.example'], 'nothing is lifted, nothing added');
    t.match(failing.stderr, /decides nothing: it ended with status 3/);
  });
  t.end();
});

tape('controller: two of them', (t) => {
  inTemp((dir) => {
    writeFileSync(join(dir, 'egress.deny.lock'), `${process.pid}\n`);
    const result = run(dir, ['--deny', 'openai'], '');
    t.equal(result.status, 78);
    t.match(result.stderr, new RegExp(`process ${process.pid} writes this deny-file already`));
    writeFileSync(join(dir, 'egress.deny.lock'), '4194304\n');
    t.equal(run(dir, ['--deny', 'openai'], '').status, 0, 'one that is gone is no hindrance');
  });
  t.end();
});

tape('controller: bad options', (t) => {
  inTemp((dir) => {
    t.match(run(dir, [], '').stderr, /there is no rule/);
    t.match(run(dir, ['--allow', 'nobody'], '').stderr, /there is no provider "nobody".*anthropic/s);
    t.match(run(dir, ['--module', join(dir, 'none.mjs')], '').stderr, /cannot load/);
    t.equal(run(dir, ['--max-cost-per-hour', 'much', '--deny', 'openai'], '').status, 64);
  });
  t.end();
});

tape('controller: no text of an event becomes another line, a comment or an entry about files', (t) => {
  for (const text of ['a.example\n* ', 'a.example # x', ' ', '/etc/shadow', 'read /x', '#', '', '*.', 'https://x.example'])
    t.notOk(isEntry(text), JSON.stringify(text));
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (!isEntry(text)) return true;
      const { entries: read, errors } = parseDenyFile(Buffer.from(`${text} # by tracer-controller: x\n`));
      return errors.length === 0 && read.length === 1 && read[0]?.kind === 'egress';
    }),
    { numRuns: 5000 },
  );
  t.end();
});

tape('controllers of ten lines in sh, Python and JavaScript do the same', (t) => {
  const input =
    hello('ok.example', '203.0.113.1:443') +
    hello('a.example', '203.0.113.5:443') +
    hello('a.example', '203.0.113.5:443') +
    hello('b.example', '[2001:db8::6]:443');
  for (const name of ['deny-new-hosts.sh', 'deny-new-hosts.py', 'deny-new-hosts.mjs']) {
    inTemp((dir) => {
      const file = join(dir, 'egress.deny');
      const { stdout, stderr } = spawnSync(join(root, 'scripts/controllers', name), [file, 'ok.example'], {
        input,
        encoding: 'utf8',
        timeout: 30_000,
      });
      t.equal(stdout, 'deny 203.0.113.5\ndeny 2001:db8::6\n', `${name} ${stderr}`);
      const { entries: read, errors } = parseDenyFile(readFileSync(file));
      t.deepEqual(errors, []);
      t.deepEqual(read.map(({ text }) => text).sort(), ['2001:db8::6', '203.0.113.5'], name);
    });
  }
  t.end();
});
