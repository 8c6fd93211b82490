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
 *	With a sink that claims in Redis a durable group also waits for that
 *	sink's cursor, for a short while: what it finds to be another node's is
 *	answered as a duplicate.  When it is in trouble nobody waits.  Groups of a
 *	second ack_wait wait for `delivered`: until every required sink's cursor
 *	has passed.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Reads tails, durable positions and sinks' parts; writes durable_wanted and
 *	delivered_wanted in its slot.
 */
#ifndef WORKERS_ACK_WAIT_H
#define WORKERS_ACK_WAIT_H

#include "common/config.h"
#include "shm/region.h"

#include <stdbool.h>
#include <stdint.h>

enum ack_level { ACK_LEVEL_DURABLE = 0, ACK_LEVEL_DELIVERED = 1 };

/* The sinks that answers wait for, or are told by. */
struct ack_sinks {
	const struct sink_part *claimer; /* NULL: none */
	uint64_t verdict_ns;		 /* how long a durable answer waits for it */
	uint64_t window_ns;		 /* how old the twin of a duplicate may be */
	int n;				 /* required ones */
	const struct sink_part *required[SINK_PART_MAX];
	const char *name[SINK_PART_MAX];
};
void ack_sinks_init(struct ack_sinks *s, const struct config *cfg, const struct region *r);

struct ack_group {
	uint64_t ticket;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; to be durable */
	uint64_t delivered_deadline_ns;
	uint64_t events;      /* accepted and duplicate */
	uint64_t from_pos, own_pos; /* its events stand in [from_pos, own_pos) */
	uint64_t durable_ns;	    /* when it was seen to be durable; 0: not yet */
	bool waits_for_all;
	bool is_missed;	  /* durable, and no verdict came */
	uint64_t *tails;  /* of every slot, if waits_for_all; 0: not waited for */
	uint64_t *since;  /* notices of the required sinks and, last, of the claimer before it */
};

struct ack_wait {
	struct region *region;
	uint32_t slot;
	enum ack_level level;
	const struct ack_sinks *sinks;
	uint64_t timeout_ns;	       /* until it must be durable */
	uint64_t delivered_timeout_ns; /* until it must be delivered */
	uint64_t turn_pos;	       /* own tail when this turn began */
	uint64_t turn_since[SINK_PART_MAX + 1];
	struct ack_group *group; /* a ring of `size` (a power of two) */
	uint64_t size;
	uint64_t first, last;	 /* groups [first, last) are closed and wait */
	uint64_t ticket;	 /* of the open group */
	bool *was_forgotten;	 /* per slot: retired and forgotten before this turn's look-ups */
	bool is_open;		 /* the open group has answers */
	bool has_duplicate;
	uint64_t open_events;
	uint64_t missed; /* events answered without a verdict, so far */
	struct sink_found *found;
};

/* sinks may be NULL: there are none. */
void ack_wait_init(struct ack_wait *w, struct region *r, uint32_t slot, enum ack_level level,
    const struct ack_sinks *sinks, uint64_t timeout_ns, uint64_t delivered_timeout_ns);
/* Our stream's tail is known: before the first turn that admits. */
void ack_wait_begin(struct ack_wait *w, uint64_t own_tail);

/* An answer joins the open group; returns its ticket. */
uint64_t ack_wait_join(struct ack_wait *w, uint64_t events, bool has_duplicate);

/* The turn is over: close the open group, if anybody joined.  True when a group
 * was closed: the journal is wanted. */
bool ack_wait_close(struct ack_wait *w, uint64_t own_tail, uint64_t now_ns);

/* The greatest ticket that has reached its level now, by groups about which nothing else
 * is to be said; 0: none new.  Removes those groups. */
uint64_t ack_wait_reached(struct ack_wait *w, uint64_t now_ns);

/* What is to be said about the first group beside that it waited. */
enum ack_special {
	ACK_SPECIAL_NONE = 0, /* it waits, or ack_wait_reached() takes it */
	ACK_SPECIAL_FOUND,    /* reached; some of its events are late or dead: `found` */
	ACK_SPECIAL_SHORT,    /* durable, not delivered in time; and perhaps the same */
};
struct ack_found {
	struct sink_found *at; /* by position; the ack_wait's, until the next call */
	size_t n;
};
/* Removes the group it tells about: *ticket, *g (without its arrays). */
enum ack_special ack_wait_special(struct ack_wait *w, uint64_t now_ns, struct ack_group *g,
    struct ack_found *found);

/* The greatest ticket that was not durable in time or that waits for something lost (or,
 * with `all`, of every closed group that is not durable); 0: none.  *events: how many
 * events are unknown by it.  Removes them. */
uint64_t ack_wait_failed(struct ack_wait *w, uint64_t now_ns, bool all, uint64_t *events);

/* Nanoseconds until something is over that no bell tells; UINT64_MAX: nothing. */
uint64_t ack_wait_due(const struct ack_wait *w, uint64_t now_ns);

static inline bool
ack_wait_is_idle(const struct ack_wait *w)
{
	return w->first == w->last && !w->is_open;
}

#endif
