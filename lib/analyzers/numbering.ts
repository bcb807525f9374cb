/**
 * What stands in place of a secret (docs/events.md, "Secrets"): equal ones stay equal, a replay gives the same text, and
 * nothing can be guessed back. tracer-http and tracer-redact each have a numbering of their own.
 */
import { createHash, createHmac } from 'node:crypto';

/** Numbers given out before every further secret is `redacted:more`. */
export const SECRETS_LIMIT = 65_536;

export type Redact = (secret: string) => string;

/** `redacted:1`, `redacted:2` … by first appearance; with a prefix, `redacted:r1` … */
export function numbering(limit = SECRETS_LIMIT, prefix = ''): Redact {
  const numbers = new Map<string, number>();
  return (secret) => {
    // Long secrets are remembered by their hash, so that memory stays bounded.
    const key = secret.length > 64 ? createHash('sha256').update(secret).digest('base64') : secret;
    const known = numbers.get(key);
    if (known !== undefined) return `redacted:${prefix}${known}`;
    if (numbers.size >= limit) return 'redacted:more';
    numbers.set(key, numbers.size + 1);
    return `redacted:${prefix}${numbers.size}`;
  };
}

/** `redacted:<16 hex of HMAC-SHA-256>`: equal across runs and hosts that share the key. */
export function keyed(key: Uint8Array): Redact {
  return (secret) => `redacted:${createHmac('sha256', key).update(secret).digest('hex').slice(0, 16)}`;
}
