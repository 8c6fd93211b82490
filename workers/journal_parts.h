/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_parts - what the journal's own files share
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	See journal.h; the private copy here is the truth about where each
 *	stream stands, the region's words are what others see of it.
 */
#ifndef WORKERS_JOURNAL_PARTS_H
#define WORKERS_JOURNAL_PARTS_H

#include "shm/word.h"
#include "workers/checkpoint.h"
#include "workers/journal.h"
#include "workers/log_retain.h"
#include "workers/log_writer.h"
#include "workers/sink_lag.h"

#define JOURNAL_RETRY_NS   (250 * CLOCK_NS_PER_MS)
#define JOURNAL_CHECKPOINT "checkpoint"

/* What the rings hold beyond the durable positions. */
struct journal_look {
	uint64_t unread;  /* bytes */
	bool is_urgent;   /* somebody waits, or a ring fills up */
	bool has_retired; /* a slot was set aside and the journal has not said so yet */
};

struct journal_plan {
	uint32_t stream;
	enum frame_gap_reason reason;
	uint64_t from, to, seq;
};

struct journal {
	struct worker *w;
	struct region *region;
	struct journal_part *part;
	const struct config_journal *cfg;
	uint32_t slots;
	int dirfd;
	int lock_fd;
	struct log_writer writer;
	struct log_retain retain;
	struct checkpoint_file checkpoint;
	struct checkpoint *checkpoint_content;
	uint64_t checkpoint_at_ns; /* CLOCK_MONOTONIC of the last one */
	uint64_t checkpoint_commit;
	struct log_stream stream[LOG_STREAMS]; /* where the log stands; headers get a copy */

	/* One commit in the making. */
	struct log_part part_list[LOG_WRITER_PARTS_MAX];
	uint64_t next_pos[LOG_STREAMS], next_seq[LOG_STREAMS];
	bool is_retiring[LOG_STREAMS];
	uint8_t gap[LOG_STREAMS][(FRAME_GAP_LEN + 7) & ~7ull];
	uint32_t rotate;   /* the stream a commit begins with, so that none starves */
	bool is_cut_short; /* commit-max left something */

	struct event *bell;
	struct event *timer;
	uint64_t gather_since_ns; /* 0: nothing gathers */
	uint64_t retry_at_ns;
	uint64_t drain_since_ns;
	struct log_chain chain; /* as retention saw it last */
	uint64_t retain_at_ns;
	uint64_t retain_opened;
	/* A start in the making. */
	bool is_published;
	struct journal_plan *plan; /* GAPs that recovery wants in the log */
	size_t n_plan, at_plan;

	uint64_t dedup_tick, dedup_wall_ns; /* now, for ages */
	bool is_unowned;         /* orphaned: no other process holds a slot's lock any more */
	bool has_successor;      /* orphaned: a new supervisor has a journal waiting */
	uint64_t supervisor_pid; /* of our own */
	unsigned ticks;
	/* Sinks that do not move, by their place. */
	uint64_t lag_done[SINK_PART_MAX], lag_moved_ns[SINK_PART_MAX];
};

/* journal_start.c */
void journal_start_early(struct worker *w);
void journal_start(struct worker *w);
/* Recovery's GAPs to the log, then the starts to the region; false: trouble. */
bool journal_start_publish(struct journal *j);
void journal_start_stop(struct journal *j);

/* journal_recover.c: the region is new.  Looks at the log, fills the dedup
 * table and j->stream (ends in the log), j->plan (GAPs to write), the writer's
 * place.  Writes nothing. */
void journal_recover(struct journal *j, struct log_writer_place *place);

/* journal_dedup.c: is the table too old to be believed? */
bool journal_dedup_is_stale(const struct journal *j);
/* Does no acceptor hold a slot? */
bool journal_dedup_is_free(const struct journal *j);
void journal_dedup_clear(struct journal *j);
/* One EVENT frame of the log. */
void journal_dedup_take(struct journal *j, const struct frame_header *h);
/* Index of the first segment with frames of the window. */
size_t journal_dedup_first(const struct journal *j, const struct log_chain *chain);
/* Refill it up to `end` (a log_end). */
void journal_dedup_rebuild(struct journal *j, uint64_t end);

/* journal_commit.c */
void journal_commit_look(const struct journal *j, struct journal_look *look);
/* One commit of what the rings hold.  False: trouble. */
bool journal_commit(struct journal *j);
/* Frames that lie in no ring (GAPs): all or trouble. */
enum log_writer_result journal_commit_parts(
    struct journal *j, const struct log_part *part, size_t n);
/* Durable acks stop, with a reason; and go on.  Each says one line, a trouble
 * that comes again once a minute; it stands among the page's errors. */
void journal_commit_trouble(struct journal *j, enum log_writer_result r);
void journal_commit_untroubled(struct journal *j);

/* journal_tend.c: what happens once in a while. */
void journal_tend_checkpoint(struct journal *j, bool at_once);
void journal_tend_retention(struct journal *j);
void journal_tend_owners(struct journal *j);

/* journal_lag.c: sets intake_stop, and clears it. */
void journal_lag_look(struct journal *j);

/* journal_command.c */
bool journal_command(struct worker *w, const char *line, struct text_out *out);

#endif
