/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The bytes of library calls: the notes that entries leave for returns, and the records that are made of a call.
 */
#ifndef TRACER_SSL_DATA_H
#define TRACER_SSL_DATA_H

#include "ssl-socket.h"

/* Bytes that one record carries at most: one of the room sizes below. Smaller for a small ring. */
const volatile __u32 max_chunk = 65536;
/* Bytes of one call that are copied; the rest is only counted. 0: all. */
const volatile __u32 max_call_bytes = 0;

/* A retprobe sees the stack pointer behind the return address that the entry saw. */
#if defined(__TARGET_ARCH_x86)
#define STACK_AT_ENTRY(ctx) (PT_REGS_SP(ctx) - 8)
#else
#define STACK_AT_ENTRY(ctx) PT_REGS_SP(ctx)
#endif

struct call_key {
	__u64 thread;
	__u64 stack;
};

struct call {
	__u64 ssl;
	__u64 buffer;
	__u64 taken; /* where the library writes how much it took, for those functions that do */
	__u64 since;
	struct scope_key process;
	__u64 before; /* early data: the session's position at entry */
	__u8 function;
	__u8 direction;
	__u8 library;
	__u8 pad[5];
	/* While records are made of it: */
	__u64 until;
	__u32 bytes;
	__u32 done;
	__u32 small_until; /* a copy failed: page by page up to here */
	/*
	 * The next record: bytes copied, and bytes that it stands for. They go through memory so that the verifier forgets
	 * by which way they were found, and looks at what follows once.
	 */
	__u32 length;
	__u32 total;
	__u32 whole; /* bytes of all its buffers, of which this is one */
	/* A TLS record of an AEAD (ssl-aead.h): how long the plaintext is, and what the nonce and the AAD say. */
	__u64 record_bytes;
	__u64 sequence;
	__u32 salt;
	__u8 tls12_type; /* 0: TLS 1.3, whose type stands in the plaintext */
	__u8 pad3[3];
};

/*
 * The notes of a thread stay in the table until it ends: to write into one that is there takes no lock and no search for
 * room, which is a third of what an entry and a return cost. One function that calls another of these takes the second.
 */
struct thread_calls {
	__u64 stack[2]; /* of the call that is going on; 0: none */
	struct call call[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct thread_calls);
} calls SEC(".maps");

/* What a new thread begins with: too large for the stack of a program. Never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct thread_calls);
} no_calls SEC(".maps");

/*
 * For calls that nest deeper, for the next call of a thread that jumped out of others, and for threads beyond the first
 * table: it forgets the oldest.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct call_key);
	__type(value, struct call);
} spare_calls SEC(".maps");

static __always_inline struct call *find_call(struct call_key *key)
{
	struct thread_calls *thread = bpf_map_lookup_elem(&calls, &key->thread);

	if (thread && thread->stack[0] == key->stack)
		return &thread->call[0];
	if (thread && thread->stack[1] == key->stack)
		return &thread->call[1];
	return bpf_map_lookup_elem(&spare_calls, key);
}

static __always_inline struct thread_calls *calls_of_thread(__u64 thread)
{
	struct thread_calls *found = bpf_map_lookup_elem(&calls, &thread);
	struct thread_calls *none;
	__u32 zero = 0;

	if (found)
		return found;
	none = bpf_map_lookup_elem(&no_calls, &zero);
	if (none)
		bpf_map_update_elem(&calls, &thread, none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&calls, &thread);
}

static __always_inline void note_call(struct call_key *key, struct call *call)
{
	struct thread_calls *thread = calls_of_thread(key->thread);

	call->since = bpf_ktime_get_boot_ns();
	call->until = call->since;
	if (thread && (thread->stack[0] == key->stack || !thread->stack[0])) {
		thread->stack[0] = key->stack;
		thread->call[0] = *call;
	} else if (thread && (thread->stack[1] == key->stack || !thread->stack[1])) {
		thread->stack[1] = key->stack;
		thread->call[1] = *call;
	} else {
		bpf_map_update_elem(&spare_calls, key, call, BPF_ANY);
	}
}

static __always_inline void forget_call(struct call_key *key)
{
	struct thread_calls *thread = bpf_map_lookup_elem(&calls, &key->thread);

	if (thread && thread->stack[0] == key->stack)
		thread->stack[0] = 0;
	else if (thread && thread->stack[1] == key->stack)
		thread->stack[1] = 0;
	else
		bpf_map_delete_elem(&spare_calls, key);
}

static __always_inline void forget_thread(struct task_struct *task)
{
	__u64 thread = (__u64)BPF_CORE_READ(task, tgid) << 32 | (__u32)BPF_CORE_READ(task, pid);

	bpf_map_delete_elem(&calls, &thread);
}

/*
 * How many of `n` bytes end with a whole UTF-8 character, when more bytes follow. A character has at most 4 bytes, so
 * the last 3 decide: a lead byte there that wants more than what is left belongs to the next record.
 */
