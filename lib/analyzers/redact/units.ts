/** What belongs to a word, in text that may be JSON inside of JSON, part of an address, or what a terminal was sent. */

const WORD = new Uint8Array(128);
for (let i = 0; i < 128; i++) if (/\w/.test(String.fromCharCode(i))) WORD[i] = 1;

/** A letter, a digit or `_`. NaN (behind the end) is none. */
export function isWordUnit(unit: number): boolean {
  return unit < 128 && WORD[unit] === 1;
}

/** What stands before a word although it ends in a letter or digit: `\n`, `\u001b`, `%20`, `ESC[31m`. */
const ESCAPE_BEFORE = /(?:\\[nrtbf]|\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|\[[\d;]{0,8}m)$/;
const LONGEST_ESCAPE = 10;

/** Whether a word begins at `at`: what is before belongs to none, or is an escape. */
export function startsWord(text: string, at: number): boolean {
  if (at === 0 || !isWordUnit(text.charCodeAt(at - 1))) return true;
  return ESCAPE_BEFORE.test(text.slice(Math.max(0, at - LONGEST_ESCAPE), at));
}

/** How many characters of `run` are the end of an escape whose backslash stands right before it. */
export function escapeLength(run: string, before: string): number {
  if (before !== '\\') return 0;
  if (/^u[0-9a-fA-F]{4}/.test(run)) return 5;
  return /^[nrtbfu]/.test(run) ? 1 : 0;
}
