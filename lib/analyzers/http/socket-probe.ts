/**
 * Finds a WebSocket whose handshake was not seen, because the sensor came later or because it is missing. What may be its
 * frames is held back until that is sure. Frames are looked for where one is likely to begin: at the first byte of a
 * direction, behind a gap, and where the other end has just spoken; that does not depend on how the bytes are cut.
 */
import { ENOUGH, FrameChain } from '../../protocols/websocket/chain.js';
import type { Direction, Role, SslDataEvent } from '../../stream/event.js';

/** Events and bytes that are held undecided at most. */
const HELD_EVENTS = 2048;
const HELD_BYTES = 1024 * 1024;
/** What an event costs while it is held, beside its payload. */
const EVENT_BYTES = 1024;

export interface Held {
  event: SslDataEvent;
  payload: Buffer;
}

interface Listening {
  chain: FrameChain | undefined;
  /** Offset of its next byte. */
  next: number | undefined;
  held: boolean;
}

/** What became of an event: it is held; it is no frame, nor is what is held; or it is held, and now it is known to be a WebSocket. */
export type Heard = 'held' | 'none' | 'found';

export class SocketProbe {
  private readonly ends: Record<Direction, Listening> = {
    read: { chain: undefined, next: undefined, held: false },
    write: { chain: undefined, next: undefined, held: false },
  };
  private held: Held[] = [];
  private bytes = 0;

  /**
   * @param role the end that is watched, where that is known
   * @param last who is speaking: in the middle of that, no frame is looked for
   */
  constructor(
    private readonly role: Role | undefined,
    private last: Direction | undefined,
  ) {}

  get heldEvents(): number {
    return this.held.length;
  }

  get heldBytes(): number {
    const { read, write } = this.ends;
    return this.bytes + this.heldEvents * EVENT_BYTES + (read.chain?.heldBytes ?? 0) + (write.chain?.heldBytes ?? 0);
  }

  /** The direction of the client's frames, once these are known to be frames. */
  get client(): Direction {
    const { read, write } = this.ends;
    return write.chain?.masked === true || read.chain?.masked === false ? 'write' : 'read';
  }

  /** What comes next in that direction begins a frame or goes on with one. */
  inStep(direction: Direction): boolean {
    return this.ends[direction].chain !== undefined;
  }

  /** Bytes that are part of something else: what is held is no WebSocket. */
  skip(event: SslDataEvent, payload: Buffer | undefined): void {
    this.advance(event, payload ?? NO_BYTES);
    this.refuse();
  }

  /** Takes note of who speaks, and how far. Whether it is another one than before. */
  private advance({ data: { direction, offset, total_bytes } }: SslDataEvent, bytes: Buffer): boolean {
    this.ends[direction].next = offset + Math.max(total_bytes, bytes.length);
    if (direction === this.last) return false;
    this.turn(direction);
    return true;
  }

  hear(event: SslDataEvent, payload: Buffer | undefined): Heard {
    const { direction, offset } = event.data;
    const end = this.ends[direction];
    const bytes = payload ?? NO_BYTES;
    const inPlace = bytes.length > 0 && (end.next === undefined || offset === end.next);
    const turns = this.advance(event, bytes);
    if (!inPlace) return this.refuse();
    if (turns) end.chain ??= this.begin(direction);
    if (!end.chain?.push(bytes) || this.atOdds()) return this.refuse();
    const found = this.evidence >= ENOUGH;
    // What is missing behind it was not captured.
    if (!found && ((end.next ?? 0) > offset + bytes.length || this.full)) return this.refuse();
    this.hold(event, bytes);
    return found ? 'found' : 'held';
  }

  /** No more will come. True when what is held is a WebSocket. */
  finish(): boolean {
    this.turn(undefined);
    return this.evidence >= ENOUGH && !this.atOdds();
  }

  /** Bytes of that direction are held: whoever gets them later has not seen them yet. */
  holds(direction: Direction): boolean {
    return this.ends[direction].held;
  }

  /** What is held, in the order in which it came: it is forgotten here. */
  take(): Held[] {
    const { held } = this;
    this.held = [];
    this.bytes = 0;
    this.ends.read.held = false;
    this.ends.write.held = false;
    return held;
  }

  private get evidence(): number {
    return (this.ends.read.chain?.evidence ?? 0) + (this.ends.write.chain?.evidence ?? 0);
  }

  private get full(): boolean {
    return this.heldEvents > HELD_EVENTS || this.bytes > HELD_BYTES;
  }

  private turn(to: Direction | undefined): void {
    if (this.last) this.ends[this.last].chain?.pause();
    this.last = to;
  }

  private begin(direction: Direction): FrameChain {
    return new FrameChain(this.role === undefined ? undefined : (this.role === 'client') === (direction === 'write'));
  }

  private hold(event: SslDataEvent, bytes: Buffer): void {
    // A copy: it is only valid now.
    const payload = Buffer.from(bytes);
    this.held.push({ event, payload });
    this.ends[event.data.direction].held = true;
    this.bytes += payload.length;
  }

  /** Where one end says something else, what the other said is no evidence either: both are listened to anew. */
  private refuse(): Heard {
    this.ends.read.chain = undefined;
    this.ends.write.chain = undefined;
    return 'none';
  }

  /** Both ends mask, or neither does. */
  private atOdds(): boolean {
    const { read, write } = this.ends;
    const masked = read.chain?.masked;
    return masked !== undefined && masked === write.chain?.masked;
  }
}

const NO_BYTES = Buffer.alloc(0);
