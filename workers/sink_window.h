/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_window - what is in flight, and how far the front of it is finished
 *
 * DESCRIPTION
 *	A ring of entries in the order in which frames were read.  An entry is an
 *	event that was taken (it has a ticket), or what needs nobody: skipped,
 *	late and lost events, hops.  Neighbours of the last sort are one entry.
 *	Entries leave at the front when they are finished; each leaves a change
 *	in its stream's place, and the places are what the cursors become.
 *
 *	Pure: no clock, no shared memory.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_SINK_WINDOW_H
#define WORKERS_SINK_WINDOW_H

#include "shm/sink_part.h"

enum sink_entry_flag {
	SINK_ENTRY_TICKET = 1,
	SINK_ENTRY_DONE = 2,
	SINK_ENTRY_UNCOUNTED = 4, /* the cursor had passed it before: no outcome */
	SINK_ENTRY_REPLAY = 8,    /* moves no cursor */
	SINK_ENTRY_LATE = 16,     /* if it is skipped, then as late */
};

struct sink_entry {
	uint64_t pos, end;
	uint64_t recv_ns;
	uint32_t stream;
	uint32_t count; /* events */
	uint32_t bytes;
	uint8_t flags;
	uint8_t outcome; /* enum sink_outcome */
};

struct sink_window {
	struct sink_entry *entry; /* a ring of `size`, a power of two */
	uint64_t size;
	uint64_t first, last; /* entries [first, last) */
	uint64_t *at;         /* of a ticket: its entry; a ring of `size` */
	uint64_t first_ticket, next_ticket;
	uint64_t bytes;                 /* of entries with a ticket */
	uint64_t replay[SINK_OUTCOMES]; /* what became of replayed events so far */
	uint64_t newest_recv_ns;        /* of the last delivered event that left */
	struct sink_place place[SINK_PART_STREAMS];
	uint64_t moved[SINK_PART_STREAMS / 64]; /* streams whose place changed */
};

/* Room for `tickets` events in flight. */
void sink_window_init(struct sink_window *w, uint64_t tickets);
void sink_window_free(struct sink_window *w);

static inline bool
sink_window_is_empty(const struct sink_window *w)
{
	return w->first == w->last;
}
static inline uint64_t
sink_window_in_flight(const struct sink_window *w)
{
	return w->next_ticket - w->first_ticket;
}
/* One more entry fits. */
bool sink_window_has_room(const struct sink_window *w);

/* The ticket it will have is w->next_ticket. */
void sink_window_take(struct sink_window *w, uint32_t stream, uint64_t pos, uint64_t end,
    uint32_t bytes, uint64_t recv_ns, unsigned flags);
/* The last one was not taken after all. */
void sink_window_untake(struct sink_window *w);
/* Events (or none: a hop) that need nobody. */
void sink_window_pass(struct sink_window *w, uint32_t stream, uint64_t end, uint64_t count,
    enum sink_outcome outcome, unsigned flags);
/* NULL: no such ticket is open. */
struct sink_entry *sink_window_entry(struct sink_window *w, uint64_t ticket);
void sink_window_finish(struct sink_window *w, uint64_t ticket, enum sink_outcome outcome);

/* The entry at the front when it is finished, else NULL; and its leaving. */
const struct sink_entry *sink_window_front(const struct sink_window *w);
void sink_window_leave(struct sink_window *w);

#endif
