/**
 * A sensor's pen: numbers its events, turns boot time into the timestamp of the contract, counts what it gives and what
 * it has to drop when its reader is slow, and says both.
 */
import { RecordLines, type SharedText } from '../bpf/record-lines.js';
import { randomStream } from '../stream/derive.js';
import type { AnyEvent, Loss, LossPlace, Source } from '../stream/event.js';
import { UTF8_GROWTH } from '../stream/line-writer.js';
import type { Outlet } from '../stream/source.js';
import type { KnownProcess } from './processes.js';

/** What was dropped because too much waits for the reader. */
interface Dropped {
  lost: number;
  bytes: number;
  since: number;
}

/** Gives the `process_info` of a process that another sensor has met, unless it has been given. */
export interface Announcer {
  announceFor(process: KnownProcess, ns: number, origin: 'snapshot' | 'first_seen'): void;
}

/** What a line has besides: id, timestamp, braces. */
const LINE_BYTES = 128;

export interface EmitterOptions {
  /** Bulk events are dropped while more than this waits; all others but the last words at four times as much. */
  queueBytes: number;
  /** Unix time minus boot time in microseconds. */
  clockOffsetUs: number;
}

export class Emitter {
  readonly stream = randomStream();
  /** Events given, by type: all, and since the last heartbeat. */
  readonly given = new Map<string, number>();
  windowCounts: Record<string, number> = {};
  windowLost: Record<string, number> = {};
  /** Bulk events lost in user space, by type, all in all. */
  readonly bulkLost = new Map<string, number>();
  clockOffsetUs: number;
  /** Whose part it is to tell who a process is, where several sensors are under one roof. */
  announcer: Announcer | undefined;
  /** There when the reader takes lines: the addon's printer of bulk events. */
  lines: RecordLines | undefined;
  readonly #queueBytes: number;
  readonly #dropped = new Map<string, Dropped>();
  #outlet: Outlet | undefined;
  readonly #idHead = `{"id":"${this.stream}-`;
  #n = 0;

  constructor(options: EmitterOptions) {
    this.#queueBytes = options.queueBytes;
    this.clockOffsetUs = options.clockOffsetUs;
  }

  open(outlet: Outlet): void {
    this.#outlet = outlet;
    if (outlet.prefersLines === true) this.lines = new RecordLines(`${this.stream}-`);
  }

