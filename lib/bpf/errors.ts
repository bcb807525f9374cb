/**
 * What went wrong with a BPF program: which program, which hook, which errno, and the next step.
 */
import { statSync } from 'node:fs';
import { CommandError, EXIT } from '../stream/exit.js';
import { type Capability, capabilities } from './capabilities.js';
import type { NativeError } from './native.js';

export interface BpfFailure {
  program?: string;
  hook?: string;
  errno?: string;
  /** The end of the verifier's log, or libbpf's warnings. */
  log?: string;
}

export class BpfError extends CommandError {
  readonly program?: string;
  readonly hook?: string;
  readonly errno?: string;
  readonly log?: string;

  constructor(message: string, next: string | undefined, failure: BpfFailure) {
    super(failure.errno === 'EPERM' || failure.errno === 'EACCES' ? EXIT.permission : EXIT.unavailable, message, next);
    this.name = 'BpfError';
    Object.assign(this, failure);
  }
}

export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'step' in error && 'errno' in error;
}

const LOG_LINES = 16;

function lastLines(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line && !/^processed \d+ insns/.test(line));
  return lines.slice(-LOG_LINES).join('\n');
}

/** The verifier's part of libbpf's warnings, else all of them. */
function verifierLog(log: string): string {
  const begin = log.lastIndexOf('-- BEGIN PROG LOAD LOG --');
  const end = log.lastIndexOf('-- END PROG LOAD LOG --');
  return lastLines(begin >= 0 && end > begin ? log.slice(log.indexOf('\n', begin) + 1, log.lastIndexOf('\n', end)) : log);
}

function lacking(...wanted: Capability[]): Capability[] {
  const { effective } = capabilities();
  return effective.has('CAP_SYS_ADMIN') ? [] : wanted.filter((name) => !effective.has(name));
}

const asRoot = 'Run it with sudo, or give it the capabilities that `tracer doctor --caps` prints.';
const refusedByKernel = 'The privileges are there, so this kernel refuses this kind of program: `tracer doctor` says what it allows.';

/** Next step after EPERM or EACCES. */
export function permissionStep(...wanted: Capability[]): string {
  const missing = lacking(...wanted);
  return missing.length ? `This process lacks ${missing.join(' and ')}. ${asRoot}` : refusedByKernel;
}

/** `objectOpen` failed. */
export function openFailure(path: string, error: NativeError): BpfError {
  const failure: BpfFailure = { errno: error.errno, ...(error.log ? { log: lastLines(error.log) } : {}) };
  const next =
    error.errno === 'ENOENT'
      ? 'In a checkout, scripts/build makes it.'
      : error.errno === 'EACCES'
        ? 'The file is not readable for this user.'
        : 'The file is damaged or no BPF object: build or install it anew.';
  return new BpfError(`cannot open the BPF object ${path}: ${error.errno}`, next, failure);
}

/** `objectLoad` failed. */
export function loadFailure(path: string, error: NativeError): BpfError {
  const log = error.log ?? '';
  const program = /prog '([^']+)': BPF program load failed/.exec(log)?.[1] ?? /prog '([^']+)': failed to/.exec(log)?.[1];
  const map = /map '([^']+)': failed to create/.exec(log)?.[1] ?? /bpf_create_map_xattr\(([^)]+)\)/.exec(log)?.[1];
  const failure: BpfFailure = { errno: error.errno, log: verifierLog(log), ...(program ? { program } : {}) };
  const what = program ? `the program ${program} of ${path}` : map ? `the map ${map} of ${path}` : path;
  return new BpfError(`cannot load ${what}: ${error.errno}`, loadStep(error.errno, log), failure);
}

