/** `tracer-redact`: secrets in any event, replaced. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Engine, parseRules, type Rule, RuleError } from '../analyzers/redact/rules.js';
import { redactor } from '../analyzers/redact.js';
import type { AnalyzerCommand, Options } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { redactKey } from './redact-key.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'redact',
  summary: 'replace secrets, so that events can be shared',
  description:
    'Replaces what is secret in any string of any event by redacted:r1, redacted:r2 …, the same number for the same secret: keys and tokens of known providers, private keys, JSON Web Tokens, passwords and cookies that a header, member, variable, option or query parameter names, mail addresses, and card numbers with their check digit. A secret that is cut over several events of one stream is found; what may be the beginning of one waits for what follows, at most a second. All else stays as it is written. Put it behind tracer-http, which decodes what raw TLS data hides (docs/limits.md).',
  replaces: true,
  options: [
    {
      flags: '--rules <file>',
      type: 'string',
      completes: 'file',
      description:
        'Replace what the patterns in this file match, too: a line each, a name, a blank and a pattern in the syntax of RE2; with a group, what the first one matches. Lines that begin with # are remarks.',
      changesOutput: true,
    },
    {
      flags: '--redact-key <file>',
      type: 'string',
      completes: 'file',
      description:
        'Replace a secret by its HMAC-SHA-256 under the key in this file, so that equal secrets are equal across runs and hosts.',
      changesOutput: true,
    },
  ],
  examples: [
    { run: 'tracer-replay day.ndjson | tracer-redact > share-me.ndjson', shows: 'a recording to be given to others' },
    {
      run: 'sudo tracer-ssl -c claude | tracer-http | tracer-redact --rules company.rules > session.ndjson',
      shows: 'a session without its secrets, nor those of company.rules, where a line may be: badge EMP-[0-9]{6}',
    },
  ],
  stage: (options) => redactor({ rules: rulesOf(options), ...redactKey(options) }),
};

function rulesOf(options: Options): Rule[] {
  const file = options.rules;
  if (typeof file !== 'string') return [];
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(
      EXIT.config,
      `cannot read the rules ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`,
      'A rule is a line: a name, a blank, a pattern',
    );
  }
  try {
    const { RE2JS } = createRequire(import.meta.url)('re2js') as { RE2JS: Engine };
    return parseRules(text, RE2JS);
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    throw new CommandError(
      EXIT.config,
      `${file}:${error.line}:${error.column}: ${error.message}`,
      'A rule is a line: a name, a blank, a pattern in the syntax of RE2',
    );
  }
}
