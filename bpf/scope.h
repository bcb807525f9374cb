/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The one scope: whom a sensor watches. A label on processes, kept here over fork and exec, and looked at first thing in
 * each program. The key is a life, not a number: pid and start. User space fills the wishes (pids through `scope` itself,
 * names, cgroups, uids) and reads which processes came in from the records.
 */
#ifndef TRACER_SCOPE_H
#define TRACER_SCOPE_H

#include "ring.h"

/* Everybody but ourselves. */
const volatile bool scope_all = false;
/* Which kinds of wish there are, so that the verifier drops the code for the others. */
const volatile bool scope_names = false;
const volatile bool scope_cgroups = false;
const volatile bool scope_uids = false;
/* A matched process brings its descendants. */
const volatile bool scope_children = true;
/* The sensor's own process: never watched. */
const volatile __u32 scope_self = 0;
/* Nor are its children by any wish: they test probes. The command under watch is one, but is put into `scope` itself. */
const volatile bool scope_own_process = false;

/* Whoever is watched and begins a program is stopped, until user space has looked into it and sends SIGCONT. */
const volatile bool scope_hold = false;

/*
 * Set at the end, before anything is detached: nobody is in scope any more. Detaching takes a while, and the last words
 * are to be said before it.
 */
volatile __u32 scope_closed = 0;

struct scope_key {
	__u32 tgid;
	__u32 pad;
	__u64 start;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct scope_key);
	__type(value, __u32);
} scope SEC(".maps");

/* Names are compared whole, up to 63 bytes. User space adds the first 15 bytes of a longer one, as comm has it. */
struct scope_name {
	char name[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct scope_name);
	__type(value, __u32);
} names SEC(".maps");

/* Programs whose first argument that is no option is a script: python, node, bash ... Without digits: python3.11 is python. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct scope_name);
	__type(value, __u32);
} interpreters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u32);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} uids SEC(".maps");

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline struct scope_key scope_key_of(struct task_struct *task)
{
	struct scope_key key = {};

	key.tgid = BPF_CORE_READ(task, tgid);
	key.start = BPF_CORE_READ(task, group_leader, start_boottime);
	return key;
}

static __always_inline void scope_add(struct scope_key *key)
{
	__u32 one = 1;

	if (!scope_all && bpf_map_update_elem(&scope, key, &one, BPF_ANY))
		count(COUNT_LOST_SCOPE, 1);
}

static __always_inline bool scope_has(struct scope_key *key)
{
	if (scope_closed)
		return false;
	if (scope_all)
		return key->tgid != scope_self;
	return bpf_map_lookup_elem(&scope, key) != 0;
}

static __always_inline bool name_is_wished(struct scope_name *name)
{
	return name->name[0] && bpf_map_lookup_elem(&names, name);
}

#define CGROUP_DEPTH 16

/* Is the task below one of the wished cgroups? Bounded by the depth of the tree that we look at. */
static __always_inline bool cgroup_is_wished(struct cgroup *cgroup)
{
	int level = BPF_CORE_READ(cgroup, level);

	for (int i = 0; i < CGROUP_DEPTH; i++) {
		__u64 id = 0;

		if (i > level)
			break;
		if (bpf_core_field_exists(cgroup->ancestors)) {
			struct cgroup *ancestor = 0;

			bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[i]);
			id = BPF_CORE_READ(ancestor, kn, id);
		} else {
			struct cgroup___ids *old = (void *)cgroup;

			bpf_core_read(&id, sizeof(id), &old->ancestor_ids[i]);
		}
		if (bpf_map_lookup_elem(&cgroups, &id))
			return true;
	}
	/* Deeper than the loop: at least the cgroup itself. */
	if (level >= CGROUP_DEPTH) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);

		return bpf_map_lookup_elem(&cgroups, &id) != 0;
	}
	return false;
}

static __always_inline bool uid_is_wished(struct task_struct *task)
{
	__u32 uid = BPF_CORE_READ(task, cred, uid.val);

	return bpf_map_lookup_elem(&uids, &uid) != 0;
}

static __always_inline bool is_ours(struct task_struct *task)
{
	if ((__u32)BPF_CORE_READ(task, tgid) == scope_self)
		return true;
	return scope_own_process && (__u32)BPF_CORE_READ(task, group_leader, real_parent, tgid) == scope_self;
}

/* What can be said of any task at any time: its name, its cgroup, its uid. */
static __always_inline bool task_is_wished(struct task_struct *task)
{
	if (scope_closed || is_ours(task))
		return false;
	if (scope_names) {
		struct task_struct *leader = BPF_CORE_READ(task, group_leader);
		struct scope_name name = {};

		bpf_core_read(name.name, 16, &leader->comm);
		if (name_is_wished(&name))
			return true;
	}
	if (scope_cgroups && cgroup_is_wished(BPF_CORE_READ(task, cgroups, dfl_cgrp)))
		return true;
	return scope_uids && uid_is_wished(task);
}

static __noinline void tell_process(struct task_struct *task, __u16 type)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_head *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);

	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return;
	}
	fill_head(rec, type, floor, task);
	ring_submit(rec);
}

/*
 * First thing in each program that runs in a process: is it watched? Fills the key. Names and cgroups are followed by
 * events; a change of uid has none that every kernel offers, so that it is looked at here.
 */
static __always_inline bool in_scope(struct scope_key *key)
{
	struct task_struct *task = current_task();

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		struct task_struct *current = bpf_get_current_task_btf();

		key->tgid = current->tgid;
		key->pad = 0;
		key->start = current->group_leader->start_boottime;
	} else {
		*key = scope_key_of(task);
	}
	if (scope_all && is_ours(task))
		return false;
	if (scope_has(key))
		return true;
	if (scope_closed || scope_all || !scope_uids || !uid_is_wished(task) || is_ours(task))
		return false;
	scope_add(key);
	tell_process(task, REC_SCOPE);
	return true;
}

#endif
