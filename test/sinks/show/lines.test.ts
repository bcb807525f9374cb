import test from 'tape';
import { DESCRIBED } from '../../../lib/sinks/show/lines.js';
import { show } from '../../../lib/sinks/show.js';
import type { AnyEvent } from '../../../lib/stream/event.js';

const who = { pid: 1841, tid: 1841, ppid: 1207, uid: 1000, comm: 'curl', start_us: 8123456, cgroup_id: '4321' };
const at = Date.UTC(2026, 10, 21, 12, 3, 4, 123);

function line(event_type: string, data: object, options = {}): string {
  const sink = show({ all: true, ...options }, { color: false, columns: 0 });
  let out = '';
  sink.transform({ id: 'a-1', timestamp: at, source: 'x', event_type, data } as AnyEvent, (text) => {
    out += text;
  });
  sink.flush((text) => {
    out += text;
  });
  return out;
}

/** Every event type of the contract (docs/events.md), with the sentence that is expected of it. */
const SENTENCES: [string, object, string][] = [
  ['process_info', { ...who, args: ['curl', '-s', 'a b'], cwd: '/tmp', origin: 'snapshot' }, "runs curl -s 'a b' in /tmp uid 1000"],
  [
    'ssl_open',
    { ...who, conn: '1841.8.3', library: 'openssl', from_start: true, sni: 'example.com' },
    '#3 TLS session begins with example.com openssl',
  ],
  [
    'ssl_data',
    { ...who, conn: '1841.8.3', direction: 'write', offset: 10, total_bytes: 517, captured_bytes: 500, payload: 'secret' },
    '#3 → 517 B of plaintext at 10 17 B not captured',
  ],
  [
    'ssl_peer',
    { ...who, conn: '1841.8.3', peer: '1.2.3.4:443', name: 'example.com', peer_by: 'dns' },
    '#3 TLS session goes to example.com (1.2.3.4:443) by dns',
  ],
  [
    'ssl_close',
    { ...who, conn: '1841.8.3', reason: 'free', read_bytes: 1200, write_bytes: 517, duration_ms: 340 },
    '#3 TLS session ends free → 517 B ← 1.2 kB 340 ms',
  ],
  ['process_fork', { ...who, child_pid: 1842, child_start_us: 9 }, 'forks child 1842'],
  ['process_exec', { ...who, filename: '/bin/ls', args: ['ls', '-l'], args_bytes: 6 }, 'exec ls -l'],
  ['process_exit', { ...who, exit_code: 3, duration_ns: 2_500_000_000 }, 'exits 3 after 2.5 s'],
  ['security_action', { ...who, kind: 'ptrace', detail: { target: 7 }, errno: 'EPERM' }, 'security ptrace target=7 failed: EPERM'],
  ['file_open', { ...who, path: '/etc/hosts', access: 'read_write', flags: ['O_CREAT'] }, 'opens /etc/hosts to read and write O_CREAT'],
  ['file_delete', { ...who, path: '/tmp/x', errno: 'ENOENT' }, 'deletes /tmp/x failed: ENOENT'],
  ['file_rename', { ...who, path: '/tmp/x', new_path: '/tmp/y' }, 'renames /tmp/x → /tmp/y'],
  ['file_link', { ...who, path: '/a', new_path: '/b' }, 'links /a → /b'],
  ['file_symlink', { ...who, path: '/a', new_path: '/b' }, 'makes a symbolic link /a → /b'],
  ['file_truncate', { ...who, path: '/a', size_bytes: 0 }, 'truncates /a 0 B'],
  ['file_chmod', { ...who, path: '/a', mode: 0o755 }, 'changes the mode of /a 0755'],
  ['dir_create', { ...who, path: '/a' }, 'makes the directory /a'],
  ['dir_delete', { ...who, path: '/a' }, 'removes the directory /a'],
  ['cwd_change', { ...who, path: '/a' }, 'changes directory to /a'],
  [
    'net_connect',
    { ...who, socket: '9', family: 'ipv4', protocol: 'tcp', peer: '1.2.3.4:443', handshake_ms: 12 },
    'connects to 1.2.3.4:443 tcp 12 ms',
  ],
  ['net_accept', { ...who, socket: '9', protocol: 'tcp', peer: '1.2.3.4:9', local: '0.0.0.0:80' }, 'accepts 1.2.3.4:9 on 0.0.0.0:80 tcp'],
  ['net_listen', { ...who, socket: '9', protocol: 'tcp', local: '[::]:80' }, 'listens on [::]:80 tcp'],
  [
    'net_close',
    { ...who, socket: '9', peer: '1.2.3.4:443', tx_bytes: 10, rx_bytes: 2000, duration_ms: 1 },
    'closes 1.2.3.4:443 → 10 B ← 2.0 kB 1 ms',
  ],
  ['dns_query', { ...who, server: '9.9.9.9:53', name: 'example.com', qtype: 'A' }, 'asks for example.com A at 9.9.9.9:53'],
  [
    'dns_answer',
    { ...who, server: '9.9.9.9:53', name: 'example.com', qtype: 'A', rcode: 'NXDOMAIN', addresses: [] },
    'is told example.com A NXDOMAIN by 9.9.9.9:53',
  ],
  [
    'tls_client_hello',
    { ...who, socket: '9', peer: '1.2.3.4:443', sni: 'example.com', alpn: ['h2', 'http/1.1'] },
    'TLS client hello to example.com h2, http/1.1',
  ],
  [
    'sensor_start',
    {
      contract: 1,
      sensor: 'ssl',
      kernel: '6.1.0',
      host: 'box',
      scope: { comms: ['curl'] },
      probes: [{ state: 'attached' }, { state: 'failed' }],
      not_covered: ['x'],
    },
    'sensor ssl watches comm curl on box, kernel 6.1.0, 1 probe, 1 failed, 1 known gap 2026-11-21 UTC',
  ],
  [
    'heartbeat',
    { sensor: 'ssl', counts: { ssl_data: 3 }, lost: { ring: 2 }, rss_bytes: 5e7 },
    'heartbeat ssl ssl_data 3 lost: ring 2 memory 50 MB',
  ],
  ['loss', { where: 'ring', lost: 3, lost_bytes: 5000, kind: 'ssl_data' }, '3 events lost 5.0 kB ssl_data in ring'],
  [
    'blind',
    { exe: '/opt/x', tls_bytes: 9000, plaintext_bytes: 0, tried: [], hint: 'It brings a TLS library of its own.' },
    'cannot see into /opt/x 9.0 kB of TLS, 0 B of it in the clear. It brings a TLS library of its own.',
  ],
  ['throttle', { rule: 'open', suppressed: 12 }, 'throttled 12 events by open'],
  ['clock_sync', { offset_us: 1, step_us: -2500 }, 'the clock was set by -2.5 ms'],
  ['malformed', { line: 7, reason: 'not a JSON object', payload: 'xx' }, 'malformed line 7 not a JSON object 2 B'],
  [
    'sensor_end',
    { sensor: 'ssl', reason: 'SIGINT', seen: 10, emitted: 7, lost: { ring: 3 }, duration_ms: 2000, command: { exit_code: 2 } },
    'sensor ssl ends after 2.0 s (SIGINT), lost: ring 3, exit status 2, 7 of 10 events delivered',
  ],
  [
    'http_request',
    {
      ...who,
      exchange: '1841.8.3/1',
      role: 'client',
      method: 'POST',
      scheme: 'https',
      host: 'api.anthropic.com',
      path: '/v1/messages',
      body_bytes: 1234,
    },
    '#3/1 → POST api.anthropic.com/v1/messages 1.2 kB',
  ],
  [
    'http_response',
    {
      ...who,
      exchange: '1841.8.3/1',
      role: 'server',
      status: 404,
      method: 'GET',
      scheme: 'http',
      host: 'x',
      path: '/',
      headers: { 'content-type': 'text/html; charset=x' },
      body_bytes: 9,
      wire_bytes: 5,
      encoding: ['gzip'],
      duration_ms: 340,
      partial: ['gap'],
    },
    '#3/1 → 404 GET http://x/ text/html 9 B (gzip 5 B) 340 ms incomplete: gap',
  ],
  [
    'http_end',
    { pid: 1841, exchange: '1841.8.3/1', sender: 'server', end: 'closed', body_bytes: 10, duration_ms: 5 },
    '#3/1 · response ended closed 10 B 5 ms',
  ],
  ['sse_event', { pid: 1841, exchange: '1841.8.3/1', index: 0, event: 'ping', data: '{"a":\n1}' }, '#3/1 ← sse ping 8 B {"a": 1}'],
  ['ws_message', { pid: 1841, exchange: '1841.8.3/1', sender: 'client', opcode: 'text', payload: 'hello' }, '#3/1 → websocket text 5 B'],
  [
    'eventstream_message',
    { pid: 1841, exchange: '1841.8.3/1', headers: { ':event-type': 'chunk' }, payload_b64: 'AAAA' },
    '#3/1 ← event stream chunk 3 B',
  ],
  ['http_body', { pid: 1841, exchange: '1841.8.3/1', index: 0, sender: 'server', payload: 'ab' }, '#3/1 ← piece of body 2 B'],
  [
    'llm_call',
    {
      ...who,
      exchange: '1841.8.3/1',
      operation: 'chat',
      request_model: 'm',
      input_tokens: 1200,
      output_tokens: 17,
      cache_read_input_tokens: 1000,
      finish_reasons: ['stop'],
      tool_calls: [{ name: 'Bash' }],
      duration_ms: 900,
    },
    '#3/1 llm chat m 1,200 tokens in (1,000 cached) 17 out calls Bash stop stop 900 ms',
  ],
  ['llm_start', { ...who, exchange: '1841.8.3/1', request_model: 'm' }, '#3/1 llm started m'],
  ['llm_first_token', { ...who, exchange: '1841.8.3/1', ttft_ms: 120 }, '#3/1 llm first token after 120 ms'],
  ['tool_run', { ...who, tool: 'Bash', args: ['ls'], exit_code: 1, duration_ms: 5 }, 'tool Bash ls exit 1 5 ms'],
  ['tool_effect', { ...who, kind: 'file_open', summary: 'wrote x' }, 'effect file_open wrote x'],
  [
    'guard_deny',
    { ...who, guard: 'enforce', operation: 'connect', target: '1.2.3.4:443/tcp', rule: { file: 'e.deny', line: 3 }, reason: 'r' },
    'denied connect 1.2.3.4:443/tcp by e.deny:3 r',
  ],
  ['guard_audit', { ...who, operation: 'exec', target: '/bin/x' }, 'would deny exec /bin/x'],
  ['guard_notify', { ...who, operation: 'exec', target: '/bin/x' }, 'notes exec /bin/x'],
  ['guard_kill', { ...who, operation: 'exec', target: '/bin/x' }, 'killed for exec /bin/x'],
  [
    'guard_reload',
    { guard: 'enforce', file: 'e.deny', outcome: 'refused', error: { line: 2, message: 'no such word' } },
    'policy e.deny refused line 2: no such word',
  ],
  [
    'guard_timeout',
    { guard: 'fileguard', operation: 'open_read', target: '/x', answered: 'allow', waited_ms: 50 },
    'undecided in time open_read /x answered allow after 50 ms',
  ],
  ['guard_gap', { guard: 'fileguard', gap_ms: 20, cause: 'restart' }, 'guard was away fileguard for 20 ms restart'],
];

