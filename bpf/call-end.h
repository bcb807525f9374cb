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

#if defined(__TARGET_ARCH_x86)
/* The part of pt_regs that holds arguments. All of it would be a third of the stack that our deepest programs have. */
struct argument_registers {
	__u64 r10, r9, r8, ax, cx, dx, si, di;
};

static __always_inline void registers_of(struct registers *at)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct argument_registers r = {};

	bpf_probe_read_kernel(&r, sizeof(r), &regs->r10);
	at->a[0] = r.di;
	at->a[1] = r.si;
	at->a[2] = r.dx;
	at->a[3] = r.r10;
	at->a[4] = r.r8;
	at->a[5] = r.r9;
}
#else
static __always_inline void registers_of(struct registers *at)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

	/* The first was overwritten by the result; orig_x0 has it. */
	bpf_probe_read_kernel(&at->a[1], 5 * sizeof(__u64), &regs->user_regs.regs[1]);
	bpf_probe_read_kernel(&at->a[0], sizeof(__u64), &regs->orig_x0);
}
#endif

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
