// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What sockets programs connect, accept, listen on and close, at the outcome; and as it is on the wire, what they ask DNS
 * and how they greet TLS servers. TCP is followed by its states, which are the same for blocking and non-blocking
 * sockets; what has no states, and bytes, at system calls.
 */
#include "net-types.h"
#include <bpf/bpf_tracing.h>
#include "scope-events.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define DNS_PORT 53
#define ADDRESS_MAX 112
#define PIECE_SHORT 512
#define PIECE_LONG 4096
#define IOVECS 8
#define MESSAGES 4
#define HELLO_PIECES 24

/* Sockets of TCP by the address of the kernel's object: an entry ends with its connection, and says whose it is. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct rec_net);
} socks SEC(".maps");

/* A system call that is under way, by thread. */
struct call {
	__u64 buffer; /* or msghdr, or mmsghdr */
	__u64 address;
	__u64 began;
	__s32 fd;
	__u32 states; /* TCP has begun to say what becomes of it */
	__u32 length;
	__u32 pad;
	__u8 sockaddr[ADDRESS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

/* Hellos that are not sent whole. */
struct hello {
	__u32 wanted;
	__u32 got;
	__u32 pieces;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct hello);
} hellos SEC(".maps");

/* Too large for the stack. Programs of tracepoints are not preempted by others of their kind on one CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rec_net);
} fresh_net SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call);
} fresh_call SEC(".maps");

static __always_inline struct rec_net *scratch_net(void)
{
	__u32 zero = 0;
	struct rec_net *net = bpf_map_lookup_elem(&fresh_net, &zero);

	if (net)
		__builtin_memset(net, 0, sizeof(*net));
	return net;
}

/* The facts of a socket. */
static __always_inline void fill_sock(struct rec_net *net, void *object)
{
	struct sock___net *sk = object;

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
	if (family == AF_INET) {
		net->family = AF_INET;
		__builtin_memset(net->peer, 0, 16);
		__builtin_memcpy(net->peer, sockaddr + 4, 4);
	} else {
		__builtin_memcpy(net->peer, sockaddr + 8, 16);
	}
}

/* Gives a record without bytes: what `net` has, with its head. */
static __noinline int tell(struct rec_net *net, __u16 type, __u64 floor)
{
	struct rec_net *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);

	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	if (net)
		__builtin_memcpy(rec, net, sizeof(*rec));
	rec->type = type;
	rec->flags = 0;
	rec->len = 0;
	rec->floor = floor;
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return 0;
}

/* The socket behind a descriptor of the current process. */
static __always_inline void *sock_of(__s32 fd, __u64 *inode)
{
	struct task_struct *task = current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files;
	struct file *file = 0;
	struct socket *socket;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	*inode = BPF_CORE_READ(file, f_inode, i_ino);
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void finish(void *sk, struct rec_net *note, __u64 floor)
{
	__u64 key = (__u64)sk;
	struct tcp_sock *tcp = sk;

	fill_sock(note, sk);
	/* What waits to be sent was taken from the program as well. */
	note->tx = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans) +
		   (__u32)(BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_nxt));
	/* The kernel counts the peer's FIN as a byte. */
	note->rx = BPF_CORE_READ(tcp, bytes_received) - (BPF_CORE_READ((struct sock___net *)sk, __sk_common.skc_flags) >> SOCK_DONE & 1);
	count(COUNT_SEEN, 1);
	tell(note, REC_NET_CLOSE, floor);
	bpf_map_delete_elem(&socks, &key);
	bpf_map_delete_elem(&hellos, &key);
}

