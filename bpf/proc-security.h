/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Actions that matter for security, with their outcome: at the end of each system call, at an exec, and where the kernel
 * is asked for a capability. Little of it happens in a usual program, so that each program here ends early.
 */
#ifndef TRACER_PROC_SECURITY_H
#define TRACER_PROC_SECURITY_H

#include "proc-files.h"

struct security_call {
	__u64 args[5];
	/* Addresses of texts in the program's memory. */
	__u64 text[3];
	/* Bytes that stand at the beginning of the scratch already, in place of text[0]. */
	__u32 filled;
	__u32 pad;
};

static __always_inline int tell_security_in(struct path_scratch *s, struct rec_security *told, struct security_call *call,
					    __u32 length, const __u32 room)
{
	struct rec_security *rec;
	__u64 floor;
	__u32 n = length;

	if (!ring_has_room_for_data(sizeof(*rec) + room)) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	floor = bpf_ktime_get_boot_ns();
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + room, 0);
	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	fill_current((struct rec_head *)rec, REC_SECURITY, floor);
	rec->ts = bpf_ktime_get_boot_ns();
	for (int i = 0; i < 5; i++)
		rec->args[i] = call->args[i];
	rec->result = told->result;
	rec->kind = told->kind;
	rec->text_len[0] = told->text_len[0];
	rec->text_len[1] = told->text_len[1];
	rec->text_len[2] = told->text_len[2];
	BOUND(n, room);
	rec->len = n;
	bpf_probe_read_kernel(rec->text, n, s->text);
	ring_submit(rec);
	return 0;
}

/* No static function: so the verifier looks at it once, and not for each of its callers. */
__noinline int tell_security(struct security_call *call, __s64 result, __u16 kind)
{
	struct path_scratch *s = scratch_of();
	struct rec_security told = {};
	__u32 at;

	count(COUNT_SEEN, 1);
	if (!s || !call) {
		count(COUNT_LOST_LIMIT, 1);
		return 0;
	}
	told.kind = kind;
	told.result = result;
	at = call->filled;
	told.text_len[0] = at;
	if (!at) {
		told.text_len[0] = add_user_text(s, at, call->text[0]);
		at += told.text_len[0];
	}
	told.text_len[1] = add_user_text(s, at, call->text[1]);
	at += told.text_len[1];
	told.text_len[2] = add_user_text(s, at, call->text[2]);
	at += told.text_len[2];
	if (at <= 128)
		return tell_security_in(s, &told, call, at, 128);
	return tell_security_in(s, &told, call, at, TEXT_BYTES + WALK_BYTES);
}

#define SECURITY_CALL(call, security, condition, body)                                                                 \
	SEC("tracepoint/syscalls/sys_exit_" #call)                                                                     \
	int security_##call(struct call_end *ctx)                                                                      \
	{                                                                                                              \
		__s64 result = ctx->result;                                                                            \
		struct security_call c = {};                                                                           \
		struct scope_key key = {};                                                                             \
		struct registers r = {};                                                                               \
                                                                                                                       \
		if (!in_scope(&key))                                                                                   \
			return 0;                                                                                      \
		registers_of(&r);                                                                                      \
		if (!(condition))                                                                                      \
			return 0;                                                                                      \
		body;                                                                                                  \
		return tell_security(&c, result, security);                                                            \
	}

/* ---- who becomes root: the user that a call begins with is noted, of those who are none yet ---- */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} uid_before SEC(".maps");

static __always_inline int note_uid(void)
{
	struct task_struct *task = current_task();
	__u64 thread = bpf_get_current_pid_tgid();
	__u32 uid = BPF_CORE_READ(task, cred, euid.val);
	struct scope_key key = {};

	if (uid && in_scope(&key))
		bpf_map_update_elem(&uid_before, &thread, &uid, BPF_ANY);
	return 0;
}

