/**
 * The DEFLATE stream of one sender (RFC 7692 §7.2): over all its messages, or anew for each. minizlib drives Node's zlib
 * synchronously and keeps its window between messages. Never throws.
 */
import { constants, InflateRaw } from 'minizlib';

/** What a sender leaves out at the end of each message (§7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/** Bytes that are given at once: with the utmost of DEFLATE, 1032 to 1, so a bomb stays small. */
const SLICE_BYTES = 4096;
const OUTPUT_BYTES = 5 * 1024 * 1024;
const CHUNK_BYTES = 4 * 1024;
const ZLIB = { flush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES, maxOutputLength: OUTPUT_BYTES };
/** What zlib takes for an open stream, about. */
const STATE_BYTES = 48 * 1024;

export class Inflater {
  private stream: InflateRaw | undefined;
  private take: (piece: Buffer) => void = () => {};
  private failed = false;

  get heldBytes(): number {
    return this.stream ? STATE_BYTES : 0;
  }

  /** Inflates a part of a message. False after a fault: nothing more can be read before the next `reset`. */
  push(bytes: Buffer, take: (piece: Buffer) => void): boolean {
    if (this.failed) return false;
    this.take = take;
    this.stream ??= this.open();
    for (let at = 0; at < bytes.length && !this.failed; at += SLICE_BYTES) this.stream.write(bytes.subarray(at, at + SLICE_BYTES));
    return !this.failed;
  }

  /** The message is complete. */
  end(take: (piece: Buffer) => void): boolean {
    const ok = this.push(TAIL, take);
    // A block that says it is the last (§7.2.3.5) ends zlib's stream: then the tail is not read.
    const handle = this.stream?.handle as { bytesWritten?: number } | undefined;
    if (ok && handle?.bytesWritten === 0) this.reset();
    return ok;
  }

  /** Forgets the window: the next message stands alone, or what came before it is not known. */
  reset(): void {
    this.stream?.close();
    this.stream = undefined;
    this.failed = false;
  }

  private open(): InflateRaw {
    const stream = new InflateRaw({ ...ZLIB });
    stream.on('data', (piece: unknown) => {
      if ((piece as Buffer).length > 0) this.take(piece as Buffer);
    });
    stream.on('error', () => {
      this.failed = true;
    });
    return stream;
  }
}
