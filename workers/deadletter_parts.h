/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_parts - what the files of the deadletter stage share
 *
 * DESCRIPTION
 *	deadletter_stage.c	the stage: begin, tick, end
 *	deadletter_intake.c	what intake refused, out of the streams
 *	deadletter_retain.c	which files may go
 *	deadletter_retry.c	send again, asked for over HTTP
 *	deadletter_command.c	what it answers on its socket
 *	deadletter_copy.c	copies to Redis and Kafka
 *
 *	The store: deadletter_{format,file,writer,index,query,marks,json}.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	Writes its own process page only.
 */
#ifndef WORKERS_DEADLETTER_PARTS_H
#define WORKERS_DEADLETTER_PARTS_H

#include "workers/checkpoint.h"
#include "workers/deadletter_json.h"
#include "workers/deadletter_marks.h"
#include "workers/receipt.h"
#include "workers/sink_source.h"
#include "workers/worker.h"

#define DEADLETTER_INTAKE "intake" /* the stage's name in its records */

struct deadletter_copies;

/* One at a time. */
struct deadletter_retry {
	bool is_running;
	char id[32];	/* of the replay, and the inbox file's name */
	char sink[40];
	char (*ids)[DEADLETTER_ID_SIZE]; /* to be marked: every open record of these events */
	size_t n_ids;
	size_t n; /* events */
	unsigned failures; /* to ask, in a row */
};

struct deadletter_stage {
	struct worker *w;
	const struct config_deadletter *cfg;
	int lock_fd;
	int log_dirfd; /* -1: not yet */
	struct deadletter_index index;
	struct deadletter_marks marks;
	struct receipt receipt;
	bool has_receipt;
	char instance[9];
	uint64_t ticks;
	uint64_t refresh_wall_ns;
	uint64_t dropped; /* by max-disk, before their time */
	struct deadletter_retry retry;
	struct deadletter_copies *copies; /* NULL: none are configured */

	/* Intake: NULL writer when it is not kept. */
	struct deadletter_writer *writer;
	struct sink_source source;
	struct checkpoint_file checkpoint;
	bool is_following;
	bool is_changed; /* since the last checkpoint */
	uint64_t kept, lost;
};

static inline struct deadletter_stage *
deadletter_stage_of(const struct worker *w)
{
	return w->stage;
}

/* Once the journal is ready, what answers about receipts is there: d->has_receipt. */
void deadletter_stage_open_receipt(struct deadletter_stage *d);
/* The index as the disk is now; errors are said. */
void deadletter_stage_refresh(struct deadletter_stage *d);
/* Mark, durably; how many were open, -1: said. */
int64_t deadletter_stage_mark(struct deadletter_stage *d, const struct deadletter_ref *refs,
    size_t n, enum deadletter_over over);

/* deadletter_intake.c; is_last: write a checkpoint. */
void deadletter_intake_follow(struct deadletter_stage *d, bool is_last);
void deadletter_intake_stop(struct deadletter_stage *d);

/* deadletter_retain.c */
void deadletter_retain(struct deadletter_stage *d, uint64_t now_ns);

/* deadletter_retry.c: the records refs (one sink's) to the sink; false with a sentence.
 * refs is changed. */
bool deadletter_retry_begin(struct deadletter_stage *d, struct deadletter_ref *refs,
    size_t n, char *why, size_t size);
void deadletter_retry_tick(struct deadletter_stage *d);

/* deadletter_command.c */
bool deadletter_command(struct worker *w, const char *line, struct text_out *out);
extern const char deadletter_command_help[];

/* deadletter_copy.c; open_early reads the password. */
void deadletter_copy_open(struct deadletter_stage *d);
void deadletter_copy_tick(struct deadletter_stage *d);
void deadletter_copy_stop(struct deadletter_stage *d);
void deadletter_copy_show(const struct deadletter_stage *d, struct text_out *out);

#endif
