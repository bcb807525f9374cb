/** What scripts/coverage-table runs. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../support/paths.js';
import { AGENTS, agent, YEAR } from './agents.js';
import { foundBy } from './found.js';
import type { Program, Trust } from './program.js';
import { type Run, runProgram, type Watch } from './run.js';
import { QUICK, SLOW } from './small.js';
import { page, type Row, releasesIn, rowOf, table } from './table.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: 'boolean' },
    list: { type: 'boolean' },
    trust: { type: 'string' },
    watch: { type: 'string' },
    keep: { type: 'string' },
    rows: { type: 'string' },
  },
});

const all: readonly Program[] = [...AGENTS, ...YEAR, ...QUICK, ...SLOW];

/** `claude` is every one of that name; `claude@2.1.329` that version, listed or not. */
function chosen(word: string): Program[] {
  const [name = '', version] = word.split('@');
  if (version !== undefined) {
    const one = agent(name, version);
    if (one !== undefined) return [one];
  }
  const found = all.filter((program) => program.name.startsWith(name));
  if (found.length > 0) return found;
  process.stderr.write(`coverage-table: no program ${word}; there are ${[...new Set(all.map((program) => program.name))].join(', ')}\n`);
  process.exit(64);
}

const programs = positionals.length === 0 ? all : positionals.flatMap(chosen);
if (values.list) {
  for (const program of programs) process.stdout.write(`${program.name} ${program.version}\n`);
  process.exit(0);
}

/**
 * Agents are watched both ways, the small ones by `--`: by `-c` they would show the same of a first meeting each time. The
 * releases in between are only told from each other.
 */
function watches(program: Program): Watch[] {
  if (values.watch !== undefined) return [values.watch as Watch];
  if (YEAR.includes(program)) return ['command'];
  return AGENTS.includes(program) || agent(program.name, program.version) !== undefined ? ['command', 'name'] : ['command'];
}

function tell(run: Run, row: Row): void {
  const mark = row.problems.length === 0 ? 'equal' : 'NOT  ';
  process.stderr.write(
    `${mark} ${row.program} ${row.version} ${row.trust} ${row.watch}: ${row.exact} of ${row.connections} connections, ${row.wrote.join('/')} written, ${row.read.join('/')} read, ${row.tls} (${run.seconds.toFixed(1)} s)\n`,
  );
  for (const problem of row.problems.slice(0, 20)) process.stderr.write(`      ${problem}\n`);
}

const keyOf = (row: Row): string => [row.program, row.version, row.trust, row.watch].join();

/** Of earlier runs, by --rows: those that are made now take their place. */
const earlier: Row[] = values.rows !== undefined && existsSync(values.rows) ? JSON.parse(readFileSync(values.rows, 'utf8')) : [];
const rows: Row[] = [];

/** All that is known, in the order of the programs. */
function together(): Row[] {
  const now = new Set(rows.map(keyOf));
  const place = (row: Row): number => all.findIndex((program) => program.name === row.program && program.version === row.version);
  return [...earlier.filter((row) => !now.has(keyOf(row))), ...rows].sort((a, b) => place(a) - place(b));
}

let unavailable = 0;
for (const program of programs) {
  const missing = program.missing?.();
  if (missing !== undefined) {
    unavailable++;
    process.stderr.write(`NOT   ${missing}\n`);
    continue;
  }
  const offered = YEAR.includes(program) ? program.trusts.slice(0, 1) : program.trusts;
  const trusts = offered.filter((trust) => values.trust === undefined || trust === (values.trust as Trust));
  for (const trust of trusts) {
    for (const watch of watches(program)) {
      let keep: string | undefined;
      if (values.keep !== undefined) {
        keep = join(values.keep, `${program.name}-${program.version}-${trust}-${watch}`.replace(/[^\w.-]+/g, '-'));
        mkdirSync(keep, { recursive: true });
      }
      try {
        const run = await runProgram(program, trust, watch, keep);
        if (keep !== undefined) writeFileSync(join(keep, 'said'), run.said);
        const row = rowOf(run, foundBy(run.events));
        rows.push(row);
        if (values.rows !== undefined) writeFileSync(values.rows, JSON.stringify(together()));
        tell(run, row);
      } catch (error) {
        unavailable++;
        process.stderr.write(`NOT   ${program.name} ${trust} ${watch}: ${(error as Error).message}\n`);
      }
    }
  }
}
const coverage = join(root, 'docs/coverage.md');
if (values.write)
  writeFileSync(coverage, page(together(), `x86-64, kernel ${release().split('-')[0]}`, releasesIn(readFileSync(coverage, 'utf8'))));
else process.stdout.write(table(together()));
const unequal = rows.filter((row) => row.problems.length > 0).length;
process.stderr.write(
  `${rows.length - unequal} of ${rows.length} runs are equal${unavailable > 0 ? `, ${unavailable} could not be made` : ''}\n`,
);
process.exit(unequal + unavailable > 0 ? 1 : 0);
