/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_parts - the skeleton's own state, and what its files do for each other
 *
 * DESCRIPTION
 *	sink.c		the stage: one turn of the loop
 *	sink_state.c	the sink's folder, lock, first cursors, checkpoints
 *	sink_feed.c	from the source to the kind: match, late, careful mode
 *	sink_publish.c	finished entries: dead letters, notices, cursors, bells
 *	sink_trouble.c	failures, back-off, breaker
 *	sink_command.c	what it answers on its socket
 *	sink_replay.c	the second source
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	See sink.h.
 */
#ifndef WORKERS_SINK_PARTS_H
#define WORKERS_SINK_PARTS_H

#include "workers/deadletter.h"
#include "workers/late_list.h"
#include "workers/sink.h"
#include "workers/sink_source.h"
#include "workers/sink_window.h"

struct sink_replay;

struct sink_engine {
	const struct worker_env *env;
	struct region *region;
	struct event *bell;
	struct event *timer;
	struct match *match;
	struct sink_source source;
	struct sink_window window;
	struct checkpoint_file checkpoint;
	int lock_fd;
	int log_dirfd;
	int lost_fd;                               /* STATE/sinks/NAME/lost */
	bool is_ready;                             /* cursors are there, the log too */
	bool is_reading;                           /* the source stands where it should */
	bool is_stopped;                           /* the kind was told to stop */
	bool has_more;                             /* this turn left something to read */
	uint64_t ring_base, log_base, to_log_base; /* counters of former lives */
	bool is_changed;                           /* cursors moved since the last checkpoint */
	bool was_new;                              /* nothing was known of this sink before */
	uint64_t checkpoint_at_ns;
	uint64_t trimmed_at_ns; /* the late list */
	uint64_t now_ns;

	/* The sink that claims, if there is one and we are not it. */
	const struct sink_part *claimer;
	struct late_reader *late;

	/* The frame that waits because take() said SINK_FULL. */
	bool has_kept;
	struct sink_source_item kept;
	bool is_full; /* until something is finished */

	/* What was taken and not flushed. */
	uint64_t unflushed, unflushed_bytes, unflushed_since_ns;

	/* sink_again() */
	struct sink_range *again;
	size_t n_again, again_at;
	bool has_begun_again; /* the source stands in again[again_at] */

	/* Careful mode: until each stream has passed what was read before. */
	uint64_t careful_until[SINK_PART_STREAMS];
	bool has_poison;
	uint32_t poison_stream;
	uint64_t poison_pos;
	char last_words[LAYOUT_LAST_WORDS];

	/* Dead letters. */
	struct deadletter_writer *dead;
	bool is_dead_unsynced;
	uint64_t dead_retry_ns;

	/* Trouble. */
	bool wants_attempt; /* failed: attempt() when the breaker lets us */
	bool is_recovering; /* attempt() was called, no success yet */
	bool has_reason;    /* one stands in the part */
	uint64_t drain_until_ns;
	struct sink_replay *replay;
	bool is_replaying; /* the lane that is open now */
	uint64_t lane_fed; /* events since it was opened */
};

/* sink_state.c */
void sink_state_open(struct sink *s);  /* with privileges: folder, lock, dead letters */
void sink_state_start(struct sink *s); /* maps and files that need none */
/* Cursors into the window and the source: false: the journal is not ready yet. */
bool sink_state_begin(struct sink *s);
void sink_state_open_streams(struct sink *s);
/* 0 or -1 (said). */
int sink_state_checkpoint(struct sink *s);
void sink_state_lost(struct sink *s, const struct sink_source_item *item);

/* sink_feed.c */
void sink_feed_limits(struct sink *s);
bool sink_feed_may_take(const struct sink *s);
/* True: there may be more at once. */
bool sink_feed(struct sink *s);
bool sink_feed_is_idle(const struct sink *s); /* nothing waits to be read below the limits */
void sink_feed_flush(struct sink *s);
/* Offer one event to the kind; the entry is made when it is taken or refused. */
enum sink_take sink_feed_offer(struct sink *s, struct sink_event *e, unsigned flags);

/* sink_publish.c */
void sink_publish(struct sink *s);
void sink_publish_dead(struct sink *s, const struct sink_event *e, unsigned attempts,
    const char *code, const char *text);

/* sink_trouble.c */
void sink_trouble_show(struct sink *s);
/* What people read as the reason; "": none. */
void sink_trouble_reason(struct sink *s, const char *text);
void sink_trouble_due(struct sink *s);

/* sink_command.c */
bool sink_command(struct worker *w, const char *line, struct text_out *out);

/* sink_replay.c: the replay lane wants its turn; feeds; is told what became of it. */
bool sink_replay_wants(const struct sink *s);
void sink_replay_feed(struct sink *s);
void sink_replay_account(struct sink *s);
/* A replayed frame that is in flight, again. */
bool sink_replay_reread(struct sink *s, const struct sink_entry *entry, struct sink_event *ev);
uint64_t sink_replay_wait_ns(const struct sink *s); /* until it may feed again; UINT64_MAX: never */

static inline struct sink *
sink_of(const struct worker *w)
{
	return w->stage;
}

#endif
