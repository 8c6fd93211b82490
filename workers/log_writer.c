/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_writer - append commits to the log
 *
 * PROCESS
 *	The journal, under the log's lock.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_writer.h"

#include "common/clock.h"
#include "common/crashpoint.h"
#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FRESH_NAME "fresh.tmp"
#define SOON       (8u << 20) /* of room left: the spare is wanted soon */
#define DROP_STEP  (4u << 20) /* written before its pages are given back */

const char *
log_writer_result_text(enum log_writer_result r)
{
	static const char *const text[] = {"ok", "no room on the disk", "a write failed",
	    "a sync failed", "no segment could be made"};

	return text[r];
}

void
log_writer_init(struct log_writer *w, const struct log_writer_params *p,
    const struct log_writer_place *place, const struct log_stream *stream)
{
	*w = (struct log_writer){.p = *p, .fd = -1, .stream = stream};
	w->number = place->number;
	w->off = place->end;
	w->last_number = place->last_number > place->number ? place->last_number : place->number;
	w->commit = place->commit;
	w->chunk = xcalloc(LOG_WRITER_PARTS_MAX, sizeof *w->chunk);
	w->iov = xcalloc(2 * LOG_WRITER_PARTS_MAX + 1, sizeof *w->iov);
	if (!p->no_spare)
		w->spare = log_spare_new(p->dirfd, p->segment_bytes);
}

void
log_writer_close(struct log_writer *w)
{
	log_spare_free(w->spare);
	if (w->fd != -1)
		close(w->fd);
	free(w->chunk);
	free(w->iov);
	*w = (struct log_writer){.fd = -1};
}

/* Any call below may wait for the disk: a full journal of the file system, a
 * frozen one, a slow one.  Not to be nested. */
static void
enter(const struct log_writer *w, const char *what)
{
	if (w->p.blocked != NULL)
		w->p.blocked(w->p.ctx, what);
}

static void
leave(const struct log_writer *w)
{
	int saved = errno;

	if (w->p.unblocked != NULL)
		w->p.unblocked(w->p.ctx);
	errno = saved;
}

