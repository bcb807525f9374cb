/**
 * The model server as agents meet it, at the end of every name of HOSTS: what agents ask for besides, HTTP/2 for those
 * who offer it, and a report of the plaintext of each connection.
 *
 *   node dist/test/agents/server.js --cert FILE --key FILE --report FILE [--port N]
 *
 * Prints `{"port":…}` when it listens. REPORT gets a line for each connection when it closes, those still open when the
 * server is told to end: {n, name, alpn, requests[], received: {bytes, sha256, kept}, sent: {…}}, and a line
 * {failed: …} for each handshake that failed.
 */
import { appendFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { parseArgs } from 'node:util';
import { startModelServer } from '../../scripts/demo.d/model-server.js';
import { type Count, CountedDuplex } from '../support/counted.js';
import { endpoints } from './endpoints.js';

const { values } = parseArgs({
  options: { cert: { type: 'string' }, key: { type: 'string' }, report: { type: 'string' }, port: { type: 'string', default: '443' } },
});
const report = values.report ?? '';

const line = (facts: object): void => appendFileSync(report, `${JSON.stringify(facts)}\n`);
const counted = (count: Count) => ({ bytes: count.bytes, sha256: count.sha256(), kept: count.kept().toString('base64') });

interface Connection {
  n: number;
  name: string | false | null;
  alpn: string | false | null;
  requests: string[];
  stream: CountedDuplex;
}

/** HTTP/2 puts a stream of its own around it, whose `stream` it is. */
class NumberedDuplex extends CountedDuplex {
  constructor(
    inner: Duplex,
    readonly number: number,
  ) {
    super(inner);
  }
}

const open = new Map<number, Connection>();
let last = 0;

/** Once for each. */
function told({ stream, ...facts }: Connection): void {
  if (!open.delete(facts.n)) return;
  line({ ...facts, received: counted(stream.received), sent: counted(stream.sent) });
}

const server = await startModelServer({
  cert: values.cert ?? '',
  key: values.key ?? '',
  port: Number(values.port),
  http2: true,
  wrap(socket) {
    const n = ++last;
    const stream = new NumberedDuplex(socket, n);
    stream.on('error', () => {});
    const name = (socket as unknown as { servername?: string }).servername ?? null;
    const connection: Connection = { n, name, alpn: socket.alpnProtocol, requests: [], stream };
    open.set(n, connection);
    socket.on('close', () => told(connection));
    return stream;
  },
  asked: (request) => {
    const socket = request.socket as { number?: number; stream?: { number?: number } };
    open.get(socket.number ?? socket.stream?.number ?? 0)?.requests.push(`${request.method} ${request.url}`);
  },
  also: endpoints,
  failed: (message) => line({ failed: message }),
});
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`);
process.once('SIGTERM', async () => {
  for (const connection of [...open.values()]) told(connection);
  process.exit(0);
});
