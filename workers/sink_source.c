/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_source - the frames of all streams, from the rings or from the log
 *
 * PROCESS
 *	Sinks; the deadletter stage.
 *
 * SHARED STATE
 *	Reads rings and the journal's part.
 */
#include "workers/sink_source.h"

#include "common/panic.h"
#include "shm/word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BURST     256 /* frames of one stream before the next one's turn */
#define FIRST_BUF (64u << 10)
/* Times that the log may end before a limit with nothing new read, before what
 * is missing there is given up: the journal publishes the log's end first. */
#define PASSES_MAX 3

void
sink_source_open(struct sink_source *s, const struct region *r, int log_dirfd)
{
	memset(s, 0, sizeof *s);
	s->region = r;
	s->log_dirfd = log_dirfd;
	s->buf_size = FIRST_BUF;
	s->buf = xcalloc(1, s->buf_size + SINK_SOURCE_PADDING);
	s->again_size = FIRST_BUF;
	s->again = xcalloc(1, s->again_size + SINK_SOURCE_PADDING);
}

static void
close_log(struct sink_source *s)
{
	if (s->is_open)
		log_reader_close(&s->reader);
	s->is_open = false;
	s->has_item = false;
}

void
sink_source_close(struct sink_source *s)
{
	close_log(s);
	free(s->buf);
	free(s->again);
	s->buf = s->again = NULL;
}

void
sink_source_begin(struct sink_source *s, uint32_t stream, uint64_t pos, uint64_t seq)
{
	/* The reader of the log may have passed it. */
	close_log(s);
	s->stream[stream] =
	    (struct sink_source_stream){.pos = pos, .seq = seq, .limit = pos, .is_used = true};
}

void
sink_source_only(struct sink_source *s, uint32_t stream)
{
	close_log(s);
	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++)
		s->stream[i].is_resting = i != stream;
}

void
sink_source_all(struct sink_source *s)
{
	close_log(s);
	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++)
		s->stream[i].is_resting = false;
}

/* Is there something of it to read? */
static bool
is_wanted(const struct sink_source_stream *st)
{
	return st->is_used && !st->is_resting && st->pos < st->limit;
}

static void
make_room(uint8_t **buf, size_t *size, size_t len)
{
	if (len <= *size)
		return;
	free(*buf);
	*size = bytes_round_up(len, FIRST_BUF);
	*buf = xcalloc(1, *size + SINK_SOURCE_PADDING);
}

/*--------------------------------------------------------------- any frame */

/*
 * The frame at or behind the wanted position of its stream.  Events that are
 * missing before it are told first; the caller keeps the frame and asks again.
 * True: the item is the frame itself.
 */
static bool
deliver(struct sink_source_stream *st, struct sink_source_item *item, uint32_t stream,
    const uint8_t *frame, const struct frame_header *h, uint64_t to)
{
	bool is_event = h->type == FRAME_EVENT;

	*item = (struct sink_source_item){.stream = stream, .from = st->pos, .to = to};
	if (st->seq == SINK_SOURCE_ANY_SEQ)
		st->seq = h->seq;
	if (h->seq > st->seq) {
		item->kind = SINK_SOURCE_LOST;
		item->count = h->seq - st->seq;
		item->what = st->has_lost ? st->lost : SINK_CORRUPT;
		item->to = h->pos;
		st->pos = h->pos;
		st->seq = h->seq;
		st->has_lost = false;
		return false;
	}
	item->kind = is_event                   ? SINK_SOURCE_FRAME
		     : h->type == FRAME_CONTROL ? SINK_SOURCE_CONTROL
						: SINK_SOURCE_HOP;
	item->from = h->pos;
	item->frame = frame;
	item->h = *h;
	st->pos = to;
	st->seq = h->seq + is_event;
	st->has_lost = false;
	return true;
}

/*------------------------------------------------------------- from the log */

static uint64_t
log_end(const struct sink_source *s)
{
	return word_load(&s->region->journal->log_end);
}

/* Is there something behind it in the log, wanted already or not yet? */
static bool
has_more(const struct sink_source *s, uint32_t i)
{
	const struct sink_source_stream *st = &s->stream[i];

	if (!st->is_used || st->is_resting)
		return false;
	if (i >= s->region->slots)
		return st->pos < st->limit;
	return st->pos < cursor_pos(&s->region->journal->stream[i].durable);
}

/* Stand at the first place in the log that any stream wants, or will when its limit
 * moves: what the reader has passed it does not give again. */