/* A file of zeros called `name`, `bytes` long, on the disk; -1 with errno. */
static int
make_fresh(struct log_writer *w, const char *name, uint64_t bytes)
{
	int fd =
	    openat(w->p.dirfd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int saved;

	if (fd == -1)
		return -1;
	if ((errno = posix_fallocate(fd, 0, (off_t)bytes)) == 0 &&
	    log_dir_zero(fd, 0, bytes) == 0 && fsync(fd) == 0)
		return fd;
	saved = errno;
	close(fd);
	(void)unlinkat(w->p.dirfd, name, 0);
	errno = saved;
	return -1;
}

static int
write_header(struct log_writer *w, int fd, uint32_t number, uint64_t salt, uint64_t now_ns)
{
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	int rc, saved;

	h->number = number;
	h->prev = w->number;
	h->prev_end = w->off;
	h->salt = salt;
	memcpy(h->instance, w->p.instance, sizeof h->instance);
	h->generation = w->p.generation;
	h->created_ns = now_ns;
	h->first_commit = w->commit + 1;
	h->ring_capacity = w->p.ring_capacity;
	h->slots = w->p.slots;
	memcpy(h->stream, w->stream, sizeof h->stream);
	log_format_seal_segment(h);
	rc = log_dir_write(fd, h, sizeof *h, 0);
	saved = errno;
	free(h);
	errno = saved;
	return rc;
}

static enum log_writer_result
open_failed(struct log_writer *w, int fd, const char *name)
{
	int saved = errno;

	if (fd != -1)
		close(fd);
	if (name != NULL)
		(void)unlinkat(w->p.dirfd, name, 0);
	w->stats.error = saved;
	if (saved == ENOSPC || saved == EDQUOT || saved == EFBIG) {
		w->stats.space_errors++;
		return LOG_WRITER_FULL;
	}
	w->stats.write_errors++;
	return LOG_WRITER_OPEN;
}

/* The one before ends where the new header says: what lies behind (zeros, an
 * attempt that failed) goes.  Only tidying: readers believe the header. */
static void
cut_previous(struct log_writer *w)
{
	char name[LOG_DIR_NAME_LEN];
	int fd = w->fd;

	if (w->number == 0)
		return;
	if (fd == -1) {
		log_dir_name(w->number, name);
		fd = openat(w->p.dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd == -1)
		return;
	if (lseek(fd, 0, SEEK_END) > (off_t)w->off && ftruncate(fd, (off_t)w->off) == -1)
		w->stats.error = errno;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	w->fd = -1;
}

static uint64_t
draw_salt(uint64_t now_ns)
{
	uint64_t salt;

	if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
		salt = now_ns * 0x9e3779b97f4a7c15ull ^ (uint64_t)getpid();
	return salt | 1;
}

static enum log_writer_result
open_next(struct log_writer *w, uint64_t room, uint64_t now_ns)
{
	uint64_t need = LOG_HEADER_LEN + room;
	uint64_t salt = draw_salt(now_ns);
	const char *from = LOG_DIR_SPARE;
	char name[LOG_DIR_NAME_LEN];
	uint64_t size = 0;
	int fd = w->spare == NULL ? -1 : log_spare_take(w->spare, need, &size);

	if (fd == -1) {
		from = FRESH_NAME;
		size =
		    w->p.segment_bytes < LOG_WRITER_SMALL ? w->p.segment_bytes : LOG_WRITER_SMALL;
		if (size < need)
			size = bytes_round_up(need, LAYOUT_PAGE);
		fd = make_fresh(w, from, size);
		if (fd == -1)
			return open_failed(w, -1, NULL);
	}
	if (write_header(w, fd, w->last_number + 1, salt, now_ns) == -1 ||
	    fdatasync(fd) == -1)
		return open_failed(w, fd, from);
	w->last_number++;
	log_dir_name(w->last_number, name);
	if (renameat(w->p.dirfd, from, w->p.dirfd, name) == -1)
		return open_failed(w, fd, from);
	if (fsync(w->p.dirfd) == -1) {
		/* The new name may be on the disk or not.  If it comes back after
		 * a power cut its header says where the one before ended: so that
		 * one must not grow any more. */
		int saved = errno;

		if (w->fd != -1)
			close(w->fd);
		w->fd = -1;
		errno = saved;
		return open_failed(w, fd, name);
	}
	cut_previous(w);
	w->prev = w->number;
	w->prev_end = w->off;
	w->fd = fd;
	w->number = w->last_number;
	w->off = LOG_HEADER_LEN;
	w->dropped = 0;
	w->size = size;
	w->salt = salt;
	w->commits_here = 0;
	w->stats.opened++;
	if (w->spare != NULL)
		log_spare_want(w->spare, size < w->p.segment_bytes);
	return LOG_WRITER_OK;
}

enum log_writer_result
log_writer_open_next(struct log_writer *w, uint64_t room, uint64_t now_ns)
{
	enum log_writer_result r;

	enter(w, "new segment");
	r = open_next(w, room, now_ns);
	leave(w);
	return r;
}

/* Never to be written or synced again.  Without a good commit it leaves the
 * chain altogether. */
static void
abandon(struct log_writer *w)
{
	char name[LOG_DIR_NAME_LEN];

	close(w->fd);
	w->fd = -1;
	if (w->commits_here > 0)
		return;
	log_dir_name(w->number, name);
	(void)unlinkat(w->p.dirfd, name, 0);
	w->number = w->prev;
	w->off = w->prev_end;
}

/* Returns the commit's length. */
static uint64_t
lay_out(
    struct log_writer *w, const struct log_part *part, size_t n, uint64_t total, uint64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		struct log_chunk *c = &w->chunk[i];

		*c = (struct log_chunk){.salt = w->salt,
		    .commit = w->commit + 1,
		    .commit_off = w->off,
		    .commit_len = total,
		    .index = (uint32_t)i,
		    .count = (uint32_t)n,
		    .stream = part[i].stream,
		    .segment = w->number,
		    .from = part[i].from,
		    .to = part[i].to,
		    .len = part[i].len,
		    .first_seq = part[i].first_seq,
		    .events = part[i].events,
		    .wall_ns = now_ns,
		    .flags = part[i].is_gap ? LOG_CHUNK_GAP : 0};
		log_format_seal_chunk(c);
		w->iov[2 * i] = (struct iovec){c, sizeof *c};
		w->iov[2 * i + 1] = (struct iovec){(void *)(uintptr_t)part[i].frames, part[i].len};
	}
	return total;
}

/*
 * Zeros up to the end of the commit's last page, over the zeros that are there.
 * A page that is written whole need not be read first, and the spare's
 * pages are not in memory.  Returns how many.
 */
static uint64_t
pad(struct log_writer *w, size_t n, uint64_t total)
{
	static uint8_t zeros[LAYOUT_PAGE];
	uint64_t end = w->off + total, len = bytes_round_up(end, LAYOUT_PAGE) - end;

	if (len > w->size - end)
		len = w->size - end;
	w->iov[2 * n] = (struct iovec){zeros, len};
	return len;
}

static int
write_all(struct log_writer *w, size_t n, uint64_t total)
{
	uint64_t off = w->off;
	size_t at = 0;

	while (total > 0) {
		size_t count = n - at < IOV_MAX ? n - at : IOV_MAX;
		ssize_t done = pwritev(w->fd, w->iov + at, (int)count, (off_t)off);
		size_t left;

		if (done == -1 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done == 0 ? ENOSPC : errno;
			return -1;
		}
		off += (uint64_t)done;
		total -= (uint64_t)done;
		left = (size_t)done;
		while (at < n && left >= w->iov[at].iov_len)
			left -= w->iov[at++].iov_len;
		if (left > 0) {
			w->iov[at].iov_base = (uint8_t *)w->iov[at].iov_base + left;
			w->iov[at].iov_len -= left;
		}
	}
	return 0;
}

/*
 * What is on the disk needs no page cache: readers close behind look in the
 * rings.  Pages are taken anew for each few megabytes; given back so soon they
 * come round again while they are warm, and the log pushes nothing else out
 * of memory.
 */
static void
drop_behind(struct log_writer *w)
{
	if (w->off - w->dropped < DROP_STEP)
		return;
	(void)posix_fadvise(
	    w->fd, (off_t)w->dropped, (off_t)(w->off - w->dropped), POSIX_FADV_DONTNEED);
	w->dropped = w->off & ~(uint64_t)(LAYOUT_PAGE - 1);
}

static enum log_writer_result
write_commit(
    struct log_writer *w, const struct log_part *part, size_t n, uint64_t total, uint64_t now_ns)
{
	uint64_t begun;

	(void)lay_out(w, part, n, total, now_ns);
	if (write_all(w, 2 * n + 1, total + pad(w, n, total)) == -1) {
		bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

		w->stats.error = errno;
		w->stats.write_errors++;
		return is_full ? LOG_WRITER_FULL : LOG_WRITER_WRITE;
	}
	CRASHPOINT("log.written");
	begun = clock_mono_ns();
	if (fdatasync(w->fd) == -1) {
		w->stats.error = errno;
		w->stats.sync_errors++;
		return LOG_WRITER_SYNC;
	}
	CRASHPOINT("log.synced");
	w->stats.sync_last_ns = clock_mono_ns() - begun;
	w->stats.sync_ns += w->stats.sync_last_ns;
	w->stats.bytes = total;
	w->off += total;
	w->commit++;
	w->commits_here++;
	drop_behind(w);
	if (w->spare != NULL && w->size - w->off < SOON)
		log_spare_want(w->spare, true);
	return LOG_WRITER_OK;
}

enum log_writer_result
log_writer_commit(struct log_writer *w, const struct log_part *part, size_t n, uint64_t now_ns)
{
	enum log_writer_result r = LOG_WRITER_OK;
	uint64_t total = 0;

	assert_that(n > 0 && n <= LOG_WRITER_PARTS_MAX);
	for (size_t i = 0; i < n; i++)
		total += LOG_CHUNK_LEN + part[i].len;
	for (int attempt = 0; attempt < 2; attempt++) {
		if (w->fd == -1 || total > w->size - w->off) {
			r = log_writer_open_next(w, total, now_ns);
			if (r != LOG_WRITER_OK)
				return r;
		}
		enter(w, "log write");
		r = write_commit(w, part, n, total, now_ns);
		if (r != LOG_WRITER_OK)
			abandon(w);
		leave(w);
		if (r == LOG_WRITER_OK)
			return r;
	}
	return r;
}
