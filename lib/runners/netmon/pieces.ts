/** What comes in pieces: hellos that are sent by several calls, and DNS over TCP. Bounded by number and size. */
import { MAX_HELLO_BYTES, readClientHello } from '../../protocols/client-hello.js';

const MOST = 4096;
const MOST_BYTES = 8 * 1024 * 1024;
/** A DNS message over TCP has at most 65,535 bytes behind its length. */
const LONGEST_DNS = 65_537;

abstract class Pieces {
  readonly #held = new Map<string, Buffer>();
  #bytes = 0;
  /** How often something had to be given up to make room. */
  givenUp = 0;

  protected keep(key: string, bytes: Buffer): void {
    this.forget(key);
    this.#held.set(key, bytes);
    this.#bytes += bytes.length;
    while (this.#held.size > MOST || this.#bytes > MOST_BYTES) {
      const [oldest] = this.#held.keys();
      if (oldest === undefined || oldest === key) return;
      this.forget(oldest);
      this.givenUp++;
    }
  }

  get empty(): boolean {
    return this.#held.size === 0;
  }

  forget(key: string): Buffer | undefined {
    const bytes = this.#held.get(key);
    if (bytes === undefined) return undefined;
    this.#held.delete(key);
    this.#bytes -= bytes.length;
    return bytes;
  }
}

export class Hellos extends Pieces {
  /** The records of a hello, when this piece completes it or no other can. `offset`: where the piece stands in it. */
  add(key: string, offset: number, piece: Buffer, cut: boolean): Buffer | undefined {
    const before = this.forget(key);
    if (offset > (before?.length ?? 0)) {
      // What stands between was lost; the beginning, if it is there, is all that will be known.
      return before;
    }
    const bytes = offset === 0 || before === undefined ? Buffer.from(piece) : Buffer.concat([before.subarray(0, offset), piece]);
    const { state } = readClientHello(bytes);
    if (state === 'whole') return recordsOf(bytes);
    if (state === 'other') return undefined;
    if (state === 'damaged' || cut || bytes.length > MAX_HELLO_BYTES) return bytes;
    this.keep(key, bytes);
    return undefined;
  }
}

/** The records up to the end of the hello: what was sent behind it is not part of it. */
function recordsOf(bytes: Buffer): Buffer {
  for (let at = 0; at + 5 <= bytes.length; ) {
    at += 5 + bytes.readUInt16BE(at + 3);
    const records = bytes.subarray(0, at);
    if (readClientHello(records).state === 'whole') return records;
  }
  return bytes;
}

export class DnsStreams extends Pieces {
  /** The messages that a piece of a stream completes. `cut`: bytes behind it are missing. */
  add(key: string, piece: Buffer, cut: boolean): Buffer[] {
    const before = this.forget(key);
    const messages: Buffer[] = [];
    let bytes = before === undefined ? Buffer.from(piece) : Buffer.concat([before, piece]);
    while (bytes.length >= 2) {
      const end = 2 + bytes.readUInt16BE(0);
      if (bytes.length < end) break;
      messages.push(bytes.subarray(2, end));
      bytes = bytes.subarray(end);
    }
    if (bytes.length > 0 && bytes.length < LONGEST_DNS && !cut) this.keep(key, bytes);
    return messages;
  }
}
