/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ack_wait - answers that wait until the journal has what they promise
 *
 * DESCRIPTION
 *	All durable answers of one turn of the loop are one group with one
 *	ticket.  When the turn ends the group notes where its own stream stands
 *	and, if a duplicate is among them, where every stream stands: a
 *	duplicate's answer waits as an acceptance does, because the twin may
 *	still be only in memory.  The group is over when the durable positions
 *	have passed what it noted.  Groups end in order.
 *
 *	A stream that is set aside because its ring was damaged has its durable
 *	position moved over what was lost.  The journal marks it retired before
 *	it moves the position, so whoever sees a position pass looks at the mark,
 *	and such a group fails instead.  Once the slot's owner has forgotten the
 *	keys of what was lost, later duplicates cannot mean it: a stream that was
 *	in that state before the turn began is not waited for.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Reads tails and durable positions; writes durable_wanted in its slot.
 */
#ifndef WORKERS_ACK_WAIT_H
#define WORKERS_ACK_WAIT_H

#include "shm/region.h"

#include <stdbool.h>
#include <stdint.h>

struct ack_group {
	uint64_t ticket;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	uint64_t events;      /* accepted and duplicate */
	uint64_t own_pos;
	bool waits_for_all;
	uint64_t *tails; /* of every slot, if waits_for_all; 0: not waited for */
};

struct ack_wait {
	struct region *region;
	uint32_t slot;
	uint64_t timeout_ns;
	struct ack_group *group; /* a ring of `size` (a power of two) */
	uint64_t size;
	uint64_t first, last;	 /* groups [first, last) are closed and wait */
	uint64_t ticket;	 /* of the open group */
	bool *was_forgotten;	 /* per slot: retired and forgotten before this turn's look-ups */
	bool is_open;		 /* the open group has answers */
	bool has_duplicate;
	uint64_t open_events;
};

void ack_wait_init(struct ack_wait *w, struct region *r, uint32_t slot, uint64_t timeout_ns);

/* An answer joins the open group; returns its ticket. */
uint64_t ack_wait_join(struct ack_wait *w, uint64_t events, bool has_duplicate);

/* The turn is over: close the open group, if anybody joined.  True when a group
 * was closed: the journal is wanted. */
bool ack_wait_close(struct ack_wait *w, uint64_t own_tail, uint64_t now_ns);

/* The greatest ticket that is durable now; 0: none new.  Removes those groups. */
uint64_t ack_wait_durable(struct ack_wait *w);

/* The greatest ticket whose time is up or that waits for something lost (or,
 * with `all`, of every closed group); 0: none.  *events: how many events are
 * unknown by it.  Removes them. */
uint64_t ack_wait_failed(struct ack_wait *w, uint64_t now_ns, bool all, uint64_t *events);

static inline bool
ack_wait_is_idle(const struct ack_wait *w)
{
	return w->first == w->last && !w->is_open;
}

#endif
