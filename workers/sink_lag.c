/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_lag - how far a sink is behind the journal
 *
 * PROCESS
 *	The journal (max-lag), admin, sluicectl.
 *
 * SHARED STATE
 *	Reads cursors of the journal and of the sink, rings.
 */
#include "workers/sink_lag.h"

#include "shm/word.h"

#define LOOKS 8 /* at a cursor that moves */

void
sink_lag_add(struct sink_lag *lag, const struct sink_lag_stream *at)
{
	uint64_t bytes, known = at->end - at->start;

	lag->done += at->pos;
	if ((int64_t)(at->end_seq - at->seq) <= 0)
		return;
	lag->events += at->end_seq - at->seq;
	bytes = at->end - at->pos;
	if ((int64_t)(at->pos - at->start) < 0)
		bytes = bytes - at->gap_bytes < bytes && bytes - at->gap_bytes > known
			    ? bytes - at->gap_bytes
			    : known;
	lag->bytes += bytes;
}

/* When the frame there was accepted; 0: it is not in the ring any more. */
static uint64_t
accepted_ns(const struct region *r, uint32_t slot, uint64_t pos)
{
	const struct ring ring = region_ring(r, slot);
	struct frame_header h = {0};
	enum ring_result got;
	uint64_t room[sizeof h / 8 + 1];

	/* Too little room for the frame: the header is what we want. */
	got = ring_guest_copy(&ring, pos, (uint8_t *)room, sizeof h, &h);
	return got == RING_OK || got == RING_TOO_LONG ? h.recv_ns : 0;
}

void
sink_lag_read(const struct region *r, int place, struct sink_lag *lag)
{
	const struct sink_part *part = r->sink[place];
	uint64_t most = counters_get(r->journal->counter, counter_id(JOURNAL, disk_bytes));

	*lag = (struct sink_lag){.oldest_ns = word_load(&part->oldest_ns)};
	lag->is_known = word_load(&part->ready_generation) == r->header->generation;
	for (uint32_t i = 0; lag->is_known && i < r->slots; i++) {
		const struct journal_stream *js = &r->journal->stream[i];
		struct sink_lag_stream at = {
		    .start = word_load(&js->start), .gap_bytes = word_load(&js->gap_bytes)};
		struct sink_place done = {0};
		uint64_t ns, before = lag->events;
		int look = 0;

		/* The sink first: it never passes what is durable later. */
		while (!sink_cursor_load(&part->stream[i].done, &done) && ++look < LOOKS)
			continue;
		if (look == LOOKS)
			continue;
		for (look = 0; !cursor_load(&js->durable, &at.end, &at.end_seq) && look < LOOKS;)
			look++;
		if (look == LOOKS)
			continue;
		at.pos = done.pos;
		at.seq = done.seq;
		sink_lag_add(lag, &at);
		if (lag->events == before)
			continue;
		ns = accepted_ns(r, i, at.pos);
		if (ns != 0 && (lag->oldest_ns == 0 || ns < lag->oldest_ns))
			lag->oldest_ns = ns;
	}
	if (lag->events == 0)
		lag->oldest_ns = 0;
	/* Not more than there is; new segments are counted late. */
	if (most != 0 && lag->bytes > most + r->ring_capacity * r->slots)
		lag->bytes = most;
}

static bool
is_over(uint64_t n, uint64_t max, bool was_behind)
{
	if (max == 0)
		return false;
	return n > (was_behind ? max - max / 10 : max);
}

bool
sink_lag_is_behind(const struct sink_lag *lag, uint64_t age_ns, uint64_t max_bytes,
    uint64_t max_age_ns, bool was_behind)
{
	return lag->events != 0 && (is_over(lag->bytes, max_bytes, was_behind) ||
				       is_over(age_ns, max_age_ns, was_behind));
}
