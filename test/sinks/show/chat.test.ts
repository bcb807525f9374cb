import test from 'tape';
import { Conversation, chunk, delta } from './conversation.js';

const user = (content: unknown): object => ({ role: 'user', content });

test('chat: a question and its answer (Anthropic Messages)', (t) => {
  const c = new Conversation()
    .request('1/1', '/v1/messages', { model: 'm', max_tokens: 9, system: 'Be brief.', tools: [{ name: 'Bash' }], messages: [user('Hi')] })
    .response('1/1', {
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'Hello.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 2 },
    });
  t.equal(
    c.shown(),
    `curl[1841] #1/1 → POST model/v1/messages ${JSON.stringify({ model: 'm', max_tokens: 9, system: 'Be brief.', tools: [{ name: 'Bash' }], messages: [user('Hi')] }).length} B
  model       m · max_tokens 9
  tools       Bash
  system      Be brief.
  user        Hi

curl[1841] #1/1 ← 200 json 143 B
  assistant   Hello.
  end         end_turn · 3 tokens in · 2 out
`.replace(
      '143',
      String(
        JSON.stringify({
          type: 'message',
          role: 'assistant',
          content: [{ type: 'text', text: 'Hello.' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 3, output_tokens: 2 },
        }).length,
      ),
    ),
  );
  t.end();
});

test('chat: streamed text is written as it arrives, word by word', (t) => {
  const writes = new Conversation()
    .head('1/1')
    .sse('1/1', delta('It is'), delta(' rai'), delta('ning. '), { type: 'message_stop' })
    .end('1/1')
    .writes();
  t.deepEqual(writes.slice(1, 4), ['  assistant   It', ' is', ' raining.']);
  t.end();
});

test('chat: an Anthropic stream with thinking, text, a call and usage', (t) => {
  const shown = new Conversation()
    .head('1/1')
    .sse(
      '1/1',
      { type: 'message_start', message: { usage: { input_tokens: 10, cache_read_input_tokens: 90, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm.' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'x' } },
      { type: 'content_block_stop', index: 0 },
      delta('Look:'),
      { type: 'content_block_start', index: 2, content_block: { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: {} } },
      { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: '{"command":"ls' } },
      { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: ' -l"}' } },
      { type: 'content_block_stop', index: 2 },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 17 } },
      { type: 'message_stop' },
    )
    .end('1/1', 'complete', { duration_ms: 340 })
    .shown();
  t.equal(
    shown,
    `curl[1841] #1/1 ← 200 streaming
  reasoning   Hm.
  assistant   Look:
  tool call   Bash {"command": "ls -l"}
  end         tool_use · 100 tokens in (90 cached) · 17 out · 340 ms
`,
  );
  t.end();
});

test('chat: a Chat Completions stream with two calls in pieces', (t) => {
  const call = (index: number, rest: object): object => chunk({ tool_calls: [{ index, ...rest }] });
  const shown = new Conversation()
    .head('1/1')
    .sse(
      '1/1',
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Both:' }),
      call(0, { id: 'a', function: { name: 'one', arguments: '' } }),
      call(0, { function: { arguments: '{"x":' } }),
      call(0, { function: { arguments: '1}' } }),
      call(1, { id: 'b', function: { name: 'two', arguments: '{}' } }),
      chunk({}, 'tool_calls'),
      { choices: [], usage: { prompt_tokens: 5, completion_tokens: 6, completion_tokens_details: { reasoning_tokens: 2 } } },
      '[DONE]',
    )
    .end('1/1')
    .shown();
  t.equal(
    shown,
    `curl[1841] #1/1 ← 200 streaming
  assistant   Both:
  tool call   one {"x": 1}
  tool call   two {}
  end         tool_calls · 5 tokens in · 6 out (2 reasoning)
`,
  );
  t.end();
});

