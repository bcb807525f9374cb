/* SPDX-License-Identifier: MIT */
/* This process itself: its capabilities, and the clocks. */
#define _GNU_SOURCE
#include "native.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* capabilities(): {effective, permitted, inheritable, bounding} as bigint bit sets */
static napi_value capabilities(napi_env env, napi_callback_info info)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t bounding = 0;
	napi_value result;
	int cap;

	(void)info;
	if (syscall(SYS_capget, &header, data))
		return throw_errno(env, "capget", errno, NULL);
	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			bounding |= 1ull << cap;
	napi_create_object(env, &result);
	js_set(env, result, "effective", js_bigint(env, data[0].effective | (uint64_t)data[1].effective << 32));
	js_set(env, result, "permitted", js_bigint(env, data[0].permitted | (uint64_t)data[1].permitted << 32));
	js_set(env, result, "inheritable", js_bigint(env, data[0].inheritable | (uint64_t)data[1].inheritable << 32));
	js_set(env, result, "bounding", js_bigint(env, bounding));
	return result;
}

/*
 * The kernel keeps capabilities per thread, and Node has about ten. As with setuid in glibc, every other thread is
 * interrupted by a signal and drops its own. The signal is glibc's own for this purpose (33, SIGSETXID), because it is
 * the one that no thread can block; its handler is put back afterwards.
 */
#define SIGNAL_EVERY_THREAD 33

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static volatile uint64_t keep_bits;
static volatile int threads_done;
static volatile int threads_failed;

static int drop_in_this_thread(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], next[2];
	uint64_t keep = keep_bits;
	int cap, i;

	if (syscall(SYS_capget, &header, now))
		return errno;
	/* The bounding set too, where we may: else a program run by root would get everything back. */
	for (cap = 0; cap < 64; cap++)
		if (!(keep & (1ull << cap)))
			syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
	syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (i = 0; i < 2; i++) {
		next[i].permitted = now[i].permitted & (uint32_t)(keep >> (32 * i));
		next[i].effective = now[i].effective & next[i].permitted;
		next[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, next) ? errno : 0;
}

static void on_every_thread(int number)
{
	int saved = errno;

	(void)number;
	if (drop_in_this_thread())
		threads_failed = 1;
	errno = saved;
	__atomic_add_fetch(&threads_done, 1, __ATOMIC_RELEASE);
}

/* The kernel returns from a handler through this; glibc's is not to be had outside of sigaction(3). */
#if defined(__x86_64__)
#define SA_RESTORER_FLAG 0x04000000
__attribute__((naked)) static void restorer(void)
{
	__asm__ volatile("movq $15, %rax\n\tsyscall");
}
#else
#define SA_RESTORER_FLAG 0
#define restorer NULL
#endif

static bool thread_has_more(const char *tid)
{
	char path[64], line[256];
	bool more = true;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "CapPrm:", 7))
			more = strtoull(line + 7, NULL, 16) & ~keep_bits;
	fclose(file);
	return more;
}

/* Signals each thread that still has what is to go, until there is none: threads may start threads meanwhile. */
static int drop_everywhere(void)
{
	int round, err = drop_in_this_thread();
	pid_t self = (pid_t)syscall(SYS_gettid);
	struct dirent *entry;

	for (round = 0; !err && round < 50; round++) {
		int sent = 0, waited;
		DIR *tasks = opendir("/proc/self/task");

		if (!tasks)
			return errno;
		threads_done = 0;
		while ((entry = readdir(tasks))) {
			pid_t tid = atoi(entry->d_name);

			if (tid <= 0 || tid == self || !thread_has_more(entry->d_name))
				continue;
			if (!syscall(SYS_tgkill, getpid(), tid, SIGNAL_EVERY_THREAD))
				sent++;
		}
		closedir(tasks);
		if (!sent)
			return threads_failed ? EPERM : 0;
		for (waited = 0; __atomic_load_n(&threads_done, __ATOMIC_ACQUIRE) < sent && waited < 200; waited++)
			nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
	}
	return err ? err : ETIMEDOUT;
}

/* dropCapabilities(keep: bigint bit set), in every thread of the process */
static napi_value drop_capabilities(napi_env env, napi_callback_info info)
{
	struct kernel_sigaction ours = { .handler = on_every_thread, .flags = SA_RESTART | SA_RESTORER_FLAG, .restorer = restorer };
	struct kernel_sigaction before;
	struct call call;
	uint64_t keep;
	int err;

	call_begin(&call, env, info);
	if (!arg_uint64(&call, 0, &keep))
		return NULL;
	keep_bits = keep;
	threads_failed = 0;
	if (syscall(SYS_rt_sigaction, SIGNAL_EVERY_THREAD, &ours, &before, sizeof(ours.mask)))
		return throw_errno(env, "sigaction", errno, NULL);
	err = drop_everywhere();
	syscall(SYS_rt_sigaction, SIGNAL_EVERY_THREAD, &before, NULL, sizeof(before.mask));
	return err ? throw_errno(env, "capset", err, NULL) : js_undefined(env);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* bootTimeNs(): nanoseconds since boot, suspend counted in, as bpf_ktime_get_boot_ns() has them; bigint */
static napi_value boot_time(napi_env env, napi_callback_info info)
{
	(void)info;
	return js_bigint(env, (uint64_t)clock_ns(CLOCK_BOOTTIME));
}

/* clockOffset(): Unix time minus boot time in nanoseconds, from the tightest of several readings; bigint */
static napi_value clock_offset(napi_env env, napi_callback_info info)
{
	int64_t best = INT64_MAX, offset = 0;
	int i;

	(void)info;
	for (i = 0; i < 32; i++) {
		int64_t before = clock_ns(CLOCK_BOOTTIME), now = clock_ns(CLOCK_REALTIME), after = clock_ns(CLOCK_BOOTTIME);

		if (after - before < best) {
			best = after - before;
			offset = now - (before + (after - before) / 2);
		}
	}
	return js_bigint_signed(env, offset);
}

void process_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "capabilities", capabilities },
		{ "dropCapabilities", drop_capabilities },
		{ "bootTimeNs", boot_time },
		{ "clockOffset", clock_offset },
	};

	JS_FUNCTIONS(env, exports, list);
}
