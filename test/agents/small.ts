/** The small programs: one for each way in which TLS comes into a program. Each sends 150,000 bytes and asks for 200,000. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { python, root } from '../support/paths.js';
import { cache, installed } from './install.js';
import type { Program, Surroundings } from './program.js';

const ANSWER = /^got 200000$/m;
const URL = 'https://model.example';
const source = (name: string): string => join(root, 'test/agents/clients', name);

/** The first version number in what a command says, or `?`. */
function versionOf(command: string, ...args: string[]): string {
  try {
    const said = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return /\d+(?:\.\d+)+/.exec(said)?.[0] ?? '?';
  } catch {
    return '?';
  }
}

/** Is there a command of this name? */
function isHere(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => existsSync(join(directory, command)));
}

interface Description {
  name: string;
  comm?: string;
  version: () => string;
  /** Node, Bun and Deno have certificates of their own, and must be told. */
  bundled?: boolean;
  argv: (where: Surroundings) => string[];
  answer?: RegExp;
  /** The compiler that it wants. */
  needs?: string;
}

function small({ name, comm, version, bundled, argv, answer, needs }: Description): Program {
  return {
    name,
    get version() {
      return version();
    },
    comm: comm ?? name,
    trusts: [bundled ? 'variables' : 'system'],
    missing: () => (needs === undefined || isHere(needs) ? undefined : `${name}: no ${needs} here to build it with`),
    task: (where) => ({ argv: argv(where), answer: answer ?? ANSWER }),
  };
}

/** A file of 150,000 bytes to send. */
function body(where: Surroundings): string {
  const file = join(where.work, 'body');
  writeFileSync(file, Buffer.alloc(150_000, 'what is sent. '));
  return file;
}

const BUILD_MS = 900_000;

/** Builds into the cache what is not there: `make` is given a file to write to. */
function built(name: string, make: (out: string) => void): string {
  const out = join(cache, 'built', name);
  if (existsSync(out)) return out;
  mkdirSync(dirname(out), { recursive: true });
  make(`${out}.half`);
  renameSync(`${out}.half`, out);
  return out;
}

