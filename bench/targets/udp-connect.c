/* SPDX-License-Identifier: MIT */
/*
 * connect(2) of a datagram socket, which sends nothing. A line "N ADDRESS": so often; answers with the CPU time. A line
 * "until ADDRESS": until it is refused; answers with when that was.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	char line[128], word[32], address[64];

	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %63s", word, address) != 2 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
			return 1;
		if (!strcmp(word, "until")) {
			long long end = now(CLOCK_MONOTONIC) + 10000000000LL;

			while (!connect(s, (struct sockaddr *)&to, sizeof(to)) && now(CLOCK_MONOTONIC) < end)
				;
			printf("{\"refused_ns\":%lld}\n", now(CLOCK_MONOTONIC));
		} else {
			long many = atol(word), failed = 0;
			long long cpu = now(CLOCK_THREAD_CPUTIME_ID);

			for (long n = 0; n < many; n++)
				if (connect(s, (struct sockaddr *)&to, sizeof(to)))
					failed++;
			printf("{\"cpu_ns\":%lld,\"failed\":%ld}\n", now(CLOCK_THREAD_CPUTIME_ID) - cpu, failed);
		}
		fflush(stdout);
	}
	return 0;
}