SEC("tp_btf/inet_sock_set_state")
int net_state(__u64 *ctx)
{
	struct sock *sock = (void *)ctx[0];
	int from = ctx[1];
	int to = ctx[2];
	struct sock___net *sk = (void *)sock;
	__u64 key = (__u64)sock;
	__u64 floor = bpf_ktime_get_boot_ns();
	struct scope_key process;
	struct rec_net *note;
	struct call *call;
	__u64 thread;
	int error;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP || scope_closed)
		return 0;
	if (to == TCP_SYN_SENT || to == TCP_LISTEN) {
		if (!in_scope(&process))
			return 0;
		/* From here on the socket has a cookie. */
		bpf_get_socket_cookie(sock);
		note = scratch_net();
		if (!note)
			return 0;
		fill_current((struct rec_head *)note, 0, floor);
		fill_sock(note, sk);
		note->began = floor;
		count(COUNT_SEEN, 1);
		if (to == TCP_LISTEN) {
			note->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
			tell(note, REC_NET_LISTEN, floor);
			return 0;
		}
		note->state = NET_PENDING;
		bpf_map_delete_elem(&hellos, &key);
		if (bpf_map_update_elem(&socks, &key, note, BPF_ANY))
			count(COUNT_LOST_LIMIT, 1);
		thread = bpf_get_current_pid_tgid();
		call = bpf_map_lookup_elem(&calls, &thread);
		if (call)
			call->states = 1;
		return 0;
	}
	if (from == TCP_SYN_RECV && to == TCP_ESTABLISHED) {
		/* Whoever accepts it is not known yet. */
		bpf_get_socket_cookie(sock);
		return 0;
	}
	note = bpf_map_lookup_elem(&socks, &key);
	if (!note)
		return 0;
	if (from == TCP_SYN_SENT && to == TCP_ESTABLISHED) {
		fill_sock(note, sk);
		note->established = floor;
		note->state = NET_OPEN;
		tell(note, REC_NET_CONNECT, floor);
		return 0;
	}
	if (note->state == NET_PENDING && to == TCP_CLOSE) {
		error = BPF_CORE_READ(sk, sk_err);
		thread = bpf_get_current_pid_tgid();
		call = bpf_map_lookup_elem(&calls, &thread);
		/* The system call that is under way will say why. */
		if (!error && call && call->states) {
			call->states = 2;
			return 0;
		}
		note->error = error;
		tell(note, REC_NET_CONNECT, floor);
		note->state = NET_FAILED;
		return 0;
	}
	if (note->state != NET_OPEN)
		return 0;
	/* Closed for good: both ways by the program, or by the peer. */
	if (to == TCP_CLOSE || ((to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK) && (BPF_CORE_READ(sk, sk_shutdown) & SHUTDOWN_MASK) == SHUTDOWN_MASK))
		finish(sk, note, floor);
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

static __always_inline struct call *new_call(__s32 fd)
{
	__u32 zero = 0;
	struct call *call = bpf_map_lookup_elem(&fresh_call, &zero);

	if (!call)
		return 0;
	__builtin_memset(call, 0, sizeof(*call));
	call->fd = fd;
	call->began = bpf_ktime_get_boot_ns();
	return call;
}

SEC("tp/syscalls/sys_enter_connect")
int connect_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u64 address = ctx->args[1];
	__u64 length = ctx->args[2];
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope_key process;
	struct call *call;

	if (!in_scope(&process))
		return 0;
	call = new_call(fd);
	if (!call)
		return 0;
	BOUND(length, ADDRESS_MAX);
	call->length = length;
	if (bpf_probe_read_user(call->sockaddr, length, (void *)address))
		return 0;
	bpf_map_update_elem(&calls, &thread, call, BPF_ANY);
	return 0;
}

