/* SPDX-License-Identifier: MIT */
/*
 * Tells of changes to one name in a directory (inotify), and reads a file that others write. Node's fs.watch does not say whether a file was closed after
 * writing, and that is what tells a whole file from half of one.
 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_MODIFY | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

struct watch {
	uint32_t magic;
	int fd;
	int stop_fd;
	char name[256];
	napi_threadsafe_function tell;
	pthread_t thread;
	uint32_t seen; /* bits that JavaScript has not been told of yet */
	bool open;
	bool threaded;
};

/* One call is enough for all that has happened until it is made. */
static void call_tell(napi_env env, napi_value callback, void *context, void *data)
{
	struct watch *watch = context;
	napi_value receiver, mask;
	uint32_t seen = __atomic_exchange_n(&watch->seen, 0, __ATOMIC_SEQ_CST);

	(void)data;
	if (!env || !callback || !seen)
		return;
	napi_get_undefined(env, &receiver);
	mask = js_number(env, seen);
	napi_call_function(env, receiver, callback, 1, &mask, NULL);
}

static void see(struct watch *watch, uint32_t mask)
{
	if (!__atomic_fetch_or(&watch->seen, mask, __ATOMIC_SEQ_CST))
		napi_call_threadsafe_function(watch->tell, NULL, napi_tsfn_nonblocking);
}

static void *watch_thread(void *data)
{
	struct watch *watch = data;
	struct pollfd fds[2] = { { .fd = watch->fd, .events = POLLIN }, { .fd = watch->stop_fd, .events = POLLIN } };
	char buffer[8192] __attribute__((aligned(8)));

	pthread_setname_np(pthread_self(), "watch");
	for (;;) {
		ssize_t n;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		n = read(watch->fd, buffer, sizeof(buffer));
		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
			const struct inotify_event *event = (void *)(buffer + at);

			if (!event->len || !strcmp(event->name, watch->name))
				see(watch, event->mask);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	return NULL;
}

static void watch_stop(void *data)
{
	struct watch *watch = data;
	uint64_t one = 1;

	if (!watch->open)
		return;
	watch->open = false;
	if (watch->threaded) {
		while (write(watch->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(watch->thread, NULL);
	}
	if (watch->tell)
		napi_release_threadsafe_function(watch->tell, napi_tsfn_abort);
	if (watch->fd >= 0)
		close(watch->fd);
	if (watch->stop_fd >= 0)
		close(watch->stop_fd);
}

static void watch_free(napi_env env, void *data, void *hint)
{
	struct watch *watch = data;

	(void)hint;
	if (watch->open) {
		napi_remove_env_cleanup_hook(env, watch_stop, watch);
		watch_stop(watch);
	}
	free(watch);
}

static int start(struct watch *watch)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&watch->thread, NULL, watch_thread, watch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	watch->threaded = !err;
	return err;
}

/* watchOpen(directory, name, tell(mask)): watch */
static napi_value watch_open(napi_env env, napi_callback_info info)
{
	char directory[4096];
	struct watch *watch;
	const char *step = "memory";
	struct call call;
	int err;

	call_begin(&call, env, info);
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return throw_errno(env, step, ENOMEM, NULL);
	watch->magic = MAGIC_WATCH;
	watch->fd = watch->stop_fd = -1;
	watch->open = true;
	if (!arg_string(&call, 0, directory, sizeof(directory)) || !arg_string(&call, 1, watch->name, sizeof(watch->name))) {
		free(watch);
		return NULL;
	}
	step = "inotify";
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0)
		goto failed;
	step = "watch";
	if (inotify_add_watch(watch->fd, directory, WATCHED | IN_ONLYDIR) < 0)
		goto failed;
	step = "eventfd";
	watch->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (watch->stop_fd < 0)
		goto failed;
	step = "thread";
	errno = EAGAIN;
	if (napi_create_threadsafe_function(env, call.argv[2], NULL, js_string(env, "watch"), 0, 1, NULL, NULL, watch, call_tell,
					    &watch->tell) != napi_ok)
		goto failed;
	/* It does not keep the process. */
	napi_unref_threadsafe_function(env, watch->tell);
	errno = start(watch);
	if (errno)
		goto failed;
	napi_add_env_cleanup_hook(env, watch_stop, watch);
	return js_handle(env, watch, watch_free);
failed:
	err = errno;
	watch_stop(watch);
	free(watch);
	return throw_errno(env, step, err, NULL);
}

/* watchClose(watch) */
static napi_value watch_close(napi_env env, napi_callback_info info)
{
	struct watch *watch;
	struct call call;

	call_begin(&call, env, info);
	watch = arg_handle(&call, 0, MAGIC_WATCH);
	if (!watch)
		return NULL;
	if (watch->open) {
		napi_remove_env_cleanup_hook(env, watch_stop, watch);
		watch_stop(watch);
	}
	return js_undefined(env);
}

/* Bytes of an open file, at most `most`; minus an errno. The caller frees them. */
static ssize_t read_all(int fd, size_t room, size_t most, uint8_t **out)
{
	uint8_t *bytes = malloc(room);
	size_t length = 0;

	while (bytes) {
		ssize_t n = read(fd, bytes + length, room - length);
		uint8_t *more;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*out = bytes;
			return n < 0 ? -errno : (ssize_t)length;
		}
		length += (size_t)n;
		if (length > most) {
			*out = bytes;
			return -EFBIG;
		}
		if (length < room)
			continue;
		room *= 2;
		more = realloc(bytes, room);
		if (!more)
			free(bytes);
		bytes = more;
	}
	*out = NULL;
	return -ENOMEM;
}

