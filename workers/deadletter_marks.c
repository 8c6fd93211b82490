/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_marks - what became of dead letters later: replayed, purged
 *
 * PROCESS
 *	Written by the deadletter stage; sluicectl reads.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_marks.h"

#include "common/crc32c.h"
#include "workers/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME     "marks"
#define NEW      "marks.new"
#define MAGIC    0x4b4d4c44u /* "DLMK" */
#define CRC_FROM 8
#define AT_ONCE  1024
/* Fewer entries are not worth a new file. */
#define COMPACT_MIN 4096

struct mark {
	uint32_t magic;
	uint32_t crc;
	uint32_t file;
	uint32_t over;
	uint64_t off;
	uint32_t time_s;
	uint32_t reserved;
	char stage[40];
};

_Static_assert(sizeof(struct mark) == 72, "a mark");

static uint32_t
crc_of(const struct mark *m)
{
	return crc32c(0, (const uint8_t *)m + CRC_FROM, sizeof *m - CRC_FROM);
}

static struct mark
mark_of(const struct deadletter_index *ix, struct deadletter_ref r, enum deadletter_over over,
    uint32_t time_s)
{
	struct mark m = {.magic = MAGIC,
	    .file = ix->stage[r.stage].file[r.file].number,
	    .over = (uint32_t)over,
	    .off = deadletter_index_entry(ix, r)->off,
	    .time_s = time_s};

	(void)snprintf(m.stage, sizeof m.stage, "%.39s", ix->stage[r.stage].name);
	m.crc = crc_of(&m);
	return m;
}

static bool
is_whole(const struct mark *m)
{
	return m->magic == MAGIC && m->crc == crc_of(m) && m->stage[sizeof m->stage - 1] == '\0' &&
	       (m->over == DEADLETTER_REPLAYED || m->over == DEADLETTER_PURGED);
}

static void
put_on(struct deadletter_index *ix, const struct mark *m)
{
	char id[DEADLETTER_ID_SIZE];
	struct deadletter_ref r;

	deadletter_format_id(m->stage, m->file, m->off, id);
	if (deadletter_index_find(ix, id, &r))
		deadletter_index_mark(ix, r, (enum deadletter_over)m->over, m->time_s);
}

int
deadletter_marks_load(struct deadletter_index *ix, uint64_t *good, uint64_t *n)
{
	static struct mark buf[AT_ONCE];
	uint64_t off = 0, count = 0;
	ssize_t got;
	int fd = -1, rc = -1;

	if (ix->dirfd == -1 || (fd = openat(ix->dirfd, NAME, O_RDONLY | O_CLOEXEC)) == -1) {
		rc = ix->dirfd == -1 || errno == ENOENT ? 0 : -1;
		goto out;
	}
	for (;;) {
		size_t i = 0;

		if ((got = pread(fd, buf, sizeof buf, (off_t)off)) == -1)
			goto out;
		while (i < (size_t)got / sizeof buf[0] && is_whole(&buf[i]))
			put_on(ix, &buf[i++]);
		count += i;
		off += i * sizeof buf[0];
		if (i < AT_ONCE)
			break;
	}
	rc = 0;
out:
	if (fd != -1)
		(void)close(fd);
	if (good != NULL)
		*good = off;
	if (n != NULL)
		*n = count;
	return rc;
}

