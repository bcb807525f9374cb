/** The agents, from their packages: how each is made to do one task without a person and without the Internet. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed, replaceStandIn } from './install.js';
import type { Program, Trust } from './program.js';

/** What it prints is in no prompt. Without `$(`, which Gemini CLI refuses. */
const COMMAND = 'sleep 0.5; printf tracer-%d 42';
const ANSWER = /tracer-42/;
const KEY = 'sk-test-4f1d0c9a77e2';

/** What the pretend model is asked for, in its own words. */
function prompt(tool: string, args: object): string {
  return `Please call ${tool} ${JSON.stringify(args)} and tell me what it prints.`;
}

const bin = (dir: string, name: string): string => join(dir, 'node_modules/.bin', name);
const inModules = (dir: string, path: string): string => join(dir, 'node_modules', path);

/** Is version a at least b? */
function atLeast(a: string, b: string): boolean {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let n = 0; n < 3; n++) if ((x[n] ?? 0) !== (y[n] ?? 0)) return (x[n] ?? 0) > (y[n] ?? 0);
  return true;
}

const BOTH: readonly Trust[] = ['system', 'variables'];
/** Node has certificates of its own. */
const VARIABLES: readonly Trust[] = ['variables'];

function claude(version: string): Program {
  const native = atLeast(version, '2.1.113');
  const dir = (): string =>
    installed(`claude-${version}`, [`@anthropic-ai/claude-code@${version}`], (where) =>
      replaceStandIn(
        inModules(where, '@anthropic-ai/claude-code/bin/claude.exe'),
        inModules(where, '@anthropic-ai/claude-code-linux-x64/claude'),
      ),
    );
  return {
    name: 'claude',
    version,
    comm: 'claude',
    trusts: native ? BOTH : VARIABLES,
    task(where) {
      const base = where.trust === 'variables' ? { ANTHROPIC_BASE_URL: 'https://api.anthropic.com' } : {};
      return {
        argv: [bin(dir(), 'claude'), '-p', '--allowedTools', 'Bash', '--', prompt('Bash', { command: COMMAND, description: 'Says 42' })],
        env: {
          ANTHROPIC_API_KEY: KEY,
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          DISABLE_TELEMETRY: '1',
          DISABLE_AUTOUPDATER: '1',
          ...base,
        },
        answer: ANSWER,
      };
    },
  };
}

function codex(version: string): Program {
  return {
    name: 'codex',
    version,
    comm: 'codex',
    trusts: BOTH,
    task(where) {
      const dir = installed(`codex-${version}`, [`@openai/codex@${version}`]);
      const home = join(where.home, '.codex');
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'auth.json'), JSON.stringify({ OPENAI_API_KEY: KEY }));
      writeFileSync(join(home, 'config.toml'), '[analytics]\nenabled = false\n[otel]\nexporter = "none"\n');
      // Whichever of its shell tools this version offers.
      const asked = [
        ['exec', { input: `const r = await tools.exec_command({cmd: ${JSON.stringify(COMMAND)}}); text(JSON.stringify(r));` }],
        ['shell_command', { command: COMMAND }],
        ['exec_command', { cmd: COMMAND }],
        ['shell', { command: ['bash', '-c', COMMAND] }],
      ] as const;
      const text = asked.map(([tool, args]) => prompt(tool, args)).join('\n');
      const flags = ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox'];
      return { argv: [bin(dir, 'codex'), ...flags, text], env: { CODEX_HOME: home }, answer: ANSWER };
    },
  };
}

function gemini(version: string): Program {
  return {
    name: 'gemini',
    version,
    comm: 'gemini',
    trusts: VARIABLES,
    task(where) {
      const dir = installed(`gemini-${version}`, [`@google/gemini-cli@${version}`]);
      const settings = join(where.home, '.gemini');
      mkdirSync(settings, { recursive: true });
      const security = { auth: { selectedType: 'gemini-api-key' } };
      const off = { privacy: { usageStatisticsEnabled: false }, telemetry: { enabled: false }, general: { disableAutoUpdate: true } };
      writeFileSync(join(settings, 'settings.json'), JSON.stringify({ security, ...off }));
      const text = prompt('run_shell_command', { command: COMMAND, description: 'Says 42' });
      return {
        argv: [bin(dir, 'gemini'), '--yolo', '-p', text],
        env: { GEMINI_API_KEY: KEY, GEMINI_CLI_TRUST_WORKSPACE: 'true' },
        answer: ANSWER,
      };
    },
  };
}

function opencode(version: string): Program {
  const dir = (): string =>
    installed(`opencode-${version}`, [`opencode-ai@${version}`], (where) =>
      replaceStandIn(inModules(where, 'opencode-ai/bin/opencode.exe'), inModules(where, 'opencode-linux-x64/bin/opencode')),
    );
  return {
    name: 'opencode',
    version,
    comm: 'opencode',
    trusts: BOTH,
    task() {
      // It puts quotes around an argument that holds a space.
      const words = prompt('bash', { command: COMMAND, description: 'Says 42' }).split(' ');
      return {
        argv: [bin(dir(), 'opencode'), 'run', '--model', 'anthropic/claude-sonnet-4-5', ...words],
        env: { ANTHROPIC_API_KEY: KEY, OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_MODELS_FETCH: '1' },
        answer: ANSWER,
      };
    },
  };
}

const MAKERS: Record<string, (version: string) => Program> = { claude, codex, gemini, opencode };

/** Those of November 2026, of about three months before, and of about nine. */
export const AGENTS: readonly Program[] = [
  ...['2.1.332', '2.1.238', '2.1.48'].map(claude),
  ...['0.171.0', '0.149.0', '0.101.0'].map(codex),
  ...['0.61.0', '0.56.0', '0.32.1'].map(gemini),
  ...['1.18.33', '1.18.20', '1.2.1'].map(opencode),
];

/** More releases of the last twelve months of those that bring their own TLS. */
export const YEAR: readonly Program[] = [
  ...['2.1.305', '2.1.277', '2.1.201', '2.1.168', '2.1.129'].map(claude),
  ...['0.160.0', '0.144.5', '0.136.0', '0.122.0', '0.92.0'].map(codex),
];

/** `claude@2.1.329`: any version; nothing when there is no such agent. */
export function agent(name: string, version: string): Program | undefined {
  return MAKERS[name]?.(version);
}