function loadStep(errno: string, log: string): string {
  if (/failed to find valid kernel BTF|Error loading vmlinux BTF|kernel BTF is missing/.test(log))
    return 'This kernel has no BTF (/sys/kernel/btf/vmlinux). Use a kernel built with CONFIG_DEBUG_INFO_BTF, or name a BTF file of this very kernel in TRACER_BTF.';
  if (errno === 'EPERM' || errno === 'EACCES') {
    // EACCES is also the verifier's word for a bad memory access.
    if (errno === 'EPERM' || lacking('CAP_BPF', 'CAP_PERFMON').length) return permissionStep('CAP_BPF', 'CAP_PERFMON');
  }
  if (errno === 'ENOMEM') return 'The kernel has no memory for its maps: lower the limits, or raise the memory limit of this cgroup.';
  if (/unknown func|invalid func|BTF_KIND|unknown opcode/.test(log))
    return 'This kernel is too old for the program: `tracer doctor` says what it has.';
  return 'The kernel refuses the program, which is a fault of ours: please report it with the log and the output of `tracer doctor`.';
}

/** An attach call failed. `hook` is a name for people. */
export function attachFailure(program: string, hook: string, error: NativeError, next?: string): BpfError {
  const failure: BpfFailure = { program, hook, errno: error.errno };
  return new BpfError(`cannot attach ${program} to ${hook}: ${error.errno} (${error.step})`, next ?? attachStep(error), failure);
}

function attachStep(error: NativeError): string {
  if (error.step === 'mount tracefs')
    return error.errno === 'EPERM'
      ? 'tracefs is not mounted, and mounting it for this process alone needs CAP_SYS_ADMIN. As root: mount -t tracefs tracefs /sys/kernel/tracing'
      : 'This kernel has no tracefs (CONFIG_FTRACE).';
  if (error.step === 'tracepoint id' && error.errno === 'ENOENT')
    return 'This kernel has no such tracepoint: `tracer doctor` says what it has.';
  if (error.step === 'tracepoint id' && error.errno === 'EACCES')
    return `The tracing directory is not readable for this user: CAP_DAC_READ_SEARCH is missing. ${asRoot}`;
  if (error.step === 'link with cookie') return 'A cookie needs Linux 5.15 or later.';
  if (error.errno === 'EPERM' || error.errno === 'EACCES') return permissionStep('CAP_PERFMON', 'CAP_BPF');
  if (error.errno === 'EMFILE') return 'Too many open files: raise `ulimit -n`, or narrow the scope.';
  if (error.step === 'open cgroup')
    return 'It must be a directory of a cgroup2 mount: `grep cgroup2 /proc/self/mounts` shows where that is.';
  if (error.step === 'find program') return 'The object has no such program.';
  return '`tracer doctor` says what this kernel can do.';
}

/** A uprobe could not be attached: the errno alone seldom tells why, so the file is looked at. */
export function uprobeFailure(
  program: string,
  target: { path: string; offset: number | bigint; pid?: number },
  error: NativeError,
): BpfError {
  const hook = `${target.path}+0x${target.offset.toString(16)}`;
  return attachFailure(program, hook, error, uprobeStep(target, error));
}

function uprobeStep(target: { path: string; offset: number | bigint; pid?: number }, error: NativeError): string | undefined {
  if (error.step === 'uprobe PMU') return 'This kernel has no uprobes (CONFIG_UPROBE_EVENTS).';
  if (error.step !== 'perf_event_open' && error.step !== 'uprobe_multi') return undefined;
  let file: { size: number; isFile(): boolean };
  try {
    file = statSync(target.path);
  } catch {
    return 'The file is gone: the process that used it has ended or replaced it.';
  }
  switch (error.errno) {
    case 'EINVAL':
    case 'EBADF':
      if (!file.isFile()) return 'It is not a regular file.';
      if (Number(target.offset) >= file.size) return 'The place is beyond the end of the file: the file was replaced meanwhile.';
      return 'Another tool holds a probe at this place with another reference counter (sslsniff of bcc 0.26 does so): end that tool, then try again.';
    case 'ESRCH':
      return `Process ${target.pid} has ended.`;
    case 'ENOTSUPP':
    case 'ENOEXEC':
    case 'EIO':
      return 'The kernel cannot probe the instruction at this place, or a debugger has a breakpoint there.';
    case 'EROFS':
    case 'EOPNOTSUPP':
      return 'Files of this file system cannot be probed.';
  }
  return undefined;
}
