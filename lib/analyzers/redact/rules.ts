/**
 * The rules of a user: a line each, a name and a pattern. Patterns are RE2's (docs/decisions/0008): whatever they say,
 * the time they take grows with the text, not with its square.
 */
import type { RE2JS } from 're2js';

export interface Rule {
  name: string;
  /** The places in `text` that it says are secret: its first group where it has one, else all that it matches. */
  find(text: string): Iterable<readonly [number, number]>;
}

/** The engine, given by who has a use for it: it is large, and most runs have no rules. */
export type Engine = Pick<typeof RE2JS, 'compile'>;

export const MOST_RULES = 256;
const LONGEST_PATTERN = 2048;

/** A rule that is none, and where. */
export class RuleError extends Error {
  constructor(
    readonly line: number,
    readonly column: number,
    message: string,
  ) {
    super(message);
    this.name = 'RuleError';
  }
}

/** Reads the rules in `text`. Throws a {@link RuleError} at the first that is none. */
export function parseRules(text: string, engine: Engine): Rule[] {
  const rules: Rule[] = [];
  const names = new Map<string, number>();
  for (const [i, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = raw.trimEnd();
    const indent = line.length - line.trimStart().length;
    if (line === '' || line[indent] === '#') continue;
    const fail = (column: number, message: string): never => {
      throw new RuleError(i + 1, column, message);
    };
    const [, name = '', blank = '', pattern = ''] = /^(\S+)(\s*)(.*)$/.exec(line.slice(indent)) ?? [];
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name))
      fail(indent + 1, `${JSON.stringify(name.slice(0, 40))} is no name: letters, digits, - _ and .`);
    if (names.has(name)) fail(indent + 1, `${name} is the name of the rule in line ${names.get(name)} already`);
    const column = indent + name.length + blank.length + 1;
    if (pattern === '') fail(column, `the rule ${name} has no pattern`);
    if (pattern.length > LONGEST_PATTERN) fail(column + LONGEST_PATTERN, `the pattern is longer than ${LONGEST_PATTERN} characters`);
    if (rules.length === MOST_RULES) fail(1, `more than ${MOST_RULES} rules`);
    names.set(name, i + 1);
    rules.push(compile(name, pattern, engine, (at, message) => fail(column + at, message)));
  }
  return rules;
}

function compile(name: string, pattern: string, engine: Engine, fail: (at: number, message: string) => never): Rule {
  let compiled: RE2JS;
  try {
    compiled = engine.compile(pattern);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return fail(placeOf(pattern, message), message.replace(/^error parsing regexp: /, ''));
  }
  if (compiled.matcher('').find()) fail(0, 'the pattern matches the empty text: it would find a secret everywhere');
  const literal = literalOf(pattern);
  const group = compiled.groupCount() > 0 ? 1 : 0;
  return {
    name,
    *find(text) {
      if (!text.includes(literal)) return;
      const matcher = compiled.matcher(text);
      while (matcher.find()) {
        const inner = group > 0 && matcher.start(group) >= 0 ? group : 0;
        const start = matcher.start(inner);
        const end = matcher.end(inner);
        if (end > start) yield [start, end];
      }
    },
  };
}

/** Where in the pattern the fault is: RE2 quotes the part that it did not understand. */
function placeOf(pattern: string, message: string): number {
  const quoted = /`([\s\S]*)`$/.exec(message)?.[1] ?? '';
  const at = quoted === '' ? -1 : pattern.lastIndexOf(quoted);
  return at < 0 ? 0 : at;
}

/** Escapes that stand for one character of several, or for a place. */
const CLASSES = 'dDwWsSbBAz';

/** A text that whatever the pattern matches must contain, so that most texts need no matching; empty where none is plain to see. */
export function literalOf(pattern: string): string {
  // Flags, odd classes, and escapes that are written longer than a character.
  if (/\(\?[^:P]|\[\^?\]|\[[^\]]*\[|\\[a-zA-Z0-9]/.test(pattern.replace(SHORT_ESCAPES, ''))) return '';
  let groups = 0;
  let braces = 0;
  let inClass = false;
  let run = '';
  let longest = '';
  const end = (): void => {
    if (run.length > longest.length) longest = run;
    run = '';
  };
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    let char = characters[at] as string;
    const escaped = char === '\\';
    if (escaped) char = characters[++at] ?? '';
    if (inClass) {
      if (char === ']' && !escaped) inClass = false;
    } else if (escaped) {
      if (CLASSES.includes(char)) end();
      else if (groups === 0 && braces === 0) run += char;
    } else if (char === '|') {
      // What only one choice has may be absent.
      if (groups === 0) return '';
    } else if ('?*{'.includes(char)) {
      // What may be repeated may be absent.
      run = [...run].slice(0, -1).join('');
      end();
      if (char === '{') braces++;
    } else if ('()'.includes(char)) {
      end();
      groups += char === '(' ? 1 : -1;
    } else if (char === '}') {
      end();
      if (braces > 0) braces--;
    } else if ('.^$+['.includes(char)) {
      end();
      if (char === '[') inClass = true;
    } else if (groups === 0 && braces === 0) {
      run += char;
    }
  }
  end();
  return longest;
}

const SHORT_ESCAPES = new RegExp(`\\\\(?:[${CLASSES}]|[^a-zA-Z0-9])`, 'g');
