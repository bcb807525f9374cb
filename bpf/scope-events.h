/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Follows processes: the programs that keep the scope up to date over fork, exec, exit, renaming and moves between
 * cgroups, and tell of those who are in it. And the look at who is there at the start.
 */
#ifndef TRACER_SCOPE_EVENTS_H
#define TRACER_SCOPE_EVENTS_H

#include "scope.h"

/* For a sensor whose events these are: counted as its data. */
#ifndef PROCESSES_ARE_DATA
#define PROCESSES_ARE_DATA 0
#endif

static __always_inline void process_due(void)
{
	if (PROCESSES_ARE_DATA)
		count(COUNT_SEEN, 1);
}

static __always_inline void process_lost(void)
{
	count(PROCESSES_ARE_DATA ? COUNT_LOST_RING : COUNT_LOST_OTHER, 1);
}

/* Everybody's processes are told of, whoever is in scope. */
const volatile bool processes_of_all = false;

static __always_inline bool is_told_of(struct scope_key *key)
{
	if (scope_has(key))
		return true;
	return PROCESSES_ARE_DATA && processes_of_all && !scope_closed && key->tgid != scope_self;
}

/* A thread's start is not its process's: only processes are told of. */
SEC("raw_tp/sched_process_fork")
int scope_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0];
	struct task_struct *child = (void *)ctx->args[1];
	struct scope_key parent_key, child_key;
	struct rec_fork *rec;
	struct pid *pid;
	struct upid upid = {};
	unsigned int level;
	__u64 floor;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0; /* a thread */
	parent_key = scope_key_of(parent);
	child_key = scope_key_of(child);
	if (((scope_children || scope_all) && scope_has(&parent_key)) || task_is_wished(child))
		scope_add(&child_key);
	else if (!is_told_of(&child_key) || is_ours(child))
		return 0;

	process_due();
	floor = bpf_ktime_get_boot_ns();
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		process_lost();
		return 0;
	}
	fill_head((struct rec_head *)rec, REC_FORK, floor, parent);
	rec->child_start = child_key.start;
	rec->child_pid = child_key.tgid;
	pid = BPF_CORE_READ(child, thread_pid);
	level = BPF_CORE_READ(pid, level);
	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	rec->child_ns_pid = upid.nr;
	ring_submit(rec);
	return 0;
}

/* Too large for the stack. Per CPU: the exec tracepoint runs with preemption off. */
struct exec_scratch {
	struct scope_name name;
	char text[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} exec_scratch SEC(".maps");

static __always_inline void clear_name(struct scope_name *name)
{
	__builtin_memset(name, 0, sizeof(*name));
}

/* python3.11 is python: what stands before the first digit or dot. */
static __always_inline bool is_interpreter(struct scope_name *exe)
{
	struct scope_name plain = {};

	for (int i = 0; i < 16; i++) {
		char c = exe->name[i];

		if (!c || (c >= '0' && c <= '9') || c == '.')
			break;
		plain.name[i] = c;
	}
	return bpf_map_lookup_elem(&interpreters, &plain) != 0;
}

#define SCRIPT_ARGS 8
#define SIGSTOP 19

/* The base name of the program, or of the script that a known interpreter was given. */
static __noinline bool exec_is_wished(struct task_struct *task, struct linux_binprm *bprm)
{
	__u32 zero = 0;
	struct exec_scratch *scratch = bpf_map_lookup_elem(&exec_scratch, &zero);
	unsigned long arg, end;

	if (!scratch)
		return false;
	clear_name(&scratch->name);
	bpf_probe_read_kernel_str(scratch->name.name, sizeof(scratch->name.name),
				  BPF_CORE_READ(bprm, file, f_path.dentry, d_name.name));
	if (name_is_wished(&scratch->name))
		return true;
	if (!is_interpreter(&scratch->name))
		return false;
	arg = BPF_CORE_READ(task, mm, arg_start);
	end = BPF_CORE_READ(task, mm, arg_end);
	for (int i = 0; i < SCRIPT_ARGS; i++) {
		long n;

		if (arg >= end)
			return false;
		n = bpf_probe_read_user_str(scratch->text, sizeof(scratch->text), (void *)arg);
		if (n <= 0)
			return false;
		if (i > 0 && scratch->text[0] != '-') {
			__u32 start = 0;

			for (__u32 c = 0; c < sizeof(scratch->text); c++) {
				if (!scratch->text[c])
					break;
				if (scratch->text[c] == '/')
					start = c + 1;
			}
			clear_name(&scratch->name);
			bpf_probe_read_user_str(scratch->name.name, sizeof(scratch->name.name), (void *)(arg + start));
			return name_is_wished(&scratch->name);
		}
		arg += n;
	}
	return false;
}

#ifndef TELL_EXEC
#define EXEC_ARGS_SHORT 512
#define EXEC_ARGS_LONG 4096

/* False when the record found no room. */
static __always_inline bool tell_exec(struct task_struct *task, struct linux_binprm *bprm, __u32 old_tid,
				      const __u32 room)
{
	unsigned long from = BPF_CORE_READ(task, mm, arg_start);
	unsigned long length = BPF_CORE_READ(task, mm, arg_end) - from;
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_exec *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + room, 0);
	__u64 n = length;

	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return false;
	}
	fill_head((struct rec_head *)rec, REC_EXEC, floor, task);
	rec->old_tid = old_tid;
	rec->args_len = length;
	rec->filename[0] = 0;
	bpf_probe_read_kernel_str(rec->filename, sizeof(rec->filename), BPF_CORE_READ(bprm, filename));
	BOUND(n, room);
	if (bpf_probe_read_user(rec->args, n, (void *)from) == 0)
		rec->len = n;
	ring_submit(rec);
	return true;
}

