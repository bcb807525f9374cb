/** Looks through a text for all that is secret: the shapes and names that are built in, and the rules of a user. */
import { type FindResult, findSecrets } from './find.js';
import type { Found } from './look.js';
import type { Rule } from './rules.js';

/** In a text that goes on, a user's rule is tried on lines; a longer line is divided. */
export const LONGEST_RULE_LINE = 4096;

export type Finder = (text: string, from: number, final: boolean) => FindResult;

/** A finder that obeys the rules as well. */
export function finder(rules: readonly Rule[]): Finder {
  if (rules.length === 0) return findSecrets;
  return (text, from, final) => {
    const built = findSecrets(text, from, final);
    if (final) return { ...built, found: united([...built.found, ...byRules(rules, text, from, text.length)]) };
    // Only whole lines are looked at, so that it does not matter where the text was cut.
    const begin = Math.max(from, text.lastIndexOf('\n') + 1);
    const open = Math.min(built.undecided, text.length - begin > LONGEST_RULE_LINE ? begin + LONGEST_RULE_LINE : begin);
    const line = Math.max(from, text.lastIndexOf('\n', open - 1) + 1);
    let undecided = open - line > LONGEST_RULE_LINE ? open : line;
    for (const { start, end } of built.found) if (start < undecided && end > undecided) undecided = end;
    const found = united([...built.found, ...byRules(rules, text, from, undecided)]).filter(({ end }) => end <= undecided);
    return { found, undecided, open: built.open };
  };
}

function byRules(rules: readonly Rule[], text: string, from: number, to: number): Found[] {
  const found: Found[] = [];
  for (let start = from; start < to; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 || newline >= to ? to : newline;
    const line = text.slice(start, end);
    for (const rule of rules) for (const [a, b] of rule.find(line)) found.push({ start: start + a, end: start + b, rest: 'line' });
    start = end + 1;
  }
  return found;
}

/** In order; what overlaps is one. */
function united(all: Found[]): Found[] {
  const sorted = all.sort((a, b) => a.start - b.start || b.end - a.end);
  const out: Found[] = [];
  for (const each of sorted) {
    const last = out.at(-1);
    if (last !== undefined && each.start < last.end) last.end = Math.max(last.end, each.end);
    else out.push({ ...each });
  }
  return out;
}
