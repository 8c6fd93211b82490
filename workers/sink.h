/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink - the skeleton of every stage that delivers events elsewhere
 *
 * DESCRIPTION
 *	The skeleton reads frames (ring or log), decides who gets them (match,
 *	late duplicates), hands them over one by one, keeps the window of what
 *	is in flight, moves the cursors when the front of the window is
 *	finished, writes dead letters and checkpoints, and owns back-off and
 *	breaker.  A kind (struct sink_ops) knows one destination and never sees
 *	a cursor.
 *
 *	What a kind must do:
 *
 *	take()	  gets an event and keeps what it needs (the bytes are gone when it
 *		  returns).  SINK_TAKEN: from now on the kind owes sink_done() or
 *		  sink_dead() for its ticket, in any order.  SINK_FULL: it is offered
 *		  again after the next sink_done().  SINK_FULL with nothing in flight is
 *		  cleared by sink_done(s, 0, 0).  SINK_REFUSED: it can never be sent; the
 *		  kind has called sink_refuse() and it becomes a dead letter.
 *	flush()	  what was taken since the last flush is due (rows, bytes or age, or the
 *		  stage drains): send it.  Called once for it: a kind that cannot send it
 *		  now remembers, and sends when it can.
 *	attempt() after sink_failed(): the back-off is over, send again what was not
 *		  answered.  A success must lead to sink_succeeded().
 *
 *	While the breaker is not closed or a back-off runs, take() may still be
 *	called (until SINK_FULL) but flush() and attempt() are not.
 *
 *	Tickets count up from 0 without gaps, in the order of take().  Events of
 *	one stream come in the order of their positions.  In the careful mode
 *	after a death the skeleton hands over one event, flushes, and waits for
 *	its end before the next.  Replayed events (is_replay) and live ones never
 *	mix: the window is empty when they change places.
 *
 *	The claiming sink is a kind too; the others wait for its cursors.
 *
 * PROCESS
 *	Each sink.
 *
 * SHARED STATE
 *	Writes its own sink part (shm/sink_part.h); reads rings, the journal's part
 *	and the claiming sink's part.
 */
#ifndef WORKERS_SINK_H
#define WORKERS_SINK_H

#include "common/breaker.h"
#include "common/match.h"
#include "workers/checkpoint.h"
#include "workers/worker.h"

struct sink;

struct sink_event {
	uint64_t ticket;
	struct frame_header h; /* h.stream, h.pos, h.seq, h.recv_ns, places, ... */
	const uint8_t *frame;  /* h.frame_len bytes, whole and checked; 64 readable bytes behind */
	struct bytes body;
	uint64_t end; /* position after it */
	bool is_replay;
	/* From a range of sink_again(): the skeleton skips nothing, the kind decides
	 * by what it noted when it sent this the first time, and calls sink_skip()
	 * for what it left out then.  `verdict` is what the skeleton would say today. */
	bool is_again;
	enum sink_outcome verdict; /* SINK_DELIVERED: wanted; SINK_SKIPPED, SINK_LATE */
};

/* The value at a place of the header, as it stands in the body; {NULL,0}: absent. */
static inline struct bytes
sink_event_value(const struct sink_event *e, struct frame_place p)
{
	if (p.len == 0 || p.off > e->body.len || p.len > e->body.len - p.off)
		return (struct bytes){NULL, 0};
	return bytes_of(e->body.ptr + p.off, p.len);
}

enum sink_take { SINK_TAKEN = 0, SINK_FULL, SINK_REFUSED };

struct sink_ops {
	const char *kind;
	/* With the supervisor's privileges: read secret files.  fatal() with one line
	 * that says what to do when one cannot be read. */
	void (*open_early)(struct sink *s);
	/* Privileges dropped, s->base and s->dirfd there.  Before the first event. */
	void (*start)(struct sink *s);
	enum sink_take (*take)(struct sink *s, const struct sink_event *e);
	void (*flush)(struct sink *s);
	void (*attempt)(struct sink *s);
	/* May be NULL: */
	/* Before each checkpoint: make durable here what the cursors rest on; 0 or -1. */
	int (*sync)(struct sink *s);
	/* Before cursors are published (at the end of each turn that moved any). */
	void (*before_publish)(struct sink *s);
	/* A slot's stream comes into use: what the kind knows better than our own cursor
	 * (exactly-once).  True: *pos and *seq are where to go on. */
	bool (*resume_at)(struct sink *s, uint32_t stream, uint64_t *pos, uint64_t *seq);
	void (*tick)(struct sink *s, uint64_t mono_ns); /* every 100 ms */
	/* The stage is about to end; everything is finished or will not be. */
	void (*stop)(struct sink *s);
	bool (*command)(struct sink *s, const char *line, struct text_out *out);
	const char *help;
	/* Follows the journal even when a claiming sink is configured. */
	bool is_claimer;
};

