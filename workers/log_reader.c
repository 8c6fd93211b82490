/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_reader - the frames of the log, each position once, in log order
 *
 * PROCESS
 *	See log_reader.h.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NOTHING LOG_ITEM_END /* of a step: go on */

static enum log_item_kind
range(struct log_reader *r, struct log_item *item, enum log_item_kind kind, uint32_t stream,
    uint64_t from, uint64_t to)
{
	*item = (struct log_item){.kind = kind,
	    .stream = stream,
	    .from = from,
	    .to = to,
	    .segment = r->seg.number,
	    .off = r->is_in_chunk ? r->at : r->off,
	    .wall_ns = r->is_in_chunk ? r->chunk.wall_ns : 0};
	if (kind == LOG_ITEM_CORRUPT) {
		r->stats.bad_ranges++;
		r->stats.lost_positions += to - from;
	}
	r->next[stream] = to;
	r->has_next[stream] = true;
	return kind;
}

/* A new segment: whatever its header says was before it and we never saw. */
static enum log_item_kind
check_header(struct log_reader *r, struct log_item *item)
{
	while (r->check < LOG_STREAMS) {
		uint32_t s = r->check++;
		uint64_t end = r->header->stream[s].end;

		if (r->has_next[s] && end <= r->next[s])
			continue;
		if (r->header->stream[s].end_seq > r->next_seq[s])
			r->next_seq[s] = r->header->stream[s].end_seq;
		if (r->has_next[s])
			return range(r, item,
			    r->is_behind_hole ? LOG_ITEM_EXPIRED : LOG_ITEM_CORRUPT, s, r->next[s],
			    end);
		r->next[s] = end;
		r->has_next[s] = true;
	}
	return NOTHING;
}

/* No frame stands at r->at: find the next one that does, in its proper place. */
static enum log_item_kind
salvage(struct log_reader *r, struct log_item *item)
{
	uint32_t s = r->chunk.stream;
	uint64_t at = r->at + 8, pos = r->pos + 8;
	uint64_t from = r->pos > r->next[s] || !r->has_next[s] ? r->pos : r->next[s];
	struct frame_header h;

	/* A GAP's chunk holds one frame: nothing to look for. */
	if ((r->chunk.flags & LOG_CHUNK_GAP) != 0)
		at = r->end;
	while (at < r->end && log_window_frame(&r->window, at, r->end, s, pos, &h) == NULL) {
		at += 8;
		pos += 8;
	}
	if (at >= r->end)
		pos = r->chunk.to;
	r->stats.bad_bytes += at - r->at;
	r->at = at < r->end ? at : r->end;
	r->pos = pos;
	r->has_seq = false;
	if (at >= r->end && r->chunk.first_seq + r->chunk.events > r->next_seq[s])
		r->next_seq[s] = r->chunk.first_seq + r->chunk.events;
	return pos > from ? range(r, item, LOG_ITEM_CORRUPT, s, from, pos) : NOTHING;
}

static enum log_item_kind
yield(struct log_reader *r, struct log_item *item, const uint8_t *at, const struct frame_header *h,
    uint64_t to)
{
	struct frame_gap gap;
	uint32_t s = r->chunk.stream;
	uint64_t from = r->next[s] > r->pos ? r->next[s] : r->pos;

	*item = (struct log_item){.kind = LOG_ITEM_FRAME,
	    .stream = s,
	    .from = from,
	    .to = to,
	    .at = at,
	    .h = *h,
	    .segment = r->seg.number,
	    .off = r->at,
	    .wall_ns = r->chunk.wall_ns};
	if (h->type == FRAME_GAP) {
		memcpy(&gap, frame_body(at, h).ptr, sizeof gap);
		item->kind = LOG_ITEM_GAP;
		item->reason = gap.reason;
		r->stats.gaps++;
	}
	r->stats.frames++;
	r->stats.events += h->type == FRAME_EVENT;
	r->stats.bytes += h->frame_len;
	r->next[s] = to;
	if (h->seq + (h->type == FRAME_EVENT) > r->next_seq[s])
		r->next_seq[s] = h->seq + (h->type == FRAME_EVENT);
	return item->kind;
}

static enum log_item_kind
step_frame(struct log_reader *r, struct log_item *item)
{
	uint32_t s = r->chunk.stream;
	enum log_item_kind kind = NOTHING;
	struct frame_header h;
	const uint8_t *at;
	uint64_t to;

	if (r->at >= r->end) {
		r->is_in_chunk = false;
		r->off = r->end;
		return NOTHING;
	}
	at = log_window_frame(&r->window, r->at, r->end, s, r->pos, &h);
	if (at == NULL || (r->has_seq && h.seq != r->seq))
		return salvage(r, item);
	if (r->pos > r->next[s])
		return range(r, item, LOG_ITEM_CORRUPT, s, r->next[s], r->pos);
	to = (r->chunk.flags & LOG_CHUNK_GAP) != 0 ? frame_next_pos(at, &h) : r->pos + h.frame_len;
	if (to <= r->next[s]) {
		r->stats.twice += h.type != FRAME_GAP;
		if (h.type == FRAME_GAP && r->old_gap != NULL)
			r->old_gap(r->ctx, s, r->pos, to);
	} else if (h.type == FRAME_PAD)
		r->next[s] = to;
	else
		kind = yield(r, item, at, &h, to);
	r->at += h.frame_len;
	r->pos = to;
	r->seq = h.seq + (h.type == FRAME_EVENT);
	r->has_seq = true;
	return kind;
}

static void
step_chunk(struct log_reader *r)
{
	const struct log_chunk *c = &r->chunk;

	r->stats.chunks++;
	if (!r->has_next[c->stream]) {
		r->next[c->stream] = c->from;
		r->has_next[c->stream] = true;
	}
	r->at = r->off + LOG_CHUNK_LEN;
	r->end = r->at + c->len;
	r->pos = c->from;
	r->seq = c->first_seq;
	r->has_seq = true;
	r->is_in_chunk = true;
}

static enum log_item_kind
failed(struct log_item *item)
{
	*item = (struct log_item){.kind = LOG_ITEM_ERROR, .error = errno};
	return LOG_ITEM_ERROR;
}

/* Open chain.at[i]; where retention removed it meanwhile, look again. */
static bool
move_on(struct log_reader *r, size_t i)
{
	if (log_reader_enter(r, i) == 0)
		return true;
	return errno == ENOENT && log_reader_refresh(r, r->log_end) == 0;
}

enum log_item_kind
log_reader_next(struct log_reader *r, struct log_item *item)
{
	enum log_item_kind kind;
	size_t i;

	for (;;) {
		if (r->fd == -1) {
			i = log_reader_following(r);
		} else if (r->check < LOG_STREAMS) {
			kind = check_header(r, item);
			if (kind != NOTHING)
				return kind;
			continue;
		} else if (r->is_in_chunk) {
			kind = step_frame(r, item);
			if (kind != NOTHING)
				return kind;
			continue;
		} else if (log_reader_find_chunk(r)) {
			step_chunk(r);
			continue;
		} else {
			i = log_reader_following(r);
		}
		if (i >= r->chain.n) {
			*item = (struct log_item){.kind = LOG_ITEM_END};
			return LOG_ITEM_END;
		}
		if (!move_on(r, i))
			return failed(item);
	}
}
