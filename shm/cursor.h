/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	cursor - a place in a stream: (position, sequence), published by one store
 *
 * DESCRIPTION
 *	A cursor is two numbers but one fact, and its writer may be killed
 *	between any two stores.  So the pair is first written to the mark that
 *	is not in use, then the position is stored (release): the position alone
 *	says which mark counts.  A reader looks for the mark whose position is
 *	the published one.
 *
 *	word		written by	read by			order
 *	pos		the owner	all			release -> acquire
 *	mark[].pos,seq	the owner	all			relaxed, before `pos`
 *
 *	A ring's tail, the journal's durable positions and each sink's cursors
 *	are cursors.  Every position advance must change `pos`, else both marks
 *	would carry it: cursor_store() with the same position and another
 *	sequence is a panic.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	struct cursor lies in shared memory; its owner is whoever owns the part
 *	that holds it.
 */
#ifndef SHM_CURSOR_H
#define SHM_CURSOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit words must be lock-free");

struct cursor {
	_Alignas(64) _Atomic uint64_t pos;
	struct {
		_Atomic uint64_t pos;
		_Atomic uint64_t seq;
	} mark[2];
};

_Static_assert(sizeof(struct cursor) == 64, "a cursor is one cache line");

/* Owner only.  Everything written before is visible to whoever reads `pos`. */
void cursor_store(struct cursor *c, uint64_t pos, uint64_t seq);

/* Owner only, before anybody reads: an initial value. */
void cursor_init(struct cursor *c, uint64_t pos, uint64_t seq);

/* The position alone (acquire; pairs with cursor_store()). */
static inline uint64_t
cursor_pos(const struct cursor *c)
{
	return atomic_load_explicit(&c->pos, memory_order_acquire);
}

/* Both.  False when no mark carries the position: the words are damaged, or
 * the owner moved on more often than this call was willing to look again. */
bool cursor_load(const struct cursor *c, uint64_t *pos, uint64_t *seq);

#endif
