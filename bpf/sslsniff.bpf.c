// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What programs read and write through OpenSSL, byte for byte, at the return of each library call: then the bytes are
 * taken (a write that wants to be tried again took none), and their pages are there to be copied.
 *
 * Entry leaves a note (whose session, which buffer), the return finds it. The key of the note is thread and stack
 * pointer: calls that nest on one thread, and calls of many threads, cannot mix.
 */
#include "vmlinux.h"
#include <bpf/bpf_tracing.h>
#include "ssl-data.h"
#define SCOPE_THREAD_ENDS forget_thread
#include "scope-events.h"
#include "ssl-aead.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

static __always_inline int enter_of(struct pt_regs *ctx, __u8 library, __u8 function, __u8 direction, __u64 buffer,
				    __u64 taken)
{
	struct call call = {};
	struct call_key key = {};

	if (!in_scope(&call.process))
		return 0;
	call.ssl = PT_REGS_PARM1(ctx);
	call.buffer = buffer;
	call.taken = taken;
	call.function = function;
	call.direction = direction;
	call.library = library;
	if (function == SSL_FN_READ_EARLY || function == SSL_FN_WRITE_EARLY) {
		struct rec_session *session = find_session(&call.process, call.ssl);

		call.before = session ? session->offset[direction & 1] : 0;
	}
	key.thread = bpf_get_current_pid_tgid();
	key.stack = PT_REGS_SP(ctx);
	begin_nest(&call.process, call.ssl);
	note_call(&key, &call);
	return 0;
}

static __always_inline int enter(struct pt_regs *ctx, __u8 function, __u8 direction, __u64 buffer, __u64 taken)
{
	return enter_of(ctx, LIBRARY_OPENSSL, function, direction, buffer, taken);
}

/* int SSL_read(SSL *, void *, int), int SSL_write(SSL *, const void *, int): the result is the number of bytes. */
SEC("uprobe")
int ssl_read(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_READ, SSL_READ, PT_REGS_PARM2(ctx), 0);
}

SEC("uprobe")
int ssl_write(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_WRITE, SSL_WRITE, PT_REGS_PARM2(ctx), 0);
}

/* The _ex calls say 1, and the number of bytes through their fourth argument. */
SEC("uprobe")
int ssl_read_ex(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_READ_EX, SSL_READ, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int ssl_write_ex(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_WRITE_EX, SSL_WRITE, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

/*
 * The function inside the library that the plain, the _ex and the BIO calls all go through: where it was found it is
 * cheaper to probe. `taken` is its fourth argument, its fifth since OpenSSL 3.2's write has flags before it.
 */
SEC("uprobe")
int ssl_read_inner4(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_READ, SSL_READ, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int ssl_read_inner5(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_READ, SSL_READ, PT_REGS_PARM2(ctx), PT_REGS_PARM5(ctx));
}

SEC("uprobe")
int ssl_write_inner4(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_WRITE, SSL_WRITE, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int ssl_write_inner5(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_WRITE, SSL_WRITE, PT_REGS_PARM2(ctx), PT_REGS_PARM5(ctx));
}

SEC("uprobe")
int ssl_read_early_data(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_READ_EARLY, SSL_READ, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

SEC("uprobe")
int ssl_write_early_data(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_WRITE_EARLY, SSL_WRITE, PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}

/* ossl_ssize_t SSL_sendfile(SSL *, int fd, ...): bytes that pass no memory of the process; a stated loss. */
SEC("uprobe")
int ssl_sendfile(struct pt_regs *ctx)
{
	return enter(ctx, SSL_FN_SENDFILE, SSL_WRITE, 0, 0);
}

SEC("uretprobe")
int ssl_call_return(struct pt_regs *ctx)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .stack = STACK_AT_ENTRY(ctx) };
	struct call *call = find_call(&key);
	__s64 bytes = 0;

	if (!call || scope_closed)
		return 0;
	call->until = bpf_ktime_get_boot_ns();
	if (call->library == LIBRARY_RUSTLS) {
		bytes = opened_bytes(call, PT_REGS_RC(ctx));
	} else if (call->taken) {
		/* SSL_read_early_data has 2 for "no more", with or without bytes. */
		if ((int)PT_REGS_RC(ctx) > 0)
			bpf_probe_read_user(&bytes, sizeof(bytes), (void *)call->taken);
	} else if (call->function == SSL_FN_SENDFILE) {
		bytes = PT_REGS_RC(ctx);
	} else {
		bytes = (int)PT_REGS_RC(ctx);
	}
	if (bytes > 0)
		take_bytes(call, &key, bytes);
	end_nest();
	forget_call(&key);
	return 0;
}

/* The life of a session object. */

SEC("uretprobe")
int ssl_new(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;
	__u64 ssl = PT_REGS_RC(ctx);

	if (!ssl || !in_scope(&process))
		return 0;
	/*
	 * One that has carried nothing is as good as new. So a file that got our probes twice (overlays of containers
	 * show one file under several numbers) makes one session of one call; notes of calls are found only once anyway.
	 */
	session = find_session(&process, ssl);
	if (session && session->from_start && !(session->offset[SSL_READ] | session->offset[SSL_WRITE]))
		return 0;
	make_session(&process, ssl, 1, LIBRARY_OPENSSL);
	return 0;
}

/* Free takes one reference back; with the last one the object is gone. */
SEC("uprobe")
int ssl_free(struct pt_regs *ctx)
{
	struct session_key key = {};
	struct rec_session *session;

	if (!in_scope(&key.process))
		return 0;
	key.ssl = PT_REGS_PARM1(ctx);
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session)
		return 0;
	if (session->references > 0) {
		__sync_fetch_and_add(&session->references, -1);
		return 0;
	}
	tell_session(session, key.ssl, REC_SSL_CLOSE);
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}

