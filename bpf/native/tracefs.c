/* SPDX-License-Identifier: MIT */
/*
 * Tracepoint ids stand in tracefs. Where nobody has mounted it, it is mounted detached (fsmount(2), Linux 5.2): no
 * mount point, no namespace, seen by this process alone and gone with it.
 */
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FSOPEN_CLOEXEC_FLAG 1
#define FSCONFIG_CMD_CREATE_VALUE 6
#define FSMOUNT_CLOEXEC_FLAG 1

static int private_root = -1;

/* Root of a new instance or view of a file system, mounted nowhere; -errno. */
static int mount_detached(const char *type)
{
	int context, root = -1, err = 0;

	context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC_FLAG);
	if (context < 0)
		return -errno;
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE_VALUE, NULL, NULL, 0))
		err = -errno;
	if (!err) {
		root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC_FLAG, 0);
		if (root < 0)
			err = -errno;
	}
	close(context);
	return err ? err : root;
}

static int mount_private(void)
{
	if (private_root < 0) {
		int root = mount_detached("tracefs");

		if (root < 0)
			return root;
		private_root = root;
	}
	return 0;
}

static int read_at(int dir, const char *path, char *to, size_t room)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), err;
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, to, room - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;
	to[len] = 0;
	return 0;
}

int detached_read(const char *type, const char *path, char *to, size_t room)
{
	int root = mount_detached(type), err;

	if (root < 0)
		return root;
	err = read_at(root, path, to, room);
	close(root);
	return err;
}

static int open_mounted(const char *path, const char **root)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char full[512];
	size_t i;
	int fd, err = ENOENT;

	for (i = 0; i < 2; i++) {
		snprintf(full, sizeof(full), "%s/%s", roots[i], path);
		fd = open(full, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			*root = roots[i];
			return fd;
		}
		if (errno != ENOENT)
			err = errno;
	}
	return -err;
}

int tracefs_read(const char *path, char *to, size_t room)
{
	const char *root;
	ssize_t len;
	int fd, err;

	fd = open_mounted(path, &root);
	if (fd < 0) {
		err = mount_private();
		if (err)
			return fd == -ENOENT ? err : fd;
		return read_at(private_root, path, to, room);
	}
	len = read(fd, to, room - 1);
	err = errno;
	close(fd);
	if (len < 0)
		return -err;
	to[len] = 0;
	return 0;
}

const char *tracefs_kind(int *err)
{
	const char *root;
	int fd = open_mounted("events/sched/sched_process_exec/id", &root);

	if (fd >= 0) {
		close(fd);
		return root;
	}
	*err = -mount_private();
	return *err ? NULL : "private";
}
