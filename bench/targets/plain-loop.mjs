// The baseline of every filter: each line through JSON.parse and JSON.stringify, and nothing else. Reads and writes as
// plainly fast as Node does: big chunks, synchronously.
import { readSync, writeSync } from 'node:fs';

const chunk = Buffer.allocUnsafe(1 << 20);
let rest = '';
const decoder = new TextDecoder();
for (;;) {
  let n = 0;
  try {
    n = readSync(0, chunk, 0, chunk.length, null);
  } catch (error) {
    if (error.code === 'EAGAIN') continue;
    throw error;
  }
  if (n === 0) break;
  const lines = (rest + decoder.decode(chunk.subarray(0, n), { stream: true })).split('\n');
  rest = lines.pop();
  let out = '';
  for (const line of lines) out += `${JSON.stringify(JSON.parse(line))}\n`;
  if (out !== '') writeSync(1, out);
}
if (rest !== '') writeSync(1, `${JSON.stringify(JSON.parse(rest))}\n`);
