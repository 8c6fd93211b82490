/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_lag - how far a sink is behind the journal
 *
 * DESCRIPTION
 *	Events, bytes and age of what is durable and not finished at a sink, from
 *	shared memory alone, so that it can be asked while any stage hangs.
 *
 * PROCESS
 *	The journal (max-lag), admin, sluicectl.
 *
 * SHARED STATE
 *	Reads cursors of the journal and of the sink, rings.
 *
 * BUGS
 *	Bytes in front of this region's first positions are a guess: the space
 *	that a restart leaves between two regions is left out where it is known.
 *	The age of what is not in flight is known only while it is in the ring.
 */
#ifndef WORKERS_SINK_LAG_H
#define WORKERS_SINK_LAG_H

#include "shm/region.h"

#include <stdbool.h>

struct sink_lag {
	bool is_known; /* the sink's cursors are of this region */
	uint64_t events;
	uint64_t bytes;
	uint64_t oldest_ns; /* wall clock: when the oldest was accepted; 0: not known, or none */
	uint64_t done;      /* sum of its positions: another sum means that it moves */
};

/* place: of the sink part.  Cost: two cursors a stream, a frame's header each. */
void sink_lag_read(const struct region *r, int place, struct sink_lag *lag);

/* Where a sink stands in a stream that is durable up to (end, end_seq). */
struct sink_lag_stream {
	uint64_t end, end_seq;
	uint64_t start;     /* first position of this region's life */
	uint64_t gap_bytes; /* in all gaps so far */
	uint64_t pos, seq;  /* the sink */
};
void sink_lag_add(struct sink_lag *lag, const struct sink_lag_stream *at);

/*
 * Is that more than it may be?  was_behind: it was, and is so until both are
 * at 90 % of the bounds.  Bounds of 0 bind nothing.
 */
bool sink_lag_is_behind(const struct sink_lag *lag, uint64_t age_ns, uint64_t max_bytes,
    uint64_t max_age_ns, bool was_behind);

#endif
