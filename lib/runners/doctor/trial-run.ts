/** Runs tracer-ssl as an ordinary user with given capabilities, and says what it saw. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Capability } from '../../bpf/index.js';

export interface User {
  uid: number;
  gid: number;
}

/** What was seen: `ssl_data write`, `process_info.exe` … */
export type Features = ReadonlySet<string>;

export interface Trial {
  seen: Features;
  /** It was ended because it had shown no more for a while: on a busy machine that proves nothing. */
  ranOutOfTime: boolean;
}

/** One way to use the command. */
export interface Scenario {
  /** What can be watched when it works. */
  reach: string;
  /** Runs once. Ends early when everything in `enough` was seen. `patience` multiplies the time that it is given. */
  run(set: readonly Capability[], enough: Features, patience?: number): Promise<Trial>;
}

const root = fileURLToPath(new URL('../../../../', import.meta.url));
/** The script that is run as tracer-ssl. */
export const sensorPath: string = `${root}bin/sslsniff`;
/** Handed over as text: the user may not be able to read this installation. */
const talk = ['--input-type=module', '-e', readFileSync(new URL('./talk.js', import.meta.url), 'utf8')];
const word = `tracer-doctor-${process.pid}`;
const KILL_MS = 3000;
/** What a sensor sees, it sees soon after it has said that it is attached. */
const SETTLE_MS = 1500;
const LIMIT_MS = 12_000;

/** Whoever called sudo, else the owner of this installation, else nobody. */
export function ordinaryUser(): User {
  const { SUDO_UID, SUDO_GID } = process.env;
  if (SUDO_UID && Number(SUDO_UID) > 0) return { uid: Number(SUDO_UID), gid: Number(SUDO_GID ?? SUDO_UID) };
  const { uid, gid } = statSync(root);
  return uid > 0 ? { uid, gid } : { uid: 65534, gid: 65534 };
}

/** `+bpf,+perfmon`, as setpriv(1) writes a set. */
export function privList(set: readonly Capability[]): string {
  return ['-all', ...set.map((name) => `+${name.slice(4).toLowerCase()}`)].join(',');
}

/** As that user with these capabilities and no others, now or ever. */
function spawnAs(user: User, set: readonly Capability[], command: readonly string[]): ChildProcess {
  const list = privList(set);
  const who = ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
  const caps = ['--inh-caps', list, '--ambient-caps', list, '--bounding-set', list];
  // Without the traces of sudo: the command is to run as the user that it has.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SUDO|TRACER)_/.test(name)));
  return spawn('setpriv', [...who, ...caps, '--', process.execPath, ...command], { stdio: ['ignore', 'pipe', 'ignore'], env });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
}

function look(line: string, seen: Set<string>): void {
  let event: { event_type?: string; data?: Record<string, unknown> };
  try {
    event = JSON.parse(line);
  } catch {
    return;
  }
  const { event_type: type, data = {} } = event;
  if (type === 'ssl_data' && data.payload === word) seen.add(`ssl_data ${data.direction}`);
  if (type === 'process_info' || type === 'ssl_open') for (const field of Object.keys(data)) seen.add(`${type}.${field}`);
}

/** Runs the sensor until it ends, has shown everything in `enough`, or has had the time for it. */
async function observe(user: User, set: readonly Capability[], args: readonly string[], enough: Features, patience = 1): Promise<Trial> {
  const child = spawnAs(user, set, [sensorPath, ...args]);
  const seen = new Set<string>();
  let rest = '';
  let asked = false;
  let ranOutOfTime = false;
  const ask = () => {
    // Once: a second signal would end it at once.
    if (!asked) asked = child.kill('SIGTERM');
  };
  const late = () => {
    ranOutOfTime ||= !asked;
    ask();
  };
  const limit = patience * LIMIT_MS;
  const timers = [setTimeout(late, limit), setTimeout(() => child.kill('SIGKILL'), limit + KILL_MS)];
  child.stdout?.once('data', () => timers.push(setTimeout(late, patience * SETTLE_MS)));
  child.stdout?.on('data', (data: Buffer) => {
    const lines = (rest + data.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) look(line, seen);
    if (enough.size > 0 && [...enough].every((feature) => seen.has(feature))) ask();
  });
  await ended(child);
  for (const timer of timers) clearTimeout(timer);
  return { seen, ranOutOfTime };
}

/** A command that the sensor starts, which then has the sensor's user. */
export function ownProcesses(user: User): Scenario {
  return {
    reach: 'a command that it starts, and processes of its own user',
    run: (set, enough, patience) => observe(user, set, ['--', process.execPath, ...talk, word, '3'], enough, patience),
  };
}

/** A process of another ordinary user, running before the sensor. */
export function othersProcesses(user: User): Scenario {
  return {
    reach: 'processes of every user',
    async run(set, enough, patience) {
      const child = spawnAs({ uid: 65533, gid: 65533 }, [], [...talk, word, '1000']);
      try {
        const pid = await new Promise<string>((resolve) => {
          child.stdout?.once('data', (data: Buffer) => resolve(data.toString('latin1').trim()));
          child.once('error', () => resolve(''));
          child.once('close', () => resolve(''));
        });
        return pid ? await observe(user, set, ['-p', pid], enough, patience) : { seen: new Set(), ranOutOfTime: false };
      } finally {
        child.kill('SIGKILL');
        await ended(child);
      }
    },
  };
}