  /**
   * One ssl_data that the addon prints from its record at `at` of `batch`; {@link emit} for one that is a line already.
   * It is numbered when it is printed, at the latest by {@link flush}, before `batch` is used again.
   */
  line(
    lines: RecordLines,
    batch: Buffer,
    at: number,
    captured: number,
    texts: { head: SharedText; tail: SharedText },
    ns: number,
    bytes: number,
  ): boolean {
    if (!this.#hasRoom('ssl_data', ns, bytes)) return false;
    if (!lines.add(batch, at, captured, texts.head, texts.tail)) {
      this.flush();
      lines.add(batch, at, captured, texts.head, texts.tail);
    }
    return true;
  }

  /** The same for one file_open, of which `bytes` are text. */
  lineOfOpen(lines: RecordLines, batch: Buffer, at: number, bytes: number, head: SharedText, tail: SharedText, ns: number): void {
    if (!this.#hasRoom('file_open', ns, 0)) return;
    if (lines.addOpen(batch, at, bytes, head, tail)) return;
    this.flush();
    lines.addOpen(batch, at, bytes, head, tail);
  }

  /** Keeps a text for lines. All texts of another age are gone then. */
  share(lines: RecordLines, text: string): SharedText {
    const shared = lines.share(text);
    if (shared !== undefined) return shared;
    this.flush();
    return lines.share(text) as SharedText;
  }

  #hasRoom(kind: string, ns: number, bytes: number): boolean {
    if (this.queuedBytes > this.#queueBytes) {
      this.#drop(kind, ns, bytes);
      return false;
    }
    if (this.#dropped.size > 0) this.sayDropped(ns);
    return true;
  }

  /** Prints and gives what waits. */
  flush(): void {
    const { lines } = this;
    const count = lines?.count ?? 0;
    if (lines === undefined || count === 0) return;
    const { opens } = lines;
    const printed = lines.take(this.#n + 1, this.clockOffsetUs);
    this.#n += count;
    if (count > opens) this.#count('ssl_data', count - opens);
    if (opens > 0) this.#count('file_open', opens);
    if (printed !== undefined) this.#outlet?.pushLines(printed.text, printed.release);
  }

  #count(event_type: string, n: number): void {
    this.windowCounts[event_type] = (this.windowCounts[event_type] ?? 0) + n;
    this.given.set(event_type, (this.given.get(event_type) ?? 0) + n);
  }

  get queuedBytes(): number {
    return this.#outlet?.queuedBytes() ?? 0;
  }

  /** So much waits for the reader that bulk events would soon be dropped: time to leave them where they are. */
  get full(): boolean {
    return this.queuedBytes > this.#queueBytes / 2;
  }

  /** Boot time in nanoseconds as milliseconds since the Unix epoch, with microseconds. */
  timestamp(ns: number): number {
    return (Math.floor(ns / 1000) + this.clockOffsetUs) / 1000;
  }

  /**
   * One event that happened at boot time `ns`. `data` is taken over. `bytes` is given for bulk events, which are the
   * first to be dropped. False when it was dropped.
   */
  emit(source: Source, event_type: string, data: object, ns: number, bytes?: number): boolean {
    const queued = this.queuedBytes;
    if (queued > this.#queueBytes && (bytes !== undefined || queued > this.#queueBytes * 4)) {
      this.#drop(event_type, ns, bytes);
      return false;
    }
    if (this.#dropped.size > 0) this.sayDropped(ns);
    this.#push(source, event_type, data, ns);
    return true;
  }

  /**
   * The same as {@link emit}, of an event that is printed at once: `head` from the comma behind the timestamp on, then `fields`,
   * up to the end of its data. Undefined when it has to be given as an object.
   */
  print(event_type: string, head: Uint8Array, fields: string, ns: number, bytes?: number): boolean | undefined {
    if (this.#outlet?.beginLine === undefined || this.#outlet.prefersLines !== true) return undefined;
    const queued = this.queuedBytes;
    if (queued > this.#queueBytes && (bytes !== undefined || queued > this.#queueBytes * 4)) {
      this.#drop(event_type, ns, bytes);
      return false;
    }
    if (this.#dropped.size > 0) this.sayDropped(ns);
    this.flush();
    const line = this.#outlet.beginLine(head.length + fields.length * UTF8_GROWTH + LINE_BYTES);
    if (line === undefined) return undefined;
    this.#count(event_type, 1);
    this.#n++;
    line.ascii(this.#idHead);
    line.number(this.#n);
    line.ascii('","timestamp":');
    line.time(this.timestamp(ns));
    line.raw(head);
    line.utf16(fields, 0, fields.length);
    line.ascii('}}');
    line.end();
    return true;
  }

  /** What a sensor must say, whoever waits: its last words. */
  insist(source: Source, event_type: string, data: object, ns: number): void {
    this.#push(source, event_type, data, ns);
  }

  #push(source: Source, event_type: string, data: object, ns: number): void {
    this.flush();
    this.#count(event_type, 1);
    this.#n++;
    this.#outlet?.push({ id: `${this.stream}-${this.#n}`, timestamp: this.timestamp(ns), source, event_type, data } as AnyEvent);
  }

  #drop(kind: string, ns: number, bytes: number | undefined): void {
    const dropped = this.#dropped.get(kind) ?? { lost: 0, bytes: 0, since: ns };
    dropped.lost++;
    dropped.bytes += bytes ?? 0;
    this.#dropped.set(kind, dropped);
    if (bytes !== undefined) this.bulkLost.set(kind, (this.bulkLost.get(kind) ?? 0) + 1);
    this.#countLost('queue', 1);
  }

  #countLost(where: LossPlace, n: number): void {
    this.windowLost[where] = (this.windowLost[where] ?? 0) + n;
  }

  /** A loss that happened elsewhere (in the kernel), said at boot time `ns`. */
  loss(loss: Loss, ns: number): void {
    this.#countLost(loss.where, loss.lost);
    if (this.queuedBytes > this.#queueBytes * 4) this.#drop('loss', ns, undefined);
    else this.#push('meta', 'loss', loss, ns);
  }

  /** Says what has been dropped, by kind. */
  sayDropped(ns: number): void {
    const dropped = [...this.#dropped];
    this.#dropped.clear();
    for (const [kind, { lost, bytes, since }] of dropped) {
      this.#push(
        'meta',
        'loss',
        {
          where: 'queue',
          lost,
          ...(bytes === 0 ? {} : { lost_bytes: bytes }),
          kind,
          since_ms: Math.max(0, Math.round((ns - since) / 1e6)),
        },
        ns,
      );
    }
  }
}
