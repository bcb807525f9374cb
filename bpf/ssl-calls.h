/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The system calls by which bytes leave and reach the sockets of watched processes, looked at when they end: then the
 * result is known, and the registers still hold what was asked for. Three things are made of them: a count of TLS, against
 * which the sensor holds the plaintext that it has seen; the socket of a session; and, at chosen ports (--plain), the bytes
 * themselves. Attached only while one of these is needed: it costs every process of the host some 0.1 us a call.
 */
#ifndef TRACER_SSL_CALLS_H
#define TRACER_SSL_CALLS_H

#include "ssl-plain.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct scope_key);
	__type(value, struct rec_tls_traffic);
} tls_traffic SEC(".maps");

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

#endif
