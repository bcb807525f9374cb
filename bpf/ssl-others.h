/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Libraries with another interface than OpenSSL's, found by their symbols: GnuTLS, NSS above NSPR, s2n, Mbed TLS. Each
 * call has the session first, then buffer and length, and its result is the number of bytes; so they share the notes and
 * the return of OpenSSL's.
 */
#ifndef TRACER_SSL_OTHERS_H
#define TRACER_SSL_OTHERS_H

/*
 * What a probe carries: the function, the library, the direction (records.h), or what else its program needs to know.
 * Before 5.15 a probe has no cookie: there it stands here, by the last 12 bits of its address, which file and memory have
 * in common. The loader refuses a second site that would differ.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} site_params SEC(".maps");

static __always_inline __u64 site_of(struct pt_regs *ctx)
{
	__u32 place = PT_REGS_IP(ctx) & 4095;
	__u64 *value;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_attach_cookie))
		return bpf_get_attach_cookie(ctx);
	value = bpf_map_lookup_elem(&site_params, &place);
	return value ? *value : 0;
}

/* Session, buffer, length; the result is the number of bytes. */
SEC("uprobe")
int counted_call(struct pt_regs *ctx)
{
	__u64 site = site_of(ctx);

	return enter_of(ctx, site >> 8 & 0xff, site & 0xff, site >> 16 & 1, PT_REGS_PARM2(ctx), 0);
}

/* A session that has begun now, whatever was at its address before. */
static __always_inline void begin_session(struct scope_key *process, __u64 ssl, __u8 library, __u8 role)
{
	struct rec_session *session = find_session(process, ssl);

	/* As in ssl_new: two probes in one function make one session. */
	if (!session || !session->from_start || (session->offset[SSL_READ] | session->offset[SSL_WRITE])) {
		if (session)
			tell_session(session, ssl, REC_SSL_CLOSE);
		session = make_session(process, ssl, 1, library);
	}
	if (session && role && session->role != role) {
		session->role = role;
		tell_session(session, ssl, REC_SSL_ROLE);
	}
}

static __always_inline int end_session(struct scope_key *process, __u64 ssl)
{
	struct session_key key = { .process = *process, .ssl = ssl };
	struct rec_session *session = bpf_map_lookup_elem(&sessions, &key);

	if (!session)
		return 0;
	tell_session(session, ssl, REC_SSL_CLOSE);
	bpf_map_delete_elem(&sessions, &key);
	return 0;
}

/* deinit, free: no library of these counts references. */
SEC("uprobe")
int session_free(struct pt_regs *ctx)
{
	struct scope_key process;

	return in_scope(&process) ? end_session(&process, PT_REGS_PARM1(ctx)) : 0;
}

/* GnuTLS */

/*
 * gnutls_record_uncork sends what was corked through this very function: those bytes were reported when they were
 * given. While it runs, which is on one thread, the session's `references` is not 0.
 */
SEC("uprobe")
int gnutls_send(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	session = find_session(&process, PT_REGS_PARM1(ctx));
	if (session && session->references)
		return 0;
	return enter_of(ctx, LIBRARY_GNUTLS, GNUTLS_FN_SEND, SSL_WRITE, PT_REGS_PARM2(ctx), 0);
}

/* _gnutls_recv_int(session, type, data, size, …), which receives handshakes and alerts as well (lib/elf/gnutls-inner.ts). */
SEC("uprobe")
int gnutls_recv_inner(struct pt_regs *ctx)
{
	if ((int)PT_REGS_PARM2(ctx) != TLS_APPLICATION_DATA)
		return 0;
	return enter_of(ctx, LIBRARY_GNUTLS, GNUTLS_FN_RECV, SSL_READ, PT_REGS_PARM3(ctx), 0);
}

/* A call whose first argument is needed at its return. The key is that of `calls`; what is in it is no call of bytes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct call_key);
	__type(value, __u64[2]);
} arguments SEC(".maps");

static __always_inline void keep_arguments(struct pt_regs *ctx)
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .stack = PT_REGS_SP(ctx) };
	__u64 kept[2] = { PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx) };

	bpf_map_update_elem(&arguments, &key, &kept, BPF_ANY);
}

/* Takes them back; false when the entry was not seen. */
static __always_inline bool kept_arguments(struct pt_regs *ctx, __u64 kept[2])
{
	struct call_key key = { .thread = bpf_get_current_pid_tgid(), .stack = STACK_AT_ENTRY(ctx) };
	__u64(*found)[2] = bpf_map_lookup_elem(&arguments, &key);

	if (!found)
		return false;
	kept[0] = (*found)[0];
	kept[1] = (*found)[1];
	bpf_map_delete_elem(&arguments, &key);
	return true;
}

/* The entry of a function that makes a session. */
SEC("uprobe")
int session_begin(struct pt_regs *ctx)
{
	struct scope_key process;

	if (in_scope(&process))
		keep_arguments(ctx);
	return 0;
}

static __always_inline int mark_uncork(__u64 ssl, __s32 running)
{
	struct scope_key process;
	struct rec_session *session;

	if (!in_scope(&process))
		return 0;
	session = find_session(&process, ssl);
	if (session)
		session->references = running;
	return 0;
}