static __always_inline bool tell_exec_short_or_long(struct task_struct *task, struct linux_binprm *bprm, __u32 old_tid)
{
	/* Most command lines are short. */
	if (BPF_CORE_READ(task, mm, arg_end) - BPF_CORE_READ(task, mm, arg_start) <= EXEC_ARGS_SHORT)
		return tell_exec(task, bprm, old_tid, EXEC_ARGS_SHORT);
	return tell_exec(task, bprm, old_tid, EXEC_ARGS_LONG);
}

#define TELL_EXEC tell_exec_short_or_long
#endif

SEC("raw_tp/sched_process_exec")
int scope_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 old_tid = ctx->args[1];
	struct linux_binprm *bprm = (void *)ctx->args[2];
	struct scope_key key = scope_key_of(task);
	bool told;

	if (task_is_wished(task) || (scope_names && !is_ours(task) && exec_is_wished(task, bprm)))
		scope_add(&key);
	else if (!is_told_of(&key) || (processes_of_all && is_ours(task)))
		return 0;
	told = TELL_EXEC(task, bprm, old_tid);
	/* It stops before its first instruction. Never when nobody has been told: nobody would wake it. */
	if (scope_hold && told)
		bpf_send_signal(SIGSTOP);
	return 0;
}

/* linux/sched/signal.h */
#define SIGNAL_GROUP_EXIT 4

SEC("raw_tp/sched_process_exit")
int scope_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct scope_key key = scope_key_of(task);
	struct rec_exit *rec;
	__u64 floor;

	if (!is_told_of(&key))
		return 0;
#ifdef SCOPE_THREAD_ENDS
	/* What the sensor noted about threads. */
	SCOPE_THREAD_ENDS(task);
#endif
	/* The count was taken down before this event; at 0 it is the last thread. */
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	/* Two last threads may both find the count at 0. */
	if (!scope_all && bpf_map_delete_elem(&scope, &key) && !(PROCESSES_ARE_DATA && processes_of_all && !is_ours(task)))
		return 0;
	process_due();
	floor = bpf_ktime_get_boot_ns();
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		process_lost();
		return 0;
	}
	fill_head((struct rec_head *)rec, REC_EXIT, floor, task);
	/* As wait(2) has it: the group's code, or what the leader ended with, whoever is last. */
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		rec->exit_code = BPF_CORE_READ(task, signal, group_exit_code);
	else
		rec->exit_code = BPF_CORE_READ(task, group_leader, exit_code);
	rec->exit_pad = 0;
	rec->max_rss = BPF_CORE_READ(task, signal, maxrss);
	ring_submit(rec);
	return 0;
}

/* A process that gives itself a name (prctl, process.title) comes into scope by it. */
SEC("raw_tp/task_rename")
int scope_rename(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	const char *comm = (void *)ctx->args[1];
	struct scope_key key = scope_key_of(task);
	struct scope_name name = {};

	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) || scope_has(&key))
		return 0;
	bpf_probe_read_kernel_str(name.name, 16, comm);
	if (!name_is_wished(&name))
		return 0;
	scope_add(&key);
	tell_process(task, REC_SCOPE);
	return 0;
}

/* A process that is moved into a watched cgroup. One that leaves stays in scope. */
SEC("raw_tp/cgroup_attach_task")
int scope_cgroup_attach(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgroup = (void *)ctx->args[0];
	struct task_struct *task = (void *)ctx->args[2];
	struct scope_key key = scope_key_of(task);

	if (scope_has(&key) || !cgroup_is_wished(cgroup))
		return 0;
	scope_add(&key);
	tell_process(task, REC_SCOPE);
	return 0;
}

/* The start: every process once, with its exact start, and whether it is in scope already. Marks those who match. */
SEC("iter/task")
int scope_snapshot(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct seq_file *seq = ctx->meta->seq;
	struct rec_task rec = {};
	struct scope_key key;

	if (!task || task->pid != task->tgid)
		return 0;
	key = scope_key_of(task);
	if (!scope_has(&key) && task_is_wished(task))
		scope_add(&key);
	fill_head((struct rec_head *)&rec, REC_TASK, 0, task);
	rec.in_scope = scope_has(&key);
	rec.task_flags = task->flags;
	bpf_seq_write(seq, &rec, sizeof(rec));
	return 0;
}

#endif
