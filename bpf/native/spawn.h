/* SPDX-License-Identifier: MIT */
/* Between the two halves of starting a command: what is decided before the fork, and what the child tells. */
#ifndef TRACER_SPAWN_H
#define TRACER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What goes over the status pipe: nothing after READY means that exec succeeded. */
enum step { STEP_READY, STEP_DEATH_SIGNAL, STEP_GROUPS, STEP_GID, STEP_UID, STEP_CWD, STEP_EXEC, STEP_CONFINE };
extern const char *const step_names[];

struct status {
	int step;
	int err;
};

struct plan {
	char **paths; /* candidates for execve, in order */
	char **argv;
	char **shell_argv; /* for a script without #!: sh PATH ARGS; element 1 is filled in */
	char **envp;
	const char *cwd;
	int64_t uid, gid;
	gid_t *groups;
	int64_t group_count; /* -1: leave as they are */
	bool stdout_to_stderr;
	bool confine; /* no new privileges, and no capability that could come back */
	int64_t open_files; /* soft limit; Node has raised its own at its start */
	pid_t parent;
};

/* The child's whole life until its exec; does not return. */
void child_run(struct plan *plan, int go_fd, int status_fd);

#endif
