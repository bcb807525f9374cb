/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What is done to files, at the end of each system call: then its outcome is there, and of an opened file the file itself.
 * The arguments are still in the registers that the task entered with, so nothing is noted at the beginning.
 */
#ifndef TRACER_PROC_FILES_H
#define TRACER_PROC_FILES_H

#include "call-end.h"
#include "path.h"

#define AT_FDCWD -100
#define AT_EMPTY_PATH 0x1000
#define AT_REMOVEDIR 0x200
#define RENAME_EXCHANGE 2
/* include/linux/fs.h: the open made the file. */
#define FMODE_CREATED (1 << 20)
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_WRONLY 1

/* What a call asks for. */
struct file_call {
	__u64 name;
	__u64 new_name;
	__u64 size;
	__s32 dir;
	__s32 new_dir;
	__u32 flags;
	__u32 mode;
};

/* Appends where a name begins: the process's root, its directory, or a descriptor's. */
__noinline __u32 add_base(__u32 at, __s32 dir, __u64 name)
{
	struct path_scratch *s = scratch_of();
	struct task_struct *task = current_task();
	struct path where = {};
	char first = 0;

	if (!s)
		return 0;
	bpf_probe_read_user(&first, 1, (void *)name);
	if (first == '/') {
		where.dentry = BPF_CORE_READ(task, fs, root.dentry);
		where.mnt = BPF_CORE_READ(task, fs, root.mnt);
	} else if (dir == AT_FDCWD) {
		where.dentry = BPF_CORE_READ(task, fs, pwd.dentry);
		where.mnt = BPF_CORE_READ(task, fs, pwd.mnt);
	} else {
		struct file *file = file_of(dir);

		if (!file) {
			s->cut = 1;
			return 0;
		}
		where.dentry = BPF_CORE_READ(file, f_path.dentry);
		where.mnt = BPF_CORE_READ(file, f_path.mnt);
	}
	return add_walked(s, at, (__u64)where.dentry, (__u64)where.mnt);
}

static __always_inline int tell_file_in(struct path_scratch *s, struct rec_file *told, __u32 length, const __u32 room)
{
	struct rec_file *rec;
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
	fill_current((struct rec_head *)rec, REC_FILE, floor);
	rec->ts = bpf_ktime_get_boot_ns();
	rec->inode = told->inode;
	rec->size = told->size;
	rec->device = told->device;
	rec->generation = told->generation;
	rec->result = told->result;
	rec->open_flags = told->open_flags;
	rec->mode = told->mode;
	rec->operation = told->operation;
	rec->facts = told->facts;
	rec->base_len = told->base_len;
	rec->name_len = told->name_len;
	rec->new_base_len = told->new_base_len;
	rec->new_name_len = told->new_name_len;
	BOUND(n, room);
	rec->len = n;
	bpf_probe_read_kernel(rec->text, n, s->text);
	ring_submit(rec);
	return 0;
}

/* `file_at`: the kernel's own file, when the call has one. */
/* No static function: so the verifier looks at it once, and not for each of its callers. */
__noinline int tell_file(struct file_call *call, __u64 file_at, __s64 result, __u16 operation)
{
	struct path_scratch *s = scratch_of();
	struct file *file = (void *)file_at;
	struct rec_file told = {};
	__u32 at = 0;

	count(COUNT_SEEN, 1);
	if (!s || !call) {
		count(COUNT_LOST_LIMIT, 1);
		return 0;
	}
	told.operation = operation;
	told.result = result;
	told.open_flags = call->flags;
	told.mode = call->mode;
	told.size = call->size;
	s->cut = 0;
	if (file) {
		struct inode *inode = BPF_CORE_READ(file, f_inode);

		told.inode = BPF_CORE_READ(inode, i_ino);
		told.device = BPF_CORE_READ(inode, i_sb, s_dev);
		told.generation = BPF_CORE_READ(inode, i_generation);
		told.facts |= HAS_FILE;
		if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)
			told.facts |= FILE_CREATED;
		told.base_len = add_walked(s, at, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt));
		at += told.base_len;
	} else if (operation == CWD_CHANGE && result == 0) {
		told.base_len = add_base(at, AT_FDCWD, 0);
		at += told.base_len;
	} else if (call->name) {
		told.base_len = add_base(at, call->dir, call->name);
		at += told.base_len;
		told.name_len = add_user_text(s, at, call->name);
		at += told.name_len;
	} else {
		s->cut = 1;
	}
	if (s->cut)
		told.facts |= PATH_CUT;
	if (call->new_name) {
		s->cut = 0;
		/* What a symbolic link says is no path of its own. */
		if (operation != FILE_SYMLINK) {
			told.new_base_len = add_base(at, call->new_dir, call->new_name);
			at += told.new_base_len;
		}
		told.new_name_len = add_user_text(s, at, call->new_name);
		at += told.new_name_len;
		if (s->cut)
			told.facts |= NEW_PATH_CUT;
	}
	if (at <= 96)
		return tell_file_in(s, &told, at, 96);
	if (at <= 512)
		return tell_file_in(s, &told, at, 512);
	return tell_file_in(s, &told, at, TEXT_BYTES + WALK_BYTES);
}

