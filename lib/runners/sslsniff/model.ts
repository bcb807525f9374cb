/** Processes and their TLS sessions, as the records tell of them. */
import type { SharedText } from '../../bpf/record-lines.js';
import type { Library, Probe, Role } from '../../stream/event.js';
import { KnownProcess, type ProcessTable, type WhoSaid } from '../processes.js';
import { Halves, type Whole } from './halves.js';

/** Losses of one session by place, in the order of the kernel's `enum loss_place`. */
export const LOSS_PLACES = ['ring', 'copy', 'limit'] as const;

/** Texts of a session's lines, for the printer of the addon. */
export interface LineTexts {
  who?: WhoSaid;
  head?: SharedText;
}

/** What is known of a session's socket. */
export interface SessionPeer {
  fd?: number;
  /** The kernel's cookie of it, where it has been given one. */
  socket?: string;
  peer?: string;
  peer_by?: string;
}

export class Session {
  /** By direction. */
  readonly heads: readonly [LineTexts, LineTexts] = [{}, {}];
  /** By function. */
  readonly tails = new Map<number, { fd: number | undefined; text: SharedText }>();
  announced = false;
  role: Role | undefined;
  fd: number | undefined;
  parentConn: string | undefined;
  /** The socket that carries it, and how that was learnt. */
  peer: SessionPeer | undefined;
  shutdown = false;
  readBytes = 0;
  writeBytes = 0;
  /** Lost records and bytes of it that an event has said already. */
  readonly saidLost = [0, 0, 0];
  readonly saidLostBytes = [0, 0, 0];
  lostBytes = 0;
  /** It is one stream of a connection that is made of several, and begins there at this offset. */
  whole: Whole | undefined;
  base = 0;
  /** The call that its last record was of. */
  lastCall = 0;

  constructor(
    readonly conn: string,
    /** Address of the session object. */
    readonly ssl: number,
    /** Boot time at which the kernel side first knew it: tells sessions at one address apart. */
    readonly id: number,
    /** The address, exact: part of its key in the kernel's table. */
    readonly address: bigint,
    readonly fromStart: boolean,
    readonly library: Library,
  ) {}
}

/** What is left of a session for a child that was forked while it lived. */
export interface Inherited {
  conn: string;
  fromStart: boolean;
}

/** What a process needs to know of a file that it has mapped. */
export interface ProbedFile {
  readonly libraries: readonly Library[];
  /** Boot time in nanoseconds since which it is probed. */
  readonly since: number;
  /** It is being searched for more. */
  readonly search?: Promise<void> | undefined;
  readonly path: string;
  readonly probes: readonly Probe[];
  /** What was found in it and could not be probed. */
  readonly refused: readonly string[];
}

/** A session that has not told its socket for so long does not do so any more. */
const LEARNING_NS = 5e9;

export class Process extends KnownProcess {
  /** Live sessions by address. */
  readonly sessions = new Map<number, Session>();
  /** Sessions of the parent at the fork, by address. */
  inherited: ReadonlyMap<number, Inherited> | undefined;
  sessionsMade = 0;
  /** Files that it has mapped and that may have TLS in them. */
  readonly files = new Set<ProbedFile>();
  /** TLS libraries that it has mapped and that cannot be read. */
  readonly unreadable = new Set<string>();
  /** Data has been seen of it. */
  spoke = false;
  /** Bytes of it that were read and written, those that were lost on the way here as well. Not those of --plain. */
  readonly plaintext: [number, number] = [0, 0];
  /** That nothing is seen of it has been said. */
  blindSaid = false;
  /** Milliseconds of performance.now() at which its mappings are to be looked at again, and how often they were. */
  nextLook = 0;
  looks = 0;

  constructor(pid: number, start: bigint) {
    super(pid, start);
    this.runsSince = Number(start);
  }

  /** It has a TLS library mapped that is probed. */
  get readable(): boolean {
    for (const file of this.files) if (file.libraries.length > 0) return true;
    return false;
  }

  /** It has a session whose socket may still be learnt, or none that has said anything. */
  needsSockets(ns: number): boolean {
    if (!this.spoke) return true;
    for (const { peer, whole, id } of this.sessions.values())
      if (peer === undefined && whole === undefined && ns - id < LEARNING_NS) return true;
    return false;
  }

  /** It runs its program since then, in nanoseconds of boot time. */
  runsSince: number;
  /** Connections of which only the records are seen. */
  readonly halves = new Halves();

  /** The library was probed before the program began to run. */
  hadFromStart(library: Library): boolean {
    for (const file of this.files) if (file.libraries.includes(library) && file.since <= this.runsSince) return true;
    return false;
  }

  has(library: Library): boolean {
    for (const file of this.files) if (file.libraries.includes(library)) return true;
    return false;
  }

  /** The process, then a number that is never used again for it. */
  nextConn(): string {
    this.sessionsMade++;
    return `${this.pid}.${this.startUs}.${this.sessionsMade}`;
  }

  /** What a child that is forked now takes along. */
  legacy(): ReadonlyMap<number, Inherited> | undefined {
    if (this.sessions.size === 0) return this.inherited;
    const legacy = new Map(this.inherited);
    for (const [ssl, session] of this.sessions) {
      legacy.set(ssl, { conn: session.conn, fromStart: session.fromStart && session.readBytes + session.writeBytes === 0 });
    }
    return legacy;
  }
}

export type Processes = ProcessTable<Process>;
