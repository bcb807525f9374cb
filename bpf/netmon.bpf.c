// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What sockets programs connect, accept, listen on and close, at the outcome; and as it is on the wire, what they ask DNS
 * and how they greet TLS servers.
 */
#include "net-types.h"
#include <bpf/bpf_tracing.h>
#include "scope-events.h"
#include "net-calls.h"
#include "net-traffic.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A type reaches the BTF, from which the decoders are made, only through a variable. These take no part in anything. */
#define KEEP(kind, name) kind name *keep_##name __attribute__((unused))
KEEP(const struct, rec_net);
enum net_state keep_net_state __attribute__((unused));
enum net_loss keep_net_loss __attribute__((unused));
