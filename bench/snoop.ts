/**
 * bcc's execsnoop and opensnoop on tracepoints: copies of Debian's scripts in which only the place where they look is
 * another one, since this kernel may have no kprobes. What they do there is theirs.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peers, peersDirectory } from './peers.js';
import type { Flavour } from './sensors.js';

/** Replaces each text, which must be there. */
function patched(path: string, changes: readonly (readonly [string, string])[]): string {
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${path} is another version: there is no "${from.trim().slice(0, 60)}" in it`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const EXEC: readonly (readonly [string, string])[] = [
  [
    `int syscall__execve(struct pt_regs *ctx,
    const char __user *filename,
    const char __user *const __user *__argv,
    const char __user *const __user *__envp)
{`,
    `TRACEPOINT_PROBE(syscalls, sys_enter_execve)
{
    struct pt_regs *ctx = (struct pt_regs *)args;
    const char *filename = args->filename;
    const char *const *__argv = args->argv;`,
  ],
  [
    'int do_ret_sys_execve(struct pt_regs *ctx)\n{',
    'TRACEPOINT_PROBE(syscalls, sys_exit_execve)\n{\n    struct pt_regs *ctx = (struct pt_regs *)args;',
  ],
  ['PT_REGS_RC(ctx)', 'args->ret'],
  ['b.attach_kprobe(event=execve_fnname', 'str(execve_fnname'],
  ['b.attach_kretprobe(event=execve_fnname', 'str(execve_fnname'],
  [', fn_name="syscall__execve")', ')'],
  [', fn_name="do_ret_sys_execve")', ')'],
];

const ENTRY = (call: string): string => `TRACEPOINT_PROBE(syscalls, sys_enter_${call})
{
    const char *filename = args->filename;
    int flags = args->flags;`;

const OPEN: readonly (readonly [string, string])[] = [
  ['int trace_return(struct pt_regs *ctx)\n{', 'static inline int returned(struct pt_regs *ctx, int result)\n{'],
  ['PT_REGS_RC(ctx)', 'result'],
  ['int syscall__trace_entry_open(struct pt_regs *ctx, const char __user *filename, int flags)\n{', ENTRY('open')],
  ['int syscall__trace_entry_openat(struct pt_regs *ctx, int dfd, const char __user *filename, int flags)\n{', ENTRY('openat')],
  ['is_support_kfunc = BPF.support_kfunc()', 'is_support_kfunc = False'],
  ['if b.ksymname(fnname_openat2) == -1:', 'if True:'],
  [
    '# initialize BPF\nb = BPF(text=bpf_text)\nif not is_support_kfunc:',
    `for call in ('open', 'openat'):
    bpf_text += 'TRACEPOINT_PROBE(syscalls, sys_exit_%s) { return returned((struct pt_regs *)args, args->ret); }\\n' % call
b = BPF(text=bpf_text)
if False:`,
  ],
];

/** bcc reads what a tracepoint has from tracefs: mounted where nobody else sees it. Each step replaces the one before: the pid stays. */
const TRACEFS = [
  ...['unshare', '--mount', 'sh', '-c'],
  'mount --make-rprivate / && { [ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing; } && exec "$@"',
  'sh',
];

/** Undefined when it is not set up. `uid`: whose processes it watches. */
function snoop(
  tool: 'execsnoop' | 'opensnoop',
  changes: readonly (readonly [string, string])[],
  uid: number,
  mark: string,
): Flavour | undefined {
  const { bcc } = peers();
  const stock = `/usr/sbin/${tool}-bpfcc`;
  if (bcc === undefined || !existsSync(stock)) return undefined;
  const directory = join(peersDirectory(), 'bcc');
  mkdirSync(directory, { recursive: true });
  const script = join(directory, `${tool}.py`);
  writeFileSync(script, patched(stock, changes));
  return {
    name: `bcc's ${tool}`,
    command: () => ({
      command: [...TRACEFS, '/usr/bin/python3', '-u', script, '-u', String(uid)],
      env: { BCC_KERNEL_SOURCE: bcc.headers },
    }),
    isReady: (output) => output.includes('PID'),
    count: (output) => ({ events: output.occurrences(mark), cut: 0 }),
  };
}

export const execsnoop = (uid: number): Flavour | undefined => snoop('execsnoop', EXEC, uid, '/bin/true one two');
export const opensnoop = (uid: number): Flavour | undefined => snoop('opensnoop', OPEN, uid, ' /etc/hostname');
