/**
 * Linux capabilities of this process, by name. capabilities(7); numbers: include/uapi/linux/capability.h.
 */
import { native } from './native.js';

/** In the order of their numbers. */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

export type Capability = (typeof CAPABILITIES)[number];

function names(bits: bigint): Set<Capability> {
  return new Set(CAPABILITIES.filter((_, number) => bits & (1n << BigInt(number))));
}

/** What the calling thread may do now (`effective`), may take up (`permitted`), and may ever get by exec (`bounding`). */
export function capabilities(): { effective: Set<Capability>; permitted: Set<Capability>; bounding: Set<Capability> } {
  const bits = native().capabilities();
  return { effective: names(bits.effective), permitted: names(bits.permitted), bounding: names(bits.bounding) };
}

/**
 * Gives up all capabilities but these, in every thread of the process, for good. The bounding set goes too where
 * CAP_SETPCAP allows it. Throws when a thread could not be reached.
 */
export function dropCapabilities(keep: readonly Capability[]): void {
  let bits = 0n;
  for (const name of keep) bits |= 1n << BigInt(CAPABILITIES.indexOf(name));
  native().dropCapabilities(bits);
}
