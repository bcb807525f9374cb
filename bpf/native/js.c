/* SPDX-License-Identifier: MIT */
/* Between C and JavaScript values. Node-API in plain C: one binary for every Node from 20 on. */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void call_begin(struct call *call, napi_env env, napi_callback_info info)
{
	call->env = env;
	call->argc = MAX_ARGS;
	napi_get_cb_info(env, info, &call->argc, call->argv, NULL, NULL);
}

static bool bad_argument(struct call *call, size_t at, const char *wanted)
{
	char text[96];

	snprintf(text, sizeof(text), "argument %zu must be %s", at + 1, wanted);
	napi_throw_type_error(call->env, NULL, text);
	return false;
}

bool arg_string(struct call *call, size_t at, char *to, size_t room)
{
	size_t len;

	if (at >= call->argc || napi_get_value_string_utf8(call->env, call->argv[at], NULL, 0, &len) != napi_ok)
		return bad_argument(call, at, "a string");
	if (len >= room)
		return bad_argument(call, at, "a shorter string");
	napi_get_value_string_utf8(call->env, call->argv[at], to, room, &len);
	if (strlen(to) != len)
		return bad_argument(call, at, "a string without NUL");
	return true;
}

bool arg_int64(struct call *call, size_t at, int64_t *to)
{
	if (at >= call->argc || napi_get_value_int64(call->env, call->argv[at], to) != napi_ok)
		return bad_argument(call, at, "a number");
	return true;
}

bool arg_uint64(struct call *call, size_t at, uint64_t *to)
{
	bool lossless;
	int64_t number;

	if (at < call->argc && napi_get_value_bigint_uint64(call->env, call->argv[at], to, &lossless) == napi_ok)
		return true;
	if (at < call->argc && napi_get_value_int64(call->env, call->argv[at], &number) == napi_ok) {
		*to = (uint64_t)number;
		return true;
	}
	return bad_argument(call, at, "a number or bigint");
}

bool arg_bool(struct call *call, size_t at, bool *to)
{
	if (at >= call->argc || napi_get_value_bool(call->env, call->argv[at], to) != napi_ok)
		return bad_argument(call, at, "true or false");
	return true;
}

bool arg_bytes(struct call *call, size_t at, uint8_t **data, size_t *len)
{
	bool is = false;

	if (at < call->argc)
		napi_is_buffer(call->env, call->argv[at], &is);
	if (!is)
		return bad_argument(call, at, "a Buffer");
	napi_get_buffer_info(call->env, call->argv[at], (void **)data, len);
	return true;
}

void *arg_handle(struct call *call, size_t at, uint32_t magic)
{
	napi_valuetype type = napi_undefined;
	uint32_t *handle = NULL;

	if (at < call->argc)
		napi_typeof(call->env, call->argv[at], &type);
	if (type == napi_external)
		napi_get_value_external(call->env, call->argv[at], (void **)&handle);
	if (!handle || *handle != magic) {
		bad_argument(call, at, "an open handle of the right kind");
		return NULL;
	}
	return handle;
}

char **arg_strings(struct call *call, size_t at)
{
	uint32_t count, i;
	size_t bytes = 0, len;
	napi_value item;
	char **list, *text;
	bool is = false;

	if (at < call->argc)
		napi_is_array(call->env, call->argv[at], &is);
	if (!is) {
		bad_argument(call, at, "a list of strings");
		return NULL;
	}
	napi_get_array_length(call->env, call->argv[at], &count);
	for (i = 0; i < count; i++) {
		if (napi_get_element(call->env, call->argv[at], i, &item) != napi_ok ||
		    napi_get_value_string_utf8(call->env, item, NULL, 0, &len) != napi_ok) {
			bad_argument(call, at, "a list of strings");
			return NULL;
		}
		bytes += len + 1;
	}
	list = malloc((count + 1) * sizeof(*list) + bytes);
	if (!list) {
		throw_errno(call->env, "memory", ENOMEM, NULL);
		return NULL;
	}
	text = (char *)(list + count + 1);
	for (i = 0; i < count; i++) {
		napi_get_element(call->env, call->argv[at], i, &item);
		napi_get_value_string_utf8(call->env, item, text, bytes, &len);
		list[i] = text;
		text += len + 1;
		bytes -= len + 1;
	}
	list[count] = NULL;
	return list;
}

napi_value js_undefined(napi_env env)
{
	napi_value value = NULL;

	napi_get_undefined(env, &value);
	return value;
}

napi_value js_number(napi_env env, double number)
{
	napi_value value = NULL;

	napi_create_double(env, number, &value);
	return value;
}

napi_value js_string(napi_env env, const char *text)
{
	napi_value value = NULL;

	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
	return value;
}

napi_value js_bigint(napi_env env, uint64_t number)
{
	napi_value value = NULL;

	napi_create_bigint_uint64(env, number, &value);
	return value;
}

napi_value js_bigint_signed(napi_env env, int64_t number)
{
	napi_value value = NULL;

	napi_create_bigint_int64(env, number, &value);
	return value;
}

napi_value js_bool(napi_env env, bool yes)
{
	napi_value value = NULL;

	napi_get_boolean(env, yes, &value);
	return value;
}

napi_value js_bytes(napi_env env, const void *data, size_t len)
{
	napi_value value = NULL;

	napi_create_buffer_copy(env, len, data, NULL, &value);
	return value;
}

void js_set(napi_env env, napi_value object, const char *name, napi_value value)
{
	napi_set_named_property(env, object, name, value);
}

napi_value js_handle(napi_env env, void *handle, napi_finalize finalize)
{
	napi_value value = NULL;

	napi_create_external(env, handle, finalize, NULL, &value);
	return value;
}

void js_functions(napi_env env, napi_value exports, const struct function *list, size_t count)
{
	napi_value function;
	size_t i;

	for (i = 0; i < count; i++) {
		napi_create_function(env, list[i].name, NAPI_AUTO_LENGTH, list[i].call, NULL, &function);
		js_set(env, exports, list[i].name, function);
	}
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	if (err == 524) /* include/linux/errno.h: not meant for user space, and yet uprobes return it */
		return "ENOTSUPP";
	return name ? name : "EUNKNOWN";
}

napi_value throw_errno(napi_env env, const char *step, int err, const char *log)
{
	napi_value message, error = NULL;
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", step, err == 524 ? "Operation is not supported" : strerror(err));
	message = js_string(env, text);
	napi_create_error(env, NULL, message, &error);
	js_set(env, error, "step", js_string(env, step));
	js_set(env, error, "errno", js_string(env, errno_name(err)));
	if (log)
		js_set(env, error, "log", js_string(env, log));
	napi_throw(env, error);
	return NULL;
}

napi_value throw_text(napi_env env, const char *text)
{
	napi_throw_error(env, NULL, text);
	return NULL;
}