test('chat: a Responses conversation, request and stream', (t) => {
  const shown = new Conversation()
    .request('1/1', '/v1/responses', {
      model: 'm',
      stream: true,
      instructions: 'Be brief.',
      reasoning: { effort: 'low' },
      tools: [{ type: 'function', name: 'shell' }, { type: 'web_search' }],
      input: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'List files' }] },
        { type: 'function_call', call_id: 'c0', name: 'shell', arguments: '{"command":["ls"]}' },
        { type: 'function_call_output', call_id: 'c0', output: 'a.txt' },
      ],
    })
    .head('1/1')
    .sse(
      '1/1',
      { type: 'response.created', response: {} },
      { type: 'response.reasoning_summary_text.delta', delta: 'Thinking.' },
      { type: 'response.output_item.done', item: { type: 'reasoning', summary: [{ text: 'Thinking.' }] } },
      { type: 'response.output_text.delta', delta: 'One file.' },
      {
        type: 'response.output_item.done',
        item: { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'One file.' }] },
      },
      {
        type: 'response.output_item.done',
        item: { type: 'function_call', call_id: 'c1', name: 'shell', arguments: '{"command":["cat","a.txt"]}' },
      },
      {
        type: 'response.completed',
        response: { status: 'completed', usage: { input_tokens: 50, input_tokens_details: { cached_tokens: 40 }, output_tokens: 7 } },
      },
    )
    .end('1/1')
    .shown();
  t.equal(
    shown.slice(shown.indexOf('\n') + 1),
    `  model       m · streaming · reasoning low
  tools       shell, web_search
  system      Be brief.
  user        List files
  tool call   shell {"command": ["ls"]}
  tool result shell: a.txt

curl[1841] #1/1 ← 200 streaming
  reasoning   Thinking.
  assistant   One file.
  tool call   shell {"command": ["cat", "a.txt"]}
  end         completed · 50 tokens in (40 cached) · 7 out
`,
  );
  t.end();
});

test('chat: what a request repeats is counted, not told again', (t) => {
  const first = [user('Hi')];
  const second = [
    ...first,
    { role: 'assistant', content: 'Hello there.' },
    user([{ type: 'text', text: 'Bye', cache_control: { type: 'ephemeral' } }]),
  ];
  const shown = new Conversation()
    .request('1/1', '/v1/chat/completions', { model: 'm', messages: first })
    .head('1/1')
    .sse('1/1', chunk({ content: 'Hello ' }), chunk({ content: 'there.' }), chunk({}, 'stop'), '[DONE]')
    .end('1/1')
    .request('1/2', '/v1/chat/completions', { model: 'm', messages: second })
    .shown();
  t.ok(shown.endsWith('  model       m\n  …           2 messages as above\n  user        Bye\n'), shown);
  t.end();
});

test('chat: another process that asks the same is told in full', (t) => {
  const body = { model: 'm', messages: [user('Hi'), user('Ho')] };
  const shown = new Conversation()
    .request('1/1', '/v1/messages', body)
    .request('2/1', '/v1/messages', body, { pid: 7, start_us: 1 })
    .shown();
  t.equal(shown.match(/user {8}Hi/g)?.length, 2, shown);
  t.end();
});

test('chat: JSON is laid out, and what is left out is stated', (t) => {
  const shown = new Conversation()
    .response('1/1', { list: Array.from({ length: 25 }, (_, n) => n), text: 'x'.repeat(500), deep: [{ a: { b: null } }] })
    .shown();
  t.ok(shown.includes('… 5 more'), shown);
  t.ok(shown.includes('(+100 characters)'));
  t.ok(shown.includes('"deep": [{"a": {"b": null}}]'));
  const full = new Conversation().response('1/1', { text: 'x'.repeat(9000) }).shown({ full: true });
  t.ok(full.includes('x'.repeat(2000)) && !full.includes('(+'), 'and with --full nothing is');
  t.end();
});

test('chat: arguments with several lines are laid out as text', (t) => {
  const shown = new Conversation()
    .response('1/1', {
      type: 'message',
      content: [{ type: 'tool_use', id: 't', name: 'Write', input: { path: '/x', content: 'a\n  b\n' } }],
      stop_reason: 'tool_use',
    })
    .shown();
  t.equal(
    shown.split('\n').slice(1, 6).join('\n'),
    `  tool call   Write\n              path: /x\n              content:\n                a\n                  b`,
  );
  t.end();
});

