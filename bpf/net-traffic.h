/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What goes through sockets, at the end of the system call that moved it: worth telling when it is DNS, or begins TLS.
 * Only what was really sent counts, so that one that is tried again is told once.
 */
#ifndef TRACER_NET_TRAFFIC_H
#define TRACER_NET_TRAFFIC_H

#include "net-sockets.h"
#include "net-hello.h"

#define DNS_PORT 53
#define PIECE_SHORT 512
#define PIECE_MIDDLE 2048
#define PIECE_LONG 4096
#define IOVECS 8
#define MESSAGES 4

/* A piece of what a call moved. */
struct traffic {
	void *sk;
	__u64 inode;
	__u64 at;
	__u64 length;
	__u64 behind;  /* bytes from here to the end of what the call moved */
	__u64 address; /* where the program has the peer's address, if the socket has none */
	__u32 received;
	__u32 offset; /* in its hello */
	__u8 peer[28]; /* that address, when it is one of DNS */
	__u32 pad;
};

static __always_inline bool is_dns_address(struct traffic *t)
{
	__u8 *peer = t->peer;

	if (t->address && !bpf_probe_read_user(peer, sizeof(t->peer), (void *)t->address) && peer[2] == 0 && peer[3] == DNS_PORT &&
	    (*(__u16 *)peer == AF_INET || *(__u16 *)peer == AF_INET6))
		return true;
	*(__u16 *)peer = AF_UNSPEC;
	return false;
}

/* Bytes of the current process, in a record that is about as long as they are. */
static __always_inline int tell_bytes(struct traffic *t, __u16 type, __u32 kind, const __u32 room)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_net *rec = reserve_net(room);
	__u64 n = t->length;

	count(COUNT_SEEN, 1);
	if (!rec) {
		lose(kind, COUNT_LOST_RING);
		return 0;
	}
	fill_net(rec, type, floor, t->sk, t->inode);
	fill_peer(rec, t->peer);
	rec->received = t->received;
	rec->offset = t->offset;
	rec->full = t->length;
	BOUND(n, room);
	if (bpf_probe_read_user(rec->data, n, (void *)t->at)) {
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		lose(kind, COUNT_LOST_COPY);
		return 0;
	}
	rec->len = n;
	submit_net(rec);
	return 0;
}

/* This and what calls it are verified once each, not anew for every place that they are called from. */
__noinline int tell_piece(struct traffic *t, __u32 type)
{
	__u32 kind;

	if (!t)
		return 0;
	kind = type == REC_NET_HELLO ? NET_LOST_HELLO : t->received ? NET_LOST_ANSWER : NET_LOST_QUERY;
	if (t->length <= PIECE_SHORT)
		return tell_bytes(t, type, kind, PIECE_SHORT);
	if (t->length <= PIECE_MIDDLE)
		return tell_bytes(t, type, kind, PIECE_MIDDLE);
	return tell_bytes(t, type, kind, PIECE_LONG);
}

/* True when the piece is of a hello. */
static __always_inline bool is_hello(struct traffic *t)
{
	struct tcp_sock *tcp = (struct tcp_sock *)t->sk;
	__u64 key = (__u64)tcp;
	__u32 position = BPF_CORE_READ(tcp, write_seq) - (__u32)t->behind;
	struct hello *hello = bpf_map_lookup_elem(&hellos, &key);
	struct hello begin = { .start = position, .pieces = 1 };
	__u8 head[9] = {};
	__u64 n = t->length;

	if (hello) {
		t->offset = position - hello->start;
		if (t->offset + n >= hello->wanted || ++hello->pieces >= HELLO_PIECES)
			bpf_map_delete_elem(&hellos, &key);
		return true;
	}
	BOUND(n, sizeof(head));
	if (bpf_probe_read_user(head, n, (void *)t->at) || !begins_hello(head, t->length, t->sk, t->behind))
		return false;
	t->offset = 0;
	begin.wanted = hello_length(head, t->length);
	if (t->length < begin.wanted && bpf_map_update_elem(&hellos, &key, &begin, BPF_ANY)) {
		count(COUNT_SEEN, 1);
		lose(NET_LOST_HELLO, COUNT_LOST_LIMIT);
		return false;
	}
	return true;
}

/* The socket of a call, when it is one of the internet. False: nothing of it is of interest. */
static __always_inline bool traffic_of(struct traffic *t, __s32 fd)
{
	struct sock *sk = sock_of(fd, &t->inode);
	__u16 family;

	if (!sk)
		return false;
	t->sk = sk;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return family == AF_INET || family == AF_INET6;
}

