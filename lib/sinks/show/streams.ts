/** The streamed bodies that are under way, in a table that forgets the least recently heard. */
import type { Turn } from './model.js';
import type { AnswerStream } from './model-stream.js';

/** Streams under way at once, and what they may hold in all, in characters; the least recently heard is forgotten. */
const MOST_STREAMS = 1024;
const MOST_HELD = 32 * 1024 * 1024;

/** One streamed body, from its head to its `http_end`. */
export interface Stream {
  key: string;
  /** `curl[1841] #3/1` */
  title: string;
  answer: AnswerStream;
  /** What the open paragraph holds: a kind of text. */
  open: string | undefined;
  /** Something else was written since its last word. */
  interrupted: boolean;
  lastHeard: number;
  /** What it has said, for {@link Mind}: until it is too long to be remembered. */
  turn: Turn | undefined;
  turnSize: number;
  /** What it holds, as counted in the sum of all. */
  held: number;
  end: string[];
  /** Pieces that are no text. */
  binaryBytes: number;
  pieces: number;
}

export class Streams {
  /** By key, the least recently heard first. */
  readonly #table = new Map<string, Stream>();
  #held = 0;

  all(): Stream[] {
    return [...this.#table.values()];
  }

  /** A new one. One of the same key is forgotten. */
  add(stream: Stream): void {
    const before = this.#table.get(stream.key);
    if (before !== undefined) this.forget(before);
    this.#table.set(stream.key, stream);
    if (this.#table.size > MOST_STREAMS) this.#forgetOldest();
  }

  /** The stream of that key, which has just been heard. */
  heard(key: string): Stream | undefined {
    const stream = this.#table.get(key);
    if (stream === undefined) return undefined;
    this.#table.delete(key);
    this.#table.set(key, stream);
    return stream;
  }

  /** Its later pieces will be as of one whose beginning was not seen. */
  forget(stream: Stream): void {
    if (this.#table.get(stream.key) === stream) this.#table.delete(stream.key);
    this.#held -= stream.held;
    stream.held = 0;
  }

  /** Keeps the sum of what all hold under its limit, after `stream` has heard something. */
  weigh(stream: Stream): void {
    if (this.#table.get(stream.key) !== stream) return;
    const held = stream.answer.held + (stream.turn === undefined ? 0 : stream.turnSize);
    this.#held += held - stream.held;
    stream.held = held;
    while (this.#held > MOST_HELD && this.#table.size > 1) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const [oldest] = this.#table.values();
    if (oldest !== undefined) this.forget(oldest);
  }
}
