/**
 * Tells whether bytes are one JSON object (RFC 8259) without building it: a line that is passed on unread must still
 * be known to be one. Checked against JSON.parse in test/stream/json-scan.test.ts.
 */

const PLAIN = 0;
const QUOTE = 1;
const BACKSLASH = 2;
const CONTROL = 3;
const KIND = new Uint8Array(256);
KIND.fill(CONTROL, 0, 0x20);
KIND[0x22] = QUOTE;
KIND[0x5c] = BACKSLASH;

/** What may stand after a backslash, besides `u`. */
const ESCAPED = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPED[char.charCodeAt(0)] = 1;
const HEX = new Uint8Array(256);
for (const char of '0123456789abcdefABCDEF') HEX[char.charCodeAt(0)] = 1;

const TRUE = [0x74, 0x72, 0x75, 0x65];
const FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65];
const NULL = [0x6e, 0x75, 0x6c, 0x6c];

/** Open brackets, innermost last: 1 for an array. Grows with the deepest line met. */
let stack = new Uint8Array(256);

/** The position of the first byte from `at` on that is no white space. */
function passSpace(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x09 || bytes[i] === 0x0d || bytes[i] === 0x0a)) i++;
  return i;
}

/** Passes a string whose opening quote is at `at - 1`. Returns the position after the closing quote, or `~position` of the offending byte. */
function passString(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  for (;;) {
    while (i < end && KIND[bytes[i] as number] === PLAIN) i++;
    if (i >= end) return ~end;
    const kind = KIND[bytes[i] as number];
    if (kind === QUOTE) return i + 1;
    if (kind === CONTROL) return ~i;
    const escaped = i + 1 < end ? (bytes[i + 1] as number) : 0;
    if (ESCAPED[escaped] === 1) {
      i += 2;
    } else if (escaped === 0x75) {
      for (let k = i + 2; k < i + 6; k++) {
        if (k >= end) return ~end;
        if (HEX[bytes[k] as number] === 0) return ~k;
      }
      i += 6;
    } else {
      return i + 1 < end ? ~(i + 1) : ~end;
    }
  }
}

/** The position after the digits that begin at `at`. */
function passDigits(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && ((bytes[i] as number) - 0x30) >>> 0 < 10) i++;
  return i;
}

/** Passes `-?int frac? exp?`. Returns the position after it, or `~position`. */
function passNumber(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] === 0x2d ? at + 1 : at;
  let i = first < end && bytes[first] === 0x30 ? first + 1 : passDigits(bytes, first, end);
  if (i === first) return ~i;
  if (i < end && bytes[i] === 0x2e) {
    const digits = i + 1;
    i = passDigits(bytes, digits, end);
    if (i === digits) return ~i;
  }
  if (i < end && ((bytes[i] as number) | 0x20) === 0x65) {
    const sign = i + 1;
    const digits = sign < end && (bytes[sign] === 0x2b || bytes[sign] === 0x2d) ? sign + 1 : sign;
    i = passDigits(bytes, digits, end);
    if (i === digits) return ~i;
  }
  return i;
}

function passWord(bytes: Uint8Array, at: number, end: number, word: readonly number[]): number {
  for (let k = 0; k < word.length; k++) if (at + k >= end || bytes[at + k] !== word[k]) return ~Math.min(at + k, end);
  return at + word.length;
}

/** Passes a string, number or word that begins at `at`. */
function passScalar(bytes: Uint8Array, at: number, end: number): number {
  switch (bytes[at]) {
    case 0x22:
      return passString(bytes, at + 1, end);
    case 0x74:
      return passWord(bytes, at, end, TRUE);
    case 0x66:
      return passWord(bytes, at, end, FALSE);
    case 0x6e:
      return passWord(bytes, at, end, NULL);
    default:
      return passNumber(bytes, at, end);
  }
}

/** What the grammar wants next. */
const VALUE = 0;
const VALUE_OR_END = 1;
const KEY = 2;
const KEY_OR_END = 3;
const COMMA_OR_END = 4;

/**
 * Returns -1 when `bytes[start..end)` is one JSON object with nothing but white space around it; else the position of
 * the first byte that is wrong, `end` when it stops too early. Looks at structure only: whether strings are UTF-8 is
 * asked elsewhere (`isUtf8` of a whole batch is cheaper).
 */
export function scanObject(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  let depth = 0;
  let want = VALUE;
  for (;;) {
    if (i < end && (bytes[i] as number) <= 0x20) i = passSpace(bytes, i, end);
    if (i >= end) return end;
    const byte = bytes[i] as number;
    if (depth === 0 && byte !== 0x7b) return i;
    switch (want) {
      case COMMA_OR_END:
        if (byte === 0x2c) {
          want = stack[depth] === 1 ? VALUE : KEY;
          i++;
          continue;
        }
        if (byte !== (stack[depth] === 1 ? 0x5d : 0x7d)) return i;
        break;
      case KEY_OR_END:
      case KEY: {
        if (byte === 0x7d && want === KEY_OR_END) break;
        if (byte !== 0x22) return i;
        const after = passString(bytes, i + 1, end);
        if (after < 0) return ~after;
        i = after;
        if (i < end && (bytes[i] as number) <= 0x20) i = passSpace(bytes, i, end);
        if (i >= end) return end;
        if (bytes[i] !== 0x3a) return i;
        i++;
        want = VALUE;
        continue;
      }
      default: {
        if (byte === 0x7b || byte === 0x5b) {
          depth++;
          if (depth >= stack.length) {
            const larger = new Uint8Array(stack.length * 2);
            larger.set(stack);
            stack = larger;
          }
          stack[depth] = byte === 0x5b ? 1 : 0;
          want = byte === 0x5b ? VALUE_OR_END : KEY_OR_END;
          i++;
          continue;
        }
        if (byte === 0x5d && want === VALUE_OR_END) break;
        const after = passScalar(bytes, i, end);
        if (after < 0) return ~after;
        i = after;
        want = COMMA_OR_END;
        continue;
      }
    }
    // A bracket closes.
    i++;
    depth--;
    want = COMMA_OR_END;
    if (depth === 0) {
      i = passSpace(bytes, i, end);
      return i >= end ? -1 : i;
    }
  }
}

/**
 * Where the value of a member of an object ends: of the last one of that name, as JSON.parse has it; -1 when there is none.
 * The object is known to be one.
 */
export function endOfMember(bytes: Buffer, start: number, end: number, name: string): number {
  let found = -1;
  let depth = 0;
  let isKey = true;
  let named = false;
  for (let i = start; i < end; ) {
    const byte = bytes[i] as number;
    if (byte === 0x22) {
      const after = passString(bytes, i + 1, end);
      if (after < 0) return -1;
      if (depth === 1 && isKey) named = JSON.parse(bytes.toString('utf8', i, after)) === name;
      i = after;
      continue;
    }
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      depth--;
      if (depth === 1 && named) found = i + 1;
    } else if (depth === 1 && byte === 0x3a) isKey = false;
    else if (depth === 1 && byte === 0x2c) isKey = true;
    i++;
  }
  return found;
}
