/** A proxy on loopback that notes what goes through it: real software's bytes, in the pieces and the order in which they came. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Piece } from './tls-session.js';

export interface Wiretap {
  port: number;
  /** Of each connection, seen from the client. */
  sessions: Piece[][];
  close(): void;
}

export interface WiretapOptions {
  /** Ends TLS here: key, certificate and what is offered by ALPN. */
  tls?: { key: string; cert: string; ALPNProtocols: string[] };
}

/** Starts one in front of a server without TLS on `port`. */
export async function wiretap(port: number, { tls }: WiretapOptions = {}): Promise<Wiretap> {
  const sessions: Piece[][] = [];
  const sockets = new Set<Socket>();
  const connected = (client: Socket): void => {
    const pieces: Piece[] = [];
    sessions.push(pieces);
    const server = connect(port, '127.0.0.1');
    server.setNoDelay(true);
    client.setNoDelay(true);
    for (const [from, to, direction] of [
      [client, server, 'write'],
      [server, client, 'read'],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        pieces.push([direction, bytes]);
        to.write(bytes);
      });
      from.on('end', () => to.end());
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  };
  const server: Server = tls ? createTlsServer(tls, connected) : createServer(connected);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sessions,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
