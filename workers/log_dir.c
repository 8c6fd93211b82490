/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_dir - the log's directory: names, files and the chain of segments
 *
 * PROCESS
 *	The journal writes; readers and sluicectl list.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_dir.h"

#include "common/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZERO_PIECE (512 * 1024)

void
log_dir_name(uint32_t number, char name[LOG_DIR_NAME_LEN])
{
	(void)snprintf(name, LOG_DIR_NAME_LEN, "%08x.log", number);
}

uint32_t
log_dir_number(const char *name)
{
	uint32_t number = 0;

	if (strlen(name) != LOG_DIR_NAME_LEN - 1 || strcmp(name + 8, ".log") != 0)
		return 0;
	for (int i = 0; i < 8; i++) {
		const char *digits = "0123456789abcdef";
		const char *d = strchr(digits, name[i]);

		if (d == NULL)
			return 0;
		number = number << 4 | (uint32_t)(d - digits);
	}
	return number;
}

uint64_t
log_dir_born(const struct log_chain *chain, size_t i)
{
	uint64_t born = UINT64_MAX;

	for (; i < chain->n; i++)
		if (chain->at[i].is_readable && !chain->at[i].is_stray &&
		    chain->at[i].created_ns < born)
			born = chain->at[i].created_ns;
	return born;
}

int
log_dir_open(const char *path, bool make)
{
	if (make && mkdir(path, 0750) == -1 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Calls `each` for the number of every segment; 0 or -1 with errno. */
static int
each_number(int dirfd, int (*each)(void *ctx, uint32_t number), void *ctx)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	int rc = 0;

	if (d == NULL) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (rc == 0) {
		uint32_t number;

		errno = 0;
		e = readdir(d);
		if (e == NULL) {
			rc = errno == 0 ? 0 : -1;
			break;
		}
		number = log_dir_number(e->d_name);
		if (number != 0)
			rc = each(ctx, number);
	}
	closedir(d);
	return rc;
}

static int
take_last(void *ctx, uint32_t number)
{
	uint32_t *last = ctx;

	if (number > *last)
		*last = number;
	return 0;
}

int64_t
log_dir_last(int dirfd)
{
	uint32_t last = 0;

	return each_number(dirfd, take_last, &last) == -1 ? -1 : (int64_t)last;
}

int
log_dir_read_header(
    int dirfd, uint32_t number, struct log_segment_header *h, enum log_format_result *why)
{
	char name[LOG_DIR_NAME_LEN];
	size_t have = 0;
	int fd, saved;

	log_dir_name(number, name);
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return -1;
	memset(h, 0, sizeof *h);
	while (have < sizeof *h) {
		ssize_t n = pread(fd, (uint8_t *)h + have, sizeof *h - have, (off_t)have);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EIO) {
			saved = errno;
			close(fd);
			errno = saved;
			return -1;
		}
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	*why = log_format_check_segment(h, number);
	return *why == LOG_FORMAT_OK ? 0 : 1;
}

struct numbers {
	uint32_t *at;
	size_t n, room;
	uint32_t newest;
};

static int
take_number(void *ctx, uint32_t number)
{
	struct numbers *all = ctx;

	if (all->newest != 0 && number > all->newest)
		return 0;
	if (all->n == all->room) {
		size_t room = all->room == 0 ? 64 : all->room * 2;
		uint32_t *grown = reallocarray(all->at, room, sizeof *grown);

		if (grown == NULL)
			return -1;
		all->at = grown;
		all->room = room;
	}
	all->at[all->n++] = number;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
fill(struct log_segment *s, int dirfd, struct log_segment_header *h)
{
	char name[LOG_DIR_NAME_LEN];
	struct stat st;
	int rc;

	log_dir_name(s->number, name);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	s->bytes = (uint64_t)st.st_size;
	if (s->is_checked)
		return 0;
	rc = log_dir_read_header(dirfd, s->number, h, &s->why);
	if (rc == -1)
		return -1;
	s->is_checked = true;
	s->is_readable = rc == 0;
	if (rc == 0) {
		s->prev = h->prev;
		s->prev_end = h->prev_end;
		s->salt = h->salt;
		s->created_ns = h->created_ns;
		memcpy(s->instance, h->instance, sizeof s->instance);
	}
	return 0;
}

/* From the newest backwards: who is named, and where each one ends. */
static void
follow(struct log_chain *chain)
{
	uint64_t end = UINT64_MAX;
	size_t i = chain->n;

	while (i > 0) {
		struct log_segment *s = &chain->at[--i];
		uint32_t want;

		s->is_stray = false;
		s->end = end;
		if (!s->is_readable) {
			end = UINT64_MAX;
			continue;
		}
		want = s->prev;
		while (i > 0 && chain->at[i - 1].number > want)
			chain->at[--i].is_stray = true;
		end = i > 0 && chain->at[i - 1].number == want ? s->prev_end : UINT64_MAX;
	}
}

int
log_dir_load(struct log_chain *chain, int dirfd, uint32_t newest)
{
	struct numbers all = {.newest = newest};
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	struct log_segment *list = NULL;
	size_t n = 0, old = 0;
	int rc = -1;

	if (each_number(dirfd, take_number, &all) == -1)
		goto out;
	if (all.n > 0)
		qsort(all.at, all.n, sizeof *all.at, by_number);
	list = calloc(all.n + 1, sizeof *list);
	if (list == NULL)
		goto out;
	for (size_t i = 0; i < all.n; i++) {
		struct log_segment *s = &list[n];

		while (old < chain->n && chain->at[old].number < all.at[i])
			old++;
		*s = (struct log_segment){.number = all.at[i]};
		if (old < chain->n && chain->at[old].number == all.at[i])
			*s = chain->at[old];
		if (fill(s, dirfd, h) == 0)
			n++;
		else if (errno != ENOENT) /* retention was faster than we */
			goto out;
	}
	free(chain->at);
	chain->at = list;
	chain->n = n;
	list = NULL;
	follow(chain);
	rc = 0;
out:
	free(list);
	free(all.at);
	free(h);
	return rc;
}

void
log_dir_unload(struct log_chain *chain)
{
	free(chain->at);
	*chain = (struct log_chain){0};
}

size_t
log_dir_find(const struct log_chain *chain, uint32_t number)
{
	size_t lo = 0, hi = chain->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (chain->at[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo < chain->n && chain->at[lo].is_stray)
		lo++;
	return lo;
}

int
log_dir_write(int fd, const void *bytes, size_t len, uint64_t off)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)off);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0) {
			errno = ENOSPC;
			return -1;
		}
		at += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

int
log_dir_zero(int fd, uint64_t from, uint64_t to)
{
	/* Aligned for descriptors with O_DIRECT; not const, so that they are no bytes of
	 * the program file. */
	_Alignas(LAYOUT_PAGE) static uint8_t zeros[ZERO_PIECE];

	while (from < to) {
		size_t piece = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;

		if (log_dir_write(fd, zeros, piece, from) == -1)
			return -1;
		from += piece;
	}
	return 0;
}
