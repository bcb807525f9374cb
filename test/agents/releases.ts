/**
 * What scripts/releases runs: the finder's answer for many releases of the agents that bring their own TLS. One package at
 * a time is fetched by npm, looked into, and deleted again.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ElfImage } from '../../lib/elf/image.js';
import { parseKernelVersion } from '../../lib/elf/probe-cost.js';
import { findTls } from '../../lib/elf/tls-finder.js';
import type { TlsFinding } from '../../lib/elf/tls-finding.js';
import { root } from '../support/paths.js';
import { RELEASES_BEGIN, RELEASES_END } from './table.js';

const KERNEL = parseKernelVersion(release()) ?? { major: 5, minor: 10 };
const YEAR_MS = 365 * 24 * 3600 * 1000;
/** Smaller files are helpers. */
const LEAST_BYTES = 20 * 1024 * 1024;

interface Agent {
  name: string;
  /** The package whose releases are meant. */
  package: string;
  /** What npm is asked for, best first: releases differ in where the program lies. */
  fetched(version: string): string[];
}

const AGENTS: readonly Agent[] = [
  {
    name: 'claude',
    // Releases before it had none were JavaScript on the user's Node, whose OpenSSL is read by its names.
    package: '@anthropic-ai/claude-code-linux-x64',
    fetched: (version) => [`@anthropic-ai/claude-code-linux-x64@${version}`],
  },
  {
    name: 'codex',
    package: '@openai/codex',
    fetched: (version) => [`@openai/codex@${version}-linux-x64`, `@openai/codex@${version}`],
  },
];

interface Row {
  name: string;
  version: string;
  date: string;
  bytes?: number;
  answer: string;
  seconds?: number;
  /** Reads and writes can be taken from it. */
  found: boolean;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean' }, count: { type: 'string', default: '24' }, rows: { type: 'string' } },
});

function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', [...args, '--loglevel=error'], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
}

/** Plain releases of the last twelve months, by version, at most `count` of them in even steps, the newest among them. */
function releasesOf(agent: Agent, count: number): { version: string; date: string }[] {
  const times = JSON.parse(npm(['view', agent.package, 'time', '--json'], root)) as Record<string, string>;
  const since = Date.now() - YEAR_MS;
  const all = Object.entries(times)
    .filter(([version, time]) => /^\d+\.\d+\.\d+$/.test(version) && Date.parse(time) >= since)
    .map(([version, time]) => ({ version, date: time.slice(0, 10) }))
    .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  process.stderr.write(`${agent.package}: ${all.length} releases of the last twelve months\n`);
  if (all.length <= count) return all;
  return Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))] as (typeof all)[number]);
}

function isElf(path: string): boolean {
  const head = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  readSync(fd, head, 0, 4, 0);
  closeSync(fd);
  return head.toString('latin1') === '\x7fELF';
}

/** The largest x86-64 program of that name below a directory. */
function programIn(dir: string, name: string): string | undefined {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => statSync(path).size >= LEAST_BYTES && !/aarch64|arm64/.test(path) && basename(path).startsWith(name) && isElf(path));
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
}

function readsAndWrites({ sites }: TlsFinding): boolean {
  const has = (...roles: string[]): boolean => sites.some(({ role }) => roles.includes(role));
  return has('read', 'open') && has('write', 'seal');
}

function tell({ library, provider, version, foundBy, sites, refused }: TlsFinding): string {
  const name = [library, version, provider === undefined ? undefined : `on ${provider}`].filter((part) => part !== undefined).join(' ');
  const offset = (roles: readonly string[]): string => sites.find(({ role }) => roles.includes(role))?.offset.toString(16) ?? '–';
  const places = `${offset(['write', 'seal'])} ${offset(['read', 'open'])}`;
  return `${name} (${foundBy}: ${places}${refused.length > 0 && sites.length === 0 ? '; refused' : ''})`;
}

function look(agent: Agent, { version, date }: { version: string; date: string }): Row {
  const row = { name: agent.name, version, date };
  const dir = mkdtempSync(join(tmpdir(), 'tracer-release-'));
  try {
    let trouble = 'no program in its package';
    for (const wanted of agent.fetched(version)) {
      let archive: string;
      try {
        archive = npm(['pack', '--silent', wanted], dir).trim().split('\n').at(-1) ?? '';
      } catch {
        continue;
      }
      execFileSync('tar', ['-xzf', archive], { cwd: dir });
      rmSync(join(dir, archive));
      const path = programIn(dir, agent.name);
      if (path === undefined) continue;
      const image = ElfImage.open(path);
      try {
        const begun = performance.now();
        const findings = findTls(image, KERNEL);
        const seconds = (performance.now() - begun) / 1000;
        const found = findings.some(readsAndWrites);
        return { ...row, bytes: image.size, answer: findings.map(tell).join(', ') || 'nothing', seconds, found };
      } catch (error) {
        trouble = (error as Error).message;
      } finally {
        image.close();
      }
    }
    return { ...row, answer: trouble, found: false };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function section(rows: readonly Row[]): string {
  const programs = rows.filter(({ bytes }) => bytes !== undefined);
  const number = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  const slowest = Math.max(0, ...programs.map(({ seconds }) => seconds ?? 0));
  const sums = AGENTS.map(({ name }) => {
    const own = programs.filter((row) => row.name === name);
    return `${own.filter(({ found }) => found).length} of ${own.length} programs of ${name}`;
  });
  return `${RELEASES_BEGIN}
## Releases

The finder's answer, without running them, for releases of the last twelve months in even steps, newest included:
\`scripts/releases --write\` fetches one at a time and deletes it again. Reads and writes are found in ${sums.join(' and in ')};
the slowest took ${slowest.toFixed(1)} s (beside other work). Places: file offsets of write (seal) and read (open).

| program | version | date | bytes | TLS (found by: write read) | found |
| --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.name} | ${row.version} | ${row.date} | ${row.bytes === undefined ? '–' : number(row.bytes)} | ${row.answer} | ${row.found ? 'yes' : row.bytes === undefined ? '–' : 'no'} |\n`).join('')}${RELEASES_END}
`;
}

function write(text: string): void {
  const file = join(root, 'docs/coverage.md');
  const page = readFileSync(file, 'utf8');
  const at = page.indexOf(RELEASES_BEGIN);
  const end = page.indexOf(RELEASES_END);
  const rest = at >= 0 && end > at ? page.slice(0, at) + page.slice(end + RELEASES_END.length + 1) : page;
  writeFileSync(file, `${rest.trimEnd()}\n\n${text}`);
}

const names = positionals.length > 0 ? positionals : AGENTS.map(({ name }) => name);
const rows: Row[] = [];
for (const name of names) {
  const agent = AGENTS.find((one) => one.name === name);
  if (agent === undefined) {
    process.stderr.write(`releases: no agent ${name}; there are ${AGENTS.map((one) => one.name).join(', ')}\n`);
    process.exit(64);
  }
  for (const one of releasesOf(agent, Math.max(2, Number(values.count)))) {
    const row = look(agent, one);
    rows.push(row);
    process.stderr.write(`${row.found ? 'found' : 'NOT  '} ${row.name} ${row.version} ${row.date}: ${row.answer}\n`);
    if (values.rows !== undefined) writeFileSync(values.rows, JSON.stringify(rows));
    // What there is by now counts, should this be ended.
    if (values.write) write(section(rows));
  }
}
if (!values.write) process.stdout.write(section(rows));
process.exit(rows.some(({ found, bytes }) => !found && bytes !== undefined) ? 1 : 0);
