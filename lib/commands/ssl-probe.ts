/** `tracer ssl-probe FILE` and, in ssl-probe-live.ts, `--pid PID`: what TLS is in a program file, how that was found, and where plaintext would be taken. */
import { closeSync, openSync, readSync } from 'node:fs';
import { release } from 'node:os';
import picocolors from 'picocolors';
import { ElfImage, NotElf } from '../elf/image.js';
import { parseKernelVersion } from '../elf/probe-cost.js';
import { defaultCacheDirectory, findTlsCached } from '../elf/tls-cache.js';
import { findTls } from '../elf/tls-finder.js';
import type { TlsFinding, TlsSite } from '../elf/tls-finding.js';
import type { ToolCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { print } from './print.js';

/** The oldest kernel that sensors run on: what is cheap there is cheap everywhere. */
const OLDEST_KERNEL = { major: 5, minor: 10 };
const TLS_LIBRARY = /^lib(ssl|gnutls|nspr4|nss3|s2n|mbedtls|boringssl)\b[\w.+-]*$/;
const NAMES: Readonly<Record<TlsFinding['library'], string>> = {
  openssl: 'OpenSSL',
  boringssl: 'BoringSSL',
  gnutls: 'GnuTLS',
  nss: 'NSS',
  go: 'Go crypto/tls',
  rustls: 'rustls',
  s2n: 's2n-tls',
  mbedtls: 'Mbed TLS',
};
const FOUND_BY: Readonly<Record<TlsFinding['foundBy'], string>> = {
  dynsym: 'exported names',
  symbols: 'its symbol table',
  gnu_debugdata: 'its compressed symbol table',
  pclntab: "Go's table of functions",
  strings: 'strings and the code that refers to them',
  pattern: 'byte patterns',
};

export const command: ToolCommand = {
  kind: 'tool',
  name: 'ssl-probe',
  summary: 'say what TLS is inside a program file or process, and whether plaintext of it arrives',
  description:
    'Looks for TLS implementations in a program or library, stripped or not: OpenSSL, BoringSSL, GnuTLS, NSS, Go, rustls (with aws-lc or ring), s2n and Mbed TLS. It needs no data about releases: it goes by names where there are any, else by what the library leaves in every program. A place that is not unique is refused. For each place it says the cost of a probe: emulated is about a microsecond a call, stepped about ten.\n\nThe file is only read, and nothing is probed, so it needs no privileges. Answers about large files are kept in /var/cache/tracer (root) or ~/.cache/tracer.\n\nThe exit status is 0 when reads and writes can be taken from some library in it, 69 when there is none, 65 when the file is no program for this, 74 when it cannot be read.\n\nWith --pid it watches a process that runs, and its children, as tracer-ssl would, and says of each: what TLS was found in it, how many probes are attached, and how many bytes of TLS its sockets carried against the plaintext that was seen of them, by direction: "attached but silent" when TLS passes and nothing is seen. What is read is counted and thrown away. It ends after some seconds; with --watch it reports each second in which something changed, until Ctrl-C or the end of the process. Then the exit status is 0 when plaintext was seen of all that carried TLS, 69 when not or when nothing is attached. That needs the privileges of tracer-ssl.',
  arguments: '[file]',
  options: [
    { flags: '--json', type: 'boolean', description: 'Print one JSON object (with --watch one a line).' },
    { flags: '--pid <pid...>', type: 'pids', completes: 'pid', description: 'Watch these processes instead of reading a file.' },
    { flags: '--watch', type: 'boolean', description: 'With --pid: go on until Ctrl-C or until the process has ended.' },
    { flags: '--seconds <number>', type: 'count', default: '5', description: 'With --pid: how long.' },
    { flags: '--no-cache', type: 'boolean', description: 'Search anew, and keep nothing.' },
  ],
  examples: [
    { run: 'tracer ssl-probe "$(command -v node)"', shows: 'where the OpenSSL inside of node would be probed' },
    { run: 'sudo tracer ssl-probe --pid 4711 --watch', shows: 'whether plaintext arrives for the TLS that a process sends' },
    { run: "tracer ssl-probe --json ./agent | jq -r '.findings[].library'", shows: 'what TLS is linked into a program' },
  ],
  async run(options, [path = '']) {
    const pids = Array.isArray(options.pid) ? options.pid.map(Number) : [];
    if (pids.length > 0 && path === '') {
      const { watchProcesses } = await import('./ssl-probe-live.js');
      const seconds = typeof options.seconds === 'number' ? options.seconds : 5;
      return watchProcesses({ pids, watch: options.watch === true, seconds, json: options.json === true });
    }
    if (path === '' || pids.length > 0) throw new CommandError(EXIT.usage, 'needs a file, or --pid', 'See tracer ssl-probe --help');
    const image = open(path);
    let report: ReturnType<typeof examine>;
    try {
      report = examine(image, options.cache !== false);
    } catch (error) {
      throw new CommandError(EXIT.io, `cannot read ${path}: ${(error as Error).message}`);
    } finally {
      image.close();
    }
    print(options.json === true ? `${JSON.stringify(report)}\n` : layOut(report));
    return report.findings.some(readsAndWrites) ? EXIT.ok : EXIT.unavailable;
  },
};

function open(path: string): ElfImage {
  try {
    return ElfImage.open(path);
  } catch (error) {
    if (!(error instanceof NotElf)) throw new CommandError(EXIT.io, `cannot read ${path}: ${(error as Error).message}`);
    const script = isScript(path);
    throw new CommandError(
      EXIT.malformed,
      `${path}: ${script ? 'a script' : error.message}`,
      script ? 'Its TLS is in the program that runs it, or that it starts: name that one' : undefined,
    );
  }
}

function isScript(path: string): boolean {
  const fd = openSync(path, 'r');
  const head = Buffer.alloc(2);
  readSync(fd, head, 0, 2, 0);
  closeSync(fd);
  return head.toString('latin1') === '#!';
}

function examine(image: ElfImage, useCache: boolean) {
  const kernel = parseKernelVersion(release()) ?? OLDEST_KERNEL;
  const { findings, fromCache } = useCache
    ? findTlsCached(image, kernel, defaultCacheDirectory())
    : { findings: findTls(image, kernel), fromCache: false };
  return {
    path: image.path,
    machine: image.machine,
    bytes: image.size,
    from_cache: fromCache,
    findings: findings.map(({ foundBy, ...rest }) => ({ ...rest, found_by: foundBy })),
    needs: image.needed().filter((name) => TLS_LIBRARY.test(name)),
  };
}

type Report = ReturnType<typeof examine>;

function readsAndWrites({ sites }: { sites: readonly TlsSite[] }): boolean {
  const has = (...roles: string[]): boolean => sites.some(({ role }) => roles.includes(role));
  return has('read', 'open') && has('write', 'seal');
}

function layOut({ path, findings, needs }: Report): string {
  const { bold, dim, green, yellow } = picocolors.createColors(process.stdout.isTTY === true && !process.env.NO_COLOR);
  const lines: string[] = [];
  for (const { library, provider, version, found_by, confidence, sites, evidence, refused } of findings) {
    const name = [NAMES[library], version, provider === undefined ? undefined : `on ${provider}`].filter((part) => part !== undefined);
    const sure = confidence === 'certain' ? green('certain') : yellow('likely');
    lines.push(`${bold(name.join(' '))}  ${sure}, by ${FOUND_BY[found_by]}`);
    for (const each of evidence) lines.push(dim(`    ${each}`));
    const width = Math.max(0, ...sites.map((site) => site.function.length));
    for (const site of sites) {
      const cost = site.cost === 'emulated' ? green(site.cost) : yellow(site.cost);
      lines.push(`  ${site.role.padEnd(11)} ${site.function.padEnd(width)}  +0x${site.offset.toString(16)}  ${cost}  ${dim(site.abi)}`);
      for (const each of site.evidence) lines.push(dim(`    ${each}`));
    }
    for (const each of refused) lines.push(`  ${yellow('not probed')}  ${each}`);
    lines.push('');
  }
  if (findings.length === 0) lines.push(`${path}: no TLS found inside.`);
  if (needs.length > 0) lines.push(`It loads ${needs.join(', ')}: look there too.`);
  return `${lines.join('\n').trimEnd()}\n`;
}
