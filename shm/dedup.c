/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	dedup - who has seen this key within the window, shared by all acceptors
 *
 * DESCRIPTION
 *	The claim protocol; dedup_table.c has what runs beside it (sweep,
 *	rebuild, counting).
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	The table and the claimer's own note; dedup.h says who writes what.
 *
 * DIAGNOSTICS
 *	panic: a second claim while one is held; settle or drop without one.
 */
#include "shm/dedup.h"

#include "shm/dedup_word.h"

#include "common/clock.h"
#include "common/panic.h"

#include <sched.h>

#define WAIT_SPINS 200		  /* about 5 us: a put in progress on another core */
#define ROUNDS	   64		  /* swaps lost to others before `retry` */

static inline void
cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Wait until the word at `slot` is no longer `seen`.  False: it still is. */
static bool
wait_for_change(struct dedup_claimer *c, const _Atomic uint64_t *slot, uint64_t seen)
{
	uint64_t begun = 0;

	c->stats.waits++;
	for (unsigned spin = 0;; spin++) {
		/* acquire: pairs with dedup_settle(); the twin's put is visible
		 * to us before we tell anybody "duplicate". */
		bool is_over = atomic_load_explicit(slot, memory_order_acquire) != seen;
		uint64_t waited;

		if (!is_over && spin < WAIT_SPINS) {
			cpu_relax();
			continue;
		}
		if (is_over && begun == 0)
			return true;
		begun = begun == 0 ? clock_mono_ns() : begun;
		waited = clock_mono_ns() - begun;
		if (is_over || waited >= c->patience_ns) {
			c->patience_ns -= waited < c->patience_ns ? waited : c->patience_ns;
			return is_over;
		}
		sched_yield();
	}
}

enum look { LOOK_CLEAR, LOOK_DUPLICATE, LOOK_CLAIMED };

/*
 * Read the bucket once.  LOOK_DUPLICATE: the key is settled within the window.
 * LOOK_CLAIMED: another owner's live claim stands at *at as *word.  LOOK_CLEAR:
 * *at is where a claim could go (free, expired or the oldest settled), -1 when
 * all eight are live.
 */
static enum look
look_around(const struct dedup_bucket *b, uint64_t fp, uint64_t tick, uint64_t mine, int *at,
    uint64_t *word)
{
	int best = -1;
	uint64_t best_word = 0;
	uint64_t best_age = 0;
	int claimed = -1;

	for (int i = 0; i < DEDUP_BUCKET_SLOTS; i++) {
		/* seq_cst: the rescan half of the store-buffering pair. */
		uint64_t w = atomic_load_explicit(&b->slot[i], memory_order_seq_cst);
		uint64_t age = word_age(w, tick);

		if (w != 0 && word_fp(w) == fp && w != mine) {
			if (word_owner(w) != 0) {
				claimed = i;
				*word = w;
				continue;
			}
			if (age < DEDUP_WINDOW_TICKS)
				return LOOK_DUPLICATE;
		}
		if (w != 0 && word_owner(w) != 0)
			continue;
		if (w == 0 || age >= DEDUP_WINDOW_TICKS)
			age = UINT64_MAX; /* free to take: better than any eviction */
		if (best == -1 || age > best_age) {
			best = i;
			best_word = w;
			best_age = age;
		}
	}
	if (claimed != -1) {
		*at = claimed;
		return LOOK_CLAIMED;
	}
	*at = best;
	*word = best_word;
	return LOOK_CLEAR;
}

static void
note_claim(struct dedup_claimer *c, uint64_t index, uint64_t lo, uint64_t hi, uint64_t put_pos)
{
	/*
	 * release fence: the store that ended the previous claim comes before
	 * the note of the next one.  A release store holds earlier stores back,
	 * not later ones; without the fence a kill could leave the old claim
	 * live under a note that already names another place, and nobody would
	 * ever end it.
	 */
	atomic_thread_fence(memory_order_release);
	/* relaxed: the seq_cst swap that follows publishes them; a successor
	 * looks at the note only when it finds our claim in the table. */
	atomic_store_explicit(&c->note->index, index, memory_order_relaxed);
	atomic_store_explicit(&c->note->hash_lo, lo, memory_order_relaxed);
	atomic_store_explicit(&c->note->hash_hi, hi, memory_order_relaxed);
	atomic_store_explicit(&c->note->put_pos, put_pos, memory_order_relaxed);
}

static void
note_eviction(struct dedup_claimer *c, uint64_t word, uint64_t tick)
{
	uint64_t age = word_age(word, tick);

	if (word == 0 || age >= DEDUP_WINDOW_TICKS)
		return;
	c->stats.evicted++;
	if (age < c->stats.evict_age_ticks)
		c->stats.evict_age_ticks = age;
}

