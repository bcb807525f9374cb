/* SPDX-License-Identifier: MIT */
/*
 * Attaching programs. Every link is a file descriptor that nobody else holds: when the process ends, however it ends,
 * the kernel detaches. Nothing is pinned, and the legacy uprobe_events file, which outlives its writer, is not used.
 */
#define _GNU_SOURCE
#include "native.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int read_file(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int err;

	if (fd < 0)
		return -errno;
	len = read(fd, to, room - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;
	to[len] = 0;
	return 0;
}

/* Type number of the uprobe PMU and the config bit that means "at the return". */
static int uprobe_pmu(uint32_t *type, uint64_t *return_bit)
{
	char text[64];
	int err, bit;

	err = read_file("/sys/bus/event_source/devices/uprobe/type", text, sizeof(text));
	if (err)
		return err;
	*type = (uint32_t)atoi(text);
	err = read_file("/sys/bus/event_source/devices/uprobe/format/retprobe", text, sizeof(text));
	if (err)
		return err;
	if (sscanf(text, "config:%d", &bit) != 1 || bit < 0 || bit > 63)
		return -EINVAL;
	*return_bit = 1ull << bit;
	return 0;
}

/* Binds a program to a perf event: by a link where the kernel has that (5.15, and only so with a cookie), else by ioctl. */
static napi_value attach_perf(napi_env env, int program_fd, int perf_fd, bool has_cookie, uint64_t cookie)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int link_fd, err;

	opts.perf_event.bpf_cookie = cookie;
	link_fd = bpf_link_create(program_fd, perf_fd, BPF_PERF_EVENT, &opts);
	if (link_fd < 0) {
		err = errno;
		if (err != EINVAL || has_cookie) {
			close(perf_fd);
			return throw_errno(env, has_cookie && err == EINVAL ? "link with cookie" : "link", err, NULL);
		}
		if (ioctl(perf_fd, PERF_EVENT_IOC_SET_BPF, program_fd)) {
			err = errno;
			close(perf_fd);
			return throw_errno(env, "set program", err, NULL);
		}
	}
	if (ioctl(perf_fd, PERF_EVENT_IOC_ENABLE, 0)) {
		err = errno;
		if (link_fd >= 0)
			close(link_fd);
		close(perf_fd);
		return throw_errno(env, "enable", err, NULL);
	}
	return link_handle(env, link_fd, perf_fd);
}

/* The part of union bpf_attr that BPF_LINK_CREATE reads for uprobe_multi; include/uapi/linux/bpf.h of Linux 6.6. */
struct uprobe_multi_attr {
	uint32_t program_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t link_flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t flags;
	uint32_t pid;
	uint32_t pad;
};
#define UPROBE_MULTI_RETURN 1

/* Without a perf event: many such links end in the time of one, while perf events end one after another under a lock. */
static int uprobe_multi_link(int program_fd, const char *path, uint64_t offset, int64_t pid, bool ret, uint64_t cookie)
{
	struct uprobe_multi_attr attr = {
		.program_fd = (uint32_t)program_fd,
		.attach_type = UPROBE_MULTI,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)&offset,
		.cookies = (uint64_t)(uintptr_t)&cookie,
		.count = 1,
		.flags = ret ? UPROBE_MULTI_RETURN : 0,
		.pid = pid < 0 ? 0 : (uint32_t)pid,
	};

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

/* attachUprobe(object, program, path, offset, pid, ret, cookie | undefined): link */
static napi_value attach_uprobe(napi_env env, napi_callback_info info)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	uint64_t offset, cookie = 0, return_bit;
	char program[256], path[4096];
	napi_valuetype cookie_type = napi_undefined;
	struct object *object;
	struct call call;
	int fd, perf_fd, err;
	uint32_t type;
	int64_t pid;
	bool ret;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, program, sizeof(program)) || !arg_string(&call, 2, path, sizeof(path)) ||
	    !arg_uint64(&call, 3, &offset) || !arg_int64(&call, 4, &pid) || !arg_bool(&call, 5, &ret))
		return NULL;
	if (call.argc > 6)
		napi_typeof(env, call.argv[6], &cookie_type);
	if (cookie_type != napi_undefined && !arg_uint64(&call, 6, &cookie))
		return NULL;
	fd = object_program_fd(&call, object, program);
	if (fd < 0)
		return NULL;
	if (object->uprobe_multi) {
		fd = uprobe_multi_link(fd, path, offset, pid, ret, cookie);
		return fd < 0 ? throw_errno(env, "uprobe_multi", errno, NULL) : link_handle(env, fd, -1);
	}
	err = uprobe_pmu(&type, &return_bit);
	if (err)
		return throw_errno(env, "uprobe PMU", -err, NULL);
	attr.type = type;
	attr.config = ret ? return_bit : 0;
	attr.config1 = (uint64_t)(uintptr_t)path;
	attr.config2 = offset;
	perf_fd = (int)syscall(SYS_perf_event_open, &attr, pid < 0 ? -1 : (int)pid, pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf_fd < 0)
		return throw_errno(env, "perf_event_open", errno, NULL);
	return attach_perf(env, fd, perf_fd, cookie_type != napi_undefined, cookie);
}

