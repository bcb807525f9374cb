/* SPDX-License-Identifier: MIT */
/* A BPF object file: open, set what must be set before the load, load, and its global variables. */
#define _GNU_SOURCE
#include "native.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* libbpf's warnings of the call under way, the verifier's log among them. The end is what matters, so the start goes first. */
#define LOG_KEEP (192 * 1024)
static __thread char *log_text;
static __thread size_t log_len;

static int log_print(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list again;
	char *piece;
	int len;

	if (level != LIBBPF_WARN || !log_text)
		return 0;
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len <= 0)
		return 0;
	piece = malloc((size_t)len + 1);
	if (!piece)
		return 0;
	vsnprintf(piece, (size_t)len + 1, format, args);
	if ((size_t)len >= LOG_KEEP) {
		memcpy(log_text, piece + len - (LOG_KEEP - 1), LOG_KEEP);
		log_len = LOG_KEEP - 1;
	} else {
		if (log_len + (size_t)len >= LOG_KEEP) {
			size_t keep = LOG_KEEP - 1 - (size_t)len;

			memmove(log_text, log_text + log_len - keep, keep);
			log_len = keep;
		}
		memcpy(log_text + log_len, piece, (size_t)len + 1);
		log_len += (size_t)len;
	}
	free(piece);
	return len;
}

static void log_begin(void)
{
	log_text = malloc(LOG_KEEP);
	log_len = 0;
	if (log_text)
		log_text[0] = 0;
	libbpf_set_print(log_print);
}

/* Ends the recording; the caller frees the text. */
static char *log_end(void)
{
	char *text = log_text;

	log_text = NULL;
	return text;
}

static void object_close(struct object *object)
{
	size_t i;

	for (i = 0; i < object->mapped_count; i++)
		munmap(object->mapped[i].at, object->mapped[i].len);
	object->mapped_count = 0;
	bpf_object__close(object->bpf);
	object->bpf = NULL;
}

static void object_free(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	object_close(data);
	free(data);
}

struct object *object_of(struct call *call, size_t at)
{
	struct object *object = arg_handle(call, at, MAGIC_OBJECT);

	if (object && !object->bpf) {
		throw_text(call->env, "the BPF object is closed");
		return NULL;
	}
	return object;
}

/* objectOpen(path, btf): handle. btf: path of a kernel BTF file, or "". */
static napi_value object_open(napi_env env, napi_callback_info info)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[4096], btf[4096], *log;
	struct object *object;
	struct call call;
	int err;

	call_begin(&call, env, info);
	if (!arg_string(&call, 0, path, sizeof(path)) || !arg_string(&call, 1, btf, sizeof(btf)))
		return NULL;
	if (btf[0])
		opts.btf_custom_path = btf;
	object = calloc(1, sizeof(*object));
	if (!object)
		return throw_errno(env, "memory", ENOMEM, NULL);
	object->magic = MAGIC_OBJECT;
	log_begin();
	object->bpf = bpf_object__open_file(path, &opts);
	err = errno;
	log = log_end();
	if (!object->bpf) {
		throw_errno(env, "open", err, log);
		free(log);
		free(object);
		return NULL;
	}
	free(log);
	return js_handle(env, object, object_free);
}

/*
 * Linux 6.6 links a uprobe without a perf event (uprobe_multi). Programs for that are loaded with an attach type of
 * their own, so it is decided here for all.
 */
static void choose_uprobe_multi(struct object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object->bpf) {
		const char *section = bpf_program__section_name(program);

		if (!strncmp(section, "uprobe", 6) || !strncmp(section, "uretprobe", 9))
			bpf_program__set_expected_attach_type(program, (enum bpf_attach_type)UPROBE_MULTI);
	}
	object->uprobe_multi = true;
}

