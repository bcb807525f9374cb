/** The tree of processes: what is in it, how it is printed, drawn anew, and kept within its limits. */
import test from 'tape';
import { MOST_NODES, ProcessTree } from '../../../lib/sinks/show/tree.js';
import { type ShowOptions, show } from '../../../lib/sinks/show.js';
import type { AnyEvent } from '../../../lib/stream/event.js';

const START = Date.UTC(2026, 10, 21, 12, 3, 4, 0);

/** Makes the events of one sensor, each a millisecond after the one before unless it says otherwise. */
class Story {
  readonly events: AnyEvent[] = [];
  #n = 0;
  constructor(readonly stream = 'aaaaaaaaaa') {}

  add(event_type: string, data: object, atMs = this.#n): this {
    this.#n = atMs + 1;
    const source = event_type.startsWith('process') ? 'process' : 'meta';
    this.events.push({ id: `${this.stream}-${this.events.length + 1}`, timestamp: START + atMs, source, event_type, data } as AnyEvent);
    return this;
  }

  fork(pid: number, child: number, comm = 'sh', atMs?: number): this {
    return this.add('process_fork', { ...who(pid, comm), child_pid: child, child_start_us: child * 10 }, atMs);
  }

  exec(pid: number, args: string[], atMs?: number, more: object = {}): this {
    const data = { ...who(pid, args[0] ?? '?'), filename: args[0], args, args_bytes: 1, ...more };
    return this.add('process_exec', data, atMs);
  }

  exit(pid: number, how: object, durationMs: number, atMs?: number): this {
    return this.add('process_exit', { ...who(pid, 'x'), ...how, duration_ns: durationMs * 1e6 }, atMs);
  }

  info(pid: number, ppid: number, args: string[], origin: string): this {
    return this.add('process_info', { ...who(pid, args[0] ?? '?'), ppid, args, origin });
  }
}

function who(pid: number, comm: string): object {
  return { pid, comm, start_us: pid * 10 };
}

function shown(story: Story, options: ShowOptions = {}, columns = 0): string {
  const sink = show({ tree: true, time: 'none', ...options }, { color: false, columns });
  let out = '';
  const write = (text: string): void => {
    out += text;
  };
  for (const event of story.events) sink.transform(event, write);
  sink.flush(write);
  return out;
}

test('tree: who started whom, with argv, durations and how each ended', (t) => {
  const story = new Story()
    .info(1, 0, ['sh', '-c', 'a b'], 'first_seen')
    .exec(1, ['nice', 'sh'], 0)
    .exec(1, ['sh', '-c', "it's; x"])
    .fork(1, 2)
    .exec(2, ['make', 'all'])
    .fork(2, 3, 'make')
    .exec(3, ['cc', 'a\nb'])
    .exit(3, { signal: 'SIGSEGV', core_dumped: true }, 12)
    .fork(1, 4)
    .exec(4, ['/no/such'], undefined, { errno: 'ENOENT' })
    .exit(4, { exit_code: 127 }, 3)
    .exit(2, { exit_code: 2 }, 8100)
    .exit(1, { exit_code: 0 }, 9000);
  t.equal(
    shown(story),
    `sh -c 'it'\\''s; x' [1] formerly nice exit 0 after 9.0 s
├─ make all [2] exit 2 after 8.1 s
│  └─ cc 'a\\nb' [3] SIGSEGV core dumped after 12 ms
└─ x (fork) [4] cannot run /no/such: ENOENT exit 127 after 3 ms
`,
  );
  t.end();
});

test('tree: without a screen a tree is printed when the last in it has ended, not before', (t) => {
  const story = new Story().exec(1, ['a']).fork(1, 2).exec(2, ['b']).exit(1, { exit_code: 0 }, 5);
  const sink = show({ tree: true, time: 'none' }, { color: false, columns: 0 });
  const out: string[] = [];
  for (const event of story.events) sink.transform(event, (text) => out.push(text));
  t.deepEqual(out, [], 'b lives on');
  sink.transform(new Story().exit(2, { signal: 'SIGKILL' }, 7).events[0] as AnyEvent, (text) => out.push(text));
  t.equal(out.join(''), 'a [1] exit 0 after 5 ms\n└─ b [2] SIGKILL after 7 ms\n');
  sink.flush((text) => out.push(text));
  t.equal(out.length, 1, 'and once');
  t.end();
});

test('tree: what has not ended is marked, and so is what ran before', (t) => {
  const story = new Story().info(7, 1, ['agent'], 'snapshot').fork(7, 8, 'agent', 10).exec(8, ['sleep', '9'], 11);
  story.add('heartbeat', {}, 3010);
  t.equal(shown(story), 'agent [7] running ran before\n└─ sleep 9 [8] running for 3.0 s\n');
  story.add('sensor_end', { lost: {} });
  t.match(shown(story), /agent \[7\] not ended ran before\n└─ sleep 9 \[8\] not ended after 3\.0 s/);
  t.end();
});

test('tree: a snapshot is in no order, and still a tree', (t) => {
  const story = new Story().info(30, 20, ['c'], 'snapshot').info(20, 10, ['b'], 'snapshot').info(10, 1, ['a'], 'snapshot');
  t.equal(shown(story).replaceAll(' running ran before', ''), 'a [10]\n└─ b [20]\n   └─ c [30]\n');
  const reused = new Story().info(5, 30, ['young'], 'snapshot').info(30, 1, ['old number'], 'snapshot');
  t.notOk(shown(reused).includes('└─'), 'a parent is not younger than its child');
  t.end();
});

