/**
 * The vendors' own clients for Node against the model server: `sdks.mjs REPORT URL`. It reports one line of JSON per call: what
 * the client itself says that it got.
 */

import { appendFileSync, readFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import * as undici from 'undici';

const [report, url] = process.argv.slice(2);
const told = (call) => appendFileSync(report, `${JSON.stringify(call)}\n`);
const ask = 'Do I need a coat in Paris?';
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const question = { role: 'user', content: ask };

// Anthropic: a streamed call with a tool, and the next turn with its result.
const anthropic = new Anthropic({ apiKey: 'sk-ant-live-0123456789', baseURL: url, maxRetries: 0 });
const claude = {
  model: 'pretend-large',
  max_tokens: 256,
  tools: [{ name: 'get_weather', description: 'The weather of a city', input_schema: schema }],
};
const first = await anthropic.messages.stream({ ...claude, messages: [question] }).finalMessage();
const uses = first.content.filter(({ type }) => type === 'tool_use');
const said = ({ content }) => content.map(({ text = '' }) => text).join('');
const counted = ({ usage }) => ({ input: usage.input_tokens, output: usage.output_tokens });
told({
  api: 'anthropic.messages',
  stream: true,
  ...counted(first),
  text: said(first),
  tools: uses.map(({ name }) => name),
  reason: first.stop_reason,
});
const results = uses.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: '{"city": "Paris", "temp_c": 9}' }));
const second = await anthropic.messages.create({
  ...claude,
  messages: [question, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
});
told({
  api: 'anthropic.messages',
  stream: false,
  ...counted(second),
  text: said(second),
  tools: [],
  reason: second.stop_reason,
  results: uses.map(({ id }) => id),
});

// OpenAI: by HTTP/1.1, by HTTP/2 (undici), and Responses on a WebSocket.
const dispatcher = new undici.Agent({ allowH2: true, connect: { ca: readFileSync(process.env.NODE_EXTRA_CA_CERTS) } });
const overHttp2 = (target, init) => undici.fetch(target, { ...init, dispatcher });
const options = { apiKey: 'sk-live-0123456789abcdefghij', baseURL: `${url}/v1`, maxRetries: 0 };
for (const more of [{}, { fetch: overHttp2 }]) {
  const client = new OpenAI({ ...options, ...more });
  const whole = await client.chat.completions.create({ model: 'pretend-small', messages: [question] });
  const usage = ({ usage: { prompt_tokens: input, completion_tokens: output } }) => ({ input, output });
  told({
    api: 'openai.chat_completions',
    stream: false,
    ...usage(whole),
    text: whole.choices[0].message.content,
    tools: [],
    reason: whole.choices[0].finish_reason,
  });
  const chat = client.chat.completions.stream({
    model: 'pretend-small',
    messages: [question],
    stream_options: { include_usage: true },
    tools: [{ type: 'function', function: { name: 'get_weather', parameters: schema } }],
  });
  const streamed = await chat.finalChatCompletion();
  const { message, finish_reason } = streamed.choices[0];
  told({
    api: 'openai.chat_completions',
    stream: true,
    ...usage(streamed),
    text: message.content ?? '',
    tools: (message.tool_calls ?? []).map((call) => call.function.name),
    reason: finish_reason,
  });
}
await dispatcher.destroy();
const client = new OpenAI(options);
const response = ({ output_text, usage, status }) => ({
  api: 'openai.responses',
  stream: true,
  input: usage.input_tokens,
  output: usage.output_tokens,
  text: output_text,
  tools: [],
  reason: status,
});
told(response(await client.responses.stream({ model: 'pretend-large', input: ask }).finalResponse()));
const socket = new ResponsesWS(client);
const answered = new Promise((done, failed) => {
  socket.on('event', (event) => event.type === 'response.completed' && done(event.response));
  socket.on('error', failed);
});
socket.send({ type: 'response.create', model: 'pretend-large', input: ask });
const { output, ...onSocket } = await answered;
told(
  response({
    ...onSocket,
    output_text: output
      .flatMap((item) => item.content ?? [])
      .map(({ text = '' }) => text)
      .join(''),
  }),
);
socket.close();

// Gemini: whole and streamed.
const google = new GoogleGenAI({ apiKey: 'AIzaSyLive0123456789012345678901234567', httpOptions: { baseUrl: url } });
const used = ({ usageMetadata: it }) => ({ input: it.promptTokenCount, output: it.candidatesTokenCount });
const whole = await google.models.generateContent({ model: 'pretend-large', contents: ask });
told({
  api: 'gemini.generate_content',
  stream: false,
  ...used(whole),
  text: whole.text,
  tools: [],
  reason: whole.candidates[0].finishReason,
});
let [text, last] = ['', undefined];
for await (const piece of await google.models.generateContentStream({ model: 'pretend-large', contents: ask }))
  [text, last] = [text + (piece.text ?? ''), piece];
told({ api: 'gemini.generate_content', stream: true, ...used(last), text, tools: [], reason: last.candidates[0].finishReason });

// Ollama: lines of JSON.
const llama = new Ollama({ host: url, headers: { authorization: 'Bearer x' } });
let [words, end] = ['', undefined];
for await (const piece of await llama.chat({ model: 'llama3.2', messages: [question], stream: true }))
  [words, end] = [words + piece.message.content, piece];
told({
  api: 'ollama.chat',
  stream: true,
  input: end.prompt_eval_count,
  output: end.eval_count,
  text: words,
  tools: [],
  reason: end.done_reason,
});
