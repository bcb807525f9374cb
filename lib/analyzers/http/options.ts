/** What `tracer-http` can be told. */
import type { Redact } from './secrets.js';

export interface HttpOptions {
  /** Bytes of a decoded body that an event carries. */
  bodyLimit?: number;
  /** Every body is given in pieces, as it arrives. */
  streamAll?: boolean;
  /** One response with `events[]` instead of one event per server-sent event. */
  sseMerge?: boolean;
  /** Secrets stay as they are. */
  showSecrets?: boolean;
  /** Secrets become their HMAC under this key. */
  redactKey?: Uint8Array;
  limits?: Partial<HttpLimits>;
}

export interface HttpLimits {
  /** Sessions that are remembered; the least recently used goes first. */
  sessions: number;
  /** Numbers of exchanges of sessions that are not remembered. */
  tombstones: number;
  /** Bytes held over all sessions; then the least recently used give up their bodies. */
  memoryBytes: number;
}

export const HTTP_LIMITS: HttpLimits = { sessions: 8192, tombstones: 65_536, memoryBytes: 80 * 1024 * 1024 };

export const BODY_LIMIT = 8 * 1024 * 1024;
/** With base64 (4/3) and a head, still within the 16 MiB of a line. */
export const LARGEST_BODY_LIMIT = 11 * 1024 * 1024;

/** Options with everything decided. */
export interface HttpSettings {
  bodyLimit: number;
  streamAll: boolean;
  sseMerge: boolean;
  redact: Redact | undefined;
}
