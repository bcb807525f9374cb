/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a system call moved, through which socket: read from the registers when it ends, which still hold what was asked for.
 */
#ifndef TRACER_SSL_TRANSFER_H
#define TRACER_SSL_TRANSFER_H

#include "ssl-aead.h"

#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

#if defined(__TARGET_ARCH_x86)
enum { NR_READ = 0, NR_WRITE = 1, NR_READV = 19, NR_WRITEV = 20, NR_SENDFILE = 40, NR_SENDTO = 44, NR_RECVFROM = 45,
       NR_SENDMSG = 46, NR_RECVMSG = 47, NR_CLOSE = 3 };
#elif defined(__TARGET_ARCH_arm64)
enum { NR_READ = 63, NR_WRITE = 64, NR_READV = 65, NR_WRITEV = 66, NR_SENDFILE = 71, NR_SENDTO = 206, NR_RECVFROM = 207,
       NR_SENDMSG = 211, NR_RECVMSG = 212, NR_CLOSE = 57 };
#endif

/* What a system call did. */
struct transfer {
	__u64 at;    /* its buffer, or its vectors */
	__u64 count; /* of vectors */
	__u32 flags;
	__s32 fd;
	__u8 direction;
	__u8 function;
	__u8 vectors;
	__u8 unseen; /* the bytes are nowhere in memory */
};

/* False: none of these calls. Of 32-bit programs the numbers mean other calls: they are left out. */
static __noinline bool read_transfer(struct pt_regs *from, struct transfer *call)
{
	struct pt_regs regs;
	__u64 second, third, fourth;
	__u64 message[4] = {};
	__s32 number;

	if (bpf_probe_read_kernel(&regs, sizeof(regs), from))
		return false;
#if defined(__TARGET_ARCH_x86)
	if ((regs.cs & 0xffff) != 0x33)
		return false;
	number = regs.orig_ax;
	call->fd = regs.di;
	second = regs.si;
	third = regs.dx;
	fourth = regs.r10;
#else
	number = regs.syscallno;
	call->fd = regs.orig_x0;
	second = regs.user_regs.regs[1];
	third = regs.user_regs.regs[2];
	fourth = regs.user_regs.regs[3];
#endif
	call->at = second;
	call->count = third;
	switch (number) {
	case NR_READ:
		call->function = SOCKET_FN_READ;
		return true;
	case NR_READV:
		call->function = SOCKET_FN_READV;
		call->vectors = 1;
		return true;
	case NR_RECVFROM:
		call->function = SOCKET_FN_RECVFROM;
		call->flags = fourth;
		call->unseen = (call->flags & MSG_TRUNC) != 0;
		return !(call->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE));
	case NR_RECVMSG:
		call->function = SOCKET_FN_RECVMSG;
		call->flags = third;
		call->unseen = (call->flags & MSG_TRUNC) != 0;
		if (call->flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
			return false;
		break;
	case NR_WRITE:
		call->function = SOCKET_FN_WRITE;
		call->direction = SSL_WRITE;
		return true;
	case NR_WRITEV:
		call->function = SOCKET_FN_WRITEV;
		call->direction = SSL_WRITE;
		call->vectors = 1;
		return true;
	case NR_SENDTO:
		call->function = SOCKET_FN_SENDTO;
		call->direction = SSL_WRITE;
		return true;
	case NR_SENDMSG:
		call->function = SOCKET_FN_SENDMSG;
		call->direction = SSL_WRITE;
		break;
	case NR_SENDFILE:
		call->function = SOCKET_FN_SENDFILE;
		call->direction = SSL_WRITE;
		call->unseen = 1;
		return true;
	default:
		return false;
	}
	/* struct msghdr: name, length of the name, vectors, their number. */
	call->vectors = 1;
	if (bpf_probe_read_user(message, sizeof(message), (void *)second))
		return false;
	call->at = message[2];
	call->count = message[3];
	return true;
}

/* First thing at each system call of the host: most are none of these. */
static __always_inline bool may_transfer(struct pt_regs *from)
{
	__u64 number = 0;

#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_kernel(&number, sizeof(number), &from->orig_ax);
	return number < 64 &&
	       ((1ULL << NR_READ | 1ULL << NR_WRITE | 1ULL << NR_READV | 1ULL << NR_WRITEV | 1ULL << NR_SENDFILE | 1ULL << NR_SENDTO |
		 1ULL << NR_RECVFROM | 1ULL << NR_SENDMSG | 1ULL << NR_RECVMSG) >>
			number &
		1);
#else
	bpf_probe_read_kernel(&number, sizeof(__s32), &from->syscallno);
	return (number >= NR_READ && number <= NR_SENDFILE) || (number >= NR_SENDTO && number <= NR_RECVMSG);
#endif
}

/* The first buffer of a call that is not empty. */
static __always_inline __u64 first_buffer(struct transfer *call)
{
	__u64 vector[2] = {};

	if (!call->vectors)
		return call->at;
	for (__u32 i = 0; i < VECTORS_LOOKED_AT; i++) {
		if (i >= call->count || bpf_probe_read_user(vector, sizeof(vector), (void *)(call->at + i * sizeof(vector))))
			return 0;
		if (vector[1])
			return vector[0];
	}
	return 0;
}

struct socket_key {
	struct scope_key process;
	__u64 inode;
};

struct socket_state {
	__u64 before[2];
	__u32 tls;
	__u32 state_pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct socket_key);
	__type(value, struct socket_state);
} socket_states SEC(".maps");

/* Bytes that a TCP socket has taken and given in its life, by what the kernel counts of it. */
static __noinline void life_of(struct socket_facts *facts, __u64 life[2])
{
	struct tcp_sock *tcp = (struct tcp_sock *)facts->sk;

	life[SSL_READ] = 0;
	life[SSL_WRITE] = 0;
	if (facts->protocol != IPPROTO_TCP || (facts->family != AF_INET && facts->family != AF_INET6))
		return;
	life[SSL_READ] = BPF_CORE_READ(tcp, bytes_received) - (__u32)(BPF_CORE_READ(tcp, rcv_nxt) - BPF_CORE_READ(tcp, copied_seq));
	life[SSL_WRITE] = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans) +
			  (__u32)(BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_nxt));
}

static __noinline struct socket_state *state_of(struct socket_key *key, struct socket_facts *facts, __u8 direction, __u64 bytes)
{
	struct socket_state *state = bpf_map_lookup_elem(&socket_states, key);
	struct socket_state fresh = {};

	if (state)
		return state;
	life_of(facts, fresh.before);
	/* Another thread may be in between. */
	if (direction == SSL_WRITE)
		fresh.before[SSL_WRITE] -= fresh.before[SSL_WRITE] < bytes ? fresh.before[SSL_WRITE] : bytes;
	else
		fresh.before[SSL_READ] -= fresh.before[SSL_READ] < bytes ? fresh.before[SSL_READ] : bytes;
	bpf_map_update_elem(&socket_states, key, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&socket_states, key);
}

#endif