static int
seek_first(struct sink_source *s)
{
	uint32_t best_segment = 0;
	uint64_t best_off = 0;
	bool has_best = false;

	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++) {
		const struct sink_source_stream *st = &s->stream[i];
		uint32_t segment = 0;
		uint64_t off = 0;

		if (!has_more(s, i))
			continue;
		switch (log_reader_seek_pos(&s->reader, i, st->pos)) {
		case LOG_READER_FAILED:
			return -1;
		case LOG_READER_AHEAD:
			continue;
		case LOG_READER_GONE:
			break; /* from the oldest on */
		case LOG_READER_FOUND:
		case LOG_READER_IN_GAP:
			segment = s->reader.seg.number;
			off = s->reader.off;
			break;
		}
		if (!has_best || segment < best_segment ||
		    (segment == best_segment && off < best_off)) {
			has_best = true;
			best_segment = segment;
			best_off = off;
		}
	}
	if (!has_best)
		return log_reader_seek_end(&s->reader) == LOG_READER_FAILED ? -1 : 0;
	if (best_segment == 0)
		return log_reader_seek_place(&s->reader, 1, 0) == LOG_READER_FAILED ? -1 : 0;
	return log_reader_seek_place(&s->reader, best_segment, best_off) == LOG_READER_FAILED ? -1
											      : 0;
}

static int
enter_log(struct sink_source *s)
{
	close_log(s);
	if (log_reader_open(&s->reader, s->log_dirfd, log_end(s)) == -1)
		return -1;
	s->is_open = true;
	s->is_log = true;
	s->has_progress = false;
	s->to_log++;
	if (seek_first(s) == -1) {
		close_log(s);
		return -1;
	}
	return 0;
}

static enum sink_source_kind
failed(struct sink_source_item *item)
{
	*item = (struct sink_source_item){.kind = SINK_SOURCE_ERROR};
	return SINK_SOURCE_ERROR;
}

static enum sink_source_kind
hop(struct sink_source_stream *st, struct sink_source_item *item, uint32_t stream, uint64_t to)
{
	*item = (struct sink_source_item){
	    .kind = SINK_SOURCE_HOP, .stream = stream, .from = st->pos, .to = to};
	st->pos = to;
	return SINK_SOURCE_HOP;
}

/* What stands in s->item; END: nothing for us, take the next.  *is_kept: it
 * waits, for the limit or because something is told before it. */
static enum sink_source_kind
use_item(struct sink_source *s, struct sink_source_item *item, bool *is_kept)
{
	const struct log_item *it = &s->item;
	struct sink_source_stream *st = &s->stream[it->stream];
	const struct frame_header *h = &it->h;

	*is_kept = false;
	if (!st->is_used || st->is_resting || it->to <= st->pos)
		return SINK_SOURCE_END;
	if (it->from >= st->limit) {
		*is_kept = true;
		return SINK_SOURCE_END;
	}
	s->has_progress = true;
	if (it->kind != LOG_ITEM_FRAME) {
		if (it->kind != LOG_ITEM_GAP) {
			st->has_lost = true;
			st->lost = it->kind == LOG_ITEM_EXPIRED ? SINK_EXPIRED : SINK_CORRUPT;
		}
		return hop(st, item, it->stream, it->to);
	}
	if (h->pos > st->pos && !st->has_lost) {
		/* The reader does not know what we want: below its first segment
		 * everything is gone. */
		st->has_lost = true;
		st->lost = st->pos < word_load(&s->region->journal->stream[it->stream].oldest)
			       ? SINK_EXPIRED
			       : SINK_CORRUPT;
	}
	if (deliver(st, item, it->stream, it->at, h, it->to))
		s->log_frames++;
	else
		*is_kept = true;
	return item->kind;
}

/* The log ended before a stream's limit, again and again: it will not come. */
static enum sink_source_kind
give_up(struct sink_source *s, struct sink_source_item *item)
{
	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++) {
		struct sink_source_stream *st = &s->stream[i];

		if (!is_wanted(st))
			continue;
		st->has_lost = true;
		st->lost = SINK_CORRUPT;
		return hop(st, item, i, st->limit);
	}
	return SINK_SOURCE_END;
}

static bool
has_any(const struct sink_source *s)
{
	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++)
		if (has_more(s, i))
			return true;
	return false;
}