test('show: every event type of the contract has its sentence', (t) => {
  for (const [type, data, sentence] of SENTENCES) {
    const comm = 'comm' in data ? 'curl[1841] ' : 'pid' in data ? '[1841] ' : '';
    t.equal(line(type, data), `12:03:04.123Z ${comm}${sentence}\n`, type);
  }
  t.deepEqual(
    [...DESCRIBED].filter((type) => !SENTENCES.some(([name]) => name === type)),
    [],
    'and no sentence is without a test',
  );
  t.end();
});

test('show: an event that nobody knows is told by its plain facts', (t) => {
  t.equal(
    line('quantum_leap', { ...who, far: 3, to: 'x', list: [1, 2], deep: { a: 1 }, payload: 'p' }),
    '12:03:04.123Z curl[1841] x quantum_leap far=3 to=x list[2] deep{1}\n',
  );
  t.end();
});

test('show: an object that is no event is told, too', (t) => {
  const sink = show({}, { color: false, columns: 0 });
  const out: string[] = [];
  sink.transform({ hello: 'world' } as AnyEvent, (text) => out.push(text));
  t.deepEqual(out, ['--:--:--.--- no event: hello=world\n']);
  t.end();
});

test('show: raw plaintext is told by its size, never shown', (t) => {
  const shown = line('ssl_data', { ...who, conn: '1', direction: 'write', total_bytes: 9, payload: 'Authorization: Bearer hunter2' });
  t.notOk(shown.includes('hunter2'), shown);
  t.end();
});

