/**
 * tracer-show: the end of a pipeline, for people. One line per event, or the conversation (`--chat`), a table of calls
 * (`--table`), the tree of processes (`--tree`).
 */
import type { AnyEvent } from '../stream/event.js';
import type { TextSink } from '../stream/stage.js';
import { Chat } from './show/chat.js';
import { facts, get, isFacts } from './show/facts.js';
import { Lines } from './show/lines.js';
import { Paper } from './show/paper.js';
import { Table } from './show/table.js';
import { TreeView } from './show/tree-view.js';
import { type Clock, clock } from './show/units.js';

export interface ShowOptions {
  /** Print the text of requests and responses, in order. */
  chat?: boolean;
  /** Print calls of models, tokens and cost as a table, at the end. */
  table?: boolean;
  /** Print who started whom, what each ran and how it ended. */
  tree?: boolean;
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
  /** Rows of a screen on which a view may be drawn anew; 0 or absent: what is written stays. */
  rows?: number;
}

/** The sink. Its output depends on its input and on `options` and `terminal` alone, unless `time` is `local`. */
export function show(options: ShowOptions, terminal: Terminal): TextSink {
  const paper = new Paper({
    color: terminal.color,
    // Asked for each time: a terminal may be made wider.
    get columns(): number {
      return Number.isFinite(terminal.columns) ? terminal.columns : 0;
    },
    showSecrets: options.showSecrets === true,
  });
  const lines = new Lines(clock(options.time ?? 'utc'));
  const full = options.full === true;
  const tree = options.tree ? treeOf(paper, lines, options, terminal) : undefined;
  const chat = options.chat ? new Chat(paper, lines, { full }) : undefined;
  const table = options.table ? new Table(paper, lines) : undefined;

  return {
    name: 'show',
    transform(event: AnyEvent, write): void {
      if (tree !== undefined) tree.tell(event);
      else if (table !== undefined) table.tell(event);
      else if (chat !== undefined) chat.tell(event);
      else if (options.all || !isQuiet(event)) paper.line(lines.of(event));
      const text = paper.take();
      if (text !== '') write(text);
    },
    ...(tree === undefined ? {} : { draw: (write: (text: string) => void) => tree.draw(write) }),
    flush(write): void {
      if (tree !== undefined) {
        tree.end(write);
        return;
      }
      table?.flush();
      if (table === undefined) chat?.flush();
      paper.end();
      const text = paper.take();
      if (text !== '') write(text);
    },
  };
}

function treeOf(paper: Paper, lines: Lines, options: ShowOptions, terminal: Terminal): TreeView {
  return new TreeView(paper, {
    full: options.full === true,
    showSecrets: options.showSecrets === true,
    columns: () => (Number.isFinite(terminal.columns) ? terminal.columns : 0),
    rows: () => terminal.rows ?? 0,
    time: lines.time,
  });
}

/** A heartbeat that says nothing but that all is well. */
function isQuiet(event: AnyEvent): boolean {
  if (event.event_type !== 'heartbeat') return false;
  const lost = get(facts(event.data), 'lost');
  return !isFacts(lost) || Object.values(lost).every((n) => n === 0);
}
