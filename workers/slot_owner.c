/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	slot_owner - take a stream slot over, and let it go
 *
 * PROCESS
 *	Acceptors and heirs.
 *
 * SHARED STATE
 *	Writes the slot's page and its own claims in the dedup table.
 */
#include "workers/slot_owner.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <errno.h>
#include <string.h>

void
slot_owner_lock(struct slot_owner *o, struct region *r, uint32_t slot,
    bool (*giving_up)(void *ctx), void *ctx)
{
	char path[REGION_PATH_MAX];

	*o = (struct slot_owner){ .region = r, .page = r->slot[slot], .slot = slot, .lock_fd = -1 };
	if (lock_wait(region_slot_lock(r, slot, path), &o->lock_fd, giving_up, ctx) != LOCK_OK)
		fatal("%s: cannot lock the stream slot: %s: is another sluiced using this runtime "
		      "directory?",
		    path, strerror(errno));
}

/* The first owner in this region's life begins where the journal says. */
static void
begin_stream(struct slot_owner *o, const struct journal_stream *stream)
{
	const struct ring ring = region_ring(o->region, o->slot);
	uint64_t seq = word_load(&stream->start_seq);

	ring_start(&ring, word_load(&stream->start), seq);
	word_store(&o->page->base_seq, seq);
}

static void
make_claimer(struct slot_owner *o)
{
	o->claimer = (struct dedup_claimer){ .table = o->region->dedup,
		.note = &o->page->note,
		.owner = (uint8_t)(o->slot + 1),
		.patience_ns = DEDUP_PATIENCE_NS,
		.stats = { .evict_age_ticks = UINT64_MAX } };
	o->claimer.sweep_from_tick = dedup_tick(&o->region->dedup, clock_boot_ns());
}

/*
 * received - (put + duplicate + invalid + retry + interrupted) is what the dead
 * owner had read and not decided.  Its `received` was stored before each
 * outcome and an outcome is stored once, so the difference is exact.
 */
static uint64_t
count_interrupted(const struct slot_owner *o)
{
	const _Atomic uint64_t *c = o->page->counter;
	uint64_t put = o->ring.seq - word_load(&o->page->base_seq);
	uint64_t decided = put + counters_get(c, counter_id(STREAM, duplicate)) +
	    counters_get(c, counter_id(STREAM, invalid)) +
	    counters_get(c, counter_id(STREAM, retry)) +
	    counters_get(c, counter_id(STREAM, interrupted));

	return counters_get(c, counter_id(STREAM, received)) - decided;
}

/* Gauges of a process that is gone are nobody's. */
static void
reset_gauges(struct slot_owner *o)
{
	size_t n;
	const struct counter_row *row = counters_table(&n);

	for (size_t i = 0; i < n; i++)
		if (row[i].owner == COUNTER_OWNER_STREAM && row[i].nature == COUNTER_GAUGE)
			counters_set(o->page->counter, row[i].id, 0);
	word_store(&o->page->sleeping, LAYOUT_AWAKE);
	word_store(&o->page->durable_wanted, 0);
	word_store(&o->page->delivered_wanted, 0);
}

static bool
is_damaged(struct slot_owner *o, const struct ring *ring, const struct cursor *gate)
{
	uint64_t pos, seq;

	if (ring_in_open(&o->ring, ring, gate) != RING_OK || !cursor_load(gate, &pos, &seq))
		return true;
	/* A clean predecessor let go after its last put; only one that died
	 * inside may have left anything odd. */
	return o->was_unclean && ring_verify(ring, pos, seq) != RING_OK;
}

void
slot_owner_retire(struct slot_owner *o)
{
	word_store(&o->page->retired, LAYOUT_RETIRED);
	dedup_forget(&o->region->dedup);
	/* From here on nobody finds a key of what was lost. */
	word_store(&o->page->retired, LAYOUT_RETIRED_FORGOTTEN);
	log_line(LOG_LEVEL_ERR,
	    "stream %u is set aside: its ring holds something that is no frame; what was in it and "
	    "not in the log is lost, and the dedup window is forgotten so that retries are taken",
	    o->slot);
}

/*
 * A ring that is given up: the predecessor's claim is freed whatever became of
 * its put, because what the ring held is lost; and the ledger is closed.
 */
static void
close_damaged(struct slot_owner *o, const struct ring *ring)
{
	make_claimer(o);
	o->recovered = dedup_recover(&o->claimer, word_load(&o->page->note.put_pos));
	if (cursor_load(&ring->words->tail, &o->ring.tail, &o->ring.seq)) {
		o->interrupted = count_interrupted(o);
		counters_add(o->page->counter, counter_id(STREAM, interrupted), o->interrupted);
	}
	reset_gauges(o);
	counters_add(o->page->counter, counter_id(STREAM, takeovers), 1);
	slot_owner_retire(o);
}

enum slot_owner_result
slot_owner_take(struct slot_owner *o, uint64_t generation, uint64_t pid)
{
	const struct journal_part *journal = o->region->journal;
	const struct journal_stream *stream = &journal->stream[o->slot];
	const struct ring ring = region_ring(o->region, o->slot);

	if (word_load(&journal->ready_generation) != o->region->header->generation)
		return SLOT_OWNER_NOT_READY;
	o->was_unclean = word_load(&o->page->active) != 0;
	word_store(&o->page->pid, pid);
	word_store(&o->page->active, generation);
	if (counters_get(o->page->counter, counter_id(STREAM, takeovers)) == 0)
		begin_stream(o, stream);
	if (word_load(&o->page->retired) != 0 || word_load(&stream->retired) != 0 ||
	    is_damaged(o, &ring, &stream->durable)) {
		close_damaged(o, &ring);
		return SLOT_OWNER_DAMAGED;
	}
	make_claimer(o);
	o->recovered = dedup_recover(&o->claimer, o->ring.tail);
	if (o->recovered == DEDUP_SETTLED)
		counters_add(o->page->counter, counter_id(STREAM, claims_settled), 1);
	else if (o->recovered == DEDUP_FREED)
		counters_add(o->page->counter, counter_id(STREAM, claims_freed), 1);
	o->interrupted = count_interrupted(o);
	counters_add(o->page->counter, counter_id(STREAM, interrupted), o->interrupted);
	reset_gauges(o);
	counters_add(o->page->counter, counter_id(STREAM, takeovers), 1);
	return SLOT_OWNER_OK;
}

void
slot_owner_release(struct slot_owner *o)
{
	assert_that(!o->claimer.has_claim);
	reset_gauges(o);
	word_store(&o->page->active, 0);
}
