/** Whose host is it: label by label, in any case, with and without port. */
import tape from 'tape';
import { ProviderTable, providerNames, readLine } from '../../lib/match/providers.js';

const table = new ProviderTable();
const who = (host: string, path?: string): string | undefined => table.find(path === undefined ? { host } : { host, path });

tape('the providers that others know, and those of the price table', (t) => {
  const hosts: Record<string, string> = {
    'api.openai.com': 'openai',
    'acme.openai.azure.com': 'azure.ai.openai',
    'api.anthropic.com': 'anthropic',
    'generativelanguage.googleapis.com': 'gcp.gemini',
    'europe-west1-aiplatform.googleapis.com': 'gcp.vertex_ai',
    'aiplatform.googleapis.com': 'gcp.vertex_ai',
    'api.mistral.ai': 'mistral_ai',
    'api.cohere.com': 'cohere',
    'api.cohere.ai': 'cohere',
    'api.x.ai': 'x_ai',
    'api.deepseek.com': 'deepseek',
    'api.groq.com': 'groq',
    'api.together.xyz': 'together',
    'api.perplexity.ai': 'perplexity',
    'api.fireworks.ai': 'fireworks',
    'openrouter.ai': 'openrouter',
    'bedrock-runtime.us-east-1.amazonaws.com': 'aws.bedrock',
    'bedrock-runtime-fips.us-gov-west-1.amazonaws.com': 'aws.bedrock',
    'localhost:11434': 'ollama',
    'api.githubcopilot.com': 'github.copilot',
    'api.cerebras.ai': 'cerebras',
    'api.moonshot.cn': 'moonshot_ai',
    'api.z.ai': 'zhipu_ai',
    'chatgpt.com': 'openai',
  };
  for (const [host, name] of Object.entries(hosts)) t.equal(who(host), name, host);
  t.ok(providerNames().length >= 40, 'and more');
  t.end();
});

tape('what only looks like one is none', (t) => {
  for (const host of [
    'evilopenai.com',
    'openai.com.evil.example',
    'netflix.ai',
    'storage.googleapis.com',
    'mail.googleapis.com',
    'xaiplatform.googleapis.com',
    's3.us-east-1.amazonaws.com',
    'bedrock-runtime.us-east-1.amazonaws.com.evil.example',
    'com',
    '',
    '.',
    ':',
    '[',
    '::::',
    'x.ai.',
  ]) {
    t.equal(who(host), host === 'x.ai.' ? 'x_ai' : undefined, JSON.stringify(host));
  }
  t.end();
});

tape('case, the dot of the root, port and brackets do not matter', (t) => {
  for (const host of ['API.OpenAI.com.', 'api.openai.com:8443', 'openai.com']) t.equal(who(host), 'openai', host);
  t.equal(who('[::1]:11434'), 'ollama');
  t.equal(who('192.0.2.1:11434'), 'ollama');
  t.equal(table.find({ host: '127.0.0.1', port: 11434 }), 'ollama');
  t.end();
});

tape('a path can be needed', (t) => {
  t.equal(who('api.cloudflare.com', '/client/v4/accounts/abc/ai/run/x'), 'cloudflare');
  t.equal(who('api.cloudflare.com', '/client/v4/accounts/abc/dns'), undefined);
  t.equal(who('acme.cognitiveservices.azure.com', '/openai/deployments/x/chat/completions'), 'azure.ai.openai');
  t.equal(who('localhost:1234', '/v1/models'), 'lm_studio');
  t.equal(who('localhost:1234', '/v1x'), undefined);
  t.end();
});

tape('lines of a table', (t) => {
  t.equal(readLine('  # nothing'), undefined);
  t.equal(readLine(''), undefined);
  t.ok('entry' in (readLine('acme llm.example.com/v1 # ours') ?? {}));
  for (const bad of ['acme', 'acme a b', 'acme https://x.com', 'acme a..b', 'acme a:99999999']) t.ok('error' in (readLine(bad) ?? {}), bad);
  t.end();
});