static __always_inline __u32 cut_at_character(__u64 from, __u32 n)
{
	__u8 tail[3] = {};

	if (n < 4 || bpf_probe_read_user(tail, sizeof(tail), (void *)(from + n - 3)))
		return n;
	if (tail[2] >= 0xc0)
		return n - 1;
	if (tail[2] >= 0x80 && tail[1] >= 0xe0)
		return n - 2;
	if (tail[2] >= 0x80 && tail[1] >= 0x80 && tail[1] < 0xc0 && tail[0] >= 0xf0)
		return n - 3;
	return n;
}

enum emitted { EMIT_OK = 0, EMIT_NO_ROOM = 1, EMIT_NO_BYTES = 2 };

/* One record with the room of `room` bytes. Both `length` and `room` are at most 64 KiB. */
static __always_inline enum emitted emit_in(const __u32 room, struct rec_head *who, struct call *call,
					    struct rec_session *session, __u64 from, __u32 length, __u32 total)
{
	struct rec_ssl_data *rec;
	__u64 n = length; /* 64 bits: the verifier keeps a bound on the whole register that the helper gets */

	rec = bpf_ringbuf_reserve(&ring, sizeof(*rec) + room, 0);
	if (!rec)
		return EMIT_NO_ROOM;
	BOUND(n, room);
	if (bpf_probe_read_user(rec->data, n, (void *)from)) {
		bpf_ringbuf_discard(rec, BPF_RB_NO_WAKEUP);
		return EMIT_NO_BYTES;
	}
	__builtin_memcpy(rec, who, sizeof(*who));
	rec->len = n;
	rec->ssl = call->ssl;
	rec->session = session->id;
	rec->offset = session->offset[call->direction & 1];
	rec->call = session->calls[call->direction & 1] * 2 + (call->direction & 1);
	rec->latency = call->until - call->since;
	rec->call_bytes = call->whole;
	rec->total = total;
	rec->fd = session->fd;
	rec->direction = call->direction;
	rec->function = call->function;
	rec->role = session->role;
	rec->from_start = session->from_start;
	rec->library = session->library;
	__builtin_memcpy(rec->lost, session->lost, sizeof(rec->lost));
	__builtin_memcpy(rec->lost_bytes, session->lost_bytes, sizeof(rec->lost_bytes));
	rec->ts = bpf_ktime_get_boot_ns();
	ring_submit(rec);
	return EMIT_OK;
}

/*
 * Reservations are of fixed size, so there is one for each of these rooms: at most a third of one is wasted, and what
 * people send most (small messages, 4 KiB, 8 KiB and 16 KiB buffers, TLS records) fits.
 */
#define ROOMS(X) X(128) X(256) X(512) X(1024) X(1536) X(2304) X(3072) X(4096) X(6144) X(8192) X(12288) X(16384) X(24576) \
	X(32768) X(49152) X(65536)