test('chat: pictures and files are named by type and size', (t) => {
  const shown = new Conversation()
    .request('1/1', '/v1/messages', {
      messages: [
        user([
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(4000) } },
          { type: 'image_url', image_url: { url: `data:image/jpeg;base64,${'A'.repeat(400)}` } },
          { type: 'input_image', image_url: 'https://x/y.png' },
        ]),
      ],
    })
    .shown();
  t.ok(shown.includes('[image image/png 3.0 kB]'), shown);
  t.ok(shown.includes('[image image/jpeg 300 B]'));
  t.ok(shown.includes('[image https://x/y.png]'));
  t.end();
});

test('chat: binary, form, text and missing bodies', (t) => {
  const type = (value: string): object => ({ headers: { 'content-type': value } });
  const shown = new Conversation()
    .response('1/1', '', { body: undefined, body_b64: Buffer.from([0, 1, 2]).toString('base64'), ...type('image/png') })
    .response('1/2', 'a=1&b=x%20y', type('application/x-www-form-urlencoded'))
    .response('1/3', 'plain words', type('text/plain'))
    .response('1/4', '', { body: undefined, body_bytes: 9_000_000, ...type('application/zip') })
    .response('1/5', '', { body: undefined, body_b64: Buffer.from('{"a":"\x01\x02"}').toString('base64'), ...type('application/json') })
    .shown();
  t.ok(shown.includes('  binary      image/png, 3 B\n'), shown);
  t.ok(shown.includes('  form        a=1\n              b=x y\n'));
  t.ok(shown.includes('  text        plain words\n'));
  t.ok(shown.includes('  body        9.0 MB, not kept\n'));
  t.ok(shown.includes('  text        {"a":"\\x01\\x02"}\n'));
  t.end();
});

