/** A conversation of the library ws with itself, as it went over the connection, and what was said. */
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import type { Piece } from './tls-session.js';
import { wiretap } from './wiretap.js';

export type Spoken = { sender: string; opcode: string; bytes: Buffer };

export interface Recording {
  name: string;
  pieces: Piece[];
  spoken: Spoken[];
  /** For each of what was spoken, the piece that it begins with. */
  starts: number[];
}

type Deflate = ConstructorParameters<typeof WebSocketServer>[0]['perMessageDeflate'];

/** Text and binary, in one frame or several with a ping between, the long ones compressible and not. */
export async function converse(name: string, deflate: Deflate): Promise<Recording> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...(deflate === undefined ? {} : { perMessageDeflate: deflate }) });
  await once(server, 'listening');
  const spoken: Spoken[] = [];
  server.on('connection', (socket: WebSocket) => {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      spoken.push({ sender: 'client', opcode: isBinary ? 'binary' : 'text', bytes: data });
      socket.send(isBinary ? data : `{"type":"response.output_text.delta","delta":${JSON.stringify(data.toString().slice(0, 2000))}}`);
    });
  });
  const tap = await wiretap(server.address().port);
  const client = new WebSocket(
    `ws://127.0.0.1:${tap.port}/v1/responses?key=s3cret`,
    deflate === undefined ? {} : { perMessageDeflate: deflate },
  );
  await once(client, 'open');
  const pieces = tap.sessions[0] as Piece[];
  const starts: number[] = [];
  const answered = async (send: () => void): Promise<void> => {
    const answer = once(client, 'message');
    const at = pieces.length;
    send();
    const [data, isBinary] = (await answer) as [Buffer, boolean];
    spoken.push({ sender: 'server', opcode: isBinary ? 'binary' : 'text', bytes: data });
    starts.push(
      at,
      pieces.findIndex(([direction], n) => n >= at && direction === 'read'),
    );
  };
  for (let i = 0; i < 12; i++)
    await answered(() => client.send(JSON.stringify({ type: 'response.create', n: i, input: 'é'.repeat(i * 40) })));
  await answered(() => client.send(Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * i * 31) & 0xff)), { binary: true }));
  await answered(() => {
    client.send('in several ', { fin: false });
    client.ping('now');
    client.send('frames, ', { fin: false });
    client.send('to its end', { fin: true });
  });
  await answered(() => client.send('x'.repeat(100_000)));
  const closed = once(client, 'close');
  client.close(1000, 'that is all');
  await closed;
  tap.close();
  await new Promise<void>((done) => server.close(done));
  return { name, pieces, spoken, starts };
}
