/** A control group of a test's own, below wherever cgroup2 is mounted here. */
import { mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Mount point of the cgroup2 hierarchy, from mountinfo (proc(5)): `… - cgroup2 source options`. */
export function cgroup2Mount(): string {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [left, right] = line.split(' - ');
    if (right?.startsWith('cgroup2 ')) return left?.split(' ')[4] ?? '';
  }
  throw new Error('no cgroup2 is mounted here');
}

let made = 0;

export class Cgroup {
  private constructor(readonly path: string) {}

  static make(): Cgroup {
    const path = join(cgroup2Mount(), `tracer-test-${process.pid}-${++made}`);
    mkdirSync(path);
    return new Cgroup(path);
  }

  /** As the events name it: the directory's inode. */
  get id(): string {
    return statSync(this.path, { bigint: true }).ino.toString();
  }

  add(pid: number): void {
    writeFileSync(join(this.path, 'cgroup.procs'), String(pid));
  }

  /** A command line that runs `command` in this group from its first instruction on. */
  wrap(command: string, args: readonly string[]): [string, string[]] {
    return ['sh', ['-c', `echo $$ > '${this.path}/cgroup.procs' && exec "$@"`, 'sh', command, ...args]];
  }

  /** Waits for its processes to be gone, then takes it away. */
  async remove(): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        return rmdirSync(this.path);
      } catch (error) {
        if (i === 100) throw error;
        await sleep(20);
      }
    }
  }
}
