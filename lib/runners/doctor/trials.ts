/** What the kernel accepts, found by handing it two instructions of each kind, and a probe on ourselves. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type BpfError, BpfObject } from '../../bpf/index.js';
import { addonPath, native } from '../../bpf/native.js';
import { type Check, check } from './check.js';
import { securityModules } from './host.js';

/** include/uapi/linux/bpf.h: enum bpf_prog_type and enum bpf_attach_type. */
const TYPE = {
  kprobe: 2,
  tracepoint: 5,
  cgroupSkb: 8,
  cgroupSock: 9,
  sockOps: 13,
  rawTracepoint: 17,
  cgroupSockAddr: 18,
  tracing: 26,
  lsm: 29,
};
const ATTACH = {
  egress: 1,
  sockCreate: 2,
  sockOps: 3,
  connect4: 10,
  rawTp: 23,
  fentry: 24,
  modifyReturn: 26,
  lsmMac: 27,
  iter: 28,
  lsmCgroup: 43,
};

/** `r0 = value; exit`. */
function returns(value: number): Buffer {
  const code = Buffer.alloc(16);
  code[0] = 0xb7;
  code.writeInt32LE(value, 4);
  code[8] = 0x95;
  return code;
}

interface Trial {
  name: string;
  title: string;
  type: number;
  attach?: number;
  /** The kernel's hook, for kinds that are bound to one at load. */
  target?: string;
  returns?: number;
  /** What it is for. */
  use: string;
}

/** For sensors. */
export const SENSOR_TRIALS: readonly Trial[] = [
  { name: 'tracepoint', title: 'tracepoint', type: TYPE.tracepoint, use: 'system calls' },
  { name: 'raw_tracepoint', title: 'raw tracepoint', type: TYPE.rawTracepoint, use: 'processes' },
  { name: 'tp_btf', title: 'typed tracepoint', type: TYPE.tracing, attach: ATTACH.rawTp, target: 'sched_process_exec', use: 'processes' },
  { name: 'uprobe', title: 'uprobe program', type: TYPE.kprobe, use: 'TLS libraries' },
  { name: 'iter_task', title: 'task iterator', type: TYPE.tracing, attach: ATTACH.iter, target: 'task', use: 'what runs already' },
  { name: 'fentry', title: 'fentry', type: TYPE.tracing, attach: ATTACH.fentry, target: 'security_file_open', use: 'kernel functions' },
];

/** For guards and the network sensor. */
export const GUARD_TRIALS: readonly Trial[] = [
  {
    name: 'cgroup_connect',
    title: 'cgroup connect',
    type: TYPE.cgroupSockAddr,
    attach: ATTACH.connect4,
    returns: 1,
    use: 'refusing connections',
  },
  {
    name: 'cgroup_sock_create',
    title: 'cgroup socket',
    type: TYPE.cgroupSock,
    attach: ATTACH.sockCreate,
    returns: 1,
    use: 'refusing sockets',
  },
  { name: 'cgroup_skb', title: 'cgroup packets', type: TYPE.cgroupSkb, attach: ATTACH.egress, returns: 1, use: 'TLS hellos and DNS' },
  { name: 'sock_ops', title: 'socket operations', type: TYPE.sockOps, attach: ATTACH.sockOps, returns: 1, use: 'connection times' },
  { name: 'lsm', title: 'LSM', type: TYPE.lsm, attach: ATTACH.lsmMac, target: 'file_open', use: 'refusing anything' },
  {
    name: 'lsm_cgroup',
    title: 'LSM per cgroup',
    type: TYPE.lsm,
    attach: ATTACH.lsmCgroup,
    target: 'socket_connect',
    returns: 1,
    use: 'refusing connections',
  },
  {
    name: 'fmod_ret',
    title: 'fmod_ret',
    type: TYPE.tracing,
    attach: ATTACH.modifyReturn,
    target: 'security_file_open',
    use: 'refusing, without an active BPF LSM',
  },
];

const TRAMPOLINES = new Set(['fentry', 'fmod_ret', 'lsm', 'lsm_cgroup']);

/** Tries one kind. `privileged`: whether EPERM is the kernel's own refusal. */
export function trial(kind: Trial, privileged: boolean): Check {
  const got = native().tryLoad(kind.type, kind.attach ?? 0, returns(kind.returns ?? 0), kind.target ?? '', 0);
  if (got.fd !== undefined) {
    native().tryClose(got.fd);
    return loaded(kind);
  }
  if (got.errno === 'EPERM' && !privileged)
    return check(kind.name, kind.title, 'untried', `${kind.use}: not permitted for this user`, 'Run it with sudo.');
  if (got.errno === 'EPERM' && TRAMPOLINES.has(kind.name))
    return check(
      kind.name,
      kind.title,
      'missing',
      `${kind.use}: this kernel refuses programs that hook kernel functions (EPERM)`,
      remedyFor(kind.name),
    );
  const log = got.log.split('\n').find((line) => line.trim()) ?? '';
  const known = got.errno === 'ENOENT' || got.errno === 'EINVAL' ? 'this kernel does not have it' : log;
  return check(kind.name, kind.title, 'missing', `${kind.use}: ${got.errno}${known ? `, ${known}` : ''}`, remedyFor(kind.name));
}

