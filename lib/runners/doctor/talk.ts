/**
 * A program that talks to itself over TLS on loopback, for `tracer doctor --caps`: a pre-shared key, so it needs no
 * certificate. Usage: node talk.js WORD TIMES, or its text with -e. Says its pid on stdout when it listens.
 */
import { type AddressInfo, createServer } from 'node:net';
import { connect, TLSSocket } from 'node:tls';

const [word = 'hello', times = '3'] = process.argv.slice(process.argv[1]?.endsWith('talk.js') ? 2 : 1);
const key = Buffer.alloc(16, 7);
const ciphers = 'PSK-AES128-GCM-SHA256';
const settings = { ciphers, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' } as const;

const server = createServer((socket) => {
  const tls = new TLSSocket(socket, { isServer: true, ...settings, pskCallback: () => key } as ConstructorParameters<typeof TLSSocket>[1]);
  tls.on('data', (data: Buffer) => tls.end(data));
  tls.on('error', () => {});
});

function talk(port: number, left: number): void {
  if (left === 0) process.exit(0);
  const client = connect({
    host: '127.0.0.1',
    port,
    ...settings,
    pskCallback: () => ({ psk: key, identity: 'doctor' }),
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
  });
  client.on('secureConnect', () => client.write(word));
  client.resume();
  client.on('error', () => process.exit(1));
  client.on('close', () => setTimeout(() => talk(port, left - 1), 50));
}

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${process.pid}\n`);
  talk((server.address() as AddressInfo).port, Number(times));
});