static __always_inline enum emitted emit(struct rec_head *who, struct call *call, struct rec_session *session)
{
	__u64 from = call->buffer + call->done;
	__u32 n = *(volatile __u32 *)&call->length;
	__u32 total = *(volatile __u32 *)&call->total;

	/* The room is at most half as much again. */
	if (!ring_has_room_for_data(sizeof(struct rec_ssl_data) + n + n / 2))
		return EMIT_NO_ROOM;
#define EMIT_IN(room)                                                                                                  \
	if (n <= room)                                                                                                 \
		return emit_in(room, who, call, session, from, n, total);
	ROOMS(EMIT_IN)
	return EMIT_NO_ROOM;
}

/* The next record of a call. True when the call is done. */
static __always_inline bool emit_piece(struct call *call, struct rec_session *session, __u64 floor)
{
	struct rec_head who;
	__u32 left, captured_left, n, total;
	enum emitted outcome;
	__u64 from;

	left = call->bytes - call->done;
	from = call->buffer + call->done;
	captured_left = left;
	if (max_call_bytes) {
		captured_left = call->done < max_call_bytes ? max_call_bytes - call->done : 0;
		if (captured_left > left)
			captured_left = left;
	}
	n = captured_left;
	if (n > max_chunk)
		n = max_chunk;
	/* A page that is not there was met: go by pages, so that only it is lost. */
	if (call->done < call->small_until) {
		__u32 page = 4096 - (from & 4095);

		if (n > page)
			n = page;
	}
	if (n < left)
		n = cut_at_character(from, n);
	total = n;
	/* --max-bytes: the last record stands for the rest of the call, too. */
	if (max_call_bytes && n == captured_left)
		total = left;

	*(volatile __u32 *)&call->length = n;
	*(volatile __u32 *)&call->total = total;

	fill_current(&who, REC_SSL_DATA, floor);
	outcome = emit(&who, call, session);
	n = *(volatile __u32 *)&call->length;
	total = *(volatile __u32 *)&call->total;
	from = call->buffer + call->done;
	if (outcome == EMIT_NO_BYTES && call->buffer && n > 4096 - (from & 4095)) {
		call->small_until = call->done + n;
		return false;
	}
	count(COUNT_SEEN, 1);
	if (outcome == EMIT_NO_ROOM)
		lose(session, LOST_RING, COUNT_LOST_RING, total);
	else if (outcome == EMIT_NO_BYTES)
		lose(session, LOST_COPY, COUNT_LOST_COPY, total);
	session->offset[call->direction & 1] += total;
	call->done += total;
	return call->done >= call->bytes;
}

/*
 * All pieces but the first. A global function, so that the verifier looks at it once and not in each turn of the loop
 * (and so it takes scalars only: kernels before 5.12 know no other arguments).
 */
__noinline int emit_next(__u64 thread, __u64 stack)
{
	struct call_key key = { .thread = thread, .stack = stack };
	struct call *call = find_call(&key);
	struct rec_session *session;

	if (!call)
		return 1;
	session = find_session(&call->process, call->ssl);
	if (!session)
		return 1;
	return emit_piece(call, session, bpf_ktime_get_boot_ns());
}

/* 16 MiB in 64 KiB pieces are 257; the rest is for pages one by one. Two loops, so that the verifier has few turns to look at. */
#define RECORDS_PER_TURN 32
#define TURNS_PER_CALL 32

__noinline int emit_more(__u64 thread, __u64 stack)
{
	for (int i = 0; i < RECORDS_PER_TURN; i++)
		if (emit_next(thread, stack))
			return 1;
	return 0;
}

/*
 * What a record has more than its plaintext: the tag and, in TLS 1.3, the type, or, in TLS 1.2 with AES-GCM, a part of the
 * nonce. Ciphers before AEADs pad: they are not understood.
 */
static __always_inline bool is_sealed(__u64 sealed, __u64 bytes, __u64 records)
{
	return sealed == bytes + 17 * records || sealed == bytes + 24 * records || sealed == bytes + 16 * records;
}

