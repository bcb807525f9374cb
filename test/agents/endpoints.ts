/** What agents ask their makers for besides the model, answered as plainly as they will take it. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Every name that an agent is known to ask for. They resolve to the server, and its certificate is for them. */
export const HOSTS = [
  'localhost',
  // Claude Code
  'api.anthropic.com',
  'platform.claude.com',
  'console.anthropic.com',
  'claude.ai',
  'statsig.anthropic.com',
  'downloads.claude.ai',
  'mcp-proxy.anthropic.com',
  'raw.githubusercontent.com',
  'storage.googleapis.com',
  // Codex
  'api.openai.com',
  'auth.openai.com',
  'chatgpt.com',
  'ab.chatgpt.com',
  'github.com',
  'api.github.com',
  // Gemini CLI
  'generativelanguage.googleapis.com',
  'cloudcode-pa.googleapis.com',
  'play.googleapis.com',
  'oauth2.googleapis.com',
  // opencode
  'models.dev',
  'opencode.ai',
  'api.opencode.ai',
  // the small programs
  'model.example',
] as const;

/** The body of each answer: JSON, text, or none. */
const ANSWERS: Record<string, object | string | null> = {
  'HEAD /api/hello': null,
  'GET /api/hello': { message: 'hello' },
  'POST /v1/messages/count_tokens': { input_tokens: 42 },
  'POST /api/event_logging/batch': {},
  'POST /api/event_logging/v2/batch': {},
  'POST /bytes': { taken: true },
  // A repository as a plain web server has it.
  'GET /repo.git/info/refs': `${'42'.repeat(20)}\trefs/heads/main\n`,
  'GET /repo.git/HEAD': 'ref: refs/heads/main\n',
};

/** For `also` of the model server. */
export function endpoints(route: string, request: IncomingMessage, response: ServerResponse): boolean {
  const sized = /^GET \/bytes\/(\d{1,8})$/.exec(route)?.[1];
  if (sized !== undefined) {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': Number(sized) });
    response.end(Buffer.alloc(Number(sized), 'the bytes that were asked for. '));
    return true;
  }
  const answer = ANSWERS[route];
  if (answer === undefined) return false;
  const text = typeof answer === 'string' ? answer : answer === null ? '' : JSON.stringify(answer);
  // After the whole request: a client that is answered earlier may leave out the rest.
  request.resume();
  request.on('end', () => {
    const type = typeof answer === 'string' ? 'text/plain' : 'application/json';
    response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    response.end(request.method === 'HEAD' ? undefined : text);
  });
  return true;
}
