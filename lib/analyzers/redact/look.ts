/** A look at one place of a text: is there a secret, and from where to where? */

/** How far a look back goes, in characters. */
export const LOOK_BACK = 320;

/** What goes on behind a secret whose end was not seen: the rest of a word, of a line, or of a private key. */
export type Rest = 'word' | 'line' | 'pem';

export interface Found {
  start: number;
  end: number;
  rest: Rest;
}

/** What a look at one place gives. */
export interface Look {
  /** `more`: the text ends too early to say; from `start` on it has to be read again, and the secret would begin at `end`. */
  verdict: 'no' | 'yes' | 'more';
  start: number;
  end: number;
  rest: Rest;
}

/** The place to look at. */
export interface Place {
  text: string;
  /** The word stands in `text[at..after)`. */
  at: number;
  after: number;
  /** Nothing before it can belong to a secret: it was decided on. */
  floor: number;
  /** The text does not go on. */
  final: boolean;
  memo: Memo;
}

/** What earlier looks at the same text have found out. */
export interface Memo {
  /** The last run of characters that a pattern was found to match. */
  runs: Map<RegExp, { start: number; end: number }>;
  /** The end of the last run that is not of this shape. */
  refused: Map<object, number>;
}

export const NO: Look = { verdict: 'no', start: 0, end: 0, rest: 'word' };

export function yes(start: number, end: number, rest: Rest = 'word'): Look {
  return { verdict: 'yes', start, end, rest };
}

/** @param secret where it would begin, if that is known by now */
export function more(start: number, secret = Number.POSITIVE_INFINITY, rest: Rest = 'word'): Look {
  return { verdict: 'more', start, end: secret, rest };
}
