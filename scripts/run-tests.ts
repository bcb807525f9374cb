/**
 * Runs the test files, each in a Node process of its own, and adds up what they say in TAP. Called by scripts/test,
 * which sees to it that everything is installed and built.
 */
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type FileResult, runFile } from './lib/tap-file.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

const USAGE = `Usage: scripts/test [--tier TIER]... [--no-setup] [--list] [FILTER]...

Sets up what is missing, builds, and runs the tests. FILTER: only files whose path contains it.

Tiers (default: all):
  anywhere   pure code and commands, no privileges
  fuzz       100,000 fixed seeds for each byte parser
  corpora    other projects' test suites as event streams
  live       real programs under real probes; needs root
  agents     real agents from npm, offline in namespaces, byte by byte; needs root
  vm         Debian kernels in QEMU guests

Options:
  --tier TIER    only this tier; repeatable or comma-separated
  --no-setup     run what is built
  --list         print the files of the chosen tiers and end
  --timeout S    deadline of one file (default: by tier)
  -h, --help     this text

The last line is \`N passed, N failed, N skipped\`. Exit status 1 when something failed. With CI=true what is skipped has failed.
`;

const TIERS = ['anywhere', 'fuzz', 'corpora', 'live', 'agents', 'vm'] as const;
type Tier = (typeof TIERS)[number];

/** How many files run at once, and how long one may take, in seconds. */
const MANNERS: Record<Tier, { atOnce: number; seconds: number }> = {
  anywhere: { atOnce: 2, seconds: 180 },
  fuzz: { atOnce: 2, seconds: 900 },
  corpora: { atOnce: 2, seconds: 300 },
  // The first time some workloads are built, Rust ones among them.
  live: { atOnce: 1, seconds: 900 },
  // The first time it downloads 250 MB.
  agents: { atOnce: 1, seconds: 600 },
  vm: { atOnce: 1, seconds: 600 },
};

/** The tier of a test, by its place: test/live, test/agents, test/vm …; everything else runs anywhere. */
function tierOf(source: string): Tier {
  const room = source.split('/')[1] ?? '';
  return TIERS.find((tier) => tier === room) ?? 'anywhere';
}

/** Sources of all test files, relative to the clone. What is built without a source any more is not run. */
function testSources(): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
    .map((name) => `test/${name}`)
    .sort();
}

const built = (source: string): string => join(root, 'dist', source.replace(/\.ts$/, '.js'));

function report(result: FileResult): void {
  const { source, passed, failures, skips, seconds } = result;
  const mark = failures.length > 0 ? 'FAIL' : 'ok  ';
  const skipped = skips.length > 0 ? `, ${skips.length} skipped` : '';
  const failed = failures.length > 0 ? `, ${failures.length} failed` : '';
  process.stdout.write(`${mark} ${source}: ${passed} passed${failed}${skipped} (${seconds.toFixed(1)} s)\n`);
  for (const reason of skips) process.stdout.write(`     skipped: ${reason}\n`);
  for (const failure of failures) process.stdout.write(`${failure.replace(/^/gm, '     ')}\n`);
  if (failures.length > 0 && result.stderr) process.stdout.write(`     stderr:\n${result.stderr.replace(/^/gm, '       ')}\n`);
}

/** Why a whole tier cannot run here, as a sentence. */
function obstacle(tier: Tier): string | undefined {
  if ((tier === 'live' || tier === 'agents') && process.getuid?.() !== 0) return `the ${tier} tests need root: sudo scripts/test`;
  return undefined;
}

async function runTier(tier: Tier, sources: readonly string[], seconds: number | undefined): Promise<FileResult[]> {
  const results: FileResult[] = [];
  const missing = obstacle(tier);
  if (missing !== undefined) {
    return sources.map((source) => ({ source, passed: 0, failures: [], skips: [missing], seconds: 0, stderr: '' }));
  }
  const manners = MANNERS[tier];
  const queue = [...sources];
  const worker = async (): Promise<void> => {
    for (let source = queue.shift(); source !== undefined; source = queue.shift()) {
      const result = await runFile(source, built(source), root, seconds ?? manners.seconds);
      report(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: manners.atOnce }, worker));
  return results;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tier: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      timeout: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const wanted = (values.tier ?? []).flatMap((list) => list.split(','));
  const unknown = wanted.find((name) => !(TIERS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`test: no tier ${unknown}; there are ${TIERS.join(', ')}\n`);
    return 64;
  }
  const sources = testSources().filter((source) => positionals.length === 0 || positionals.some((part) => source.includes(part)));
  const tiers = TIERS.filter((tier) => wanted.length === 0 || wanted.includes(tier));
  const chosen = sources.filter((source) => tiers.includes(tierOf(source)));
  if (values.list) {
    process.stdout.write(chosen.map((source) => `${relative('.', source)}\n`).join(''));
    return 0;
  }
  if (chosen.length === 0) {
    process.stderr.write('test: no test file matches\n');
    return 64;
  }

  const started = process.hrtime.bigint();
  const results: FileResult[] = [];
  for (const tier of tiers) {
    const ofTier = chosen.filter((source) => tierOf(source) === tier);
    if (ofTier.length === 0) continue;
    process.stdout.write(`\n# ${tier} (${ofTier.length} files)\n`);
    results.push(...(await runTier(tier, ofTier, values.timeout === undefined ? undefined : Number(values.timeout))));
  }

  const sum = (count: (result: FileResult) => number): number => results.reduce((total, result) => total + count(result), 0);
  const strict = process.env['CI'] === 'true';
  const skipped = sum((result) => result.skips.length);
  const failed = sum((result) => result.failures.length) + (strict ? skipped : 0);
  const minutes = Number(process.hrtime.bigint() - started) / 60e9;
  process.stdout.write(`\n${results.length} files in ${minutes.toFixed(1)} min\n`);
  const bad = results.filter((result) => result.failures.length > 0 || (strict && result.skips.length > 0));
  if (bad.length > 0) process.stdout.write(`failed: ${bad.map((result) => result.source).join(' ')}\n`);
  const left = results.filter((result) => result.skips.length > 0);
  for (const reason of new Set(left.flatMap((result) => result.skips))) process.stdout.write(`skipped: ${reason}\n`);
  process.stdout.write(`${sum((result) => result.passed)} passed, ${failed} failed, ${strict ? 0 : skipped} skipped\n`);
  return failed > 0 ? 1 : 0;
}

// Tests see the same surroundings whoever runs them: no option of ours from the environment.
for (const name of Object.keys(process.env)) if (name.startsWith('TRACER_') && !name.startsWith('TRACER_IN_')) delete process.env[name];
process.exitCode = await main();
