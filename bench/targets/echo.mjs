// A TLS server that sends back what it gets: node echo.mjs CERTIFICATE KEY, and it says its port.
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

const [certificate, key] = process.argv.slice(2);
const server = tls.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', (bytes) => socket.write(bytes));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
