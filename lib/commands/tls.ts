/** `tracer-tls`: says what a TLS client asks for before anything is encrypted. */
import { tlsHello } from '../analyzers/tls-hello.js';
import type { AnalyzerCommand } from '../stream/command.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'tls',
  summary: 'read the ClientHello of TLS connections: name, protocols, JA3 and JA4',
  description:
    'Reads the ClientHello in each tls_client_hello event and adds to its data: sni (the name asked for), alpn, versions (newest first), ech (an encrypted hello is inside, or pretended to be), grease, ja3, ja3_raw, ja4 and ja4_raw. A hello may be cut into TLS records, and into events of one socket, anywhere; one that is cut short says partial, and has no fingerprint. All else passes.',
  options: [],
  examples: [
    {
      run: `sudo tracer-net -c node | tracer-tls | jq -r 'select(.event_type=="tls_client_hello") | [.data.comm, .data.sni, .data.ja4] | @tsv'`,
      shows: 'who asks for which name, with which TLS client',
    },
  ],
  stage: () => tlsHello(),
};
