/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Kernel types of sockets, only the fields that netmon reads. Relocated as those of vmlinux.h are. */
#ifndef TRACER_NET_TYPES_H
#define TRACER_NET_TYPES_H

#include "vmlinux.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define S_IFMT 0170000
#define S_IFSOCK 0140000

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_FIN_WAIT1 = 4, TCP_CLOSE = 7, TCP_LAST_ACK = 9, TCP_LISTEN = 10 };
enum { EALREADY = 114, EINPROGRESS = 115, EISCONN = 106 };
#define SHUTDOWN_MASK 3
/* enum sock_flags: the peer's FIN has come. */
#define SOCK_DONE 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sock_common___net {
	unsigned short skc_family;
	__be16 skc_dport;
	__u16 skc_num;
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
	atomic64_t skc_cookie;
};

struct sock___net {
	struct sock_common___net __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	int sk_err;
	__u8 sk_shutdown;
	__u32 sk_max_ack_backlog;
};

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct unix_address *addr;
};

#pragma clang attribute pop

/* Contexts of the tracepoints of system calls. These are ABI: not relocated. */
struct sys_enter {
	__u64 head;
	__s64 id;
	__u64 args[6];
};

struct sys_exit {
	__u64 head;
	__s64 id;
	__s64 ret;
};

/* <sys/socket.h> of 64-bit programs. */
struct user_iovec {
	__u64 base;
	__u64 len;
};

struct user_msghdr {
	__u64 name;
	__u32 namelen;
	__u32 pad;
	__u64 iov;
	__u64 iovlen;
	__u64 control;
	__u64 controllen;
	__u64 flags;
};

struct user_mmsghdr {
	struct user_msghdr msg;
	__u32 len;
	__u32 pad;
};

#endif
