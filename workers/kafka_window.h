/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_window - what became of each event that was given to the producer
 *
 * DESCRIPTION
 *	A ring of small slots, one for each ticket from the oldest that is not
 *	finished to the newest that was taken.  Reports of delivery come in any
 *	order (a partition each); the front moves in runs, so the engine hears of
 *	a thousand events in one call.  The width of the ring is the most that a
 *	death can send twice.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_KAFKA_WINDOW_H
#define WORKERS_KAFKA_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kafka_slot_state {
	KAFKA_SLOT_NONE = 0, /* finished otherwise (dead, refused), or never ours */
	KAFKA_SLOT_SENT,
	KAFKA_SLOT_ANSWERED,
	KAFKA_SLOT_AGAIN,   /* to be sent again */
	KAFKA_SLOT_SUSPECT, /* to be sent again, alone: its batch was refused */
};

struct kafka_slot {
	uint64_t end; /* position after the event */
	uint32_t stream;
	uint8_t state; /* enum kafka_slot_state */
	bool is_replay;
	bool was_suspect;
	uint8_t attempts; /* at most 255 are counted */
};

struct kafka_window {
	struct kafka_slot *slot;
	uint64_t mask;
	uint64_t low;  /* oldest ticket not finished */
	uint64_t high; /* the next one */
	uint64_t max;  /* high - low at the most */
};

void kafka_window_init(struct kafka_window *w, uint64_t max);
void kafka_window_free(struct kafka_window *w);

/* May this ticket be added?  Tickets grow. */
static inline bool
kafka_window_fits(const struct kafka_window *w, uint64_t ticket)
{
	return w->low == w->high || ticket - w->low < w->max;
}

/* SENT.  The ticket must fit; those that were left out on the way are NONE. */
struct kafka_slot *kafka_window_add(struct kafka_window *w, uint64_t ticket);

/* NULL when the ticket is not in the window. */
static inline struct kafka_slot *
kafka_window_at(const struct kafka_window *w, uint64_t ticket)
{
	if (ticket - w->low >= w->high - w->low)
		return NULL;
	return &w->slot[ticket & w->mask];
}

/* Takes one run of answered tickets from the front: call until false. */
bool kafka_window_run(struct kafka_window *w, uint64_t *first, uint64_t *n);

/* Everything that was sent is to be sent again; with answered: what was answered too (a
 * transaction that came to nothing). */
void kafka_window_rewind(struct kafka_window *w, bool answered);

/* The first ticket from `from` on that is to be sent again; false: none. */
bool kafka_window_next(const struct kafka_window *w, uint64_t from, uint64_t *ticket);

/* Tickets in a state; linear, for people. */
uint64_t kafka_window_count(const struct kafka_window *w, enum kafka_slot_state state);

#endif
