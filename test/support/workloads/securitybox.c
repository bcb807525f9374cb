// SPDX-License-Identifier: MIT
/*
 * Does what matters for security, each once, and prints what came of it: `kind detail errno`. What this machine refuses is
 * as good as what it allows: the outcome is what counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>

static void told(const char *kind, const char *detail, long result)
{
	printf("%s %s %d\n", kind, detail, result < 0 ? errno : 0);
	fflush(stdout);
}

/* In a child of its own, so that what it changes ends with it. */
static void apart(void (*deed)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		deed();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void refused_root(void)
{
	if (setresuid(12345, 12345, 12345))
		_exit(1);
	told("setuid_root", "setuid", setuid(0));
	told("setuid_root", "setreuid", setreuid(0, 0));
	told("setuid_root", "setresuid", setresuid(-1, 0, -1));
	/* Asks for nothing that is root's: not told. */
	if (setuid(12345))
		_exit(1);
}

static void becomes_root(void)
{
	/* The saved id stays root's, and is taken back. */
	if (setresuid(12345, 12345, 0))
		_exit(1);
	told("setuid_root", "setresuid", setresuid(0, 0, 0));
	/* Is root already: not told. */
	if (setuid(0))
		_exit(1);
}

static void trace(void)
{
	pid_t pid = fork();
	long result;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	result = ptrace(PTRACE_SEIZE, pid, 0, 0);
	told("ptrace", "PTRACE_SEIZE", result);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	told("ptrace", "PTRACE_ATTACH", ptrace(PTRACE_ATTACH, pid, 0, 0));
}

static void takes_connections(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	char detail[32];

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || getsockname(fd, (struct sockaddr *)&at, &len))
		_exit(1);
	snprintf(detail, sizeof(detail), "%d", ntohs(at.sin_port));
	told("listen", detail, listen(fd, 7));
	told("listen", "0", listen(0, 7));
}

static void memory_of_others(void)
{
	pid_t pid = fork();
	static char there[64] = "there";
	char here[64];
	struct iovec local = { here, sizeof(here) }, remote = { there, sizeof(there) };

	if (pid == 0) {
		pause();
		_exit(0);
	}
	told("process_vm_read", "-", process_vm_readv(pid, &local, 1, &remote, 1, 0));
	told("process_vm_write", "-", process_vm_writev(pid, &local, 1, &remote, 1, 0));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	told("process_vm_read", "-", process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

static void mounts(void)
{
	/* A mount namespace of its own: nothing of it is left. */
	long result = unshare(CLONE_NEWNS);

	told("unshare", "mnt", result);
	if (!result && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(1);
	told("mount", "tmpfs", mount("security-test", getenv("DIR"), "tmpfs", MS_NOEXEC, NULL));
	told("mount", "nosuchfs", mount("security-test", "/no/such", "nosuchfs", 0, NULL));
}

static void namespaces(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);
	pid_t pid;

	told("setns", "net", setns(fd, CLONE_NEWNET));
	told("setns", "net", setns(0, CLONE_NEWNET));
	errno = 0;
	/* CLONE_NEWUTS, by the system call itself: glibc would fork otherwise. */
	pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	told("unshare", "uts", pid);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void programs(void)
{
	union bpf_attr attr;
	struct bpf_insn exits = { .code = BPF_JMP | BPF_EXIT };

	memset(&attr, 0, sizeof(attr));
	/* Refused: it returns nothing. */
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (__u64)&exits;
	attr.insn_cnt = 1;
	attr.license = (__u64) "GPL";
	strcpy(attr.prog_name, "sectest");
	told("bpf", "BPF_PROG_LOAD", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = attr.value_size = 4;
	attr.max_entries = 1;
	told("bpf", "BPF_MAP_CREATE", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	/* Reads only: not told. */
	attr.map_fd = -1;
	syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
}

static void modules(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	/* Not a module: refused for one reason or another. */
	told("module_load", "finit_module", syscall(SYS_finit_module, fd, "", 0));
	told("module_load", "init_module", syscall(SYS_init_module, "no module", 9, ""));
}

static void from_memory(void)
{
	int fd = memfd_create("hidden", MFD_CLOEXEC), from = open("/bin/true", O_RDONLY);
	char buf[65536], *args[] = { "innocent", NULL }, *env[] = { NULL };
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, n) != n)
			_exit(98);
	told("memfd_exec", "/memfd:hidden", 0);
	syscall(SYS_execveat, fd, "", args, env, AT_EMPTY_PATH);
	_exit(99);
}

static void runs_as_root(void)
{
	if (setresuid(12345, 12345, 12345))
		_exit(1);
	execl(getenv("SUID"), "suid", "effective", NULL);
	_exit(99);
}

int main(int argc, char **argv)
{
	/* The copy that is root's and set-user-id, unless the mount forbids it. */
	if (argc > 1) {
		if (geteuid() == 0)
			told("setuid_root", "execve", 0);
		return 0;
	}
	apart(refused_root);
	apart(becomes_root);
	apart(trace);
	apart(takes_connections);
	apart(memory_of_others);
	apart(mounts);
	apart(namespaces);
	apart(programs);
	apart(modules);
	apart(from_memory);
	if (getenv("SUID"))
		apart(runs_as_root);
	return 0;
}