SEC("tp/syscalls/sys_exit_connect")
int connect_exit(struct sys_exit *ctx)
{
	__s64 ret = ctx->ret;
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 floor = bpf_ktime_get_boot_ns();
	struct call *call = bpf_map_lookup_elem(&calls, &thread);
	struct scope_key process;
	struct rec_net *note, *rec, *said;
	__u64 inode = 0, key, n;
	__u32 states;
	void *sk;

	if (!call)
		return 0;
	if (!in_scope(&process))
		goto out;
	sk = sock_of(call->fd, &inode);
	if (!sk)
		goto out;
	key = (__u64)sk;
	states = call->states;
	if (BPF_CORE_READ((struct sock___net *)sk, sk_protocol) == IPPROTO_TCP) {
		if (ret >= 0 || ret == -EINPROGRESS || ret == -EALREADY || ret == -EISCONN || ret <= -512)
			goto out;
		said = bpf_map_lookup_elem(&socks, &key);
		if (said && said->state == NET_FAILED) {
			bpf_map_delete_elem(&socks, &key);
			goto out;
		}
		if (states == 1)
			goto out;
		if (states == 2)
			bpf_map_delete_elem(&socks, &key);
	}
	note = scratch_net();
	if (!note)
		goto out;
	/* AF_UNSPEC takes a connection back. */
	if (*(__u16 *)call->sockaddr == 0)
		goto out;
	if (states != 2)
		count(COUNT_SEEN, 1);
	fill_current((struct rec_head *)note, 0, floor);
	fill_sock(note, sk);
	fill_peer(note, call->sockaddr);
	note->inode = inode;
	note->began = call->began;
	note->established = floor;
	note->error = ret < 0 ? -ret : 0;
	if (note->family != AF_UNIX) {
		tell(note, REC_NET_CONNECT, floor);
		goto out;
	}
	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + ADDRESS_MAX, 0);
	if (!rec) {
		count(COUNT_LOST_RING, 1);
		goto out;
	}
	__builtin_memcpy(rec, note, sizeof(*rec));
	__builtin_memcpy(rec->data, call->sockaddr, ADDRESS_MAX);
	rec->type = REC_NET_CONNECT;
	n = call->length;
	rec->len = n;
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
out:
	bpf_map_delete_elem(&calls, &thread);
	return 0;
}

/* The name of the socket itself, as bind(2) was given it. */
static __noinline int tell_unix(struct rec_net *note, void *sk, __u16 type)
{
	struct unix_sock *unix_sk = sk;
	struct unix_address *address = BPF_CORE_READ(unix_sk, addr);
	struct rec_net *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + ADDRESS_MAX, 0);
	__u64 n = 0;

	if (!rec) {
		count(COUNT_LOST_RING, 1);
		return 0;
	}
	if (note)
		__builtin_memcpy(rec, note, sizeof(*rec));
	rec->type = type;
	rec->len = 0;
	if (address) {
		n = BPF_CORE_READ(address, len);
		BOUND(n, ADDRESS_MAX);
		if (bpf_core_read(rec->data, n, &address->name[0]) == 0)
			rec->len = n;
	}
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return 0;
}

static __always_inline int accepted(__s64 ret)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct scope_key process;
	struct rec_net *note;
	__u64 inode = 0, key;
	void *sk;

	if (ret < 0 || !in_scope(&process))
		return 0;
	sk = sock_of(ret, &inode);
	note = sk ? scratch_net() : 0;
	if (!note)
		return 0;
	key = (__u64)sk;
	fill_current((struct rec_head *)note, 0, floor);
	fill_sock(note, sk);
	note->inode = inode;
	note->began = floor;
	note->established = floor;
	note->state = NET_OPEN;
	count(COUNT_SEEN, 1);
	if (note->family == AF_UNIX) {
		tell_unix(note, sk, REC_NET_ACCEPT);
		return 0;
	}
	tell(note, REC_NET_ACCEPT, floor);
	if (note->protocol == IPPROTO_TCP)
		bpf_map_update_elem(&socks, &key, note, BPF_ANY);
	return 0;
}

SEC("tp/syscalls/sys_exit_accept")
int accept_exit(struct sys_exit *ctx)
{
	return accepted(ctx->ret);
}

SEC("tp/syscalls/sys_exit_accept4")
int accept4_exit(struct sys_exit *ctx)
{
	return accepted(ctx->ret);
}

