/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Sites that the finder chose in programs without symbols (lib/elf/tls-finding.ts): BoringSSL's and OpenSSL's functions
 * as such, the AEAD functions under rustls, and Go's.
 */
#ifndef TRACER_SSL_SITES_H
#define TRACER_SSL_SITES_H

#include "ssl-aead.h"
#include "ssl-others.h"

/* How arguments lie at a site whose bytes are taken there and then, or whose layout the notes of `enter` do not know. */
enum site_abi {
	SITE_NONE = 0,
	SITE_AWS_LC_SEAL = 1,
	SITE_AWS_LC_SEAL_SCATTER = 2,
	SITE_AWS_LC_OPEN = 3,
	SITE_AWS_LC_OPEN_GATHER = 4,
	SITE_RING_SEAL = 5,
	SITE_RING_OPEN = 6,
	SITE_GO_WRITE = 7,
	SITE_GO_WRITE_JBE = 8,
	SITE_GO_READ = 9,
	SITE_GO_CLIENT = 10,
	SITE_GO_SERVER = 11,
	SITE_GO_CLOSE = 12,
};

/*
 * SSL_do_handshake, without SSL_new and SSL_free: an object that has carried data and now shakes hands is another
 * connection at the same address. One that is done with it may be asked again, and says 1 at once; what takes longer than
 * this had a key exchange to do.
 */
#define HANDSHAKE_NS 30000

SEC("uprobe")
int handshake_enter(struct pt_regs *ctx)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .stack = PT_REGS_SP(ctx) };
	__u64 kept[2] = { PT_REGS_PARM1(ctx), bpf_ktime_get_boot_ns() };
	struct scope_key process;

	if (in_scope(&process))
		bpf_map_update_elem(&arguments, &key, &kept, BPF_ANY);
	return 0;
}

static __always_inline int handshake_done(struct pt_regs *ctx, __u8 library)
{
	struct scope_key process;
	__u64 kept[2];

	if (!kept_arguments(ctx, kept) || !in_scope(&process))
		return 0;
	if ((int)PT_REGS_RC(ctx) == 1 && bpf_ktime_get_boot_ns() - kept[1] < HANDSHAKE_NS)
		return 0;
	begin_session(&process, kept[0], library, ROLE_UNKNOWN);
	return 0;
}

SEC("uretprobe")
int boring_handshake_return(struct pt_regs *ctx)
{
	return handshake_done(ctx, LIBRARY_BORINGSSL);
}

SEC("uretprobe")
int openssl_handshake_return(struct pt_regs *ctx)
{
	return handshake_done(ctx, LIBRARY_OPENSSL);
}

/* SSL_free, SSL_new where the finder has them: as by name, but that references are not known. */

#if defined(__TARGET_ARCH_x86)

static __always_inline __u64 stacked(struct pt_regs *ctx, __u32 offset)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)(ctx->sp + offset));
	return value;
}

/* Registers of the arguments, all read at once: of loads in branches clang 19 makes one at a chosen place, which the verifier refuses. */
struct registers {
	__u64 ax, bx, di, si, dx, cx, r8, r9, flags;
};

static __always_inline struct registers read_registers(struct pt_regs *ctx)
{
	const volatile struct pt_regs *from = ctx;
	struct registers r = {
		.ax = from->ax, .bx = from->bx, .di = from->di, .si = from->si, .dx = from->dx,
		.cx = from->cx, .r8 = from->r8, .r9 = from->r9, .flags = from->flags,
	};

	return r;
}

/* A function that opens records: what it will say is only known at its return. */
SEC("uprobe")
int site_open(struct pt_regs *ctx)
{
	struct registers r = read_registers(ctx);
	__u32 abi = site_of(ctx) & 0xff;
	struct call call = {};
	struct call_key key = {};
	__u64 nonce, aad, aad_bytes;

	if (!in_scope(&call.process))
		return 0;
	call.library = LIBRARY_RUSTLS;
	call.direction = SSL_READ;
	if (abi == SITE_RING_OPEN) {
		call.function = RING_FN_OPEN;
		call.ssl = r.si;
		nonce = r.dx;
		aad = r.cx;
		aad_bytes = r.r8;
		call.buffer = r.r9;
		call.record_bytes = stacked(ctx, 8) - stacked(ctx, 16);
		call.taken = r.di;
	} else {
		call.function = AEAD_FN_OPEN;
		call.ssl = r.di;
		call.buffer = r.si;
		aad = stacked(ctx, 24);
		aad_bytes = stacked(ctx, 32);
		if (abi == SITE_AWS_LC_OPEN) {
			nonce = r.r8;
			call.taken = r.dx;
		} else if (abi == SITE_AWS_LC_OPEN_GATHER) {
			nonce = r.dx;
			call.record_bytes = r.r9;
		} else {
			return 0;
		}
	}
	if (!record_of(&call, nonce, aad, aad_bytes))
		return 0;
	key.thread = bpf_get_current_pid_tgid();
	key.stack = PT_REGS_SP(ctx);
	note_call(&key, &call);
	return 0;
}

