/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Sockets: what is kept of them, what is said of each, and how it is told. Nothing here is per CPU: a program may be
 * interrupted by another one, and since some kernel preempted, so a record is made in the ring and a note on the stack.
 */
#ifndef TRACER_NET_SOCKETS_H
#define TRACER_NET_SOCKETS_H

#include "net-types.h"
#include "call-end.h"

#define ADDRESS_MAX 112

/*
 * Connections of TCP by the address of the kernel's object, and whose they are. An entry ends with its connection, or
 * with the object at the latest. No LRU: what finds no room is counted, and what is there stays itself.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct rec_net);
} socks SEC(".maps");

/* By enum net_loss: what was lost of each kind of event, for want of room in the ring; and behind them, in a table. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * NET_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} losses SEC(".maps");

static __always_inline void lose(__u32 kind, enum counter where)
{
	__u32 index = kind + (where == COUNT_LOST_LIMIT ? NET_LOSSES : 0);
	__u64 *value = bpf_map_lookup_elem(&losses, &index);

	count(where, 1);
	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline struct rec_net *reserve_net(const __u32 room)
{
	if (!ring_has_room_for_data(sizeof(struct rec_net) + room))
		return 0;
	return bpf_ringbuf_reserve(&ring, sizeof(struct rec_net) + room, 0);
}

/* The facts of a socket. */
static __always_inline void fill_sock(struct rec_net *net, struct sock *sk)
{
	net->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	net->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	net->protocol = BPF_CORE_READ(sk, sk_protocol);
	net->kind = BPF_CORE_READ(sk, sk_type);
	if (net->family == AF_INET) {
		net->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
		net->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		bpf_core_read(net->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(net->peer, 4, &sk->__sk_common.skc_daddr);
	} else if (net->family == AF_INET6) {
		net->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
		net->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		bpf_core_read(net->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(net->peer, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* The peer that a call names. */
static __always_inline void fill_peer(struct rec_net *net, const __u8 *sockaddr)
{
	__u16 family = *(__u16 *)sockaddr;

	if (family != AF_INET && family != AF_INET6)
		return;
	net->peer_port = (__u16)sockaddr[2] << 8 | sockaddr[3];
	__builtin_memset(net->peer, 0, 16);
	if (family == AF_INET) {
		net->family = AF_INET;
		__builtin_memcpy(net->peer, sockaddr + 4, 4);
	} else {
		__builtin_memcpy(net->peer, sockaddr + 8, 16);
	}
}

/* All that is known of a socket and of the current process. */
static __always_inline void fill_net(struct rec_net *net, __u16 type, __u64 floor, struct sock *sk, __u64 inode)
{
	__builtin_memset(net, 0, sizeof(*net));
	fill_current((struct rec_head *)net, type, floor);
	fill_sock(net, sk);
	net->inode = inode;
	net->began = floor;
}

static __always_inline void submit_net(struct rec_net *rec)
{
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
}

/* Tells what a note says. That it was due has been counted. */
__noinline int tell(struct rec_net *note, __u16 type, __u64 floor)
{
	struct rec_net *rec;

	if (!note)
		return 0;
	rec = reserve_net(0);
	if (!rec) {
		lose(type - REC_NET_CONNECT, COUNT_LOST_RING);
		return 0;
	}
	__builtin_memcpy(rec, note, sizeof(*rec));
	rec->type = type;
	rec->flags = 0;
	rec->len = 0;
	rec->floor = floor;
	submit_net(rec);
	return 0;
}

/* The socket behind a descriptor of the current process, and its inode, which is its own as long as this kernel runs. */
static __always_inline struct sock *sock_of(__s32 fd, __u64 *inode)
{
	struct file *file = file_of(fd);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	*inode = BPF_CORE_READ(file, f_inode, i_ino);
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

#endif
