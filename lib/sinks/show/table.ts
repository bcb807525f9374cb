/** `--table`: calls of models, their tokens and what they cost, by session and model, when the input ends. */
import type { AnyEvent } from '../../stream/event.js';
import { type Facts, facts, get, num, str } from './facts.js';
import type { Lines } from './lines.js';
import type { Paper, Segment } from './paper.js';
import { duration, grouped } from './units.js';
import { fit, textWidth } from './width.js';

/** Rows; calls whose session is remembered. What comes behind is summed in one row. */
const MOST_ROWS = 1000;
const MOST_CALLS = 65_536;
/** Columns of a session's or model's name. */
const NAME_COLUMNS = 40;

interface Sum {
  calls: number;
  errors: number;
  input: number;
  cached: number;
  output: number;
  cost: number;
  /** Calls that have no cost although they have tokens. */
  unpriced: number;
  first: number;
  firsts: number;
}

export class Table {
  readonly #rows = new Map<string, { session: string; model: string; sum: Sum }>();
  /** Session by the id of a call: what continues it belongs to the same. */
  readonly #sessions = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(
    readonly paper: Paper,
    readonly lines: Lines,
  ) {}

  tell(event: AnyEvent): void {
    const data = facts(event.data);
    this.lines.who(data);
    if (event.event_type !== 'llm_call') return;
    const session = this.#sessionOf(event, data);
    const model = str(data, 'response_model') ?? str(data, 'request_model') ?? '?';
    const key = JSON.stringify([session, model]);
    const full = !this.#rows.has(key) && this.#rows.size >= MOST_ROWS;
    const at = full ? '' : key;
    const row = this.#rows.get(at) ?? { session: full ? '(others)' : session, model: full ? '' : model, sum: zero() };
    this.#rows.set(at, row);
    add(row.sum, data);
  }

  flush(): void {
    if (this.#rows.size === 0) {
      this.paper.line([{ text: 'No calls of models: put tracer-http | tracer-llm before tracer-show --table.', tone: 'dim' }]);
      return;
    }
    const rows = [...this.#rows.values()];
    const head = ['session', 'model', 'calls', 'errors', 'tokens in', 'cached', 'out', 'cost', 'first token'];
    const body = rows.map(({ session, model, sum }) => [session, model, ...cells(sum)]);
    const models = new Set(rows.map((row) => row.model));
    const sums: string[][] = [];
    if (rows.length > models.size)
      for (const model of models) sums.push(['all', model, ...cells(total(rows.filter((row) => row.model === model)))]);
    if (models.size > 1) sums.push(['all', 'all', ...cells(total(rows))]);
    this.#print(head, body, sums);
  }

  #print(head: string[], body: string[][], sums: string[][]): void {
    const all = [head, ...body, ...sums].map((row) => row.map((cell, at) => (at < 2 ? fit(cell, NAME_COLUMNS).text : cell)));
    const widths = head.map((_, at) => Math.max(...all.map((row) => textWidth(row[at] as string))));
    all.forEach((row, n) => {
      const tone = n === 0 ? 'dim' : n > body.length ? 'strong' : 'plain';
      const segments: Segment[] = row.map((cell, at) => {
        const room = ' '.repeat((widths[at] as number) - textWidth(cell));
        const gap = at === row.length - 1 ? '' : '  ';
        return { text: at < 2 ? `${cell}${room}${gap}` : `${room}${cell}${gap}`, tone };
      });
      this.paper.line(segments);
    });
  }

  /** The agent's own name of its session; else the conversation that the call goes on with. */
  #sessionOf(event: AnyEvent, data: Facts): string {
    const named = str(data, 'conversation_id');
    const before = str(data, 'continues');
    const session = named ?? (before === undefined ? undefined : this.#sessions.get(before)) ?? this.#newSession(data);
    if (typeof event.id === 'string') {
      this.#sessions.set(event.id, session);
      if (this.#sessions.size > MOST_CALLS) {
        const [oldest] = this.#sessions.keys();
        if (oldest !== undefined) this.#sessions.delete(oldest);
      }
    }
    return session;
  }

  #newSession(data: Facts): string {
    const who = this.lines.who(data) ?? '?';
    const n = (this.#counts.get(who) ?? 0) + 1;
    if (this.#counts.size < MOST_CALLS || n > 1) this.#counts.set(who, n);
    return `${who} ${n}`;
  }
}

function zero(): Sum {
  return { calls: 0, errors: 0, input: 0, cached: 0, output: 0, cost: 0, unpriced: 0, first: 0, firsts: 0 };
}

function add(sum: Sum, data: Facts): void {
  const cost = num(data, 'cost_usd');
  const first = num(data, 'ttft_ms');
  sum.calls++;
  if (get(data, 'error') !== undefined) sum.errors++;
  sum.input += num(data, 'input_tokens') ?? 0;
  sum.cached += num(data, 'cache_read_input_tokens') ?? 0;
  sum.output += num(data, 'output_tokens') ?? 0;
  if (cost !== undefined) sum.cost += cost;
  else if (num(data, 'input_tokens') !== undefined || num(data, 'output_tokens') !== undefined) sum.unpriced++;
  if (first !== undefined) {
    sum.first += first;
    sum.firsts++;
  }
}

function total(rows: readonly { sum: Sum }[]): Sum {
  const all = zero();
  for (const { sum } of rows) for (const name of Object.keys(all) as (keyof Sum)[]) all[name] += sum[name];
  return all;
}

/** A sum that lacks some calls' cost says so: it is at least that much. */
function cells(sum: Sum): string[] {
  const cost = sum.unpriced === sum.calls - sum.errors && sum.cost === 0 ? '?' : `${sum.unpriced > 0 ? '>' : ''}$${sum.cost.toFixed(4)}`;
  return [
    grouped(sum.calls),
    grouped(sum.errors),
    grouped(sum.input),
    grouped(sum.cached),
    grouped(sum.output),
    cost,
    sum.firsts === 0 ? '-' : duration(sum.first / sum.firsts),
  ];
}
