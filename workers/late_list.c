/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	late_list - events that another node had first: the end that writes
 *
 * DESCRIPTION
 *	Entries gather in memory until late_writer_flush(), which is one pwrite
 *	for a turn of the loop.  A file whose fdatasync failed is never synced
 *	again: its bytes are written to a new file that takes its name.
 *
 * PROCESS
 *	The claiming sink.
 *
 * SHARED STATE
 *	None; the caller publishes the number that late_writer_flush() returns.
 */
#include "workers/late_list.h"

#include "common/crc32c.h"
#include "workers/late_list_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	   UINT64_C(0x0031544c4c434c53) /* "SLCLLT1" */
#define VERSION	   1
#define BUFFER_MIN 1024 /* entries; doubles while the disk refuses to take them */
#define BUFFER_MAX (1024 * 1024)

struct late_writer {
	int latefd;
	int fd; /* of the newest file; -1: none */
	uint32_t segment;
	uint64_t size;	/* bytes of it that are written */
	uint64_t count; /* number of the next entry */
	bool is_dirty;	/* written since the last fdatasync */
	bool is_new;	/* its name is not on the disk yet */
	bool is_broken; /* an fdatasync failed */
	struct late_entry *buffer;
	size_t n, cap;
};

/*---------------------------------------------------------------------------*
 * The format
 *---------------------------------------------------------------------------*/

void
late_list_header(struct late_header *h, uint32_t segment, uint64_t first)
{
	*h = (struct late_header){
	    .magic = MAGIC, .version = VERSION, .segment = segment, .first = first};
	h->crc = crc32c(0, h, offsetof(struct late_header, crc));
}

bool
late_list_header_is_whole(const struct late_header *h)
{
	return h->magic == MAGIC && h->version == VERSION &&
	       h->crc == crc32c(0, h, offsetof(struct late_header, crc));
}

void
late_list_entry(struct late_entry *e, uint64_t number, uint32_t stream, uint64_t pos)
{
	*e = (struct late_entry){.number = number, .pos = pos, .stream = stream};
	e->crc = crc32c(0, e, offsetof(struct late_entry, crc));
}

bool
late_list_entry_is_whole(const struct late_entry *e)
{
	return e->crc == crc32c(0, e, offsetof(struct late_entry, crc)) &&
	       (e->crc != 0 || e->number != 0 || e->pos != 0 || e->stream != 0);
}

void
late_list_name(uint32_t segment, char name[LATE_LIST_NAME_LEN])
{
	(void)snprintf(name, LATE_LIST_NAME_LEN, "%08x.late", segment);
}

static int64_t
number_of(const char *name)
{
	char again[LATE_LIST_NAME_LEN];
	uint32_t n;

	if (strlen(name) != LATE_LIST_NAME_LEN - 1)
		return LATE_LIST_NONE;
	n = (uint32_t)strtoul(name, NULL, 16);
	late_list_name(n, again);
	return strcmp(name, again) == 0 ? (int64_t)n : LATE_LIST_NONE;
}

static int64_t
look(int latefd, int64_t from, bool is_up)
{
	int64_t best = LATE_LIST_NONE;
	int fd = openat(latefd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *dir;

	if (fd == -1)
		return -2;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -2;
	}
	while ((d = readdir(dir)) != NULL) {
		int64_t n = number_of(d->d_name);

		if (n == LATE_LIST_NONE || (is_up ? n < from : n > from))
			continue;
		if (best == LATE_LIST_NONE || (is_up ? n < best : n > best))
			best = n;
	}
	(void)closedir(dir);
	return best;
}

int64_t
late_list_next(int latefd, int64_t from)
{
	return look(latefd, from, true);
}

int64_t
late_list_last(int latefd, int64_t from)
{
	return look(latefd, from, false);
}

/*---------------------------------------------------------------------------*
 * Taking over
 *---------------------------------------------------------------------------*/

struct extent {
	uint64_t end;	/* of what was published in the file */
	uint64_t first; /* number of its first entry */
	uint64_t next;	/* number after the last one; without entries the header's */
	bool has_entry;
	bool has_header;
};

