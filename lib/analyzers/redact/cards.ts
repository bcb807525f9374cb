/** Numbers of payment cards: ISO/IEC 7812, with the ranges of issuers that are in use and Luhn's check digit. */

/** Finds the next one in `text[from..to)`: its place is in {@link card}. */
export const card = { start: 0, end: 0 };

const DIGIT_0 = 0x30;

function isDigit(code: number): boolean {
  return (code - DIGIT_0) >>> 0 < 10;
}

/** A blank or hyphen between two digits. */
function isSeparator(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code === 0x20 || code === 0x2d) && isDigit(text.charCodeAt(at - 1)) && isDigit(text.charCodeAt(at + 1));
}

/** Digits that a card number has at least: it covers one of any 13 neighbouring places. */
export const LEAST_DIGITS = 13;
const MOST_PLACES = 24;

export function findCard(text: string, from: number, to: number): boolean {
  for (let at = from + LEAST_DIGITS - 1; at < to; at += LEAST_DIGITS) {
    if (!isDigit(text.charCodeAt(at)) && !isSeparator(text, at)) continue;
    const left = Math.max(from, at - MOST_PLACES);
    let start = at;
    while (start > left && (isDigit(text.charCodeAt(start - 1)) || isSeparator(text, start - 1))) start--;
    const right = Math.min(to, at + MOST_PLACES);
    let end = at + 1;
    while (end < right && (isDigit(text.charCodeAt(end)) || isSeparator(text, end))) end++;
    if (end - start < LEAST_DIGITS) continue;
    for (const match of text.slice(start, end).matchAll(CANDIDATE)) {
      const begin = start + match.index;
      const stop = begin + match[0].length;
      if (stop <= at || !standsAlone(text, begin, stop) || !isCard(match[0])) continue;
      card.start = begin;
      card.end = stop;
      return true;
    }
  }
  return false;
}

/** Groups as cards show them: all digits together, 4-4-4-4(-3), 4-6-5 or 4-6-4. */
const CANDIDATE = /(?<!\d)(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{13,19})(?!\d)/g;

/** Not a piece of a longer word, of a decimal number or of a list of numbers. */
function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.charAt(start - 1);
  const after = text.charAt(end);
  if (/[A-Za-z]/.test(before) && /\\[nrtbf]$/.test(text.slice(Math.max(0, start - 2), start))) return !/[\w-]/.test(after);
  if (before !== '' && /[\w.%+-]/.test(before) && !/%[0-9A-F]{2}$/i.test(text.slice(Math.max(0, start - 3), start))) return false;
  return !/[\w-]/.test(after) && !(after === '.' && /\d/.test(text.charAt(end + 1)));
}

const ISSUERS: readonly [RegExp, readonly number[]][] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:6011|64[4-9]|65)/, [16, 19]],
  [/^(?:30[0-5]|3[689])/, [14]],
  [/^35(?:2[89]|[3-8])/, [16]],
  [/^62/, [16, 17, 18, 19]],
];

/** Whether text of digits and separators is the number of a card. */
export function isCard(text: string): boolean {
  if (text.length < LEAST_DIGITS || text.length > MOST_PLACES) return false;
  const digits = text.replace(/[ -]/g, '');
  if (!ISSUERS.some(([begins, lengths]) => lengths.includes(digits.length) && begins.test(digits))) return false;
  // Of one digit, or of two in turn: filler, not a card.
  if (new Set(digits).size < 2) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = digits.charCodeAt(digits.length - 1 - i) - DIGIT_0;
    if (i % 2 === 1) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}
