// Puts what scripts/mutate found into docs/quality.md: one row for each file that was changed; the rows of others stay.
// Usage: node mutation-table.mjs REPORT.json QUALITY.md COMMIT
import { readFileSync, writeFileSync } from 'node:fs';

const [report, page, commit] = process.argv.slice(2);
const BEGIN = '<!-- mutants: written by scripts/mutate -->';
const END = '<!-- end of mutants -->';

const text = readFileSync(page, 'utf8');
const begin = text.indexOf(BEGIN) + BEGIN.length;
const end = text.indexOf(END);
if (begin < BEGIN.length || end < begin) throw new Error(`${page} has no place for the table`);

const rows = new Map();
for (const line of text.slice(begin, end).split('\n')) {
  const file = /^\| `(.+?)` \|/.exec(line)?.[1];
  if (file) rows.set(file, line);
}
for (const [file, { mutants }] of Object.entries(JSON.parse(readFileSync(report, 'utf8')).files)) {
  const count = (...statuses) => mutants.filter(({ status }) => statuses.includes(status)).length;
  const noticed = count('Killed', 'Timeout');
  const not = count('Survived', 'NoCoverage');
  if (noticed + not === 0) continue;
  rows.set(
    file,
    `| \`${file}\` | ${((100 * noticed) / (noticed + not)).toFixed(1)} % | ${noticed} | ${not} | ${count('Ignored')} | ${commit} |`,
  );
}
const table = [
  '| file | score | noticed | not noticed | left out | commit |',
  '|---|---|---|---|---|---|',
  ...[...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
];
writeFileSync(page, `${text.slice(0, begin)}\n${table.join('\n')}\n${text.slice(end)}`);