/* What a kind may look at; the rest of it is the skeleton's (sink_parts.h). */
struct sink {
	struct worker *worker;
	struct event_base *base;
	const struct config_sink *cfg;
	const struct sink_ops *ops;
	void *kind; /* the kind's own state */
	struct sink_part *part;
	int index;        /* of the part */
	int dirfd;        /* STATE/sinks/NAME, ours alone */
	char instance[9]; /* first 8 digits, for receipts: "%s:%u:%llu" */
	uint8_t uuid[16];
	struct breaker breaker;
	bool is_held; /* a kind that is not ready yet: nothing is read (sink_hold()) */
	bool is_careful;
	bool is_draining;
	bool is_first_life; /* the first process of this sink in this region */
	struct sink_engine *engine;
};

/* Do not read events until sink_hold(s, false). */
void sink_hold(struct sink *s, bool hold);

/* Ticket is finished well.  A range: [ticket, ticket + n). */
void sink_done(struct sink *s, uint64_t ticket, uint64_t n);
/* Another node had it first: for the claiming sink. */
void sink_late(struct sink *s, uint64_t ticket);
/* Not for this destination after all: of an event that is_again, or one the
 * destination asks to drop.  Counts as late when its verdict was that, else skipped. */
void sink_skip(struct sink *s, uint64_t ticket);
/*
 * It can never be delivered: becomes a dead letter, durable before the cursor passes.
 * code: "data_error", "too_large", "http_4xx", ...; text: the destination's own words.
 */
void sink_dead(struct sink *s, uint64_t ticket, unsigned attempts, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same from within take(), before SINK_REFUSED is returned. */
void sink_refuse(struct sink *s, const struct sink_event *e, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The frame of a ticket that is in flight, read again (ring or log); false: it cannot be
 * read any more.  Until the next call. */
bool sink_reread(struct sink *s, uint64_t ticket, struct sink_event *e);

/*
 * The destination failed or did not answer: counts against the breaker, and
 * attempt() comes when the back-off is over.  ask_ms: what it asked for, 0: nothing.
 */
void sink_failed(struct sink *s, uint64_t ask_ms, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A wrong set-up (no table, wrong password): opens the breaker at once, keeps events. */
void sink_misconfigured(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sink_succeeded(struct sink *s);
/* May something be sent now (breaker and back-off)? */
bool sink_may_send(struct sink *s);

/* A batch or request was answered well: counters. */
void sink_count_batch(struct sink *s, uint64_t events, uint64_t bytes, uint64_t wire_bytes);

/* A callback of the kind begins (first thing in each). */
void sink_woke(struct sink *s);

/* A read-only look at a stream's finished cursor. */
struct sink_place sink_place_of(const struct sink *s, uint32_t stream);
/* Position read so far in a stream (next to be taken). */
uint64_t sink_read_pos(const struct sink *s, uint32_t stream);
/* Begin with these exact ranges again before anything new is read (a batch that was
 * sent and not answered by a predecessor): from the start() op only.  Events in the
 * ranges come first, in the order of the ranges; then on from the greatest `to`. */
struct sink_range {
	uint32_t stream;
	uint64_t from, to;
};
void sink_again(struct sink *s, const struct sink_range *ranges, size_t n);

extern const struct worker_ops sink_worker_ops;

/* The kinds, one file each. */
extern const struct sink_ops redis_sink_ops;        /* redis.c: claims, event cache */
extern const struct sink_ops redis_stream_sink_ops; /* redis_stream.c */
extern const struct sink_ops clickhouse_sink_ops;   /* clickhouse.c */
extern const struct sink_ops kafka_sink_ops;        /* kafka.c */
extern const struct sink_ops route_sink_ops;        /* route.c */

#endif
