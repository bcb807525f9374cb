/* SPDX-License-Identifier: MIT */
/*
 * The ring buffer's reader. Records are copied out in bounded batches, one memcpy for each run of consecutive records
 * and one store of the consumer position per batch; libbpf's own poll stores the position per record and does not
 * return while the producer keeps up, which would starve the event loop.
 *
 * While there is traffic JavaScript drains on a timer and the kernel wakes nobody. When the ring has been empty it asks
 * for one wake-up (`ringArm`): a thread sets the program's variable `ring_wanted` and sleeps in poll(2). A program
 * reads that variable after it has reserved its record, and submits with BPF_RB_FORCE_WAKEUP when it is set.
 */
#define _GNU_SOURCE
#include "native.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct ring {
	uint32_t magic;
	int map_fd;
	int stop_fd;
	size_t page;
	uint64_t mask;
	uint64_t *consumer; /* own page, writable */
	uint64_t *producer; /* kernel's page; the data follows, mapped twice, so that every record is contiguous */
	uint8_t *data;
	uint8_t *wanted_page;
	size_t wanted_len;
	uint32_t *wanted;

	napi_env env;
	napi_threadsafe_function wake;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool threaded;
	bool armed;
	bool stopping;
	bool open;
};

static void want(struct ring *ring, uint32_t value)
{
	if (ring->wanted)
		__atomic_store_n(ring->wanted, value, __ATOMIC_SEQ_CST);
}

/*
 * Sleeps until the ring has something. poll(2) itself looks at the positions before it sleeps, so a record that came
 * between the last drain and `want` is seen. What remains is a program that read `ring_wanted` a moment too early:
 * its record shows in the next look, 10 and 100 ms later and then once a second.
 */
static void sleep_until_ready(struct ring *ring)
{
	struct pollfd fds[2] = { { .fd = ring->map_fd, .events = POLLIN }, { .fd = ring->stop_fd, .events = POLLIN } };
	int timeout = 10;

	want(ring, 1);
	for (;;) {
		int ready = poll(fds, 2, timeout);

		if (ready > 0 || (ready < 0 && errno != EINTR))
			break;
		if (ready == 0)
			timeout = timeout < 100 ? 100 : 1000;
	}
	want(ring, 0);
}

static void *ring_thread(void *data)
{
	struct ring *ring = data;

	pthread_setname_np(pthread_self(), "ring");
	pthread_mutex_lock(&ring->lock);
	for (;;) {
		while (!ring->armed && !ring->stopping)
			pthread_cond_wait(&ring->changed, &ring->lock);
		if (ring->stopping)
			break;
		pthread_mutex_unlock(&ring->lock);
		sleep_until_ready(ring);
		pthread_mutex_lock(&ring->lock);
		ring->armed = false;
		if (ring->stopping)
			break;
		napi_call_threadsafe_function(ring->wake, NULL, napi_tsfn_nonblocking);
	}
	pthread_mutex_unlock(&ring->lock);
	return NULL;
}

