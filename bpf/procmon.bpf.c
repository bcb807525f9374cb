// SPDX-License-Identifier: GPL-2.0 OR MIT
/* What processes do: they begin, run programs, end; with --files what they do to files; with --security what matters for security. */
#include "vmlinux.h"
#include <bpf/bpf_tracing.h>
#include "proc-exec.h"
#include "scope-events.h"
#include "proc-files.h"
#include "proc-security.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define KEEP(kind, name) kind name *keep_##name __attribute__((unused))
KEEP(const struct, rec_stamp);
KEEP(const struct, rec_head);
KEEP(const struct, rec_fork);
KEEP(const struct, rec_exit);
KEEP(const struct, rec_proc_exec);
KEEP(const struct, rec_file);
KEEP(const struct, rec_security);
KEEP(const struct, rec_task);
enum rec_type keep_rec_type __attribute__((unused));
enum file_operation keep_file_operation __attribute__((unused));
enum security_kind keep_security_kind __attribute__((unused));
enum path_fact keep_path_fact __attribute__((unused));
enum counter keep_counter __attribute__((unused));
