/** Instructions as `objdump -d` sees them: the oracle of the decoder. */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Disassembled {
  address: number;
  bytes: Buffer;
  text: string;
}

export function objdumpVersion(): string | undefined {
  try {
    return execFileSync('objdump', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Streams the instructions of `path`, or of its addresses from `start` to `stop`. */
export async function* disassemble(path: string, range?: { start: number; stop: number }): AsyncGenerator<Disassembled> {
  const args = ['-d', '-z', '-w', ...(range ? [`--start-address=${range.start}`, `--stop-address=${range.stop}`] : []), path];
  const child = spawn('objdump', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*(?:\t(.*))?$/.exec(line);
    if (!match) continue;
    const bytes = Buffer.from((match[2] as string).replaceAll(' ', ''), 'hex');
    yield { address: Number.parseInt(match[1] as string, 16), bytes, text: (match[3] ?? '').trim() };
  }
}
