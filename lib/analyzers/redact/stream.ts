/**
 * A stream of text that comes in pieces, each in an event of its own: what one direction of a session said, what a model
 * answers word by word. A secret may be cut anywhere; pieces wait until it is known what they hold.
 */
import type { Cut, Edit } from './line.js';
import { LOOK_BACK, type Rest } from './look.js';
import type { Finder } from './text.js';

/** What is open for so many characters is decided on as it stands. */
export const MOST_OPEN = 72 * 1024;

/** A piece, and the event that waits for it. */
export interface Piece {
  edit: Edit;
  item: { waiting: number };
}

interface Placed extends Piece {
  /** Its place in the stream. */
  start: number;
  end: number;
}

const GOES_ON: Record<Rest, RegExp> = {
  word: /^[A-Za-z0-9_.~+/=%-]*/,
  line: /^[^\r\n"'`\\]*/,
  pem: /^[A-Za-z0-9+/=\s\\:,().-]*?-----END [A-Z0-9 ]{1,80}-----|^[A-Za-z0-9+/=\s\\:,().-]*/,
};

export class PieceStream {
  /** The text from `#base` on: what is open, and before it what a look back may need. */
  #text = '';
  #base = 0;
  /** What is before it is decided. */
  #from = 0;
  #open: { start: number; rest: Rest } | undefined;
  #pieces: Placed[] = [];
  /** A secret was given up as it stood: its rest goes, too. */
  #rest: Rest | undefined;
  /** Where the next piece continues it; of streams whose pieces say so. */
  expected: number | undefined;

  constructor(private readonly find: Finder) {}

  /** Nothing waits, and nothing is to be remembered. */
  get idle(): boolean {
    return this.#pieces.length === 0 && this.#rest === undefined && this.#text === '';
  }

  /** Takes the next piece. Its event waits until {@link Piece.item} says 0. */
  add(edit: Edit, item: { waiting: number }): void {
    const start = this.#base + this.#text.length;
    const piece: Placed = { edit, item, start, end: start + edit.value.length };
    item.waiting++;
    this.#pieces.push(piece);
    this.#text += edit.value;
    this.#passRest(piece);
    this.#look(false);
    if (this.#base + this.#text.length - this.#from > MOST_OPEN) this.giveUp();
  }

  /** What is open is decided on now. A secret that has begun is one; when it goes on, that goes as well. */
  giveUp(): void {
    const open = this.#open;
    const end = this.#base + this.#text.length;
    if (open !== undefined && open.start < end) {
      this.#cut(open.start, end);
      this.#rest = open.rest;
      this.#settle(end);
      return;
    }
    // Nothing has begun that is known to be secret. If it turns out to be, what then comes of it goes.
    const { found } = this.find(this.#text, this.#from - this.#base, true);
    for (const { start, end: to } of found) this.#cut(this.#base + start, this.#base + to);
    const from = Math.max(this.#from, this.#base + (found.at(-1)?.end ?? 0));
    this.#settle(end, false);
    this.#from = from;
  }

  /** What was between the last piece and the next is missing. */
  gap(): void {
    this.giveUp();
    if (this.#rest === undefined) this.#forget();
  }

  /** Nothing follows. */
  end(): void {
    this.#look(true);
    this.#rest = undefined;
    this.#forget();
  }

  #forget(): void {
    this.#base += this.#text.length;
    this.#text = '';
    this.#from = this.#base;
    this.#open = undefined;
  }

  #look(final: boolean): void {
    const { found, undecided, open } = this.find(this.#text, this.#from - this.#base, final);
    for (const { start, end } of found) this.#cut(this.#base + start, this.#base + end);
    this.#open = open === undefined || final ? undefined : { start: this.#base + open.start, rest: open.rest };
    this.#settle(this.#base + undecided);
  }

  /** Everything before `decided` is. */
  #settle(decided: number, forget = true): void {
    this.#from = decided;
    if (this.#open !== undefined && this.#open.start < decided) this.#open = undefined;
    let done = 0;
    while (done < this.#pieces.length && (this.#pieces[done] as Placed).end <= decided) (this.#pieces[done++] as Placed).item.waiting--;
    if (done > 0) this.#pieces.splice(0, done);
    const keep = forget && decided === this.#base + this.#text.length ? decided : decided - LOOK_BACK;
    if (keep > this.#base) {
      this.#text = this.#text.slice(keep - this.#base);
      this.#base = keep;
    }
  }

  /** Cuts `[from, to)` out of the pieces that it is in; what stands for it stands in the first. */
  #cut(from: number, to: number): void {
    let secret: string | undefined = this.#text.slice(from - this.#base, to - this.#base);
    for (const { edit, start, end } of this.#pieces) {
      if (end <= from || start >= to) continue;
      const cut: Cut = { start: Math.max(from, start) - start, end: Math.min(to, end) - start };
      if (secret !== undefined) cut.secret = secret;
      secret = undefined;
      edit.cuts.push(cut);
    }
  }

  /** The beginning of a piece that continues a secret that was given up. */
  #passRest(piece: Placed): void {
    if (this.#rest === undefined) return;
    const length = (GOES_ON[this.#rest].exec(piece.edit.value) as RegExpExecArray)[0].length;
    if (length > 0) piece.edit.cuts.push({ start: 0, end: length });
    this.#from = piece.start + length;
    if (length < piece.edit.value.length) this.#rest = undefined;
  }
}
