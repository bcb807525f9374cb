/** Bytes that are collected piece by piece: one buffer that doubles, so that many tiny pieces cost no more than their bytes. */
export class ByteStore {
  length = 0;
  private buffer: Buffer | undefined;

  /** Copies the piece. */
  append(piece: Uint8Array): void {
    const length = this.length + piece.length;
    let buffer = this.buffer;
    if (!buffer || length > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.length * 2, 64));
      if (buffer) buffer.copy(larger, 0, 0, this.length);
      buffer = larger;
      this.buffer = larger;
    }
    buffer.set(piece, this.length);
    this.length = length;
  }

  /** What was collected, without a copy: valid until the next call. */
  view(): Buffer {
    return this.buffer ? this.buffer.subarray(0, this.length) : EMPTY;
  }

  /** What was collected; the store is empty after it. */
  take(): Buffer {
    const bytes = this.view();
    this.clear();
    return bytes;
  }

  clear(): void {
    this.buffer = undefined;
    this.length = 0;
  }

  /** Bytes of memory behind it. */
  get heldBytes(): number {
    return this.buffer?.length ?? 0;
  }
}

const EMPTY = Buffer.alloc(0);
