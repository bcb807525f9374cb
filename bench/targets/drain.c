/*
 * The far end of a pipe: takes everything, counts bytes and lines. Says "ready" at the first sensor_start, and at the end
 * of input one JSON object with the counts and the last line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (1 << 20)
#define TAIL 65536

int main(void)
{
	char *buffer = malloc(TAIL + CHUNK + 1);
	unsigned long long bytes = 0, lines = 0;
	size_t kept = 0;
	int ready = 0;

	for (;;) {
		ssize_t n = read(0, buffer + kept, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		bytes += n;
		for (char *at = buffer + kept, *end = at + n; (at = memchr(at, '\n', end - at)); at++)
			lines++;
		kept += n;
		buffer[kept] = 0;
		if (!ready && strstr(buffer, "\"sensor_start\"")) {
			ready = 1;
			puts("ready");
			fflush(stdout);
		}
		if (kept > TAIL) {
			memmove(buffer, buffer + kept - TAIL, TAIL);
			kept = TAIL;
		}
	}
	printf("{\"bytes\":%llu,\"lines\":%llu,\"last\":", bytes, lines);
	/* The last line is JSON itself. */
	{
		char *end = buffer + kept, *start;

		while (end > buffer && end[-1] == '\n')
			end--;
		for (start = end; start > buffer && start[-1] != '\n'; start--)
			;
		printf("%.*s}\n", end > start ? (int)(end - start) : 4, end > start ? start : "null");
	}
	return 0;
}
