// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Refuses traffic of the watched processes by a policy of addresses and names. Attached at the root of the cgroup tree,
 * because cgroup hooks run for the cgroup that a socket was made in and not for who uses it: the first thing in each
 * program is whether the caller, or the socket, is watched, and everybody else is let through.
 */
#include "enforce-types.h"
#include "scope-events.h"
#include "enforce-policy.h"
#include "enforce-dns.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A socket that a watched process has made, connected or sent on. */
struct mark {
	struct rec_head who;
	__u64 cookie;
	__u64 netns;
	__u32 rev; /* of the policy that let `last` through */
	__u16 port;
	__u16 protocol;
	__u8 last[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mark);
} marks SEC(".maps");

/* How many refusals of one process are told in a second; what is left out is counted. */
#define TOLD_PER_SECOND 500
#define SECOND_NS 1000000000ULL

struct told {
	__u64 since;
	__u32 told;
	__u32 suppressed;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct scope_key);
	__type(value, struct told);
} told SEC(".maps");

/* Refusals that were not told, and what they were: read by the guard. */
volatile __u64 suppressed_all = 0;

/* True when this refusal is to be told; `suppressed` are those before it that were not. */
static __always_inline bool is_told_now(struct scope_key *process, __u32 *suppressed)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct told *entry = bpf_map_lookup_elem(&told, process), fresh = { .since = now, .told = 1 };

	*suppressed = 0;
	if (!entry) {
		bpf_map_update_elem(&told, process, &fresh, BPF_ANY);
		return true;
	}
	if (now - entry->since >= SECOND_NS) {
		*suppressed = entry->suppressed;
		entry->since = now;
		entry->told = 1;
		entry->suppressed = 0;
		return true;
	}
	if (entry->told < TOLD_PER_SECOND) {
		__sync_fetch_and_add(&entry->told, 1);
		return true;
	}
	__sync_fetch_and_add(&entry->suppressed, 1);
	__sync_fetch_and_add(&suppressed_all, 1);
	return false;
}

__noinline int tell_refusal(struct rec_head *who, struct flow *flow, struct decision *decision, __u64 operation_and_cookie)
{
	struct scope_key process = {};
	struct rec_guard *rec;
	__u32 suppressed;
	__u64 floor = bpf_ktime_get_boot_ns();

	if (!who || !flow || !decision)
		return 0;
	process.tgid = who->pid;
	process.start = who->start_ns;
	count(COUNT_SEEN, 1);
	if (!is_told_now(&process, &suppressed))
		return 0;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	__builtin_memset(rec, 0, sizeof(*rec));
	__builtin_memcpy(rec, who, sizeof(*who));
	rec->type = REC_GUARD;
	rec->floor = floor;
	rec->flags = 0;
	rec->len = 0;
	rec->cookie = operation_and_cookie >> 8;
	rec->operation = operation_and_cookie & 0xff;
	rec->entry = decision->entry;
	rec->list = decision->list;
	rec->rev = decision->rev;
	rec->refused = !audit_only;
	rec->suppressed = suppressed;
	rec->port = flow->port;
	rec->protocol = flow->protocol;
	__builtin_memcpy(rec->address, flow->address, 16);
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return 0;
}

static __always_inline __u16 plain_protocol(__u32 protocol)
{
	return protocol == IPPROTO_MPTCP ? IPPROTO_TCP : protocol;
}

/* What a call names as its destination: 1 to let it pass. */
static __always_inline int judge(struct bpf_sock_addr *ctx, struct flow *flow, __u64 operation)
{
	struct decision decision = {};
	struct rec_head who = {};
	struct scope_key process;
	struct mark *mark = 0;

	if (!in_scope(&process)) {
		/* The guard connects once, so that this is known. */
		if (bpf_get_current_pid_tgid() >> 32 == scope_self)
			own_netns = bpf_get_netns_cookie(ctx);
		return 1;
	}
	fill_current(&who, REC_GUARD, 0);
	flow->port = __builtin_bswap16(ctx->user_port);
	flow->protocol = plain_protocol(ctx->protocol);
	if (ctx->sk)
		mark = bpf_sk_storage_get(&marks, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (mark) {
		mark->who = who;
		mark->cookie = bpf_get_socket_cookie(ctx);
		mark->netns = bpf_get_netns_cookie(ctx);
	}
	decide(flow, &decision);
	if (!decision.refused)
		return 1;
	tell_refusal(&who, flow, &decision, operation | (mark ? mark->cookie << 8 : 0));
	return audit_only;
}

SEC("cgroup/connect4")
int guard_connect4(struct bpf_sock_addr *ctx)
{
	struct flow flow = {};

	map_v4(flow.address, ctx->user_ip4);
	return judge(ctx, &flow, GUARD_CONNECT);
}

static __always_inline void take_v6(struct bpf_sock_addr *ctx, struct flow *flow)
{
	__u32 *words = (__u32 *)flow->address;

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
}

SEC("cgroup/connect6")
int guard_connect6(struct bpf_sock_addr *ctx)
{
	struct flow flow = {};

	take_v6(ctx, &flow);
	return judge(ctx, &flow, GUARD_CONNECT);
}

SEC("cgroup/sendmsg4")
int guard_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct flow flow = {};

	map_v4(flow.address, ctx->user_ip4);
	return judge(ctx, &flow, GUARD_SEND);
}

