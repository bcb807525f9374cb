/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * TLS sessions: one for each session object of a library in a life of a process, with the positions in both directions
 * and what was lost of it.
 */
#ifndef TRACER_SSL_SESSION_H
#define TRACER_SSL_SESSION_H

#include "scope.h"

struct session_key {
	struct scope_key process;
	__u64 ssl;
};

/*
 * Positions in it are not added to atomically: OpenSSL allows no two calls at once on one session, and the retprobe runs
 * before the caller can let the next one in.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct session_key);
	__type(value, struct rec_session);
} sessions SEC(".maps");

static __always_inline struct rec_session *find_session(struct scope_key *process, __u64 ssl)
{
	struct session_key key = { .process = *process, .ssl = ssl };

	return bpf_map_lookup_elem(&sessions, &key);
}

static __always_inline void tell_session(struct rec_session *session, __u64 ssl, __u16 type)
{
	__u64 floor = bpf_ktime_get_boot_ns();
	struct rec_ssl_session *rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);

	if (!rec) {
		count(COUNT_LOST_OTHER, 1);
		return;
	}
	fill_head((struct rec_head *)rec, type, floor, current_task());
	rec->ssl = ssl;
	rec->session = session->id;
	rec->read_bytes = session->offset[SSL_READ];
	rec->write_bytes = session->offset[SSL_WRITE];
	rec->fd = session->fd;
	rec->role = session->role;
	rec->from_start = session->from_start;
	rec->shutdown = session->shutdown;
	rec->library = session->library;
	rec->session_pad2 = 0;
	__builtin_memcpy(rec->lost, session->lost, sizeof(rec->lost));
	__builtin_memcpy(rec->lost_bytes, session->lost_bytes, sizeof(rec->lost_bytes));
	ring_submit(rec);
}

/* A session object that was not known, or whose address now belongs to a new one. */
static __noinline struct rec_session *make_session(struct scope_key *process, __u64 ssl, __u8 from_start, __u8 library)
{
	struct session_key key = { .process = *process, .ssl = ssl };
	struct rec_session fresh = { .fd = -1, .from_start = from_start, .library = library };
	struct rec_session *session;

	fresh.id = bpf_ktime_get_boot_ns();
	if (bpf_map_update_elem(&sessions, &key, &fresh, BPF_ANY))
		return 0;
	session = bpf_map_lookup_elem(&sessions, &key);
	if (session)
		tell_session(session, ssl, REC_SSL_OPEN);
	return session;
}

static __always_inline void lose(struct rec_session *session, __u32 place, __u32 counter, __u32 bytes)
{
	session->lost[place] += 1;
	session->lost_bytes[place] += bytes;
	count(counter, 1);
}

#endif
