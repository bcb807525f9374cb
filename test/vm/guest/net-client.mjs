// Runs in the guest under tracer-net, and does what its test looks for.
import { Resolver } from 'node:dns/promises';
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Connects, sends so many bytes, waits until all are back, and closes. */
function echo(port, host, bytes) {
  return new Promise((resolve, reject) => {
    let got = 0;
    const socket = connect(port, host, () => socket.write(Buffer.alloc(bytes, 'x')));
    socket.on('data', (data) => {
      got += data.length;
      if (got === bytes) socket.end();
    });
    socket.on('close', resolve).on('error', reject);
  });
}

await echo(7777, '127.0.0.1', 12345);
await echo(7777, '::1', 54321);
await new Promise((resolve) => connect(1, '127.0.0.1').on('error', resolve));
const resolver = new Resolver();
resolver.setServers(['127.0.0.1']);
const [address] = await resolver.resolve4('www.test');
await echo(7777, address, 77);
const server = createServer((socket) => socket.end('bye'));
await new Promise((resolve) => server.listen(9999, '127.0.0.1', resolve));
await new Promise((resolve) =>
  connect(9999, '127.0.0.1')
    .on('data', () => {})
    .on('close', resolve),
);
server.close();
const unix = createServer((socket) => socket.end());
await new Promise((resolve) => unix.listen('/tmp/box.sock', resolve));
await new Promise((resolve) =>
  connect('/tmp/box.sock')
    .on('data', () => {})
    .on('close', resolve),
);
unix.close();
await new Promise((resolve, reject) => {
  const socket = connectTls({ port: 8443, host: '127.0.0.1', servername: 'hello.test', rejectUnauthorized: false });
  socket
    .on('data', () => {})
    .on('close', resolve)
    .on('error', reject);
});
