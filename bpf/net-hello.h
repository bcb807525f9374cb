/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The ClientHello of TLS in what is sent: where one begins, how long it will be, and which pieces are of it. */
#ifndef TRACER_NET_HELLO_H
#define TRACER_NET_HELLO_H

#include "net-sockets.h"

#define HELLO_PIECES 24
#define HELLO_MOST 65536

/* One that was not sent whole: by its first byte's place in the stream, so that no piece counts twice. */
struct hello {
	__u32 start;
	__u32 wanted;
	__u32 pieces;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct hello);
} hellos SEC(".maps");

/*
 * A hello may begin anywhere in a connection (a proxy, STARTTLS); its first bytes alone only at the start of one. `behind`:
 * bytes that were sent from there on.
 */
static __always_inline bool begins_hello(const __u8 *head, __u64 length, struct sock *sk, __u64 behind)
{
	struct tcp_sock *tcp = (void *)sk;

	if (head[0] != 22 || (length > 1 && head[1] != 3))
		return false;
	if (length > 5)
		return head[5] == 1;
	return BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans) +
		       (__u32)(BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_nxt)) ==
	       behind;
}

/* Bytes of the message and the records around it. */
static __always_inline __u32 hello_length(const __u8 *head, __u64 length)
{
	__u32 record, message;

	if (length < 5)
		return HELLO_MOST;
	record = (__u32)head[3] << 8 | head[4];
	if (length < 9 || !record)
		return record + 5;
	message = ((__u32)head[6] << 16 | (__u32)head[7] << 8 | head[8]) + 4;
	if (message > HELLO_MOST)
		return record + 5;
	return message + 5 * ((message + record - 1) / record);
}

#endif
