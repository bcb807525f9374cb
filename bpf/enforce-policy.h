/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The compiled policy, twice: one that is in force and one that is being filled. The first byte of each key says which
 * of the two (bit 0), which list (bit 1: the allow-file) and which family (bit 2: IPv6), so that one trie and one hash
 * hold all of it and one store to `active` swaps it.
 */
#ifndef TRACER_ENFORCE_POLICY_H
#define TRACER_ENFORCE_POLICY_H

#include "scope.h"
#include "enforce-types.h"

#define LIST_DENY 0
#define LIST_ALLOW 1
#define SLOT(set, list, v6) ((set) | (list) << 1 | (v6) << 2)

/* Entries with ports or a protocol that meet at one address, and entries by name that one address may have. */
#define RULES_AT_ONCE 64
#define NAMES_AT_ONCE 8
#define NAME_MAX 255
#define ADDRESSES_TOLD 8

/* The policies' own numbers, in force with their set. */
struct policy {
	__u32 rev;
	__u32 has_deny;
	__u32 has_allow;
	__u32 pad;
};

volatile __u32 active = 0;
volatile struct policy policies[2] = {};
const volatile __u32 audit_only = 0;

/* What an address or a name stands for: an entry for all ports and protocols, or some with their own. */
struct verdict {
	__u32 entry; /* where count is 0 */
	__u32 first; /* in `rules` */
	__u32 count;
};

struct rule {
	__u32 entry;
	__u16 from;
	__u16 to;
	__u16 protocol; /* 0: any */
	__u16 pad;
};

struct net_key {
	__u32 bits; /* of slot and address */
	__u8 slot;
	__u8 address[16];
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct net_key);
	__type(value, struct verdict);
} nets SEC(".maps");

/* Both sets': the upper half is set 1's. */
#define RULES_EACH 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RULES_EACH * 2);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

/* As in a question of DNS, in lower case: lengths and labels, the root's 0 at the end. `slot` has bit 2 for names below. */
struct name_key {
	__u8 slot;
	__u8 name[NAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name_key);
	__type(value, struct verdict);
} hosts SEC(".maps");

/* Addresses that DNS gave to names with entries. */
struct resolved_key {
	__u8 slot;
	__u8 address[16];
};

struct resolved {
	__u32 count;
	struct verdict verdicts[NAMES_AT_ONCE];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct resolved_key);
	__type(value, struct resolved);
} resolved SEC(".maps");

/* One message to one place. */
struct flow {
	__u8 address[16]; /* IPv4 mapped */
	__u16 port;
	__u16 protocol; /* IPPROTO_*; 0: not known, so that every entry about the address counts */
};

struct decision {
	__u32 refused;
	__u32 entry;
	__u32 list;
	__u32 rev;
};

static __always_inline bool is_mapped(const __u8 *address)
{
	const __u32 *words = (const __u32 *)address;

	return words[0] == 0 && words[1] == 0 && words[2] == __builtin_bswap32(0xffff);
}

static __always_inline void map_v4(__u8 *address, __u32 v4)
{
	__u32 *words = (__u32 *)address;

	words[0] = 0;
	words[1] = 0;
	words[2] = __builtin_bswap32(0xffff);
	words[3] = v4;
}

static __always_inline bool rule_holds(struct rule *rule, struct flow *flow)
{
	if (!flow->protocol)
		return true;
	if (rule->protocol && rule->protocol != flow->protocol)
		return false;
	return flow->port >= rule->from && flow->port <= rule->to;
}

/*
 * The entry of `verdict` that is about this flow; GUARD_NO_ENTRY when none is. A global function, as those below: the
 * verifier looks at it once, and not at each call.
 */
__noinline __u32 entry_of(struct verdict *verdict, struct flow *flow)
{
	__u32 count;

	if (!verdict || !flow)
		return GUARD_NO_ENTRY;
	if (verdict->count == 0)
		return verdict->entry;
	count = verdict->count;
	for (__u32 i = 0; i < RULES_AT_ONCE; i++) {
		__u32 at = verdict->first + i;
		struct rule *rule;

		if (i >= count)
			break;
		rule = bpf_map_lookup_elem(&rules, &at);
		if (rule && rule_holds(rule, flow))
			return rule->entry;
	}
	return GUARD_NO_ENTRY;
}

/* The entry of a list that is about this flow. */
__noinline __u32 matching(struct flow *flow, __u32 set, __u32 list)
{
	struct net_key key = {};
	struct resolved_key name = {};
	struct verdict *verdict;
	struct resolved *by_name;
	__u32 entry;

	if (!flow)
		return GUARD_NO_ENTRY;
	if (is_mapped(flow->address)) {
		key.slot = SLOT(set, list, 0);
		key.bits = 8 + 32;
		__builtin_memcpy(key.address, flow->address + 12, 4);
	} else {
		key.slot = SLOT(set, list, 1);
		key.bits = 8 + 128;
		__builtin_memcpy(key.address, flow->address, 16);
	}
	verdict = bpf_map_lookup_elem(&nets, &key);
	if (verdict) {
		entry = entry_of(verdict, flow);
		if (entry != GUARD_NO_ENTRY)
			return entry;
	}
	name.slot = SLOT(set, list, 0);
	__builtin_memcpy(name.address, flow->address, 16);
	by_name = bpf_map_lookup_elem(&resolved, &name);
	if (!by_name)
		return GUARD_NO_ENTRY;
	for (__u32 i = 0; i < NAMES_AT_ONCE; i++) {
		if (i >= by_name->count)
			break;
		entry = entry_of(&by_name->verdicts[i], flow);
		if (entry != GUARD_NO_ENTRY)
			return entry;
	}
	return GUARD_NO_ENTRY;
}

static __always_inline void decide(struct flow *flow, struct decision *decision)
{
	__u32 set = active & 1;
	__u32 entry;

	decision->refused = 0;
	decision->list = LIST_DENY;
	decision->entry = GUARD_NO_ENTRY;
	decision->rev = policies[set].rev;
	if (policies[set].has_deny) {
		entry = matching(flow, set, LIST_DENY);
		if (entry != GUARD_NO_ENTRY) {
			decision->refused = 1;
			decision->entry = entry;
			return;
		}
	}
	if (policies[set].has_allow && matching(flow, set, LIST_ALLOW) == GUARD_NO_ENTRY) {
		decision->refused = 1;
		decision->list = LIST_ALLOW;
	}
}

#endif
