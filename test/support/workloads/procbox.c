// SPDX-License-Identifier: MIT
/* Ends, execs and forks of every kind. Prints what it did, which the test compares with what was seen. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *self;

static void *exec_here(void *arg)
{
	execl("/bin/echo", "echo", "from a thread", NULL);
	_exit(99);
}

static void *end_later(void *arg)
{
	usleep(50000);
	exit(7);
}

static void *end_alone(void *arg)
{
	usleep(50000);
	return NULL;
}

static int child(const char *what)
{
	pthread_t thread;

	if (!strcmp(what, "exit3"))
		_exit(3);
	if (!strcmp(what, "thread-exec")) {
		pthread_create(&thread, NULL, exec_here, NULL);
		for (;;)
			pause();
	}
	/* The leader is gone for 50 ms when the group ends. */
	if (!strcmp(what, "leader-first")) {
		pthread_create(&thread, NULL, end_later, NULL);
		syscall(SYS_exit, 0);
	}
	if (!strcmp(what, "leader-code")) {
		pthread_create(&thread, NULL, end_alone, NULL);
		syscall(SYS_exit, 5);
	}
	if (!strcmp(what, "kill"))
		raise(SIGKILL);
	if (!strcmp(what, "segv-no-core") || !strcmp(what, "abort")) {
		signal(SIGABRT, SIG_DFL);
		if (!strcmp(what, "abort"))
			abort();
		prctl(PR_SET_DUMPABLE, 0);
		*(volatile int *)8 = 1;
	}
	if (!strcmp(what, "memfd")) {
		int fd = memfd_create("hidden", MFD_CLOEXEC), from = open("/bin/true", O_RDONLY);
		char buf[65536], *args[] = { "innocent", NULL }, *env[] = { NULL };
		ssize_t n;

		while ((n = read(from, buf, sizeof(buf))) > 0)
			if (write(fd, buf, n) != n)
				_exit(98);
		syscall(SYS_execveat, fd, "", args, env, AT_EMPTY_PATH);
		_exit(99);
	}
	if (!strcmp(what, "deleted")) {
		char path[64], *args[] = { "gone", NULL };
		int fd;

		snprintf(path, sizeof(path), "gone.%d", getpid());
		if (link("true", path))
			_exit(97);
		fd = open(path, O_PATH);
		unlink(path);
		unlink("true");
		fexecve(fd, args, environ);
		_exit(99);
	}
	if (!strcmp(what, "no-such")) {
		execl("/no/such/program", "none", "at all", NULL);
		_exit(12);
	}
	if (!strcmp(what, "bytes")) {
		execl("/bin/true", "true", "a\nb", "q\"'\\", "", "\xff\xfe", NULL);
		_exit(99);
	}
	if (!strcmp(what, "many")) {
		char **args = calloc(10002, sizeof(char *));

		for (int i = 0; i < 10001; i++) {
			args[i] = malloc(8);
			snprintf(args[i], 8, "a%05d", i);
		}
		execv("/bin/true", args);
		_exit(99);
	}
	if (!strcmp(what, "long")) {
		char *args[4] = { "true" };

		for (int i = 1; i < 3; i++) {
			args[i] = malloc(100001);
			memset(args[i], 'a' + i, 100000);
			args[i][100000] = 0;
		}
		execv("/bin/true", args);
		_exit(99);
	}
	return 1;
}

int main(int argc, char **argv)
{
	self = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		struct rusage usage;
		int status;
		pid_t pid;

		if (!strcmp(argv[i], "vfork")) {
			pid = vfork();
			if (pid == 0) {
				execl("/bin/true", "true", "vforked", NULL);
				_exit(99);
			}
		} else {
			pid = fork();
			if (pid == 0)
				_exit(child(argv[i]));
		}
		wait4(pid, &status, 0, &usage);
		printf("%s %d %d %ld\n", argv[i], pid, status, usage.ru_maxrss);
	}
	return 0;
}
