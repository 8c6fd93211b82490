/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	late_list_reader - events that another node had first: the end that asks
 *
 * DESCRIPTION
 *	A set of (stream, position) in open addressing, at most half full.
 *	What was forgotten leaves it when it grows next, or is trimmed: a removal
 *	would cost more than the place is worth.
 *
 *	Files are read in the order of their segments, each once and from where
 *	the last look ended.  A damaged entry is stepped over when a whole one
 *	stands behind it; at the end of a file it may be one that is being written.
 *	What is not published is never taken: a successor of the writer may cut it
 *	and decide anew.
 *
 * PROCESS
 *	Sinks; who answers receipts.
 *
 * SHARED STATE
 *	None; the caller loads the published number.
 */
#include "workers/late_list.h"

#include "common/panic.h"
#include "workers/late_list_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SET_MIN 1024

struct late_key {
	uint64_t pos;
	uint32_t stream_plus; /* stream + 1; 0: free */
	uint32_t reserved;
};

struct late_reader {
	char path[PATH_MAX];
	int latefd;	 /* -1: not there yet */
	int fd;		 /* the file being read, or -1 */
	int64_t segment; /* of it; -1: before all */
	uint64_t off;	 /* behind the last entry taken from it */
	uint64_t taken;	 /* number behind that entry's */
	uint64_t count;	 /* asked for so far */
	struct late_key *set;
	size_t used, cap; /* cap: 0 or a power of two */
	struct late_entry *block;
	uint64_t before[SINK_PART_STREAMS]; /* forgotten below */
	bool has_forgotten;                 /* since the last trim */
};

/*---------------------------------------------------------------------------*
 * The set
 *---------------------------------------------------------------------------*/

static inline size_t
slot_of(size_t cap, uint32_t stream, uint64_t pos)
{
	uint64_t x = (pos / 8 + stream) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 29;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)(x >> 32) & (cap - 1);
}

static bool
is_forgotten(const struct late_reader *r, uint32_t stream, uint64_t pos)
{
	return stream < SINK_PART_STREAMS && pos < r->before[stream];
}

/* The key's slot, or the free one where it would stand. */
static struct late_key *
slot_find(struct late_key *set, size_t cap, uint32_t stream, uint64_t pos)
{
	size_t i = slot_of(cap, stream, pos);

	while (set[i].stream_plus != 0 &&
	       (set[i].stream_plus != stream + 1 || set[i].pos != pos))
		i = (i + 1) & (cap - 1);
	return &set[i];
}

static size_t
count_live(const struct late_reader *r)
{
	size_t live = 0;

	for (size_t i = 0; i < r->cap; i++)
		live += r->set[i].stream_plus != 0 &&
			!is_forgotten(r, r->set[i].stream_plus - 1, r->set[i].pos);
	return live;
}

/* A new set with room for `more`, without what is forgotten. */
static int
set_rebuild(struct late_reader *r, size_t live, size_t more)
{
	size_t cap = SET_MIN;
	struct late_key *set;

	while (cap < 4 * (live + more)) /* a quarter full: grows seldom */
		cap *= 2;
	set = calloc(cap, sizeof *set);
	if (set == NULL)
		return -1;
	for (size_t i = 0; i < r->cap; i++) {
		const struct late_key *k = &r->set[i];

		if (k->stream_plus != 0 && !is_forgotten(r, k->stream_plus - 1, k->pos))
			*slot_find(set, cap, k->stream_plus - 1, k->pos) = *k;
	}
	free(r->set);
	r->set = set;
	r->cap = cap;
	r->used = live;
	return 0;
}

static int
set_make_room(struct late_reader *r, size_t more)
{
	if (2 * (r->used + more) <= r->cap)
		return 0;
	return set_rebuild(r, count_live(r), more);
}

static void
set_add(struct late_reader *r, uint32_t stream, uint64_t pos)
{
	struct late_key *k;

	if (is_forgotten(r, stream, pos) || stream == UINT32_MAX)
		return;
	k = slot_find(r->set, r->cap, stream, pos);
	if (k->stream_plus == 0) {
		*k = (struct late_key){.pos = pos, .stream_plus = stream + 1};
		r->used++;
	}
}

bool
late_reader_has(const struct late_reader *r, uint32_t stream, uint64_t pos)
{
	if (r->used == 0)
		return false;
	return slot_find(r->set, r->cap, stream, pos)->stream_plus != 0;
}

void
late_reader_forget(struct late_reader *r, uint32_t stream, uint64_t before)
{
	if (stream >= SINK_PART_STREAMS || before <= r->before[stream])
		return;
	r->before[stream] = before;
	r->has_forgotten = true;
}

void
late_reader_trim(struct late_reader *r)
{
	size_t live;

	if (!r->has_forgotten || r->cap <= SET_MIN)
		return;
	r->has_forgotten = false;
	live = count_live(r);
	if (live < r->cap / 16)
		(void)set_rebuild(r, live, 0); /* without memory: as it was */
}

size_t
late_reader_bytes(const struct late_reader *r)
{
	return r->cap * sizeof *r->set;
}

