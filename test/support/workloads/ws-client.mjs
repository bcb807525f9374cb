/**
 * A client of the library ws with permessage-deflate: `ws-client.mjs REPORT URL COUNT [WAIT]`. It sends so many messages, each when
 * the one before it is answered, and reports what was sent and what came. With WAIT it connects, says so on stdout, and goes on
 * at a line on stdin.
 */
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { WebSocket } from 'ws';

const [report, url, count, wait] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 } });
await once(socket, 'open');
const told = (sender, text) => appendFileSync(report, `${JSON.stringify({ sender, text: String(text) })}\n`);
const talk = async (text) => {
  const answer = once(socket, 'message');
  socket.send(text);
  told('client', text);
  told('server', (await answer)[0]);
};
if (wait) {
  await talk('before anybody listens');
  process.stdout.write('connected\n');
  await once(process.stdin, 'data');
  process.stdin.pause();
}
for (let n = 0; n < Number(count); n++) await talk(JSON.stringify({ n, text: 'coat, hat and gloves – '.repeat(n * 7) }));
socket.close(1000, 'that is all');
await once(socket, 'close');
