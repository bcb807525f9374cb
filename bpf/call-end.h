/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The end of a system call: its outcome is there, and the arguments are still in the registers that the task entered with,
 * so nothing is noted at its beginning.
 */
#ifndef TRACER_CALL_END_H
#define TRACER_CALL_END_H

#include "scope.h"

/* As the kernel lays out the event syscalls/sys_exit_*. */
struct call_end {
	__u64 common;
	__s64 number;
	__s64 result;
};

struct registers {
	__u64 a[6];
};

static __always_inline void registers_of(struct registers *at)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs regs = {};

	bpf_probe_read_kernel(&regs, sizeof(regs), (void *)bpf_task_pt_regs(task));
#if defined(__TARGET_ARCH_x86)
	at->a[0] = regs.di;
	at->a[1] = regs.si;
	at->a[2] = regs.dx;
	at->a[3] = regs.r10;
	at->a[4] = regs.r8;
	at->a[5] = regs.r9;
#else
	/* The first was overwritten by the result; orig_x0 stands behind the user's registers. */
	bpf_probe_read_kernel(&at->a[0], 8, (void *)bpf_task_pt_regs(task) + sizeof(struct user_pt_regs));
	at->a[1] = regs.user_regs.regs[1];
	at->a[2] = regs.user_regs.regs[2];
	at->a[3] = regs.user_regs.regs[3];
	at->a[4] = regs.user_regs.regs[4];
	at->a[5] = regs.user_regs.regs[5];
#endif
}

/* The open file behind a descriptor of the current process. */
static __always_inline struct file *file_of(__s32 fd)
{
	struct task_struct *task = current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = 0;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

#endif
