/** tracer-show: the end of a pipeline, for people. One line per event, or the conversation (`--chat`). */
import type { AnyEvent } from '../stream/event.js';
import type { TextSink } from '../stream/stage.js';
import { Chat } from './show/chat.js';
import { facts, get, isFacts } from './show/facts.js';
import { Lines } from './show/lines.js';
import { Paper } from './show/paper.js';
import { Table } from './show/table.js';
import { type Clock, clock } from './show/units.js';

export interface ShowOptions {
  /** Print the text of requests and responses, in order. */
  chat?: boolean;
  /** Print calls of models, tokens and cost as a table, at the end. */
  table?: boolean;
  /** What clock the times are by. */
  time?: Clock;
  /** Leave nothing out that is long. */
  full?: boolean;
  /** Leave secrets as they are. */
  showSecrets?: boolean;
  /** Heartbeats, too. */
  all?: boolean;
}

export interface Terminal {
  color: boolean;
  /** Columns to wrap at; 0 for none. */
  columns: number;
}

/** The sink. Its output depends on its input and on `options` and `terminal` alone, unless `time` is `local`. */
export function show(options: ShowOptions, terminal: Terminal): TextSink {
  const columns = Number.isFinite(terminal.columns) ? terminal.columns : 0;
  const paper = new Paper({ color: terminal.color, columns, showSecrets: options.showSecrets === true });
  const lines = new Lines(clock(options.time ?? 'utc'));
  const chat = options.chat ? new Chat(paper, lines, { full: options.full === true }) : undefined;

  const table = options.table ? new Table(paper, lines) : undefined;

  return {
    name: 'show',
    transform(event: AnyEvent, write): void {
      if (table !== undefined) table.tell(event);
      else if (chat !== undefined) chat.tell(event);
      else if (options.all || !isQuiet(event)) paper.line(lines.of(event));
      const text = paper.take();
      if (text !== '') write(text);
    },
    flush(write): void {
      table?.flush();
      if (table === undefined) chat?.flush();
      paper.end();
      const text = paper.take();
      if (text !== '') write(text);
    },
  };
}

/** A heartbeat that says nothing but that all is well. */
function isQuiet(event: AnyEvent): boolean {
  if (event.event_type !== 'heartbeat') return false;
  const lost = get(facts(event.data), 'lost');
  return !isFacts(lost) || Object.values(lost).every((n) => n === 0);
}