/* Asked for: any of the ids. -1 leaves one as it is. */
static __always_inline int tell_uid(struct call_end *ctx, __u32 ids)
{
	struct task_struct *task = current_task();
	__u64 thread = bpf_get_current_pid_tgid();
	__s64 result = ctx->result;
	struct security_call c = {};
	struct registers r = {};
	__u32 *before = bpf_map_lookup_elem(&uid_before, &thread);
	bool asked = false;

	if (!before)
		return 0;
	c.args[0] = ids;
	c.args[1] = *before;
	bpf_map_delete_elem(&uid_before, &thread);
	registers_of(&r);
	for (__u32 i = 0; i < 3; i++)
		if (i < ids && !(__u32)r.a[i])
			asked = true;
	if (result < 0 ? !asked : BPF_CORE_READ(task, cred, euid.val) != 0 && BPF_CORE_READ(task, cred, uid.val) != 0)
		return 0;
	return tell_security(&c, result, SECURITY_SETUID_ROOT);
}

#define UID_CALL(call, ids)                                                                                            \
	SEC("tracepoint/syscalls/sys_enter_" #call)                                                                    \
	int security_##call##_enter(void *ctx)                                                                         \
	{                                                                                                              \
		return note_uid();                                                                                     \
	}                                                                                                              \
	SEC("tracepoint/syscalls/sys_exit_" #call)                                                                     \
	int security_##call(struct call_end *ctx)                                                                      \
	{                                                                                                              \
		return tell_uid(ctx, ids);                                                                             \
	}

UID_CALL(setuid, 1)
UID_CALL(setreuid, 2)
UID_CALL(setresuid, 3)

/* Of an exec: a set-user-id program of root's, and one whose image is memory alone. */
SEC("raw_tp/sched_process_exec")
int security_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	struct path_scratch *s = scratch_of();
	struct security_call c = {};
	struct scope_key key = {};
	struct file *file;
	char name[6] = {};
	bool memory, root;

	if (!s || !in_scope(&key))
		return 0;
	file = BPF_CORE_READ(bprm, file);
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	memory = name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' && name[4] == 'd';
	root = BPF_CORE_READ(task, cred, euid.val) == 0 && BPF_CORE_READ(task, cred, uid.val) != 0;
	if (!memory && !root)
		return 0;
	/* memfd:NAME is the name of the file that a memfd is; any file may be called so, but not without links. */
	memory = memory && BPF_CORE_READ(file, f_inode, i_nlink) == 0;
	c.args[1] = BPF_CORE_READ(task, cred, uid.val);
	c.filled = add_walked(s, 0, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt));
	if (root)
		tell_security(&c, 0, SECURITY_SETUID_ROOT);
	if (memory)
		tell_security(&c, 0, SECURITY_MEMFD_EXEC);
	return 0;
}

/* ---- other processes: include/uapi/linux/ptrace.h; requests that begin it, and those that write ---- */

static __always_inline bool ptrace_matters(__u64 request)
{
	return request == 0 || (request >= 4 && request <= 6) || request == 13 || request == 15 || request == 16 ||
	       request == 0x4205 || request == 0x4206;
}

SECURITY_CALL(ptrace, SECURITY_PTRACE, ptrace_matters(r.a[0]), c.args[0] = r.a[0]; c.args[1] = r.a[1])
SECURITY_CALL(process_vm_readv, SECURITY_PROCESS_VM_READ, true, c.args[1] = r.a[0])
SECURITY_CALL(process_vm_writev, SECURITY_PROCESS_VM_WRITE, true, c.args[1] = r.a[0])

/* ---- sockets that take connections ---- */

#define S_IFMT 0170000
#define S_IFSOCK 0140000

SECURITY_CALL(listen, SECURITY_LISTEN, true, {
	struct file *file = file_of(r.a[0]);

	c.args[0] = r.a[0];
	c.args[1] = r.a[1];
	if (file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK) {
		struct socket *socket = BPF_CORE_READ(file, private_data);
		struct sock *sk = BPF_CORE_READ(socket, sk);

		c.args[2] = BPF_CORE_READ(sk, __sk_common.skc_family);
		c.args[3] = BPF_CORE_READ(sk, __sk_common.skc_num);
	}
})