/* objectLoad(object, uprobeMulti) */
static napi_value object_load(napi_env env, napi_callback_info info)
{
	struct object *object;
	sigset_t all, before;
	struct call call;
	bool multi;
	char *log;
	int err;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_bool(&call, 1, &multi))
		return NULL;
	if (multi)
		choose_uprobe_multi(object);
	log_begin();
	/* The verifier gives up with EAGAIN when a signal is pending, and a profiler sends one each millisecond. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = bpf_object__load(object->bpf);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	log = log_end();
	if (err)
		throw_errno(env, "load", -err, log);
	else
		object->loaded = true;
	free(log);
	return js_undefined(env);
}

/* objectClose(object): idempotent. */
static napi_value object_close_js(napi_env env, napi_callback_info info)
{
	struct object *object;
	struct call call;

	call_begin(&call, env, info);
	object = arg_handle(&call, 0, MAGIC_OBJECT);
	if (object && object->bpf)
		object_close(object);
	return js_undefined(env);
}

/* objectPrograms(object): {name, section, type, attachType, autoload}[] */
static napi_value object_programs(napi_env env, napi_callback_info info)
{
	struct bpf_program *program;
	struct object *object;
	napi_value list, item;
	struct call call;
	uint32_t n = 0;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object)
		return NULL;
	napi_create_array(env, &list);
	bpf_object__for_each_program(program, object->bpf) {
		napi_create_object(env, &item);
		js_set(env, item, "name", js_string(env, bpf_program__name(program)));
		js_set(env, item, "section", js_string(env, bpf_program__section_name(program)));
		js_set(env, item, "type", js_number(env, bpf_program__type(program)));
		js_set(env, item, "attachType", js_number(env, bpf_program__expected_attach_type(program)));
		js_set(env, item, "autoload", js_bool(env, bpf_program__autoload(program)));
		napi_set_element(env, list, n++, item);
	}
	return list;
}

/* objectSetAutoload(object, program, on) */
static napi_value object_set_autoload(napi_env env, napi_callback_info info)
{
	struct bpf_program *program;
	struct object *object;
	struct call call;
	char name[256];
	bool on;
	int err;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, name, sizeof(name)) || !arg_bool(&call, 2, &on))
		return NULL;
	program = bpf_object__find_program_by_name(object->bpf, name);
	if (!program)
		return throw_errno(env, "find program", ENOENT, NULL);
	err = bpf_program__set_autoload(program, on);
	if (err)
		return throw_errno(env, "set autoload", -err, NULL);
	return js_undefined(env);
}

int object_program_fd(struct call *call, struct object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object->bpf, name);
	int fd;

	if (!program) {
		throw_errno(call->env, "find program", ENOENT, NULL);
		return -1;
	}
	fd = bpf_program__fd(program);
	if (fd < 0)
		throw_text(call->env, "the program is not loaded");
	return fd;
}

static bool ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcmp(text + a - b, end);
}

/* A section's map is called after the object and the section (`sslsniff.bss`), or only the section. */
static struct bpf_map *section_map(struct object *object, const char *section)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object->bpf)
		if (bpf_map__is_internal(map) && ends_with(bpf_map__name(map), section))
			return map;
	return NULL;
}

bool object_variable(struct object *object, const char *name, struct variable *found)
{
	const struct btf *btf = bpf_object__btf(object->bpf);
	uint32_t id, count = btf ? btf__type_cnt(btf) : 0;

	for (id = 1; id < count; id++) {
		const struct btf_type *section = btf__type_by_id(btf, id);
		const struct btf_var_secinfo *info;
		const char *section_name;
		int i;

		if (!btf_is_datasec(section))
			continue;
		section_name = btf__name_by_offset(btf, section->name_off);
		info = btf_var_secinfos(section);
		for (i = 0; i < btf_vlen(section); i++, info++) {
			const struct btf_type *var = btf__type_by_id(btf, info->type);

			if (!btf_is_var(var) || strcmp(btf__name_by_offset(btf, var->name_off), name))
				continue;
			found->map = section_map(object, section_name);
			found->offset = info->offset;
			found->size = info->size;
			found->read_only = !strncmp(section_name, ".rodata", 7);
			if (found->map)
				return true;
		}
	}
	return false;
}

