/** The little language of `tracer pipe`: words, quotes and `|`, as a shell reads them. */
import { CommandError, EXIT } from '../stream/exit.js';

export interface PipePart {
  /** The command's name and its arguments: at least one word. */
  words: string[];
  /** Where the part begins, from 1. */
  column: number;
}

/** What a shell would do and we do not: better refused than taken literally. */
const SHELL_ONLY: Record<string, string> = {
  '>': 'Redirect the output of tracer pipe itself',
  '<': 'Redirect the input of tracer pipe itself',
  '&': 'Put it after the closing quote',
  ';': 'Run two commands',
  $: 'Let the shell fill it in: use double quotes around the pipeline, or quote it here',
  '`': 'Let the shell fill it in: use double quotes around the pipeline, or quote it here',
  '(': 'Quote it',
  ')': 'Quote it',
};

function refuse(column: number, what: string, next: string): never {
  throw new CommandError(EXIT.usage, `column ${column}: ${what}`, next);
}

/**
 * Takes a pipeline apart: words are divided by white space; `'…'` is literal, in `"…"` a backslash keeps `"`, `\`, `$`
 * and `` ` `` literal, elsewhere it keeps any character. Throws a {@link CommandError} that names the column.
 */
export function parsePipe(text: string): PipePart[] {
  const parts: PipePart[] = [];
  let part: PipePart = { words: [], column: 1 };
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) part.words.push(word);
    word = undefined;
  };
  const endPart = (column: number): void => {
    endWord();
    if (part.words.length === 0) {
      refuse(column, text.trim() === '' ? 'the pipeline is empty' : 'a part is missing here', "Write it like 'replay FILE | http | show'");
    }
    parts.push(part);
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (/\s/.test(char)) {
      endWord();
      continue;
    }
    if (char === '|') {
      endPart(i + 1);
      part = { words: [], column: i + 2 };
      continue;
    }
    if (part.words.length === 0 && word === undefined) part.column = i + 1;
    if (char === "'" || char === '"') {
      const [content, end] = quoted(text, i, char);
      word = (word ?? '') + content;
      i = end;
    } else if (char === '\\') {
      if (i + 1 >= text.length) refuse(i + 1, 'a backslash at the end', 'Remove it');
      word = (word ?? '') + text[++i];
    } else if (Object.hasOwn(SHELL_ONLY, char)) {
      refuse(i + 1, `${char} means nothing here`, SHELL_ONLY[char] as string);
    } else {
      word = (word ?? '') + char;
    }
  }
  endPart(text.length + 1);
  return parts;
}

/** The content of a quotation that opens at `open`, and where it closes. */
function quoted(text: string, open: number, quote: string): [string, number] {
  let content = '';
  for (let i = open + 1; i < text.length; i++) {
    const char = text[i] as string;
    if (char === quote) return [content, i];
    if (quote === '"' && char === '\\' && '"\\$`'.includes(text[i + 1] ?? '?')) content += text[++i];
    else content += char;
  }
  return refuse(open + 1, `a quotation opens with ${quote} and does not close`, `Add the closing ${quote}`);
}
