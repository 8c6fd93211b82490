/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_part - what a sink says about itself: cursors, outcomes, breaker, notices
 *
 * DESCRIPTION
 *	A sink's cursor of a stream is more than a place: it carries what became
 *	of all events before it.  Position, sequence and outcomes are one fact,
 *	published by one store as a cursor is (shm/cursor.h), so the ledger
 *
 *		events = delivered + dead + skipped + late + expired + corrupt
 *
 *	holds at every instant, whenever the sink is killed.
 *
 *	Notices tell acceptors about events that an answer must not call
 *	delivered or accepted: the last SINK_PART_NOTICES dead letters and late
 *	duplicates.  Each is written before the cursor that passes its event, so
 *	who sees the cursor sees the notice, or sees that there were too many.
 *
 *	word			written by	order
 *	stream[].done.pos	the sink	release, after its mark and the notices
 *	notice_count		the sink	release, after the notice
 *	late_count		the sink that claims, release, after the late list's bytes
 *	trial_*			the sink	release, before the frame is touched
 *	breaker, ...		the sink	relaxed: for people, and for a wait that may be cut
 *short
 *
 * PROCESS
 *	Written by the sink that holds STATE/sinks/NAME/lock; read by all.
 *
 * SHARED STATE
 *	All of it.
 */
#ifndef SHM_SINK_PART_H
#define SHM_SINK_PART_H

#include "shm/counters.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_PART_MAX     32 /* sinks of one daemon */
#define SINK_PART_STREAMS 256
#define SINK_PART_NOTICES 4096 /* a power of two */

enum sink_outcome {
	SINK_DELIVERED = 0,
	SINK_DEAD,    /* dead-lettered */
	SINK_SKIPPED, /* does not match */
	SINK_LATE,    /* another node had it first */
	SINK_EXPIRED, /* retention took it before the sink had it */
	SINK_CORRUPT, /* the log cannot be read there */
	SINK_OUTCOMES
};

enum sink_breaker { SINK_BREAKER_CLOSED = 0, SINK_BREAKER_OPEN, SINK_BREAKER_HALF_OPEN };

/* Owner's copy and reader's copy of one cursor. */
struct sink_place {
	uint64_t pos;
	uint64_t seq;
	uint64_t outcome[SINK_OUTCOMES]; /* events before pos, since start_seq */
};

struct sink_cursor {
	_Alignas(64) _Atomic uint64_t pos;
	_Alignas(64) struct {
		_Atomic uint64_t pos;
		_Atomic uint64_t seq;
		_Atomic uint64_t outcome[SINK_OUTCOMES];
	} mark[2];
};

struct sink_stream {
	struct sink_cursor done;
	_Atomic uint64_t start_seq; /* where the ledger of this sink begins */
	_Atomic uint64_t read_pos;  /* read so far: what a death may have been caused by */
	uint64_t reserved[6];
};

struct sink_notice {
	_Atomic uint64_t stream_what; /* stream << 8 | enum sink_outcome */
	_Atomic uint64_t pos;
};

/* A sentence for people; `guard` is odd while it is written. */
struct sink_text {
	_Atomic uint64_t guard;
	char text[184];
};

struct sink_part {
	uint32_t magic;
	uint32_t index;
	_Atomic uint64_t ready_generation; /* region generation whose cursors stand below */
	_Atomic uint64_t active;           /* generation of the owner, 0 when let go */
	_Atomic uint64_t pid;
	_Alignas(64) _Atomic uint64_t breaker; /* enum sink_breaker */
	_Atomic uint64_t breaker_since_ns;     /* wall clock */
	_Atomic uint64_t next_probe_ns;        /* wall clock; 0: none planned */
	_Atomic uint64_t failures;             /* in a row */
	_Atomic uint64_t is_careful;           /* 1: one frame at a time, after a death */
	_Atomic uint64_t sleeping;             /* enum layout_sleep: may the bell be rung? */
	_Atomic uint64_t beat_ns; /* CLOCK_MONOTONIC of its last turn: stale means nobody decides */
	_Atomic uint64_t reading_log;         /* 1: catching up from the log */
	_Alignas(64) struct sink_text reason; /* of the last failure */
	_Alignas(64) _Atomic uint64_t trial;  /* 1: the frame below is being touched */
	_Atomic uint64_t trial_stream;
	_Atomic uint64_t trial_pos;
	_Alignas(64) _Atomic uint64_t late_count;
	_Atomic uint64_t notice_count;
	_Atomic uint64_t oldest_ns; /* wall clock: acceptance of the oldest in flight; 0: none */
	_Atomic uint64_t bad_ns; /* wall clock: when one was last dead, expired or corrupt */
	_Alignas(64) _Atomic uint64_t counter[COUNTER_SINKS];
	_Alignas(64) struct sink_notice notice[SINK_PART_NOTICES];
	_Alignas(64) struct sink_stream stream[SINK_PART_STREAMS];
};

_Static_assert(sizeof(struct sink_cursor) == 192, "a position and two marks of one line each");
_Static_assert(sizeof(struct sink_stream) == 256, "four cache lines a stream");

/* Owner only.  pos must differ from the published one, else nothing is done. */
void sink_cursor_store(struct sink_cursor *c, const struct sink_place *place);
/* Owner only, before anybody reads. */
void sink_cursor_init(struct sink_cursor *c, const struct sink_place *place);
/* False: the words are damaged, or the owner moved faster than we looked. */
bool sink_cursor_load(const struct sink_cursor *c, struct sink_place *place);

/* acquire: with the position come the notices that stand before it. */
static inline uint64_t
sink_cursor_pos(const struct sink_cursor *c)
{
	return atomic_load_explicit(&c->pos, memory_order_acquire);
}

/* Owner only: before the cursor passes the event. */
void sink_part_notice(struct sink_part *p, uint32_t stream, uint64_t pos, enum sink_outcome what);

/* Owner only: something befell events whose positions are not known one by one (lost,
 * expired).  Who waits for an answer about any event now hears that it is not known. */
void sink_part_blur(struct sink_part *p);

/*
 * Notices from number `since` on whose position in `stream` is in [from, to), into
 * out (max); *n is how many there are, even beyond max.  False: some are forgotten.
 */
struct sink_found {
	uint64_t pos;
	enum sink_outcome what;
	int sink; /* left to the caller */
};
bool sink_part_collect(const struct sink_part *p, uint64_t since, uint32_t stream, uint64_t from,
    uint64_t to, struct sink_found *out, size_t max, size_t *n);

/* The number the next notice will have (acquire). */
uint64_t sink_part_notices(const struct sink_part *p);

/* Owner only: a sentence; and a copy of it, false when none could be had whole. */
void sink_text_store(struct sink_text *t, const char *text);
bool sink_text_load(const struct sink_text *t, char *buf, size_t size);

const char *sink_outcome_name(enum sink_outcome o);
const char *sink_breaker_name(enum sink_breaker b);

#endif
