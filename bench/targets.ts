/** Builds the C programs of bench/targets, and gives each sensor a copy of libssl of its own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Workshop {
  /** On disk: programs, libraries. */
  readonly directory = mkdtempSync(join(tmpdir(), 'tracer-bench-'));
  /** In memory: what sensors write. */
  readonly output = mkdtempSync(existsSync('/dev/shm') ? '/dev/shm/tracer-bench-' : join(tmpdir(), 'tracer-bench-out-'));
  readonly #built = new Map<string, string>();

  /** Compiles bench/targets/NAME.c once. */
  program(name: string, libraries: readonly string[]): string {
    const known = this.#built.get(name);
    if (known !== undefined) return known;
    const path = join(this.directory, name);
    execFileSync('gcc', ['-O2', '-Wall', '-o', path, join('bench', 'targets', `${name}.c`), ...libraries], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.#built.set(name, path);
    return path;
  }

  /** A directory for LD_LIBRARY_PATH with a private copy of the libssl that `program` would use. */
  privateLibssl(program: string, owner: string): { directory: string; library: string } {
    const directory = join(this.directory, `lib-${owner.replace(/\W+/g, '-')}`);
    const line = execFileSync('ldd', [program], { encoding: 'utf8' })
      .split('\n')
      .find((entry) => entry.includes('libssl.so'));
    const match = /(libssl\.so\S*) => (\S+)/.exec(line ?? '');
    if (!match) throw new Error(`${program} does not use libssl`);
    const library = join(directory, match[1] as string);
    if (!existsSync(library)) {
      mkdirSync(directory, { recursive: true });
      copyFileSync(realpathSync(match[2] as string), library);
    }
    return { directory, library };
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
    rmSync(this.output, { recursive: true, force: true });
  }
}
