/* SPDX-License-Identifier: MIT */
/* Maps, by name. Keys and values are Buffers; a per-CPU value is all CPUs' values one after another. */
#define _GNU_SOURCE
#include "native.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

static struct bpf_map *map_of(struct call *call, struct object **object)
{
	struct bpf_map *map;
	char name[256];

	*object = object_of(call, 0);
	if (!*object || !arg_string(call, 1, name, sizeof(name)))
		return NULL;
	map = bpf_object__find_map_by_name((*object)->bpf, name);
	if (!map)
		throw_errno(call->env, "find map", ENOENT, NULL);
	return map;
}

/* mapInfo(object, name): {fd, type, keySize, valueSize, maxEntries, cpus} (fd -1 before the load) */
static napi_value map_info(napi_env env, napi_callback_info info)
{
	struct object *object;
	struct bpf_map *map;
	napi_value result;
	struct call call;

	call_begin(&call, env, info);
	map = map_of(&call, &object);
	if (!map)
		return NULL;
	napi_create_object(env, &result);
	js_set(env, result, "fd", js_number(env, object->loaded ? bpf_map__fd(map) : -1));
	js_set(env, result, "type", js_number(env, bpf_map__type(map)));
	js_set(env, result, "keySize", js_number(env, bpf_map__key_size(map)));
	js_set(env, result, "valueSize", js_number(env, bpf_map__value_size(map)));
	js_set(env, result, "maxEntries", js_number(env, bpf_map__max_entries(map)));
	js_set(env, result, "cpus", js_number(env, libbpf_num_possible_cpus()));
	return result;
}

/* mapSetMaxEntries(object, name, n) */
static napi_value map_set_max_entries(napi_env env, napi_callback_info info)
{
	struct object *object;
	struct bpf_map *map;
	struct call call;
	int64_t n;
	int err;

	call_begin(&call, env, info);
	map = map_of(&call, &object);
	if (!map || !arg_int64(&call, 2, &n))
		return NULL;
	err = bpf_map__set_max_entries(map, (uint32_t)n);
	if (err)
		return throw_errno(env, "set max entries", -err, NULL);
	return js_undefined(env);
}

/* mapLookup(fd, key, valueBytes): Buffer, or undefined when there is no such key */
static napi_value map_lookup(napi_env env, napi_callback_info info)
{
	int64_t fd, bytes;
	napi_value buffer;
	struct call call;
	uint8_t *key;
	size_t len;
	void *value;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &fd) || !arg_bytes(&call, 1, &key, &len) || !arg_int64(&call, 2, &bytes))
		return NULL;
	napi_create_buffer(env, (size_t)bytes, &value, &buffer);
	if (bpf_map_lookup_elem((int)fd, key, value))
		return errno == ENOENT ? js_undefined(env) : throw_errno(env, "map lookup", errno, NULL);
	return buffer;
}

/* mapUpdate(fd, key, value, flags) */
static napi_value map_update(napi_env env, napi_callback_info info)
{
	size_t key_len, value_len;
	uint8_t *key, *value;
	int64_t fd, flags;
	struct call call;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &fd) || !arg_bytes(&call, 1, &key, &key_len) ||
	    !arg_bytes(&call, 2, &value, &value_len) || !arg_int64(&call, 3, &flags))
		return NULL;
	if (bpf_map_update_elem((int)fd, key, value, (uint64_t)flags))
		return throw_errno(env, "map update", errno, NULL);
	return js_undefined(env);
}

/* mapDelete(fd, key): whether it was there */
static napi_value map_delete(napi_env env, napi_callback_info info)
{
	struct call call;
	uint8_t *key;
	size_t len;
	int64_t fd;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &fd) || !arg_bytes(&call, 1, &key, &len))
		return NULL;
	if (bpf_map_delete_elem((int)fd, key))
		return errno == ENOENT ? js_bool(env, false) : throw_errno(env, "map delete", errno, NULL);
	return js_bool(env, true);
}

/* mapNextKey(fd, key | undefined, keyBytes): Buffer, or undefined after the last */
static napi_value map_next_key(napi_env env, napi_callback_info info)
{
	uint8_t *key = NULL;
	int64_t fd, bytes;
	napi_value buffer;
	struct call call;
	bool is = false;
	size_t len;
	void *next;

	call_begin(&call, env, info);
	if (!arg_int64(&call, 0, &fd) || !arg_int64(&call, 2, &bytes))
		return NULL;
	napi_is_buffer(env, call.argv[1], &is);
	if (is && !arg_bytes(&call, 1, &key, &len))
		return NULL;
	napi_create_buffer(env, (size_t)bytes, &next, &buffer);
	if (bpf_map_get_next_key((int)fd, key, next))
		return errno == ENOENT ? js_undefined(env) : throw_errno(env, "map next key", errno, NULL);
	return buffer;
}

void map_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "mapInfo", map_info },	 { "mapSetMaxEntries", map_set_max_entries }, { "mapLookup", map_lookup },
		{ "mapUpdate", map_update },	 { "mapDelete", map_delete },		      { "mapNextKey", map_next_key },
	};

	JS_FUNCTIONS(env, exports, list);
}
