/** What the harness has to know of a program, to run it in a room. */

/** How a program comes to trust the server: by the system's certificates, or by variables that users set. */
export type Trust = 'system' | 'variables';

export interface Surroundings {
  trust: Trust;
  /** Directories of the run's own. `home` is $HOME; `work` the current directory. */
  home: string;
  work: string;
  /** The authority's certificate. */
  ca: string;
}

export interface Task {
  argv: string[];
  env?: Record<string, string>;
  /** What its output holds when it did what it was asked. */
  answer: RegExp;
}

export interface Program {
  name: string;
  version: string;
  /** What `-c` is given. */
  comm: string;
  trusts: readonly Trust[];
  /** What it wants to be built with and is not here, as a sentence. */
  missing?(): string | undefined;
  /** Installs or builds it where it is not there yet, and says how to run its task. Throws when it cannot be had. */
  task(where: Surroundings): Task;
}

/** What every program is given as its environment, and nothing of ours. */
export function environment(where: Surroundings): Record<string, string> {
  const base = { PATH: process.env['PATH'] ?? '', HOME: where.home, USER: 'root', LANG: 'C.UTF-8', TERM: 'dumb', NO_COLOR: '1' };
  if (where.trust === 'system') return base;
  return { ...base, NODE_EXTRA_CA_CERTS: where.ca, SSL_CERT_FILE: where.ca, CURL_CA_BUNDLE: where.ca, GIT_SSL_CAINFO: where.ca };
}
