/** `tracer-controller`: writes the deny-file that a guard obeys. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { providerNames } from '../match/providers.js';
import { type Policy, rulesPolicy } from '../sinks/controller/policy.js';
import { controller } from '../sinks/controller.js';
import type { Options, SinkCommand } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { say } from '../stream/say.js';
import { listOf } from './sensor-options.js';

function providers(option: string, value: unknown): string[] {
  const known = providerNames();
  const names = listOf(value).map((name) => name.toLowerCase());
  for (const name of names)
    if (!known.includes(name))
      throw new CommandError(EXIT.usage, `${option}: there is no provider "${name}"`, `Providers are ${known.join(', ')}`);
  return names;
}

function amount(option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const found = Number(value);
  if (!Number.isFinite(found) || found < 0)
    throw new CommandError(EXIT.usage, `${option}: "${String(value)}" is no number`, `Write ${option} 5`);
  return found;
}

async function moduleOf(path: string): Promise<Policy> {
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    throw new CommandError(EXIT.config, `cannot load ${path}: ${(error as Error).message}`, 'It is an ES module with a default export');
  }
  const policy = loaded.default;
  if (typeof policy !== 'object' || policy === null)
    throw new CommandError(EXIT.config, `${path} exports no policy as default`, 'Write export default { egress(contact) { … } }');
  for (const name of Object.keys(policy))
    if (!['egress', 'file', 'exec'].includes(name))
      throw new CommandError(EXIT.config, `${path}: a policy has no "${name}"`, 'It may have egress, file and exec');
  return policy as Policy;
}

function rules(options: Options): Policy[] {
  const allow = providers('--allow', options.allow);
  const deny = providers('--deny', options.deny);
  const maxTokensPerHour = amount('--max-tokens-per-hour', options.maxTokensPerHour);
  const maxCostPerHour = amount('--max-cost-per-hour', options.maxCostPerHour);
  const denyUnclassified = options.denyUnclassified === true;
  const some = allow.length > 0 || deny.length > 0 || denyUnclassified || maxTokensPerHour !== undefined || maxCostPerHour !== undefined;
  if (!some) return [];
  return [
    rulesPolicy({
      allow,
      deny,
      denyUnclassified,
      ...(maxTokensPerHour === undefined ? {} : { maxTokensPerHour }),
      ...(maxCostPerHour === undefined ? {} : { maxCostPerHour }),
    }),
  ];
}

export const command: SinkCommand = {
  kind: 'sink',
  name: 'controller',
  summary: 'writes the deny-file that a guard obeys, by what it sees',
  description:
    'Reads events and adds lines to a deny-file: of providers that may not be reached, of what no table knows, when a budget of tokens or money is spent, or as a program or a module of yours says. It prints a line for each entry that it adds.\n\nIts own lines carry a mark; those of others stay as they are. The file is replaced whole, and only one controller may write it. What an event says is never written as it is: it has to be an entry. When the controller fails or ends, the file stays: nothing is lifted but entries whose time is over, by the next controller.\n\nPut tracer-provider before it, and tracer-llm for budgets.',
  options: [
    { flags: '--deny-file <file>', type: 'string', completes: 'file', description: 'The file to write. Made when it is not there.' },
    { flags: '--allow <provider...>', type: 'list', description: 'Deny every known provider but these.' },
    { flags: '--deny <provider...>', type: 'list', description: 'Deny these providers.' },
    { flags: '--deny-unclassified', type: 'boolean', description: 'Deny hosts of TLS and HTTP that are no known provider.' },
    { flags: '--max-tokens-per-hour <n>', type: 'string', description: 'Deny for an hour what is called when more tokens were used.' },
    { flags: '--max-cost-per-hour <usd>', type: 'string', description: 'The same for money.' },
    { flags: '--ttl <seconds>', type: 'count', description: 'Take entries out again after so long.' },
    {
      flags: '--cmd <command>',
      type: 'string',
      description: 'A shell command that gets each event about somebody reached on its stdin, and prints entries.',
    },
    {
      flags: '--module <file>',
      type: 'string',
      completes: 'file',
      description:
        'An ES module whose default export is a policy: egress(contact), file(event), exec(event); each returns {deny, reason, ttlS} or nothing.',
    },
  ],
  examples: [
    {
      run: 'sudo tracer-net -c claude | tracer-tls | tracer-provider | tracer-controller --allow anthropic --deny-file egress.deny',
      shows: 'what an agent reaches besides its provider is forbidden from then on',
    },
  ],
  async sink(options) {
    if (typeof options.denyFile !== 'string') throw new CommandError(EXIT.usage, 'there is no deny-file', 'Give --deny-file FILE');
    const policies = rules(options);
    if (typeof options.module === 'string') policies.push(await moduleOf(options.module));
    if (policies.length === 0 && options.cmd === undefined)
      throw new CommandError(EXIT.usage, 'there is no rule', 'Give --allow, --deny, --deny-unclassified, a budget, --cmd or --module');
    return controller({
      denyFile: options.denyFile,
      policies,
      ...(typeof options.ttl === 'number' ? { ttlS: options.ttl } : {}),
      ...(typeof options.cmd === 'string' ? { cmd: options.cmd } : {}),
      say: (sentence) => say('tracer-controller', sentence),
    });
  },
};