SEC("uprobe")
int gnutls_uncork(struct pt_regs *ctx)
{
	struct scope_key process;

	if (!in_scope(&process))
		return 0;
	keep_arguments(ctx);
	return mark_uncork(PT_REGS_PARM1(ctx), 1);
}

SEC("uretprobe")
int gnutls_uncork_return(struct pt_regs *ctx)
{
	__u64 kept[2];

	return kept_arguments(ctx, kept) ? mark_uncork(kept[0], 0) : 0;
}

/* int gnutls_init(gnutls_session_t *session, unsigned flags): GNUTLS_SERVER 1, GNUTLS_CLIENT 2. */
SEC("uretprobe")
int gnutls_begin_return(struct pt_regs *ctx)
{
	struct scope_key process;
	__u64 kept[2], ssl = 0;

	if (!kept_arguments(ctx, kept) || (int)PT_REGS_RC(ctx) != 0 || !in_scope(&process))
		return 0;
	if (bpf_probe_read_user(&ssl, sizeof(ssl), (void *)kept[0]) || !ssl)
		return 0;
	begin_session(&process, ssl, LIBRARY_GNUTLS, kept[1] & 1 ? ROLE_SERVER : kept[1] & 2 ? ROLE_CLIENT : ROLE_UNKNOWN);
	return 0;
}

/*
 * gnutls_transport_set_int2(session, recv_fd, send_fd), gnutls_transport_set_ptr(session, ptr): the pointer is a
 * descriptor unless the program brings functions of its own.
 */
SEC("uprobe")
int session_set_fd(struct pt_regs *ctx)
{
	struct scope_key process;
	struct rec_session *session;
	__u64 fd = PT_REGS_PARM2(ctx);

	if (fd > 0xfffff || !in_scope(&process))
		return 0;
	session = find_session(&process, PT_REGS_PARM1(ctx));
	if (session)
		session->fd = fd;
	return 0;
}

/*
 * NSS: a PRFileDesc is read and written by NSPR's functions, whatever is behind it. Those that SSL_ImportFD has put TLS
 * on are sessions, the others are none of ours.
 */
static __always_inline int enter_nspr(struct pt_regs *ctx, __u8 function, __u8 direction)
{
	struct scope_key process;

	if (!in_scope(&process) || !find_session(&process, PT_REGS_PARM1(ctx)))
		return 0;
	return enter_of(ctx, LIBRARY_NSS, function, direction, PT_REGS_PARM2(ctx), 0);
}

SEC("uprobe")
int nspr_read(struct pt_regs *ctx)
{
	return enter_nspr(ctx, NSPR_FN_READ, SSL_READ);
}

/* PR_Recv(fd, buf, amount, flags, timeout): 2 is PR_MSG_PEEK. */
SEC("uprobe")
int nspr_recv(struct pt_regs *ctx)
{
	return PT_REGS_PARM4(ctx) & 2 ? 0 : enter_nspr(ctx, NSPR_FN_RECV, SSL_READ);
}

SEC("uprobe")
int nspr_write(struct pt_regs *ctx)
{
	return enter_nspr(ctx, NSPR_FN_WRITE, SSL_WRITE);
}

SEC("uprobe")
int nspr_send(struct pt_regs *ctx)
{
	return enter_nspr(ctx, NSPR_FN_SEND, SSL_WRITE);
}

SEC("uretprobe")
int nss_import_return(struct pt_regs *ctx)
{
	struct scope_key process;
	__u64 fd = PT_REGS_RC(ctx);

	if (fd && in_scope(&process))
		begin_session(&process, fd, LIBRARY_NSS, ROLE_UNKNOWN);
	return 0;
}

/* SECStatus SSL_ResetHandshake(PRFileDesc *, PRBool asServer) */
SEC("uprobe")
int nss_reset_handshake(struct pt_regs *ctx)
{
	struct scope_key process;

	if (in_scope(&process) && find_session(&process, PT_REGS_PARM1(ctx)))
		begin_session(&process, PT_REGS_PARM1(ctx), LIBRARY_NSS, (int)PT_REGS_PARM2(ctx) ? ROLE_SERVER : ROLE_CLIENT);
	return 0;
}

/* struct s2n_connection *s2n_connection_new(s2n_mode): S2N_SERVER 0, S2N_CLIENT 1. */
SEC("uretprobe")
int s2n_begin_return(struct pt_regs *ctx)
{
	struct scope_key process;
	__u64 kept[2], ssl = PT_REGS_RC(ctx);

	if (kept_arguments(ctx, kept) && ssl && in_scope(&process))
		begin_session(&process, ssl, LIBRARY_S2N, (int)kept[0] ? ROLE_CLIENT : ROLE_SERVER);
	return 0;
}

/*
 * mbedtls_ssl_setup, mbedtls_ssl_session_reset, s2n_connection_wipe: the object is ready for a connection. What it
 * carried before was another one.
 */
SEC("uprobe")
int session_renew(struct pt_regs *ctx)
{
	struct scope_key process;

	if (in_scope(&process))
		begin_session(&process, PT_REGS_PARM1(ctx), site_of(ctx) >> 8 & 0xff, ROLE_UNKNOWN);
	return 0;
}

#endif