test('chat: errors of a server', (t) => {
  const shown = new Conversation()
    .response('1/1', { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, { status: 529 })
    .head('1/2')
    .sse('1/2', delta('So'), { type: 'error', error: { type: 'api_error', message: 'broke' } })
    .end('1/2', 'reset')
    .shown();
  t.ok(shown.includes('  error       overloaded_error: Overloaded\n'), shown);
  t.ok(shown.includes('  assistant   So\n  error       api_error: broke\n  end         cut off: reset\n'));
  t.end();
});

test('chat: who streams holds the floor, others wait until it has ended', (t) => {
  const shown = new Conversation()
    .head('1/1')
    .sse('1/1', delta('one '))
    .request('2/1', '/v1/messages', { messages: [user('meanwhile')] })
    .head('2/1')
    .sse('2/1', delta('other'))
    .sse('1/1', delta('two'))
    .end('1/1')
    .sse('2/1', delta(' words'))
    .end('2/1')
    .shown();
  t.equal(
    shown,
    `curl[1841] #1/1 ← 200 streaming
  assistant   one two

curl[1841] #2/1 → POST model/v1/messages 52 B
  user        meanwhile

curl[1841] #2/1 ← 200 streaming
  assistant   other words
`,
  );
  t.end();
});

test('chat: who is silent for long loses the floor, and goes on later', (t) => {
  const shown = new Conversation()
    .head('1/1')
    .sse('1/1', delta('one '))
    .later(3000)
    .request('2/1', '/v1/messages', { messages: [user('meanwhile')] })
    .sse('1/1', delta('two'))
    .end('1/1')
    .shown();
  t.equal(
    shown,
    `curl[1841] #1/1 ← 200 streaming
  assistant   one

curl[1841] #2/1 → POST model/v1/messages 52 B
  user        meanwhile

curl[1841] #1/1 goes on
  assistant   two
`,
  );
  t.end();
});

test('chat: a stream that never ended is told, and so is one whose beginning was not seen', (t) => {
  const shown = new Conversation().sse('1/1', delta('midway')).head('2/1').sse('2/1', delta('open')).shown();
  t.equal(
    shown,
    'curl[1841] #1/1 (its beginning was not seen)\n  assistant   midway\n  end         still open\n\ncurl[1841] #2/1 ← 200 streaming\n  assistant   open\n  end         still open\n'.replace(
      'curl[1841] #1/1',
      '[1841] #1/1',
    ),
  );
  t.end();
});

test('chat: streams that are no model: their events, their text, their bytes', (t) => {
  const body = (payload: object): object => ({ pid: 1841, exchange: '1841.8123456.2/1', index: 0, sender: 'server', ...payload });
  const shown = new Conversation()
    .head('1/1')
    .sse('1/1', { type: 'tick', n: 1 }, 'plain')
    .end('1/1')
    .head('2/1', 'text/plain')
    .event('http', 'http_body', body({ payload: 'line one\nli' }))
    .event('http', 'http_body', body({ payload: 'ne two\n' }))
    .event('http', 'http_body', body({ payload_b64: 'AAAA' }))
    .end('2/1')
    .shown();
  t.ok(shown.includes('  tick        {"type": "tick", "n": 1}\n  event       plain\n'), shown);
  t.ok(shown.includes('  body        line one\n              line two\n  binary      3 B in 3 pieces\n'));
  t.end();
});

test('chat: Responses over a WebSocket', (t) => {
  const message = (sender: string, value: object): object => ({
    pid: 1841,
    exchange: '1841.8123456.1/1',
    index: 0,
    sender,
    opcode: 'text',
    payload: JSON.stringify(value),
  });
  const shown = new Conversation()
    .head('1/1', 'x', { status: 101 })
    .event('http', 'ws_message', message('client', { type: 'response.create', model: 'm', input: 'Hi' }))
    .event('http', 'ws_message', message('server', { type: 'response.output_text.delta', delta: 'Ho' }))
    .event('http', 'ws_message', message('server', { type: 'response.completed', response: { status: 'completed' } }))
    .end('1/1')
    .shown();
  t.ok(shown.includes('  model       m\n  user        Hi\n  assistant   Ho\n  end         completed\n'), shown);
  t.end();
});

test('chat: merged streams (--sse-merge) read like others', (t) => {
  const events = [delta('Hello'), { type: 'message_stop' }].map((data) => ({
    event: String((data as { type: string }).type),
    data: JSON.stringify(data),
  }));
  const shown = new Conversation().response('1/1', '', { body: undefined, events, duration_ms: 9 }).shown();
  t.ok(shown.endsWith('  assistant   Hello\n  end         9 ms\n'), shown);
  t.end();
});

test('chat: losses, malformed lines and guards are told; other events are not', (t) => {
  const shown = new Conversation()
    .event('meta', 'loss', { where: 'ring', lost: 3 })
    .event('meta', 'heartbeat', { sensor: 'ssl', lost: {} })
    .event('process', 'process_exec', { pid: 1, args: ['ls'] })
    .event('meta', 'sensor_end', { sensor: 'ssl', lost: { ring: 3 }, seen: 3, emitted: 0 })
    .shown();
  t.equal(shown, '3 events lost in ring\n\nsensor ssl ends lost: ring 3, 0 of 3 events delivered\n');
  t.end();
});

test('chat: raw plaintext is not shown, and when tracer-http was left out, that is said once', (t) => {
  const data = { pid: 1, comm: 'x', conn: '1', direction: 'write', payload: 'GET / HTTP/1.1\r\nAuthorization: Bearer hunter2' };
  const shown = new Conversation().event('ssl', 'ssl_data', data).event('ssl', 'ssl_data', data).shown();
  t.equal(shown.match(/tracer-http/g)?.length, 1);
  t.notOk(shown.includes('hunter2'));
  t.equal(
    new Conversation().event('ssl', 'ssl_data', { ...data, payload: '* OK IMAP4 ready' }).shown(),
    '',
    'what is no HTTP is no conversation',
  );
  t.end();
});

test('chat: a secret in pieces is hidden all the same', (t) => {
  const shown = new Conversation()
    .head('1/1')
    .sse('1/1', ...'key sk-ant-abcdefghijklmnopqrst ok'.split('').map(delta))
    .end('1/1')
    .shown();
  t.ok(shown.includes('  assistant   key [hidden] ok\n'), shown);
  const open = new Conversation()
    .head('1/1')
    .sse('1/1', delta('key sk-ant-abcdefghijklmnopqrst ok'))
    .end('1/1')
    .shown({ showSecrets: true });
  t.ok(open.includes('sk-ant-abcdefghijklmnopqrst'));
  t.end();
});

test('chat: a turn of a real agent: instructions in parts, failed tools, tools that the provider runs', (t) => {
  const shown = new Conversation()
    .request('1/1', '/v1/messages?beta=true', {
      model: 'm',
      thinking: { type: 'enabled', budget_tokens: 10000 },
      tool_choice: { type: 'tool', name: 'Bash' },
      system: [
        { type: 'text', text: 'You are an agent.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'x'.repeat(900) },
      ],
      tools: Array.from({ length: 35 }, (_, n) => ({ name: `tool${n}` })),
      messages: [
        user('Go on.'),
        {
          role: 'assistant',
          content: [
            { type: 'redacted_thinking', data: 'abcd' },
            { type: 'tool_use', id: 'a', name: 'Bash', input: { command: 'ls' } },
            { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
            { type: 'web_search_tool_result', tool_use_id: 's', content: [{ type: 'web_search_result', url: 'https://x' }] },
          ],
        },
        user([
          { type: 'tool_result', tool_use_id: 'a', is_error: true, content: [{ type: 'text', text: 'no such file' }] },
          { type: 'document', source: { type: 'file', file_id: 'file_1' } },
        ]),
      ],
    })
    .shown();
  const after = shown.slice(shown.indexOf('\n') + 1);
  t.ok(after.startsWith('  model       m · thinking 10,000 tokens · tool_choice Bash\n'), after);
  t.ok(after.includes('tool29 and 5 more tools\n'), 'tools');
  t.ok(after.includes('You are an agent.\n') && after.includes('characters; --full shows them)'), 'instructions');
  t.ok(after.includes('  reasoning   (encrypted, 4 B)\n'), 'encrypted reasoning');
  t.ok(
    after.includes('  tool call   web_search {"query": "q"}\n') && after.includes('  tool result web_search: {'),
    'the tool of the provider',
  );
  t.ok(after.includes('  tool error  Bash: no such file\n'), 'the failed tool');
  t.ok(after.includes('  user        [document file_1]\n'), 'the file');
  t.end();
});

test('chat: other shapes of the same: legacy calls, prompts of text, choices beside the first, refusals', (t) => {
  const shown = new Conversation()
    .request('1/1', '/v1/chat/completions', {
      messages: [
        { role: 'developer', content: 'Be.' },
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"a":1}' } },
        { role: 'function', name: 'f', content: 'ok' },
      ],
    })
    .response('1/1', {
      choices: [{ message: { role: 'assistant', content: null, refusal: 'No.' }, finish_reason: 'stop' }, { text: 'legacy' }],
    })
    .request('1/2', '/v1/responses', { model: 'm', input: 'Hi' })
    .response('1/2', {
      object: 'response',
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [
        { type: 'reasoning', encrypted_content: 'abcd' },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Ho' }] },
        { type: 'web_search_call', id: 'w' },
      ],
    })
    .head('1/3')
    .sse(
      '1/3',
      {
        choices: [
          { index: 0, delta: { reasoning_content: 'Hm.' } },
          { index: 1, delta: { content: 'other ' } },
        ],
      },
      { choices: [{ index: 1, delta: { content: 'choice' } }] },
      chunk({ content: 'one' }),
      '[DONE]',
    )
    .end('1/3')
    .request('1/4', '/v1/embeddings', { model: 'm', input: 'text to embed' })
    .shown();
  for (const line of [
    'developer   Be.',
    'tool call   f {"a": 1}',
    'tool result ok',
    'refusal     No.',
    'assistant   legacy',
    'user        Hi',
    'reasoning   (encrypted, 4 B)',
    'assistant   Ho',
    'web_search_call\n              {"type": "web_search_call", "id": "w"}',
    'end         max_output_tokens',
    'reasoning   Hm.',
    'choice 2    other choice',
    'json        {"model": "m", "input": "text to embed"}',
  ]) {
    t.ok(shown.includes(`\n  ${line}\n`), shown.includes(`  ${line}`) ? line : `${line}\n${shown}`);
  }
  t.end();
});

test('chat: Bedrock wraps the events of Anthropic', (t) => {
  const payload = JSON.stringify({ bytes: Buffer.from(JSON.stringify(delta('Hello'))).toString('base64') });
  const shown = new Conversation()
    .head('1/1', 'application/vnd.amazon.eventstream')
    .event('http', 'eventstream_message', {
      pid: 1841,
      exchange: '1841.8123456.1/1',
      index: 0,
      headers: { ':event-type': 'chunk' },
      payload,
    })
    .end('1/1')
    .shown();
  t.ok(shown.includes('  assistant   Hello\n'), shown);
  t.end();
});
