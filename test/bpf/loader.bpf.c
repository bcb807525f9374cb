/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Programs for test/live/loader.test.ts: small, and one of each kind that the loader attaches. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Every field kind that the decoder generator knows. */
enum rec_kind { REC_CALL = 1, REC_EXECUTED = 2, REC_NEGATIVE = -3 };

struct rec_inner {
	__u16 small;
	__s16 signed_small;
	__u32 pad;
};

struct rec_call {
	__u32 pid;
	__s32 signed_number;
	__u64 number;
	__u64 cookie;
	char comm[16];
	__u8 raw[4];
	__u32 list[3];
	struct rec_inner inner;
	__u64 wide[2];
	_Bool yes;
	__u8 at_return;
	__u8 pad1[6];
	__u8 data[];
};

const struct rec_call *keep_rec_call __attribute__((unused));
enum rec_kind keep_rec_kind = REC_CALL;

const volatile __u32 only_pid = 0;
const volatile __u32 records_per_call = 1;
const volatile __u32 data_bytes = 16;
const volatile __s64 negative = 0;
const volatile char prefix[8] = "";

volatile __u32 ring_wanted = 0;
__u64 submitted = 0;
__u64 dropped = 0;
__u64 executed = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count_call(void)
{
	__u32 key = 1;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline void submit(void *rec)
{
	if (ring_wanted) {
		ring_wanted = 0;
		bpf_ringbuf_submit(rec, BPF_RB_FORCE_WAKEUP);
	} else {
		bpf_ringbuf_submit(rec, BPF_RB_NO_WAKEUP);
	}
}

static __always_inline int on_call(struct pt_regs *ctx, bool at_return)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	__u32 i;

	if (only_pid && pid != only_pid)
		return 0;
	count_call();
	for (i = 0; i < 64; i++) {
		struct rec_call *rec;

		if (i >= records_per_call)
			break;
		rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + 16, 0);
		if (!rec) {
			__sync_fetch_and_add(&dropped, 1);
			continue;
		}
		rec->pid = pid;
		rec->signed_number = -5;
		rec->number = __sync_fetch_and_add(&submitted, 1);
		rec->cookie = bpf_get_attach_cookie(ctx);
		bpf_get_current_comm(rec->comm, sizeof(rec->comm));
		rec->raw[0] = 1;
		rec->raw[3] = 4;
		rec->list[0] = 10;
		rec->list[2] = 30;
		rec->inner.small = 65535;
		rec->inner.signed_small = -2;
		rec->wide[0] = 1;
		rec->wide[1] = 0x123456789abcdef0ull;
		rec->yes = 1;
		rec->at_return = at_return;
		__builtin_memcpy(rec->data, "0123456789abcdef", 16);
		/* Every 16th is discarded, as a program does that changes its mind. */
		if ((rec->number & 15) == 15)
			bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		else
			submit(rec);
	}
	return 0;
}

SEC("uprobe")
int call_entry(struct pt_regs *ctx)
{
	return on_call(ctx, false);
}

SEC("uretprobe")
int call_return(struct pt_regs *ctx)
{
	return on_call(ctx, true);
}

SEC("tracepoint")
int exec_tracepoint(void *ctx)
{
	__sync_fetch_and_add(&executed, 1);
	return 0;
}

SEC("raw_tp")
int exec_raw(struct bpf_raw_tracepoint_args *ctx)
{
	__sync_fetch_and_add(&executed, 1);
	return 0;
}

SEC("cgroup/sock_create")
int allow_sockets(void *ctx)
{
	return 1;
}

/* Does not pass the verifier: reads where it does not know what is there. */
SEC("?raw_tp")
int reads_anywhere(struct bpf_raw_tracepoint_args *ctx)
{
	return *(volatile int *)(unsigned long)ctx->args[0];
}
