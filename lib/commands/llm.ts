/** `tracer-llm`: HTTP messages to calls of models. */
import { llm } from '../analyzers/llm.js';
import type { AnalyzerCommand } from '../stream/command.js';
import { priceTable } from './price-file.js';
import { PROVIDERS_OPTION, providerTable } from './provider-file.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'llm',
  summary: 'turn HTTP messages into calls of language models',
  description: `Reads what tracer-http writes and gives one llm_call for each call of a model, as it ends: which model, what was asked, which tools, what came back, tokens as the server counted them, the time to the first token, what it cost, and what went wrong. What is no such call passes as it came.

It knows Anthropic Messages, OpenAI Chat Completions, Responses (also over a WebSocket), Completions and Embeddings, Azure OpenAI, Gemini (AI Studio, Vertex, Code Assist), Amazon Bedrock Converse and InvokeModel, Mistral, Cohere, Ollama, and whatever speaks like one of them, on any host.

Agents send their whole history anew with each turn. By default an event holds only the messages that no earlier call had: continues names the call that the rest is in, and input_messages_skipped says how many they are.`,
  options: [
    {
      flags: '--messages <which>',
      type: 'string',
      choices: ['new', 'all', 'none'],
      default: 'new',
      description: 'Which messages an event holds: those that no earlier call had, all of them, or none.',
      changesOutput: true,
    },
    {
      flags: '--progress',
      type: 'boolean',
      description: 'Also say when a call begins (llm_start) and when its first token comes (llm_first_token).',
      changesOutput: true,
    },
    {
      flags: '--blobs',
      type: 'boolean',
      description: 'Leave pictures and files in the messages as base64, instead of their size and hash.',
      changesOutput: true,
    },
    {
      flags: '--prices <file>',
      type: 'string',
      completes: 'file',
      description: 'Prices of your own (JSON), before those that are built in; docs/events.md says what it holds.',
      changesOutput: true,
    },
    PROVIDERS_OPTION,
  ],
  examples: [
    {
      run: "sudo tracer-ssl -c node | tracer-http | tracer-llm | jq -c '.data | select(.request_model) | {request_model, input_tokens, output_tokens, ttft_ms, tools: [.tool_calls[]?.name]}'",
      shows: 'models, tokens and tools of an agent, live',
    },
    {
      run: 'tracer-replay day.ndjson | tracer-http | tracer-llm | tracer-show --table',
      shows: 'calls, tokens and cost per model and session',
    },
  ],
  stage: (options) => {
    const table = providerTable(options);
    return llm({
      messages: options.messages as 'new' | 'all' | 'none',
      progress: options.progress === true,
      blobs: options.blobs === true,
      provider: (place) => table.find(place),
      prices: priceTable(options),
    });
  },
};
