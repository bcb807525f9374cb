/**
 * Makes lib/match/price-table.ts out of the package @pydantic/genai-prices, unpacked at the folder that is named:
 *
 *     npm pack @pydantic/genai-prices@0.1.8 && tar xzf pydantic-genai-prices-0.1.8.tgz
 *     node dist/scripts/prices.js package 2026-09-23     # the day of its release
 *
 * Only what a cost in tokens needs is taken. Its terms are in NOTICE.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const [folder, date] = process.argv.slice(2);
if (folder === undefined || !/^\d{4}-\d\d-\d\d$/.test(date ?? '')) {
  process.stderr.write('usage: node dist/scripts/prices.js FOLDER YYYY-MM-DD\n');
  process.exit(64);
}
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };

/** A value of the package's bundle, which holds its data as a literal. */
function literal(node: ts.Node): unknown {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isNumericLiteral(node)) return Number(node.text);
  if (ts.isPrefixUnaryExpression(node))
    return node.operator === ts.SyntaxKind.MinusToken ? -Number(node.operand.getText()) : node.operand.getText() === '0';
  if (ts.isArrayLiteralExpression(node)) return node.elements.map(literal);
  if (ts.isObjectLiteralExpression(node)) {
    return Object.fromEntries(
      node.properties.flatMap((member) =>
        ts.isPropertyAssignment(member) && (ts.isIdentifier(member.name) || ts.isStringLiteral(member.name))
          ? [[member.name.text, literal(member.initializer)]]
          : [],
      ),
    );
  }
  return undefined;
}

interface Provider {
  id: string;
  fallback_model_providers?: string[];
  models: { match: unknown; prices: unknown }[];
}

const source = ts.createSourceFile('data.js', readFileSync(join(folder, 'dist/index.js'), 'utf8'), ts.ScriptTarget.Latest, true);
let providers: Provider[] | undefined;
for (const statement of source.statements) {
  if (!ts.isVariableStatement(statement)) continue;
  for (const { initializer } of statement.declarationList.declarations) {
    if (initializer !== undefined && ts.isArrayLiteralExpression(initializer) && initializer.elements.length > 10)
      providers ??= literal(initializer) as Provider[];
  }
}
if (providers === undefined) throw new Error(`no list of providers in ${folder}`);

const NAMES = [
  'input_mtok',
  'output_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
  'cache_write_1h_mtok',
  'output_reasoning_mtok',
  'requests_kcount',
];

function prices(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(({ constraint, prices: of }: { constraint?: unknown; prices: unknown }) => ({ constraint, prices: prices(of) }));
  return Object.fromEntries(
    NAMES.flatMap((name) =>
      (value as Record<string, unknown>)[name] === undefined ? [] : [[name, (value as Record<string, unknown>)[name]]],
    ),
  );
}

const table = Object.fromEntries(
  providers.map(({ id, fallback_model_providers, models }) => [
    id,
    {
      ...(fallback_model_providers === undefined ? {} : { also: fallback_model_providers }),
      models: models.map((model) => [model.match, prices(model.prices)]),
    },
  ]),
);
const json = JSON.stringify(table);
const text = `/**
 * Prices of models. Made by scripts/prices.ts from @pydantic/genai-prices ${version} (MIT, see NOTICE): not to be edited.
 */

/** The day of that release. */
export const PRICE_DATE = '${date}';

/** Provider → models, as JSON: read when the first price is asked for. */
export const PRICE_TABLE =
  // biome-ignore format: one line
  ${JSON.stringify(json).replace(/'/g, "\\'").replace(/^"|"$/g, "'").replace(/\\"/g, '"')};
`;
writeFileSync(fileURLToPath(new URL('../../lib/match/price-table.ts', import.meta.url)), text);
process.stderr.write(`lib/match/price-table.ts: ${providers.length} providers, ${text.length} characters\n`);
