/* SPDX-License-Identifier: MIT */
/*
 * Starts a command that waits just before its exec until it is told to go on, so that a sensor can put it into scope
 * first and miss nothing. The waiting child dies with its parent.
 */
#define _GNU_SOURCE
#include "native.h"
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	uint32_t magic;
	pid_t pid;
	int go_fd;
	int status_fd;
	napi_threadsafe_function report;
	pthread_mutex_t lock;
	bool reaped;
	bool env_gone;
	int references; /* the handle and the thread */
};

/* One call into JavaScript: either the result of exec or the end of the process. */
struct news {
	bool ended;
	struct status exec;
	siginfo_t end;
};

static void child_unref(struct child *child)
{
	if (__atomic_sub_fetch(&child->references, 1, __ATOMIC_ACQ_REL))
		return;
	if (child->go_fd >= 0)
		close(child->go_fd);
	pthread_mutex_destroy(&child->lock);
	free(child);
}

static void tell(struct child *child, const struct news *news)
{
	struct news *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	*copy = *news;
	pthread_mutex_lock(&child->lock);
	if (child->env_gone || napi_call_threadsafe_function(child->report, copy, napi_tsfn_nonblocking) != napi_ok)
		free(copy);
	pthread_mutex_unlock(&child->lock);
}

/* Waits for this child alone, so Node's own children are left to Node. */
static void *child_thread(void *data)
{
	struct child *child = data;
	struct news news = { .ended = false };
	ssize_t got;

	pthread_setname_np(pthread_self(), "command");
	do
		got = read(child->status_fd, &news.exec, sizeof(news.exec));
	while (got < 0 && errno == EINTR);
	if (got != sizeof(news.exec))
		news.exec = (struct status){ .step = STEP_READY };
	close(child->status_fd);
	tell(child, &news);
	news.ended = true;
	while (waitid(P_PID, (id_t)child->pid, &news.end, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	/* Reaped under the lock, so that `childKill` never signals a number that has been given to another process. */
	pthread_mutex_lock(&child->lock);
	child->reaped = true;
	waitid(P_PID, (id_t)child->pid, &news.end, WEXITED);
	pthread_mutex_unlock(&child->lock);
	tell(child, &news);
	pthread_mutex_lock(&child->lock);
	if (!child->env_gone)
		napi_release_threadsafe_function(child->report, napi_tsfn_release);
	pthread_mutex_unlock(&child->lock);
	child_unref(child);
	return NULL;
}

/* report(kind, ...): 'exec', step | '', errno name · 'exit', code · 'signal', number */
static void call_report(napi_env env, napi_value callback, void *context, void *data)
{
	napi_value receiver, args[3];
	struct news *news = data;

	(void)context;
	if (env && callback) {
		napi_get_undefined(env, &receiver);
		if (!news->ended) {
			args[0] = js_string(env, "exec");
			args[1] = js_string(env, news->exec.step == STEP_READY ? "" : step_names[news->exec.step]);
			args[2] = js_string(env, news->exec.err ? errno_name(news->exec.err) : "");
		} else {
			args[0] = js_string(env, news->end.si_code == CLD_EXITED ? "exit" : "signal");
			args[1] = js_number(env, news->end.si_status);
			args[2] = js_bool(env, news->end.si_code == CLD_DUMPED);
		}
		napi_call_function(env, receiver, callback, 3, args, NULL);
	}
	free(news);
}

static void env_ends(void *data)
{
	struct child *child = data;

	pthread_mutex_lock(&child->lock);
	child->env_gone = true;
	pthread_mutex_unlock(&child->lock);
	child_unref(child);
}

static void child_free(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	child_unref(data);
}

static int start_thread(struct child *child)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, child_thread, child);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

/* Forks with every signal blocked, so that no handler of Node runs in the child. */
static pid_t fork_quietly(struct plan *plan, int go[2], int status[2])
{
	sigset_t all, before;
	pid_t pid;

	plan->parent = getpid();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(status[0]);
		child_run(plan, go[0], status[1]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static bool read_plan(struct call *call, struct plan *plan, char *cwd, size_t cwd_room)
{
	uint8_t *groups;
	size_t bytes;

	if (!arg_string(call, 4, cwd, cwd_room) || !arg_int64(call, 5, &plan->uid) || !arg_int64(call, 6, &plan->gid) ||
	    !arg_bytes(call, 7, &groups, &bytes) || !arg_int64(call, 8, &plan->group_count) || !arg_bool(call, 9, &plan->stdout_to_stderr) ||
	    !arg_int64(call, 10, &plan->open_files) || !arg_bool(call, 11, &plan->confine))
		return false;
	if (plan->group_count > (int64_t)(bytes / sizeof(gid_t)))
		plan->group_count = (int64_t)(bytes / sizeof(gid_t));
	plan->groups = (gid_t *)groups;
	plan->cwd = cwd[0] ? cwd : NULL;
	plan->paths = arg_strings(call, 0);
	plan->argv = plan->paths ? arg_strings(call, 1) : NULL;
	plan->shell_argv = plan->argv ? arg_strings(call, 2) : NULL;
	plan->envp = plan->shell_argv ? arg_strings(call, 3) : NULL;
	return plan->envp;
}

/*
 * spawnStopped(paths, argv, shellArgv, env, cwd, uid, gid, groups, groupCount, stdoutToStderr, openFiles, report): {pid, handle}
 * Numbers below 0 and "" leave things as they are.
 */
static napi_value spawn_stopped(napi_env env, napi_callback_info info)
{
	int go[2] = { -1, -1 }, status_pipe[2] = { -1, -1 }, err = 0;
	struct status first = { .step = STEP_DEATH_SIGNAL, .err = ECHILD };
	struct child *child = NULL;
	struct plan plan = { 0 };
	napi_value result = NULL;
	const char *step = "fork";
	struct call call;
	char cwd[4096];

	call_begin(&call, env, info);
	if (!read_plan(&call, &plan, cwd, sizeof(cwd)))
		goto out;
	child = calloc(1, sizeof(*child));
	if (!child || pipe2(go, O_CLOEXEC) || pipe2(status_pipe, O_CLOEXEC)) {
		err = child ? errno : ENOMEM;
		goto out;
	}
	child->pid = fork_quietly(&plan, go, status_pipe);
	if (child->pid < 0) {
		err = errno;
		goto out;
	}
	close(status_pipe[1]);
	status_pipe[1] = -1;
	while (read(status_pipe[0], &first, sizeof(first)) < 0 && errno == EINTR)
		;
	if (first.step != STEP_READY) {
		err = first.err;
		step = step_names[first.step];
		waitpid(child->pid, NULL, 0);
		goto out;
	}
	child->magic = MAGIC_CHILD;
	child->go_fd = go[1];
	child->status_fd = status_pipe[0];
	child->references = 3; /* handle, thread, env_ends */
	pthread_mutex_init(&child->lock, NULL);
	napi_create_threadsafe_function(env, call.argv[12], NULL, js_string(env, "command"), 0, 1, NULL, NULL, NULL, call_report, &child->report);
	err = start_thread(child);
	if (err) {
		step = "thread";
		napi_release_threadsafe_function(child->report, napi_tsfn_abort);
		close(go[1]);
		go[1] = -1;
		waitpid(child->pid, NULL, 0);
		goto out;
	}
	napi_add_env_cleanup_hook(env, env_ends, child);
	napi_create_object(env, &result);
	js_set(env, result, "pid", js_number(env, child->pid));
	js_set(env, result, "handle", js_handle(env, child, child_free));
	child = NULL;
	go[1] = status_pipe[0] = -1;
out:
	free(child);
	if (go[0] >= 0)
		close(go[0]);
	if (go[1] >= 0)
		close(go[1]);
	if (status_pipe[0] >= 0)
		close(status_pipe[0]);
	if (status_pipe[1] >= 0)
		close(status_pipe[1]);
	free(plan.paths);
	free(plan.argv);
	free(plan.shell_argv);
	free(plan.envp);
	return err ? throw_errno(env, step, err, NULL) : result;
}

/* childResume(handle) */
static napi_value child_resume(napi_env env, napi_callback_info info)
{
	struct child *child;
	struct call call;
	int err = 0;

	call_begin(&call, env, info);
	child = arg_handle(&call, 0, MAGIC_CHILD);
	if (!child)
		return NULL;
	if (child->go_fd >= 0) {
		/* A child that was killed meanwhile is no error here: `exit` tells. SIGPIPE is ignored by Node. */
		if (write(child->go_fd, "", 1) < 0 && errno != EPIPE)
			err = errno;
		close(child->go_fd);
		child->go_fd = -1;
	}
	return err ? throw_errno(env, "resume", err, NULL) : js_undefined(env);
}

/* childKill(handle, signal): false when it has ended already */
static napi_value child_kill(napi_env env, napi_callback_info info)
{
	struct child *child;
	struct call call;
	int64_t number;
	int err = 0;
	bool alive;

	call_begin(&call, env, info);
	child = arg_handle(&call, 0, MAGIC_CHILD);
	if (!child || !arg_int64(&call, 1, &number))
		return NULL;
	pthread_mutex_lock(&child->lock);
	alive = !child->reaped;
	if (alive && kill(child->pid, (int)number))
		err = errno;
	pthread_mutex_unlock(&child->lock);
	return err ? throw_errno(env, "kill", err, NULL) : js_bool(env, alive);
}

void spawn_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "spawnStopped", spawn_stopped },
		{ "childResume", child_resume },
		{ "childKill", child_kill },
	};

	JS_FUNCTIONS(env, exports, list);
}
