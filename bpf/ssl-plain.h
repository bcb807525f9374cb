/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* --plain: at chosen ports, the bytes of the system calls themselves are the plaintext. */
#ifndef TRACER_SSL_PLAIN_H
#define TRACER_SSL_PLAIN_H

#include "ssl-transfer.h"

/* The loader sets it when there are ports whose bytes are wanted as they are. */
const volatile bool plain_wanted = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} plain_ports SEC(".maps");

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
