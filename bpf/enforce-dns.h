/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Answers of DNS, read before the socket gets them, so that an entry by name holds for an address before anybody can
 * connect to it. Only answers to questions that were seen, of the resolvers that the guard was told, in its own network
 * namespace: in another one the watched program could answer itself.
 */
#ifndef TRACER_ENFORCE_DNS_H
#define TRACER_ENFORCE_DNS_H

#include "enforce-policy.h"

#define DNS_PORT 53
#define DNS_BYTES 4096
#define DNS_HEADER 12
#define LABELS 128
#define RECORDS 128

/* Servers whose answers count. Empty: all of them (only with a deny-file: a lie can only refuse more). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u8[16]);
	__type(value, __u32);
} resolvers SEC(".maps");

/* Cookie of the guard's network namespace; 0: not known yet. */
volatile __u64 own_netns = 0;

struct question_key {
	__u64 cookie;
	__u32 id;
	__u32 type;
};

struct question {
	__u32 length;
	__u8 name[NAME_MAX + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct question_key);
	__type(value, struct question);
} questions SEC(".maps");

/* Room for a message, one for each direction: a packet that comes in interrupts one that goes out. */
struct dns_scratch {
	__u8 bytes[DNS_BYTES + 256];
	struct question question;
	struct name_key key;
	struct resolved resolved[2][2];
	/* Where reading is. Not on the stack: a verifier that followed these values through a loop would not end. */
	__u32 at;
	__u32 length;
	__u32 ok;
	__u32 label; /* bytes of it that are still to come */
	__u32 lists; /* 2: the answer may open what the allow-file names, 1: it may only refuse */
	__u32 suffix;
	__u32 found;
	__u32 pad;
	struct rec_guard_name told;
};

enum { DNS_OUT = 0, DNS_IN = 1 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct dns_scratch);
} dns_scratch SEC(".maps");

/* What callbacks of bpf_loop get. */
struct dns_reader {
	struct dns_scratch *scratch;
};

#define BYTE(scratch, i) ((scratch)->bytes[(i) & (DNS_BYTES - 1)])

/* The question's name in lower case, as it stands; compression has no place there. */
static long read_question_byte(__u32 i, void *data)
{
	struct dns_scratch *scratch = ((struct dns_reader *)data)->scratch;
	__u32 at = DNS_HEADER + i;
	__u8 byte;

	if (at >= scratch->length || i >= NAME_MAX)
		return 1;
	byte = BYTE(scratch, at);
	if (scratch->label == 0) { /* a length is due */
		if (byte > 63)
			return 1;
		scratch->question.name[i & 255] = byte;
		if (byte == 0) {
			scratch->question.length = i + 1;
			scratch->at = at + 1;
			scratch->ok = 1;
			return 1;
		}
		scratch->label = byte;
		return 0;
	}
	scratch->label--;
	if (byte >= 'A' && byte <= 'Z')
		byte += 'a' - 'A';
	scratch->question.name[i & 255] = byte;
	return 0;
}

/* The header and the one question. `at` is behind it. */
static __always_inline bool read_question(struct dns_scratch *scratch)
{
	struct dns_reader reader = { .scratch = scratch };

	__builtin_memset(scratch->question.name, 0, NAME_MAX + 1);
	scratch->ok = 0;
	scratch->label = 0;
	if (scratch->length < DNS_HEADER + 5 || BYTE(scratch, 4) != 0 || BYTE(scratch, 5) != 1)
		return false;
	bpf_loop(NAME_MAX, read_question_byte, &reader, 0);
	if (!scratch->ok || scratch->at + 4 > scratch->length)
		return false;
	scratch->at += 4;
	return true;
}

static __always_inline void question_key(struct dns_scratch *scratch, struct question_key *key, __u64 cookie)
{
	__u32 at = scratch->at - 4;

	key->cookie = cookie;
	key->id = (__u32)BYTE(scratch, 0) << 8 | BYTE(scratch, 1);
	key->type = (__u32)BYTE(scratch, at) << 8 | BYTE(scratch, at + 1);
}

static __always_inline void add_verdict(struct resolved *to, struct verdict *verdict)
{
	__u32 n = to->count;

	if (n < NAMES_AT_ONCE) {
		to->verdicts[n & (NAMES_AT_ONCE - 1)] = *verdict;
		to->count = n + 1;
	} else {
		count(COUNT_LOST_LIMIT, 1);
	}
}

