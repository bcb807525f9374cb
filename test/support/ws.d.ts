/** The part of `ws` that the tests use. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events';
  import type { Server } from 'node:https';

  interface Deflate {
    threshold?: number;
    serverNoContextTakeover?: boolean;
    clientNoContextTakeover?: boolean;
    serverMaxWindowBits?: number;
    clientMaxWindowBits?: number;
  }
  export class WebSocket extends EventEmitter {
    constructor(url: string, options?: { perMessageDeflate?: boolean | Deflate });
    send(data: string | Buffer, options?: { fin?: boolean; compress?: boolean; binary?: boolean }): void;
    ping(data?: string): void;
    close(code?: number, reason?: string): void;
  }
  export class WebSocketServer extends EventEmitter {
    constructor(options: { port?: number; host?: string; server?: Server; perMessageDeflate?: boolean | Deflate });
    address(): { port: number };
    close(done?: () => void): void;
  }
}
