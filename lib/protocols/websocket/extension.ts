/** What was agreed on about compression (RFC 7692 §7.1), as the response's Sec-WebSocket-Extensions says it. */

export interface Deflate {
  /** The sender begins each message anew. */
  clientAlone: boolean;
  serverAlone: boolean;
}

/** `undefined`: messages are not compressed. Window bits need no reading: the largest window reads all. */
export function agreedDeflate(values: readonly string[]): Deflate | undefined {
  for (const offer of values.join(',').split(',')) {
    const [name, ...parameters] = offer.split(';').map((part) => (part.split('=')[0] as string).trim().toLowerCase());
    if (name !== 'permessage-deflate') continue;
    return {
      clientAlone: parameters.includes('client_no_context_takeover'),
      serverAlone: parameters.includes('server_no_context_takeover'),
    };
  }
  return undefined;
}
