/** `--prices FILE`: a user's own prices before the built-in ones. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PRICE_DATE, PRICE_TABLE } from '../match/price-table.js';
import { type OwnPrice, PriceList } from '../match/prices.js';
import type { Options } from '../stream/command.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { facts, isFacts, text } from '../stream/facts.js';

/** Lines of a price file. */
const MOST_LINES = 10_000;
const NUMBERS = new Set([
  'input_mtok',
  'output_mtok',
  'cache_read_mtok',
  'cache_write_mtok',
  'cache_write_1h_mtok',
  'output_reasoning_mtok',
  'requests_kcount',
]);

/** The prices that the options ask for. @throws CommandError that says what in the file is wrong */
export function priceTable(options: Options): PriceList {
  const file = options.prices;
  if (typeof file !== 'string') return new PriceList(PRICE_DATE, PRICE_TABLE);
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.config, `cannot read the prices ${file}: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
  const refuse = (what: string): never => {
    throw new CommandError(
      EXIT.config,
      `${file}: ${what}`,
      'It holds {"date": "2026-11-01", "prices": [{"model": "gpt-*", "input_mtok": 1.25, "output_mtok": 10}]}',
    );
  };
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    return refuse(`not JSON: ${(error as Error).message}`);
  }
  const date = text(facts(value), 'date');
  if (date === undefined || !/^\d{4}-\d\d-\d\d$/.test(date)) refuse('"date" is no day');
  const { prices } = facts(value);
  if (!Array.isArray(prices) || prices.length > MOST_LINES) return refuse(`"prices" is no list of at most ${MOST_LINES}`);
  prices.forEach((line: unknown, at) => {
    if (!isFacts(line) || text(line, 'model') === undefined) refuse(`prices[${at}] has no "model"`);
    for (const [name, price] of Object.entries(facts(line))) {
      if (name === 'model' || name === 'provider') {
        if (typeof price !== 'string') refuse(`prices[${at}].${name} is no text`);
      } else if (!NUMBERS.has(name)) refuse(`prices[${at}] has "${name}", which is no price`);
      else if (typeof price !== 'number' || !(price >= 0)) refuse(`prices[${at}].${name} is no price`);
    }
  });
  return new PriceList(date as string, PRICE_TABLE, prices as OwnPrice[], createHash('sha256').update(content).digest('hex'));
}
