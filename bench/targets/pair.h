/*
 * The loop of the pair benchmarks: one write and one read of N bytes, again and again, in one process. A program that
 * includes this has `pair`, says "ready PID", and calls `serve`. Each line on stdin is one measurement:
 *
 *	BYTES SECONDS RATE
 *
 * RATE 0 is flat out; else that many pairs a second with sleep between them, so that caches are as cold as with an agent
 * that waits for its model. The answer is one JSON object: pairs, library calls (with those of the warm-up), payload bytes,
 * CPU time of the thread in the loop and wall time. With a rate, cpu_ns is the median pair's, times the pairs: a neighbour on
 * a shared machine then does not count.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 200

static uint64_t calls;

/* One write of n bytes and the reads that get them; counts `calls`. 0, or -1 when it failed. */
static int pair(const char *out, char *in, size_t n);

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "pair: %s\n", what);
	exit(1);
}

/* Text as models write it: lines of JSON in server-sent events. */
static void fill(char *buffer, size_t n)
{
	static const char line[] = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"the quick brown fox\"}}\n\n";
	size_t i;

	for (i = 0; i < n; i++)
		buffer[i] = line[i % (sizeof(line) - 1)];
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(size_t bytes, double seconds, double rate)
{
	char *out = malloc(bytes + 1), *in = malloc(bytes + 1);
	uint64_t *each = rate > 0 ? calloc((size_t)(seconds * rate) + 16, sizeof(*each)) : NULL;
	uint64_t pairs = 0, wall, cpu, end, next, begun = 0, step = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
	int i;

	fill(out, bytes);
	calls = 0;
	for (i = 0; i < WARM_UP; i++)
		if (pair(out, in, bytes))
			fail("warm-up");
	if (memcmp(out, in, bytes))
		fail("the bytes that came are not those that went");
	next = wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	end = wall + (uint64_t)(seconds * 1e9);
	while (1) {
		if (step) {
			struct timespec until = { .tv_sec = next / 1000000000ull, .tv_nsec = next % 1000000000ull };

			while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
				;
			next += step;
			if (next > end + step)
				break;
			begun = now(CLOCK_THREAD_CPUTIME_ID);
		} else if (pairs % 64 == 0 && now(CLOCK_MONOTONIC) >= end) {
			/* The clock is looked at every 64 pairs, so that it does not count. */
			break;
		}
		if (pair(out, in, bytes))
			fail("a pair failed");
		if (each && pairs < (uint64_t)(seconds * rate) + 16)
			each[pairs] = now(CLOCK_THREAD_CPUTIME_ID) - begun;
		pairs++;
	}
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	if (each && pairs > 0) {
		qsort(each, pairs, sizeof(*each), ascending);
		cpu = each[pairs / 2] * pairs;
	}
	free(each);
	printf("{\"pairs\":%llu,\"calls\":%llu,\"bytes\":%llu,\"cpu_ns\":%llu,\"wall_ns\":%llu}\n", (unsigned long long)pairs,
	       (unsigned long long)calls, (unsigned long long)(pairs + WARM_UP) * bytes * 2, (unsigned long long)cpu,
	       (unsigned long long)wall);
	fflush(stdout);
	free(out);
	free(in);
}

/* Says "ready PID" and what else the bench should know, then measures until stdin ends. */
static void serve(const char *besides)
{
	char line[128];

	printf("ready %d%s\n", getpid(), besides);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		size_t bytes;
		double seconds, rate;

		if (sscanf(line, "%zu %lf %lf", &bytes, &seconds, &rate) != 3 || bytes < 1 || bytes > 16384)
			fail("a measurement is: BYTES(1..16384) SECONDS RATE");
		measure(bytes, seconds, rate);
	}
}