/* TCP says it by its state. */
SEC("tp/syscalls/sys_enter_listen")
int listen_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u32 backlog = ctx->args[1];
	__u64 floor = bpf_ktime_get_boot_ns();
	struct scope_key process;
	struct rec_net *note;
	__u64 inode = 0;
	void *sk;

	if (!in_scope(&process))
		return 0;
	sk = sock_of(fd, &inode);
	if (!sk || BPF_CORE_READ((struct sock___net *)sk, __sk_common.skc_family) != AF_UNIX)
		return 0;
	note = scratch_net();
	if (!note)
		return 0;
	fill_current((struct rec_head *)note, 0, floor);
	fill_sock(note, sk);
	note->inode = inode;
	note->backlog = backlog;
	count(COUNT_SEEN, 1);
	tell_unix(note, sk, REC_NET_LISTEN);
	return 0;
}

/* Bytes of the current process, in a record that is as long as they are. */
static __always_inline int tell_bytes(struct rec_net *note, __u16 type, __u64 at, __u64 length, const __u32 room)
{
	struct rec_net *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + room, 0);
	__u64 n = length;

	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return 0;
	}
	__builtin_memcpy(rec, note, sizeof(*rec));
	rec->type = type;
	rec->full = length;
	rec->len = 0;
	BOUND(n, room);
	if (bpf_probe_read_user(rec->data, n, (void *)at) == 0)
		rec->len = n;
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return 0;
}

static __noinline int tell_piece(struct rec_net *note, __u64 type, __u64 at, __u64 length)
{
	if (!note)
		return 0;
	if (length <= PIECE_SHORT)
		return tell_bytes(note, type, at, length, PIECE_SHORT);
	return tell_bytes(note, type, at, length, PIECE_LONG);
}

static __always_inline bool is_dns_address(__u64 address, __u8 *sockaddr)
{
	return address && !bpf_probe_read_user(sockaddr, 28, (void *)address) && sockaddr[2] == 0 && sockaddr[3] == DNS_PORT &&
	       (*(__u16 *)sockaddr == AF_INET || *(__u16 *)sockaddr == AF_INET6);
}

struct out {
	__u64 at;
	__u64 length;
	__u64 address;
	__s32 fd;
	__u32 received;
};

/* A hello may begin anywhere in a connection (a proxy, STARTTLS); its first bytes alone only at the start of one. */
static __always_inline bool begins_hello(const __u8 *head, __u64 length, void *sk)
{
	struct tcp_sock *tcp = sk;

	if (head[0] != 22 || (length > 1 && head[1] != 3))
		return false;
	if (length > 5)
		return head[5] == 1;
	return BPF_CORE_READ(tcp, bytes_sent) == 0 && BPF_CORE_READ(tcp, write_seq) == BPF_CORE_READ(tcp, snd_nxt);
}

/* Bytes of the message and the records around it. */
static __always_inline __u32 hello_length(const __u8 *head, __u64 length)
{
	__u32 record, message;

	if (length < 5)
		return PIECE_LONG;
	record = (__u32)head[3] << 8 | head[4];
	if (length < 9 || !record)
		return record + 5;
	message = ((__u32)head[6] << 16 | (__u32)head[7] << 8 | head[8]) + 4;
	if (message > 65536)
		return record + 5;
	return message + 5 * ((message + record - 1) / record);
}

