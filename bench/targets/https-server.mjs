// The servers of the benchmark, in one file: `/` answers 1 KiB at once; `/stream?events=N&rate=R` answers N server-sent
// events, R a second, as a model server does. Prints its port when it listens.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const page = Buffer.alloc(1024, 'a model answers\n');
const event = `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' a few words of an answer' } })}\n\n`;

const server = createServer({ cert, key }, (request, response) => {
  const url = new URL(request.url, 'https://localhost');
  if (url.pathname !== '/stream') {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': page.length });
    response.end(page);
    return;
  }
  let left = Number(url.searchParams.get('events'));
  const pause = 1000 / Number(url.searchParams.get('rate'));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => {
    if (left-- <= 0) {
      clearInterval(timer);
      response.end();
    } else response.write(event);
  }, pause);
  response.on('close', () => clearInterval(timer));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
