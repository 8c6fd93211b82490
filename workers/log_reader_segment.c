/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_reader_segment - from segment to segment, and where each one ends
 *
 * PROCESS
 *	See log_reader.h.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_reader.h"

#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct log_format_place
place_of(const struct log_segment *s, uint64_t limit)
{
	return (struct log_format_place){
	    .segment = s->number, .any_salt = !s->is_readable, .salt = s->salt, .limit = limit};
}

/* Of a log that is being written, commits become visible in order: zeros where
 * the next one would begin are the end. */
static bool
has_more(int fd, uint64_t off)
{
	uint64_t word = 0;

	return pread(fd, &word, sizeof word, (off_t)off) == (ssize_t)sizeof word && word != 0;
}

/* Where the open segment ends for us. */
static uint64_t
limit_of(struct log_reader *r, const struct log_segment *s)
{
	struct log_format_place place;
	struct stat st;
	uint64_t bytes = fstat(r->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	uint64_t from = LOG_HEADER_LEN, after = 0;

	if (bytes < LOG_HEADER_LEN)
		return LOG_HEADER_LEN;
	if (r->log_end != 0 && s->number == layout_log_segment(r->log_end))
		return layout_log_offset(r->log_end) < bytes ? layout_log_offset(r->log_end)
							     : bytes;
	if (s->end != UINT64_MAX)
		return s->end < bytes ? s->end : bytes;
	if (s->number != r->chain.at[r->chain.n - 1].number)
		return bytes; /* its successor's header is unreadable: all there is */
	if (r->tail_segment == s->number && r->tail.end > from) {
		from = r->tail.end;
		after = r->tail.commit;
		if (!has_more(r->fd, from))
			return from;
	} else if (r->sure_segment == s->number && r->sure_end > from && r->sure_end <= bytes) {
		from = r->sure_end;
		after = r->sure_commit;
	}
	place = place_of(s, bytes);
	log_window_set(&r->window, r->fd, bytes);
	log_scan_end(&r->window, &place, from, after, &r->tail);
	r->tail_segment = s->number;
	return r->tail.end;
}

int
log_reader_enter(struct log_reader *r, size_t i)
{
	const struct log_segment *s = &r->chain.at[i];
	char name[LOG_DIR_NAME_LEN];
	enum log_format_result why;
	int rc, saved;

	if (r->fd != -1)
		close(r->fd);
	r->is_in_chunk = false;
	log_dir_name(s->number, name);
	r->fd = openat(r->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd == -1)
		return -1;
	rc = s->is_readable ? log_dir_read_header(r->dirfd, s->number, r->header, &why) : 1;
	if (rc == -1) {
		saved = errno;
		close(r->fd);
		r->fd = -1;
		errno = saved;
		return -1;
	}
	/* Retention was faster than we: what lay between is no damage. */
	r->is_behind_hole = r->has_begun && s->prev != r->seg.number &&
			    r->chain.at[log_dir_find(&r->chain, 0)].number > r->seg.number;
	r->seg = *s;
	r->off = LOG_HEADER_LEN;
	r->limit = limit_of(r, s);
	log_window_set(&r->window, r->fd, r->limit);
	r->check = LOG_STREAMS;
	if (rc != 0) {
		r->stats.bad_headers++;
		r->has_begun = true;
		return 0;
	}
	if (r->has_begun) {
		r->check = 0; /* what should have been in the segments before */
		return 0;
	}
	for (uint32_t k = 0; k < LOG_STREAMS; k++) {
		r->next[k] = r->header->stream[k].end;
		r->next_seq[k] = r->header->stream[k].end_seq;
		r->has_next[k] = true;
	}
	r->has_begun = true;
	return 0;
}

size_t
log_reader_following(const struct log_reader *r)
{
	size_t i = log_dir_find(&r->chain, r->seg.number + 1);

	if (i < r->chain.n && r->log_end != 0 &&
	    r->chain.at[i].number > layout_log_segment(r->log_end))
		return r->chain.n;
	return i;
}

bool
log_reader_find_chunk(struct log_reader *r)
{
	struct log_format_place place = place_of(&r->seg, r->limit);
	uint64_t used = 0, at;

	if (r->off >= r->limit)
		return false;
	at = log_window_find_chunk(&r->window, r->off, &place, &r->chunk, &used);
	if (at != r->off) {
		r->stats.bad_bytes += at - r->off;
		r->off = at;
	}
	return at < r->limit;
}

static int
load(struct log_reader *r, uint64_t log_end)
{
	r->log_end = log_end;
	return log_dir_load(&r->chain, r->dirfd, log_end == 0 ? 0 : layout_log_segment(log_end));
}

int
log_reader_open(struct log_reader *r, int dirfd, uint64_t log_end)
{
	*r = (struct log_reader){.dirfd = dirfd, .fd = -1, .check = LOG_STREAMS};
	r->header = xcalloc(1, sizeof *r->header);
	if (load(r, log_end) == 0)
		return 0;
	log_reader_close(r);
	return -1;
}

void
log_reader_close(struct log_reader *r)
{
	int saved = errno;

	if (r->fd != -1)
		close(r->fd);
	log_window_free(&r->window);
	log_dir_unload(&r->chain);
	free(r->header);
	*r = (struct log_reader){.fd = -1};
	errno = saved;
}

int
log_reader_refresh(struct log_reader *r, uint64_t log_end)
{
	size_t i;
	uint64_t limit;

	if (load(r, log_end) == -1)
		return -1;
	if (r->fd == -1)
		return 0;
	i = log_dir_find(&r->chain, r->seg.number);
	if (i == r->chain.n)
		return 0;
	if (r->chain.at[i].number == r->seg.number) {
		r->seg = r->chain.at[i];
		limit = limit_of(r, &r->seg);
	} else if (r->chain.at[i].prev == r->seg.number) {
		limit = r->chain.at[i].prev_end; /* retention was here */
	} else {
		return 0;
	}
	/* Never back: a journal that died may have left a commit behind the end
	 * that its successor then wrote again. */
	if (limit > r->limit)
		r->limit = limit;
	log_window_set(&r->window, r->fd, r->limit);
	return 0;
}