enum rescan { RESCAN_OURS, RESCAN_DUPLICATE, RESCAN_AGAIN, RESCAN_BUSY };

/* After the swap: is the key ours?  Anything but RESCAN_OURS has freed the claim. */
static enum rescan
rescan(struct dedup_claimer *c, struct dedup_bucket *b, uint64_t fp, uint64_t tick)
{
	for (;;) {
		uint64_t other = 0;
		int at;

		switch (look_around(b, fp, tick, c->word, &at, &other)) {
		case LOOK_CLEAR:
			return RESCAN_OURS;
		case LOOK_DUPLICATE:
			dedup_drop(c);
			return RESCAN_DUPLICATE;
		case LOOK_CLAIMED:
			break;
		}
		if (c->owner > word_owner(other)) {
			/* The higher owner gives way and hears how it ended. */
			dedup_drop(c);
			return wait_for_change(c, &b->slot[at], other) ? RESCAN_AGAIN
								       : RESCAN_BUSY;
		}
		if (!wait_for_change(c, &b->slot[at], other)) {
			dedup_drop(c);
			return RESCAN_BUSY;
		}
	}
}

enum dedup_result
dedup_claim(struct dedup_claimer *c, uint64_t hash_lo, uint64_t hash_hi, uint64_t put_pos,
    uint64_t tick)
{
	struct dedup_bucket *b = &c->table.bucket[hash_hi & c->table.mask];
	uint64_t fp = word_fp_of(hash_lo);

	assert_that(!c->has_claim);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t seen = 0;
		int at;

		switch (look_around(b, fp, tick, 0, &at, &seen)) {
		case LOOK_DUPLICATE:
			return DEDUP_DUPLICATE;
		case LOOK_CLAIMED:
			if (!wait_for_change(c, &b->slot[at], seen))
				return DEDUP_BUSY;
			continue;
		case LOOK_CLEAR:
			break;
		}
		if (at == -1)
			return DEDUP_BUSY;
		c->index = (hash_hi & c->table.mask) * DEDUP_BUCKET_SLOTS + (uint64_t)at;
		c->word = word_make(fp, tick, c->owner);
		note_claim(c, c->index, hash_lo, hash_hi, put_pos);
		/* seq_cst: the store half of the store-buffering pair. */
		if (!atomic_compare_exchange_strong_explicit(&b->slot[at], &seen, c->word,
			memory_order_seq_cst, memory_order_relaxed))
			continue;
		c->has_claim = true;
		note_eviction(c, seen, tick);
		switch (rescan(c, b, fp, tick)) {
		case RESCAN_OURS:
			return DEDUP_CLAIMED;
		case RESCAN_DUPLICATE:
			return DEDUP_DUPLICATE;
		case RESCAN_BUSY:
			return DEDUP_BUSY;
		case RESCAN_AGAIN:
			break;
		}
	}
	return DEDUP_BUSY;
}

static void
end_claim(struct dedup_claimer *c, uint64_t word)
{
	struct dedup_bucket *b = &c->table.bucket[c->index / DEDUP_BUCKET_SLOTS];

	assert_that(c->has_claim);
	c->has_claim = false;
	/* release: nobody but us changes a live claim, so a store is enough;
	 * whoever sees it settled sees the put that came before. */
	atomic_store_explicit(&b->slot[c->index % DEDUP_BUCKET_SLOTS], word,
	    memory_order_release);
}

void
dedup_settle(struct dedup_claimer *c)
{
	end_claim(c, word_settled(c->word));
}

void
dedup_drop(struct dedup_claimer *c)
{
	end_claim(c, 0);
}

enum dedup_recovered
dedup_recover(struct dedup_claimer *c, uint64_t tail)
{
	/* relaxed: the lock we hold orders us after the dead owner. */
	uint64_t index = atomic_load_explicit(&c->note->index, memory_order_relaxed);
	uint64_t put_pos = atomic_load_explicit(&c->note->put_pos, memory_order_relaxed);
	uint64_t word;

	if (index / DEDUP_BUCKET_SLOTS > c->table.mask)
		return DEDUP_NOTHING;
	word = atomic_load_explicit(
	    &c->table.bucket[index / DEDUP_BUCKET_SLOTS].slot[index % DEDUP_BUCKET_SLOTS],
	    memory_order_acquire);
	if (word == 0 || word_owner(word) != c->owner)
		return DEDUP_NOTHING;
	c->index = index;
	c->word = word;
	c->has_claim = true;
	if ((int64_t)(tail - put_pos) > 0) {
		dedup_settle(c);
		return DEDUP_SETTLED;
	}
	dedup_drop(c);
	return DEDUP_FREED;
}
