/**
 * Content codings (RFC 9110 §8.4.1), undone as the bytes come: synchronous, in any pieces, never throwing. The same comes out
 * however the bytes are cut, also before a fault.
 */

/** Takes decoded bytes, which are only valid during the call. Returns false when it wants no more. */
export type Take = (decoded: Buffer) => boolean;

export type DecoderState =
  | 'more'
  /** The coded stream is complete. What follows it is ignored. */
  | 'done'
  /** The bytes are not of this coding, or damaged. */
  | 'fault'
  /** `take` wanted no more. */
  | 'stopped';

export interface Decoder {
  readonly state: DecoderState;
  /** Bytes of memory held. */
  readonly heldBytes: number;
  push(bytes: Buffer, take: Take): void;
  /** No bytes follow: hands on what is still held. A state of `more` after it means that the stream is cut. */
  end(take: Take): void;
  /** Frees memory. Idempotent; for one that is not ended. */
  close(): void;
}
