/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_scan - where does the newest segment end?
 *
 * PROCESS
 *	The journal at a start; readers without a region.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_scan.h"

/* The commit that is being looked at. */
struct commit {
	uint64_t number;
	uint64_t off;
	uint64_t len;
	uint64_t next_off; /* where its next chunk has to begin */
	uint32_t next;
	uint32_t count;
};

static bool
has_all_frames(struct log_window *w, const struct log_chunk *c, uint64_t off)
{
	uint64_t end = off + c->len;
	uint64_t pos = c->from;
	uint64_t events = 0;

	while (off < end) {
		struct frame_header h;
		const uint8_t *at = log_window_frame(w, off, end, c->stream, pos, &h);

		if (at == NULL || h.seq != c->first_seq + events)
			return false;
		pos = (c->flags & LOG_CHUNK_GAP) != 0 ? frame_next_pos(at, &h) : pos + h.frame_len;
		events += h.type == FRAME_EVENT;
		off += h.frame_len;
	}
	return pos == c->to && events == c->events;
}

void
log_scan_end(struct log_window *w, const struct log_format_place *segment, uint64_t from,
    uint64_t after, struct log_scan *out)
{
	struct log_format_place place = *segment;
	struct commit now = {0};
	struct log_chunk c;
	uint64_t off = from, used = from, whole = 0;

	place.limit = w->limit;
	while ((off = log_window_find_chunk(w, off, &place, &c, &used)) < w->limit) {
		/* The salt keeps a client's bytes from being taken for a chunk. */
		if (c.commit < now.number || c.commit <= after || c.commit_off < from) {
			off += 8;
			continue;
		}
		if (c.commit != now.number) {
			whole = now.next == now.count ? now.number : whole;
			now = (struct commit){.number = c.commit,
			    .off = c.commit_off,
			    .len = c.commit_len,
			    .next_off = c.commit_off,
			    .count = c.count};
		}
		if (c.index == now.next && off == now.next_off &&
		    has_all_frames(w, &c, off + LOG_CHUNK_LEN)) {
			now.next++;
			now.next_off = off + LOG_CHUNK_LEN + c.len;
		}
		off += LOG_CHUNK_LEN + c.len;
		used = off;
	}
	*out = (struct log_scan){.end = from, .commit = after};
	if (now.number != 0 && now.next == now.count) {
		out->end = now.off + now.len;
		out->commit = now.number;
	} else if (now.number != 0) {
		out->end = now.off;
		out->commit = whole != 0 ? whole : now.number - 1;
		out->cut_commit = now.number;
		out->cut_chunks = now.next;
		out->cut_of = now.count;
	}
	out->cut_bytes = used > out->end ? used - out->end : 0;
}
