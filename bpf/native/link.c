/* SPDX-License-Identifier: MIT */
/* Links: what keeps a program attached, and how it ends. */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct link {
	uint32_t magic;
	int link_fd;
	int perf_fd;
};

static void link_close(struct link *link)
{
	if (link->perf_fd >= 0)
		ioctl(link->perf_fd, PERF_EVENT_IOC_DISABLE, 0);
	if (link->link_fd >= 0)
		close(link->link_fd);
	if (link->perf_fd >= 0)
		close(link->perf_fd);
	link->link_fd = link->perf_fd = -1;
}

static void link_free(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	link_close(data);
	free(data);
}

napi_value link_handle(napi_env env, int link_fd, int perf_fd)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link) {
		close(link_fd);
		close(perf_fd);
		return throw_errno(env, "memory", ENOMEM, NULL);
	}
	link->magic = MAGIC_LINK;
	link->link_fd = link_fd;
	link->perf_fd = perf_fd;
	return js_handle(env, link, link_free);
}

/* linkClose(link): idempotent */
static napi_value link_close_js(napi_env env, napi_callback_info info)
{
	struct call call;
	struct link *link;

	call_begin(&call, env, info);
	link = arg_handle(&call, 0, MAGIC_LINK);
	if (link)
		link_close(link);
	return js_undefined(env);
}

/*
 * Ending a uprobe waits for a grace period of the kernel, 100 to 300 ms. Waits of several threads overlap, so a hundred
 * probes end in about the time of one.
 */
#define CLOSERS 64

struct closer {
	pthread_t thread;
	struct link **links;
	size_t count;
	size_t first;
	size_t step;
};

static void *close_some(void *data)
{
	struct closer *closer = data;
	size_t i;

	for (i = closer->first; i < closer->count; i += closer->step)
		link_close(closer->links[i]);
	return NULL;
}

static void close_in_parallel(struct link **links, size_t count)
{
	size_t threads = count < CLOSERS ? count : CLOSERS, i;
	struct closer closers[CLOSERS];
	bool started[CLOSERS] = { false };
	pthread_attr_t small;
	sigset_t all, before;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < threads; i++) {
		closers[i] = (struct closer){ .links = links, .count = count, .first = i, .step = threads };
		/* The last share is ours, and so is that of a thread that could not be had. */
		started[i] = i + 1 < threads && !pthread_create(&closers[i].thread, &small, close_some, &closers[i]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&small);
	for (i = 0; i < threads; i++)
		if (!started[i])
			close_some(&closers[i]);
	for (i = 0; i < threads; i++)
		if (started[i])
			pthread_join(closers[i].thread, NULL);
}

/* linksClose(links[]): all at once */
static napi_value links_close(napi_env env, napi_callback_info info)
{
	uint32_t count = 0, i, n = 0;
	struct link **links;
	napi_value item;
	struct call call;

	call_begin(&call, env, info);
	if (napi_get_array_length(env, call.argv[0], &count) != napi_ok || !count)
		return js_undefined(env);
	links = calloc(count, sizeof(*links));
	if (!links)
		return throw_errno(env, "memory", ENOMEM, NULL);
	for (i = 0; i < count; i++) {
		struct link *link = NULL;

		if (napi_get_element(env, call.argv[0], i, &item) == napi_ok &&
		    napi_get_value_external(env, item, (void **)&link) == napi_ok && link && link->magic == MAGIC_LINK)
			links[n++] = link;
	}
	close_in_parallel(links, n);
	free(links);
	return js_undefined(env);
}

void link_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "linkClose", link_close_js },
		{ "linksClose", links_close },
	};

	JS_FUNCTIONS(env, exports, list);
}
