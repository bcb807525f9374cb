/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What has no states, at the end of its system call: connects of other sockets and those that fail at once, accepts, listens. */
#ifndef TRACER_NET_CALLS_H
#define TRACER_NET_CALLS_H

#include "net-tcp.h"

struct unix_event {
	void *sk;
	__u64 inode;
	__u64 named; /* where the program has the name that it gave the call; else it is the socket's own */
	__u64 length;
	__s32 error;
	__u32 backlog;
	__u16 type;
};

__noinline int tell_unix(struct unix_event *event)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_net *rec;
	struct unix_address *address;
	struct unix_sock *sk;
	__u64 n;

	if (!event)
		return 0;
	sk = event->sk;
	count(COUNT_SEEN, 1);
	rec = reserve_net(ADDRESS_MAX);
	if (!rec) {
		lose(event->type - REC_NET_CONNECT, COUNT_LOST_RING);
		return 0;
	}
	fill_net(rec, event->type, floor, event->sk, event->inode);
	rec->established = floor;
	rec->error = event->error;
	rec->backlog = event->backlog;
	if (event->named) {
		n = event->length;
		BOUND(n, ADDRESS_MAX);
		if (!bpf_probe_read_user(rec->data, n, (void *)event->named))
			rec->len = n;
	} else {
		address = BPF_CORE_READ(sk, addr);
		n = address ? BPF_CORE_READ(address, len) : 0;
		BOUND(n, ADDRESS_MAX);
		if (address && !bpf_core_read(rec->data, n, &address->name[0]))
			rec->len = n;
	}
	submit_net(rec);
	return 0;
}

/*
 * A connect of TCP that failed. Whether its states have told so already, stands in the note. What the network answers comes
 * after a beginning: without a note it is of a socket that another thread has put in this one's place.
 */
static __always_inline bool tcp_has_told(struct sock *sk, __s64 result)
{
	__u64 key = (__u64)sk;
	struct rec_net *note = bpf_map_lookup_elem(&socks, &key);

	if (!note)
		return result == -ECONNREFUSED || result == -ETIMEDOUT || result == -ECONNRESET;
	if (note->state == NET_UNSAID) {
		note->error = -result;
		tell(note, REC_NET_CONNECT, bpf_ktime_get_boot_ns());
	} else if (note->state != NET_FAILED) {
		return true;
	}
	bpf_map_delete_elem(&socks, &key);
	return true;
}

__noinline int connected(__s64 result)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct registers r = {};
	struct rec_net note;
	struct sock *sk;
	__u8 sockaddr[28] = {};
	__u64 inode = 0, length;

	registers_of(&r);
	sk = sock_of(r.a[0], &inode);
	if (!sk)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX) {
		struct unix_event event = { sk, inode, r.a[1], r.a[2], -result, 0, REC_NET_CONNECT };

		return tell_unix(&event);
	}
	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP && (result >= 0 || tcp_has_told(sk, result)))
		return 0;
	length = r.a[2];
	BOUND(length, sizeof(sockaddr));
	/* AF_UNSPEC takes a connection back. */
	if (bpf_probe_read_user(sockaddr, length, (void *)r.a[1]) || *(__u16 *)sockaddr == AF_UNSPEC)
		return 0;
	fill_net(&note, 0, floor, sk, inode);
	if (result < 0)
		fill_peer(&note, sockaddr);
	note.established = floor;
	note.error = -result;
	count(COUNT_SEEN, 1);
	tell(&note, REC_NET_CONNECT, floor);
	return 0;
}

SEC("tp/syscalls/sys_exit_connect")
int connect_exit(struct call_end *ctx)
{
	__s64 result = ctx->result;
	struct scope_key process;

	/* Not over yet; over before; and interrupted. */
	if (result == -EINPROGRESS || result == -EALREADY || result == -EISCONN || result <= -ERESTARTSYS || !in_scope(&process))
		return 0;
	return connected(result < 0 ? result : 0);
}

__noinline int accepted(__s32 fd)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_net note;
	__u64 inode = 0, key;
	struct sock *sk = sock_of(fd, &inode);

	if (!sk)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
		return tell_unix(&(struct unix_event){ .sk = sk, .inode = inode, .type = REC_NET_ACCEPT });
	key = (__u64)sk;
	fill_net(&note, 0, floor, sk, inode);
	note.established = floor;
	note.state = NET_OPEN;
	count(COUNT_SEEN, 1);
	tell(&note, REC_NET_ACCEPT, floor);
	if (note.protocol != IPPROTO_TCP)
		return 0;
	if (bpf_map_update_elem(&socks, &key, &note, BPF_ANY)) {
		/* Its end will not be told. */
		count(COUNT_SEEN, 1);
		lose(NET_LOST_CLOSE, COUNT_LOST_LIMIT);
	} else if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE) {
		/* The peer was faster. */
		struct rec_net *entry = bpf_map_lookup_elem(&socks, &key);

		if (entry)
			finish(entry, key, bpf_ktime_get_boot_ns());
	}
	return 0;
}

/* Of accept and accept4. */
SEC("tp/syscalls/sys_exit_accept")
int accept_exit(struct call_end *ctx)
{
	__s64 result = ctx->result;
	struct scope_key process;

	return result >= 0 && in_scope(&process) ? accepted(result) : 0;
}

/* TCP says it by its state. */
SEC("tp/syscalls/sys_exit_listen")
int listen_exit(struct call_end *ctx)
{
	__s64 result = ctx->result;
	struct registers r = {};
	struct scope_key process;
	struct sock *sk;
	__u64 inode = 0;

	if (result || !in_scope(&process))
		return 0;
	registers_of(&r);
	sk = sock_of(r.a[0], &inode);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX)
		return 0;
	return tell_unix(&(struct unix_event){ .sk = sk, .inode = inode, .backlog = r.a[1], .type = REC_NET_LISTEN });
}

#endif