/* Entries about the name, and about all below a name that it ends with, in both sets and lists. */
static long look_up_suffix(__u32 i, void *data)
{
	struct dns_scratch *scratch = ((struct dns_reader *)data)->scratch;
	__u32 at = scratch->suffix & 255;
	__u32 rest = scratch->question.length - at;
	__u8 size = scratch->question.name[at];

	if (at >= scratch->question.length || size == 0)
		return 1;
	__builtin_memset(scratch->key.name, 0, NAME_MAX);
	BOUND(rest, NAME_MAX);
	bpf_probe_read_kernel(scratch->key.name, rest, scratch->question.name + at);
	for (__u32 set = 0; set < 2; set++)
		for (__u32 list = 0; list < 2; list++) {
			struct verdict *verdict;

			scratch->key.slot = SLOT(set, list, i > 0);
			verdict = bpf_map_lookup_elem(&hosts, &scratch->key);
			if (!verdict)
				continue;
			add_verdict(&scratch->resolved[set][list], verdict);
			scratch->found = 1;
		}
	scratch->suffix = at + 1 + size;
	return 0;
}

static __always_inline bool find_entries(struct dns_scratch *scratch)
{
	struct dns_reader reader = { .scratch = scratch };

	scratch->suffix = 0;
	scratch->found = 0;
	__builtin_memset(scratch->resolved, 0, sizeof(scratch->resolved));
	bpf_loop(LABELS, look_up_suffix, &reader, 0);
	return scratch->found;
}

struct address {
	__u8 bytes[16];
};

/* The entries that an address has already stay: several names may have it. */
__noinline int remember(struct address *given, __u32 set, __u32 list)
{
	/* Looked up here: helpers of kernels before 6.3 do not take a global function's arguments as values. */
	__u32 in = DNS_IN;
	struct dns_scratch *scratch = bpf_map_lookup_elem(&dns_scratch, &in);
	struct resolved_key key = { .slot = SLOT(set & 1, list & 1, 0) };
	struct resolved *mine, *known;

	if (!scratch || !given)
		return 0;
	mine = &scratch->resolved[set & 1][list & 1];
	if (mine->count == 0)
		return 0;
	__builtin_memcpy(key.address, given->bytes, 16);
	known = bpf_map_lookup_elem(&resolved, &key);
	if (!known) {
		bpf_map_update_elem(&resolved, &key, mine, BPF_ANY);
		return 0;
	}
	for (__u32 i = 0; i < NAMES_AT_ONCE; i++) {
		bool there = false;

		if (i >= mine->count)
			break;
		for (__u32 j = 0; j < NAMES_AT_ONCE; j++)
			if (j < known->count && known->verdicts[j].first == mine->verdicts[i].first && known->verdicts[j].count == mine->verdicts[i].count &&
			    known->verdicts[j].entry == mine->verdicts[i].entry)
				there = true;
		if (!there)
			add_verdict(known, &mine->verdicts[i]);
	}
	return 0;
}

/* Behind the owner's name: labels up to 0, or a pointer. */
static long skip_label(__u32 i, void *data)
{
	struct dns_scratch *scratch = ((struct dns_reader *)data)->scratch;
	__u8 size;

	if (scratch->at >= scratch->length)
		return 1;
	size = BYTE(scratch, scratch->at);
	if (size >= 0xc0) {
		scratch->at += 2;
		scratch->ok = 1;
		return 1;
	}
	scratch->at += 1 + size;
	if (size == 0) {
		scratch->ok = 1;
		return 1;
	}
	return 0;
}

static long read_record(__u32 i, void *data)
{
	struct dns_scratch *scratch = ((struct dns_reader *)data)->scratch;
	struct dns_reader reader = { .scratch = scratch };
	struct address address = {};
	__u32 type, size, at, n;

	scratch->ok = 0;
	bpf_loop(LABELS, skip_label, &reader, 0);
	if (!scratch->ok || scratch->at + 10 > scratch->length)
		return 1;
	at = scratch->at;
	type = (__u32)BYTE(scratch, at) << 8 | BYTE(scratch, at + 1);
	size = (__u32)BYTE(scratch, at + 8) << 8 | BYTE(scratch, at + 9);
	at += 10;
	scratch->at = at + size;
	if (scratch->at > scratch->length)
		return 1;
	if (type == 1 && size == 4) {
		address.bytes[10] = 0xff;
		address.bytes[11] = 0xff;
		for (__u32 j = 0; j < 4; j++)
			address.bytes[12 + j] = BYTE(scratch, at + j);
	} else if (type == 28 && size == 16) {
		for (__u32 j = 0; j < 16; j++)
			address.bytes[j] = BYTE(scratch, at + j);
	} else {
		return 0;
	}
	for (__u32 set = 0; set < 2; set++)
		for (__u32 list = 0; list < 2; list++)
			if (list < scratch->lists)
				remember(&address, set, list);
	n = scratch->told.addresses;
	if (n < ADDRESSES_TOLD) {
		__builtin_memcpy(scratch->told.address + 16 * (n & (ADDRESSES_TOLD - 1)), address.bytes, 16);
		scratch->told.addresses = n + 1;
	}
	return 0;
}

#endif