/* Up to the last whole entry whose number is below `published`. */
static int
find_end(int fd, uint64_t published, struct extent *x)
{
	struct late_entry *at = malloc(LATE_LIST_READ * sizeof *at);
	struct late_header h = {0};
	uint64_t off = sizeof h;
	ssize_t got = -1;

	*x = (struct extent){.end = sizeof h};
	if (at == NULL)
		return -1;
	x->has_header = pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
			late_list_header_is_whole(&h);
	if (x->has_header)
		x->next = h.first;
	while ((got = pread(fd, at, LATE_LIST_READ * sizeof *at, (off_t)off)) >=
	       (ssize_t)sizeof *at) {
		size_t n = (size_t)got / sizeof *at;

		for (size_t i = 0; i < n; i++) {
			if (!late_list_entry_is_whole(&at[i]) || at[i].number >= published)
				continue;
			if (!x->has_entry)
				x->first = at[i].number;
			x->end = off + (i + 1) * sizeof *at;
			x->next = at[i].number + 1;
			x->has_entry = true;
		}
		off += n * sizeof *at;
	}
	free(at);
	return got == -1 ? -1 : 0;
}

/* Cut the newest file.  1: it is ours now; 0: it held nothing that counts and was
 * removed; -1 with errno. */
static int
take_file(struct late_writer *w, uint32_t segment, uint64_t published)
{
	char name[LATE_LIST_NAME_LEN];
	struct late_header h;
	struct extent x;
	int fd;

	late_list_name(segment, name);
	fd = openat(w->latefd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return -1;
	if (find_end(fd, published, &x) == -1)
		goto fail;
	/* Without entries its number still counts: no number is used twice. */
	if (x.next > w->count && (x.has_entry || x.next <= published))
		w->count = x.next;
	if (!x.has_entry) {
		close(fd);
		return unlinkat(w->latefd, name, 0);
	}
	late_list_header(&h, segment, x.first);
	if (ftruncate(fd, (off_t)x.end) == -1 ||
	    (!x.has_header && pwrite(fd, &h, sizeof h, 0) != (ssize_t)sizeof h))
		goto fail;
	w->fd = fd;
	w->segment = segment;
	w->size = x.end;
	/* What a predecessor wrote may not be on the disk yet, nor the cut. */
	w->is_dirty = w->is_new = true;
	return 1;
fail:
	close(fd);
	return -1;
}

static int
take_over(struct late_writer *w, uint64_t published)
{
	int64_t segment = INT64_MAX;
	int taken = 0;

	while (taken == 0) {
		segment = late_list_last(w->latefd, segment - 1);
		if (segment == LATE_LIST_NONE)
			break;
		taken = segment < 0 ? -1 : take_file(w, (uint32_t)segment, published);
	}
	if (taken == -1)
		return -1;
	if (published != UINT64_MAX && published > w->count)
		w->count = published; /* readers may have read so far: no number twice */
	return 0;
}

static int
make_folder(int dirfd)
{
	if (mkdirat(dirfd, LATE_LIST_DIR, 0750) == -1)
		return errno == EEXIST ? 0 : -1;
	return fsync(dirfd); /* files in a folder without a name are lost */
}

struct late_writer *
late_writer_open(int dirfd, uint64_t published, uint64_t *count)
{
	struct late_writer *w = calloc(1, sizeof *w);
	int saved;

	if (w == NULL)
		return NULL;
	w->fd = w->latefd = -1;
	w->cap = BUFFER_MIN;
	w->buffer = malloc(w->cap * sizeof *w->buffer);
	if (w->buffer == NULL || make_folder(dirfd) == -1)
		goto fail;
	w->latefd = openat(dirfd, LATE_LIST_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (w->latefd == -1 || take_over(w, published) == -1)
		goto fail;
	*count = w->count;
	return w;
fail:
	saved = errno;
	late_writer_close(w);
	errno = saved;
	return NULL;
}

void
late_writer_close(struct late_writer *w)
{
	if (w == NULL)
		return;
	if (w->fd != -1)
		close(w->fd);
	if (w->latefd != -1)
		close(w->latefd);
	free(w->buffer);
	free(w);
}

/*---------------------------------------------------------------------------*
 * Writing
 *---------------------------------------------------------------------------*/

static int
write_all(int fd, const void *bytes, size_t len, uint64_t off)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)off);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? ENOSPC : errno;
			return -1;
		}
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The buffer into the newest file: whole entries, in order; what is not taken stays. */
static int
write_out(struct late_writer *w)
{
	size_t len = w->n * sizeof *w->buffer;

	if (w->n == 0)
		return 0;
	if (write_all(w->fd, w->buffer, len, w->size) == -1)
		return -1;
	w->size += len;
	w->n = 0;
	w->is_dirty = true;
	return 0;
}