/*---------------------------------------------------------------------------*
 * The files
 *---------------------------------------------------------------------------*/

struct late_reader *
late_reader_open(const char *state_dir, const char *claimer)
{
	struct late_reader *r = calloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->latefd = r->fd = -1;
	r->segment = -1;
	r->block = malloc(LATE_LIST_READ * sizeof *r->block);
	if (r->block == NULL ||
	    (size_t)snprintf(r->path, sizeof r->path, "%s/sinks/%s/" LATE_LIST_DIR, state_dir,
		claimer == NULL ? "" : claimer) >= sizeof r->path) {
		errno = r->block == NULL ? ENOMEM : ENAMETOOLONG;
		late_reader_close(r);
		return NULL;
	}
	return r;
}

void
late_reader_close(struct late_reader *r)
{
	int saved = errno;

	if (r == NULL)
		return;
	if (r->fd != -1)
		close(r->fd);
	if (r->latefd != -1)
		close(r->latefd);
	free(r->set);
	free(r->block);
	free(r);
	errno = saved;
}

/* What stands in the open file up to number `count`; r->off moves behind it. */
static int
read_file(struct late_reader *r, uint64_t count)
{
	uint64_t off = r->off;
	ssize_t got;

	for (;;) {
		size_t n;

		got = pread(r->fd, r->block, LATE_LIST_READ * sizeof *r->block, (off_t)off);
		if (got == -1)
			return -1;
		n = (size_t)got / sizeof *r->block;
		if (n == 0)
			return 0;
		if (set_make_room(r, n) == -1)
			return -1;
		for (size_t i = 0; i < n; i++) {
			const struct late_entry *e = &r->block[i];

			if (!late_list_entry_is_whole(e))
				continue;
			if (e->number >= count)
				return 0;
			set_add(r, e->stream, e->pos);
			r->off = off + (i + 1) * sizeof *e;
			r->taken = e->number + 1;
		}
		off += n * sizeof *r->block;
	}
}

/* 1: `segment` is open now, 0: it is gone, -1. */
static int
open_file(struct late_reader *r, int64_t segment)
{
	char name[LATE_LIST_NAME_LEN];
	int fd;

	late_list_name((uint32_t)segment, name);
	fd = openat(r->latefd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (r->fd != -1)
		close(r->fd);
	r->fd = fd;
	return 1;
}

/* The writer made the file anew after a failed sync: the same bytes under the name. */
static bool
is_replaced(const struct late_reader *r)
{
	char name[LATE_LIST_NAME_LEN];
	struct stat ours, theirs;

	late_list_name((uint32_t)r->segment, name);
	return fstat(r->fd, &ours) == 0 && fstatat(r->latefd, name, &theirs, 0) == 0 &&
	       ours.st_ino != theirs.st_ino;
}

/* The number of the first entry that a file holds or will; false: nothing says. */
static bool
first_number(const struct late_reader *r, int64_t segment, uint64_t *first)
{
	char name[LATE_LIST_NAME_LEN];
	struct late_header h;
	struct late_entry e;
	bool is_known = false;
	off_t off = sizeof h;
	int fd;

	late_list_name((uint32_t)segment, name);
	fd = openat(r->latefd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return false;
	if (pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h && late_list_header_is_whole(&h)) {
		*first = h.first;
		is_known = true;
	}
	for (; !is_known && pread(fd, &e, sizeof e, off) == (ssize_t)sizeof e; off += sizeof e)
		if (late_list_entry_is_whole(&e)) {
			*first = e.number;
			is_known = true;
		}
	close(fd);
	return is_known;
}

/*
 * On to the next file, if it holds something below `count`: then the one before
 * was complete when that number was published.  1, 0 when there is none, -1.
 */
static int
next_file(struct late_reader *r, uint64_t count)
{
	int64_t n = r->segment;
	uint64_t first;
	int ok;

	while ((n = late_list_next(r->latefd, n + 1)) >= 0) {
		if (!first_number(r, n, &first))
			continue;
		if (first >= count)
			return 0;
		ok = open_file(r, n);
		if (ok == -1)
			return -1;
		if (ok == 0)
			continue;
		r->segment = n;
		r->off = sizeof(struct late_header);
		return 1;
	}
	return n == LATE_LIST_NONE ? 0 : -1;
}

int
late_reader_refresh(struct late_reader *r, uint64_t count)
{
	int ok = 1;

	if (count <= r->count)
		return 0;
	if (r->latefd == -1) {
		r->latefd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r->latefd == -1)
			return errno == ENOENT ? 0 : -1;
	}
	if (r->fd != -1 && read_file(r, count) == -1)
		return -1;
	if (r->fd != -1 && r->taken < count && is_replaced(r)) {
		if (open_file(r, r->segment) == -1 || read_file(r, count) == -1)
			return -1;
	}
	while (r->taken < count && (ok = next_file(r, count)) == 1)
		if (read_file(r, count) == -1)
			return -1;
	if (ok == -1)
		return -1;
	r->count = count;
	return 0;
}
