/*
 * Another tool's probe at the same place, with a reference counter of its own: what sslsniff of bcc 0.26 does by mistake.
 * Usage: foreign-probe FILE OFFSET. Says "probing" and holds the probe until its stdin ends.
 */
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	char byte;

	if (argc != 3 || !file || fscanf(file, "%u", &attr.type) != 1)
		return 1;
	attr.config = 6ull << 32;
	attr.config1 = (uintptr_t)argv[1];
	attr.config2 = strtoull(argv[2], NULL, 0);
	if (syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0) < 0) {
		perror("perf_event_open");
		return 1;
	}
	puts("probing");
	fflush(stdout);
	return read(0, &byte, 1) < 0;
}