static int
begin_file(struct late_writer *w, uint32_t segment)
{
	char name[LATE_LIST_NAME_LEN];
	struct late_header h;
	int fd, saved;

	/* The old one is as good as published: it is synced before it is let go. */
	if (w->fd != -1 && (write_out(w) == -1 || late_writer_sync(w) == -1))
		return -1;
	late_list_name(segment, name);
	late_list_header(&h, segment, w->count - w->n);
	fd = openat(w->latefd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd == -1)
		return -1;
	if (write_all(fd, &h, sizeof h, 0) == -1) {
		saved = errno;
		close(fd);
		(void)unlinkat(w->latefd, name, 0);
		errno = saved;
		return -1;
	}
	if (w->fd != -1)
		close(w->fd);
	w->fd = fd;
	w->segment = segment;
	w->size = sizeof h;
	w->is_dirty = w->is_new = true;
	return 0;
}

static int
grow(struct late_writer *w)
{
	struct late_entry *more;

	if (w->cap >= BUFFER_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	more = realloc(w->buffer, 2 * w->cap * sizeof *more);
	if (more == NULL)
		return -1;
	w->buffer = more;
	w->cap *= 2;
	return 0;
}

int
late_writer_add(struct late_writer *w, uint32_t log_segment, uint32_t stream, uint64_t pos)
{
	/* A file that cannot be made is tried again at the next entry; until then
	 * the entries go to the one before, or wait. */
	if ((w->fd == -1 || log_segment > w->segment) && begin_file(w, log_segment) == -1 &&
	    w->n == w->cap && grow(w) == -1)
		return -1;
	if (w->n == w->cap && (w->fd == -1 || write_out(w) == -1) && grow(w) == -1)
		return -1;
	late_list_entry(&w->buffer[w->n++], w->count++, stream, pos);
	return 0;
}

uint64_t
late_writer_flush(struct late_writer *w)
{
	if (w->n > 0 && w->fd != -1)
		(void)write_out(w); /* what could not be written stays and is not counted */
	return w->count - w->n;
}

/* After a failed fdatasync: the same bytes in a new file that takes the name. */
static int
write_again(struct late_writer *w)
{
	char name[LATE_LIST_NAME_LEN], tmp[LATE_LIST_NAME_LEN + 4];
	uint8_t block[65536];
	uint64_t off = 0;
	int saved, fd;

	late_list_name(w->segment, name);
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", name);
	fd = openat(w->latefd, tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd == -1)
		return -1;
	while (off < w->size) {
		size_t want = w->size - off < sizeof block ? (size_t)(w->size - off) : sizeof block;
		ssize_t n = pread(w->fd, block, want, (off_t)off);

		if (n <= 0 || write_all(fd, block, (size_t)n, off) == -1) {
			errno = n == 0 ? EIO : errno;
			goto fail;
		}
		off += (uint64_t)n;
	}
	if (fdatasync(fd) == -1 || renameat(w->latefd, tmp, w->latefd, name) == -1)
		goto fail;
	close(w->fd);
	w->fd = fd;
	w->is_broken = false;
	w->is_dirty = false;
	w->is_new = true;
	return 0;
fail:
	saved = errno;
	close(fd);
	(void)unlinkat(w->latefd, tmp, 0);
	errno = saved;
	return -1;
}

int
late_writer_sync(struct late_writer *w)
{
	if (w->fd == -1) {
		errno = EIO;
		return w->n == 0 ? 0 : -1;
	}
	if (write_out(w) == -1)
		return -1;
	if (w->is_broken && write_again(w) == -1)
		return -1;
	if (w->is_dirty && fdatasync(w->fd) == -1) {
		w->is_broken = true;
		return -1;
	}
	w->is_dirty = false;
	if (w->is_new && fsync(w->latefd) == -1)
		return -1;
	w->is_new = false;
	return 0;
}

void
late_writer_expire(struct late_writer *w, uint32_t first_segment)
{
	char name[LATE_LIST_NAME_LEN];
	int64_t n = -1;

	while ((n = late_list_next(w->latefd, n + 1)) >= 0 && n < first_segment) {
		/* The newest says which number comes next: it stays until there is another. */
		if (w->fd != -1 && n == w->segment)
			break;
		late_list_name((uint32_t)n, name);
		if (unlinkat(w->latefd, name, 0) == -1)
			break;
	}
}
