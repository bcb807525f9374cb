// The other ends of the guest's connections, in a thread of their own: DNS with a chain, an echo, TLS. Says `up` when all listen.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';

function label(name) {
  return Buffer.concat([...name.split('.').map((part) => Buffer.from([part.length, ...Buffer.from(part)])), Buffer.of(0)]);
}

/** An answer to a query with one question: www.test is alias.test, which is 127.0.0.5. */
function answer(query) {
  const end = query.indexOf(0, 12) + 5;
  const isA = query.readUInt16BE(end - 4) === 1;
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(isA ? 2 : 0, 6);
  head.writeUInt32BE(0, 8);
  const alias = label('alias.test');
  const chain = Buffer.concat([Buffer.from([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, alias.length]), alias]);
  const address = Buffer.concat([alias, Buffer.from([0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 127, 0, 0, 5])]);
  return Buffer.concat([head, query.subarray(12, end), ...(isA ? [chain, address] : [])]);
}

const dns = createSocket('udp4', (query, from) => dns.send(answer(query), from.port, from.address));
const echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
const tls = createTlsServer(workerData, (socket) => socket.on('error', () => {}).end());
await Promise.all([
  new Promise((resolve) => dns.bind(53, '127.0.0.1', resolve)),
  new Promise((resolve) => echo.listen(7777, '::', resolve)),
  new Promise((resolve) => tls.listen(8443, '127.0.0.1', resolve)),
]);
parentPort.postMessage('up');
