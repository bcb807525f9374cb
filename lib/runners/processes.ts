/**
 * Processes as the records of any sensor tell of them: who they are, told from their numbers, and each announced by a
 * `process_info` before the first event of it. A sensor of its own adds to a process what it needs to know.
 */
import type { SharedText } from '../bpf/record-lines.js';
import { RecHead } from '../bpf/records.gen.js';
import type { Who } from '../stream/event.js';
import { textListField } from '../stream/payload.js';
import type { Announcer, Emitter } from './emitter.js';
import { factsOf, type ProcessFacts, splitAtNul } from './proc.js';
import { sameWho, whoBytes, whoOf } from './who.js';

/** Who a record is of, made once for all records whose heads say the same. */
export interface WhoSaid {
  readonly bytes: Buffer;
  readonly who: Who;
  /** What lines of one kind begin with, for the addon's printer. */
  head?: SharedText;
}

/** Threads of one process whose names are kept. */
const THREADS_KNOWN = 256;

export class KnownProcess {
  /** `process_info` of the program that runs now has been given. */
  announced = false;
  /** Read from /proc while the process was there. */
  facts: ProcessFacts | undefined;
  exited = false;
  /** Who the last record was of. */
  who: WhoSaid | undefined;
  /** The same for each thread that has been seen; absent while there was one. Most processes are short, and one thread. */
  threads: Map<number, WhoSaid> | undefined;

  constructor(
    readonly pid: number,
    /** Nanoseconds of boot time, exact. */
    readonly start: bigint,
  ) {}

  get startUs(): number {
    return Number(this.start / 1000n);
  }
}

/** What a sensor wants to hear. */
export interface ProcessListener<P> {
  /** It has been met for the first time. */
  met(process: P): void;
  /** Its number belongs to another process now: its end was lost. At boot time `ns`. */
  replaced(process: P, ns: number): void;
}

/** Lives that are over and need not be announced, should another sensor meet them late. */
const ENDED_KNOWN = 4096;

/** Processes by pid; those that have ended are taken out by whoever learns of it. */
export class ProcessTable<P extends KnownProcess> implements Announcer {
  readonly #byPid = new Map<number, P>();
  /** The one of the last record. */
  #latest: P | undefined;
  readonly #ended = new Set<string>();
  readonly #head = new RecHead();
  readonly #make: (pid: number, start: bigint) => P;
  readonly #emitter: Emitter;
  readonly #listener: ProcessListener<P>;

  constructor(make: (pid: number, start: bigint) => P, emitter: Emitter, listener: ProcessListener<P>) {
    this.#make = make;
    this.#emitter = emitter;
    this.#listener = listener;
  }

  /** The process of this number and start, made when it is not known; a number that is used again is another process. */
  at(pid: number, start: bigint): P {
    const known = this.#byPid.get(pid);
    if (known !== undefined && known.start === start) return known;
    const process = this.#make(pid, start);
    this.#byPid.set(pid, process);
    return process;
  }

  find(pid: number): P | undefined {
    return this.#byPid.get(pid);
  }

  delete(process: P): void {
    if (this.#byPid.get(process.pid) === process) this.#byPid.delete(process.pid);
    if (this.#emitter.announcer !== this || !process.announced) return;
    this.#ended.add(`${process.pid}.${process.start}`);
    if (this.#ended.size > ENDED_KNOWN) this.#ended.delete(this.#ended.values().next().value as string);
  }

  get size(): number {
    return this.#byPid.size;
  }

  *[Symbol.iterator](): Generator<P> {
    yield* this.#byPid.values();
  }

  /** The process of a record, with who the record is of in `who`. */
  of(bytes: Buffer, view: DataView, at: number, ns: number): P {
    const latest = this.#latest;
    // Records come in runs of one thread.
    if (latest?.who !== undefined && this.#byPid.get(latest.pid) === latest && sameWho(latest.who.bytes, bytes, at)) return latest;
    const process = this.#find(bytes, view, at, ns);
    this.#latest = process;
    return process;
  }

  #find(bytes: Buffer, view: DataView, at: number, ns: number): P {
    const head = this.#head.at(bytes, view, at);
    const known = this.#byPid.get(head.pid);
    let process: P;
    if (known !== undefined && known.start === head.start_ns_exact) process = known;
    else {
      if (known !== undefined) this.#listener.replaced(known, ns);
      process = this.at(head.pid, head.start_ns_exact);
      this.#listener.met(process);
    }
    this.#recognize(process, head.tid, bytes, view, at);
    return process;
  }

  #recognize(process: P, tid: number, bytes: Buffer, view: DataView, at: number): void {
    if (process.who !== undefined && sameWho(process.who.bytes, bytes, at)) return;
    const known = process.threads?.get(tid);
    if (known !== undefined && sameWho(known.bytes, bytes, at)) {
      process.who = known;
      return;
    }
    const former = process.who;
    process.who = { bytes: whoBytes(bytes, at), who: whoOf(bytes, view, at) };
    if (former === undefined) return;
    process.threads ??= new Map([[former.who.tid ?? 0, former]]);
    if (process.threads.size >= THREADS_KNOWN) process.threads.clear();
    process.threads.set(tid, process.who);
  }

  /** It runs another program now. `args`: what the kernel saw of its arguments, for one that has ended already. */
  runsAnother(process: P, args: Buffer): void {
    process.announced = false;
    process.facts = this.announces ? factsOf(process.pid) : {};
    if (process.facts.args === undefined && process.facts.args_b64 === undefined)
      process.facts = { ...process.facts, ...textListField('args', splitAtNul(Buffer.from(args))) };
  }

  /** A process that was there when the sensor started, by the record of the task iterator. */
  snapshot(record: Buffer, ns: number): P {
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    const process = this.of(record, view, 0, ns);
    this.announce(process, ns, 'snapshot');
    return process;
  }

  /** Gives its `process_info`, if that has not been done and somebody is known to be it. */
  announce(process: P, ns: number, origin: 'snapshot' | 'first_seen' = 'first_seen'): void {
    if (process.announced || process.who === undefined) return;
    process.announced = true;
    const { announcer } = this.#emitter;
    if (announcer !== undefined && announcer !== this) {
      announcer.announceFor(process, ns, origin);
      return;
    }
    process.facts ??= factsOf(process.pid);
    const { tid: _tid, thread: _thread, thread_b64: _b64, ...who } = process.who.who;
    this.#emitter.emit('process', 'process_info', { ...who, ...process.facts, origin }, ns);
  }

  /** Whether it gives `process_info` itself: another one looks up what /proc says then. */
  get announces(): boolean {
    const { announcer } = this.#emitter;
    return announcer === undefined || announcer === this;
  }

  announceFor(process: KnownProcess, ns: number, origin: 'snapshot' | 'first_seen'): void {
    if (this.#ended.has(`${process.pid}.${process.start}`)) return;
    const ours = this.at(process.pid, process.start);
    ours.who ??= process.who;
    this.announce(ours, ns, origin);
  }
}