int
deadletter_marks_open(struct deadletter_marks *m, struct deadletter_index *ix)
{
	*m = (struct deadletter_marks){.fd = -1};
	if (deadletter_marks_load(ix, &m->size, &m->n) == -1)
		return -1;
	m->fd = openat(ix->dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (m->fd == -1 || ftruncate(m->fd, (off_t)m->size) == -1 || fdatasync(m->fd) == -1 ||
	    fsync(ix->dirfd) == -1)
		return -1;
	return 0;
}

void
deadletter_marks_close(struct deadletter_marks *m)
{
	if (m->fd != -1)
		(void)close(m->fd);
	m->fd = -1;
}

/* Every mark that the index knows into a new file, which takes the old one's place. */
static int
write_anew(struct deadletter_marks *m, const struct deadletter_index *ix)
{
	int fd = openat(ix->dirfd, NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), saved;
	static struct mark buf[AT_ONCE];
	uint64_t size = 0, count = 0;
	struct deadletter_ref r;
	size_t n = 0;

	if (fd == -1)
		return -1;
	for (r.stage = 0; r.stage < ix->stages; r.stage++)
		for (r.file = 0; r.file < ix->stage[r.stage].n; r.file++)
			for (r.entry = 0; r.entry < ix->stage[r.stage].file[r.file].n; r.entry++) {
				const struct deadletter_entry *e = deadletter_index_entry(ix, r);

				if (e->over != DEADLETTER_REPLAYED && e->over != DEADLETTER_PURGED)
					continue;
				buf[n++] = mark_of(ix, r, (enum deadletter_over)e->over, e->over_s);
				count++;
				if (n < AT_ONCE)
					continue;
				if (log_dir_write(fd, buf, sizeof buf, size) == -1)
					goto failed;
				size += sizeof buf;
				n = 0;
			}
	if ((n > 0 && log_dir_write(fd, buf, n * sizeof buf[0], size) == -1) || fsync(fd) == -1 ||
	    renameat(ix->dirfd, NEW, ix->dirfd, NAME) == -1 || fsync(ix->dirfd) == -1)
		goto failed;
	deadletter_marks_close(m);
	*m = (struct deadletter_marks){.fd = fd, .size = size + n * sizeof buf[0], .n = count};
	return 0;
failed:
	saved = errno;
	(void)close(fd);
	(void)unlinkat(ix->dirfd, NEW, 0);
	errno = saved;
	return -1;
}

/* Append and fsync; after a failure the file is not written again. */
static int
append(struct deadletter_marks *m, const struct mark *marks, size_t n)
{
	int saved;

	if (log_dir_write(m->fd, marks, n * sizeof *marks, m->size) == 0 && fdatasync(m->fd) == 0) {
		m->size += n * sizeof *marks;
		m->n += n;
		return 0;
	}
	saved = errno;
	deadletter_marks_close(m);
	errno = saved;
	return -1;
}

int64_t
deadletter_marks_add(struct deadletter_marks *m, struct deadletter_index *ix,
    const struct deadletter_ref *refs, size_t n, enum deadletter_over over, uint32_t now_s)
{
	struct mark *marks;
	size_t k = 0;
	int rc;

	if (n == 0)
		return 0;
	if (m->fd == -1 && write_anew(m, ix) == -1)
		return -1;
	if ((marks = calloc(n, sizeof *marks)) == NULL)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (deadletter_index_entry(ix, refs[i])->over == DEADLETTER_OPEN)
			marks[k++] = mark_of(ix, refs[i], over, now_s);
	rc = k == 0 ? 0 : append(m, marks, k);
	free(marks);
	if (rc == -1)
		return -1;
	k = 0;
	for (size_t i = 0; i < n; i++)
		if (deadletter_index_entry(ix, refs[i])->over == DEADLETTER_OPEN) {
			deadletter_index_mark(ix, refs[i], over, now_s);
			k++;
		}
	return (int64_t)k;
}

int
deadletter_marks_compact(struct deadletter_marks *m, const struct deadletter_index *ix)
{
	/* What could not be listed keeps its marks. */
	for (size_t i = 0; i < ix->stages; i++)
		for (size_t k = 0; k < ix->stage[i].n; k++)
			if (!ix->stage[i].file[k].is_complete && ix->stage[i].file[k].off != 0)
				return 0;
	/* Without the marks of files that are gone it cannot hold more than this. */
	if (m->n < COMPACT_MIN || m->n < 2 * (ix->n - ix->open))
		return 0;
	return write_anew(m, ix);
}
