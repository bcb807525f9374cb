/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The system calls by which bytes leave and reach the sockets of watched processes, looked at when they end: then the
 * result is known, and the registers still hold what was asked for. Three things are made of them: a count of TLS, against
 * which the sensor holds the plaintext that it has seen; the socket of a session; and, at chosen ports (--plain), the bytes
 * themselves. Attached only while one of these is needed: it costs every process of the host some 0.1 us a call.
 */
#ifndef TRACER_SSL_CALLS_H
#define TRACER_SSL_CALLS_H

#include "ssl-aead.h"

/* The loader sets it when there are ports whose bytes are wanted as they are. */
const volatile bool plain_wanted = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} plain_ports SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct scope_key);
	__type(value, struct rec_tls_traffic);
} tls_traffic SEC(".maps");

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

/* 2^14 and what encryption may add (RFC 5246, 6.2.3). */
#define RECORD_LENGTH_MAX (16384 + 2048)

/* The type of the TLS record that begins there, or 0. */
__noinline int record_type_at(__u64 at)
{
	__u8 head[5] = {};

	if (bpf_probe_read_user(head, sizeof(head), (void *)at) || head[0] < 20 || head[0] > 23 || head[1] != 3 || head[2] > 4 ||
	    ((__u32)head[3] << 8 | head[4]) > RECORD_LENGTH_MAX)
		return 0;
	return head[0];
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

static __noinline struct rec_tls_traffic *traffic_of(struct scope_key *process)
{
	struct rec_tls_traffic *traffic = bpf_map_lookup_elem(&tls_traffic, process);
	struct rec_tls_traffic fresh = {};

	if (traffic)
		return traffic;
	fresh.since = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&tls_traffic, process, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&tls_traffic, process);
}

/* A socket carries TLS from the first of its calls on that begins with a record. */
static __always_inline bool count_tls(struct socket_key *key, struct socket_facts *facts, struct transfer *call, __u64 bytes,
				      int type)
{
	struct socket_state *state = state_of(key, facts, call->direction, bytes);
	struct rec_tls_traffic *traffic;

	if (!state || (!state->tls && !type))
		return false;
	traffic = traffic_of(&key->process);
	if (!traffic)
		return true;
	if (!state->tls) {
		state->tls = 1;
		__sync_fetch_and_add(&traffic->sockets, 1);
		__sync_fetch_and_add(&traffic->before[SSL_READ], state->before[SSL_READ]);
		__sync_fetch_and_add(&traffic->before[SSL_WRITE], state->before[SSL_WRITE]);
	}
	if (call->direction == SSL_WRITE)
		__sync_fetch_and_add(&traffic->passed[SSL_WRITE], bytes);
	else
		__sync_fetch_and_add(&traffic->passed[SSL_READ], bytes);
	if (call->direction == SSL_WRITE && type == TLS_APPLICATION_DATA)
		__sync_fetch_and_add(&traffic->data_sends, 1);
	return true;
}

#define SENT_WITHIN_NS 50000000
#define SUM_FAILED (1ULL << 63)

/*
 * Of the records in a buffer, the first of which begins `skip` bytes in: the sum of the lengths of those with application
 * data (32 bits), their number (8), and how many bytes of the last are beyond the buffer (16).
 */
__noinline __u64 sum_records(__u64 at, __u64 left, __u64 skip)
{
	__u64 sum = 0, records = 0;

	for (int i = 0; i < RECORDS_LOOKED_AT; i++) {
		__u8 head[5] = {};

		if (left <= skip)
			return sum | records << 32 | (skip - left) << 40;
		at += skip;
		left -= skip;
		if (left < sizeof(head) || bpf_probe_read_user(head, sizeof(head), (void *)at) || head[0] < 20 || head[0] > 23 ||
		    head[1] != 3)
			return SUM_FAILED;
		skip = (__u32)head[3] << 8 | head[4];
		if (skip > RECORD_LENGTH_MAX)
			return SUM_FAILED;
		if (head[0] == TLS_APPLICATION_DATA) {
			sum += skip;
			records++;
		}
		skip += sizeof(head);
	}
	return left <= skip ? sum | records << 32 | (skip - left) << 40 : SUM_FAILED;
}

/* The same of all that a call sent: the sum and the number. */
static __noinline __u64 sum_sent(struct transfer *call, __u64 bytes)
{
	__u64 all = 0, skip = 0;

	if (!call->vectors)
		return sum_records(call->at, bytes, 0);
	for (__u32 i = 0; i < VECTORS_LOOKED_AT; i++) {
		__u64 vector[2] = {}, one;

		if (i >= call->count)
			break;
		if (bpf_probe_read_user(vector, sizeof(vector), (void *)(call->at + i * sizeof(vector))))
			return SUM_FAILED;
		one = sum_records(vector[0], vector[1], skip);
		if (one & SUM_FAILED)
			return SUM_FAILED;
		skip = one >> 40;
		all += one & 0xffffffffffULL;
	}
	return skip ? SUM_FAILED : all;
}

