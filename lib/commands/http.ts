/** `tracer-http`: TLS data to HTTP messages. */
import { BODY_LIMIT, LARGEST_BODY_LIMIT } from '../analyzers/http/options.js';
import { httpParser } from '../analyzers/http.js';
import type { AnalyzerCommand, Options } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { redactKey } from './redact-key.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'http',
  summary: 'turn TLS data into HTTP requests and responses',
  description:
    "Reads ssl_data events and writes http_request and http_response events, paired by exchange, with bodies joined and decoded (chunked; gzip, deflate, br, zstd). A response that is a stream by nature (server-sent events, Amazon's event stream, JSON lines) and a WebSocket are given at their head, then event by event or piece by piece as they arrive, then closed by http_end. Reads HTTP/1 and HTTP/2, also from the middle and over holes; what is neither passes as it came. Values of authorization, cookies and API keys are replaced by redacted:1, redacted:2 …, the same number for the same secret.",
  options: [
    {
      flags: '--body-limit <bytes>',
      type: 'bytes',
      default: BODY_LIMIT,
      description: 'Bytes of a decoded body that one event carries; the counts stay true, and partial says "limit".',
    },
    { flags: '--stream-all', type: 'boolean', description: 'Give every body in pieces (http_body), as it arrives.', changesOutput: true },
    {
      flags: '--sse-merge',
      type: 'boolean',
      description: 'Give one response with events[] instead of one sse_event per server-sent event.',
      changesOutput: true,
    },
    { flags: '--show-secrets', type: 'boolean', description: 'Leave credentials as they were sent.', changesOutput: true },
    {
      flags: '--redact-key <file>',
      type: 'string',
      completes: 'file',
      description:
        'Replace a secret by its HMAC-SHA-256 under the key in this file, so that equal secrets are equal across runs and hosts.',
      changesOutput: true,
    },
  ],
  examples: [
    { run: 'sudo tracer-ssl -c python3 | tracer-http | jq .', shows: 'requests and responses of every python3, live' },
    {
      run: `tracer-replay session.ndjson | tracer-http | jq -r 'select(.event_type=="http_response") | "\\(.data.status) \\(.data.method // "?") \\(.data.host // "?")\\(.data.path // "")"'`,
      shows: 'an access log of a recorded session',
    },
  ],
  stage: (options) =>
    httpParser({
      bodyLimit: bodyLimit(options),
      streamAll: options.streamAll === true,
      sseMerge: options.sseMerge === true,
      showSecrets: options.showSecrets === true,
      ...redactKey(options),
    }),
};

/** A body that may be base64 and its headers must fit into one line. */
function bodyLimit(options: Options): number {
  const limit = options.bodyLimit as number;
  if (limit > LARGEST_BODY_LIMIT)
    throw new CommandError(
      EXIT.usage,
      `--body-limit ${limit}: an event with such a body would be longer than a line may be`,
      'Use at most 11MiB, or --stream-all for bodies in pieces',
    );
  return limit;
}
