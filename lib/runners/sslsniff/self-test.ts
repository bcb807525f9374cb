/**
 * Proof of probe sites: a throw-away process (bpf/helpers/ssl-self-test.c) makes known calls through the same library
 * and sees whether probes at these sites report exactly them.
 *
 * The process runs the library's code, so it is done only with files that root alone can have put there: a library that
 * a watched program brought along must not get to run outside of what that program is confined to.
 */
import { spawn } from 'node:child_process';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SslSite } from '../../elf/ssl-sites.js';
import type { Cost } from '../../stream/event.js';

export type Verdict =
  /** The probe saw what it should; `cost` is what the kernel really did. */
  | { state: 'passed'; cost: Cost }
  | { state: 'failed'; reason: string }
  /** Nothing is known: the test could not be made. */
  | { state: 'untested'; reason: string };

/** It takes 0.2 to 0.6 s, most of it the kernel's grace periods. */
const PATIENCE_MS = 5000;
const HELPER = fileURLToPath(new URL(`../../../../prebuilds/linux-${process.arch}/ssl-self-test`, import.meta.url));

/** Why root alone cannot have put the file there, or undefined when it is so. */
function whyUntrusted(path: string): string | undefined {
  for (let part = path; ; part = dirname(part)) {
    const { uid, mode } = statSync(part);
    const what = part === path ? 'the file' : part;
    if (uid !== 0) return `${what} belongs to uid ${uid}`;
    // A sticky directory (/tmp) lets nobody replace another's file, but lets anybody add one beside it.
    if ((mode & 0o022) !== 0) return `${what} can be written by others than root`;
    if (part === '/') return undefined;
  }
}

/**
 * A path through `/proc/PID/root`, by our own root instead; undefined when it leads to another file there. The link itself
 * is not read: it names the root as seen from outside of a chroot, and reads `/` for another mount namespace's.
 */
function throughOwnRoot(path: string): string | undefined {
  const match = /^(\/proc\/\d+\/root)(\/.*)$/.exec(path);
  if (!match) return path;
  const same = (a: string, b: string): boolean => {
    const [one, other] = [statSync(a), statSync(b)];
    return one.dev === other.dev && one.ino === other.ino;
  };
  const [, root, rest] = match as unknown as [string, string, string];
  return same(`${root}/`, '/') && existsSync(rest) && same(path, rest) ? rest : undefined;
}

/** Which public variants come through a site: the inner function has all, a public one its own unless it is alone. */
function callsThrough(site: SslSite, sites: readonly SslSite[]): 'all' | 'plain' | 'ex' {
  const alone = sites.filter((other) => other.direction === site.direction).length === 1;
  if (alone || site.function !== site.symbol) return 'all';
  return /_ex2?$/.test(site.function) ? 'ex' : 'plain';
}

/**
 * Tests sites of one file, all together. Never rejects: what cannot be tested is `untested`.
 * @param path the file, in our own mount namespace
 * @param sites as lib/elf/ssl-sites chose them for it
 * @returns a verdict for each site, in their order
 */
export async function selfTest(path: string, sites: readonly SslSite[], options: { helper?: string } = {}): Promise<Verdict[]> {
  const helper = options.helper ?? HELPER;
  const all = (verdict: Verdict): Verdict[] => sites.map(() => verdict);
  let real: string;
  try {
    const own = throughOwnRoot(path);
    if (own === undefined) return all({ state: 'untested', reason: 'the library is in another mount namespace' });
    real = realpathSync(own);
    const reason = whyUntrusted(real);
    if (reason !== undefined) return all({ state: 'untested', reason });
  } catch (error) {
    return all({ state: 'untested', reason: (error as Error).message });
  }
  if (!existsSync(helper)) return all({ state: 'untested', reason: `${helper} is missing` });
  const specs = sites.map((site) => `${site.direction}:${site.offset}:${site.arguments}:${callsThrough(site, sites)}`);
  const { output, end } = await runHelper(helper, [real, ...specs]);
  const lines = output.split('\n').filter((line) => line !== '');
  const cannot = lines.find((line) => line.startsWith('cannot: '));
  if (cannot !== undefined) return all({ state: 'untested', reason: cannot.slice('cannot: '.length) });
  if (lines.at(-1) !== 'done' || lines.length !== sites.length + 1) {
    return all({ state: 'failed', reason: `the process that called through the probed library ended with ${end}` });
  }
  return lines.slice(0, -1).map((line): Verdict => {
    if (line === 'emulated' || line === 'stepped') return { state: 'passed', cost: line };
    return { state: 'failed', reason: line.replace(/^failed: /, '') };
  });
}

/** Its stdout up to `done`, and how it ended. Resolves at `done`: the kernel takes its time to remove the probes. */
function runHelper(helper: string, args: readonly string[]): Promise<{ output: string; end: string }> {
  return new Promise((resolve) => {
    const child = spawn(helper, args, { stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: '/usr/bin:/bin' }, cwd: '/' });
    let output = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    const finish = (end: string): void => {
      clearTimeout(timer);
      resolve({ output, end });
    };
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      output += text;
      if (output.endsWith('done\n')) finish('status 0');
    });
    child.on('error', (error) => finish(error.message));
    child.on('close', (code, signal) => finish(signal ?? `status ${code}`));
    child.unref();
  });
}