function loaded(kind: Trial): Check {
  if (kind.name !== 'lsm' && kind.name !== 'lsm_cgroup') return check(kind.name, kind.title, 'ok', kind.use);
  const modules = securityModules();
  if (!modules)
    return check(kind.name, kind.title, 'limited', `${kind.use}: loads; whether it is active cannot be read`, 'Run it with sudo.');
  if (modules.includes('bpf')) return check(kind.name, kind.title, 'ok', kind.use);
  return check(
    kind.name,
    kind.title,
    'missing',
    `${kind.use}: loads, but would never run: the active modules are ${modules.join(', ')}`,
    `Boot with lsm=${[...modules, 'bpf'].join(',')}`,
  );
}

function remedyFor(name: string): string | undefined {
  if (name === 'fentry') return 'Tracer does without.';
  if (TRAMPOLINES.has(name)) return 'Guards use cgroup hooks and fanotify here instead.';
  return undefined;
}

export function ringCheck(privileged: boolean): Check {
  const errno = native().tryMap(27 /* BPF_MAP_TYPE_RINGBUF */, 0, 0, 4096);
  if (!errno) return check('ring_buffer', 'ring buffer', 'ok', 'can be made');
  if (errno === 'EPERM' && !privileged)
    return check('ring_buffer', 'ring buffer', 'untried', 'not permitted for this user', 'Run it with sudo.');
  return check('ring_buffer', 'ring buffer', 'missing', errno, 'It needs Linux 5.8 or later.');
}

export function kprobeCheck(): Check {
  try {
    readFileSync('/sys/bus/event_source/devices/kprobe/type');
    return check('kprobe', 'kprobe', 'ok', 'kernel functions');
  } catch {
    return check('kprobe', 'kprobe', 'missing', 'this kernel has none (CONFIG_KPROBE_EVENTS)', 'Tracer does without.');
  }
}

/** Path of a BPF object of this package. */
export function objectPath(name: string): string {
  return fileURLToPath(new URL(`../../../bpf/${name}.bpf.o`, import.meta.url));
}

function failed(name: string, title: string, error: unknown): Check {
  const { message, next, log } = error as BpfError;
  const last = log?.split('\n').at(-1);
  return check(name, title, 'missing', last ? `${message}; ${last}` : message, next);
}

/** Loads everything that a sensor loads, and lets it go again. */
export function objectCheck(name: string, title: string): Check {
  let object: BpfObject | undefined;
  try {
    object = BpfObject.open(objectPath(name));
    object.load();
    return check(`object_${name}`, title, 'ok', `its ${object.programs().length} programs pass the verifier`);
  } catch (error) {
    return failed(`object_${name}`, title, error);
  } finally {
    object?.close();
  }
}

/** Offset in the addon's file of one of its two probe sites. */
function siteOffset(which: 0 | 1): number {
  const address = Number(native().siteAddress(which));
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) /.exec(line);
    if (!match) continue;
    const [start, end, offset] = match.slice(1).map((text) => Number.parseInt(text, 16)) as [number, number, number];
    if (address >= start && address < end) return address - start + offset;
  }
  throw new Error('the addon is not in /proc/self/maps');
}

const CALLS = 3000;

/** Nanoseconds that a probe adds to a call, the best of five rounds. */
function cost(object: BpfObject, which: 0 | 1): number {
  const round = () => native().siteLoop(which, CALLS) / CALLS;
  const best = () => Math.min(...Array.from({ length: 5 }, round));
  const bare = best();
  const link = object.attachUprobe('probe_empty', { path: addonPath(), offset: siteOffset(which), pid: process.pid });
  try {
    return best() - bare;
  } finally {
    link.close();
  }
}

/** A probe on a function of this process: does it fire, does its record arrive, and what does it cost? */
export function uprobeChecks(): Check[] {
  let object: BpfObject | undefined;
  try {
    object = BpfObject.open(objectPath('doctor'));
    object.load();
    let records = 0;
    const ring = object.ring('ring', {
      batch(bytes) {
        for (let at = 0; at < bytes.length; at += 8 + ((bytes.readUInt32LE(at) + 7) & ~7)) records++;
      },
    });
    const link = object.attachUprobe('probe_record', { path: addonPath(), offset: siteOffset(0), pid: process.pid });
    native().siteLoop(0, 3);
    link.close();
    ring.drainNow();
    const fires = check('uprobe_fires', 'uprobe', 'ok', 'a probe on this process fired 3 times, and its records arrived');
    if (records !== 3)
      return [
        check(
          'uprobe_fires',
          'uprobe',
          'missing',
          `a probe on this process fired ${records} times of 3`,
          'Please report it with the output of tracer doctor --json.',
        ),
      ];
    return [fires, costCheck(cost(object, 0), cost(object, 1))];
  } catch (error) {
    return [failed('uprobe_fires', 'uprobe', error)];
  } finally {
    object?.close();
  }
}

function costCheck(emulated: number, stepped: number): Check {
  const us = (ns: number) => `${(ns / 1000).toFixed(ns < 1000 ? 2 : 1)} µs`;
  const text = `${us(emulated)} on an instruction that the kernel emulates, ${us(stepped)} on one that it must single-step`;
  return check('uprobe_cost', 'cost of a probe', 'ok', text);
}
