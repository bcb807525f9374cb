/**
 * README.md and docs/ against what is there: commands, links, event types. `UPDATE=1` writes the table of commands
 * anew: run it twice.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'tape';
import { programOf } from '../lib/commands/help.js';
import { commandNames, findCommand } from '../lib/commands/registry.js';
import { root } from './support/paths.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test('README: its table of commands is that of the registry', async (t) => {
  const rows: string[] = [];
  for (const name of commandNames) {
    const command = await findCommand(name);
    rows.push(`| \`${programOf(name)}\` | ${command?.summary} |`);
  }
  const [start, end] = [readme.indexOf('|---|---|\n') + 10, readme.indexOf('<!-- end -->')];
  if (process.env.UPDATE === '1') {
    writeFileSync(join(root, 'README.md'), `${readme.slice(0, start)}${rows.join('\n')}\n${readme.slice(end)}`);
  }
  const table = readme.slice(start, end).trimEnd().split('\n');
  t.deepEqual(table, rows);
  t.end();
});

test('README and docs: every link leads somewhere', (t) => {
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (/^https?:/.test(target)) continue;
      t.ok(existsSync(join(root, dirname(page), target)), `${page} → ${target}`);
    }
  }
  t.end();
});

test('README: one page', (t) => {
  t.ok(readme.split('\n').length <= 140, `${readme.split('\n').length} lines`);
  t.end();
});

test('docs/events.md: every event type and every fact of it is explained', (t) => {
  const events = read('docs/events.md');
  const { definitions } = JSON.parse(read('schema/event.schema.json')) as {
    definitions: Record<string, { properties?: Record<string, { const?: string; $ref?: string; properties?: object }> }>;
  };
  const said = new Set([...events.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.split(/[^a-z0-9_]+/i)));
  for (const definition of Object.values(definitions)) {
    const type = definition.properties?.event_type?.const;
    if (type === undefined) continue;
    t.ok(said.has(type), type);
    const data = definition.properties?.data;
    const facts = data?.$ref === undefined ? data?.properties : definitions[data.$ref.split('/').at(-1) ?? '']?.properties;
    const missing = Object.keys(facts ?? {}).filter((name) => !said.has(name) && !said.has(name.replace(/_b64$/, '')));
    t.deepEqual(missing, [], `facts of ${type}`);
  }
  t.end();
});