static void ring_stop(void *data)
{
	struct ring *ring = data;
	uint64_t one = 1;

	if (!ring->open)
		return;
	ring->open = false;
	if (ring->threaded) {
		pthread_mutex_lock(&ring->lock);
		ring->stopping = true;
		pthread_cond_signal(&ring->changed);
		pthread_mutex_unlock(&ring->lock);
		while (write(ring->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(ring->thread, NULL);
	}
	if (ring->wake)
		napi_release_threadsafe_function(ring->wake, napi_tsfn_abort);
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap(ring->producer, ring->page + 2 * (ring->mask + 1));
	if (ring->wanted_page)
		munmap(ring->wanted_page, ring->wanted_len);
	if (ring->stop_fd >= 0)
		close(ring->stop_fd);
	if (ring->map_fd >= 0)
		close(ring->map_fd);
}

static void ring_free(napi_env env, void *data, void *hint)
{
	struct ring *ring = data;

	(void)hint;
	if (ring->open) {
		napi_remove_env_cleanup_hook(env, ring_stop, ring);
		ring_stop(ring);
	}
	free(ring);
}

static struct ring *ring_of(struct call *call)
{
	struct ring *ring = arg_handle(call, 0, MAGIC_RING);

	if (ring && !ring->open) {
		throw_text(call->env, "the ring is closed");
		return NULL;
	}
	return ring;
}

static void *map_pages(int fd, size_t len, int protection, off_t offset)
{
	void *at = mmap(NULL, len, protection, MAP_SHARED, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

/* The program's `ring_wanted`, mapped on its own, so that the ring does not depend on the object's life. */
static bool map_wanted(struct ring *ring, struct object *object, const char *name)
{
	struct variable variable;

	if (!object_variable(object, name, &variable) || variable.read_only || variable.size != 4)
		return false;
	ring->wanted_len = (bpf_map__value_size(variable.map) + ring->page - 1) & ~(ring->page - 1);
	ring->wanted_page = map_pages(bpf_map__fd(variable.map), ring->wanted_len, PROT_READ | PROT_WRITE, 0);
	if (!ring->wanted_page)
		return false;
	ring->wanted = (uint32_t *)(ring->wanted_page + variable.offset);
	return true;
}

static void call_wake(napi_env env, napi_value callback, void *context, void *data)
{
	napi_value receiver;

	(void)context;
	(void)data;
	if (!env || !callback)
		return;
	napi_get_undefined(env, &receiver);
	napi_call_function(env, receiver, callback, 0, NULL, NULL);
}

/* Threads of ours leave every signal to Node's own. */
static int start_thread(struct ring *ring)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&ring->thread, NULL, ring_thread, ring);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ring->threaded = !err;
	return err;
}

/* ringOpen(object, map, wanted, wake): ring. wanted: name of the program's wake-up variable, or "". */
static napi_value ring_open(napi_env env, napi_callback_info info)
{
	char name[256], wanted[256];
	struct object *object;
	const char *step = "memory";
	struct bpf_map *map;
	struct ring *ring;
	struct call call;
	int err = ENOMEM;

	call_begin(&call, env, info);
	object = object_of(&call, 0);
	if (!object || !arg_string(&call, 1, name, sizeof(name)) || !arg_string(&call, 2, wanted, sizeof(wanted)))
		return NULL;
	map = bpf_object__find_map_by_name(object->bpf, name);
	if (!map || bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF)
		return throw_errno(env, "find ring buffer map", ENOENT, NULL);
	if (!object->loaded)
		return throw_text(env, "the object is not loaded");
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return throw_errno(env, step, err, NULL);
	ring->magic = MAGIC_RING;
	ring->env = env;
	ring->open = true;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->mask = bpf_map__max_entries(map) - 1;
	ring->map_fd = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
	ring->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	step = "map ring buffer";
	ring->consumer = map_pages(ring->map_fd, ring->page, PROT_READ | PROT_WRITE, 0);
	if (!ring->consumer)
		goto failed;
	ring->producer = map_pages(ring->map_fd, ring->page + 2 * (ring->mask + 1), PROT_READ, (off_t)ring->page);
	if (!ring->producer)
		goto failed;
	ring->data = (uint8_t *)ring->producer + ring->page;
	step = "map wake-up variable";
	errno = ENOENT;
	if (wanted[0] && !map_wanted(ring, object, wanted))
		goto failed;
	step = "thread";
	errno = EAGAIN;
	if (napi_create_threadsafe_function(env, call.argv[3], NULL, js_string(env, "ring"), 1, 1, NULL, NULL, ring, call_wake, &ring->wake) !=
	    napi_ok)
		goto failed;
	errno = start_thread(ring);
	if (errno)
		goto failed;
	napi_add_env_cleanup_hook(env, ring_stop, ring);
	return js_handle(env, ring, ring_free);
failed:
	err = errno;
	ring_stop(ring);
	free(ring);
	return throw_errno(env, step, err, NULL);
}

/*
 * Copies committed records out, in order and without the discarded ones, each with the 8-byte header of the ring (u32
 * length, u32 to ignore) and padded to 8. Stops at a record that is still being written. Returns the bytes copied, or
 * minus the room that the first record needs when it does not fit.
 */
static int64_t ring_copy(struct ring *ring, uint8_t *out, size_t room)
{
	uint64_t position = *ring->consumer, end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE), start = position;
	int64_t too_long = 0;
	size_t len = 0;

	while (position < end) {
		uint32_t header = __atomic_load_n((uint32_t *)(ring->data + (position & ring->mask)), __ATOMIC_ACQUIRE);
		uint32_t payload = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		size_t size = ((size_t)payload + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t)7;

		if (header & BPF_RINGBUF_BUSY_BIT)
			break;
		if (header & BPF_RINGBUF_DISCARD_BIT) {
			memcpy(out + len, ring->data + (start & ring->mask), position - start);
			len += position - start;
			position += size;
			start = position;
			continue;
		}
		if (len + (position - start) + size > room) {
			if (!len && position == start)
				too_long = -(int64_t)size;
			break;
		}
		position += size;
	}
	memcpy(out + len, ring->data + (start & ring->mask), position - start);
	len += position - start;
	__atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
	return len ? (int64_t)len : too_long;
}

/* ringDrain(ring, slab): bytes copied to the start of slab */
static napi_value ring_drain(napi_env env, napi_callback_info info)
{
	struct call call;
	struct ring *ring;
	uint8_t *slab;
	size_t room;

	call_begin(&call, env, info);
	ring = ring_of(&call);
	if (!ring || !arg_bytes(&call, 1, &slab, &room))
		return NULL;
	return js_number(env, (double)ring_copy(ring, slab, room));
}

/* ringPending(ring): bytes reserved by programs and not yet drained */
static napi_value ring_pending_js(napi_env env, napi_callback_info info)
{
	struct call call;
	struct ring *ring;

	call_begin(&call, env, info);
	ring = ring_of(&call);
	if (!ring)
		return NULL;
	return js_number(env, (double)(__atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - *ring->consumer));
}

/* ringArm(ring): asks for one call of `wake` as soon as there is something */
static napi_value ring_arm(napi_env env, napi_callback_info info)
{
	struct call call;
	struct ring *ring;

	call_begin(&call, env, info);
	ring = ring_of(&call);
	if (!ring)
		return NULL;
	pthread_mutex_lock(&ring->lock);
	ring->armed = true;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
	return js_undefined(env);
}

/* ringClose(ring): idempotent */
static napi_value ring_close(napi_env env, napi_callback_info info)
{
	struct call call;
	struct ring *ring;

	call_begin(&call, env, info);
	ring = arg_handle(&call, 0, MAGIC_RING);
	if (ring && ring->open) {
		napi_remove_env_cleanup_hook(env, ring_stop, ring);
		ring_stop(ring);
	}
	return js_undefined(env);
}

void ring_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "ringOpen", ring_open }, { "ringDrain", ring_drain },
		{ "ringArm", ring_arm },   { "ringPending", ring_pending_js },
		{ "ringClose", ring_close },
	};

	JS_FUNCTIONS(env, exports, list);
}
