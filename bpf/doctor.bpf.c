/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What `tracer doctor` attaches to a function of its own process, to see that probes fire and how much they cost. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* The price of the probe alone. */
SEC("uprobe")
int probe_empty(void *ctx)
{
	return 0;
}

/* A record of 8 bytes: the time. */
SEC("uprobe")
int probe_record(void *ctx)
{
	__u64 *now = bpf_ringbuf_reserve(&ring, sizeof(*now), 0);

	if (now) {
		*now = bpf_ktime_get_boot_ns();
		bpf_ringbuf_submit(now, 0);
	}
	return 0;
}
