/** Content codings stacked on each other, undone in the order in which they have to be. */
import type { Decoder, Take } from './decoder.js';
import { NativeDecoder } from './native.js';
import { Zstd } from './zstd.js';

/** More codings than this on one body are not undone. */
export const CODINGS_LIMIT = 5;

/** Decoded bytes that a body may have whatever its coded size is. */
export const RATIO_FREE_BYTES = 16 * 1024 * 1024;
/** Decoded bytes for each coded one beyond that. DEFLATE's utmost is 1032: only stacked codings, Brotli and zstd can exceed it. */
export const RATIO_LIMIT = 1100;
/** The proportion is kept for so many coded bytes at once, counted from the first one, so that it does not depend on how they are cut. */
const STEP_BYTES = 1024;

/** A decoder for a coding named in `Content-Encoding`; undefined when it is not known. */
export function decoderFor(coding: string): Decoder | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return new NativeDecoder('gzip');
    case 'deflate':
      return new NativeDecoder('deflate');
    case 'br':
      return new NativeDecoder('br');
    case 'zstd':
      return new Zstd();
  }
  return undefined;
}

/** `cut`: the coded bytes ended before their end. */
export type ChainState = 'ok' | 'fault' | 'cut' | 'stopped';

export class CodingChain {
  /** Coded bytes were seen. A body of none needs no end. */
  private used = false;
  private codedBytes = 0;
  private decodedBytes = 0;

  private constructor(private readonly decoders: readonly Decoder[]) {}

  /** Undoes `codings`, which are named in the order in which they were applied. Undefined when one is not known. */
  static for(codings: readonly string[]): CodingChain | undefined {
    if (codings.length > CODINGS_LIMIT) return undefined;
    const decoders: Decoder[] = [];
    for (const coding of codings) {
      const decoder = decoderFor(coding);
      if (!decoder) return undefined;
      decoders.unshift(decoder);
    }
    return new CodingChain(decoders);
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const decoder of this.decoders) bytes += decoder.heldBytes;
    return bytes;
  }

  /** Frees what the decoders hold; nothing more comes out. */
  close(): void {
    for (const decoder of this.decoders) decoder.close();
  }

  push(bytes: Buffer, take: Take): ChainState {
    this.used ||= bytes.length > 0;
    for (let at = 0; at < bytes.length; ) {
      const left = STEP_BYTES - (this.codedBytes % STEP_BYTES);
      const step = bytes.subarray(at, at + left);
      const most = Math.max(RATIO_FREE_BYTES, RATIO_LIMIT * (this.codedBytes + left));
      const goesOn = this.feed(0, step, (piece) => {
        const room = most - this.decodedBytes;
        const taken = piece.length > room ? piece.subarray(0, room) : piece;
        this.decodedBytes += taken.length;
        return take(taken) && taken === piece;
      });
      if (!goesOn) break;
      at += step.length;
      this.codedBytes += step.length;
    }
    return this.outcome(false);
  }

  end(take: Take): ChainState {
    if (!this.used) return 'ok';
    for (let i = 0; i < this.decoders.length; i++) {
      (this.decoders[i] as Decoder).end((piece) => this.feed(i + 1, piece, take));
    }
    return this.outcome(true);
  }

  private feed(i: number, bytes: Buffer, take: Take): boolean {
    const decoder = this.decoders[i];
    if (!decoder) return take(bytes);
    if (decoder.state === 'more') decoder.push(bytes, (piece) => this.feed(i + 1, piece, take));
    return decoder.state !== 'stopped' && decoder.state !== 'fault';
  }

  private outcome(ended: boolean): ChainState {
    let state: ChainState = 'ok';
    for (const decoder of this.decoders) {
      if (decoder.state === 'fault') return 'fault';
      if (decoder.state === 'stopped') state = 'stopped';
      else if (ended && decoder.state === 'more' && state === 'ok') state = 'cut';
    }
    return state;
  }
}
