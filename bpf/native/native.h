/* SPDX-License-Identifier: MIT */
/*
 * What the files of the addon share: access to JavaScript values, errors that say which step failed, and the handles.
 *
 * The addon is a thin room: it does what JavaScript cannot (system calls, shared memory, threads) and leaves names,
 * sentences and policy to lib/bpf.
 */
#ifndef TRACER_NATIVE_H
#define TRACER_NATIVE_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_object;

#define MAX_ARGS 13

/* The arguments of one call from JavaScript. */
struct call {
	napi_env env;
	size_t argc;
	napi_value argv[MAX_ARGS];
};

void call_begin(struct call *call, napi_env env, napi_callback_info info);

/* Readers of one argument. On a value of another type they throw and return false (or NULL). */
bool arg_string(struct call *call, size_t at, char *to, size_t room);
bool arg_int64(struct call *call, size_t at, int64_t *to);
bool arg_uint64(struct call *call, size_t at, uint64_t *to);
bool arg_bool(struct call *call, size_t at, bool *to);
bool arg_bytes(struct call *call, size_t at, uint8_t **data, size_t *len);
void *arg_handle(struct call *call, size_t at, uint32_t magic);
/* A NULL-terminated list of strings in one allocation; the caller frees it. */
char **arg_strings(struct call *call, size_t at);

napi_value js_undefined(napi_env env);
napi_value js_number(napi_env env, double value);
napi_value js_string(napi_env env, const char *text);
napi_value js_bigint(napi_env env, uint64_t value);
napi_value js_bigint_signed(napi_env env, int64_t value);
napi_value js_bool(napi_env env, bool value);
napi_value js_bytes(napi_env env, const void *data, size_t len);
void js_set(napi_env env, napi_value object, const char *name, napi_value value);
/* Every handle begins with its magic number, so that a handle of another kind is refused. */
napi_value js_handle(napi_env env, void *handle, napi_finalize finalize);

/* `EPERM` for 1; `ENOTSUPP` for the kernel's own 524. */
const char *errno_name(int err);
/* Throws an Error with `step`, `errno` and, when given, `log`. Returns NULL, so that a function can end with it. */
napi_value throw_errno(napi_env env, const char *step, int err, const char *log);
napi_value throw_text(napi_env env, const char *text);

#define MAGIC_OBJECT 0x4f424a31u
#define MAGIC_LINK 0x4c4e4b31u
#define MAGIC_RING 0x524e4731u
#define MAGIC_CHILD 0x43484c31u
#define MAGIC_WATCH 0x57415431u

/* enum bpf_attach_type: BPF_TRACE_UPROBE_MULTI, which the headers of libbpf 1.1 do not have yet. */
#define UPROBE_MULTI 48

/* object.c */
struct object {
	uint32_t magic;
	struct bpf_object *bpf;
	bool loaded;
	/* Uprobe programs are loaded for uprobe_multi links. */
	bool uprobe_multi;
	/* Own mappings of .data and .bss after load, by map. */
	struct mapping {
		int fd;
		uint8_t *at;
		size_t len;
	} mapped[8];
	size_t mapped_count;
};

struct object *object_of(struct call *call, size_t at);
/* File descriptor of a loaded program; throws and returns -1. */
int object_program_fd(struct call *call, struct object *object, const char *name);
/* Where a global variable lives. */
struct variable {
	struct bpf_map *map;
	uint32_t offset;
	uint32_t size;
	bool read_only;
};
bool object_variable(struct object *object, const char *name, struct variable *found);

/* link.c: a handle that owns both descriptors (-1: none). Closes them when it fails. */
napi_value link_handle(napi_env env, int link_fd, int perf_fd);

void object_register(napi_env env, napi_value exports);
void link_register(napi_env env, napi_value exports);
void attach_register(napi_env env, napi_value exports);
void map_register(napi_env env, napi_value exports);
void ring_register(napi_env env, napi_value exports);
void spawn_register(napi_env env, napi_value exports);
void process_register(napi_env env, napi_value exports);
void probe_register(napi_env env, napi_value exports);
void lines_register(napi_env env, napi_value exports);
void watch_register(napi_env env, napi_value exports);

struct function {
	const char *name;
	napi_callback call;
};
void js_functions(napi_env env, napi_value exports, const struct function *list, size_t count);
#define JS_FUNCTIONS(env, exports, list) js_functions(env, exports, list, sizeof(list) / sizeof((list)[0]))

/* tracefs.c: reads a small file below the tracing directory, mounting tracefs for ourselves alone if need be. 0 or -errno. */
int tracefs_read(const char *path, char *to, size_t room);
/* "mounted", "private", or NULL with the errno of the failed mount in *err. */
const char *tracefs_kind(int *err);
/* Reads a small file of a file system that need not be mounted (securityfs). 0 or -errno. */
int detached_read(const char *type, const char *path, char *to, size_t room);

#endif