test('show: a piece is told with the name of its process, learnt before', (t) => {
  const sink = show({}, { color: false, columns: 0 });
  const out: string[] = [];
  sink.transform({ timestamp: at, event_type: 'net_listen', data: { ...who, local: 'x' } } as AnyEvent, (text) => out.push(text));
  sink.transform(
    { timestamp: at, event_type: 'sse_event', data: { pid: 1841, exchange: '1841.8.3/1', event: 'e', data: 'd' } } as AnyEvent,
    (text) => out.push(text),
  );
  t.equal(out[1], '12:03:04.123Z curl[1841] #3/1 ← sse e 1 B d\n');
  t.end();
});

test('show: a heartbeat is told when it reports loss, or when asked for', (t) => {
  t.equal(line('heartbeat', { sensor: 'ssl', counts: {}, lost: {} }, { all: false }), '');
  t.equal(line('heartbeat', { sensor: 'ssl', counts: {}, lost: { ring: 0 } }, { all: false }), '');
  t.ok(line('heartbeat', { sensor: 'ssl', counts: {}, lost: { ring: 1 } }, { all: false }).includes('lost: ring 1'));
  t.ok(line('heartbeat', { sensor: 'ssl', counts: {}, lost: {} }, { all: true }).includes('nothing happened'));
  t.end();
});

test('show: identity and provider are told when a filter has added them', (t) => {
  const sink = show({}, { color: false, columns: 0 });
  const out: string[] = [];
  sink.transform(
    {
      timestamp: at,
      event_type: 'net_connect',
      data: { ...who, peer: 'x:1' },
      identity: { agent: 'claude' },
      provider: 'anthropic',
    } as AnyEvent,
    (text) => out.push(text),
  );
  t.equal(out[0], '12:03:04.123Z curl[1841] connects to x:1 agent claude provider anthropic\n');
  t.end();
});
