/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * TCP by its states, which are the same for blocking and non-blocking sockets: what becomes of a connect, what begins to
 * listen, when a connection is over, whoever of those who share it closed it, and be it by its end.
 */
#ifndef TRACER_NET_TCP_H
#define TRACER_NET_TCP_H

#include "net-sockets.h"
#include "net-hello.h"

/* The end of a connection. Several may come here at once: it is told by the one that takes the entry away. */
static __noinline int finish(struct rec_net *note, __u64 key, __u64 floor)
{
	struct sock *sk = (void *)key;
	struct tcp_sock *tcp = (void *)sk;
	struct rec_net *rec;

	if (!note)
		return 0;
	/* Verifiers up to 6.1 want to see a record compared with 0 only once. */
	rec = reserve_net(0);
	if (!rec) {
		if (!bpf_map_delete_elem(&socks, &key)) {
			count(COUNT_SEEN, 1);
			lose(NET_LOST_CLOSE, COUNT_LOST_RING);
		}
		return 0;
	}
	__builtin_memcpy(rec, note, sizeof(*rec));
	if (bpf_map_delete_elem(&socks, &key)) {
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		return 0;
	}
	count(COUNT_SEEN, 1);
	fill_sock(rec, sk);
	/* What waits to be sent was taken from the program as well. */
	rec->tx = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans) +
		  (__u32)(BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_nxt));
	/* The kernel counts the peer's FIN as a byte. */
	rec->rx = BPF_CORE_READ(tcp, bytes_received) - (BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1);
	rec->type = REC_NET_CLOSE;
	rec->floor = floor;
	submit_net(rec);
	return 0;
}

/* Counted at once, so that an outcome which nobody tells is missed in the end. */
static __always_inline void connect_begins(struct sock *sk, __u64 floor)
{
	__u64 key = (__u64)sk;
	struct rec_net note;

	fill_net(&note, 0, floor, sk, 0);
	note.state = NET_PENDING;
	count(COUNT_SEEN, 1);
	bpf_map_delete_elem(&hellos, &key);
	if (bpf_map_update_elem(&socks, &key, &note, BPF_ANY))
		lose(NET_LOST_CONNECT, COUNT_LOST_LIMIT);
}

static __always_inline void listen_begins(struct sock *sk, __u64 floor)
{
	struct rec_net note;

	fill_net(&note, 0, floor, sk, 0);
	note.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	count(COUNT_SEEN, 1);
	tell(&note, REC_NET_LISTEN, floor);
}

static __always_inline void connect_ends(struct rec_net *note, struct sock *sk, int to, __u64 floor)
{
	if (to == TCP_ESTABLISHED) {
		fill_sock(note, sk);
		note->established = floor;
		note->state = NET_OPEN;
		tell(note, REC_NET_CONNECT, floor);
		return;
	}
	note->error = BPF_CORE_READ(sk, sk_err);
	if (!note->error) {
		note->state = NET_UNSAID;
		return;
	}
	note->state = NET_FAILED;
	tell(note, REC_NET_CONNECT, floor);
}

SEC("tp_btf/inet_sock_set_state")
int net_state(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int from = ctx[1];
	int to = ctx[2];
	__u64 key = (__u64)sk;
	__u64 floor;
	struct scope_key process;
	struct rec_net *note;

	if (sk->sk_protocol != IPPROTO_TCP || scope_closed)
		return 0;
	floor = bpf_ktime_get_boot_ns();
	if (to == TCP_SYN_SENT || to == TCP_LISTEN) {
		if (!in_scope(&process))
			return 0;
		/* From here on the socket has a cookie. */
		bpf_get_socket_cookie(sk);
		if (to == TCP_LISTEN)
			listen_begins(sk, floor);
		else
			connect_begins(sk, floor);
		return 0;
	}
	if (from == TCP_SYN_RECV && to == TCP_ESTABLISHED) {
		/* Whoever accepts it is not known yet. */
		bpf_get_socket_cookie(sk);
		return 0;
	}
	note = bpf_map_lookup_elem(&socks, &key);
	if (!note)
		return 0;
	if (note->state == NET_PENDING) {
		if (to == TCP_ESTABLISHED || to == TCP_CLOSE)
			connect_ends(note, sk, to, floor);
		return 0;
	}
	if (note->state != NET_OPEN)
		return 0;
	/* Closed for good: both ways by the program, or by the peer. */
	if (to == TCP_CLOSE || ((to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK) && (sk->sk_shutdown & SHUTDOWN_MASK) == SHUTDOWN_MASK))
		finish(note, key, floor);
	return 0;
}

/* A program has read from a socket of TCP. */
SEC("raw_tp/tcp_rcv_space_adjust")
int net_read(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 key = ctx->args[0];
	struct rec_net *note = bpf_map_lookup_elem(&socks, &key);

	if (note && !note->first)
		note->first = bpf_ktime_get_boot_ns();
	return 0;
}

/* The object goes: whatever was kept of it goes, too. */
SEC("raw_tp/tcp_destroy_sock")
int net_destroy(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 key = ctx->args[0];
	struct rec_net *note = bpf_map_lookup_elem(&socks, &key);
	__u64 floor = bpf_ktime_get_boot_ns();

	if (bpf_map_lookup_elem(&hellos, &key))
		bpf_map_delete_elem(&hellos, &key);
	/* At the end of the sensor what is open stays, and is told from the table. */
	if (!note || scope_closed)
		return 0;
	if (note->state == NET_OPEN) {
		finish(note, key, floor);
		return 0;
	}
	if (note->state != NET_FAILED)
		tell(note, REC_NET_CONNECT, floor);
	bpf_map_delete_elem(&socks, &key);
	return 0;
}

#endif
