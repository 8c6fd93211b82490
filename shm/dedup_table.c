/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	dedup_table - the dedup table as a whole: layout, sweep, rebuild, count
 *
 * PROCESS
 *	The supervisor lays it out; acceptors sweep; the journal rebuilds it
 *	while no acceptor runs; sluicectl counts.
 *
 * SHARED STATE
 *	The table; dedup.h says who writes what.
 */
#include "shm/dedup.h"

#include "shm/dedup_word.h"

#include "common/bytes.h"
#include "common/panic.h"

#define HEADER_BYTES  4096
#define JOURNAL_SWEPT (DEDUP_MAX_OWNERS + 1)

_Static_assert(sizeof(struct dedup_header) <= HEADER_BYTES, "the header is one page");
_Static_assert(sizeof(struct dedup_bucket) == 64, "a bucket is one cache line");

size_t
dedup_bytes(uint64_t table_bytes)
{
	return HEADER_BYTES + table_bytes;
}

void
dedup_init(void *at, uint64_t table_bytes, uint64_t window_ms, uint64_t boot_ns)
{
	struct dedup_header *h = at;

	assert_that(table_bytes >= sizeof(struct dedup_bucket) &&
	    (table_bytes & (table_bytes - 1)) == 0);
	h->buckets = table_bytes / sizeof(struct dedup_bucket);
	h->tick_ns = window_ms * 1000000 / DEDUP_WINDOW_TICKS;
	h->epoch_ns = boot_ns;
	h->magic = DEDUP_MAGIC;
}

bool
dedup_open(struct dedup *d, void *at, size_t size)
{
	struct dedup_header *h = at;

	if (size < HEADER_BYTES || h->magic != DEDUP_MAGIC || h->tick_ns == 0 ||
	    h->buckets == 0 || (h->buckets & (h->buckets - 1)) != 0 ||
	    h->buckets > (size - HEADER_BYTES) / sizeof(struct dedup_bucket))
		return false;
	d->header = h;
	d->bucket = (struct dedup_bucket *)(void *)((uint8_t *)at + HEADER_BYTES);
	d->mask = h->buckets - 1;
	return true;
}

static void
sweep_bucket(struct dedup_bucket *b, uint64_t tick)
{
	for (int i = 0; i < DEDUP_BUCKET_SLOTS; i++) {
		/* relaxed: the swap below decides; a stale word only loses it. */
		uint64_t w = atomic_load_explicit(&b->slot[i], memory_order_relaxed);

		if (w == 0 || word_owner(w) != 0 || word_age(w, tick) < DEDUP_WINDOW_TICKS)
			continue;
		/* relaxed: an expired key means nothing to anybody. */
		atomic_compare_exchange_strong_explicit(&b->slot[i], &w, 0, memory_order_relaxed,
		    memory_order_relaxed);
	}
}

void
dedup_sweep(struct dedup_claimer *c, uint64_t tick, uint64_t buckets)
{
	for (uint64_t i = 0; i < buckets && c->sweep_at <= c->table.mask; i++)
		sweep_bucket(&c->table.bucket[c->sweep_at++], tick);
	if (c->sweep_at > c->table.mask && tick >= c->sweep_from_tick + DEDUP_SWEEP_TICKS) {
		/* relaxed: read by a start long after. */
		atomic_store_explicit(&c->table.header->swept[c->owner], c->sweep_from_tick + 1,
		    memory_order_relaxed);
		c->sweep_at = 0;
		c->sweep_from_tick = tick;
	}
}

uint64_t
dedup_sweep_step(const struct dedup *d, uint64_t interval_ns)
{
	uint64_t round_ns = d->header->tick_ns * DEDUP_SWEEP_TICKS;
	uint64_t steps = round_ns / interval_ns;

	/* Twice as fast as needed: a late timer must not let a slot wrap. */
	return steps < 2 ? d->header->buckets : d->header->buckets * 2 / steps + 1;
}

uint64_t
dedup_last_sweep(const struct dedup *d)
{
	uint64_t last = 0;

	for (size_t i = 0; i < DEDUP_MAX_OWNERS + 2; i++) {
		/* relaxed: a stale value is an older sweep, which is also true. */
		uint64_t t = atomic_load_explicit(&d->header->swept[i], memory_order_relaxed);

		if (t > 0 && t - 1 > last)
			last = t - 1;
	}
	return last;
}

void
dedup_clear(struct dedup *d, uint64_t tick)
{
	for (uint64_t i = 0; i <= d->mask; i++)
		for (int j = 0; j < DEDUP_BUCKET_SLOTS; j++)
			/* relaxed: nobody else runs. */
			atomic_store_explicit(&d->bucket[i].slot[j], 0, memory_order_relaxed);
	atomic_store_explicit(&d->header->swept[JOURNAL_SWEPT], tick + 1, memory_order_relaxed);
}

void
dedup_insert_settled(struct dedup *d, uint64_t hash_lo, uint64_t hash_hi, uint64_t tick,
    uint64_t age_ticks)
{
	struct dedup_bucket *b = &d->bucket[hash_hi & d->mask];
	uint64_t word = word_make(word_fp_of(hash_lo), tick - age_ticks, 0);
	int best = 0;
	uint64_t best_age = 0;

	if (age_ticks >= DEDUP_WINDOW_TICKS)
		return;
	for (int i = 0; i < DEDUP_BUCKET_SLOTS; i++) {
		/* relaxed throughout: nobody else runs. */
		uint64_t w = atomic_load_explicit(&b->slot[i], memory_order_relaxed);
		uint64_t age = w == 0 ? UINT64_MAX : word_age(w, tick);

		if (w != 0 && word_fp(w) == word_fp(word)) {
			best = i; /* the newest sighting of one key counts */
			break;
		}
		if (age > best_age) {
			best = i;
			best_age = age;
		}
	}
	atomic_store_explicit(&b->slot[best], word, memory_order_relaxed);
}

void
dedup_forget(struct dedup *d)
{
	for (uint64_t i = 0; i <= d->mask; i++) {
		for (int j = 0; j < DEDUP_BUCKET_SLOTS; j++) {
			/* relaxed: the swap decides; a claim that came meanwhile stays. */
			uint64_t w =
			    atomic_load_explicit(&d->bucket[i].slot[j], memory_order_relaxed);

			if (w != 0 && word_owner(w) == 0)
				atomic_compare_exchange_strong_explicit(&d->bucket[i].slot[j], &w,
				    0, memory_order_relaxed, memory_order_relaxed);
		}
	}
}

void
dedup_count(const struct dedup *d, uint64_t tick, uint64_t *settled, uint64_t *claimed)
{
	*settled = 0;
	*claimed = 0;
	for (uint64_t i = 0; i <= d->mask; i++) {
		for (int j = 0; j < DEDUP_BUCKET_SLOTS; j++) {
			/* relaxed: a number on a screen. */
			uint64_t w =
			    atomic_load_explicit(&d->bucket[i].slot[j], memory_order_relaxed);

			if (w == 0)
				continue;
			if (word_owner(w) != 0)
				*claimed += 1;
			else if (word_age(w, tick) < DEDUP_WINDOW_TICKS)
				*settled += 1;
		}
	}
}