/* Says which socket carries a session, when it is known by now. Else the bytes are kept, to be known again when they are sent. */
static __noinline void learn_socket(struct rec_session *session, __u64 ssl, __u64 bytes, __u8 direction)
{
	struct thread_io *io;

	if (session->fd >= 0) {
		session->socket_told = 1;
		tell_socket(ssl, session->id, session->fd, SOCKET_BY_DESCRIPTOR, session->library);
		return;
	}
	io = io_of_thread();
	if (!io)
		return;
	if (io->inside == ssl && io->nested >= 0) {
		session->socket_told = 1;
		tell_socket(ssl, session->id, io->nested, SOCKET_BY_CALL, session->library);
	} else if (direction == SSL_WRITE) {
		io->wrote = io->wrote_ssl == ssl ? io->wrote + bytes : bytes;
		io->wrote_ssl = ssl;
		io->wrote_since = bpf_ktime_get_boot_ns();
	} else if (io->received >= 0 && (is_sealed(io->lengths[0], bytes, 1) || is_sealed(io->lengths[1], bytes, 1) ||
					 is_sealed(io->lengths[2], bytes, 1) || is_sealed(io->lengths[3], bytes, 1))) {
		session->socket_told = 1;
		tell_socket(ssl, session->id, io->received, SOCKET_BY_LENGTH, session->library);
	}
}

/* A call of a library begins, on this thread: what system calls come until its end are its own. */
static __always_inline void begin_nest(struct scope_key *process, __u64 ssl)
{
	struct rec_session *session;
	struct thread_io *io;

	if (!sockets_watched)
		return;
	session = find_session(process, ssl);
	if (session && session->socket_told)
		return;
	io = io_of_thread();
	if (!io)
		return;
	io->inside = ssl;
	io->nested = -1;
}

static __always_inline void end_nest(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct thread_io *io;

	if (!sockets_watched)
		return;
	io = bpf_map_lookup_elem(&thread_io, &thread);
	if (io)
		io->inside = 0;
}

static __always_inline void take_bytes(struct call *call, struct call_key *key, __u64 bytes)
{
	struct rec_session *session = find_session(&call->process, call->ssl);

	if (!session)
		session = make_session(&call->process, call->ssl, 0, call->library);
	if (!session) {
		/* The table of sessions is full. */
		count(COUNT_SEEN, 1);
		count(COUNT_LOST_LIMIT, 1);
		return;
	}
	if (!session->socket_told && session->library != LIBRARY_RUSTLS && (session->fd >= 0 || sockets_watched))
		learn_socket(session, call->ssl, bytes, call->direction);
	/* Early data goes through another function of these, which has reported it already. */
	if ((call->function == SSL_FN_READ_EARLY || call->function == SSL_FN_WRITE_EARLY) &&
	    session->offset[call->direction & 1] - call->before >= bytes)
		return;
	call->bytes = bytes > 0xffffffff ? 0xffffffff : bytes;
	call->whole = call->bytes;
	call->done = 0;
	call->small_until = 0;
	session->calls[call->direction & 1]++;
	if (emit_piece(call, session, call->until))
		return;
	for (int i = 0; i < TURNS_PER_CALL; i++)
		if (emit_more(key->thread, key->stack))
			return;
	/* More than the loop can do: one loss for all that is left. */
	if (call->done < call->bytes) {
		count(COUNT_SEEN, 1);
		lose(session, LOST_LIMIT, COUNT_LOST_LIMIT, call->bytes - call->done);
		session->offset[call->direction & 1] += call->bytes - call->done;
	}
}

/*
 * The same for a program that runs where the bytes are at once, and not at the return: the note is made for it alone. A
 * global function for the reason that emit_next has.
 */
__noinline int take_note(__u64 thread, __u64 stack, __u64 bytes)
{
	struct call_key key = { .thread = thread, .stack = stack };
	struct call *call = find_call(&key);

	if (call)
		take_bytes(call, &key, bytes);
	return 0;
}

#endif
