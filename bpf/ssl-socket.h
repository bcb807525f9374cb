/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which socket carries a session. Libraries whose calls do it themselves: that of the system call within. Those that only
 * seal and open records: on one thread, the receive that came last before a record was opened, and the next send after it
 * was sealed in which there is a record of that very length.
 */
#ifndef TRACER_SSL_SOCKET_H
#define TRACER_SSL_SOCKET_H

#include "ssl-session.h"

#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000

/* Set by the sensor while system calls are looked at (ssl-calls.h). */
volatile __u32 sockets_watched = 0;

struct thread_io {
	__s32 received; /* descriptor; -1: none yet */
	__u32 sealed;	/* plaintext bytes of the last record of that stream */
	__u64 ssl;	/* the stream last sealed whose socket is not known; 0: none */
	__u64 session;
	__u64 inside; /* the session object whose call is in progress, and whose socket is not known; 0: none */
	__s32 nested; /* descriptor of TLS that was used in that call; -1: none */
	__u32 wrote; /* plaintext that the session below was given since the last send of TLS */
	__u64 wrote_ssl;
	__u64 wrote_since;
	__u32 lengths[4]; /* of the records of application data that the last receive began with */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct thread_io);
} thread_io SEC(".maps");

static __noinline struct thread_io *io_of_thread(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct thread_io *io = bpf_map_lookup_elem(&thread_io, &thread);
	struct thread_io fresh = { .received = -1, .nested = -1 };

	if (io)
		return io;
	bpf_map_update_elem(&thread_io, &thread, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&thread_io, &thread);
}

struct socket_facts {
	__u64 inode;
	struct sock *sk;
	__u16 family;
	__u16 protocol;
	__u16 peer_port;
	__u16 local_port;
};

static __always_inline struct file *file_of(struct task_struct *task, __s32 fd)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files;
	struct file *file = 0;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

/* False: the descriptor is none of a socket. */
static __noinline bool look_at_socket(__s32 fd, struct socket_facts *facts)
{
	struct file *file = file_of(current_task(), fd);
	struct socket *socket;
	struct sock *sk;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	facts->inode = BPF_CORE_READ(file, f_inode, i_ino);
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	facts->sk = sk;
	facts->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	facts->protocol = BPF_CORE_READ(sk, sk_protocol);
	facts->peer_port = 0;
	facts->local_port = 0;
	if (facts->family == AF_INET || facts->family == AF_INET6) {
		facts->peer_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		facts->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	}
	return true;
}

struct socket_vote {
	__u64 ssl;
	__u64 session;
	__s32 fd;
	__u8 by;
	__u8 library;
};

/* True when the descriptor is a socket: then the record is given. */
static __noinline bool tell_vote(struct socket_vote *vote)
{
	struct socket_facts facts = {};
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_ssl_socket *rec;
	struct sock *sk;

	if (!look_at_socket(vote->fd, &facts))
		return false;
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);
	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return false;
	}
	fill_head((struct rec_head *)rec, REC_SSL_SOCKET, floor, current_task());
	sk = facts.sk;
	rec->ssl = vote->ssl;
	rec->session = vote->session;
	rec->inode = facts.inode;
	rec->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	rec->fd = vote->fd;
	rec->by = vote->by;
	rec->library = vote->library;
	rec->family = facts.family;
	rec->port = facts.peer_port;
	rec->socket_pad2 = 0;
	rec->socket_pad3 = 0;
	__builtin_memset(rec->address, 0, sizeof(rec->address));
	if (facts.family == AF_INET)
		bpf_core_read(rec->address, 4, &sk->__sk_common.skc_daddr);
	else if (facts.family == AF_INET6)
		bpf_core_read(rec->address, 16, &sk->__sk_common.skc_v6_daddr);
	ring_submit(rec);
	return true;
}

static __always_inline bool tell_socket(__u64 ssl, __u64 session, __s32 fd, __u8 by, __u8 library)
{
	struct socket_vote vote = { .ssl = ssl, .session = session, .fd = fd, .by = by, .library = library };

	return tell_vote(&vote);
}

/* A record was opened: its socket is the one that was received from. True when that is known now. */
static __always_inline bool vote_read(__u64 ssl, __u64 session)
{
	struct thread_io *io = io_of_thread();

	return io && io->received >= 0 && tell_socket(ssl, session, io->received, SOCKET_BY_RECORD, LIBRARY_RUSTLS);
}

/* A record was sealed: its socket is the one that it will be sent to. */
static __always_inline void expect_send(__u64 bytes, __u64 ssl, __u64 session)
{
	struct thread_io *io = io_of_thread();

	if (!io)
		return;
	io->sealed = bytes;
	io->ssl = ssl;
	io->session = session;
}

#endif
