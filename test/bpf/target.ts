/** The probed program of the loader's tests: built once per run, told how often to call, asked when it is done. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../support/paths.js';

export const objectPath = join(root, 'dist/test/bpf/loader.bpf.o');

let dir: string | undefined;
process.on('exit', () => {
  if (dir) rmSync(dir, { recursive: true, force: true });
});

/** A directory that goes with the test process. */
export function scratch(): string {
  dir ??= mkdtempSync(join(tmpdir(), 'tracer-loader-'));
  return dir;
}

export interface TargetProgram {
  path: string;
  /** Offset of `probed` in the file. */
  offset: number;
}

/** Compiles target.c, with `probed` at a file offset that `nm` and the program headers tell. */
export function buildTarget(name = 'target'): TargetProgram {
  const path = join(scratch(), name);
  // Not position independent and one segment at a known base: the offset is the address less that of the segment.
  execFileSync('clang', ['-O1', '-o', path, join(root, 'test/bpf/target.c')]);
  const symbols = execFileSync('nm', [path], { encoding: 'latin1' });
  const address = Number.parseInt(/^([0-9a-f]+) T probed$/m.exec(symbols)?.[1] ?? '', 16);
  const file = readFileSync(path);
  const headers = Number(file.readBigUInt64LE(32));
  for (let i = 0; i < file.readUInt16LE(56); i++) {
    const at = headers + i * 56;
    const start = Number(file.readBigUInt64LE(at + 16));
    const bytes = Number(file.readBigUInt64LE(at + 32));
    if (file.readUInt32LE(at) === 1 && address >= start && address < start + bytes)
      return { path, offset: address - start + Number(file.readBigUInt64LE(at + 8)) };
  }
  throw new Error('target: no segment holds `probed`');
}

export interface Target {
  pid: number;
  /** Calls `probed` n times; resolves when it has. */
  calls(n: number): Promise<void>;
  end(): void;
}

export function startTarget(program: TargetProgram): Promise<Target> {
  const child = spawn(program.path, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: (() => void)[] = [];
  let text = '';
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end);
        text = text.slice(end + 1);
        if (line.startsWith('done')) waiting.shift()?.();
        else
          resolve({
            pid: Number(line),
            calls: (n) =>
              new Promise((done) => {
                waiting.push(done);
                child.stdin.write(`${n}\n`);
              }),
            end: () => child.stdin.end(),
          });
      }
    });
  });
}
