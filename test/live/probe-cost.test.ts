/** The classes of lib/elf/probe-cost.ts against the kernel that runs here. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { arch, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { type KernelVersion, parseKernelVersion, probeCost } from '../../lib/elf/probe-cost.js';
import { skip } from '../support/skip.js';

/** Instructions that can be called like a function, each with what undoes it. `c3` follows. */
const INSTRUCTIONS = [
  '555d',
  '4154415c',
  '405d55',
  '40555d',
  '6655665d',
  '6a0058',
  '680000000058',
  'ff342458',
  '90',
  '6690',
  'f390',
  '6790',
  '4890',
  '0f1f00',
  '0f1f4000',
  '0f1f440000',
  '660f1f440000',
  '0f1f8000000000',
  '0f1f840000000000',
  '660f1f840000000000',
  '662e0f1f840000000000',
  'f30f1efa',
  'eb00',
  'e900000000',
  'f2eb00',
  '66eb00',
  '7400',
  '7f00',
  '0f8400000000',
  '0f8f00000000',
  'e80000000058',
  'e200',
  'e300',
  '4883ec00',
  '4881ec00000000',
  '4889f8',
  '31c0',
  '85ff',
  '488d0437',
  '4863c7',
  '64488b042528000000',
  '48b80000000000000000',
  'c3',
  'f3c3',
  'c20000',
  '0f28c1',
  '660fefc0',
  'f20f38f0c0',
  '0f31',
  'f0480b0424',
  '3e90',
  '2e90',
]; // prettier-ignore

test('the kernel here treats each instruction as its class says', (t) => {
  if (arch() !== 'x64') return skip(t, 'the instructions are x86-64');
  if (process.getuid?.() !== 0) return skip(t, 'uprobes need root');
  if (!existsSync('/sys/bus/event_source/devices/uprobe/type')) return skip(t, 'this kernel has no uprobe events');
  const folder = mkdtempSync(join(tmpdir(), 'tracer-probe-class-'));
  try {
    const program = join(folder, 'probe-class');
    execFileSync('gcc', ['-O1', '-o', program, 'test/support/probe-class.c']);
    const output = execFileSync(program, [join(folder, 'code'), ...INSTRUCTIONS], { encoding: 'utf8' });
    const seen = new Map(
      output
        .trim()
        .split('\n')
        .map((line) => line.split(' ', 2) as [string, string]),
    );
    const kernel = parseKernelVersion(release()) as KernelVersion;
    for (const hex of INSTRUCTIONS)
      t.equal(probeCost('x86_64', Buffer.from(hex, 'hex'), 0, kernel), seen.get(hex), `${hex}: ${seen.get(hex)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
  t.end();
});
