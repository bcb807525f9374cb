/** Programs that are agents: what their executables, main files and packages are called. A table that a user may extend. */

/** How a line of the table names an agent. */
export type AgentSign = 'name' | 'path' | 'package' | 'env';

export interface AgentEntry {
  agent: string;
  sign: AgentSign;
  /** `name`, `path`: with `*` for anything. `package`: of npm or Python. `env`: a variable of the tools that it runs. */
  pattern: string;
}

/** What is known of a program. */
export interface Program {
  exe?: string | undefined;
  args: readonly string[];
  env?: Readonly<Record<string, unknown>> | undefined;
}

export const MOST_AGENTS = 4096;
const LONGEST_PATTERN = 256;
const LONGEST_TEXT = 4096;

const BUILT_IN = `
claude-code package @anthropic-ai/claude-code
claude-code path */claude/versions/*
claude-code name claude
claude-code env CLAUDECODE
codex package @openai/codex
codex name codex
codex name codex-exec
codex name codex-linux-sandbox
codex name codex-code-mode-host
codex name codex-x86_64-unknown-linux-musl
codex name codex-aarch64-unknown-linux-musl
codex env CODEX_THREAD_ID
gemini-cli package @google/gemini-cli
gemini-cli name gemini
gemini-cli env GEMINI_CLI
opencode package opencode-ai
opencode name opencode
aider package aider
aider package aider-chat
aider name aider
cursor-agent path */cursor-agent/versions/*
cursor-agent package @cursor/agent
cursor-agent name cursor-agent
copilot package @github/copilot
copilot name copilot
`;

/** One line `agent sign pattern`; undefined for a blank one and a comment. */
export function readAgentLine(line: string): { entry: AgentEntry } | { error: string } | undefined {
  const words = line.replace(/#.*/, '').trim().split(/\s+/);
  if (words[0] === '') return undefined;
  const [agent, sign, pattern] = words;
  if (agent === undefined || sign === undefined || pattern === undefined || words.length > 3)
    return { error: 'a line has three words: agent, name|path|package|env, pattern' };
  if (sign !== 'name' && sign !== 'path' && sign !== 'package' && sign !== 'env')
    return { error: `"${sign}" is none of name, path, package, env` };
  if (pattern.length > LONGEST_PATTERN || agent.length > LONGEST_PATTERN) return { error: 'a word is too long' };
  return { entry: { agent, sign, pattern } };
}

/** A main file, or the module that python was given. */
export interface Main {
  file?: string;
  module?: string;
}

const INTERPRETER = /^(?:node|nodejs|bun|deno|tsx|ts-node|python|pypy|uv)[\d.]*$/;
/** Options of interpreters that take the next word. */
const TAKES_WORD = new Set([
  '-r',
  '--require',
  '--import',
  '--loader',
  '--experimental-loader',
  '-C',
  '--conditions',
  '-W',
  '-X',
  '--title',
  '--env-file',
]);
/** What follows is a program's text, not a file. */
const TEXT = new Set(['-e', '--eval', '-p', '--print', '-pe', '-c']);
const SUBCOMMANDS = new Set(['run', 'x', 'exec']);

/** The main file of a program that an interpreter runs; undefined for any other. */
export function mainOf({ exe, args }: Program): Main | undefined {
  const first = args[0];
  const name = baseName(exe ?? first ?? '');
  if (!INTERPRETER.test(name) && !(first !== undefined && INTERPRETER.test(baseName(first)))) return undefined;
  const isPython = /^(?:python|pypy)/.test(name);
  for (let at = 1; at < args.length && at < 256; at++) {
    const word = args[at] as string;
    if (TEXT.has(word)) return undefined;
    if (isPython && word === '-m') return args[at + 1] === undefined ? undefined : { module: args[at + 1] as string };
    if (TAKES_WORD.has(word)) at++;
    else if (at === 1 && SUBCOMMANDS.has(word) && /^(?:bun|deno|uv)/.test(name)) continue;
    else if (word === '-' || word === '') return undefined;
    else if (!word.startsWith('-')) return { file: word };
  }
  return undefined;
}

export class AgentTable {
  readonly #entries: readonly AgentEntry[];

  /** @param own a user's entries, which come first */
  constructor(own: readonly AgentEntry[] = []) {
    const builtIn = BUILT_IN.split('\n').flatMap((line) => {
      const read = readAgentLine(line);
      return read !== undefined && 'entry' in read ? [read.entry] : [];
    });
    this.#entries = [...own, ...builtIn];
  }

  /** The agent that a program is; `-` as an agent in a user's table means none. */
  find(program: Program): string | undefined {
    const main = mainOf(program);
    const exe = (program.exe ?? '').replace(/ \(deleted\)$/, '').slice(0, LONGEST_TEXT);
    const file = (main?.file ?? '').slice(0, LONGEST_TEXT);
    const paths = [exe, file].filter((path) => path !== '');
    const names = [exe, (program.args[0] ?? '').slice(0, LONGEST_TEXT), file].map(plainName).filter((name) => name !== '');
    const found = this.#entries.find(({ sign, pattern }) => {
      if (sign === 'name') return names.some((name) => glob(pattern, name));
      if (sign === 'path') return paths.some((path) => glob(pattern, path));
      if (sign === 'env') return false;
      return main?.module?.split('.')[0] === pattern || paths.some((path) => isInPackage(path, pattern));
    });
    return found === undefined || found.agent === '-' ? undefined : found.agent;
  }

  /** The agent whose tools have such a variable. */
  byEnvironment(env: Readonly<Record<string, unknown>>): string | undefined {
    return this.#entries.find(({ sign, pattern }) => sign === 'env' && Object.hasOwn(env, pattern))?.agent;
  }
}

function isInPackage(path: string, name: string): boolean {
  return path.includes(`/node_modules/${name}/`) || path.includes(`/site-packages/${name}/`) || path.includes(`/dist-packages/${name}/`);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Without the folder, and without the ending of a script. */
function plainName(path: string): string {
  return baseName(path).replace(/\.(?:[cm]?[jt]s|py|exe)$/, '');
}

/** `*` stands for any characters. Linear but for one pattern's length. */
function glob(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