/*
 * Go sends each record by itself, and at first short ones: as many times a TCP segment as records were sent (crypto/tls,
 * maxPayloadSizeForWrite: 1208 less the header, the tag, and the type or the nonce).
 */
static __always_inline bool go_sent(__u64 sum, __u64 bytes)
{
	__u64 in_13 = sum - 17, in_12 = sum - 24;

	return (in_13 < bytes && (in_13 % 1186 == 0 || in_13 == 16384)) || (in_12 < bytes && (in_12 % 1179 == 0 || in_12 == 16384));
}

/* A session that was given plaintext, and then TLS is sent on the same thread: records of just these bytes are its own. */
static __noinline void match_sent(struct socket_key *key, struct transfer *call, __u64 bytes, struct thread_io *io)
{
	__u64 ssl = io->wrote_ssl, sum;
	struct rec_session *session = find_session(&key->process, ssl);
	__u64 wrote = io->wrote;

	io->wrote_ssl = 0;
	if (!session || session->socket_told || bpf_ktime_get_boot_ns() - io->wrote_since > SENT_WITHIN_NS)
		return;
	sum = sum_sent(call, bytes);
	if (sum & SUM_FAILED || !(sum >> 32))
		return;
	if (!is_sealed(sum & 0xffffffff, wrote, sum >> 32) &&
	    !(session->library == LIBRARY_GO && sum >> 32 == 1 && go_sent(sum & 0xffffffff, wrote)))
		return;
	session->socket_told = 1;
	tell_socket(ssl, session->id, call->fd, SOCKET_BY_LENGTH, session->library);
}

/* Lengths of the records of application data that a receive begins with. */
static __noinline void keep_lengths(struct thread_io *io, __u64 at, __u64 left)
{
	for (int i = 0; i < 4; i++) {
		__u8 head[5] = {};
		__u32 bytes;

		io->lengths[i] = 0;
		if (left < sizeof(head) || bpf_probe_read_user(head, sizeof(head), (void *)at) || head[1] != 3) {
			left = 0;
			continue;
		}
		bytes = (__u32)head[3] << 8 | head[4];
		if (head[0] == TLS_APPLICATION_DATA)
			io->lengths[i] = bytes;
		bytes += sizeof(head);
		at += bytes;
		left = left > bytes ? left - bytes : 0;
	}
}

/* --plain */

/* The note of a system call: no stack has this address. */
#define PLAIN_NOTE 1

static __always_inline bool port_is_plain(__u16 port)
{
	__u32 key = port;

	return port && bpf_map_lookup_elem(&plain_ports, &key) != 0;
}

/*
 * One buffer of a call; 1: it was the last. Called from a loop in the program itself and not from one more function: kernels
 * before 6.13 count the stack of all that nest.
 */
static __always_inline int take_plain_part(__u64 thread, struct call *call, __u64 base, __u64 bytes)
{
	struct rec_session *session;

	call->buffer = base ? base - call->done : 0;
	call->bytes = call->done + bytes;
	call->small_until = 0;
	for (int i = 0; i < TURNS_PER_CALL; i++)
		if (emit_more(thread, PLAIN_NOTE))
			return call->done >= call->whole;
	session = find_session(&call->process, call->ssl);
	if (session && call->done < call->bytes) {
		count(COUNT_SEEN, 1);
		lose(session, LOST_LIMIT, COUNT_LOST_LIMIT, call->bytes - call->done);
		session->offset[call->direction & 1] += call->bytes - call->done;
		call->done = call->bytes;
	}
	return call->done >= call->whole;
}

__noinline int take_plain_buffer(__u64 thread, __u64 base)
{
	struct call_key key = { .thread = thread, .stack = PLAIN_NOTE };
	struct call *call = find_call(&key);

	return call ? take_plain_part(thread, call, base, call->whole) : 1;
}

__noinline int take_plain_vector(__u64 thread, __u64 at)
{
	struct call_key key = { .thread = thread, .stack = PLAIN_NOTE };
	struct call *call = find_call(&key);
	__u64 vector[2] = {};
	__u64 left;

	if (!call || bpf_probe_read_user(vector, sizeof(vector), (void *)at))
		return 1;
	if (!vector[1])
		return 0;
	left = call->whole - call->done;
	return take_plain_part(thread, call, vector[0], vector[1] < left ? vector[1] : left);
}

#define VECTORS_PER_CALL 1024 /* IOV_MAX */

static __noinline struct rec_session *plain_session(struct socket_key *key, struct socket_facts *facts, struct transfer *made,
						    __u64 bytes)
{
	struct rec_session *session = find_session(&key->process, key->inode);
	struct socket_state *state;

	if (session)
		return session;
	state = state_of(key, facts, made->direction, bytes);
	session = make_session(&key->process, key->inode, state && !(state->before[0] | state->before[1]), LIBRARY_PLAIN);
	if (!session)
		return 0;
	session->role = port_is_plain(facts->peer_port) ? ROLE_CLIENT : ROLE_SERVER;
	session->fd = made->fd;
	session->socket_told = 1;
	tell_socket(key->inode, session->id, made->fd, SOCKET_ITSELF, LIBRARY_PLAIN);
	return session;
}