/* What is sent, or was received, on a socket: worth telling when it is DNS or begins TLS. */
static __noinline int look_at(struct out *out)
{
	__u8 sockaddr[28] = {};
	__u8 head[9] = {};
	struct hello *hello, begin = {};
	struct sock___net *sk;
	struct rec_net *note;
	__u64 inode = 0, key, n;
	__u64 floor = bpf_ktime_get_boot_ns();
	bool dns, named;

	if (!out || !out->length)
		return 0;
	sk = sock_of(out->fd, &inode);
	if (!sk)
		return 0;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET && BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET6)
		return 0;
	dns = BPF_CORE_READ(sk, __sk_common.skc_dport) == __builtin_bswap16(DNS_PORT);
	named = !dns && is_dns_address(out->address, sockaddr);
	key = (__u64)sk;
	hello = 0;
	if (!dns && !named) {
		if (out->received || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
			return 0;
		hello = bpf_map_lookup_elem(&hellos, &key);
		if (!hello) {
			n = out->length;
			BOUND(n, sizeof(head));
			if (bpf_probe_read_user(head, n, (void *)out->at) || !begins_hello(head, out->length, sk))
				return 0;
			begin.wanted = hello_length(head, out->length);
			bpf_map_update_elem(&hellos, &key, &begin, BPF_ANY);
			hello = bpf_map_lookup_elem(&hellos, &key);
			if (!hello)
				return 0;
		}
	}
	note = scratch_net();
	if (!note)
		return 0;
	fill_current((struct rec_head *)note, 0, floor);
	fill_sock(note, sk);
	if (named)
		fill_peer(note, sockaddr);
	note->inode = inode;
	note->received = out->received;
	if (!hello) {
		tell_piece(note, REC_NET_DNS, out->at, out->length);
		return 0;
	}
	note->offset = hello->got;
	tell_piece(note, REC_NET_HELLO, out->at, out->length);
	hello->got += out->length;
	hello->pieces++;
	if (hello->got >= hello->wanted || hello->pieces >= HELLO_PIECES)
		bpf_map_delete_elem(&hellos, &key);
	return 0;
}

static __always_inline void look_at_iov(struct out *out, __u64 iov, __u64 vectors)
{
	struct user_iovec each;

	for (__u32 i = 0; i < IOVECS; i++) {
		if (i >= vectors || bpf_probe_read_user(&each, sizeof(each), (void *)(iov + i * sizeof(each))))
			break;
		out->at = each.base;
		out->length = each.len;
		look_at(out);
	}
}

static __always_inline void look_at_message(struct out *out, __u64 at)
{
	struct user_msghdr msg;

	if (bpf_probe_read_user(&msg, sizeof(msg), (void *)at))
		return;
	out->address = msg.name;
	look_at_iov(out, msg.iov, msg.iovlen);
}

SEC("tp/syscalls/sys_enter_write")
int write_enter(struct sys_enter *ctx)
{
	struct out out = { .fd = ctx->args[0], .at = ctx->args[1], .length = ctx->args[2] };
	struct scope_key process;

	if (in_scope(&process))
		look_at(&out);
	return 0;
}

SEC("tp/syscalls/sys_enter_sendto")
int sendto_enter(struct sys_enter *ctx)
{
	struct out out = { .fd = ctx->args[0], .at = ctx->args[1], .length = ctx->args[2], .address = ctx->args[4] };
	struct scope_key process;

	if (in_scope(&process))
		look_at(&out);
	return 0;
}

SEC("tp/syscalls/sys_enter_writev")
int writev_enter(struct sys_enter *ctx)
{
	struct out out = { .fd = ctx->args[0] };
	__u64 iov = ctx->args[1];
	__u64 vectors = ctx->args[2];
	struct scope_key process;

	if (in_scope(&process))
		look_at_iov(&out, iov, vectors);
	return 0;
}

SEC("tp/syscalls/sys_enter_sendmsg")
int sendmsg_enter(struct sys_enter *ctx)
{
	struct out out = { .fd = ctx->args[0] };
	__u64 message = ctx->args[1];
	struct scope_key process;

	if (in_scope(&process))
		look_at_message(&out, message);
	return 0;
}

SEC("tp/syscalls/sys_enter_sendmmsg")
int sendmmsg_enter(struct sys_enter *ctx)
{
	struct out out = { .fd = ctx->args[0] };
	__u64 messages = ctx->args[1];
	__u64 many = ctx->args[2];
	struct user_mmsghdr each;
	struct user_iovec first;
	struct scope_key process;

	if (!in_scope(&process))
		return 0;
	/* The first piece of each: DNS of one message is in one. */
	for (__u32 i = 0; i < MESSAGES; i++) {
		if (i >= many || bpf_probe_read_user(&each, sizeof(each), (void *)(messages + i * sizeof(each))) || !each.msg.iovlen ||
		    bpf_probe_read_user(&first, sizeof(first), (void *)each.msg.iov))
			break;
		out.address = each.msg.name;
		out.at = first.base;
		out.length = first.len;
		look_at(&out);
	}
	return 0;
}

