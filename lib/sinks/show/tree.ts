/**
 * The processes of a stream as a tree: who started whom, what each ran, how long it lived and how it ended. A model
 * without any text: tree-view.ts prints it. Pure, and bounded: a tree in which nobody lives any more is handed out and
 * forgotten, and in one that lives on the oldest ends are only counted.
 */
import type { AnyEvent } from '../../stream/event.js';
import { type Facts, facts, get, isFacts, num, str, strings } from './facts.js';

/** Processes that are remembered. Beyond it the oldest ends without living descendants are counted, not kept. */
export const MOST_NODES = 65_536;
/** Ends that are looked at for one that may be forgotten. */
const MOST_LOOKS = 256;
/** Trees among which the parent of a newcomer's children is looked for. */
const MOST_ROOTS = 4096;
/** Streams whose losses are added up apart. */
const MOST_STREAMS = 64;

export class TreeNode {
  parent: TreeNode | undefined;
  /** In the order in which they were met. */
  readonly children = new Set<TreeNode>();
  /** Children that have ended and are no longer kept. */
  forgotten = 0;
  comm: string | undefined;
  args: readonly string[] | undefined;
  exe: string | undefined;
  /** What it ran before its present program. */
  former: string | undefined;
  /** It is known what it ran until now: its own program, not one that is told of ahead of its exec. */
  settled = false;
  /** It was seen to be made, and has not begun a program of its own. */
  forked = false;
  /** It ran when the sensor started. */
  before = false;
  /** Its last exec that failed, while no other has succeeded. */
  failed: { filename: string; errno: string } | undefined;
  /** Timestamp of its beginning, as well as it is known, and of the end. */
  begin: number;
  end: number | undefined;
  exitCode: number | undefined;
  signal: string | undefined;
  coreDumped = false;
  durationMs: number | undefined;
  /** Processes that live in the tree below and including it. */
  living = 1;

  constructor(
    readonly pid: number,
    /** Microseconds since boot; with the pid it is a life. 0 when the stream does not say. */
    readonly startUs: number,
    readonly ppid: number | undefined,
    begin: number,
  ) {
    this.begin = begin;
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  /** It did not do what it was to do. */
  get isBad(): boolean {
    return this.ended && (this.signal !== undefined || (this.exitCode !== undefined && this.exitCode !== 0));
  }
}

interface Stream {
  over: boolean;
  saidLost: number;
}

export class ProcessTree {
  /** Timestamp of the latest event. */
  now = 0;
  /** Events that were lost, as the stream says. */
  lost = 0;
  readonly roots = new Set<TreeNode>();
  readonly #byLife = new Map<string, TreeNode>();
  readonly #byPid = new Map<number, TreeNode>();
  /** Ended ones, the oldest first. */
  readonly #ended = new Set<TreeNode>();
  readonly #streams = new Map<string, Stream>();
  #done: TreeNode[] = [];

  /** Every sensor of the stream has said its last words. */
  get isOver(): boolean {
    return this.#streams.size > 0 && [...this.#streams.values()].every(({ over }) => over);
  }

  /** Takes one event. True when the tree is another one now. Bears any object. */
  tell(event: AnyEvent): boolean {
    const { timestamp, event_type } = event;
    if (typeof timestamp === 'number' && Number.isFinite(timestamp) && timestamp > this.now) this.now = timestamp;
    const data = facts(event.data);
    if (event_type === 'process_fork') this.#fork(data);
    else if (event_type === 'process_info') this.#info(data);
    else if (event_type === 'process_exec') this.#exec(data);
    else if (event_type === 'process_exit') this.#exit(data);
    else if (event_type === 'sensor_start') this.#stream(event).over = false;
    else if (event_type === 'sensor_end') this.#sensorEnd(event, data);
    else if (event_type === 'loss') this.#loss(event, data);
    else return false;
    return true;
  }

  /** Trees in which nobody lives any more, since the last call. */
  takeDone(): TreeNode[] {
    const done = this.#done;
    this.#done = [];
    return done;
  }

  /** The process of an event, met now if need be; undefined when the event does not say who. */
  find(data: Facts): TreeNode | undefined {
    const pid = num(data, 'pid');
    return pid === undefined ? undefined : this.#byLife.get(lifeOf(pid, num(data, 'start_us') ?? 0));
  }

  #fork(data: Facts): void {
    const parent = this.#at(data);
    const pid = num(data, 'child_pid');
    if (parent === undefined || pid === undefined) return;
    const startUs = num(data, 'child_start_us') ?? 0;
    if (this.#byLife.has(lifeOf(pid, startUs))) return;
    const child = this.#make(new TreeNode(pid, startUs, parent.pid, this.now), parent);
    child.forked = true;
    child.comm = parent.comm;
    child.args = parent.args;
    child.exe = parent.exe;
  }

  #info(data: Facts): void {
    const node = this.#at(data);
    if (node === undefined) return;
    if (str(data, 'origin') === 'snapshot') {
      node.before = true;
      node.settled = true;
    }
    node.args ??= strings(data, 'args');
    node.exe ??= str(data, 'exe');
  }

