// Sends 150,000 bytes and asks for 200,000: with fetch, node:https, or undici over HTTP/2. Runs on Node, Bun and Deno.
const url = 'https://model.example';
const body = new Uint8Array(150000).map((_, n) => n % 256);

const ways = {
  async fetch() {
    await (await fetch(`${url}/bytes`, { method: 'POST', body })).arrayBuffer();
    return (await (await fetch(`${url}/bytes/200000`)).arrayBuffer()).byteLength;
  },
  async https() {
    const { Agent, request } = await import('node:https');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (path, method, data) =>
      new Promise((resolve, reject) => {
        const sent = request(`${url}${path}`, { agent, method }, (response) => {
          let length = 0;
          response.on('data', (piece) => {
            length += piece.length;
          });
          response.on('end', () => resolve(length));
        });
        sent.on('error', reject);
        sent.end(data);
      });
    await ask('/bytes', 'POST', body);
    const got = await ask('/bytes/200000', 'GET');
    agent.destroy();
    return got;
  },
  async undici(module) {
    const { Client } = await import(module);
    const client = new Client(url, { allowH2: true });
    await (await client.request({ path: '/bytes', method: 'POST', body })).body.arrayBuffer();
    const got = await (await client.request({ path: '/bytes/200000', method: 'GET' })).body.arrayBuffer();
    await client.close();
    return got.byteLength;
  },
};

const [way, ...more] = (globalThis.process ?? (await import('node:process'))).argv.slice(2);
console.log('got', await ways[way](...more));
