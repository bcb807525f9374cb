/**
 * A tree of processes as lines: argv, pid, and how it ended or that it has not. On a terminal it is drawn anew in place;
 * a tree in which nobody lives any more is printed for good.
 */
import type { AnyEvent } from '../../stream/event.js';
import type { Paper, Segment } from './paper.js';
import { commandLine } from './said.js';
import { hideSecrets } from './secrets.js';
import { ProcessTree, type TreeNode } from './tree.js';
import { count, duration, grouped } from './units.js';
import { head, visible } from './visible.js';
import { fit, textWidth } from './width.js';

export interface TreeViewOptions {
  /** Leave nothing out. */
  full: boolean;
  showSecrets: boolean;
  /** Columns to cut at; 0 for none. */
  columns(): number;
  /** Rows of the terminal that it is drawn anew on; 0: lines are printed once. */
  rows(): number;
  /** The time at the head of a tree. */
  time(timestamp: unknown): string;
}

/** Children of one process that are shown; and fewer, where the screen is too small. */
const MOST_CHILDREN = [40, 20, 10, 5, 2] as const;
/** Without a terminal and without --full, an argv longer than this is cut. */
const LONGEST_TITLE = 240;
const SHORTEST_TITLE = 12;

export class TreeView {
  readonly #tree = new ProcessTree();
  readonly #paper: Paper;
  readonly #options: TreeViewOptions;
  /** Lines that are on the screen and will be drawn anew. */
  #drawn = 0;
  #changed = false;
  #saidLost = 0;

  constructor(paper: Paper, options: TreeViewOptions) {
    this.#paper = paper;
    this.#options = options;
  }

