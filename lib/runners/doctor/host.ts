/** What can be read about the host without loading anything. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { type Capability, capabilities } from '../../bpf/index.js';
import { addonPath, native } from '../../bpf/native.js';
import { type Check, check } from './check.js';

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** `Debian GNU/Linux 12 (bookworm)`. */
export function systemName(): string | undefined {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readText('/etc/os-release') ?? '')?.[1];
}

/** `[6, 18]` of `6.18.44-amd64`. */
export function kernelVersion(text = release()): [number, number] {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return [Number(major), Number(minor)];
}

export function kernelCheck(): Check {
  const [major, minor] = kernelVersion();
  const name = `Linux ${release()}`;
  if (major > 5 || (major === 5 && minor >= 15)) return check('kernel', 'kernel', 'ok', name);
  if (major === 5 && minor >= 10)
    return check(
      'kernel',
      'kernel',
      'limited',
      `${name}: before 5.15, so probes cannot carry a cookie`,
      'A kernel from 6.1 on is what the tests run.',
    );
  return check('kernel', 'kernel', 'missing', `${name} is older than 5.10`, 'Use a host with Linux 5.10 or later (tested: 6.1 and later).');
}

export function addonCheck(): Check {
  try {
    native();
    return check('addon', 'addon', 'ok', `${addonPath()} loads`);
  } catch (error) {
    const next = (error as { next?: string }).next;
    return check('addon', 'addon', 'missing', (error as Error).message, next);
  }
}

export function typesCheck(): Check {
  const custom = process.env.TRACER_BTF;
  if (custom)
    return existsSync(custom)
      ? check('btf', 'kernel types (BTF)', 'ok', `${custom}, by TRACER_BTF`)
      : check(
          'btf',
          'kernel types (BTF)',
          'missing',
          `TRACER_BTF names ${custom}, which does not exist`,
          'Correct the path or unset TRACER_BTF.',
        );
  try {
    const { size } = statSync('/sys/kernel/btf/vmlinux');
    return check('btf', 'kernel types (BTF)', 'ok', `/sys/kernel/btf/vmlinux, ${(size / 1e6).toFixed(1)} MB`);
  } catch {
    const mounted = existsSync('/sys/kernel');
    return check(
      'btf',
      'kernel types (BTF)',
      'missing',
      mounted ? 'this kernel was built without CONFIG_DEBUG_INFO_BTF' : '/sys is not mounted here',
      mounted
        ? 'Use a distribution kernel (Debian 11, Ubuntu 20.10, Fedora 33 and later have it), or name a BTF file of this very kernel in TRACER_BTF.'
        : 'Mount it: mount -t sysfs sysfs /sys',
    );
  }
}

/** The capabilities without which nothing can be watched. */
export const NEEDED: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON'];

export function privilegesCheck(): Check {
  const { effective } = capabilities();
  const missing = effective.has('CAP_SYS_ADMIN') ? [] : NEEDED.filter((name) => !effective.has(name));
  const who = process.getuid?.() === 0 ? 'root' : `uid ${process.getuid?.()}`;
  if (missing.length)
    return check(
      'privileges',
      'privileges',
      'missing',
      `${who} without ${missing.join(' and ')}`,
      'Run it with sudo; or see which capabilities suffice: sudo tracer doctor --caps ssl',
    );
  const all: Capability[] = ['CAP_BPF', 'CAP_PERFMON', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH'];
  const lacking = all.filter((name) => !effective.has(name));
  if (!effective.has('CAP_SYS_PTRACE'))
    return check(
      'privileges',
      'privileges',
      'limited',
      `${who} without ${lacking.join(', ')}: only its own processes can be watched`,
      'Run it with sudo to watch everybody’s.',
    );
  return check('privileges', 'privileges', 'ok', lacking.length ? `${who} without ${lacking.join(', ')}` : who);
}

export function tracefsCheck(): Check {
  const found = native().tracefs();
  if (found.place === 'private') return check('tracefs', 'tracepoints (tracefs)', 'ok', 'not mounted; a private view is made when needed');
  if (found.place) return check('tracefs', 'tracepoints (tracefs)', 'ok', found.place);
  const { errno } = found as { errno: string };
  const remedy =
    errno === 'EPERM' || errno === 'EACCES'
      ? 'As root: mount -t tracefs tracefs /sys/kernel/tracing (and CAP_DAC_READ_SEARCH to read it as another user).'
      : 'The kernel was built without CONFIG_FTRACE.';
  return check('tracefs', 'tracepoints (tracefs)', 'missing', `not mounted here, and a private view failed: ${errno}`, remedy);
}

/** Mount point of cgroup2. */
export function cgroup2(): string | undefined {
  return /^\S+ (\S+) cgroup2 /m.exec(readText('/proc/self/mounts') ?? '')?.[1]?.replace(/\\040/g, ' ');
}

export function cgroupCheck(): Check {
  const place = cgroup2();
  return place
    ? check('cgroup2', 'cgroup2', 'ok', place)
    : check(
        'cgroup2',
        'cgroup2',
        'missing',
        'not mounted',
        'Needed for --cgroup and for guards: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified',
      );
}

/** A file below /sys/kernel/security, mounted or not. */
function security(name: string): string | undefined {
  const mounted = readText(`/sys/kernel/security/${name}`);
  if (mounted !== undefined) return mounted;
  try {
    return native().detachedRead('securityfs', name).trim();
  } catch {
    return undefined;
  }
}

export function lockdownCheck(): Check {
  const text = security('lockdown');
  const level = /\[(\w+)\]/.exec(text ?? '')?.[1];
  if (!level) return check('lockdown', 'lockdown', 'untried', 'cannot be read here');
  if (level === 'confidentiality')
    return check('lockdown', 'lockdown', 'missing', 'confidentiality: BPF may not read memory', 'Boot without lockdown=confidentiality.');
  return check('lockdown', 'lockdown', 'ok', level);
}

/** Active security modules; undefined when that cannot be read. */
export function securityModules(): string[] | undefined {
  return security('lsm')?.split(',');
}

export function memlockCheck(): Check {
  const [major, minor] = kernelVersion();
  const limit = /^Max locked memory +(\S+)/m.exec(readText('/proc/self/limits') ?? '')?.[1] ?? '?';
  const text = limit === 'unlimited' ? limit : `${limit} bytes`;
  // From 5.11 on the memory of maps is accounted to the cgroup instead.
  if (limit === 'unlimited' || major > 5 || (major === 5 && minor >= 11))
    return check('memlock', 'locked memory', 'ok', `${text}; this kernel does not count maps into it`);
  return check(
    'memlock',
    'locked memory',
    'limited',
    `${text}, and this kernel counts maps into it`,
    'ulimit -l unlimited, before starting a sensor.',
  );
}
