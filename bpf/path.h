/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Paths, from the kernel's own objects: up from a dentry to the root of the mount namespace, over mounts. A chroot's root
 * is no end: the path is told as the namespace has it. (bpf_d_path is not for tracepoints.)
 */
#ifndef TRACER_PATH_H
#define TRACER_PATH_H

#include "ring.h"

#define WALK_BYTES 8192
#define WALK_STEPS 128
#define NAME_MOST 255
#define TEXT_BYTES 16384
#define NAME_BYTES 4096

/*
 * Per CPU: the programs that use it run with preemption off. Longer than the masks by what one write may add. Two maps,
 * since a value of one can have no more than 32 KiB.
 */
struct path_walk {
	char walk[WALK_BYTES + NAME_MOST + 1];
	/* Where the path begins. In memory, so that the verifier does not follow its every value. */
	__u32 pos;
};

struct path_scratch {
	char text[TEXT_BYTES + WALK_BYTES];
	__u32 cut;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_walk);
} path_walk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct path_scratch);
} path_scratch SEC(".maps");

static __always_inline struct path_scratch *scratch_of(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&path_scratch, &zero);
}

struct walk_state {
	struct dentry *dentry, *root;
	struct mount *mount;
};

/* One name, or one mount, up. False at the end. */
static __always_inline bool walk_one(struct walk_state *at, struct path_walk *w, struct path_scratch *s)
{
	struct dentry *dentry = at->dentry, *parent;
	struct mount *mount = at->mount;
	struct qstr name = {};
	__u32 length, pos;

	if (dentry == at->root) {
		struct mount *up = BPF_CORE_READ(mount, mnt_parent);

		if (up == mount || !up) {
			s->cut = 0;
			return false;
		}
		at->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		at->mount = up;
		at->root = BPF_CORE_READ(up, mnt.mnt_root);
		return true;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	bpf_core_read(&name, sizeof(name), &dentry->d_name);
	length = name.len;
	pos = w->pos;
	if (length > NAME_MOST || pos <= length + 1)
		return false;
	pos -= length + 1;
	asm volatile("" : "+r"(pos));
	w->pos = pos;
	w->walk[pos & (WALK_BYTES - 1)] = '/';
	asm volatile("" : "+r"(length));
	bpf_probe_read_kernel(&w->walk[(pos & (WALK_BYTES - 1)) + 1], length & NAME_MOST, name.name);
	/* A file that is in no directory: of a memfd, a pipe. */
	if (parent == dentry) {
		s->cut = 0;
		return false;
	}
	at->dentry = parent;
	return true;
}

/*
 * A function also where it is called by an ordinary loop: inlined there it made clang enter the loop in the middle, which
 * verifiers up to 6.1 take for one without end, though it is never run.
 */
static __noinline long walk_step(__u32 index, struct walk_state *at)
{
	__u32 zero = 0;
	struct path_scratch *s = bpf_map_lookup_elem(&path_scratch, &zero);
	struct path_walk *w = bpf_map_lookup_elem(&path_walk, &zero);

	return !s || !w || !walk_one(at, w, s);
}

/*
 * Writes the path to the end of `walk` and returns its length; 0 for the root itself. Sets `cut`. No static function: so
 * the verifier looks at it once, and not for each of its callers. Where there is bpf_loop, it looks at one step of it.
 */
__noinline __u32 walk_up(__u64 dentry_at, __u64 vfsmount_at)
{
	__u32 zero = 0;
	struct path_scratch *s = bpf_map_lookup_elem(&path_scratch, &zero);
	struct path_walk *w = bpf_map_lookup_elem(&path_walk, &zero);
	struct mount *mount = (void *)(vfsmount_at - bpf_core_field_offset(struct mount, mnt));
	struct walk_state at = {};

	if (!s || !w || !dentry_at || !vfsmount_at)
		return 0;
	at.dentry = (void *)dentry_at;
	at.mount = mount;
	at.root = BPF_CORE_READ(mount, mnt.mnt_root);
	s->cut = 1;
	w->pos = WALK_BYTES;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(WALK_STEPS, walk_step, &at, 0);
	} else {
#pragma clang loop unroll(disable)
		for (int i = 0; i < WALK_STEPS; i++)
			if (walk_step(i, &at))
				break;
	}
	return WALK_BYTES - w->pos;
}

/* Appends to `text` at `at`; the length. */
static __always_inline __u32 add_walked(struct path_scratch *s, __u32 at, __u64 dentry, __u64 vfsmount)
{
	__u32 zero = 0, length;
	struct path_walk *w = bpf_map_lookup_elem(&path_walk, &zero);

	s->cut = 1;
	if (!w || at >= TEXT_BYTES)
		return 0;
	length = walk_up(dentry, vfsmount);
	/* Or clang leaves out what it can prove itself, and the verifier cannot. */
	asm volatile("" : "+r"(length));
	asm volatile("" : "+r"(at));
	length &= WALK_BYTES - 1;
	bpf_probe_read_kernel(&s->text[at & (TEXT_BYTES - 1)], length, &w->walk[(WALK_BYTES - length) & (WALK_BYTES - 1)]);
	return length;
}

static __always_inline __u32 add_user_text(struct path_scratch *s, __u32 at, __u64 text)
{
	long n;

	if (at >= TEXT_BYTES || !text)
		return 0;
	asm volatile("" : "+r"(at));
	n = bpf_probe_read_user_str(&s->text[at & (TEXT_BYTES - 1)], NAME_BYTES, (void *)text);
	return n > 0 ? n - 1 : 0;
}

static __always_inline __u32 add_kernel_text(struct path_scratch *s, __u32 at, const void *text)
{
	long n;

	if (at >= TEXT_BYTES || !text)
		return 0;
	asm volatile("" : "+r"(at));
	n = bpf_probe_read_kernel_str(&s->text[at & (TEXT_BYTES - 1)], NAME_BYTES, text);
	return n > 0 ? n - 1 : 0;
}

#endif
