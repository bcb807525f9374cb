/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The ring and its manners: records as long as their content, the reader woken only when it sleeps, every failure
 * counted. User space owns the other end (lib/bpf, Ring).
 */
#ifndef TRACER_RING_H
#define TRACER_RING_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "records.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
} ring SEC(".maps");

/* Set by the reader before it sleeps; whoever submits next takes it back and wakes. Plain accesses: a race wakes twice. */
volatile __u32 ring_wanted = 0;

/*
 * Data may fill the ring up to here; the rest is kept for records about processes and sessions, which are few, small
 * and dear. Set by the loader to 15/16 of the ring, less of a small one.
 */
const volatile __u64 ring_data_limit = 15 * 1024 * 1024;

/* Counters, per CPU. Added to atomically: a program can be preempted by another on the same CPU. */
enum counter {
	COUNT_SEEN = 0,	      /* data records that were due */
	COUNT_LOST_RING = 1,  /* ... and found no room */
	COUNT_LOST_COPY = 2,  /* ... and whose bytes could not be read */
	COUNT_LOST_LIMIT = 3, /* ... and were beyond a table or a loop */
	COUNT_LOST_OTHER = 4, /* records about processes and sessions that found no room */
	COUNT_LOST_SCOPE = 5, /* processes that could not be followed: the table is full */
	COUNTERS = 6,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 which, __u64 n)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		__sync_fetch_and_add(value, n);
}

/*
 * Bounds a length for the verifier, on the register that the helper gets. The first barrier: clang drops a bound that it
 * can prove itself, the verifier cannot. The second: clang may spill the value before it compares, and verifiers up to
 * 6.1 forget that the spilled one is the same.
 */
#define BOUND(n, most)                                                                                                 \
	do {                                                                                                           \
		asm volatile("" : "+r"(n));                                                                            \
		if ((n) > (most))                                                                                      \
			(n) = (most);                                                                                  \
		asm volatile("" : "+r"(n));                                                                            \
	} while (0)

static __always_inline void ring_submit(void *rec)
{
	if (ring_wanted) {
		ring_wanted = 0;
		bpf_ringbuf_submit(rec, BPF_RB_FORCE_WAKEUP);
	} else {
		bpf_ringbuf_submit(rec, BPF_RB_NO_WAKEUP);
	}
}

static __always_inline bool ring_has_room_for_data(__u64 size)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + size <= ring_data_limit;
}

/* Fills the head of a record about the process `task`, a thread group's leader or any thread of it. */
static __always_inline void fill_head(struct rec_head *head, __u16 type, __u64 floor, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	unsigned int level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	head->type = type;
	head->flags = 0;
	head->len = 0;
	head->floor = floor;
	head->pid = BPF_CORE_READ(task, tgid);
	head->tid = BPF_CORE_READ(task, pid);
	head->ppid = BPF_CORE_READ(leader, real_parent, tgid);
	head->uid = BPF_CORE_READ(task, cred, uid.val);
	head->start_ns = BPF_CORE_READ(leader, start_boottime);
	head->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	head->head_pad = 0;
	/* The innermost namespace's number; the same as pid for most. */
	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
	head->ns_pid = upid.nr;
	bpf_core_read(head->comm, sizeof(head->comm), &leader->comm);
	bpf_core_read(head->thread, sizeof(head->thread), &task->comm);
	head->ts = bpf_ktime_get_boot_ns();
}

/*
 * The same of the current task, for programs that run often: since 5.11 its fields are plain loads instead of a helper
 * call each, which is 0.4 us of a record. The time is left to the caller, who takes it when the room is reserved.
 */
static __always_inline void fill_current(struct rec_head *head, __u16 type, __u64 floor)
{
	struct task_struct *task, *leader;
	struct pid *pid;
	unsigned int level;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		fill_head(head, type, floor, (struct task_struct *)bpf_get_current_task());
		return;
	}
	task = bpf_get_current_task_btf();
	leader = task->group_leader;
	head->type = type;
	head->flags = 0;
	head->len = 0;
	head->floor = floor;
	head->pid = task->tgid;
	head->tid = task->pid;
	head->ppid = leader->real_parent->tgid;
	head->uid = task->cred->uid.val;
	head->start_ns = leader->start_boottime;
	head->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	head->head_pad = 0;
	pid = leader->thread_pid;
	level = pid->level;
	head->ns_pid = head->pid;
	if (level) {
		struct upid upid = {};

		bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]);
		head->ns_pid = upid.nr;
	}
	bpf_get_current_comm(head->thread, sizeof(head->thread));
	if (head->pid == head->tid)
		__builtin_memcpy(head->comm, head->thread, sizeof(head->comm));
	else
		bpf_core_read(head->comm, sizeof(head->comm), &leader->comm);
	head->ts = 0;
}

#endif
