/** One direction that carries frames: which events what is being read came in. */
import type { SslDataEvent } from '../../stream/event.js';
import type { Wire } from './flow.js';

/** What reads the frames. */
export interface FrameReader {
  readonly heldBytes: number;
  /** Returns false when nothing of it belongs to a frame. */
  push(bytes: Buffer): boolean;
  gap(n: number): void;
  finish(): void;
  shed(): void;
}

export abstract class FrameSide implements Wire {
  protected abstract readonly parser: FrameReader;
  protected current: SslDataEvent | undefined;
  /** The event that what is being read began in, and how many there were since. */
  protected first: SslDataEvent | undefined;
  protected events = 0;

  get heldBytes(): number {
    return this.parser.heldBytes;
  }

  arrive(event: SslDataEvent): void {
    if (event === this.current) return;
    this.current = event;
    this.events++;
  }

  push(bytes: Buffer): boolean {
    return this.parser.push(bytes);
  }

  gap(n: number): void {
    this.parser.gap(n);
  }

  finish(): void {
    this.parser.finish();
  }

  shed(): void {
    this.parser.shed();
  }

  /** What is read next begins in the event being read. */
  protected begins(): void {
    this.first = this.current;
    this.events = 1;
  }
}
