/**
 * The pieces of a streamed answer are the same JSON but for the text that they say. One that is like the piece before it is
 * read without JSON.parse: its text is put into the value of that one.
 */
import { isFacts } from '../../stream/facts.js';
import type { Api, Spot } from './api.js';
import { parsed } from './json.js';

/** Pieces that were learnt in a row and never met again: the server writes something new into each. */
const MOST_IN_VAIN = 4;
/** A longer piece is rare, and parsing it costs little beside what it says. */
const LONGEST_BYTES = 4096;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface Shape {
  /** Bytes before and behind the text, quotes included. */
  head: Uint8Array;
  tail: Uint8Array;
  value: Readonly<Record<string, unknown>>;
  spot: Spot;
}

export class RepeatedPiece {
  #shape: Shape | undefined;
  #inVain = 0;

  constructor(readonly api: Api) {}

  /** What JSON.parse would give, as far as the API's `take` looks at it, until the next call; undefined when it has to be parsed. */
  read(data: Buffer): Readonly<Record<string, unknown>> | undefined {
    const shape = this.#shape;
    if (shape === undefined) return undefined;
    const { head, tail, value, spot } = shape;
    const from = head.length;
    const to = data.length - tail.length;
    if (to < from) return undefined;
    for (let i = 0; i < from; i++) if (data[i] !== head[i]) return undefined;
    for (let i = 0; i < tail.length; i++) if (data[to + i] !== tail[i]) return undefined;
    const said = textOf(data, from, to);
    if (said === undefined) return undefined;
    spot.holder[spot.name] = said;
    this.#inVain = 0;
    return value;
  }

  /** Looks at a piece that was parsed: the next one may be like it. */
  learn(data: Buffer, json: string, value: unknown): void {
    if (this.api.spot === undefined || this.#inVain >= MOST_IN_VAIN || data.length > LONGEST_BYTES || !isFacts(value)) return;
    const spot = this.api.spot(value);
    if (spot === undefined) return;
    this.#inVain++;
    this.#shape = this.#shapeOf(data, json, spot);
  }

  #shapeOf(data: Buffer, json: string, { holder, name }: Spot): Shape | undefined {
    const key = json.lastIndexOf(`"${name}":"`);
    if (key < 0) return undefined;
    const from = key + name.length + 4;
    const to = stringEnd(json, from);
    const [head, tail] = [json.slice(0, from), json.slice(to)];
    // What is put there must come out at the spot: then the rest is the same, whatever it is.
    const probe = `${String(holder[name])}.`;
    const value = parsed(`${head}${JSON.stringify(probe).slice(1, -1)}${tail}`);
    const spot = isFacts(value) ? this.api.spot?.(value) : undefined;
    if (!isFacts(value) || spot === undefined || spot.name !== name || spot.holder[name] !== probe) return undefined;
    const shape = { head: Buffer.from(head), tail: Buffer.from(tail), value, spot };
    // Not where bytes that are no UTF-8 were replaced.
    return data.indexOf(shape.head) === 0 && data.subarray(data.length - shape.tail.length).equals(shape.tail) ? shape : undefined;
  }
}

/** Position of the quote that ends the string whose first character is at `from`. */
function stringEnd(json: string, from: number): number {
  let i = from;
  while (i < json.length && json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/** The text that `data[from..to)` is the inside of a JSON string of; undefined when it is none. */
function textOf(data: Buffer, from: number, to: number): string | undefined {
  let seen = 0;
  let escaped = false;
  for (let i = from; i < to; i++) {
    const byte = data[i] as number;
    seen |= byte;
    if (byte < 0x20 || byte === QUOTE) {
      if (byte !== QUOTE || !escaped) return undefined;
    } else if (byte === BACKSLASH) escaped = true;
  }
  if (!escaped) return data.toString(seen < 0x80 ? 'latin1' : 'utf8', from, to);
  const said = parsed(`"${data.toString('utf8', from, to)}"`);
  return typeof said === 'string' ? said : undefined;
}
