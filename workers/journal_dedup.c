/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_dedup - fill the dedup table from the log's last window
 *
 * DESCRIPTION
 *	Frames carry the hash of their event's key and the wall clock at which
 *	they came.  A frame from the future counts as age 0: a clock that went
 *	back must not make anybody forget.
 *
 * PROCESS
 *	The journal, while no acceptor runs.
 *
 * SHARED STATE
 *	Writes the dedup table.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "shm/lock.h"
#include "workers/log_reader.h"

#include <errno.h>
#include <string.h>

#define STALE_TICKS 4096

bool
journal_dedup_is_stale(const struct journal *j)
{
	const struct dedup *d = &j->region->dedup;

	return dedup_tick(d, clock_boot_ns()) > dedup_last_sweep(d) + STALE_TICKS;
}

bool
journal_dedup_is_free(const struct journal *j)
{
	char path[REGION_PATH_MAX];

	for (uint32_t i = 0; i < j->slots; i++)
		if (lock_owner(region_slot_lock(j->region, i, path)) != 0)
			return false;
	return true;
}

static void
note_now(struct journal *j)
{
	j->dedup_tick = dedup_tick(&j->region->dedup, clock_boot_ns());
	j->dedup_wall_ns = clock_wall_ns();
}

void
journal_dedup_clear(struct journal *j)
{
	note_now(j);
	dedup_clear(&j->region->dedup, j->dedup_tick);
}

void
journal_dedup_take(struct journal *j, const struct frame_header *h)
{
	struct dedup *d = &j->region->dedup;
	uint64_t age_ns = h->recv_ns < j->dedup_wall_ns ? j->dedup_wall_ns - h->recv_ns : 0;
	uint64_t age = age_ns / d->header->tick_ns;

	if (age >= DEDUP_WINDOW_TICKS || (h->hash_lo == 0 && h->hash_hi == 0))
		return;
	dedup_insert_settled(d, h->hash_lo, h->hash_hi, j->dedup_tick, age);
	counters_add(j->part->counter, counter_id(JOURNAL, rebuilt_keys), 1);
}

size_t
journal_dedup_first(const struct journal *j, const struct log_chain *chain)
{
	uint64_t window_ns = (uint64_t)j->w->env->cfg->dedup.window_ms * CLOCK_NS_PER_MS;
	uint64_t now_ns = clock_wall_ns();
	size_t first = log_dir_find(chain, 0);

	/* All of a segment is older than the birth of its successor. */
	for (size_t i = first; i < chain->n; i = log_dir_find(chain, chain->at[i].number + 1)) {
		const struct log_segment *s = &chain->at[i];

		if (s->is_readable && now_ns > s->created_ns && now_ns - s->created_ns > window_ns)
			first = i;
	}
	return first;
}

void
journal_dedup_rebuild(struct journal *j, uint64_t end)
{
	struct log_reader r;
	struct log_item item;
	size_t first;
	uint64_t before = counters_get(j->part->counter, counter_id(JOURNAL, rebuilt_keys));

	if (log_reader_open(&r, j->dirfd, end) == -1) {
		worker_error(
		    j->w, "cannot refill the dedup table from the log: %s", strerror(errno));
		return;
	}
	first = journal_dedup_first(j, &r.chain);
	if (first < r.chain.n &&
	    log_reader_seek_place(&r, r.chain.at[first].number, 0) == LOG_READER_FOUND)
		for (;;) {
			enum log_item_kind kind = log_reader_next(&r, &item);

			if (kind == LOG_ITEM_END || kind == LOG_ITEM_ERROR)
				break;
			if (kind == LOG_ITEM_FRAME && item.h.type == FRAME_EVENT)
				journal_dedup_take(j, &item.h);
		}
	log_line(LOG_LEVEL_NOTICE, "the dedup table was too old: refilled with %llu keys",
	    (unsigned long long)(counters_get(j->part->counter, counter_id(JOURNAL, rebuilt_keys)) -
				 before));
	log_reader_close(&r);
}
