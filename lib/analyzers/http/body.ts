/** A message's body on its way: counted, decoded, and handed to what makes events of it. */
import { ByteStore } from '../../protocols/byte-store.js';
import { CodingChain } from '../../protocols/coding/chain.js';
import type { Partial } from '../../stream/event.js';

/** What becomes of a decoded body. */
export interface BodySink {
  /** Decoded bytes, only valid during the call. */
  take(decoded: Buffer): void;
  /** Bytes are missing here. */
  gap(): void;
  /** No more bytes are taken and what is held is dropped: memory ran out. */
  giveUp(): void;
  /** Something was left out because of a limit. */
  readonly limited: boolean;
  readonly heldBytes: number;
}

/** Decoded bytes of one coded body after which it is decoded no further. */
export const DECODED_LIMIT = 256 * 1024 * 1024;

/** A coding that does not show itself to be wrong within so many bytes is taken for real. */
const FIRST_BYTES = 4096;

export interface Coding {
  /** Content codings in the order in which they were applied. */
  content: readonly string[];
  /** Transfer codings before `chunked`. What is not really coded so is left as it is: peers ignore them. */
  transfer: readonly string[];
}

export class Body {
  /** As coded, without chunk framing; missing bytes counted. */
  wireBytes = 0;
  /** Decoded; missing bytes counted where the body is not coded. */
  bodyBytes = 0;
  readonly causes = new Set<Partial>();
  private chain: CodingChain | undefined;
  private coded: boolean;
  /** Decoding has come to an end before the body did. */
  private dead = false;
  /** The first bytes of a body whose coding may be named only, while nothing came out of it. */
  private first: ByteStore | undefined;

  constructor(
    coding: Coding,
    private readonly sink: BodySink,
    private readonly decodedLimit = DECODED_LIMIT,
  ) {
    const names = [...coding.content, ...coding.transfer];
    this.coded = names.length > 0;
    if (!this.coded) return;
    const lenient = coding.content.length === 0;
    this.chain = CodingChain.for(names);
    if (this.chain) {
      if (lenient) this.first = new ByteStore();
    } else {
      this.coded = false;
      if (!lenient) this.causes.add('coding');
    }
  }

  get heldBytes(): number {
    return this.sink.heldBytes + (this.chain?.heldBytes ?? 0) + (this.first?.heldBytes ?? 0);
  }

  write(piece: Buffer): void {
    this.wireBytes += piece.length;
    if (this.dead) return;
    if (!this.chain) {
      if (!this.coded) {
        this.bodyBytes += piece.length;
        this.sink.take(piece);
      }
      return;
    }
    this.first?.append(piece);
    const state = this.chain.push(piece, this.decoded);
    if (state === 'fault' && this.first) this.uncoded(this.first.take());
    else if (state !== 'ok') this.die(state === 'stopped' ? 'limit' : 'coding');
    if (this.bodyBytes > 0 || this.wireBytes > FIRST_BYTES) this.first = undefined;
  }

  /** A transfer coding that was named but not applied. */
  private uncoded(bytes: Buffer): void {
    this.chain?.close();
    this.chain = undefined;
    this.coded = false;
    this.bodyBytes = bytes.length;
    this.sink.take(bytes);
  }

  /** `n` bytes of the coded body are missing. A coded one cannot be read on after them. */
  missing(n: number): void {
    this.wireBytes += n;
    this.causes.add('gap');
    if (this.dead) return;
    if (this.coded) this.die('gap');
    else this.bodyBytes += n;
    this.sink.gap();
  }

  /** No more bytes come. `whole`: the message was complete, so its coding has to be as well. */
  end(whole: boolean): void {
    if (this.chain && !this.dead) {
      const state = this.chain.end(this.decoded);
      if (state === 'stopped') this.causes.add('limit');
      else if (state === 'fault' || (state === 'cut' && whole)) this.causes.add('coding');
      this.chain.close();
      this.chain = undefined;
    }
    if (this.sink.limited) this.causes.add('limit');
  }

  /** Frees what is held; counting goes on. */
  giveUp(): void {
    this.sink.giveUp();
    this.causes.add('limit');
    if (this.coded) this.die('limit');
  }

  private readonly decoded = (piece: Buffer): boolean => {
    const room = this.decodedLimit - this.bodyBytes;
    const taken = piece.length > room ? piece.subarray(0, room) : piece;
    this.bodyBytes += taken.length;
    if (taken.length > 0) this.sink.take(taken);
    return taken === piece;
  };

  private die(cause: Partial): void {
    this.dead = true;
    this.chain?.close();
    this.chain = undefined;
    this.causes.add(cause);
  }
}
