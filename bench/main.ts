/**
 * `scripts/bench`: every figure that the project promises, measured in one run against its named baseline.
 * Prints the table and, when all rows ran, writes docs/benchmarks.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Bench } from './bench.js';
import { measuredIn, page } from './page.js';
import { filterRows } from './rows/filters.js';
import { flatOutRows } from './rows/flat-out.js';
import { guardRows } from './rows/guard.js';
import { libraryRows } from './rows/libraries.js';
import { llmRows } from './rows/llm.js';
import { netRows } from './rows/net.js';
import { processRows } from './rows/processes.js';
import { resourceRows } from './rows/resources.js';
import { agentRows, serverRows } from './rows/servers.js';
import { tlsPairRows } from './rows/tls-pair.js';
import { wireRows } from './rows/wire.js';
import { machine, markdown, type Row } from './table.js';
import { Workshop } from './targets.js';

/** Name on the command line → rows. In the order of the table. */
const ROWS: Record<string, { needs: string; run(bench: Bench): Promise<Row[]> }> = {
  pair: { needs: 'root', run: tlsPairRows },
  libraries: { needs: 'root', run: libraryRows },
  'flat-out': { needs: 'root', run: flatOutRows },
  agents: { needs: 'root', run: agentRows },
  servers: { needs: 'root', run: serverRows },
  net: { needs: 'root', run: netRows },
  guard: { needs: 'root', run: guardRows },
  filters: { needs: '', run: filterRows },
  llm: { needs: '', run: llmRows },
  wire: { needs: '', run: wireRows },
  processes: { needs: 'root', run: processRows },
  resources: { needs: '', run: resourceRows },
};

const PAGE = 'docs/benchmarks.md';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    stream: { type: 'string', default: '1000' },
    list: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (values.list) {
    for (const [name, { needs }] of Object.entries(ROWS)) console.log(`${name}${needs === '' ? '' : ` (${needs})`}`);
    return 0;
  }
  const unknown = positionals.filter((name) => !(name in ROWS));
  if (unknown.length > 0) {
    console.error(`bench: no rows named ${unknown.join(', ')}; there are: ${Object.keys(ROWS).join(', ')}`);
    return 64;
  }
  const names = positionals.length > 0 ? positionals : Object.keys(ROWS);
  if (process.getuid?.() !== 0 && names.some((name) => ROWS[name]?.needs === 'root')) {
    console.error('bench: sensors need root: run it with sudo');
    return 77;
  }
  const workshop = new Workshop();
  const interrupted = (): void => {
    workshop.close();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const several = cpus().length > 1;
  const bench: Bench = {
    workshop,
    rounds: Math.max(1, Number(values.rounds)),
    seconds: Number(values.seconds),
    streamBytes: Number(values.stream) * 1e6,
    targetCpu: 0,
    sensorCpu: several ? 1 : 0,
    say: (text) => console.error(`bench: ${text}`),
  };
  const where = machine();
  const rows: { libraries: Row[]; figures: Row[] } = { libraries: [], figures: [] };
  try {
    for (const name of names) {
      const part = name === 'libraries' ? rows.libraries : rows.figures;
      try {
        part.push(...((await ROWS[name]?.run(bench)) ?? []));
      } catch (error) {
        // The rest is still worth having.
        const { message } = error as Error;
        bench.say(`${name}: ${message}`);
        part.push({ what: name, against: '–', ours: 'failed', theirs: '–', ratio: '–', bar: '–', note: message.split('\n')[0] ?? '' });
      }
    }
  } finally {
    workshop.close();
  }
  const text = (part: Row[]): string => (part.length === 0 ? '' : markdown(part, where, bench.rounds));
  const measured = { figures: text(rows.figures), libraries: text(rows.libraries) };
  console.log([measured.figures, measured.libraries].filter((part) => part !== '').join('\n'));
  if (values.write) {
    mkdirSync('docs', { recursive: true });
    const before = measuredIn(existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '');
    writeFileSync(PAGE, page({ figures: measured.figures || before.figures, libraries: measured.libraries || before.libraries }));
  }
  return 0;
}

process.exitCode = await main();
