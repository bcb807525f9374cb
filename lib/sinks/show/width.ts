/** How many columns of a terminal a text takes. */
import { eastAsianWidth } from 'get-east-asian-width';

/** One column each: ASCII, Latin, Greek and Cyrillic letters, and the signs that Tracer itself writes. */
const NARROW = /^[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u0530…·←→]*$/;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
const NO_WIDTH = /^[\p{M}\p{Default_Ignorable_Code_Point}]+$/u;

let segmenter: Intl.Segmenter | undefined;

/** The characters as a person counts them (extended grapheme clusters, UAX 29). The same in every locale. */
export function* graphemes(text: string): Generator<string> {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

/** Columns of one grapheme: 0, 1 or 2 (UAX 11; ambiguous characters are narrow). */
export function graphemeWidth(grapheme: string): number {
  if (NO_WIDTH.test(grapheme)) return 0;
  if (EMOJI.test(grapheme)) return 2;
  // The halfwidth voicing marks of Katakana join the letter before them, and take a column of their own.
  return eastAsianWidth(grapheme.codePointAt(0) ?? 0) + (/[\uff9e\uff9f]$/.test(grapheme) && grapheme.length > 1 ? 1 : 0);
}

/** Columns of a text without control characters. */
export function textWidth(text: string): number {
  if (NARROW.test(text)) return text.length;
  let columns = 0;
  for (const grapheme of graphemes(text)) columns += graphemeWidth(grapheme);
  return columns;
}

/** The longest beginning that fits into `columns`, in whole graphemes, and what it takes. */
export function fit(text: string, columns: number): { text: string; columns: number } {
  if (NARROW.test(text)) {
    const kept = text.slice(0, Math.max(0, columns));
    return { text: kept, columns: kept.length };
  }
  let used = 0;
  let end = 0;
  for (const grapheme of graphemes(text)) {
    const width = graphemeWidth(grapheme);
    if (used + width > columns) break;
    used += width;
    end += grapheme.length;
  }
  return { text: text.slice(0, end), columns: used };
}