SEC("cgroup/sendmsg6")
int guard_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct flow flow = {};

	take_v6(ctx, &flow);
	return judge(ctx, &flow, GUARD_SEND);
}

/* A socket of any kind: what it sends is looked at packet by packet, for no connect(2) needs to come. */
SEC("cgroup/sock_create")
int guard_sock_create(struct bpf_sock *ctx)
{
	struct scope_key process;
	struct mark *mark;

	if (!in_scope(&process))
		return 1;
	mark = bpf_sk_storage_get(&marks, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (mark) {
		fill_current(&mark->who, REC_GUARD, 0);
		mark->cookie = bpf_get_socket_cookie(ctx);
		mark->netns = bpf_get_netns_cookie(ctx);
	}
	return 1;
}

/*
 * Sockets that watched processes hold already, or were handed: run at the start, when a process comes into scope, and now
 * and then. Outside of what the kernel tells: a socket may be received at any time.
 */
SEC("iter/task_file")
int guard_held_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct scope_key process;
	struct socket *socket;
	struct mark *mark;
	struct sock *sk;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	process = scope_key_of(task);
	if (!scope_has(&process))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
		return 0;
	mark = bpf_sk_storage_get(&marks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!mark || mark->cookie)
		return 0;
	fill_head(&mark->who, REC_GUARD, 0, task);
	mark->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	mark->cookie = bpf_get_socket_cookie(sk);
	return 0;
}

/* The place that a packet goes to. False when it is no IP packet. `transport` is where the header behind IP begins. */
static __always_inline bool flow_of(struct __sk_buff *skb, struct flow *flow, bool out, __u32 *transport)
{
	__u8 head[40] = {};
	__be16 ports[2] = {};

	if (bpf_skb_load_bytes(skb, 0, head, 20))
		return false;
	if (head[0] >> 4 == 4) {
		map_v4(flow->address, *(__u32 *)(head + (out ? 16 : 12)));
		flow->protocol = head[9];
		*transport = (head[0] & 15) * 4;
		/* A later fragment has no ports: every entry about the address counts. */
		if ((((__u32)head[6] << 8 | head[7]) & 0x1fff) != 0) {
			flow->protocol = 0;
			return true;
		}
	} else if (head[0] >> 4 == 6) {
		if (bpf_skb_load_bytes(skb, 0, head, 40))
			return false;
		__builtin_memcpy(flow->address, head + (out ? 24 : 8), 16);
		flow->protocol = head[6];
		*transport = 40;
	} else {
		return false;
	}
	if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP) {
		flow->protocol = 0;
		return true;
	}
	if (bpf_skb_load_bytes(skb, *transport, ports, 4)) {
		flow->protocol = 0;
		return true;
	}
	flow->port = __builtin_bswap16(ports[out ? 1 : 0]);
	return true;
}

static __always_inline struct mark *mark_of(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	/* What a listening socket answers goes to whoever came to it. */
	if (!sk || sk->state == TCP_LISTEN)
		return 0;
	return bpf_sk_storage_get(&marks, sk, 0, 0);
}

/* Where DNS begins behind the header of the transport; 0 when this packet holds none. */
static __always_inline __u32 dns_at(struct __sk_buff *skb, struct flow *flow, __u32 transport)
{
	__u8 offset = 0;
	__be16 length = 0;
	__u32 at;

	if (flow->port != DNS_PORT)
		return 0;
	if (flow->protocol == IPPROTO_UDP)
		return transport + 8;
	if (flow->protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, transport + 12, &offset, 1))
		return 0;
	at = transport + (offset >> 4) * 4;
	/* A message that is cut over packets is not read. */
	if (bpf_skb_load_bytes(skb, at, &length, 2) || at + 2 + __builtin_bswap16(length) > skb->len)
		return 0;
	return at + 2;
}

static __always_inline bool read_message(struct __sk_buff *skb, struct dns_scratch *scratch, __u32 at)
{
	__u64 n = (__u64)skb->len - at;

	if (at >= skb->len)
		return false;
	scratch->length = n > DNS_BYTES ? DNS_BYTES : n;
	/* On the register that the helper gets: verifiers up to 6.1 forget bounds of what was spilled. */
	BOUND(n, DNS_BYTES);
	if (n < DNS_HEADER)
		return false;
	asm volatile("" : "+r"(n));
	if (bpf_skb_load_bytes(skb, at, scratch->bytes, n))
		return false;
	return read_question(scratch);
}