/* ---- the system: mounts, BPF, modules ---- */

SECURITY_CALL(mount, SECURITY_MOUNT, true, c.args[1] = r.a[3]; c.text[0] = r.a[0]; c.text[1] = r.a[1]; c.text[2] = r.a[2])
SECURITY_CALL(move_mount, SECURITY_MOUNT, true, c.args[0] = 1; c.text[0] = r.a[1]; c.text[1] = r.a[3])

/* include/uapi/linux/bpf.h: what makes, loads, pins or attaches. */
static __always_inline bool bpf_matters(__u64 command)
{
	return command == 0 || command == 5 || command == 6 || command == 8 || command == 17 || command == 28;
}

SECURITY_CALL(bpf, SECURITY_BPF, bpf_matters(r.a[0]), {
	__u32 first = 0;

	c.args[0] = r.a[0];
	/* Of a map or a program the type comes first, and the name of a program is at 48. */
	bpf_probe_read_user(&first, sizeof(first), (void *)r.a[1]);
	c.args[1] = first;
	if (r.a[0] == 5)
		c.text[0] = r.a[1] + 48;
})

SECURITY_CALL(init_module, SECURITY_MODULE_LOAD, true, c.args[1] = r.a[1])

SECURITY_CALL(finit_module, SECURITY_MODULE_LOAD, true, {
	struct file *file = file_of(r.a[0]);
	struct path_scratch *s = scratch_of();

	c.args[0] = 1;
	if (file && s)
		c.filled = add_walked(s, 0, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt));
})

/* ---- namespaces: include/uapi/linux/sched.h ---- */

#define CLONE_NEWTIME 0x80
#define CLONE_NEW_ANY 0x7e020000

SECURITY_CALL(setns, SECURITY_SETNS, true, {
	struct file *file = file_of(r.a[0]);

	c.args[1] = r.a[1];
	if (file)
		c.args[2] = BPF_CORE_READ(file, f_inode, i_ino);
})
SECURITY_CALL(unshare, SECURITY_UNSHARE, r.a[0] & (CLONE_NEW_ANY | CLONE_NEWTIME), c.args[1] = r.a[0])
/* The child comes out of it as well, with 0. */
SECURITY_CALL(clone, SECURITY_UNSHARE, result != 0 && (r.a[0] & CLONE_NEW_ANY), c.args[0] = 1; c.args[1] = r.a[0])
SEC("tracepoint/syscalls/sys_exit_clone3")
int security_clone3(struct call_end *ctx)
{
	__s64 result = ctx->result;
	struct security_call c = {};
	struct scope_key key = {};
	struct registers r = {};
	__u64 flags = 0;

	if (result == 0 || !in_scope(&key))
		return 0;
	registers_of(&r);
	bpf_probe_read_user(&flags, sizeof(flags), (void *)r.a[0]);
	if (!(flags & (CLONE_NEW_ANY | CLONE_NEWTIME)))
		return 0;
	c.args[0] = 2;
	c.args[1] = flags;
	return tell_security(&c, result, SECURITY_UNSHARE);
}

/* ---- capabilities: once for each process, capability and outcome ---- */

struct capability_asked {
	struct scope_key process;
	__u32 capability;
	__s32 result;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct capability_asked);
	__type(value, __u32);
} capabilities_asked SEC(".maps");

SEC("raw_tp/cap_capable")
int security_capability(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = current_task();
	struct capability_asked asked = {};
	struct security_call c = {};
	struct scope_key key = {};
	__u32 one = 1;

	/* Of others' rights the kernel asks as well. */
	if (!in_scope(&key) || (void *)ctx->args[0] != (void *)BPF_CORE_READ(task, cred))
		return 0;
	asked.process = key;
	asked.capability = ctx->args[3];
	asked.result = (__s32)ctx->args[4];
	if (bpf_map_update_elem(&capabilities_asked, &asked, &one, BPF_NOEXIST))
		return 0;
	c.args[1] = asked.capability;
	return tell_security(&c, asked.result, SECURITY_CAPABILITY);
}

#endif