#define FAILED_ARGS 64
#define FAILED_BYTES 8192

struct args_state {
	__u64 list;
	__u32 at;
	__u32 index;
};

/* Appends the next argument. False at the end. */
static __always_inline bool add_argument(struct args_state *to, struct path_scratch *s)
{
	__u32 at = to->at;
	__u64 arg = 0;
	long length;

	if (bpf_probe_read_user(&arg, sizeof(arg), (void *)(to->list + to->index * 8)) || !arg || at >= FAILED_BYTES)
		return false;
	asm volatile("" : "+r"(at));
	length = bpf_probe_read_user_str(&s->text[at & (FAILED_BYTES - 1)], NAME_BYTES, (void *)arg);
	if (length <= 0)
		return false;
	to->at = at + length;
	to->index++;
	return true;
}

static long argument_step(__u32 index, struct args_state *to)
{
	struct path_scratch *s = scratch_of();

	return !s || !add_argument(to, s);
}

/* An exec that failed: the program is still the old one, and its arguments are where it has them. */
static __always_inline int tell_failed_exec(struct call_end *ctx, __s64 result, __u32 filename, __u32 argv)
{
	struct path_scratch *s = scratch_of();
	struct scope_key key = {};
	struct registers r = {};
	struct args_state args = {};
	struct rec_proc_exec *rec;
	__u64 floor;
	__u32 at, names, n;

	if (result >= 0 || !s || !in_scope(&key))
		return 0;
	count(COUNT_SEEN, 1);
	registers_of(&r);
	names = add_user_text(s, 0, filename ? r.a[1] : r.a[0]);
	args.list = argv == 1 ? r.a[1] : r.a[2];
	args.at = names;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(FAILED_ARGS, argument_step, &args, 0);
	} else {
#pragma clang loop unroll(disable)
		for (int i = 0; i < FAILED_ARGS; i++)
			if (!add_argument(&args, s))
				break;
	}
	at = args.at;
	floor = bpf_ktime_get_boot_ns();
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + FAILED_BYTES + NAME_BYTES, 0);
	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	fill_current((struct rec_head *)rec, REC_PROC_EXEC, floor);
	rec->ts = bpf_ktime_get_boot_ns();
	rec->result = result;
	rec->filename_len = names;
	rec->args_len = at - names;
	rec->args_total = at - names;
	rec->exec_flags = NEW_PATH_CUT | PATH_CUT;
	n = at;
	BOUND(n, FAILED_BYTES + NAME_BYTES);
	rec->len = n;
	bpf_probe_read_kernel(rec->text, n, s->text);
	ring_submit(rec);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int failed_execve(struct call_end *ctx)
{
	__s64 result = ctx->result;

	return tell_failed_exec(ctx, result, 0, 1);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int failed_execveat(struct call_end *ctx)
{
	__s64 result = ctx->result;

	return tell_failed_exec(ctx, result, 1, 2);
}

#define FILE_CALL(call, body)                                                                                          \
	SEC("tracepoint/syscalls/sys_exit_" #call)                                                                     \
	int file_##call(struct call_end *ctx)                                                                          \
	{                                                                                                              \
		__s64 result = ctx->result;                                                                            \
		struct file_call c = { .dir = AT_FDCWD, .new_dir = AT_FDCWD };                                         \
		struct scope_key key = {};                                                                             \
		struct registers r = {};                                                                               \
		__u64 file = 0;                                                                                        \
		__u16 operation;                                                                                       \
                                                                                                                       \
		if (!in_scope(&key))                                                                                   \
			return 0;                                                                                      \
		registers_of(&r);                                                                                      \
		body;                                                                                                  \
		return tell_file(&c, file, result, operation);                                                         \
	}

#define OPENED                                                                                                         \
	operation = FILE_OPEN;                                                                                         \
	if (result >= 0)                                                                                               \
		file = (__u64)file_of(result)

FILE_CALL(open, c.name = r.a[0]; c.flags = r.a[1]; c.mode = r.a[2]; OPENED)
FILE_CALL(creat, c.name = r.a[0]; c.flags = O_CREAT | O_WRONLY | O_TRUNC; c.mode = r.a[1]; OPENED)
FILE_CALL(openat, c.dir = r.a[0]; c.name = r.a[1]; c.flags = r.a[2]; c.mode = r.a[3]; OPENED)
FILE_CALL(openat2, {
	/* struct open_how: flags, mode, resolve. */
	__u64 how[2] = {};

	bpf_probe_read_user(how, sizeof(how), (void *)r.a[2]);
	c.dir = r.a[0];
	c.name = r.a[1];
	c.flags = how[0];
	c.mode = how[1];
	OPENED;
})
FILE_CALL(unlink, c.name = r.a[0]; operation = FILE_DELETE)
FILE_CALL(rmdir, c.name = r.a[0]; operation = DIR_DELETE)
FILE_CALL(unlinkat, c.dir = r.a[0]; c.name = r.a[1]; operation = r.a[2] & AT_REMOVEDIR ? DIR_DELETE : FILE_DELETE)
FILE_CALL(mkdir, c.name = r.a[0]; c.mode = r.a[1]; operation = DIR_CREATE)
FILE_CALL(mkdirat, c.dir = r.a[0]; c.name = r.a[1]; c.mode = r.a[2]; operation = DIR_CREATE)
FILE_CALL(rename, c.name = r.a[0]; c.new_name = r.a[1]; operation = FILE_RENAME)
FILE_CALL(renameat, c.dir = r.a[0]; c.name = r.a[1]; c.new_dir = r.a[2]; c.new_name = r.a[3]; operation = FILE_RENAME)
FILE_CALL(renameat2, c.dir = r.a[0]; c.name = r.a[1]; c.new_dir = r.a[2]; c.new_name = r.a[3]; c.flags = r.a[4];
	  operation = FILE_RENAME)
FILE_CALL(link, c.name = r.a[0]; c.new_name = r.a[1]; operation = FILE_LINK)
FILE_CALL(linkat, c.dir = r.a[0]; c.name = r.a[1]; c.new_dir = r.a[2]; c.new_name = r.a[3]; c.flags = r.a[4];
	  if (c.flags & AT_EMPTY_PATH) file = (__u64)file_of(c.dir); operation = FILE_LINK)
FILE_CALL(symlink, c.new_name = r.a[0]; c.name = r.a[1]; operation = FILE_SYMLINK)
FILE_CALL(symlinkat, c.new_name = r.a[0]; c.dir = r.a[1]; c.name = r.a[2]; operation = FILE_SYMLINK)
FILE_CALL(truncate, c.name = r.a[0]; c.size = r.a[1]; operation = FILE_TRUNCATE)
FILE_CALL(ftruncate, file = (__u64)file_of(r.a[0]); c.size = r.a[1]; operation = FILE_TRUNCATE)
FILE_CALL(chmod, c.name = r.a[0]; c.mode = r.a[1]; operation = FILE_CHMOD)
FILE_CALL(fchmod, file = (__u64)file_of(r.a[0]); c.mode = r.a[1]; operation = FILE_CHMOD)
FILE_CALL(fchmodat, c.dir = r.a[0]; c.name = r.a[1]; c.mode = r.a[2]; operation = FILE_CHMOD)
FILE_CALL(fchmodat2, c.dir = r.a[0]; c.name = r.a[1]; c.mode = r.a[2]; operation = FILE_CHMOD)
FILE_CALL(chdir, c.name = r.a[0]; operation = CWD_CHANGE)
FILE_CALL(fchdir, file = (__u64)file_of(r.a[0]); operation = CWD_CHANGE)

#endif