/* Where the variable can be read and written now: the initial image before the load, the map's pages after it. */
static uint8_t *variable_memory(struct object *object, const struct variable *variable)
{
	size_t len, page = (size_t)sysconf(_SC_PAGESIZE), i;
	int fd = bpf_map__fd(variable->map);
	void *at;

	if (!object->loaded || variable->read_only) {
		at = (void *)bpf_map__initial_value(variable->map, &len); /* const in libbpf 1.1 only */
		return at && variable->offset + variable->size <= len ? (uint8_t *)at + variable->offset : NULL;
	}
	for (i = 0; i < object->mapped_count; i++)
		if (object->mapped[i].fd == fd)
			return object->mapped[i].at + variable->offset;
	if (object->mapped_count == sizeof(object->mapped) / sizeof(object->mapped[0]))
		return NULL;
	len = (bpf_map__value_size(variable->map) + page - 1) & ~(page - 1);
	at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return NULL;
	object->mapped[object->mapped_count++] = (struct mapping){ .fd = fd, .at = at, .len = len };
	return (uint8_t *)at + variable->offset;
}

static uint8_t *variable_of(struct call *call, struct object **object, struct variable *variable)
{
	char name[256];
	uint8_t *memory;

	*object = object_of(call, 0);
	if (!*object || !arg_string(call, 1, name, sizeof(name)))
		return NULL;
	if (!object_variable(*object, name, variable)) {
		throw_errno(call->env, "find variable", ENOENT, NULL);
		return NULL;
	}
	memory = variable_memory(*object, variable);
	if (!memory)
		throw_errno(call->env, "map variable", ENOTSUP, NULL);
	return memory;
}

/* variableRead(object, name): Buffer */
static napi_value variable_read(napi_env env, napi_callback_info info)
{
	struct variable variable;
	struct object *object;
	struct call call;
	uint8_t *memory;

	call_begin(&call, env, info);
	memory = variable_of(&call, &object, &variable);
	return memory ? js_bytes(env, memory, variable.size) : NULL;
}

/* variableWrite(object, name, bytes): bytes may be shorter than the variable, never longer. Read-only data only before the load. */
static napi_value variable_write(napi_env env, napi_callback_info info)
{
	struct variable variable;
	struct object *object;
	struct call call;
	uint8_t *memory, *bytes;
	size_t len;

	call_begin(&call, env, info);
	memory = variable_of(&call, &object, &variable);
	if (!memory || !arg_bytes(&call, 2, &bytes, &len))
		return NULL;
	if (variable.read_only && object->loaded)
		return throw_errno(env, "write read-only variable after load", EPERM, NULL);
	if (len > variable.size)
		return throw_errno(env, "write variable", E2BIG, NULL);
	/* Counters are read by programs while they are written here: one store where the size allows it. */
	if (len == 4 && !((uintptr_t)memory & 3))
		__atomic_store_n((uint32_t *)memory, *(uint32_t *)memcpy(&(uint32_t){ 0 }, bytes, 4), __ATOMIC_SEQ_CST);
	else if (len == 8 && !((uintptr_t)memory & 7))
		__atomic_store_n((uint64_t *)memory, *(uint64_t *)memcpy(&(uint64_t){ 0 }, bytes, 8), __ATOMIC_SEQ_CST);
	else
		memcpy(memory, bytes, len);
	return js_undefined(env);
}

void object_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "objectOpen", object_open },
		{ "objectLoad", object_load },
		{ "objectClose", object_close_js },
		{ "objectPrograms", object_programs },
		{ "objectSetAutoload", object_set_autoload },
		{ "variableRead", variable_read },
		{ "variableWrite", variable_write },
	};

	JS_FUNCTIONS(env, exports, list);
}
