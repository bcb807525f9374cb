import test from 'tape';
import { Conversation } from './conversation.js';

const PATH = '/v1beta/models/gemini-9-flash:streamGenerateContent?alt=sse';
const said = (parts: object[], more: object = {}): object => ({ candidates: [{ content: { role: 'model', parts }, index: 0, ...more }] });

test('chat: a question to Gemini, its tools, and its answer in one piece', (t) => {
  const shown = new Conversation()
    .request('1/1', '/v1beta/models/gemini-9-flash:generateContent', {
      contents: [{ role: 'user', parts: [{ text: 'Hi' }, { inlineData: { mimeType: 'image/png', data: 'AAAA' } }] }],
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      tools: [{ functionDeclarations: [{ name: 'run_shell_command' }, { name: 'read_file' }] }, { googleSearch: {} }],
      generationConfig: { temperature: 0.5 },
    })
    .response('1/1', {
      ...said([{ text: 'Thinking.', thought: true }, { text: 'Hello.' }], { finishReason: 'STOP' }),
      usageMetadata: { promptTokenCount: 1000, candidatesTokenCount: 2, thoughtsTokenCount: 3, totalTokenCount: 1005 },
    })
    .shown();
  for (const line of [
    '  model       gemini-9-flash · temperature 0.5',
    '  tools       run_shell_command, read_file, googleSearch',
    '  system      Be brief.',
    '  assistant   Hello.',
    '  end         STOP · 1,000 tokens in · 5 out (3 reasoning)',
  ])
    t.ok(shown.includes(`${line}\n`), line);
  t.match(shown, /user {8}Hi\n[\s\S]*file image\/png 3 B/, 'what is not text is named');
  t.match(shown, /Thinking\./, 'thoughts are shown as such');
  t.end();
});

test('chat: a stream of Gemini with a call, and the call answered', (t) => {
  const call = { functionCall: { name: 'run_shell_command', args: { command: 'ls' } } };
  const history = [
    { role: 'user', parts: [{ text: 'List.' }] },
    { role: 'model', parts: [{ text: 'I will.' }, call] },
    { role: 'user', parts: [{ functionResponse: { name: 'run_shell_command', response: { output: 'a\nb' } } }] },
  ];
  const shown = new Conversation()
    .request('1/1', PATH, { contents: history.slice(0, 1) })
    .head('1/1')
    .sse('1/1', said([{ text: 'I wi' }]), said([{ text: 'll.' }]), {
      ...said([call], { finishReason: 'STOP' }),
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 4 },
    })
    .end('1/1')
    .request('1/2', PATH, { contents: history })
    .shown();
  t.match(shown, /^ {2}model {7}gemini-9-flash · streaming$/m);
  t.match(shown, /^ {2}assistant {3}I will\.$/m, 'the pieces make one text');
  t.match(shown, /^ {2}tool call {3}run_shell_command \{"command": "ls"\}$/m);
  t.match(shown, /^ {2}end {9}STOP · 7 tokens in · 4 out$/m);
  t.match(shown, /^ {2}tool result run_shell_command: a\n +b$/m, 'the result, with the name of its tool');
  t.match(shown, /2 messages as above/, 'what was said before is not said again');
  t.end();
});

test('chat: Gemini refuses, and bodies that only look like its own', (t) => {
  const blocked = new Conversation().response('1/1', { promptFeedback: { blockReason: 'SAFETY' } }).shown();
  t.match(blocked, /^ {2}end {9}SAFETY$/m);
  const odd = new Conversation()
    .request('1/1', PATH, {
      contents: [null, 7, { parts: 'x' }, { role: 'user', parts: [null, {}, { text: 5 }, { executableCode: { code: '1' } }] }],
    })
    .response('1/1', { candidates: [null, { content: null }, { content: { parts: [[]] } }], usageMetadata: { promptTokenCount: 'many' } })
    .head('1/2')
    .sse('1/2', { candidates: 'none' }, { candidates: [] }, { usageMetadata: {} })
    .shown();
  t.match(odd, /executableCode/, 'a part of an unknown kind is shown as it is');
  t.end();
});
