/**
 * The strings of a JSON text, by their place in it: what is between them is never printed anew. The text is known to be
 * valid; nothing is built, so that numbers, doubled keys and blanks stay what they were.
 */

export interface StringToken {
  /** `text[start..end)`, with its quotes. */
  start: number;
  end: number;
  isKey: boolean;
  /** The key that it stands under, an array's items under the array's; of a key, itself. Escapes are left in it. */
  name: string;
  /** Place in the array that it is an item of; -1 for none. */
  index: number;
  /** 1 for what stands in the outermost object. */
  depth: number;
  /** The outermost key that it stands under. */
  top: string;
  /** All keys and places above it: equal for strings at the same place of like texts. */
  path: string;
}

export interface Scanned {
  strings: StringToken[];
  /** Whole numbers right in `data`, and any called `index` or `…_index` with their place. */
  numbers: Map<string, number>;
  indexes: string;
}

interface Level {
  array: boolean;
  name: string;
  path: string;
  index: number;
}

/** The end of the string that begins at `at`, behind its closing quote. */
function stringEnd(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

const LONGEST_PATH = 256;

/** Finds them all, in order. */
export function scanStrings(text: string): Scanned {
  const strings: StringToken[] = [];
  const numbers = new Map<string, number>();
  let indexes = '';
  const levels: Level[] = [];
  let level: Level = { array: false, name: '', path: '', index: 0 };
  let top = '';
  let key = '';
  let isKey = false;
  const pathOf = (): string => (level.path.length > LONGEST_PATH ? level.path : `${level.path}/${level.array ? level.index : key}`);
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        const end = stringEnd(text, i);
        if (isKey) {
          key = text.slice(i + 1, end - 1);
          if (levels.length === 1) top = key;
        }
        const name = level.array ? level.name : key;
        strings.push({
          start: i,
          end,
          isKey,
          name,
          index: level.array ? level.index : -1,
          depth: levels.length,
          top,
          path: isKey ? '' : pathOf(),
        });
        i = end - 1;
        break;
      }
      case 0x7b:
      case 0x5b: {
        const array = text.charCodeAt(i) === 0x5b;
        const inner: Level = { array, name: level.array ? level.name : key, path: levels.length === 0 ? '' : pathOf(), index: 0 };
        levels.push(level);
        level = inner;
        isKey = !array;
        break;
      }
      case 0x7d:
      case 0x5d:
        level = levels.pop() ?? level;
        isKey = false;
        break;
      case 0x3a:
        isKey = false;
        break;
      case 0x2c:
        if (level.array) level.index++;
        else isKey = true;
        break;
      default: {
        const unit = text.charCodeAt(i);
        if (unit < 0x30 || unit > 0x39) break;
        let end = i + 1;
        while (
          end < text.length &&
          text.charCodeAt(end) >= 0x2b &&
          text.charCodeAt(end) <= 0x65 &&
          text.charCodeAt(end) !== 0x2c &&
          text.charCodeAt(end) !== 0x5d
        )
          end++;
        if (!level.array) {
          if (levels.length === 2 && top === 'data') numbers.set(key, Number(text.slice(i, end)));
          if (key.endsWith('index')) indexes += `${key}${text.slice(i, end)} `;
        }
        i = end - 1;
      }
    }
  }
  return { strings, numbers, indexes };
}

/** What the string `text[start..end)` says. */
export function textOf(text: string, { start, end }: { start: number; end: number }): string {
  const inner = text.slice(start + 1, end - 1);
  return inner.includes('\\') ? (JSON.parse(text.slice(start, end)) as string) : inner;
}
