#!/usr/bin/env node
// The same controller in JavaScript: what is reached besides the allowed hosts is forbidden from then on.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [file, ...allowed] = process.argv.slice(2);
const denied = new Set(existsSync(file) ? readFileSync(file, 'utf8').split(/\s+/).filter(Boolean) : []);
for await (const line of createInterface({ input: process.stdin })) {
  const { event_type, data } = JSON.parse(line);
  if (event_type !== 'tls_client_hello' || allowed.includes(data.sni) || data.peer === undefined) continue;
  const address = data.peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (denied.has(address)) continue;
  denied.add(address);
  writeFileSync(`${file}.new`, `${[...denied].join('\n')}\n`);
  renameSync(`${file}.new`, file);
  console.log(`deny ${address}`);
}