static __always_inline void see_question(struct __sk_buff *skb, struct mark *mark, __u32 at)
{
	__u32 out = DNS_OUT;
	struct question_key key = {};
	struct dns_scratch *scratch = bpf_map_lookup_elem(&dns_scratch, &out);

	if (!scratch || !read_message(skb, scratch, at) || BYTE(scratch, 2) & 0x80)
		return;
	question_key(scratch, &key, mark->cookie);
	bpf_map_update_elem(&questions, &key, &scratch->question, BPF_ANY);
}

__noinline int tell_name(struct rec_head *who, struct dns_scratch *scratch)
{
	struct rec_guard_name *rec;
	__u64 floor = bpf_ktime_get_boot_ns();

	if (!who || !scratch)
		return 0;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + NAME_MAX + 1, 0);
	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return 0;
	}
	__builtin_memcpy(rec, &scratch->told, sizeof(*rec));
	__builtin_memcpy(rec, who, sizeof(*who));
	__builtin_memcpy(rec->name, scratch->question.name, NAME_MAX + 1);
	rec->type = REC_GUARD_NAME;
	rec->floor = floor;
	rec->flags = 0;
	rec->len = scratch->question.length;
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return 0;
}

static __always_inline void see_answer(struct __sk_buff *skb, struct mark *mark, struct flow *flow, __u32 at)
{
	__u32 in = DNS_IN;
	struct dns_scratch *scratch = bpf_map_lookup_elem(&dns_scratch, &in);
	struct dns_reader reader = { .scratch = scratch };
	struct question_key key = {};
	struct question *asked;
	__u32 answers;

	if (!scratch || !read_message(skb, scratch, at) || !(BYTE(scratch, 2) & 0x80))
		return;
	question_key(scratch, &key, mark->cookie);
	asked = bpf_map_lookup_elem(&questions, &key);
	if (!asked || asked->length != scratch->question.length)
		return;
	for (__u32 i = 0; i <= NAME_MAX; i++)
		if (asked->name[i] != scratch->question.name[i])
			return;
	if (!find_entries(scratch))
		return;
	scratch->lists = mark->netns == own_netns && bpf_map_lookup_elem(&resolvers, flow->address) ? 2 : 1;
	answers = (__u32)BYTE(scratch, 6) << 8 | BYTE(scratch, 7);
	if (answers > RECORDS)
		answers = RECORDS;
	scratch->told.addresses = 0;
	bpf_loop(answers, read_record, &reader, 0);
	if (scratch->told.addresses)
		tell_name(&mark->who, scratch);
}

SEC("cgroup_skb/ingress")
int guard_ingress(struct __sk_buff *skb)
{
	struct mark *mark = mark_of(skb);
	struct flow flow = {};
	__u32 transport = 0, at;

	if (!mark || scope_closed || !flow_of(skb, &flow, false, &transport))
		return 1;
	at = dns_at(skb, &flow, transport);
	if (at)
		see_answer(skb, mark, &flow, at);
	return 1;
}

static __always_inline bool same_place(struct mark *mark, struct flow *flow)
{
	const __u64 *a = (const __u64 *)mark->last, *b = (const __u64 *)flow->address;

	return mark->port == flow->port && mark->protocol == flow->protocol && a[0] == b[0] && a[1] == b[1];
}

SEC("cgroup_skb/egress")
int guard_egress(struct __sk_buff *skb)
{
	struct mark *mark = mark_of(skb);
	struct decision decision = {};
	struct flow flow = {};
	__u32 transport = 0, at;

	if (!mark || scope_closed || !flow_of(skb, &flow, true, &transport))
		return 1;
	at = dns_at(skb, &flow, transport);
	if (at)
		see_question(skb, mark, at);
	/* A connection goes to one place: decided once for each policy. */
	if (mark->rev == policies[active & 1].rev && flow.protocol && same_place(mark, &flow))
		return 1;
	decide(&flow, &decision);
	if (!decision.refused) {
		__builtin_memcpy(mark->last, flow.address, 16);
		mark->port = flow.port;
		mark->protocol = flow.protocol;
		mark->rev = decision.rev;
		return 1;
	}
	tell_refusal(&mark->who, &flow, &decision, GUARD_SEND | mark->cookie << 8);
	return audit_only;
}

/* A type reaches the BTF, from which the decoders are made, only through a variable. These take no part in anything. */
#define KEEP(kind, name) kind name *keep_##name __attribute__((unused))
KEEP(const struct, rec_guard);
KEEP(const struct, rec_guard_name);
enum guard_operation keep_guard_operation __attribute__((unused));
