/* SPDX-License-Identifier: MIT */
/*
 * Connects to a listener of a process of its own on loopback and closes, so often as a line on stdin says; answers with the
 * CPU time that this took here. Many addresses of loopback, so that ports do not run out.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t length = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	char line[64];

	if (bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&to, &length))
		return 1;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int s = accept(listener, 0, 0);
			char c;

			while (read(s, &c, 1) > 0)
				;
			close(s);
		}
	}
	close(listener);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		long many = atol(line), failed = 0;
		long long cpu = now(CLOCK_THREAD_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);

		for (long n = 0; n < many; n++) {
			int s = socket(AF_INET, SOCK_STREAM, 0);

			to.sin_addr.s_addr = htonl(0x7f000001 + n % 200);
			if (connect(s, (struct sockaddr *)&to, sizeof(to)))
				failed++;
			close(s);
		}
		printf("{\"cpu_ns\":%lld,\"wall_ns\":%lld,\"failed\":%ld}\n", now(CLOCK_THREAD_CPUTIME_ID) - cpu, now(CLOCK_MONOTONIC) - wall, failed);
		fflush(stdout);
	}
	return 0;
}
