/** The head or the trailers of a message, read from a header block (RFC 9113 §8.2 and §8.3). */
import type { HpackDecoder } from '../hpack/decoder.js';
import { FieldReader } from '../http1/fields.js';

export class Http2Head {
  readonly fields = new FieldReader();
  /** `method`, `scheme`, `authority`, `path`, `status`, `protocol`: latin1 text. */
  readonly pseudo = new Map<string, string>();
  /** A pseudo-field's name was there, its value perhaps unknown. */
  readonly named = new Set<string>();
  /** Something of it refers to what was not seen, or cannot be read. */
  unknown = false;
  /** A part of the block is missing. */
  cut = false;

  /** `cut`: the block is not all there; what is there is read. `limited`: because it was too long to be held. */
  constructor(decoder: HpackDecoder, block: Buffer, cut: boolean, limited: boolean) {
    const state = decoder.decode(block, (name, value) => {
      if (name === undefined) return;
      if (name.charCodeAt(0) === 0x3a) this.pseudoField(name.slice(1), value);
      else if (value !== undefined) this.fields.add(name, value);
    });
    this.cut = cut;
    this.fields.limited ||= limited;
    this.unknown = cut || limited || state !== 'whole';
    if (cut || limited) decoder.lose();
  }

  private pseudoField(name: string, value: string | undefined): void {
    if (this.named.size >= 16) return;
    this.named.add(name);
    if (value !== undefined && !this.pseudo.has(name)) this.pseudo.set(name, value);
  }
}
