/** `tracer-provider`: says whose models an event is about. */
import { provider } from '../analyzers/provider.js';
import type { AnalyzerCommand } from '../stream/command.js';
import { PROVIDERS_OPTION, providerTable } from './provider-file.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'provider',
  summary: 'name the provider of models that an event is about',
  description:
    'Adds provider to the end of each line whose host is a known provider of models, by its OpenTelemetry name (anthropic, openai, gcp.vertex_ai, aws.bedrock …). The host is that of a request, of a TLS session (SNI), of a DNS name, or of a peer whose address a DNS answer has named; later events of the same exchange, session or socket are named as well. Nothing else of a line is touched.',
  options: [PROVIDERS_OPTION],
  examples: [
    {
      run: `tracer-replay day.ndjson | tracer-http | tracer-provider | jq -r 'select(.event_type=="http_request") | .provider // "unknown"' | sort | uniq -c`,
      shows: 'how many requests went to whom',
    },
  ],
  stage: (options) => {
    const table = providerTable(options);
    return provider((place) => table.find(place));
  },
};
