/** Costs, by a table of our own and by the one that is built in. */
import tape from 'tape';
import { PRICE_DATE, PRICE_TABLE } from '../../lib/match/price-table.js';
import { PriceList } from '../../lib/match/prices.js';

const NOV = Date.parse('2026-11-20T12:00:00Z');
const built = new PriceList(PRICE_DATE, PRICE_TABLE);
const of = (models: unknown[]): PriceList => new PriceList('2026-01-01', JSON.stringify({ acme: { models } }));

tape('fresh, cached and written input, output', (t) => {
  const list = of([
    [{ equals: 'm' }, { input_mtok: 10, cache_read_mtok: 1, cache_write_mtok: 12, cache_write_1h_mtok: 20, output_mtok: 100 }],
  ]);
  const tokens = { input: 1000, cacheRead: 600, cacheCreation: 300, cacheCreation1h: 100, output: 10 };
  t.equal(list.cost('acme', 'm', tokens, NOV), (100 * 10 + 600 * 1 + 200 * 12 + 100 * 20 + 10 * 100) / 1e6);
  t.equal(list.cost('acme', 'M', { input: 1 }, NOV), 0.00001, 'names are compared in lower case');
  t.equal(list.cost('acme', 'other', tokens, NOV), undefined, 'no price, no cost');
  t.equal(list.cost('constructor', 'm', tokens, NOV), undefined);
  t.equal(list.cost(undefined, 'm', tokens, NOV), undefined, 'whose host is not known has no price');
  t.equal(list.cost('acme', 'm', {}, NOV), undefined, 'nothing counted, no cost');
  t.equal(list.cost('acme', 'm'.repeat(300), tokens, NOV), undefined);
  t.equal(list.cost('acme', 'm', { input: 10, cacheRead: 600, cacheCreation: 9 }, NOV), 10 / 1e6, 'a count that cannot be is not believed');
  t.end();
});

tape('a price that rises with the input, for the whole call', (t) => {
  const list = of([[{ equals: 'm' }, { input_mtok: { base: 1, tiers: [{ start: 100, price: 2 }] }, output_mtok: 0 }]]);
  t.equal(list.cost('acme', 'm', { input: 100 }, NOV), 100 / 1e6);
  t.equal(list.cost('acme', 'm', { input: 101 }, NOV), 202 / 1e6);
  t.end();
});

tape('a price from a day on, and one by the hour', (t) => {
  const dated = of([
    [
      { equals: 'd' },
      [{ prices: { input_mtok: 2 } }, { constraint: { type: 'start_date', start_date: '2026-11-01' }, prices: { input_mtok: 1 } }],
    ],
    [
      { equals: 'h' },
      [
        { prices: { input_mtok: 2 } },
        { constraint: { type: 'time_of_date', start_time: '22:00:00Z', end_time: '06:00:00Z' }, prices: { input_mtok: 1 } },
      ],
    ],
  ]);
  const at = (model: string, time: string): number | undefined => dated.cost('acme', model, { input: 1e6 }, Date.parse(time));
  t.deepEqual([at('d', '2026-10-31T23:59:59Z'), at('d', '2026-11-01T00:00:00Z')], [2, 1]);
  t.deepEqual([at('h', '2026-11-20T23:00:00Z'), at('h', '2026-11-20T05:59:59Z'), at('h', '2026-11-20T06:00:00Z')], [1, 1, 2]);
  t.end();
});

tape('prices of one’s own come first', (t) => {
  const list = new PriceList('2026-11-01', PRICE_TABLE, [
    { provider: 'openai', model: 'gpt-4o*', input_mtok: 7, output_mtok: 0 },
    { model: 'qwen*-instruct', input_mtok: 1 },
  ]);
  t.equal(list.cost('openai', 'gpt-4o-2024-08-06', { input: 1e6 }, NOV), 7);
  t.equal(list.cost('azure.ai.openai', 'gpt-4o', { input: 1e6 }, NOV), built.cost('azure.ai.openai', 'gpt-4o', { input: 1e6 }, NOV));
  t.equal(list.cost(undefined, 'qwen3-8b-instruct', { input: 1e6 }, NOV), 1);
  t.equal(list.cost(undefined, 'qwen3-8b', { input: 1e6 }, NOV), undefined);
  t.end();
});

tape('the table that is built in has the models that agents use', (t) => {
  t.match(PRICE_DATE, /^20\d\d-\d\d-\d\d$/);
  for (const [provider, model] of [
    ['anthropic', 'claude-sonnet-4-5-20250929'],
    ['openai', 'gpt-4o-mini-2024-07-18'],
    ['openai', 'gpt-5-2025-08-07'],
    ['azure.ai.openai', 'gpt-4o-2024-08-06'],
    ['gcp.gemini', 'gemini-2.5-flash'],
    ['gcp.vertex_ai', 'gemini-2.5-pro'],
    ['aws.bedrock', 'anthropic.claude-3-haiku-20240307-v1:0'],
    ['mistral_ai', 'mistral-small-latest'],
    ['cohere', 'command-a-03-2025'],
    ['deepseek', 'deepseek-chat'],
    ['x_ai', 'grok-4'],
  ] as const) {
    const cost = built.cost(provider, model, { input: 1e6, output: 1e6 }, NOV);
    t.ok(cost !== undefined && cost > 0 && cost < 1000, `${provider} ${model} ${cost}`);
  }
  t.end();
});
