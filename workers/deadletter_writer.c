/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_writer - one stage's dead letters onto the disk
 *
 * DESCRIPTION
 *	Records are gathered in memory and written by deadletter_writer_sync()
 *	with one write and one fdatasync.  They stay in memory until that has
 *	returned well; when it has not, the file is cut back to what was good
 *	and never written again, and the next try goes to the next file.
 *
 *	At a start the newest two files are read: what stands there already is
 *	not written again (once for each record: a predecessor died between
 *	its fsync and its cursor).
 *
 * PROCESS
 *	Each sink; the deadletter stage.
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	A predecessor that died after more than two files' worth of records
 *	without a checkpoint leaves records that are written twice.
 */
#include "workers/deadletter.h"

#include "common/clock.h"
#include "common/crashpoint.h"
#include "common/panic.h"
#include "workers/deadletter_file.h"
#include "workers/log_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER       "deadletter"
#define ROTATE_BYTES (64u << 20)
#define BUFFER_BYTES (16u << 20)
#define FILES_SEEN   2

struct seen {
	uint64_t pos;
	uint32_t stream;
	uint32_t is_used;
};

struct deadletter_writer {
	char stage[40];
	int dirfd;
	int fd; /* -1: the next sync makes a new file */
	uint32_t number;
	uint64_t salt;
	uint64_t size; /* good and durable */
	uid_t uid;
	gid_t gid;
	uint8_t *buf;
	size_t len, room;
	/* Open addressing; NULL when nothing was there. */
	struct seen *seen;
	size_t seen_room, seens;
};

/*---------------------------------------------------------------------------*
 * What a predecessor wrote
 *---------------------------------------------------------------------------*/

static size_t
seen_at(const struct deadletter_writer *w, uint32_t stream, uint64_t pos)
{
	uint64_t h = (pos / 8 + stream) * 0x9e3779b97f4a7c15ull;

	return (size_t)(h >> 20) & (w->seen_room - 1);
}

static void
seen_put(struct deadletter_writer *w, uint32_t stream, uint64_t pos)
{
	size_t i = seen_at(w, stream, pos);

	while (w->seen[i].is_used != 0)
		i = (i + 1) & (w->seen_room - 1);
	w->seen[i] = (struct seen){pos, stream, 1};
	w->seens++;
}

static int
seen_add(struct deadletter_writer *w, uint32_t stream, uint64_t pos)
{
	if (w->seens * 2 >= w->seen_room) {
		struct seen *old = w->seen;
		size_t n = w->seen_room;

		w->seen_room = n == 0 ? 1024 : n * 2;
		if ((w->seen = calloc(w->seen_room, sizeof *w->seen)) == NULL) {
			w->seen = old;
			w->seen_room = n;
			return -1;
		}
		w->seens = 0;
		for (size_t i = 0; i < n; i++)
			if (old[i].is_used != 0)
				seen_put(w, old[i].stream, old[i].pos);
		free(old);
	}
	seen_put(w, stream, pos);
	return 0;
}

/* Is it there?  Then not the next time: a replayed event may be refused again. */
static bool
seen_take(struct deadletter_writer *w, uint32_t stream, uint64_t pos)
{
	if (w->seens == 0)
		return false;
	for (size_t i = seen_at(w, stream, pos); w->seen[i].is_used != 0;
	     i = (i + 1) & (w->seen_room - 1))
		if (w->seen[i].is_used == 1 && w->seen[i].pos == pos &&
		    w->seen[i].stream == stream) {
			w->seen[i].is_used = 2; /* the place stays taken: the chain goes on */
			return true;
		}
	return false;
}

/* All records of a file; *end is behind the last whole one.  1: read; 0: its head is no
 * head; -1 with errno. */
static int
read_file(struct deadletter_writer *w, uint32_t number, uint64_t *end, uint64_t *salt)
{
	struct deadletter_file f;
	struct deadletter_record r;
	uint64_t at;
	int rc = -1;

	*end = 0;
	switch (deadletter_file_open(&f, w->dirfd, number, 0)) {
	case DEADLETTER_FILE_OK:
		break;
	case DEADLETTER_FILE_BAD:
		rc = 0;
		/* fallthrough */
	default:
		goto out;
	}
	for (;;) {
		enum deadletter_file_result result = deadletter_file_next(&f, &r, &at);

		if (result == DEADLETTER_FILE_END)
			break;
		if (result != DEADLETTER_FILE_OK || seen_add(w, r.info.stream, r.info.pos) == -1)
			goto out;
	}
	*end = f.off;
	*salt = f.salt;
	rc = 1;
out:
	deadletter_file_close(&f);
	return rc;
}