static __noinline void note_plain(struct socket_key *key, struct transfer *made, __u64 bytes)
{
	struct call_key note = { .thread = bpf_get_current_pid_tgid(), .stack = PLAIN_NOTE };
	struct call call = {};

	call.process = key->process;
	call.ssl = key->inode;
	call.function = made->function;
	call.direction = made->direction;
	call.library = LIBRARY_PLAIN;
	call.whole = bytes > 0xffffffff ? 0xffffffff : bytes;
	note_call(&note, &call);
}

static __always_inline void take_plain(struct socket_key *key, struct socket_facts *facts, struct transfer *made, __u64 bytes)
{
	struct call_key note = { .thread = bpf_get_current_pid_tgid(), .stack = PLAIN_NOTE };
	struct rec_session *session = plain_session(key, facts, made, bytes);

	if (!session) {
		count(COUNT_SEEN, 1);
		count(COUNT_LOST_LIMIT, 1);
		return;
	}
	session->calls[made->direction & 1]++;
	note_plain(key, made, bytes);
	if (made->unseen || !made->vectors) {
		take_plain_buffer(note.thread, made->unseen ? 0 : made->at);
	} else {
		for (__u32 i = 0; i < VECTORS_PER_CALL; i++)
			if (i >= made->count || take_plain_vector(note.thread, made->at + i * 16))
				break;
	}
	forget_call(&note);
}

static __always_inline bool is_plain(struct socket_facts *facts)
{
	if (!plain_wanted || (facts->protocol != IPPROTO_TCP && facts->protocol != IPPROTO_MPTCP))
		return false;
	return port_is_plain(facts->peer_port) || port_is_plain(facts->local_port);
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

SEC("raw_tp/sys_exit")
int socket_call(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	__s64 result = ctx->args[1];
	struct socket_facts facts = {};
	struct transfer made = {};
	struct socket_key key = {};
	struct rec_session *session;
	struct thread_io *io;
	__u64 thread, first;
	int type;

	if (result < 0 || (!plain_wanted && !result) || !may_transfer(regs) || !in_scope(&key.process))
		return 0;
	if (!read_transfer(regs, &made) || !look_at_socket(made.fd, &facts))
		return 0;
	key.inode = facts.inode;
	if (is_plain(&facts)) {
		if (result) {
			take_plain(&key, &facts, &made, result);
		} else if (made.direction == SSL_READ) {
			/* The peer has ended its side. */
			session = find_session(&key.process, key.inode);
			if (session)
				session->shutdown = 1;
		}
		return 0;
	}
	if (!result || made.unseen)
		return 0;
	first = first_buffer(&made);
	type = record_type_at(first);
	thread = bpf_get_current_pid_tgid();
	io = bpf_map_lookup_elem(&thread_io, &thread);
	if (io && made.direction == SSL_READ)
		io->received = made.fd;
	else if (io)
		saw_send(io, made.fd, made.at, made.vectors ? made.count : result, made.vectors);
	else if (made.direction == SSL_READ && (io = io_of_thread()))
		io->received = made.fd;
	if (!count_tls(&key, &facts, &made, result, type))
		return 0;
	if (io && made.direction == SSL_READ)
		keep_lengths(io, first, type ? result : 0);
	else if (io && io->wrote_ssl && type && !io->inside)
		match_sent(&key, &made, result, io);
	if (io && io->inside && (type || made.direction == SSL_READ))
		io->nested = made.fd;
	return 0;
}

/* Attached with --plain alone. The last descriptor of a socket is closed: its connection ends. */
SEC("raw_tp/sys_enter")
int plain_close(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *from = (struct pt_regs *)ctx->args[0];
	long number = ctx->args[1];
	struct session_key key = {};
	struct rec_session *session;
	struct file *file;
	__u64 fd = 0;
	__s64 references;

	if (number != NR_CLOSE || !in_scope(&key.process))
		return 0;
#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_kernel(&fd, sizeof(fd), &from->di);
#else
	bpf_probe_read_kernel(&fd, sizeof(fd), &from->user_regs.regs[0]);
#endif
	file = file_of(current_task(), fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	if (bpf_core_field_exists(file->f_count)) {
		references = BPF_CORE_READ(file, f_count.counter) - 1;
	} else {
		struct file___ref *since_6_13 = (void *)file;

		references = BPF_CORE_READ(since_6_13, f_ref.refcnt.counter);
	}
	if (references)
		return 0;
	key.ssl = BPF_CORE_READ(file, f_inode, i_ino);
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session || session->library != LIBRARY_PLAIN)
		return 0;
	tell_session(session, key.ssl, REC_SSL_CLOSE);
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}

#endif
