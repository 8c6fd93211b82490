/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	cursor - a place in a stream: (position, sequence), published by one store
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	The struct cursor it is given; see cursor.h for who writes.
 */
#include "shm/cursor.h"

#include "common/panic.h"

#define LOOKS 1000

void
cursor_init(struct cursor *c, uint64_t pos, uint64_t seq)
{
	for (int i = 0; i < 2; i++) {
		atomic_store_explicit(&c->mark[i].pos, pos, memory_order_relaxed);
		atomic_store_explicit(&c->mark[i].seq, seq, memory_order_relaxed);
	}
	/* release: pairs with cursor_pos(). */
	atomic_store_explicit(&c->pos, pos, memory_order_release);
}

void
cursor_store(struct cursor *c, uint64_t pos, uint64_t seq)
{
	/* relaxed: our own words. */
	uint64_t now = atomic_load_explicit(&c->pos, memory_order_relaxed);
	int used = atomic_load_explicit(&c->mark[0].pos, memory_order_relaxed) == now ? 0 : 1;
	int spare = 1 - used;

	if (pos == now) {
		assert_that(
		    atomic_load_explicit(&c->mark[used].seq, memory_order_relaxed) == seq);
		return;
	}
	/*
	 * A reader takes a mark only when its position is the published one
	 * both before and after it read the sequence, and the spare's never is
	 * until the store below.  After a
	 * kill anywhere above that store the old mark still says the old pair.
	 *
	 * release on the fields: a reader that sees the new sequence also sees
	 * that the mark's position has changed under it.
	 */
	atomic_store_explicit(&c->mark[spare].pos, pos, memory_order_release);
	atomic_store_explicit(&c->mark[spare].seq, seq, memory_order_release);
	/* release: pairs with cursor_pos() and cursor_load().  Frames written
	 * before are visible to whoever reads this position. */
	atomic_store_explicit(&c->pos, pos, memory_order_release);
}

bool
cursor_load(const struct cursor *c, uint64_t *pos, uint64_t *seq)
{
	for (int look = 0; look < LOOKS; look++) {
		/* acquire: pairs with cursor_store(). */
		uint64_t p = atomic_load_explicit(&c->pos, memory_order_acquire);

		for (int i = 0; i < 2; i++) {
			uint64_t s;

			if (atomic_load_explicit(&c->mark[i].pos, memory_order_acquire) != p)
				continue;
			s = atomic_load_explicit(&c->mark[i].seq, memory_order_acquire);
			/* The owner may have reused this mark meanwhile; then
			 * `pos` has moved, because a mark is reused only after
			 * the other one was published. */
			if (atomic_load_explicit(&c->pos, memory_order_acquire) != p)
				break;
			*pos = p;
			*seq = s;
			return true;
		}
	}
	return false;
}