  tell(event: AnyEvent): void {
    // A heartbeat makes the living older.
    if (this.#tree.tell(event) || event.event_type === 'heartbeat') this.#changed = true;
    // A screen waits for {@link draw}.
    if (this.#options.rows() === 0) this.#printDone();
  }

  /** Draws what lives anew, on a terminal, if anything has changed. What comes before the drawing goes to `write`. */
  draw(write: (text: string) => void): void {
    const rows = this.#options.rows();
    if (rows === 0 || !this.#changed) return;
    this.#changed = false;
    this.#erase(write);
    this.#printDone();
    this.#flushPaper(write);
    const lines = this.#living(Math.max(4, rows - 1));
    for (const line of lines) this.#paper.line(line);
    this.#drawn = lines.length;
    this.#flushPaper(write);
  }

  /** The end: everything that is left, whole. */
  end(write: (text: string) => void): void {
    this.#erase(write);
    this.#printDone();
    const [most] = MOST_CHILDREN;
    for (const root of this.#tree.roots) this.#print(root, most);
    if (this.#tree.lost > this.#saidLost) this.#paper.line(lossLine(this.#tree.lost));
    this.#flushPaper(write);
  }

  #flushPaper(write: (text: string) => void): void {
    const text = this.#paper.take();
    if (text !== '') write(text);
  }

  #erase(write: (text: string) => void): void {
    if (this.#drawn > 0) write(`\x1b[${this.#drawn}A\r\x1b[J`);
    this.#drawn = 0;
  }

  #printDone(): void {
    const [most] = MOST_CHILDREN;
    for (const root of this.#tree.takeDone()) {
      this.#print(root, most);
      // Said where it may be felt: below the tree in which something may be missing.
      if (this.#tree.lost > this.#saidLost) this.#paper.line(lossLine(this.#tree.lost));
      this.#saidLost = this.#tree.lost;
    }
  }

  #print(root: TreeNode, most: number): void {
    for (const line of this.#linesOf(root, this.#options.full ? Number.POSITIVE_INFINITY : most)) this.#paper.line(line);
  }

  /** What lives, in at most so many lines. */
  #living(rows: number): Segment[][] {
    const loss = this.#tree.lost > this.#saidLost ? [lossLine(this.#tree.lost)] : [];
    const room = rows - loss.length;
    let lines: Segment[][] = [];
    for (const most of MOST_CHILDREN) {
      lines = [...this.#tree.roots].flatMap((root) => this.#linesOf(root, most));
      if (lines.length <= room) return [...lines, ...loss];
    }
    const left = lines.length - room + 1;
    return [[{ text: `… ${count(left, 'line')} above`, tone: 'dim' }], ...lines.slice(left), ...loss];
  }

  #linesOf(root: TreeNode, most: number): Segment[][] {
    const lines: Segment[][] = [];
    // A stack and no recursion: a chain of processes may be as deep as it likes.
    const stack: { node: TreeNode | string; first: string; rest: string }[] = [{ node: root, first: '', rest: '' }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { node, first, rest } = next;
      if (typeof node === 'string') {
        lines.push([{ text: `${first}${node}`, tone: 'dim' }]);
        continue;
      }
      lines.push(this.#line(node, first));
      const items = chosen(node, most);
      for (const [at, item] of [...items.entries()].reverse()) {
        const last = at === items.length - 1;
        stack.push({ node: item, first: `${rest}${last ? '└─ ' : '├─ '}`, rest: `${rest}${last ? '   ' : '│  '}` });
      }
    }
    return lines;
  }

  #line(node: TreeNode, prefix: string): Segment[] {
    const time = node.parent === undefined ? this.#options.time(node.begin) : '';
    const lead: Segment[] = [{ text: time === '' ? prefix : `${time} ${prefix}`, tone: 'dim' }];
    const tail = this.#outcome(node);
    const taken = [...lead, ...tail].reduce((columns, { text }) => columns + textWidth(visible(text)), 0);
    return [...lead, this.#title(node, taken), ...tail];
  }

  /** The command line, cut so that how it ended is still seen. */
  #title(node: TreeNode, taken: number): Segment {
    const text = commandLine(node.args) ?? node.exe ?? node.comm ?? '?';
    const short = node.forked ? `${node.comm ?? '?'} (fork)` : text;
    const safe = visible(this.#options.showSecrets ? short : hideSecrets(short));
    const columns = this.#options.columns();
    const room = columns > 0 ? Math.max(SHORTEST_TITLE, columns - taken) : this.#options.full ? Number.POSITIVE_INFINITY : LONGEST_TITLE;
    const title =
      textWidth(head(safe, 4096)) <= room && safe.length <= 4096 ? safe : `${fit(head(safe, 4096), Math.min(room, 4096) - 1).text}…`;
    return { text: title, tone: node.forked ? 'plain' : 'strong' };
  }

  #outcome(node: TreeNode): Segment[] {
    const said: Segment[] = [{ text: ` [${node.pid}]`, tone: 'dim' }];
    const add = (text: string, tone: Segment['tone']): number => said.push({ text: ` ${text}`, tone });
    if (node.former !== undefined) add(`formerly ${head(node.former, 40)}`, 'dim');
    if (node.failed !== undefined) add(`cannot run ${head(node.failed.filename, 80)}: ${node.failed.errno}`, 'bad');
    if (!node.ended) {
      const ms = Math.max(0, this.#tree.now - node.begin);
      const length = node.before ? '' : ` ${duration(ms)}`;
      if (this.#tree.isOver) add(`not ended${length === '' ? '' : ` after${length}`}`, 'warn');
      else add(`running${length === '' ? '' : ` for${length}`}`, 'in');
    } else {
      if (node.signal !== undefined) add(node.signal, 'bad');
      else add(`exit ${node.exitCode ?? '?'}`, node.exitCode === 0 ? 'good' : 'bad');
      if (node.coreDumped) add('core dumped', 'bad');
      if (node.durationMs !== undefined) add(`after ${duration(node.durationMs)}`, 'plain');
    }
    if (node.before) add('ran before', 'dim');
    return said;
  }
}

/** The children that are shown, in order, behind a sentence about those that are not. */
function chosen(node: TreeNode, most: number): (TreeNode | string)[] {
  const all = [...node.children];
  let hidden = node.forgotten;
  let shown = all;
  if (all.length > most) {
    // Who lives (or has somebody living), then who failed, then who came last.
    const rank = new Map(all.map((child, at) => [child, (child.living > 0 ? 2 : child.isBad ? 1 : 0) * (all.length + 1) + at]));
    const kept = new Set([...all].sort((a, b) => (rank.get(b) ?? 0) - (rank.get(a) ?? 0)).slice(0, most));
    shown = all.filter((child) => kept.has(child));
    hidden += all.length - shown.length;
  }
  return hidden === 0 ? shown : [`… ${grouped(hidden)} more`, ...shown];
}

function lossLine(lost: number): Segment[] {
  return [{ text: `${count(lost, 'event')} lost: something may be missing`, tone: 'bad' }];
}
