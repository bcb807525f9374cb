/** One direction of an HTTP/2 connection: which events its frames come in. */
import { Http2Direction, type Http2Handler } from '../../protocols/http2/direction.js';
import type { Http2Head } from '../../protocols/http2/head.js';
import type { Direction, Role, SslDataEvent } from '../../stream/event.js';
import { FrameSide } from './frame-side.js';
import type { Http2Connection } from './http2.js';
import { Message } from './message.js';

export class Http2Side extends FrameSide implements Http2Handler {
  protected readonly parser: Http2Direction;

  constructor(
    private readonly connection: Http2Connection,
    readonly direction: Direction,
    midway: boolean,
  ) {
    super();
    this.parser = new Http2Direction(this, midway);
  }

  get id(): string | undefined {
    return this.current?.id;
  }

  /** The one being read. */
  get event(): SslDataEvent {
    return this.current as SslDataEvent;
  }

  /** A new message of which the frame being read is the first. */
  message(sender: Role): Message {
    const { host } = this.connection.owner;
    const message = new Message(sender, this.first as SslDataEvent, host, host.settings);
    message.touch(this.event, this.events - 1);
    return message;
  }

  touch(message: Message): void {
    message.touch(this.event);
  }

  client(): void {
    this.connection.learn(this.direction, 'client');
  }

  frame(): void {
    this.begins();
  }

  head(stream: number, head: Http2Head, ends: boolean): void {
    this.connection.head(this, stream, head, ends);
  }

  promise(_stream: number, promised: number, head: Http2Head): void {
    this.connection.promise(this, promised, head);
  }

  data(stream: number, piece: Buffer): void {
    this.connection.data(this, stream, piece);
  }

  missing(stream: number, bytes: number): void {
    this.connection.missing(this, stream, bytes);
  }

  end(stream: number): void {
    this.connection.endStream(this, stream);
  }

  reset(stream: number): void {
    this.connection.reset(this, stream);
  }

  goaway(last: number): void {
    this.connection.goaway(this, last);
  }

  lost(): void {
    this.connection.lost(this);
  }
}