const quietly = { stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'], timeout: BUILD_MS };

function go(kind: string, ...flags: string[]): string {
  // Go has to build in no module of ours.
  const env = { ...process.env, GO111MODULE: 'off', CGO_ENABLED: kind === 'pie' ? '1' : '0' };
  return built(`go-${kind}`, (out) => execFileSync('go', ['build', ...flags, '-o', out, source('client.go')], { ...quietly, env }));
}

function cargo(name: string): string {
  return built(name, (out) => {
    const target = join(cache, 'built', 'target');
    const env = { ...process.env, CARGO_TARGET_DIR: target };
    mkdirSync(target, { recursive: true });
    execFileSync('cp', ['-r', source(name), target]);
    execFileSync('cargo', ['build', '--release', '--quiet'], { ...quietly, env, cwd: join(target, name) });
    execFileSync('cp', [join(target, 'release', `client-${name}`), out]);
  });
}

function curlGnutls(): string {
  const library = '/usr/lib/x86_64-linux-gnu/libcurl-gnutls.so.4';
  return built('curl-gnutls', (out) => execFileSync('gcc', ['-O1', '-o', out, source('curl-gnutls.c'), library], quietly));
}

/** AWS's common runtime for Python: a wheel without dependencies. */
function awscrt(): string {
  return built(`awscrt-${AWSCRT}`, (out) =>
    execFileSync('python3', ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', out, `awscrt==${AWSCRT}`], quietly),
  );
}

function goVersion(): string {
  return versionOf('go', 'version');
}

const UNDICI = '7.16.0';
const BUN = '1.4.5';
const DENO = '2.9.6';
const AWSCRT = '0.38.1';

const bun = (): string => join(installed(`bun-${BUN}`, [`@oven/bun-linux-x64@${BUN}`]), 'node_modules/@oven/bun-linux-x64/bin/bun');
const deno = (): string => join(installed(`deno-${DENO}`, [`@deno/linux-x64-glibc@${DENO}`]), 'node_modules/@deno/linux-x64-glibc/deno');
const undici = (): string => join(installed(`undici-${UNDICI}`, [`undici@${UNDICI}`]), 'node_modules/undici/index.js');
const node = (...args: string[]): string[] => [process.execPath, source('client.mjs'), ...args];
const nodeVersion = (): string => process.versions.node;

/** What the system has, or what is quickly had. */
export const QUICK: readonly Program[] = [
  small({
    name: 'curl',
    version: () => versionOf('curl', '--version'),
    argv: (where) => [
      ...['curl', '-sS', '-o', '/dev/null', '--data-binary', `@${body(where)}`, `${URL}/bytes`],
      ...['--next', '-sS', '-o', '/dev/null', '-w', 'got %{size_download}\\n', `${URL}/bytes/200000`],
    ],
  }),
  small({
    name: 'libcurl-gnutls',
    comm: 'curl-gnutls',
    version: () => versionOf('dpkg-query', '-W', 'libcurl3-gnutls'),
    argv: () => [curlGnutls()],
  }),
  small({
    name: 'git',
    version: () => versionOf('git', '--version'),
    argv: () => ['git', 'ls-remote', `${URL}/repo.git`],
    answer: /refs\/heads\/main/,
  }),
  small({
    name: 'wget',
    version: () => versionOf('wget', '--version'),
    argv: (where) => [
      ...['sh', '-c', 'wget -q -O out --post-file "$1" "$2/bytes" && wget -q -O out "$2/bytes/200000" && echo got $(wc -c < out)'],
      ...['sh', body(where), URL],
    ],
  }),
  small({
    name: 'python3 http.client',
    comm: 'python3',
    version: () => versionOf(python, '--version'),
    argv: () => [python, source('client.py')],
  }),
  small({
    name: 'python3 asyncio',
    comm: 'python3',
    version: () => versionOf(python, '--version'),
    argv: () => [python, source('client.py'), 'asyncio'],
  }),
  small({ name: 'node fetch', comm: 'node', version: nodeVersion, bundled: true, argv: () => node('fetch') }),
  small({ name: 'node https', comm: 'node', version: nodeVersion, bundled: true, argv: () => node('https') }),
  small({ name: 'undici, HTTP/2', comm: 'node', version: () => UNDICI, bundled: true, argv: () => node('undici', undici()) }),
  small({ name: 'Go net/http', comm: 'go-plain', version: goVersion, needs: 'go', argv: () => [go('plain')] }),
  small({ name: 'Go, HTTP/1.1', comm: 'go-plain', version: goVersion, needs: 'go', argv: () => [go('plain'), 'h1'] }),
  small({ name: 'Go, stripped', comm: 'go-stripped', version: goVersion, needs: 'go', argv: () => [go('stripped', '-ldflags=-s -w')] }),
  small({ name: 'Go, PIE', comm: 'go-pie', version: goVersion, needs: 'go', argv: () => [go('pie', '-buildmode=pie')] }),
];

/** Those that want long downloads or builds. */
export const SLOW: readonly Program[] = [
  small({ name: 'bun fetch', comm: 'bun', version: () => BUN, bundled: true, argv: () => [bun(), source('client.mjs'), 'fetch'] }),
  small({ name: 'bun https', comm: 'bun', version: () => BUN, bundled: true, argv: () => [bun(), source('client.mjs'), 'https'] }),
  small({
    name: 'deno fetch',
    comm: 'deno',
    version: () => DENO,
    bundled: true,
    argv: () => [deno(), 'run', '-A', source('client.mjs'), 'fetch'],
  }),
  small({ name: 'reqwest, aws-lc-rs', comm: 'reqwest', version: () => '0.13.5', needs: 'cargo', argv: () => [cargo('reqwest')] }),
  small({ name: 'reqwest, HTTP/1.1', comm: 'reqwest', version: () => '0.13.5', needs: 'cargo', argv: () => [cargo('reqwest'), 'h1'] }),
  small({
    name: 'awscrt',
    comm: 'python3',
    version: () => AWSCRT,
    needs: 'pip3',
    argv: () => ['python3', source('awscrt_client.py'), awscrt()],
  }),
  small({ name: 'ureq, ring', comm: 'ureq', version: () => '3.5.2', needs: 'cargo', argv: () => [cargo('ureq')] }),
];
