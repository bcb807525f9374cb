/* SPDX-License-Identifier: MIT */
/*
 * The child between fork and exec. Only async-signal-safe calls: other threads of Node may have held any lock at the
 * moment of the fork.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const step_names[] = { "ready", "prctl", "setgroups", "setgid", "setuid", "chdir", "exec", "confine" };

static void child_fail(int fd, enum step step)
{
	struct status status = { .step = step, .err = errno };

	while (write(fd, &status, sizeof(status)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static void child_die_with_parent(int status_fd, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		child_fail(status_fd, STEP_DEATH_SIGNAL);
	if (getppid() != parent)
		_exit(127);
}

static void child_reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int number;

	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All descriptors but 0, 1 and 2 end at the exec; those stay, though Node has marked them too. */
static void child_close_on_exec(void)
{
	int fd;

	for (fd = 0; fd < 3; fd++)
		fcntl(fd, F_SETFD, 0);

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
	if (!syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC, Linux 5.11 */))
		return;
	for (fd = 3; fd < 65536; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* As execvp(3) does: the next directory when it is not there, the shell when it is a script without #!. */
static void child_exec(struct plan *plan)
{
	int err = ENOENT, i;

	for (i = 0; plan->paths[i]; i++) {
		execve(plan->paths[i], plan->argv, plan->envp);
		if (errno == ENOEXEC) {
			plan->shell_argv[1] = plan->paths[i];
			execve("/bin/sh", plan->shell_argv, plan->envp);
			errno = ENOEXEC;
		}
		if (errno == EACCES)
			err = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV && errno != ETIMEDOUT)
			return;
	}
	errno = err;
}

static void child_limit_open_files(int64_t soft)
{
	struct rlimit limit;

	if (soft < 0 || getrlimit(RLIMIT_NOFILE, &limit) || (rlim_t)soft >= limit.rlim_cur)
		return;
	limit.rlim_cur = (rlim_t)soft;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * A sensor that runs with a few ambient capabilities must not hand them to what it watches. (Those of root come back
 * with the exec, as they would without us.)
 */
static void child_drop_ambient(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capget, &header, data))
		return;
	data[0].inheritable = data[1].inheritable = 0;
	syscall(SYS_capset, &header, data);
}

/* Whatever it runs later, even a program with the set-user-ID bit, has no more than it has now. */
static void child_confine(int status_fd)
{
	for (int capability = 0; capability < 64; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) && errno != EINVAL)
			child_fail(status_fd, STEP_CONFINE);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		child_fail(status_fd, STEP_CONFINE);
}

void child_run(struct plan *plan, int go_fd, int status_fd)
{
	struct status ready = { .step = STEP_READY };
	ssize_t got;
	char byte;

	child_die_with_parent(status_fd, plan->parent);
	child_reset_signals();
	child_limit_open_files(plan->open_files);
	if (plan->stdout_to_stderr)
		dup2(2, 1);
	if (plan->confine)
		child_confine(status_fd);
	/* Straight to the kernel: the C library's functions would look for other threads to change, and there are none. */
	if (plan->group_count >= 0 && syscall(SYS_setgroups, (size_t)plan->group_count, plan->groups))
		child_fail(status_fd, STEP_GROUPS);
	if (plan->gid >= 0 && syscall(SYS_setresgid, (gid_t)plan->gid, (gid_t)plan->gid, (gid_t)plan->gid))
		child_fail(status_fd, STEP_GID);
	if (plan->uid >= 0 && syscall(SYS_setresuid, (uid_t)plan->uid, (uid_t)plan->uid, (uid_t)plan->uid))
		child_fail(status_fd, STEP_UID);
	/* A change of user clears the death signal. */
	child_die_with_parent(status_fd, plan->parent);
	child_drop_ambient();
	if (plan->cwd && chdir(plan->cwd))
		child_fail(status_fd, STEP_CWD);
	child_close_on_exec();
	if (write(status_fd, &ready, sizeof(ready)) != sizeof(ready))
		_exit(127);
	do
		got = read(go_fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1) /* the parent has gone, or changed its mind */
		_exit(127);
	prctl(PR_SET_PDEATHSIG, 0);
	child_exec(plan);
	child_fail(status_fd, STEP_EXEC);
}
