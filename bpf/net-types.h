/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Numbers of the kernel's socket headers, and what programs hand to system calls of sockets. These are ABI: not relocated. */
#ifndef TRACER_NET_TYPES_H
#define TRACER_NET_TYPES_H

#include "vmlinux.h"

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define MSG_PEEK 2
#define S_IFMT 0170000
#define S_IFSOCK 0140000

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_FIN_WAIT1 = 4, TCP_CLOSE = 7, TCP_LAST_ACK = 9, TCP_LISTEN = 10 };
enum { ECONNRESET = 104, EISCONN = 106, ETIMEDOUT = 110, ECONNREFUSED = 111, EALREADY = 114, EINPROGRESS = 115 };
/* The first of the kernel's own, which programs never see: the call begins anew, or another error takes its place. */
#define ERESTARTSYS 512
#define SHUTDOWN_MASK 3
/* enum sock_flags: the peer's FIN has come. */
#define SOCK_DONE 1

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