SEC("uprobe")
int ssl_up_ref(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	session = find_session(&process, PT_REGS_PARM1(ctx));
	if (session)
		__sync_fetch_and_add(&session->references, 1);
	return 0;
}

/* SSL_clear makes the object ready for another connection. SSL_new calls it, too, before we know the object. */
SEC("uprobe")
int ssl_clear(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;
	__u64 ssl = PT_REGS_PARM1(ctx);

	if (!in_scope(&process))
		return 0;
	session = find_session(&process, ssl);
	if (!session || !(session->offset[SSL_READ] | session->offset[SSL_WRITE]))
		return 0;
	tell_session(session, ssl, REC_SSL_CLOSE);
	make_session(&process, ssl, 1, LIBRARY_OPENSSL);
	return 0;
}

SEC("uprobe")
int ssl_shutdown(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	session = find_session(&process, PT_REGS_PARM1(ctx));
	if (session)
		session->shutdown = 1;
	return 0;
}

/* Only a session that has not begun is told its role or descriptor by these, so that an unknown one is seen from its start. */
static __always_inline struct rec_session *beginning_session(struct scope_key *process, __u64 ssl, __u8 library)
{
	struct rec_session *session = find_session(process, ssl);

	return session ? session : make_session(process, ssl, 1, library);
}

static __always_inline int learn_role(struct pt_regs *ctx, __u8 role, bool beginning)
{
	struct scope_key process;
	struct rec_session *session;
	__u64 ssl = PT_REGS_PARM1(ctx);

	if (!in_scope(&process))
		return 0;
	session = beginning ? beginning_session(&process, ssl, LIBRARY_OPENSSL) : find_session(&process, ssl);
	if (session && session->role != role) {
		session->role = role;
		tell_session(session, ssl, REC_SSL_ROLE);
	}
	return 0;
}

SEC("uprobe")
int ssl_set_connect_state(struct pt_regs *ctx)
{
	return learn_role(ctx, ROLE_CLIENT, true);
}

SEC("uprobe")
int ssl_set_accept_state(struct pt_regs *ctx)
{
	return learn_role(ctx, ROLE_SERVER, true);
}

/* These are called again and again until the handshake is done, so they prove no beginning. */
SEC("uprobe")
int ssl_connect(struct pt_regs *ctx)
{
	return learn_role(ctx, ROLE_CLIENT, false);
}

SEC("uprobe")
int ssl_accept(struct pt_regs *ctx)
{
	return learn_role(ctx, ROLE_SERVER, false);
}

/* SSL_set_fd, SSL_set_rfd, SSL_set_wfd. */
SEC("uprobe")
int ssl_set_fd(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	session = beginning_session(&process, PT_REGS_PARM1(ctx), LIBRARY_OPENSSL);
	if (session)
		session->fd = (int)PT_REGS_PARM2(ctx);
	return 0;
}

#include "ssl-others.h"
#include "ssl-sites.h"
#include "ssl-calls.h"

/* The dynamic linker's breakpoint for debuggers: it has mapped or unmapped libraries. */
SEC("uprobe")
int linker_changed(struct pt_regs *ctx)
{
	struct scope_key process;

	if (in_scope(&process))
		tell_process(current_task(), REC_MAPS);
	return 0;
}

/* A type reaches the BTF, from which the decoders are made, only through a variable. These take no part in anything. */
#define KEEP(kind, name) kind name *keep_##name __attribute__((unused))
KEEP(const struct, rec_stamp);
KEEP(const struct, rec_head);
KEEP(const struct, rec_ssl_data);
KEEP(const struct, rec_ssl_session);
KEEP(const struct, rec_ssl_socket);
KEEP(const struct, rec_session);
KEEP(const struct, rec_tls_traffic);
KEEP(const struct, rec_fork);
KEEP(const struct, rec_exec);
KEEP(const struct, rec_exit);
KEEP(const struct, rec_task);
enum rec_type keep_rec_type __attribute__((unused));
enum tls_library keep_tls_library __attribute__((unused));
enum ssl_function keep_ssl_function __attribute__((unused));
enum ssl_direction keep_ssl_direction __attribute__((unused));
enum socket_by keep_socket_by __attribute__((unused));
enum ssl_role keep_ssl_role __attribute__((unused));
enum loss_place keep_loss_place __attribute__((unused));
enum site_abi keep_site_abi __attribute__((unused));
enum counter keep_counter __attribute__((unused));
