/* SPDX-License-Identifier: MIT */
/* Questions about the kernel, answered by trying: a load of a few instructions, the list of loaded programs, tracefs. */
#define _GNU_SOURCE
#include "native.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_ROOM 8192

/*
 * tryLoad(type, attachType, instructions, target, flags): {fd} or {errno, log}. target: name of the kernel's BTF function
 * or type for the program kinds that have one, or "". The caller closes fd with tryClose.
 */
static napi_value try_load(napi_env env, napi_callback_info info)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts);
	int64_t type, attach_type, flags;
	char target[128], *log;
	napi_value result;
	struct call call;
	uint8_t *code;
	size_t len;
	int fd, err;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &type) || !arg_int64(&call, 1, &attach_type) || !arg_bytes(&call, 2, &code, &len) ||
	    !arg_string(&call, 3, target, sizeof(target)) || !arg_int64(&call, 4, &flags))
		return NULL;
	napi_create_object(env, &result);
	opts.expected_attach_type = (enum bpf_attach_type)attach_type;
	opts.prog_flags = (uint32_t)flags;
	if (target[0]) {
		libbpf_set_print(NULL);
		err = libbpf_find_vmlinux_btf_id(target, opts.expected_attach_type);
		if (err <= 0) {
			js_set(env, result, "errno", js_string(env, errno_name(err ? -err : ENOENT)));
			js_set(env, result, "log", js_string(env, "no such hook in the kernel's BTF"));
			return result;
		}
		opts.attach_btf_id = (uint32_t)err;
	}
	log = calloc(1, LOG_ROOM);
	if (!log)
		return throw_errno(env, "memory", ENOMEM, NULL);
	opts.log_buf = log;
	opts.log_size = LOG_ROOM;
	opts.log_level = 1;
	fd = bpf_prog_load((enum bpf_prog_type)type, "tracer_probe", "Dual MIT/GPL", (const struct bpf_insn *)code, len / 8, &opts);
	err = errno;
	if (fd >= 0) {
		js_set(env, result, "fd", js_number(env, fd));
	} else {
		js_set(env, result, "errno", js_string(env, errno_name(err)));
		js_set(env, result, "log", js_string(env, log));
	}
	free(log);
	return result;
}

/* tryClose(fd) */
static napi_value try_close(napi_env env, napi_callback_info info)
{
	struct call call;
	int64_t fd;

	call_begin(&call, env, info);
	if (arg_int64(&call, 0, &fd))
		close((int)fd);
	return js_undefined(env);
}

/* tryMap(type, keySize, valueSize, maxEntries): errno name, or undefined when the kernel makes such a map */
static napi_value try_map(napi_env env, napi_callback_info info)
{
	int64_t type, key, value, entries;
	struct call call;
	int fd;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &type) || !arg_int64(&call, 1, &key) || !arg_int64(&call, 2, &value) || !arg_int64(&call, 3, &entries))
		return NULL;
	fd = bpf_map_create((enum bpf_map_type)type, "tracer_probe", (uint32_t)key, (uint32_t)value, (uint32_t)entries, NULL);
	if (fd < 0)
		return js_string(env, errno_name(errno));
	close(fd);
	return js_undefined(env);
}

/* programIds(): ids of all loaded BPF programs; needs CAP_SYS_ADMIN */
static napi_value program_ids(napi_env env, napi_callback_info info)
{
	uint32_t id = 0, n = 0;
	napi_value list;

	(void)info;
	napi_create_array(env, &list);
	while (!bpf_prog_get_next_id(id, &id))
		napi_set_element(env, list, n++, js_number(env, id));
	return errno == ENOENT ? list : throw_errno(env, "list programs", errno, NULL);
}

/* tracefs(): {place} (a directory or "private"), or {errno} */
static napi_value tracefs(napi_env env, napi_callback_info info)
{
	napi_value result;
	const char *kind;
	int err = 0;

	(void)info;
	kind = tracefs_kind(&err);
	napi_create_object(env, &result);
	if (kind)
		js_set(env, result, "place", js_string(env, kind));
	else
		js_set(env, result, "errno", js_string(env, errno_name(err)));
	return result;
}

/* detachedRead(fileSystem, path): text, of a file system that nobody need have mounted; throws */
static napi_value detached_read_js(napi_env env, napi_callback_info info)
{
	char type[64], path[256], text[4096];
	struct call call;
	int err;

	call_begin(&call, env, info);
	if (!arg_string(&call, 0, type, sizeof(type)) || !arg_string(&call, 1, path, sizeof(path)))
		return NULL;
	err = detached_read(type, path, text, sizeof(text));
	return err ? throw_errno(env, "mount", -err, NULL) : js_string(env, text);
}

/*
 * Two functions of one instruction and a return, to measure what a uprobe costs here: the kernel emulates the first
 * instruction, the second it must run out of line with a single step.
 */
#if defined(__x86_64__)
#define STEPPED "xchg %rax, %rcx\n\tret"
#elif defined(__aarch64__)
#define STEPPED "eor x9, x9, x10\n\tret"
#endif
__attribute__((naked, noinline)) static void site_emulated(void)
{
	__asm__ volatile("nop\n\tret");
}

__attribute__((naked, noinline)) static void site_stepped(void)
{
	__asm__ volatile(STEPPED);
}

static void (*site_of(int64_t which))(void)
{
	return which ? site_stepped : site_emulated;
}

/* siteAddress(which): bigint. which: 0 emulated, 1 stepped */
static napi_value site_address(napi_env env, napi_callback_info info)
{
	struct call call;
	int64_t which;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &which))
		return NULL;
	return js_bigint(env, (uint64_t)(uintptr_t)site_of(which));
}

/* siteLoop(which, n): nanoseconds of this thread's CPU time that n calls took */
static napi_value site_loop(napi_env env, napi_callback_info info)
{
	void (*volatile site)(void);
	struct timespec from, to;
	int64_t which, n;
	struct call call;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &which) || !arg_int64(&call, 1, &n))
		return NULL;
	site = site_of(which);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	while (n-- > 0)
		site();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return js_number(env, (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec));
}

void probe_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "tryLoad", try_load },	{ "tryClose", try_close }, { "tryMap", try_map },
		{ "programIds", program_ids }, { "tracefs", tracefs },
		{ "siteAddress", site_address }, { "siteLoop", site_loop }, { "detachedRead", detached_read_js },
	};

	JS_FUNCTIONS(env, exports, list);
}
