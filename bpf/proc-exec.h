/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* An exec, told whole: arguments with their borders, the chosen part of the environment, the image, the directory. */
#ifndef TRACER_PROC_EXEC_H
#define TRACER_PROC_EXEC_H

#include "scope.h"
#include "path.h"

#define ARGS_MOST 131072
#define ENV_MOST 16384

/* No environment is copied when none of its names is wished. */
const volatile bool exec_env = true;

static __always_inline void file_identity(struct inode *inode, __u64 *number, __u32 *device, __u32 *generation)
{
	*number = BPF_CORE_READ(inode, i_ino);
	*device = BPF_CORE_READ(inode, i_sb, s_dev);
	*generation = BPF_CORE_READ(inode, i_generation);
}

/*
 * `texts` and `room`: what the record holds of names and of arguments. They stand at fixed places behind each other, so
 * that the verifier needs to add nothing.
 */
static __always_inline bool tell_exec_in(struct task_struct *task, struct linux_binprm *bprm, struct path_scratch *s,
					 struct rec_proc_exec *told, __u64 from, __u32 wanted, __u32 length,
					 const __u32 texts, const __u32 room)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_proc_exec *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + room + texts, 0);
	struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	__u32 n = wanted, text_n = length;

	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return false;
	}
	fill_head((struct rec_head *)rec, REC_PROC_EXEC, floor, task);
	file_identity(inode, &rec->inode, &rec->device, &rec->generation);
	rec->links = BPF_CORE_READ(inode, i_nlink);
	rec->result = 0;
	rec->args_total = told->args_total;
	rec->args_len = told->args_len;
	rec->env_len = told->env_len;
	rec->filename_len = told->filename_len;
	rec->interpreter_len = told->interpreter_len;
	rec->cwd_len = told->cwd_len;
	rec->image_len = told->image_len;
	rec->exec_flags = told->exec_flags;
	rec->len = room + texts;
	BOUND(text_n, texts);
	bpf_probe_read_kernel(rec->text, text_n, s->text);
	BOUND(n, room);
	if (bpf_probe_read_user(rec->text + texts, n, (void *)from)) {
		rec->args_len = 0;
		rec->env_len = 0;
	}
	/* Where the arguments begin. */
	rec->flags = texts / 256;
	ring_submit(rec);
	return true;
}

static __noinline bool tell_exec_whole(struct task_struct *task, struct linux_binprm *bprm, __u32 old_tid)
{
	struct path_scratch *s = scratch_of();
	struct rec_proc_exec told = {};
	struct file *file = BPF_CORE_READ(bprm, file);
	const char *filename = BPF_CORE_READ(bprm, filename), *interp = BPF_CORE_READ(bprm, interp);
	__u64 from = BPF_CORE_READ(task, mm, arg_start), end = BPF_CORE_READ(task, mm, arg_end);
	__u64 env_end = BPF_CORE_READ(task, mm, env_end);
	__u32 at = 0, wanted;

	count(COUNT_SEEN, 1);
	if (!s) {
		count(COUNT_LOST_LIMIT, 1);
		return false;
	}
	told.filename_len = add_kernel_text(s, at, filename);
	at += told.filename_len;
	if (interp != filename) {
		told.interpreter_len = add_kernel_text(s, at, interp);
		at += told.interpreter_len;
	}
	told.cwd_len = add_walked(s, at, (__u64)BPF_CORE_READ(task, fs, pwd.dentry), (__u64)BPF_CORE_READ(task, fs, pwd.mnt));
	at += told.cwd_len;
	if (s->cut)
		told.exec_flags |= NEW_PATH_CUT;
	told.image_len = add_walked(s, at, (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt));
	at += told.image_len;
	if (s->cut)
		told.exec_flags |= PATH_CUT;
	told.exec_flags |= HAS_FILE;
	told.args_total = end - from;
	told.args_len = told.args_total < ARGS_MOST ? told.args_total : ARGS_MOST;
	/* The kernel lays the environment right behind the arguments. */
	if (exec_env && told.args_len == told.args_total && BPF_CORE_READ(task, mm, env_start) == end)
		told.env_len = env_end - end < ENV_MOST ? env_end - end : ENV_MOST;
	wanted = told.args_len + told.env_len;
	if (at <= 512 && wanted <= 1536)
		return tell_exec_in(task, bprm, s, &told, from, wanted, at, 512, 1536);
	if (at <= 512 && wanted <= 6144)
		return tell_exec_in(task, bprm, s, &told, from, wanted, at, 512, 6144);
	if (wanted <= ENV_MOST)
		return tell_exec_in(task, bprm, s, &told, from, wanted, at, 24576, ENV_MOST);
	return tell_exec_in(task, bprm, s, &told, from, wanted, at, 24576, ARGS_MOST + ENV_MOST);
}

#define TELL_EXEC tell_exec_whole
#define PROCESSES_ARE_DATA 1

#endif
