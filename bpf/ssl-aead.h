/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * TLS records where they are sealed and opened, for libraries in which nothing above is stable enough to be probed
 * (rustls on aws-lc or ring). A call says which cipher context it uses, the nonce and the additional data (AAD); not
 * which connection it is for: each direction is a stream of its own, and the sensor joins the two by their socket.
 *
 * RFC 8446, 5.2 and 5.3: the AAD is the record's header; the type is the last byte of the plaintext that is not 0; the
 * nonce is the IV xor the sequence number. RFC 5246, 6.2.3.3: the AAD is sequence number, type, version, length.
 */
#ifndef TRACER_SSL_AEAD_H
#define TRACER_SSL_AEAD_H

#include "ssl-data.h"
#include "ssl-socket.h"

#define TLS_APPLICATION_DATA 23
#define TLS13_AAD_BYTES 5
#define TLS12_AAD_BYTES 13
/* 2^14, what TLS 1.2 allows more, and some. */
#define RECORD_BYTES_MAX 17000
/* More records than this are not believed to be lost at once: the nonce is then none that we understand. */
#define MISSING_MAX (1 << 20)

struct aead_key {
	struct scope_key process;
	__u64 context;
};

/* One key of one connection, one direction. The memory of a context is used again by the next one: `salt` tells. */
struct aead_stream {
	__u64 base; /* last 8 bytes of the nonce for sequence number 0, if the first record seen was that */
	__u64 last;
	__u64 next; /* sequence number that is due */
	__u64 session;
	__u32 salt;
	__u8 joined; /* the first record seen was a later one: `base` is not what it says */
	__u8 voted;
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct aead_key);
	__type(value, struct aead_stream);
} aead_streams SEC(".maps");

/* What nonce and AAD say of a record. False: none of TLS. */
static __always_inline bool record_of(struct call *call, __u64 nonce, __u64 aad, __u64 aad_bytes)
{
	__u8 head[TLS12_AAD_BYTES] = {};
	struct {
		__u32 salt;
		__u32 rest[2];
	} iv;

	if (bpf_probe_read_user(&iv, sizeof(iv), (void *)nonce))
		return false;
	call->salt = iv.salt;
	if (aad_bytes == TLS13_AAD_BYTES) {
		if (bpf_probe_read_user(head, TLS13_AAD_BYTES, (void *)aad) || head[0] != TLS_APPLICATION_DATA || head[1] != 3)
			return false;
		call->tls12_type = 0;
		call->sequence = (__u64)__builtin_bswap32(iv.rest[0]) << 32 | __builtin_bswap32(iv.rest[1]);
		return true;
	}
	if (aad_bytes != TLS12_AAD_BYTES || bpf_probe_read_user(head, TLS12_AAD_BYTES, (void *)aad) || head[9] != 3)
		return false;
	call->tls12_type = head[8];
	call->sequence = 0;
	for (int i = 0; i < 8; i++)
		call->sequence = call->sequence << 8 | head[i];
	return call->tls12_type >= 20 && call->tls12_type <= 24;
}

/*
 * Bytes of application data in the plaintext of a TLS 1.3 record, or -1: the type behind them, and zeros behind it. Padding
 * is rare, so the last byte usually decides. A global function: the verifier looks at the loops once.
 */
__noinline int content_bytes(__u64 buffer, __u64 length)
{
	for (int i = 0; i < RECORD_BYTES_MAX / 64 + 1; i++) {
		__u64 words[8];

		if (length < 64)
			break;
		if (bpf_probe_read_user(words, sizeof(words), (void *)(buffer + length - 64)))
			return -1;
		if (words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7])
			break;
		length -= 64;
	}
	for (int i = 0; i < 64; i++) {
		__u8 byte = 0;

		if (!length || bpf_probe_read_user(&byte, 1, (void *)(buffer + length - 1)))
			return -1;
		length--;
		if (byte)
			return byte == TLS_APPLICATION_DATA ? (int)length : -1;
	}
	return -1;
}

/* EVP_AEAD_CTX_open calls open_gather: the very record that was seen last, by another probe. */
static __always_inline bool seen_already(struct aead_stream *stream, struct call *call)
{
	return call->tls12_type ? call->sequence + 1 == stream->next : call->sequence == stream->last;
}

/* Records between the last one and this that were not seen. */
static __always_inline __u64 missing_before(struct aead_stream *stream, struct call *call)
{
	__u64 n, missing, step;

	if (call->tls12_type) {
		n = call->sequence;
	} else {
		n = call->sequence ^ stream->base;
		/* From one number to the next only the low bits turn: 0111 to 1000. */
		step = call->sequence ^ stream->last;
		if (n != stream->next && !(step & (step + 1)))
			stream->joined = 1;
		stream->last = call->sequence;
		if (stream->joined)
			return !(step & (step + 1)) ? 0 : 1;
	}
	missing = n - stream->next;
	stream->next = n + 1;
	return missing < MISSING_MAX ? missing : 1;
}

/*
 * Bytes of application data in the record of `call`, whose plaintext is at `call->buffer`; 0 when it holds none. Keeps the
 * stream's account, so it is called for every record.
 */