/* A receive that may bring an answer of DNS: its buffer is remembered. */
static __always_inline int receive(__s32 fd, __u64 buffer, __u64 address)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct scope_key process;
	struct sock___net *sk;
	struct call *call;
	__u64 inode = 0;
	__u16 family, port;

	if (!in_scope(&process))
		return 0;
	sk = sock_of(fd, &inode);
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6)
		return 0;
	port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	/* Connected to DNS; or to nobody, so that the sender is told with the bytes. */
	if (port != __builtin_bswap16(DNS_PORT) && (port || BPF_CORE_READ(sk, sk_type) != SOCK_DGRAM || !address))
		return 0;
	call = new_call(fd);
	if (!call)
		return 0;
	call->buffer = buffer;
	call->address = address;
	bpf_map_update_elem(&calls, &thread, call, BPF_ANY);
	return 0;
}

static __always_inline int received(__s64 ret, __u32 kind)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &thread);
	struct out out = { .received = 1 };
	struct scope_key process;
	struct user_mmsghdr each;
	struct user_iovec first;
	__u64 buffer, size = kind == 2 ? sizeof(struct user_mmsghdr) : sizeof(struct user_msghdr);

	if (!call)
		return 0;
	buffer = call->buffer;
	out.fd = call->fd;
	out.address = call->address;
	bpf_map_delete_elem(&calls, &thread);
	if (ret <= 0 || !buffer || !in_scope(&process))
		return 0;
	if (kind == 0) {
		out.at = buffer;
		out.length = ret;
		look_at(&out);
		return 0;
	}
	for (int i = 0; i < MESSAGES; i++) {
		if (i >= (kind == 2 ? ret : 1) || bpf_probe_read_user(&each, size, (void *)(buffer + i * sizeof(each))) ||
		    !each.msg.iovlen || bpf_probe_read_user(&first, sizeof(first), (void *)each.msg.iov))
			break;
		out.address = each.msg.name;
		out.at = first.base;
		out.length = kind == 2 ? each.len : (__u64)ret;
		if (out.length > first.len)
			out.length = first.len;
		look_at(&out);
	}
	return 0;
}

SEC("tp/syscalls/sys_enter_read")
int read_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u64 buffer = ctx->args[1];

	return receive(fd, buffer, 0);
}

SEC("tp/syscalls/sys_exit_read")
int read_exit(struct sys_exit *ctx)
{
	return received(ctx->ret, 0);
}

SEC("tp/syscalls/sys_enter_recvfrom")
int recvfrom_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u64 buffer = ctx->args[1];
	__u64 address = ctx->args[4];

	return receive(fd, buffer, address);
}

SEC("tp/syscalls/sys_exit_recvfrom")
int recvfrom_exit(struct sys_exit *ctx)
{
	return received(ctx->ret, 0);
}

SEC("tp/syscalls/sys_enter_recvmsg")
int recvmsg_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u64 message = ctx->args[1];

	return receive(fd, message, message);
}

SEC("tp/syscalls/sys_exit_recvmsg")
int recvmsg_exit(struct sys_exit *ctx)
{
	return received(ctx->ret, 1);
}

SEC("tp/syscalls/sys_enter_recvmmsg")
int recvmmsg_enter(struct sys_enter *ctx)
{
	__s32 fd = ctx->args[0];
	__u64 messages = ctx->args[1];

	return receive(fd, messages, messages);
}

SEC("tp/syscalls/sys_exit_recvmmsg")
int recvmmsg_exit(struct sys_exit *ctx)
{
	return received(ctx->ret, 2);
}

/* A type reaches the BTF, from which the decoders are made, only through a variable. These take no part in anything. */
#define KEEP(kind, name) kind name *keep_##name __attribute__((unused))
KEEP(const struct, rec_net);
enum net_state keep_net_state __attribute__((unused));
