/** What a call of a model costs, by the price table and by a user's own lines. Prices are USD for a million tokens. */

/** Tokens of a call; cached input is counted in `input`, reasoning in `output`. */
export interface Tokens {
  input?: number | undefined;
  output?: number | undefined;
  cacheRead?: number | undefined;
  cacheCreation?: number | undefined;
  /** Of those, the ones that are kept for an hour. */
  cacheCreation1h?: number | undefined;
  reasoning?: number | undefined;
}

/** A price, which may rise with the size of the input: then for the whole call. */
type Price = number | { base: number; tiers: { start: number; price: number }[] };

/** `…_mtok` per million tokens, `requests_kcount` per thousand calls. */
export interface ModelPrice {
  input_mtok?: Price;
  output_mtok?: Price;
  cache_read_mtok?: Price;
  cache_write_mtok?: Price;
  cache_write_1h_mtok?: Price;
  output_reasoning_mtok?: Price;
  requests_kcount?: Price;
}

interface Match {
  equals?: string;
  starts_with?: string;
  ends_with?: string;
  contains?: string;
  regex?: string;
  or?: Match[];
  and?: Match[];
}

interface Dated {
  constraint?: { type: 'start_date'; start_date: string } | { type: 'time_of_date'; start_time: string; end_time: string };
  prices: ModelPrice;
}

type Table = Record<string, { also?: string[]; models: [Match, ModelPrice | Dated[]][] }>;

/** A line of a user's price file. */
export interface OwnPrice extends ModelPrice {
  /** OpenTelemetry's name; absent for any. */
  provider?: string;
  /** A name, in which `*` stands for anything. */
  model: string;
}

/** Providers whose name in the price table is not OpenTelemetry's. */
const TABLE_NAMES: Record<string, string[]> = {
  'azure.ai.openai': ['azure'],
  'azure.ai.inference': ['azure'],
  'gcp.gemini': ['google'],
  'gcp.vertex_ai': ['google'],
  'aws.bedrock': ['aws'],
  mistral_ai: ['mistral'],
  x_ai: ['x-ai'],
  moonshot_ai: ['moonshotai'],
  zhipu_ai: ['zai', 'zhipuai'],
  'github.copilot': ['github-copilot'],
  voyage_ai: ['voyageai'],
};

/** Models whose price is remembered. */
const MOST_KNOWN = 1024;
/** Longer names are nobody's model. */
const LONGEST_NAME = 256;

export class PriceList {
  readonly #json: string;
  readonly #own: readonly OwnPrice[];
  #table: Table | undefined;
  readonly #known = new Map<string, ModelPrice | Dated[] | undefined>();

  /** @param json the table, as it is generated */
  constructor(
    readonly date: string,
    json: string,
    own: readonly OwnPrice[] = [],
    readonly digest?: string,
  ) {
    this.#json = json;
    this.#own = own;
  }

  /** USD; undefined where the provider's model has no price or nothing was counted. @param at ms since the epoch */
  cost(provider: string | undefined, model: string, tokens: Tokens, at: number): number | undefined {
    if (tokens.input === undefined && tokens.output === undefined) return undefined;
    if (model.length > LONGEST_NAME) return undefined;
    const found = this.#find(provider, model);
    const price = Array.isArray(found) ? inForce(found, at) : found;
    return price === undefined ? undefined : costOf(price, tokens);
  }

  #find(provider: string | undefined, model: string): ModelPrice | Dated[] | undefined {
    const key = `${provider} ${model}`;
    if (this.#known.has(key)) return this.#known.get(key);
    const own = this.#own.find((line) => (line.provider === undefined || line.provider === provider) && glob(line.model, model));
    const price = own ?? (provider === undefined ? undefined : this.#inTable(provider, model.toLowerCase()));
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.set(key, price);
    return price;
  }

  #inTable(provider: string, model: string): ModelPrice | Dated[] | undefined {
    this.#table ??= JSON.parse(this.#json) as Table;
    const names = (Object.hasOwn(TABLE_NAMES, provider) ? TABLE_NAMES[provider] : undefined) ?? [provider];
    for (const name of names) {
      const of = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined;
      if (of === undefined) continue;
      for (const each of [name, ...(of.also ?? [])]) {
        const price = this.#table[each]?.models.find(([match]) => matches(match, model))?.[1];
        if (price !== undefined) return price;
      }
    }
    return undefined;
  }
}

/** Names are compared in lower case. */
function matches(match: Match, model: string): boolean {
  if (match.or !== undefined) return match.or.some((each) => matches(each, model));
  if (match.and !== undefined) return match.and.every((each) => matches(each, model));
  if (match.equals !== undefined) return model === match.equals.toLowerCase();
  if (match.starts_with !== undefined) return model.startsWith(match.starts_with.toLowerCase());
  if (match.ends_with !== undefined) return model.endsWith(match.ends_with.toLowerCase());
  if (match.contains !== undefined) return model.includes(match.contains.toLowerCase());
  // Patterns of the table, which is part of the program; the names they meet are short.
  return match.regex !== undefined && new RegExp(match.regex, 'i').test(model);
}

/** `*` stands for anything. */
function glob(pattern: string, model: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === model;
  if (!model.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const piece of rest) {
    const found = model.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return model.length - last.length >= at && model.endsWith(last);
}

/** The last price whose condition holds at that time. */
function inForce(prices: readonly Dated[], at: number): ModelPrice | undefined {
  const when = Math.abs(at) < 8.64e15 ? new Date(at).toISOString() : '1970-01-01T00:00:00Z';
  const [day = '', time = ''] = when.split('T');
  for (let i = prices.length - 1; i >= 0; i--) {
    const { constraint, prices: of } = prices[i] as Dated;
    if (constraint === undefined) return of;
    if (constraint.type === 'start_date' ? day >= constraint.start_date : within(time, constraint.start_time, constraint.end_time))
      return of;
  }
  return prices[0]?.prices;
}

function within(time: string, start: string, end: string): boolean {
  const [now, from, to] = [time.slice(0, 8), start.slice(0, 8), end.slice(0, 8)];
  return from <= to ? now >= from && now < to : now >= from || now < to;
}

function costOf(price: ModelPrice, tokens: Tokens): number | undefined {
  const input = tokens.input ?? 0;
  const at = (each: Price | undefined): number | undefined => {
    if (each === undefined || typeof each === 'number') return each;
    return each.tiers.reduce((found, tier) => (input > tier.start ? tier.price : found), each.base);
  };
  const fresh = at(price.input_mtok);
  const said = at(price.output_mtok);
  if ((fresh === undefined && input > 0) || (said === undefined && (tokens.output ?? 0) > 0 && fresh === undefined)) return undefined;
  const read = Math.min(tokens.cacheRead ?? 0, input);
  const written = Math.min(tokens.cacheCreation ?? 0, input - read);
  const hour = Math.min(tokens.cacheCreation1h ?? 0, written);
  const output = tokens.output ?? 0;
  const thoughtPrice = at(price.output_reasoning_mtok);
  const thought = thoughtPrice === undefined ? 0 : Math.min(tokens.reasoning ?? 0, output);
  const write = at(price.cache_write_mtok) ?? fresh ?? 0;
  const micro =
    (input - read - written) * (fresh ?? 0) +
    read * (at(price.cache_read_mtok) ?? fresh ?? 0) +
    (written - hour) * write +
    hour * (at(price.cache_write_1h_mtok) ?? write) +
    (output - thought) * (said ?? 0) +
    thought * (thoughtPrice ?? 0) +
    (at(price.requests_kcount) ?? 0) * 1000;
  return Number((micro / 1e6).toPrecision(12));
}