test('tree: lost events are said, once, whether by loss or by the last words alone', (t) => {
  const story = new Story().exec(1, ['a']);
  story
    .add('loss', { where: 'ring', lost: 5 })
    .exit(1, { exit_code: 0 }, 1)
    .add('sensor_end', { lost: { ring: 5 } });
  t.equal(shown(story), 'a [1] exit 0 after 1 ms\n5 events lost: something may be missing\n');
  const filtered = new Story()
    .exec(1, ['a'])
    .exit(1, { exit_code: 0 }, 1)
    .add('sensor_end', { lost: { ring: 2, queue: 1 } });
  t.match(shown(filtered), /\n3 events lost/);
  t.end();
});

test('tree: many children are counted, those who live, failed or came last are shown', (t) => {
  const story = new Story().exec(1, ['loop']);
  for (let pid = 2; pid < 102; pid++) {
    story.fork(1, pid).exec(pid, ['true', String(pid)]);
    if (pid !== 7) story.exit(pid, { exit_code: pid === 5 ? 1 : 0 }, 1);
  }
  const lines = shown(story).split('\n').slice(0, -1);
  t.equal(lines.length, 1 + 1 + 40);
  t.equal(lines[1], '├─ … 60 more');
  t.match(lines[2] ?? '', /true 5 \[5\] exit 1/);
  t.match(lines[3] ?? '', /true 7 \[7\] running/);
  t.match(lines.at(-1) ?? '', /└─ true 101/);
  t.equal(shown(story, { full: true }).split('\n').length, 1 + 100 + 1, '--full shows all');
  t.end();
});

test('tree: nothing in it can drive a terminal, secrets are hidden, and an end is seen in a narrow window', (t) => {
  const key = `sk-ant-api03-${'a'.repeat(95)}`;
  const story = new Story().exec(1, ['curl', '\u001b[2J\u202e', `--key=${key}`, 'x'.repeat(500)]).exit(1, { exit_code: 0 }, 1);
  const text = shown(story);
  t.notOk(text.includes('\u001b') || text.includes('\u202e'));
  t.ok(text.includes('\\x1b[2J\\u202e'), text);
  t.notOk(text.includes(key.slice(0, 40)), 'the key is hidden');
  t.ok(shown(story, { showSecrets: true, full: true }).includes(key));
  const [line = ''] = shown(story, {}, 60).split('\n');
  t.ok(line.length <= 60 && line.endsWith('… [1] exit 0 after 1 ms'), line);
  t.end();
});

test('tree: on a screen it is drawn anew in place, never longer than the screen, and printed whole at the end', (t) => {
  const terminal = { color: false, columns: 80, rows: 8 };
  const sink = show({ tree: true, time: 'none' }, terminal);
  let out = '';
  const write = (text: string): void => {
    out += text;
  };
  const draw = (): string => {
    out = '';
    sink.draw?.(write);
    return out;
  };
  const story = new Story().exec(1, ['agent']).fork(1, 2).exec(2, ['one']);
  for (const event of story.events) sink.transform(event, write);
  t.equal(out, '', 'not with each event');
  t.match(draw(), /^agent \[1\] running for \d ms\n└─ one \[2\] running for \d ms\n$/);
  t.equal(draw(), '', 'nothing new, nothing drawn');
  for (let pid = 3; pid < 40; pid++)
    for (const event of new Story().fork(1, pid).exec(pid, ['n', String(pid)]).events) sink.transform(event, write);
  const again = draw();
  t.ok(again.startsWith('\u001b[2A\r\u001b[J'), 'the two lines are wiped');
  t.equal(again.split('\n').length - 1, 1 + 1 + 5, 'as many children as the screen has room for');
  for (let pid = 40; pid < 60; pid++)
    for (const event of new Story().fork(pid === 40 ? 1 : pid - 1, pid).exec(pid, ['deep']).events) sink.transform(event, write);
  const deep = draw();
  t.ok(deep.startsWith('\u001b[7A\r\u001b[J'), 'those are wiped');
  t.equal(deep.split('\n').length - 1, 7, 'a line less than the screen has');
  t.match(deep, /… \d+ lines above/);
  const ends = new Story();
  for (let pid = 2; pid < 60; pid++) ends.exit(pid, { exit_code: 0 }, 1);
  for (const event of ends.exit(1, { exit_code: 0 }, 1).events) sink.transform(event, write);
  const last = draw();
  t.ok(
    last.startsWith('\u001b[7A\r\u001b[J') && last.includes('n 39 [39] exit 0') && last.includes('deep [59] exit 0'),
    'a tree that is over is printed for good',
  );
  out = '';
  sink.flush(write);
  t.equal(out, '', 'nothing is left');
  t.end();
});

test('tree: bounded, whatever comes', (t) => {
  const tree = new ProcessTree();
  const tell = (story: Story): void => {
    for (const event of story.events) tree.tell(event);
  };
  tell(new Story().exec(1, ['root']));
  for (let pid = 2; pid < MOST_NODES + 1000; pid++) tell(new Story().fork(1, pid).exit(pid, { exit_code: 0 }, 1));
  const [root] = tree.roots;
  t.ok((root?.children.size ?? 0) < MOST_NODES, 'the oldest ends are forgotten');
  t.equal((root?.children.size ?? 0) + (root?.forgotten ?? 0), MOST_NODES + 998, 'and counted');
  t.equal(root?.living, 1);
  for (let pid = 2; pid < 3 * MOST_NODES; pid++) tell(new Story().exec(pid + 10 * MOST_NODES, ['lives on']));
  t.ok(tree.roots.size <= MOST_NODES);
  for (const odd of [{}, { event_type: 'process_exit' }, { event_type: 'process_fork', data: { pid: 'x', child_pid: {} } }])
    tree.tell(odd as AnyEvent);
  t.end();
});