/*
 * readWhole(path, most): {bytes, written}. Reads under a read lease (fcntl(2)), which the kernel gives only while nobody
 * has the file open for writing, and which whoever comes to write waits for. `written`: somebody has it open, so that
 * this may be half of it; absent where the file system has no leases.
 */
static napi_value read_whole(napi_env env, napi_callback_info info)
{
	char path[4096];
	struct call call;
	struct stat stat;
	const char *step = "open";
	napi_value result;
	uint8_t *bytes = NULL;
	int64_t most;
	ssize_t length = 0;
	int fd, lease, err;

	call_begin(&call, env, info);
	if (!arg_string(&call, 0, path, sizeof(path)) || !arg_int64(&call, 1, &most))
		return NULL;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return throw_errno(env, step, errno, NULL);
	err = fstat(fd, &stat) < 0 ? errno : S_ISREG(stat.st_mode) ? 0 : S_ISDIR(stat.st_mode) ? EISDIR : ENOTSUP;
	if (!err && stat.st_size > most)
		err = EFBIG;
	if (err)
		goto out;
	/* Whoever breaks the lease makes a signal; this one means nothing by default. */
	fcntl(fd, F_SETSIG, SIGURG);
	lease = fcntl(fd, F_SETLEASE, F_RDLCK) ? errno : 0;
	step = "read";
	length = read_all(fd, (size_t)stat.st_size + 4096, (size_t)most, &bytes);
	if (!lease)
		fcntl(fd, F_SETLEASE, F_UNLCK);
	if (length < 0)
		err = (int)-length;
out:
	close(fd);
	if (err) {
		free(bytes);
		return throw_errno(env, step, err, NULL);
	}
	napi_create_object(env, &result);
	js_set(env, result, "bytes", js_bytes(env, bytes, (size_t)length));
	if (!lease || lease == EAGAIN)
		js_set(env, result, "written", js_bool(env, lease == EAGAIN));
	free(bytes);
	return result;
}

void watch_register(napi_env env, napi_value exports)
{
	static const struct function list[] = { { "watchOpen", watch_open }, { "watchClose", watch_close }, { "readWhole", read_whole } };

	JS_FUNCTIONS(env, exports, list);
}
