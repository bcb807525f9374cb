/**
 * Secrets in HTTP heads, replaced at the source (docs/events.md, "Redaction at the source"): equal ones stay equal, a
 * replay gives the same text, and nothing can be guessed back.
 */
import type { Redact } from '../numbering.js';

export { keyed, numbering, type Redact, SECRETS_LIMIT } from '../numbering.js';

const SECRET_FIELDS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'api-key', 'x-goog-api-key']);
/** Fields that hold a URL, which may carry a key in its query. */
const URL_FIELDS = new Set(['location', 'content-location', 'referer']);

const KEY_WORDS =
  'key|apikey|token|secret|password|passwd|pwd|passphrase|sig|signature|credential|credentials|auth|authorization|jwt|sessionid|otp|assertion';
// `key`, `api_key`, `X-Amz-Signature`, `access.token` …; and `apiKey`, `accessToken`.
const KEY_LIKE = new RegExp(`(?:^|[-_.\\[\\]~])(?:${KEY_WORDS})[\\]]*$`, 'i');
// A session's id, but not the many counters that end in `_sid`.
const SESSION_KEY = /(?:^|\.)sid$/i;
const CAMEL_KEY = /[a-z0-9](?:Key|Token|Secret|Password|Signature|Credential|Auth|SessionId|SessionID)$/;

/** True for the name of a query parameter whose value is taken for a secret. */
export function isKeyLike(name: string): boolean {
  let text = name;
  if (name.includes('%')) {
    try {
      text = decodeURIComponent(name);
    } catch {
      // Not an encoding: judged as it stands.
    }
  }
  return KEY_LIKE.test(text) || SESSION_KEY.test(text) || CAMEL_KEY.test(text);
}

/** A path or URL with the values of key-like query parameters replaced. */
export function redactQuery(url: string, redact: Redact): string {
  const question = url.indexOf('?');
  if (question < 0) return url;
  const hash = url.indexOf('#', question);
  const end = hash < 0 ? url.length : hash;
  const query = url.slice(question + 1, end);
  if (!query.includes('=')) return url;
  const parts = query.split('&');
  let changed = false;
  for (const [i, part] of parts.entries()) {
    const equals = part.indexOf('=');
    if (equals < 0 || equals === part.length - 1 || !isKeyLike(part.slice(0, equals))) continue;
    parts[i] = part.slice(0, equals + 1) + redact(part.slice(equals + 1));
    changed = true;
  }
  return changed ? url.slice(0, question + 1) + parts.join('&') + url.slice(end) : url;
}

/** The value of a header or trailer field as it may be shown. `name` is lower-case. */
export function redactField(name: string, value: string, redact: Redact): string {
  if (SECRET_FIELDS.has(name)) return value === '' ? value : redact(value);
  return URL_FIELDS.has(name) ? redactQuery(value, redact) : value;
}