/* Go on in the newest file: its torn tail is cut and what it holds made durable.  When
 * that fails the next file is begun. */
static void
adopt(struct deadletter_writer *w, uint64_t end)
{
	char name[DEADLETTER_NAME_LEN];
	struct stat st;

	deadletter_format_name(w->number, name);
	if ((w->fd = openat(w->dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return;
	if (fstat(w->fd, &st) == -1 ||
	    ((uint64_t)st.st_size > end && ftruncate(w->fd, (off_t)end) == -1) ||
	    fdatasync(w->fd) == -1) {
		(void)close(w->fd);
		w->fd = -1;
		return;
	}
	w->size = end;
}

/* The two greatest numbers there are; -1 with errno. */
static int
newest(int dirfd, uint32_t number[FILES_SEEN])
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	DIR *d;

	number[0] = number[1] = 0;
	if (fd == -1)
		return -1;
	if ((d = fdopendir(fd)) == NULL) {
		(void)close(fd);
		return -1;
	}
	while ((e = readdir(d)) != NULL) {
		uint32_t n = deadletter_format_number(e->d_name);

		if (n > number[0]) {
			number[1] = number[0];
			number[0] = n;
		} else if (n > number[1]) {
			number[1] = n;
		}
	}
	(void)closedir(d);
	return 0;
}

static int
recover(struct deadletter_writer *w)
{
	uint32_t number[FILES_SEEN];
	uint64_t end, salt;
	int rc;

	if (newest(w->dirfd, number) == -1)
		return -1;
	w->number = number[0];
	if (number[1] != 0 && read_file(w, number[1], &end, &salt) == -1 && errno != ENOENT)
		return -1;
	if (number[0] == 0)
		return 0;
	if ((rc = read_file(w, number[0], &end, &salt)) == -1)
		return -1;
	if (rc == 1) {
		w->salt = salt;
		adopt(w, end);
	}
	return 0;
}

/*---------------------------------------------------------------------------*
 * Files
 *---------------------------------------------------------------------------*/

static int
own(const struct deadletter_writer *w, int fd)
{
	if (w->uid == (uid_t)-1 || geteuid() != 0)
		return 0;
	return fchown(fd, w->uid, w->gid);
}

/* A folder in `at`, made when it is not there; -1 with errno. */
static int
make_dir(const struct deadletter_writer *w, int at, const char *name)
{
	bool is_new = mkdirat(at, name, 0750) == 0;
	int fd;

	if (!is_new && errno != EEXIST)
		return -1;
	if ((fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return -1;
	if (is_new && (own(w, fd) == -1 || fsync(at) == -1)) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
open_dirs(struct deadletter_writer *w, const char *state_dir, const char *stage)
{
	int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dead = -1, saved;

	if (state != -1 && (dead = make_dir(w, state, FOLDER)) != -1)
		w->dirfd = make_dir(w, dead, stage);
	saved = errno;
	if (state != -1)
		(void)close(state);
	if (dead != -1)
		(void)close(dead);
	errno = saved;
	return w->dirfd == -1 ? -1 : 0;
}

/* The next file, its head written; -1 with errno. */
static int
begin_file(struct deadletter_writer *w)
{
	struct deadletter_file_head h;
	char name[DEADLETTER_NAME_LEN];
	uint64_t salt;
	int fd, saved;

	if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
		return -1;
	/* A number is never used twice, even when this fails. */
	deadletter_format_name(w->number + 1, name);
	if ((fd = openat(w->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640)) == -1)
		return -1;
	w->number++;
	deadletter_format_file(&h, salt, clock_wall_ns());
	if (own(w, fd) == -1 || log_dir_write(fd, &h, sizeof h, 0) == -1 || fsync(fd) == -1 ||
	    fsync(w->dirfd) == -1) {
		saved = errno;
		(void)close(fd);
		(void)unlinkat(w->dirfd, name, 0);
		errno = saved;
		return -1;
	}
	w->fd = fd;
	w->salt = salt;
	w->size = sizeof h;
	return 0;
}

/* Never written again.  What was not confirmed is cut off, so that it does not stand in
 * two files; when that fails it does, and no harm is done. */
static void
abandon(struct deadletter_writer *w)
{
	char name[DEADLETTER_NAME_LEN];
	int saved = errno;

	if (ftruncate(w->fd, (off_t)w->size) == 0 &&
	    w->size == sizeof(struct deadletter_file_head)) {
		deadletter_format_name(w->number, name);
		(void)unlinkat(w->dirfd, name, 0);
	}
	(void)close(w->fd);
	w->fd = -1;
	errno = saved;
}

/*---------------------------------------------------------------------------*
 * Interface
 *---------------------------------------------------------------------------*/

int
deadletter_writer_folder(const char *state_dir, uid_t uid, gid_t gid)
{
	const struct deadletter_writer owner = {.uid = uid, .gid = gid};
	int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, saved;

	if (state == -1)
		return -1;
	fd = make_dir(&owner, state, FOLDER);
	saved = errno;
	(void)close(state);
	if (fd != -1)
		(void)close(fd);
	errno = saved;
	return fd == -1 ? -1 : 0;
}

struct deadletter_writer *
deadletter_writer_open(const char *state_dir, const char *stage, uid_t uid, gid_t gid)
{
	struct deadletter_writer *w = xcalloc(1, sizeof *w);
	int saved;

	w->dirfd = w->fd = -1;
	w->uid = uid;
	w->gid = gid;
	(void)snprintf(w->stage, sizeof w->stage, "%s", stage);
	if (open_dirs(w, state_dir, stage) == 0 && recover(w) == 0)
		return w;
	saved = errno;
	deadletter_writer_close(w);
	errno = saved;
	return NULL;
}

int
deadletter_writer_add(
    struct deadletter_writer *w, const struct deadletter_info *info, struct bytes frame)
{
	struct deadletter_info own_info = *info;
	size_t len;

	if (frame.len > FRAME_MAX_LEN) {
		errno = EFBIG;
		return -1;
	}
	if (!info->is_replay && seen_take(w, info->stream, info->pos))
		return 0;
	(void)snprintf(own_info.stage, sizeof own_info.stage, "%s", w->stage);
	len = deadletter_format_len(&own_info, frame.len);
	/* When the disk takes nothing now the memory has to: who adds cannot move on
	 * before its own sync, so that what is held has the bound of its window. */
	if (w->len > 0 && w->len + len > BUFFER_BYTES)
		(void)!deadletter_writer_sync(w);
	if (w->len + len > w->room) {
		size_t room = bytes_round_up(w->len + len + (64u << 10), 4096);
		uint8_t *buf = realloc(w->buf, room);

		if (buf == NULL)
			return -1;
		w->buf = buf;
		w->room = room;
	}
	deadletter_format_put(w->buf + w->len, &own_info, frame);
	w->len += len;
	return 0;
}

int
deadletter_writer_sync(struct deadletter_writer *w)
{
	if (w->len == 0)
		return 0;
	if (w->fd != -1 && w->size + w->len > ROTATE_BYTES &&
	    w->size > sizeof(struct deadletter_file_head)) {
		(void)close(w->fd);
		w->fd = -1;
	}
	if (w->fd == -1 && begin_file(w) == -1)
		return -1;
	for (size_t off = 0; off < w->len;)
		off += deadletter_format_seal(w->buf + off, w->salt);
	if (log_dir_write(w->fd, w->buf, w->len, w->size) == -1) {
		abandon(w);
		return -1;
	}
	CRASHPOINT("deadletter-written");
	if (fdatasync(w->fd) == -1) {
		abandon(w);
		return -1;
	}
	CRASHPOINT("deadletter-synced");
	w->size += w->len;
	w->len = 0;
	return 0;
}

void
deadletter_writer_close(struct deadletter_writer *w)
{
	if (w == NULL)
		return;
	if (w->fd != -1)
		(void)close(w->fd);
	if (w->dirfd != -1)
		(void)close(w->dirfd);
	free(w->seen);
	free(w->buf);
	free(w);
}
