/** Actions that matter for security (bpf/proc-security.h): what each was, by the names that its manual page has. */
import { type RecSecurity, SecurityKind } from '../../bpf/records.gen.js';
import { textField } from '../../stream/payload.js';
import { errnoField } from './errno.js';

type Detail = Record<string, unknown>;
type Numbers = readonly [number, number, number, number, number];

/** include/uapi/linux/ptrace.h */
const PTRACE: Readonly<Record<number, string>> = {
  0: 'PTRACE_TRACEME',
  4: 'PTRACE_POKETEXT',
  5: 'PTRACE_POKEDATA',
  6: 'PTRACE_POKEUSER',
  13: 'PTRACE_SETREGS',
  15: 'PTRACE_SETFPREGS',
  16: 'PTRACE_ATTACH',
  [0x4205]: 'PTRACE_SETREGSET',
  [0x4206]: 'PTRACE_SEIZE',
};

/** include/uapi/linux/bpf.h */
const BPF: Readonly<Record<number, string>> = {
  0: 'BPF_MAP_CREATE',
  5: 'BPF_PROG_LOAD',
  6: 'BPF_OBJ_PIN',
  8: 'BPF_PROG_ATTACH',
  17: 'BPF_RAW_TRACEPOINT_OPEN',
  28: 'BPF_LINK_CREATE',
};

/** include/uapi/linux/sched.h */
const NAMESPACES: readonly (readonly [number, string])[] = [
  [0x80, 'time'],
  [0x0002_0000, 'mnt'],
  [0x0200_0000, 'cgroup'],
  [0x0400_0000, 'uts'],
  [0x0800_0000, 'ipc'],
  [0x1000_0000, 'user'],
  [0x2000_0000, 'pid'],
  [0x4000_0000, 'net'],
];

/** include/uapi/linux/capability.h, in its order. */
const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST ' +
  'NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE ' +
  'SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM ' +
  'BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');

const FAMILIES: Readonly<Record<number, string>> = { 1: 'unix', 2: 'ipv4', 10: 'ipv6', 16: 'netlink', 40: 'vsock' };
const UID_CALLS = ['execve', 'setuid', 'setreuid', 'setresuid'] as const;
const CLONE_CALLS = ['unshare', 'clone', 'clone3'] as const;

function namespaces(flags: number): { namespaces?: string[] } {
  const names = NAMESPACES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? {} : { namespaces: names };
}

/** A text, unless it is empty. */
function text(name: string, bytes: Buffer): Detail {
  return bytes.length === 0 ? {} : textField(name, bytes);
}

/** The flags of clone(2) without its lowest byte, which is a signal there. */
function unshared([call, flags]: Numbers): Detail {
  return { call: CLONE_CALLS[call] ?? 'unshare', ...namespaces(call === 1 ? flags & ~0xff : flags) };
}

const KINDS: Readonly<Record<number, readonly [string, (args: Numbers, texts: readonly Buffer[], result: number) => Detail]>> = {
  [SecurityKind.SECURITY_SETUID_ROOT]: [
    'setuid_root',
    ([call, uid], [exe = NONE]) => ({ call: UID_CALLS[call] ?? 'setuid', from_uid: uid, ...text('exe', exe) }),
  ],
  [SecurityKind.SECURITY_PTRACE]: [
    'ptrace',
    ([request, pid]) => ({ request: PTRACE[request] ?? String(request), ...(request === 0 ? {} : { target_pid: pid | 0 }) }),
  ],
  [SecurityKind.SECURITY_PROCESS_VM_READ]: ['process_vm_read', ([, pid], _, bytes) => ({ target_pid: pid | 0, ...moved(bytes) })],
  [SecurityKind.SECURITY_PROCESS_VM_WRITE]: ['process_vm_write', ([, pid], _, bytes) => ({ target_pid: pid | 0, ...moved(bytes) })],
  [SecurityKind.SECURITY_LISTEN]: [
    'listen',
    ([fd, backlog, family, port]) => ({
      fd: fd | 0,
      backlog: backlog | 0,
      ...(family === 0 ? {} : { family: FAMILIES[family] ?? String(family) }),
      ...(family === 2 || family === 10 ? { port } : {}),
    }),
  ],
  [SecurityKind.SECURITY_MOUNT]: [
    'mount',
    ([call, flags], [source = NONE, target = NONE, type = NONE]) => ({
      call: call === 1 ? 'move_mount' : 'mount',
      ...text('source', source),
      ...text('target', target),
      ...text('type', type),
      ...(call === 1 ? {} : { flags: `0x${flags.toString(16)}` }),
    }),
  ],
  [SecurityKind.SECURITY_BPF]: [
    'bpf',
    ([command, first], [name = NONE]) => ({
      command: BPF[command] ?? String(command),
      ...(command === 0 ? { map_type: first } : command === 5 ? { prog_type: first } : {}),
      ...text('name', name),
    }),
  ],
  [SecurityKind.SECURITY_MODULE_LOAD]: [
    'module_load',
    ([call, bytes], [path = NONE]) => (call === 1 ? { call: 'finit_module', ...text('path', path) } : { call: 'init_module', bytes }),
  ],
  [SecurityKind.SECURITY_SETNS]: ['setns', ([, type, id]) => ({ ...namespaces(type), ...(id === 0 ? {} : { namespace_id: String(id) }) })],
  [SecurityKind.SECURITY_UNSHARE]: ['unshare', unshared],
  [SecurityKind.SECURITY_MEMFD_EXEC]: ['memfd_exec', (_, [exe = NONE]) => text('exe', exe)],
  [SecurityKind.SECURITY_CAPABILITY]: ['capability', ([, number]) => ({ capability: capabilityName(number) })],
};

const NONE = Buffer.alloc(0);

function moved(result: number): Detail {
  return result < 0 ? {} : { bytes: result };
}

function capabilityName(number: number): string {
  const name = CAPABILITIES[number];
  return name === undefined ? String(number) : `CAP_${name}`;
}

/** The data of a security_action behind who. */
export function securityData(record: RecSecurity): Detail {
  const whole = record.text(record.len);
  const texts: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < 3; i++) {
    texts.push(whole.subarray(at, at + record.text_len(i)));
    at += record.text_len(i);
  }
  const args: Numbers = [record.args(0), record.args(1), record.args(2), record.args(3), record.args(4)];
  const result = Number(record.result);
  const [kind, detail] = KINDS[record.kind] ?? [String(record.kind), () => ({})];
  return { kind, detail: detail(args, texts, result), ...errnoField(result) };
}
