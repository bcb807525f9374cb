/** The programs that we are measured against, where `scripts/bench --setup` put them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Peers {
  bcc?: { script: string; headers: string };
  jq?: string;
  jaq?: string;
  nginx?: string;
  wrk?: string;
}

/** Everything that setup fetches or builds lies here. */
export function peersDirectory(): string {
  return process.env['TRACER_BENCH_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'tracer-filters', 'bench');
}

export function peers(): Peers {
  const directory = peersDirectory();
  const first = (...paths: string[]): string | undefined => paths.find(existsSync);
  const found: Peers = {};
  const headers = join(directory, 'bcc', 'headers');
  const stock = '/usr/sbin/sslsniff-bpfcc';
  if (existsSync(headers) && existsSync(stock)) found.bcc = { script: patchedSslsniff(stock, join(directory, 'bcc')), headers };
  const jq = first(join(directory, 'jq', 'jq'));
  if (jq) found.jq = jq;
  const jaq = first(join(directory, 'jaq', 'bin', 'jaq'));
  if (jaq) found.jaq = jaq;
  const nginx = first('/usr/sbin/nginx');
  if (nginx) found.nginx = nginx;
  const wrk = first('/usr/bin/wrk');
  if (wrk) found.wrk = wrk;
  return found;
}

/**
 * A copy of Debian's script with one line replaced: `min()` of newer kernel headers is a function call to bcc's compiler
 * ("cannot call non-static helper function"); upstream replaced it the same way.
 */
function patchedSslsniff(stock: string, directory: string): string {
  const text = readFileSync(stock, 'utf8').replace(
    'min((size_t)MAX_BUF_SIZE, (size_t)len)',
    '(size_t)len < (size_t)MAX_BUF_SIZE ? (size_t)len : (size_t)MAX_BUF_SIZE',
  );
  mkdirSync(directory, { recursive: true });
  const script = join(directory, 'sslsniff.py');
  writeFileSync(script, text);
  return script;
}
