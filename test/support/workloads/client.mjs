// SPDX-License-Identifier: MIT
/**
 * HTTPS as node programs speak it:  client.mjs REPORT CA URL OPERATION...   where an operation is
 *   get:PATH          https.get on a keep-alive agent
 *   upload:BYTES      https.request, POST to /upload
 *   fetch:PATH        the global fetch
 *   tls:PATH          a hand-written request on a tls.connect socket; bytes counted and hashed here
 *   wait              wait for a line on stdin
 *   sleep:MS          do nothing for a while
 *   many:N:OPERATION  N at once
 *   together:OP,OP…   all of them at once
 */
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import https from 'node:https';
import tls from 'node:tls';

const [report, ca, base, ...operations] = process.argv.slice(2);
const url = new URL(base);
const agent = new https.Agent({ keepAlive: true, ca: readFileSync(ca) });
const say = (line) => appendFileSync(report, `${JSON.stringify({ pid: process.pid, ...line })}\n`);

function request(method, path, body) {
  return new Promise((done, fail) => {
    const r = https.request(new URL(path, url), { method, agent }, (answer) => {
      answer.resume();
      answer.on('end', () => setImmediate(done));
      answer.on('error', fail);
    });
    r.on('error', fail);
    r.end(body);
  });
}

function byHand(path) {
  return new Promise((done, fail) => {
    const sides = { read: { bytes: 0, sha: createHash('sha256') }, write: { bytes: 0, sha: createHash('sha256') } };
    const count = (side, data) => {
      sides[side].bytes += data.length;
      sides[side].sha.update(data);
    };
    const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca: readFileSync(ca) });
    const head = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`);
    // Before the handshake is done: node hands the bytes to SSL_write again and again until they are taken.
    socket.write(head);
    count('write', head);
    socket.on('data', (data) => count('read', data));
    socket.on('error', fail);
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      const line = { conn: 'tls', requests: 1 };
      for (const [side, { bytes, sha }] of Object.entries(sides))
        Object.assign(line, { [`${side}_bytes`]: bytes, [`${side}_sha256`]: sha.digest('hex') });
      say(line);
      done();
    });
  });
}

async function run(operation) {
  const [kind, ...rest] = operation.split(':');
  const argument = rest.join(':');
  if (kind === 'get') await request('GET', argument);
  else if (kind === 'upload') await request('POST', `/upload${argument.replace(/^\d+/, '')}`, randomBytes(Number.parseInt(argument, 10)));
  else if (kind === 'fetch') await (await fetch(new URL(argument, url))).arrayBuffer();
  else if (kind === 'tls') await byHand(argument);
  else if (kind === 'many') await Promise.all(Array.from({ length: Number(rest[0]) }, () => run(rest.slice(1).join(':'))));
  else if (kind === 'together') await Promise.all(argument.split(',').map(run));
  else if (kind === 'sleep') await new Promise((done) => setTimeout(done, Number(argument)));
  else if (kind === 'wait') {
    say({ ready: true });
    await new Promise((done) => process.stdin.once('data', done));
    process.stdin.pause();
  } else throw new Error(`no operation ${operation}`);
}

for (const operation of operations) await run(operation);
agent.destroy();
