/**
 * The words at which a secret may begin or be named, found all at once: one step of a table per byte (Aho and Corasick,
 * 1975), whatever their number. Letters count in either case; what stands around a word is the business of who asked.
 */

/** State `s` at a byte of class `c` goes to `next[s * classes + c]`; 0 is the beginning. */
export interface Triggers {
  readonly next: Uint16Array;
  readonly classes: number;
  /** Byte (or UTF-16 unit below 256) to class. */
  readonly classOf: Uint8Array;
  /** The longest word that ends in a state, as its index + 1; 0 for none. */
  readonly ends: Uint16Array;
  /** A state's next shorter word that ends there too: another state, 0 for none. */
  readonly shorter: Uint16Array;
  /** Bytes of a word that have been read in a state. */
  readonly depth: Uint16Array;
}

/** Builds the table. Words are ASCII. */
export function buildTriggers(words: readonly string[]): Triggers {
  const lower = words.map((word) => word.toLowerCase());
  const classOf = new Uint8Array(256);
  let classes = 1;
  for (const char of new Set(lower.join(''))) {
    classOf[char.charCodeAt(0)] = classes;
    classOf[char.toUpperCase().charCodeAt(0)] = classes++;
  }
  const most = lower.reduce((sum, word) => sum + word.length, 1);
  const next = new Uint16Array(most * classes);
  const ends = new Uint16Array(most);
  const depth = new Uint16Array(most);
  let states = 1;
  for (const [index, word] of lower.entries()) {
    let state = 0;
    for (const char of word) {
      const at = state * classes + (classOf[char.charCodeAt(0)] as number);
      if (next[at] === 0) {
        next[at] = states;
        depth[states++] = (depth[state] as number) + 1;
      }
      state = next[at] as number;
    }
    ends[state] = index + 1;
  }
  const shorter = new Uint16Array(states);
  const fail = new Uint16Array(states);
  const queue = [0];
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    const back = fail[state] as number;
    shorter[state] = state === 0 ? 0 : ends[back] !== 0 ? back : (shorter[back] as number);
    for (let c = 0; c < classes; c++) {
      const at = state * classes + c;
      const to = next[at] as number;
      const otherwise = state === 0 ? 0 : (next[back * classes + c] as number);
      if (to === 0) {
        next[at] = otherwise;
      } else {
        fail[to] = otherwise;
        queue.push(to);
      }
    }
  }
  // A state without a word of its own that ends in one: that word.
  for (let state = 1; state < states; state++) {
    if (ends[state] !== 0 || shorter[state] === 0) continue;
    const other = shorter[state] as number;
    ends[state] = ends[other] as number;
    shorter[state] = shorter[other] as number;
  }
  return { next: next.subarray(0, states * classes), classes, classOf, ends: ends.subarray(0, states), shorter, depth };
}
