/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	lock - who owns a thing, as the kernel says
 *
 * PROCESS
 *	All; only owners take.
 *
 * SHARED STATE
 *	The lock files.
 */
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RETRY_NS 2000000

static int
lock_try(int fd, pid_t *owner)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_SETLK, &fl) == 0)
		return 0;
	if (errno != EACCES && errno != EAGAIN)
		return -1;
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (owner != NULL)
		*owner = fcntl(fd, F_GETLK, &fl) == 0 && fl.l_type != F_UNLCK ? fl.l_pid : 0;
	errno = EAGAIN;
	return -1;
}

bool
lock_is_valid(const char *path, int fd)
{
	struct stat by_path, by_fd;

	return stat(path, &by_path) == 0 && fstat(fd, &by_fd) == 0 &&
	    by_path.st_dev == by_fd.st_dev && by_path.st_ino == by_fd.st_ino;
}

static enum lock_result
lock_opened(const char *path, int fd, pid_t *owner)
{
	if (lock_try(fd, owner) == -1)
		return errno == EAGAIN ? LOCK_HELD : LOCK_ERROR;
	return lock_is_valid(path, fd) ? LOCK_OK : LOCK_MOVED;
}

enum lock_result
lock_take(const char *path, int *fd, pid_t *owner)
{
	enum lock_result r;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (*fd == -1)
		return LOCK_ERROR;
	r = lock_opened(path, *fd, owner);
	if (r != LOCK_OK) {
		int saved = errno;

		close(*fd);
		*fd = -1;
		errno = saved;
	}
	return r;
}

enum lock_result
lock_wait(const char *path, int *fd, lock_giving_up_fn giving_up, void *ctx)
{
	const struct timespec nap = { 0, RETRY_NS };

	for (;;) {
		enum lock_result r = lock_take(path, fd, NULL);

		if (r != LOCK_HELD && r != LOCK_MOVED)
			return r;
		if (giving_up != NULL && giving_up(ctx))
			return r;
		(void)nanosleep(&nap, NULL);
	}
}

pid_t
lock_owner(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd == -1 && errno == EACCES) /* a reader may ask too, for a weaker lock */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	rc = fcntl(fd, F_GETLK, &fl);
	close(fd);
	if (rc == -1)
		return -1;
	return fl.l_type == F_UNLCK ? 0 : fl.l_pid;
}
