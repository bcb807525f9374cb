/** Cgroups of tracer-run: made for one command, and taken away with all that it left running. */
import { mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, EXIT } from '../../stream/exit.js';
import { cgroup2Mount } from '../scope.js';

const PREFIX = 'tracer-run.';
/** How often, and how long, an ending process is waited for. */
const STEP_MS = 10;
const STEPS = 300;

function mount(): string {
  const found = cgroup2Mount();
  if (found === undefined)
    throw new CommandError(EXIT.unavailable, 'no cgroup2 tree is mounted here', 'Mount one: mount -t cgroup2 cgroup2 /sys/fs/cgroup');
  return found;
}

/** Our pid with our start, so that a number that is used again is somebody else's. */
function ownName(): string {
  return `${PREFIX}${process.pid}.${startOf(process.pid)}`;
}

/** Of a process in this pid namespace, by the change time of its directory; 0 when there is none. */
function startOf(pid: number): number {
  try {
    return Math.round(statSync(`/proc/${pid}`).ctimeMs);
  } catch {
    return 0;
  }
}

/** @throws CommandError */
export function makeCgroup(): string {
  const path = join(mount(), ownName());
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(
      code === 'EACCES' || code === 'EPERM' ? EXIT.permission : EXIT.io,
      `cannot make the cgroup ${path}: ${code}`,
      'Run it with sudo',
    );
  }
  return path;
}

export function enterCgroup(path: string, pid: number): void {
  writeFileSync(join(path, 'cgroup.procs'), String(pid));
}

function remove(path: string): boolean {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) remove(join(path, entry.name));
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Ends whoever is left in it, and takes it away. False when that did not work in three seconds. */
export async function endCgroup(path: string): Promise<boolean> {
  try {
    writeFileSync(join(path, 'cgroup.kill'), '1');
  } catch {
    // Gone already, or a kernel before 5.14: then only what has ended by itself can be taken away.
  }
  for (let i = 0; i < STEPS; i++) {
    if (remove(path)) return true;
    await sleep(STEP_MS);
  }
  return false;
}

/** Ends what runs of tracer-run left behind that are gone themselves; those cgroups. */
export async function collectGarbage(): Promise<string[]> {
  const found = readdirSync(mount()).filter((name) => name.startsWith(PREFIX));
  const gone = found.filter((name) => {
    const [pid, start] = name.slice(PREFIX.length).split('.');
    return startOf(Number(pid)) !== Number(start);
  });
  const done: string[] = [];
  for (const name of gone) if (await endCgroup(join(mount(), name))) done.push(join(mount(), name));
  return done;
}
