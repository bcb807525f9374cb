/**
 * Event text is written by whoever is watched: it may hold escape sequences that drive a terminal, marks that turn
 * the reading order round, and characters that take no room and hide a message. Here all of them become visible.
 */

/** Controls, format characters, lone surrogates, line separators, and everything else that a terminal shows as nothing (Unicode: Default_Ignorable_Code_Point). */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const PLAIN = /^[\x20-\x7e]*$/;
/** Marks stacked on one letter: no script needs more than this, and a pile of them paints over other lines. */
const STACKED = /(\p{M}{8})(\p{M}+)/gu;

const ZWNJ = '\u200c';
const ZWJ = '\u200d';
const TEXT_STYLE = '\ufe0e';
const EMOJI_STYLE = '\ufe0f';
const JOINS_BEFORE = /(?:\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?|[\p{L}\p{M}])$/u;
const JOINS_AFTER = /^(?:\p{Extended_Pictographic}|[\p{L}\p{M}])/u;
const STYLED_BEFORE = /[\p{Extended_Pictographic}0-9#*]$/u;

/**
 * The text as it may be written to a terminal: every control, bidi, invisible or unpaired character is replaced by
 * its escape (`\x1b`, `\u202e`, `\u{e0041}`). Joiners stay inside emoji and between letters (Persian, Hindi), an
 * emoji style behind its emoji. Newlines and tabs are escaped as well: who lays out lines splits them first.
 * Idempotent.
 */
export function visible(text: string): string {
  if (PLAIN.test(text)) return text;
  return text
    .replace(UNSAFE, (character, at: number) => (mayStay(character, text, at) ? character : escapeOf(character)))
    .replace(STACKED, (_, kept: string, rest: string) => `${kept}[+${[...rest].length} marks]`);
}

function mayStay(character: string, text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 4), at);
  if (character === EMOJI_STYLE || character === TEXT_STYLE) return STYLED_BEFORE.test(before);
  if (character === ZWJ || character === ZWNJ) return JOINS_BEFORE.test(before) && JOINS_AFTER.test(text.slice(at + 1, at + 3));
  return false;
}

function escapeOf(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/** The first `limit` UTF-16 units, never half a surrogate pair. */
export function head(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const last = text.charCodeAt(limit - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit);
}