  #exec(data: Facts): void {
    const node = this.#at(data);
    if (node === undefined) return;
    const errno = str(data, 'errno');
    if (errno !== undefined) {
      node.failed = { filename: str(data, 'filename') ?? '?', errno };
      return;
    }
    if (node.settled) node.former = node.args?.[0] ?? node.exe;
    node.settled = true;
    node.forked = false;
    node.failed = undefined;
    node.args = strings(data, 'args');
    node.exe = str(data, 'exe') ?? str(data, 'filename');
  }

  #exit(data: Facts): void {
    const node = this.#at(data);
    if (node === undefined || node.ended) return;
    node.end = this.now;
    node.exitCode = num(data, 'exit_code');
    node.signal = str(data, 'signal');
    node.coreDumped = get(data, 'core_dumped') === true;
    const ns = num(data, 'duration_ns');
    node.durationMs = ns === undefined ? Math.max(0, this.now - node.begin) : ns / 1e6;
    this.#ended.add(node);
    let root = node;
    for (let up: TreeNode | undefined = node; up !== undefined; up = up.parent) {
      up.living--;
      root = up;
    }
    if (root.living === 0) this.#finish(root);
  }

  #finish(root: TreeNode): void {
    this.#done.push(root);
    this.roots.delete(root);
    this.#forget(root);
  }

  #forget(node: TreeNode): void {
    const left = [node];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const child of next.children) left.push(child);
      this.#drop(next);
    }
  }

  #drop(node: TreeNode): void {
    this.#byLife.delete(lifeOf(node.pid, node.startUs));
    if (this.#byPid.get(node.pid) === node) this.#byPid.delete(node.pid);
    this.#ended.delete(node);
  }

  #at(data: Facts): TreeNode | undefined {
    const pid = num(data, 'pid');
    if (pid === undefined) return undefined;
    const startUs = num(data, 'start_us') ?? 0;
    const known = this.#byLife.get(lifeOf(pid, startUs));
    const node = known ?? this.#meet(pid, startUs, num(data, 'ppid'));
    node.comm = str(data, 'comm') ?? node.comm;
    return node;
  }

  /** One that nobody was seen to make: its parent is who has that number. */
  #meet(pid: number, startUs: number, ppid: number | undefined): TreeNode {
    const parent = ppid === undefined ? undefined : this.#byPid.get(ppid);
    const older = parent !== undefined && parent.startUs <= startUs && parent.pid !== pid ? parent : undefined;
    const node = this.#make(new TreeNode(pid, startUs, ppid, this.now), older);
    if (this.roots.size > MOST_ROOTS) return node;
    // A snapshot is in no order: its children may have come before it.
    for (const root of [...this.roots])
      if (root !== node && root.ppid === pid && root.startUs >= startUs && rootOf(node) !== root) this.#adopt(root, node);
    return node;
  }

  #make(node: TreeNode, parent: TreeNode | undefined): TreeNode {
    this.#byLife.set(lifeOf(node.pid, node.startUs), node);
    this.#byPid.set(node.pid, node);
    this.roots.add(node);
    if (parent !== undefined) this.#adopt(node, parent);
    if (this.#byLife.size > MOST_NODES) this.#forgetOldest();
    return node;
  }

  #adopt(node: TreeNode, parent: TreeNode): void {
    this.roots.delete(node);
    node.parent = parent;
    parent.children.add(node);
    for (let up: TreeNode | undefined = parent; up !== undefined; up = up.parent) up.living += node.living;
  }

  #forgetOldest(): void {
    let looks = 0;
    for (const node of this.#ended) {
      if (++looks > MOST_LOOKS) break;
      if (node.children.size > 0 || node.parent === undefined) continue;
      node.parent.children.delete(node);
      node.parent.forgotten += 1 + node.forgotten;
      this.#drop(node);
      return;
    }
    // All of them live, or so it seems: their ends were lost.
    const [oldest] = this.#byLife.values();
    const root = oldest === undefined ? undefined : rootOf(oldest);
    if (root !== undefined) this.#finish(root);
  }

  #stream(event: AnyEvent): Stream {
    const id = typeof event.id === 'string' ? event.id.slice(0, 10) : '';
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    const stream = { over: false, saidLost: 0 };
    this.#streams.set(id, stream);
    if (this.#streams.size > MOST_STREAMS) {
      const [oldest] = this.#streams.keys();
      if (oldest !== undefined) this.#streams.delete(oldest);
    }
    return stream;
  }

  #loss(event: AnyEvent, data: Facts): void {
    const lost = num(data, 'lost') ?? 0;
    if (!(lost > 0)) return;
    this.#stream(event).saidLost += lost;
    this.lost += lost;
  }

  /** The last words have the whole sum: a filter on the way may have left out the others. */
  #sensorEnd(event: AnyEvent, data: Facts): void {
    const stream = this.#stream(event);
    stream.over = true;
    const lost = get(data, 'lost');
    const sum = isFacts(lost) ? Object.values(lost).reduce<number>((total, n) => total + (typeof n === 'number' && n > 0 ? n : 0), 0) : 0;
    if (sum > stream.saidLost) this.lost += sum - stream.saidLost;
    stream.saidLost = Math.max(stream.saidLost, sum);
  }
}

function lifeOf(pid: number, startUs: number): string {
  return `${pid}.${startUs}`;
}

function rootOf(node: TreeNode): TreeNode {
  let root = node;
  while (root.parent !== undefined) root = root.parent;
  return root;
}
