/** Runs a command in a guest with one of Debian's kernels, and gives the events that it printed. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { AnyEvent } from '../../lib/stream/event.js';
import { root } from '../support/paths.js';

export interface Guest {
  status: number | null;
  events: AnyEvent[];
  /** Why it could not be made, what the guest's kernel said, and the end of what the command said. */
  said: string;
}

const SECONDS = 280;
const TAIL = 6000;

/** `options`: those of scripts/vm. */
export function guest(kernel: string, options: readonly string[], ...command: string[]): Promise<Guest> {
  return new Promise((resolve) => {
    const words = ['--timeout', String(SECONDS), ...options, kernel, '--', ...command];
    const child = spawn(join(root, 'scripts/vm'), words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('close', (status) => {
      const events = output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as AnyEvent);
      resolve({ status, events, said: `${said}\n${output.slice(-TAIL)}` });
    });
  });
}
