/**
 * Runs fuzz targets over seeds. Called by scripts/fuzz, which prints the usage, and by CI (seeds-1.test.ts, seeds-2.test.ts).
 * Prints the seed of what it finds; the same seed gives the same input again.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TARGETS, type Target } from './targets.js';

/** Seeds after which the event loop has its turn: zlib frees memory only there. */
const TURN = 50;

export interface Seeds {
  from: number;
  /** The first that is not run. */
  end: number;
  /** Every so many-th only. */
  step: number;
  /** Milliseconds since the epoch after which no seed is begun. */
  deadline: number;
}

/** Runs the seeds; returns how many, and what was found. */
export async function fuzz(target: Target, { from, end, step, deadline }: Seeds): Promise<{ ran: number; found: string | undefined }> {
  let ran = 0;
  for (let seed = from; seed < end; seed += step) {
    let wrong: string | undefined;
    try {
      wrong = target.wrongWith(seed);
    } catch (error) {
      wrong = `it threw: ${(error as Error).stack}`;
    }
    ran++;
    if (wrong !== undefined) return { ran, found: `${target.name}, seed ${seed}: ${wrong}` };
    if (ran % TURN === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      if (Date.now() > deadline) break;
    }
  }
  return { ran, found: undefined };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '100000' },
      from: { type: 'string', default: '1' },
      step: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '0' },
    },
  });
  const unknown = positionals.find((name) => !TARGETS.some((target) => target.name === name));
  if (unknown !== undefined) {
    process.stderr.write(`fuzz: no target ${unknown}; there are ${TARGETS.map(({ name }) => name).join(', ')}\n`);
    return 64;
  }
  const seconds = Number(values.seconds);
  let status = 0;
  for (const target of TARGETS) {
    if (positionals.length > 0 && !positionals.includes(target.name)) continue;
    const deadline = seconds > 0 ? Date.now() + seconds * 1000 : Number.POSITIVE_INFINITY;
    const [from, step] = [Number(values.from), Number(values.step)];
    // Of processes that share the work, each begins at a seed of its own and they end at the same.
    const end = from - ((from - 1) % step) + Number(values.seeds);
    const seeds = { from, end, step, deadline };
    const began = process.hrtime.bigint();
    const { ran, found } = await fuzz(target, seeds);
    const took = Number(process.hrtime.bigint() - began) / 1e9;
    const rss = Math.round(process.memoryUsage().rss / 1e6);
    process.stdout.write(`${target.name}: ${ran} seeds in ${took.toFixed(0)} s, ${rss} MB, ${found ?? 'nothing found'}\n`);
    if (found !== undefined) status = 1;
  }
  return status;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();