static __always_inline __s64 admit_record(struct call *call)
{
	struct aead_key key = { .process = call->process, .context = call->ssl };
	struct aead_stream *stream = bpf_map_lookup_elem(&aead_streams, &key);
	struct rec_session *session;
	__u64 missing = 0;
	__s64 bytes;

	if (stream && stream->salt == call->salt) {
		if (seen_already(stream, call))
			return 0;
		missing = missing_before(stream, call);
	} else {
		struct aead_stream fresh = { .salt = call->salt, .base = call->sequence, .last = call->sequence };
		struct session_key old = { .process = call->process, .ssl = call->ssl };

		/* TLS 1.2 says the number itself. */
		fresh.next = call->tls12_type ? call->sequence + 1 : 1;
		session = bpf_map_lookup_elem(&sessions, &old);
		if (session) {
			tell_session(session, call->ssl, REC_SSL_CLOSE);
			bpf_map_delete_elem(&sessions, &old);
		}
		bpf_map_update_elem(&aead_streams, &key, &fresh, BPF_ANY);
		stream = bpf_map_lookup_elem(&aead_streams, &key);
	}
	if (call->tls12_type)
		bytes = call->tls12_type == TLS_APPLICATION_DATA ? call->record_bytes : 0;
	else
		bytes = content_bytes(call->buffer, call->record_bytes);
	session = find_session(&call->process, call->ssl);
	if (missing && session) {
		/* How long they were is not known. One byte for each keeps what follows from being joined to what was before. */
		count(COUNT_SEEN, missing);
		session->lost[LOST_COPY] += missing;
		session->lost_bytes[LOST_COPY] += missing;
		count(COUNT_LOST_COPY, missing);
		session->offset[call->direction & 1] += missing;
	}
	if (bytes <= 0 && !(call->direction == SSL_WRITE))
		return 0;
	if (bytes > 0 && !session)
		session = make_session(&call->process, call->ssl, 0, LIBRARY_RUSTLS);
	if (session && stream) {
		stream->session = session->id;
		if (!stream->voted && call->direction == SSL_READ)
			stream->voted = vote_read(call->ssl, session->id);
	}
	if (call->direction == SSL_WRITE && session && stream && !stream->voted)
		expect_send(call->record_bytes, call->ssl, session->id);
	return bytes > 0 ? bytes : 0;
}

/* At the return of a function that opens records. */
static __always_inline __s64 opened_bytes(struct call *call, __u64 result)
{
	if (call->function == RING_FN_OPEN) {
		__u8 failed = 1;

		/* Result<Tag, Unspecified>, through the pointer that the function got. */
		if (bpf_probe_read_user(&failed, 1, (void *)call->taken) || failed)
			return 0;
	} else {
		if ((int)result != 1)
			return 0;
		if (call->taken && bpf_probe_read_user(&call->record_bytes, sizeof(call->record_bytes), (void *)call->taken))
			return 0;
	}
	if (call->record_bytes > RECORD_BYTES_MAX)
		return 0;
	return admit_record(call);
}

/* What a record has besides its plaintext: the tag, and in TLS 1.2 with AES-GCM 8 bytes of the nonce. */
#define TAG_BYTES 16
#define EXPLICIT_NONCE_BYTES 8

#define RECORDS_LOOKED_AT 8
#define VECTORS_LOOKED_AT 8

/* Is the record whose plaintext has `sealed` bytes among the first ones of what is sent? */
__noinline int holds_record(__u64 at, __u64 left, __u32 sealed)
{
	for (int i = 0; i < RECORDS_LOOKED_AT; i++) {
		__u8 head[5] = {};
		__u32 bytes;

		if (left < sizeof(head) || bpf_probe_read_user(head, sizeof(head), (void *)at) || head[0] < 20 ||
		    head[0] > 24 || head[1] != 3)
			return 0;
		bytes = (__u32)head[3] << 8 | head[4];
		if (head[0] == TLS_APPLICATION_DATA &&
		    (bytes == sealed + TAG_BYTES || bytes == sealed + TAG_BYTES + EXPLICIT_NONCE_BYTES))
			return 1;
		bytes += sizeof(head);
		if (left < bytes)
			return 0;
		at += bytes;
		left -= bytes;
	}
	return 0;
}

static __always_inline bool sends_record(__u64 at, __u64 length, bool vectors, __u32 sealed)
{
	if (!vectors)
		return holds_record(at, length, sealed);
	for (__u32 i = 0; i < VECTORS_LOOKED_AT; i++) {
		__u64 vector[2] = {};

		if (i >= length || bpf_probe_read_user(vector, sizeof(vector), (void *)(at + i * sizeof(vector))))
			return false;
		if (holds_record(vector[0], vector[1], sealed))
			return true;
	}
	return false;
}

static __always_inline void saw_send(struct thread_io *io, __s32 fd, __u64 at, __u64 length, bool vectors)
{
	struct aead_key key = { .context = io->ssl };
	struct aead_stream *stream;

	if (!io->ssl || !sends_record(at, length, vectors, io->sealed))
		return;
	if (!in_scope(&key.process) || !tell_socket(io->ssl, io->session, fd, SOCKET_BY_RECORD, LIBRARY_RUSTLS))
		return;
	io->ssl = 0;
	stream = bpf_map_lookup_elem(&aead_streams, &key);
	if (stream)
		stream->voted = 1;
}

#endif
