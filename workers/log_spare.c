/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_spare - the next segment, filled with zeros before it is needed
 *
 * PROCESS
 *	The journal, under the log's lock.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_spare.h"

#include "common/clock.h"
#include "common/panic.h"
#include "workers/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TMP_NAME "spare.tmp"
#define PIECE    (512 * 1024)
#define PAUSE_NS 2000000
#define RETRY_NS (250 * CLOCK_NS_PER_MS)

struct log_spare {
	int dirfd;
	uint64_t want_bytes; /* constant */
	pthread_t thread;
	pthread_mutex_t mutex; /* over all below */
	pthread_cond_t wake;
	enum log_spare_state state;
	int fd;
	uint64_t bytes;
	int error;
	uint64_t failed_ns;
	bool is_soon;
	bool is_stopping;
};

/* Look at the flags; sleep a little unless it is wanted soon. */
static bool
may_go_on(struct log_spare *s)
{
	const struct timespec pause = {0, PAUSE_NS};
	bool stop, soon;

	(void)pthread_mutex_lock(&s->mutex);
	stop = s->is_stopping;
	soon = s->is_soon;
	(void)pthread_mutex_unlock(&s->mutex);
	if (!stop && !soon)
		(void)nanosleep(&pause, NULL);
	return !stop;
}

/*
 * Past the page cache, where the file system can: a segment of zeros that
 * nobody will read costs no memory then, and hardly any CPU.  Else piece by
 * piece to the disk: one great flush would stand in the way of a commit.
 */
static int
zero(int fd, uint64_t from, uint64_t to)
{
	int flags = fcntl(fd, F_GETFL), rc = -1;

	if (flags != -1 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0) {
		rc = log_dir_zero(fd, from, to);
		(void)fcntl(fd, F_SETFL, flags);
	}
	if (rc == 0)
		return 0;
	/* Refused for its alignment, perhaps; a real error comes again. */
	return log_dir_zero(fd, from, to) == -1 ? -1 : fdatasync(fd);
}

/* The descriptor, or -1 with errno (ECANCELED: asked to stop). */
static int
make(struct log_spare *s)
{
	int fd =
	    openat(s->dirfd, TMP_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int saved;

	if (fd == -1)
		return -1;
	if ((errno = posix_fallocate(fd, 0, (off_t)s->want_bytes)) != 0)
		goto fail;
	for (uint64_t at = 0; at < s->want_bytes; at += PIECE) {
		uint64_t end = at + PIECE < s->want_bytes ? at + PIECE : s->want_bytes;

		if (!may_go_on(s)) {
			errno = ECANCELED;
			goto fail;
		}
		if (zero(fd, at, end) == -1)
			goto fail;
	}
	if (fsync(fd) == -1 || renameat(s->dirfd, TMP_NAME, s->dirfd, LOG_DIR_SPARE) == -1)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	(void)unlinkat(s->dirfd, TMP_NAME, 0);
	errno = saved;
	return -1;
}

static void *
run(void *arg)
{
	struct log_spare *s = arg;

	(void)pthread_mutex_lock(&s->mutex);
	while (!s->is_stopping) {
		int fd, error;

		if (s->state != LOG_SPARE_MAKING) {
			(void)pthread_cond_wait(&s->wake, &s->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&s->mutex);
		fd = make(s);
		error = errno;
		(void)pthread_mutex_lock(&s->mutex);
		s->fd = fd;
		s->state = fd == -1 ? LOG_SPARE_FAILED : LOG_SPARE_READY;
		s->error = fd == -1 ? error : 0;
		s->failed_ns = clock_mono_ns();
		s->bytes = s->want_bytes;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* What a predecessor left finished. */
static void
adopt(struct log_spare *s)
{
	struct stat st;
	int fd = openat(s->dirfd, LOG_DIR_SPARE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1)
		return;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size < 2 * LOG_HEADER_LEN) {
		close(fd);
		(void)unlinkat(s->dirfd, LOG_DIR_SPARE, 0);
		return;
	}
	s->fd = fd;
	s->bytes = (uint64_t)st.st_size;
	s->state = LOG_SPARE_READY;
}

struct log_spare *
log_spare_new(int dirfd, uint64_t bytes)
{
	struct log_spare *s = xcalloc(1, sizeof *s);
	sigset_t all, before;
	int error;

	s->dirfd = dirfd;
	s->want_bytes = bytes;
	s->fd = -1;
	adopt(s);
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_cond_init(&s->wake, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&s->thread, NULL, run, s);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		fatal("cannot start the thread that prepares segments: %s", strerror(error));
	return s;
}

void
log_spare_free(struct log_spare *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->mutex);
	s->is_stopping = true;
	(void)pthread_cond_signal(&s->wake);
	(void)pthread_mutex_unlock(&s->mutex);
	(void)pthread_join(s->thread, NULL);
	if (s->fd != -1)
		close(s->fd);
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s);
}

void
log_spare_want(struct log_spare *s, bool soon)
{
	(void)pthread_mutex_lock(&s->mutex);
	s->is_soon = soon;
	if (s->state == LOG_SPARE_NONE ||
	    (s->state == LOG_SPARE_FAILED && clock_mono_ns() - s->failed_ns > RETRY_NS)) {
		s->state = LOG_SPARE_MAKING;
		(void)pthread_cond_signal(&s->wake);
	}
	(void)pthread_mutex_unlock(&s->mutex);
}

int
log_spare_take(struct log_spare *s, uint64_t min_bytes, uint64_t *bytes)
{
	int fd = -1;

	(void)pthread_mutex_lock(&s->mutex);
	if (s->state == LOG_SPARE_READY && s->bytes >= min_bytes) {
		fd = s->fd;
		*bytes = s->bytes;
		s->fd = -1;
		s->state = LOG_SPARE_NONE;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return fd;
}

enum log_spare_state
log_spare_look(struct log_spare *s, uint64_t *bytes, int *error)
{
	enum log_spare_state state;

	(void)pthread_mutex_lock(&s->mutex);
	state = s->state;
	*bytes = state == LOG_SPARE_READY    ? s->bytes
		 : state == LOG_SPARE_MAKING ? s->want_bytes
					     : 0;
	*error = s->error;
	(void)pthread_mutex_unlock(&s->mutex);
	return state;
}
