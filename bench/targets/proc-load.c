/*
 * The traced side of the process benchmarks. Says "ready PID"; each line on stdin is one measurement:
 *
 *	open SECONDS
 *	exec SECONDS
 *
 * Opens and closes one file, or runs /bin/true and waits for it, again and again. The answer is one JSON object: how often,
 * CPU time of this process and its children, and wall time. As its argument a user may be named that it becomes first.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t of(struct timeval t)
{
	return t.tv_sec * 1000000000ull + t.tv_usec * 1000ull;
}

static uint64_t cpu(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return of(self.ru_utime) + of(self.ru_stime) + of(children.ru_utime) + of(children.ru_stime);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void once(int is_exec)
{
	char *args[] = { "true", "one", "two", NULL };
	pid_t pid;

	if (!is_exec) {
		close(open("/etc/hostname", O_RDONLY | O_CLOEXEC));
		return;
	}
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ)) {
		perror("proc-load: posix_spawn");
		exit(1);
	}
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	char line[128];

	if (argc > 1 && setuid(atoi(argv[1]))) {
		perror("proc-load: setuid");
		return 1;
	}
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int is_exec = !strncmp(line, "exec", 4);
		double seconds = atof(line + 4);
		uint64_t count = 0, used, began;

		for (int i = 0; i < 20; i++)
			once(is_exec);
		used = cpu();
		began = now();
		while (now() - began < seconds * 1e9)
			for (int i = 0; i < (is_exec ? 10 : 1000); i++, count++)
				once(is_exec);
		printf("{\"count\":%llu,\"warm\":20,\"cpu_ns\":%llu,\"wall_ns\":%llu}\n", (unsigned long long)count,
		       (unsigned long long)(cpu() - used), (unsigned long long)(now() - began));
		fflush(stdout);
	}
	return 0;
}
