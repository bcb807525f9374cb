/** The examples of a page: fenced `console` blocks, in which lines with `$ ` are typed and the others are what is printed. */

export interface ConsoleBlock {
  /** What is typed, as one shell script. */
  script: string;
  /** What is printed on stdout, all of it. */
  output: string;
  /** Number of the block's first line in the page, from 1. */
  line: number;
}

export function consoleBlocks(page: string): ConsoleBlock[] {
  const blocks: ConsoleBlock[] = [];
  let open: { line: number; typed: string[]; printed: string[] } | undefined;
  for (const [at, line] of page.split('\n').entries()) {
    if (open === undefined) {
      if (line === '```console') open = { line: at + 2, typed: [], printed: [] };
    } else if (line === '```') {
      blocks.push({ script: open.typed.join('\n'), output: open.printed.map((each) => `${each}\n`).join(''), line: open.line });
      open = undefined;
    } else if (line.startsWith('$ ')) {
      open.typed.push(line.slice(2));
    } else {
      open.printed.push(line);
    }
  }
  return blocks;
}

/** What differs from run to run and from machine to machine, and its name. */
const VARIABLE: [RegExp, string][] = [
  [/\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME'],
  [/\d{4}-\d\d-\d\d UTC/g, 'DATE'],
  [/\[\d+\]/g, '[PID]'],
  [/\b\d+(?:\.\d+)? (?:B|kB)\b/g, 'SIZE'],
  [/\b\d+(?:\.\d+)? m?s\b/g, 'DURATION'],
  [/\bon \S+, kernel [^\s,]+/g, 'on HOST, kernel VERSION'],
  [/\b\d+ probes\b/g, 'PROBES'],
  [/\b\d+ known gaps?\b/g, 'GAPS'],
  // A process may be gone before its working directory was read.
  [/ in \/\S+/g, ''],
  [/\buid \d+/g, 'uid UID'],
];

/** A text in which everything that may differ is replaced by its name. */
export function normalised(text: string): string {
  return VARIABLE.reduce((so_far, [pattern, name]) => so_far.replace(pattern, name), text);
}