/* attachTracepoint(object, program, category, name): link */
static napi_value attach_tracepoint(napi_env env, napi_callback_info info)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .type = PERF_TYPE_TRACEPOINT };
	char program[256], category[128], name[128], path[320], text[32];
	struct object *object;
	struct call call;
	int fd, perf_fd, err;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, program, sizeof(program)) || !arg_string(&call, 2, category, sizeof(category)) ||
	    !arg_string(&call, 3, name, sizeof(name)))
		return NULL;
	fd = object_program_fd(&call, object, program);
	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "events/%s/%s/id", category, name);
	err = tracefs_read(path, text, sizeof(text));
	if (err) {
		int mount_err = 0;

		return throw_errno(env, tracefs_kind(&mount_err) ? "tracepoint id" : "mount tracefs", mount_err ? mount_err : -err, NULL);
	}
	attr.config = strtoull(text, NULL, 10);
	perf_fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf_fd < 0)
		return throw_errno(env, "perf_event_open", errno, NULL);
	return attach_perf(env, fd, perf_fd, false, 0);
}

/* attachRaw(object, program, name): link. name: the tracepoint's, as raw_tp programs are attached */
static napi_value attach_raw(napi_env env, napi_callback_info info)
{
	char program[256], name[128];
	struct object *object;
	int fd, link_fd;
	struct call call;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, program, sizeof(program)) || !arg_string(&call, 2, name, sizeof(name)))
		return NULL;
	fd = object_program_fd(&call, object, program);
	if (fd < 0)
		return NULL;
	/* A tp_btf program knows its tracepoint by itself. */
	link_fd = bpf_raw_tracepoint_open(name[0] ? name : NULL, fd);
	if (link_fd < 0)
		return throw_errno(env, "raw_tracepoint_open", errno, NULL);
	return link_handle(env, link_fd, -1);
}

/* attachCgroup(object, program, path, attachType): link */
static napi_value attach_cgroup(napi_env env, napi_callback_info info)
{
	char program[256], path[4096];
	int fd, cgroup_fd, link_fd, err;
	struct object *object;
	struct call call;
	int64_t type;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, program, sizeof(program)) || !arg_string(&call, 2, path, sizeof(path)) ||
	    !arg_int64(&call, 3, &type))
		return NULL;
	fd = object_program_fd(&call, object, program);
	if (fd < 0)
		return NULL;
	cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_fd < 0)
		return throw_errno(env, "open cgroup", errno, NULL);
	link_fd = bpf_link_create(fd, cgroup_fd, (enum bpf_attach_type)type, NULL);
	err = errno;
	close(cgroup_fd);
	if (link_fd < 0)
		return throw_errno(env, "link", err, NULL);
	return link_handle(env, link_fd, -1);
}

/* runIter(object, program): all that the iterator prints */
static napi_value run_iter(napi_env env, napi_callback_info info)
{
	size_t room = 256 * 1024, len = 0;
	int fd, link_fd, iter_fd, err = 0;
	struct object *object;
	char program[256], *text;
	napi_value result;
	struct call call;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, program, sizeof(program)))
		return NULL;
	fd = object_program_fd(&call, object, program);
	if (fd < 0)
		return NULL;
	link_fd = bpf_link_create(fd, 0, BPF_TRACE_ITER, NULL);
	if (link_fd < 0)
		return throw_errno(env, "link", errno, NULL);
	iter_fd = bpf_iter_create(link_fd);
	err = errno;
	close(link_fd);
	if (iter_fd < 0)
		return throw_errno(env, "iter_create", err, NULL);
	err = 0;
	text = malloc(room);
	while (text) {
		ssize_t got;

		if (room - len < 64 * 1024) {
			char *more = realloc(text, room * 2);

			if (!more) {
				free(text);
				text = NULL;
				break;
			}
			text = more;
			room *= 2;
		}
		got = read(iter_fd, text + len, room - len);
		if (got > 0) {
			len += (size_t)got;
			continue;
		}
		if (got < 0 && (errno == EAGAIN || errno == EINTR)) /* the kernel paused the walk to let others run */
			continue;
		err = got < 0 ? errno : 0;
		break;
	}
	close(iter_fd);
	if (!text)
		return throw_errno(env, "memory", ENOMEM, NULL);
	result = err ? throw_errno(env, "read", err, NULL) : js_bytes(env, text, len);
	free(text);
	return result;
}

void attach_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "attachUprobe", attach_uprobe }, { "attachTracepoint", attach_tracepoint },
		{ "attachRaw", attach_raw },	      { "attachCgroup", attach_cgroup }, { "runIter", run_iter },
	};

	JS_FUNCTIONS(env, exports, list);
}
