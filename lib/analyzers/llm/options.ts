/** What `tracer-llm` can be told. */
import type { Usage } from './answer.js';

export interface LlmOptions {
  /** Which messages an event carries: those that no earlier call had, all, or none. */
  messages?: 'new' | 'all' | 'none';
  /** Events also when a call begins, and at its first token. */
  progress?: boolean;
  /** Pictures and files stay in the messages. */
  blobs?: boolean;
  /** The provider of a host. */
  provider?: (place: { host: string; path: string }) => string | undefined;
  prices?: Prices;
  limits?: Partial<LlmLimits>;
}

export interface Prices {
  /** The day of the table. */
  readonly date: string;
  /** Undefined when the model has no price. @param at milliseconds since the epoch */
  cost(provider: string | undefined, model: string, usage: Usage, at: number): number | undefined;
  /** Tells one table from another: part of the stream's name when it is not the built-in one. */
  readonly digest?: string | undefined;
}

export interface LlmLimits {
  /** Calls under way; the least recently heard is given up. */
  calls: number;
  /** Characters that they hold. */
  heldBytes: number;
  /** Bytes of a request that comes in pieces. */
  requestBytes: number;
}

export const LLM_LIMITS: LlmLimits = { calls: 4096, heldBytes: 48 * 1024 * 1024, requestBytes: 8 * 1024 * 1024 };

/** Bytes of a printed event: below what a line may have. */
export const EVENT_BYTES = 15 * 1024 * 1024;
