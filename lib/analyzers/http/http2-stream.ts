/** What is known of one stream of an HTTP/2 connection. */
import type { Http2Head } from '../../protocols/http2/head.js';
import type { Role } from '../../stream/event.js';
import type { Exchange, Message } from './message.js';
import type { WebSocketExchange } from './websocket.js';

/** What an open stream takes beside its head and body, about. */
const STREAM_BYTES = 1024;

/** A stream: a request, its response, and what they may become. */
export class Http2Stream {
  readonly open: Record<Role, Message | undefined> = { client: undefined, server: undefined };
  readonly done: Record<Role, boolean> = { client: false, server: false };
  readonly trailers: Partial<Record<Role, Http2Head>> = {};
  /** A part of the message may be missing, its end as well. */
  readonly cut: Record<Role, boolean> = { client: false, server: false };
  headBytes = 0;
  /** It is to become a WebSocket (RFC 8441), and that WebSocket. */
  asksSocket = false;
  socket: WebSocketExchange | undefined;
  /** What was counted of it. */
  held = 0;

  constructor(
    readonly id: number,
    readonly exchange: Exchange,
  ) {}

  get heldBytes(): number {
    return (
      STREAM_BYTES +
      this.headBytes +
      (this.open.client?.heldBytes ?? 0) +
      (this.open.server?.heldBytes ?? 0) +
      (this.socket?.heldBytes ?? 0)
    );
  }
}
