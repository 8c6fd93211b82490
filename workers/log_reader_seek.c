/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_reader_seek - begin at a position, a time or a place
 *
 * DESCRIPTION
 *	The segment is found by what the headers say; inside it the chunk
 *	headers are hopped over, and on the way each stream's next position is
 *	noted, so that what lies behind is yielded once.
 *
 * PROCESS
 *	See log_reader.h.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_reader.h"

#include <errno.h>
#include <unistd.h>

static void
forget(struct log_reader *r)
{
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	r->is_in_chunk = false;
	r->has_begun = false;
	r->check = LOG_STREAMS;
	r->seg = (struct log_segment){0};
	for (uint32_t s = 0; s < LOG_STREAMS; s++) {
		r->has_next[s] = false;
		r->next[s] = 0;
		r->next_seq[s] = 0;
	}
}

/* Hop over chunks until `stop` says so; true: r->off is that chunk. */
static bool
hop(struct log_reader *r, bool (*stop)(const struct log_reader *r, const void *ctx),
    const void *ctx)
{
	bool is_found = false;

	r->window.piece = LOG_WINDOW_SMALL;
	while (log_reader_find_chunk(r)) {
		const struct log_chunk *c = &r->chunk;

		if (stop(r, ctx)) {
			is_found = true;
			break;
		}
		if (!r->has_next[c->stream] || c->to > r->next[c->stream]) {
			r->next[c->stream] = c->to;
			r->next_seq[c->stream] = c->first_seq + c->events;
			r->has_next[c->stream] = true;
		}
		r->off += LOG_CHUNK_LEN + c->len;
	}
	r->window.piece = LOG_WINDOW_PIECE;
	return is_found;
}

static bool
is_last(const struct log_reader *r)
{
	return log_reader_following(r) >= r->chain.n;
}

static bool
never(const struct log_reader *r, const void *ctx)
{
	(void)r;
	(void)ctx;
	return false;
}

static bool
is_at_time(const struct log_reader *r, const void *ctx)
{
	return r->chunk.wall_ns >= *(const uint64_t *)ctx;
}

static bool
is_at_off(const struct log_reader *r, const void *ctx)
{
	return r->off >= *(const uint64_t *)ctx;
}

struct target {
	uint32_t stream;
	uint64_t pos;
};

static bool
is_at_pos(const struct log_reader *r, const void *ctx)
{
	const struct target *t = ctx;

	return r->chunk.stream == t->stream && r->chunk.to > t->pos;
}

/* The last segment for which `is_before` holds; chain.n: none. */
static size_t
last_before(struct log_reader *r,
    bool (*is_before)(struct log_reader *r, size_t i, const void *ctx), const void *ctx)
{
	size_t found = r->chain.n;
	size_t lo = 0, hi = r->chain.n;

	/* Headers are in order of time and positions, so halve; one that
	 * cannot be read is stepped over to the left. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		size_t k = mid;

		while (k > lo && (r->chain.at[k].is_stray || !r->chain.at[k].is_readable))
			k--;
		if (r->chain.at[k].is_stray || !r->chain.at[k].is_readable) {
			lo = mid + 1;
		} else if (is_before(r, k, ctx)) {
			found = k;
			lo = mid + 1;
		} else {
			hi = k;
		}
	}
	return found;
}

static bool
is_older(struct log_reader *r, size_t i, const void *ctx)
{
	return r->chain.at[i].created_ns <= *(const uint64_t *)ctx;
}

static bool
begins_before(struct log_reader *r, size_t i, const void *ctx)
{
	const struct target *t = ctx;
	enum log_format_result why;

	return log_dir_read_header(r->dirfd, r->chain.at[i].number, r->header, &why) == 0 &&
	       r->header->stream[t->stream].end <= t->pos;
}

enum log_reader_sought
log_reader_seek_pos(struct log_reader *r, uint32_t stream, uint64_t pos)
{
	const struct target t = {stream, pos};
	size_t i;

	forget(r);
	if (stream >= LOG_STREAMS) {
		errno = EINVAL;
		return LOG_READER_FAILED;
	}
	i = last_before(r, begins_before, &t);
	if (i == r->chain.n)
		return LOG_READER_GONE;
	for (;;) {
		if (log_reader_enter(r, i) == -1)
			return LOG_READER_FAILED;
		r->check = LOG_STREAMS;
		if (hop(r, is_at_pos, &t))
			break;
		if (is_last(r))
			return LOG_READER_AHEAD;
		i = log_reader_following(r);
	}
	if ((r->chunk.flags & LOG_CHUNK_GAP) != 0)
		return LOG_READER_IN_GAP;
	if (r->chunk.from > pos)
		return LOG_READER_IN_GAP; /* damaged: the next read says so */
	r->next[stream] = pos;
	return LOG_READER_FOUND;
}

enum log_reader_sought
log_reader_seek_time(struct log_reader *r, uint64_t wall_ns)
{
	size_t i;

	forget(r);
	i = last_before(r, is_older, &wall_ns);
	if (i == r->chain.n)
		return LOG_READER_GONE;
	for (;;) {
		if (log_reader_enter(r, i) == -1)
			return LOG_READER_FAILED;
		r->check = LOG_STREAMS;
		if (hop(r, is_at_time, &wall_ns))
			return LOG_READER_FOUND;
		if (is_last(r))
			return LOG_READER_AHEAD;
		i = log_reader_following(r);
	}
}

enum log_reader_sought
log_reader_seek_place(struct log_reader *r, uint32_t segment, uint64_t off)
{
	size_t i;

	forget(r);
	i = log_dir_find(&r->chain, segment);
	if (i == r->chain.n)
		return LOG_READER_AHEAD;
	if (log_reader_enter(r, i) == -1)
		return LOG_READER_FAILED;
	if (r->seg.number != segment)
		return LOG_READER_GONE;
	if (off > LOG_HEADER_LEN)
		(void)hop(r, is_at_off, &off);
	return LOG_READER_FOUND;
}

enum log_reader_sought
log_reader_seek_end(struct log_reader *r)
{
	size_t i = r->chain.n;

	forget(r);
	while (i > 0 && r->chain.at[i - 1].is_stray)
		i--;
	if (i == 0)
		return LOG_READER_FOUND;
	if (log_reader_enter(r, i - 1) == -1)
		return LOG_READER_FAILED;
	r->check = LOG_STREAMS;
	(void)hop(r, never, NULL);
	return LOG_READER_FOUND;
}