/* A function that seals records: its plaintext is there at the entry, and overwritten later. False: it is none of TLS. */
static __always_inline bool note_sealed(struct pt_regs *ctx, __u32 abi, struct call *call)
{
	struct registers r = read_registers(ctx);
	__u64 nonce, aad, aad_bytes, extra = 0;

	call->library = LIBRARY_RUSTLS;
	call->direction = SSL_WRITE;
	if (abi == SITE_RING_SEAL) {
		call->function = RING_FN_SEAL;
		call->ssl = r.si;
		nonce = r.dx;
		aad = r.cx;
		aad_bytes = r.r8;
		call->buffer = r.r9;
		call->record_bytes = stacked(ctx, 8);
	} else if (abi == SITE_AWS_LC_SEAL) {
		call->function = AEAD_FN_SEAL;
		call->ssl = r.di;
		nonce = r.r8;
		call->buffer = stacked(ctx, 8);
		call->record_bytes = stacked(ctx, 16);
		aad = stacked(ctx, 24);
		aad_bytes = stacked(ctx, 32);
	} else {
		call->function = AEAD_FN_SEAL;
		call->ssl = r.di;
		nonce = r.r9;
		call->buffer = stacked(ctx, 16);
		call->record_bytes = stacked(ctx, 24);
		extra = stacked(ctx, 40);
		aad = stacked(ctx, 48);
		aad_bytes = stacked(ctx, 56);
	}
	/* A type that is given apart (one byte of extra plaintext) is not met in rustls. */
	return !extra && call->record_bytes <= RECORD_BYTES_MAX && record_of(call, nonce, aad, aad_bytes);
}

/*
 * Go (internal ABI: rax, rbx, rcx, rdi). A goroutine's stack moves and changes threads, so nothing is remembered from one
 * probe to another. Write: the function that all records go through, (conn, type, data, n), since a Write that comes first
 * makes the handshake by itself. CF or ZF at the `jbe` of the stack check: the stack grows first, and the call comes again.
 * Read: where it copies out to its caller, memmove(to, from, n); the connection is where Read has spilled it.
 */
static __always_inline __s64 go_bytes(struct pt_regs *ctx, __u64 site, struct call *call)
{
	struct registers r = read_registers(ctx);

	call->library = LIBRARY_GO;
	if ((site & 0xff) == SITE_GO_READ) {
		call->function = GO_FN_READ;
		call->direction = SSL_READ;
		call->ssl = stacked(ctx, site >> 8 & 0xffff);
		call->buffer = r.bx;
		return r.cx;
	}
	if ((r.bx & 0xff) != TLS_APPLICATION_DATA || ((site & 0xff) == SITE_GO_WRITE_JBE && (r.flags & 0x41)))
		return 0;
	call->function = GO_FN_WRITE;
	call->direction = SSL_WRITE;
	call->ssl = r.ax;
	call->buffer = r.cx;
	return r.di;
}

/*
 * Leaves the note; returns how many bytes are to be taken, or -1 when that is to be found out of the record. Each step is a
 * function of its own, so that its stack is given back: kernels before 6.13 allow 512 bytes for all that nest.
 */
static __noinline __s64 note_site(struct pt_regs *ctx, struct call_key *key)
{
	__u64 site = site_of(ctx);
	__u32 abi = site & 0xff;
	struct call call = {};
	__s64 bytes;

	if (!in_scope(&call.process))
		return 0;
	if (abi == SITE_GO_WRITE || abi == SITE_GO_WRITE_JBE || abi == SITE_GO_READ)
		bytes = go_bytes(ctx, site, &call);
	else if (abi == SITE_AWS_LC_SEAL || abi == SITE_AWS_LC_SEAL_SCATTER || abi == SITE_RING_SEAL)
		bytes = note_sealed(ctx, abi, &call) ? -1 : 0;
	else
		return 0;
	if (bytes)
		note_call(key, &call);
	return bytes;
}

__noinline int admit_note(__u64 thread, __u64 stack)
{
	struct call_key key = { .thread = thread, .stack = stack };
	struct call *call = find_call(&key);

	return call ? admit_record(call) : 0;
}

/* All sites whose bytes are there at once, in one program: its records are much for the verifier to look at. */
SEC("uprobe")
int site_now(struct pt_regs *ctx)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .stack = PT_REGS_SP(ctx) };
	__s64 bytes = note_site(ctx, &key);

	if (!bytes)
		return 0;
	if (bytes < 0)
		bytes = admit_note(key.thread, key.stack);
	if (bytes > 0)
		take_note(key.thread, key.stack, bytes);
	forget_call(&key);
	return 0;
}

/*
 * The handshake functions of a connection run once, before any of its bytes; those of one at whose address another was end
 * that one. Close may come more than once. At a `jbe` each may come twice, with nothing in between.
 */
SEC("uprobe")
int site_go_life(struct pt_regs *ctx)
{
	__u32 abi = site_of(ctx) & 0xff;
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	if (abi == SITE_GO_CLIENT || abi == SITE_GO_SERVER) {
		begin_session(&process, ctx->ax, LIBRARY_GO, abi == SITE_GO_CLIENT ? ROLE_CLIENT : ROLE_SERVER);
		return 0;
	}
	session = find_session(&process, ctx->ax);
	if (session)
		session->shutdown = 1;
	return end_session(&process, ctx->ax);
}

#endif
#endif
