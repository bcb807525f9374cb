// The agents of the benchmark: STREAMS connections that are kept alive; each asks for EVENTS server-sent events at RATE a
// second again and again, for as many seconds as each line on stdin says. Prints how many requests and events came.
import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';

const [port, streams, events, rate] = process.argv.slice(2).map(Number);
const agents = Array.from({ length: streams }, () => new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }));
let requests = 0;
let seen = 0;

function ask(agent) {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, host: '127.0.0.1', path: `/stream?events=${events}&rate=${rate}` }, (response) => {
      response.setEncoding('latin1');
      response.on('data', (text) => {
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n', at + 2)) seen++;
      });
      response.on('end', () => {
        requests++;
        resolve();
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const end = performance.now() + Number(line) * 1000;
  requests = 0;
  seen = 0;
  await Promise.all(
    agents.map(async (agent) => {
      while (performance.now() < end) await ask(agent);
    }),
  );
  console.log(JSON.stringify({ requests, events: seen }));
}
process.exit(0);