__noinline int look_at(struct traffic *t)
{
	struct sock *sk;

	if (!t || !t->length)
		return 0;
	sk = t->sk;
	if (BPF_CORE_READ(sk, __sk_common.skc_dport) == __builtin_bswap16(DNS_PORT) || is_dns_address(t))
		return tell_piece(t, REC_NET_DNS);
	if (t->received || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP || !is_hello(t))
		return 0;
	return tell_piece(t, REC_NET_HELLO);
}

/* A stream's bytes may stand in many places. A datagram is looked at where it begins. */
static __always_inline void look_at_iov(struct traffic *t, __u64 iov, __u64 vectors, __u64 moved)
{
	struct sock *sk = t->sk;
	bool whole = BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP;
	struct user_iovec each;

	t->behind = moved;
	for (__u32 i = 0; i < IOVECS; i++) {
		if (i >= vectors || !t->behind || bpf_probe_read_user(&each, sizeof(each), (void *)(iov + i * sizeof(each))))
			break;
		t->at = each.base;
		t->length = each.len < t->behind ? each.len : t->behind;
		look_at(t);
		if (whole)
			break;
		t->behind -= t->length;
	}
}

/* Of a system call that has one buffer, and the peer's address if any. */
static __always_inline int buffer_moved(__s64 result, __u32 received, struct registers *r, __u64 address)
{
	struct traffic t = { .at = r->a[1], .received = received, .address = address };

	if (!traffic_of(&t, r->a[0]))
		return 0;
	/* With MSG_TRUNC a datagram may be longer than its place. */
	t.length = (__u64)result < r->a[2] ? (__u64)result : r->a[2];
	t.behind = t.length;
	return look_at(&t);
}

static __always_inline int vectors_moved(__s64 result, __u32 received, struct registers *r)
{
	struct traffic t = { .received = received };

	if (traffic_of(&t, r->a[0]))
		look_at_iov(&t, r->a[1], r->a[2], result);
	return 0;
}

static __always_inline int message_moved(__s64 result, __u32 received, struct registers *r)
{
	struct traffic t = { .received = received };
	struct user_msghdr message;

	if (!traffic_of(&t, r->a[0]) || bpf_probe_read_user(&message, sizeof(message), (void *)r->a[1]))
		return 0;
	t.address = message.name;
	look_at_iov(&t, message.iov, message.iovlen, result);
	return 0;
}

/* The result is their number. */
static __always_inline int messages_moved(__s64 result, __u32 received, struct registers *r)
{
	struct traffic t = { .received = received };
	struct user_mmsghdr each;
	struct user_iovec first;

	if (!traffic_of(&t, r->a[0]))
		return 0;
	for (__u32 i = 0; i < MESSAGES; i++) {
		if (i >= result || bpf_probe_read_user(&each, sizeof(each), (void *)(r->a[1] + i * sizeof(each))) || !each.msg.iovlen ||
		    bpf_probe_read_user(&first, sizeof(first), (void *)each.msg.iov))
			break;
		t.address = each.msg.name;
		t.at = first.base;
		t.length = first.len < each.len ? first.len : each.len;
		t.behind = t.length;
		look_at(&t);
	}
	return 0;
}

/* `body` has the call's arguments in `r`. */
#define MOVES(call, body)                                                                                              \
	SEC("tp/syscalls/sys_exit_" #call)                                                                             \
	int call##_exit(struct call_end *ctx)                                                                          \
	{                                                                                                              \
		__s64 result = ctx->result;                                                                            \
		struct scope_key process;                                                                              \
		struct registers r = {};                                                                               \
                                                                                                                       \
		if (result <= 0 || !in_scope(&process))                                                                \
			return 0;                                                                                      \
		registers_of(&r);                                                                                      \
		return body;                                                                                           \
	}

MOVES(write, buffer_moved(result, 0, &r, 0))
MOVES(sendto, buffer_moved(result, 0, &r, r.a[4]))
MOVES(writev, vectors_moved(result, 0, &r))
MOVES(sendmsg, message_moved(result, 0, &r))
MOVES(sendmmsg, messages_moved(result, 0, &r))
MOVES(read, buffer_moved(result, 1, &r, 0))
MOVES(readv, vectors_moved(result, 1, &r))
/* One that only looks leaves what it saw for the next. */
MOVES(recvfrom, r.a[3] & MSG_PEEK ? 0 : buffer_moved(result, 1, &r, r.a[4]))
MOVES(recvmsg, r.a[2] & MSG_PEEK ? 0 : message_moved(result, 1, &r))
MOVES(recvmmsg, r.a[3] & MSG_PEEK ? 0 : messages_moved(result, 1, &r))

#endif