/* END: the log is read to its end, look at the rings. */
static enum sink_source_kind
next_log(struct sink_source *s, struct sink_source_item *item)
{
	bool is_refreshed = false, is_kept;
	enum sink_source_kind kind;

	if (!s->is_open) {
		if (!has_any(s)) {
			s->is_log = false;
			return SINK_SOURCE_END;
		}
		if (enter_log(s) == -1)
			return failed(item);
	}
	for (;;) {
		if (!s->has_item) {
			switch (log_reader_next(&s->reader, &s->item)) {
			case LOG_ITEM_ERROR:
				errno = s->item.error;
				return failed(item);
			case LOG_ITEM_END:
				if (is_refreshed) {
					s->is_log = false;
					s->passes = s->has_progress ? 0 : s->passes + 1;
					close_log(s);
					return SINK_SOURCE_END;
				}
				if (log_reader_refresh(&s->reader, log_end(s)) == -1)
					return failed(item);
				is_refreshed = true;
				continue;
			default:
				s->has_item = true;
			}
		}
		kind = use_item(s, item, &is_kept);
		if (is_kept && kind == SINK_SOURCE_END)
			return SINK_SOURCE_END; /* is_log stays: the item waits for its limit */
		s->has_item = is_kept;
		if (kind != SINK_SOURCE_END)
			return kind;
	}
}

/*----------------------------------------------------------- from the rings */

/* END: this stream has nothing; ERROR: the ring no longer has it. */
static enum sink_source_kind
next_ring(struct sink_source *s, uint32_t i, struct sink_source_item *item)
{
	struct sink_source_stream *st = &s->stream[i];
	struct frame_header h;
	struct ring ring;

	if (i >= s->region->slots)
		return SINK_SOURCE_ERROR; /* a slot of a former configuration */
	ring = region_ring(s->region, i);
	for (;;) {
		switch (ring_guest_copy(&ring, st->pos, s->buf, s->buf_size, &h)) {
		case RING_OK:
			s->passes = 0;
			if (!deliver(st, item, i, s->buf, &h, st->pos + h.frame_len))
				return SINK_SOURCE_LOST;
			if (h.type == FRAME_GAP)
				item->to = st->pos = frame_next_pos(s->buf, &h);
			s->ring_frames++;
			return item->kind;
		case RING_TOO_LONG:
			make_room(&s->buf, &s->buf_size, h.frame_len);
			continue;
		default:
			return SINK_SOURCE_ERROR;
		}
	}
}

enum sink_source_kind
sink_source_next(struct sink_source *s, struct sink_source_item *item)
{
	enum sink_source_kind kind;

	if (s->is_log) {
		kind = next_log(s, item);
		if (kind != SINK_SOURCE_END || s->is_log)
			return kind;
	}
	for (uint32_t k = 0; k <= SINK_SOURCE_STREAMS; k++) {
		struct sink_source_stream *st = &s->stream[s->turn];

		if (is_wanted(st) && s->burst < BURST) {
			s->burst++;
			kind = next_ring(s, s->turn, item);
			if (kind != SINK_SOURCE_ERROR)
				return kind;
			if (s->passes >= PASSES_MAX) {
				s->passes = 0;
				return give_up(s, item);
			}
			s->is_log = true;
			return next_log(s, item);
		}
		s->burst = 0;
		s->turn = (s->turn + 1) % SINK_SOURCE_STREAMS;
	}
	item->kind = SINK_SOURCE_END;
	return SINK_SOURCE_END;
}

/*-------------------------------------------------------------- one again */

static const uint8_t *
reread_log(struct sink_source *s, uint32_t stream, uint64_t pos, struct frame_header *h)
{
	static struct log_reader r;
	struct log_item item;
	const uint8_t *found = NULL;

	if (log_reader_open(&r, s->log_dirfd, log_end(s)) == -1)
		return NULL;
	if (log_reader_seek_pos(&r, stream, pos) == LOG_READER_FOUND)
		for (;;) {
			enum log_item_kind kind = log_reader_next(&r, &item);

			if (kind == LOG_ITEM_END || kind == LOG_ITEM_ERROR ||
			    (item.stream == stream && item.from > pos))
				break;
			if (kind != LOG_ITEM_FRAME || item.stream != stream || item.h.pos != pos)
				continue;
			make_room(&s->again, &s->again_size, item.h.frame_len);
			memcpy(s->again, item.at, item.h.frame_len);
			*h = item.h;
			found = s->again;
			break;
		}
	log_reader_close(&r);
	return found;
}

const uint8_t *
sink_source_reread(struct sink_source *s, uint32_t stream, uint64_t pos, struct frame_header *h)
{
	if (stream < s->region->slots) {
		const struct ring ring = region_ring(s->region, stream);
		enum ring_result r = ring_guest_copy(&ring, pos, s->again, s->again_size, h);

		if (r == RING_TOO_LONG) {
			make_room(&s->again, &s->again_size, h->frame_len);
			r = ring_guest_copy(&ring, pos, s->again, s->again_size, h);
		}
		if (r == RING_OK)
			return s->again;
	}
	return reread_log(s, stream, pos, h);
}
