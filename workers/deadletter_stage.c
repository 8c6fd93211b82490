/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_stage - the stage that keeps count of dead letters
 *
 * DESCRIPTION
 *	It looks at the folders of the writers once a second and before each
 *	answer.  Nothing here is in anybody's way: a sink writes its own dead
 *	letters, and goes on when this stage is gone.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	Writes its own process page only.
 *
 * DIAGNOSTICS
 *	fatal: its folder cannot be made, read or locked.
 */
#include "workers/deadletter_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICKS_PER_LOOK   10  /* a second */
#define TICKS_PER_RETAIN 100 /* ten seconds */

static bool
is_orphaned(void *ctx)
{
	(void)ctx;
	return getppid() == 1;
}

static void
open_early(struct worker *w)
{
	struct deadletter_stage *d = xcalloc(1, sizeof *d);
	const struct worker_env *env = w->env;
	char path[CONFIG_PATH_SIZE + 32];

	w->stage = d;
	d->w = w;
	d->cfg = &env->cfg->deadletter;
	d->log_dirfd = -1;
	if (deadletter_writer_folder(env->state_dir, env->uid, env->gid) == -1)
		fatal("%s/deadletter: %s", env->state_dir, strerror(errno));
	(void)snprintf(path, sizeof path, "%s/deadletter/lock", env->state_dir);
	if (lock_wait(path, &d->lock_fd, is_orphaned, NULL) != LOCK_OK)
		fatal("%s: cannot lock the dead letters: %s", path, strerror(errno));
	if (env->uid != (uid_t)-1 && geteuid() == 0 && fchown(d->lock_fd, env->uid, env->gid) == -1)
		fatal("%s: %s", path, strerror(errno));
	/* Only now: until it let go of the lock a predecessor may still have written. */
	if (d->cfg->invalid != 0 && (d->writer = deadletter_writer_open(env->state_dir,
					 DEADLETTER_INTAKE, env->uid, env->gid)) == NULL)
		fatal("%s/deadletter: %s", env->state_dir, strerror(errno));
	deadletter_copy_open(d);
}

static void
start(struct worker *w)
{
	struct deadletter_stage *d = deadletter_stage_of(w);

	deadletter_index_init(&d->index, w->env->state_dir);
	receipt_instance(w->env->region, d->instance);
	worker_blocked(w, "dead letters");
	if (deadletter_index_refresh(&d->index) == -1 ||
	    deadletter_marks_open(&d->marks, &d->index) == -1)
		fatal("%s/deadletter: %s", w->env->state_dir, strerror(errno));
	worker_unblocked(w);
	d->index.is_unlisted = d->index.is_crowded = false; /* the next look says so */
	if (d->index.n > 0)
		log_line(LOG_LEVEL_INFO, "%llu dead letters, %llu of them open",
		    (unsigned long long)d->index.n, (unsigned long long)d->index.open);
	worker_ready(w);
}

void
deadletter_stage_refresh(struct deadletter_stage *d)
{
	bool was_unlisted = d->index.is_unlisted, was_crowded = d->index.is_crowded;

	if (deadletter_index_refresh(&d->index) == -1)
		worker_error(d->w, "cannot read the dead letters: %s", strerror(errno));
	if (d->index.is_unlisted && !was_unlisted)
		worker_error(
		    d->w, "more than %zu dead letters: the rest is not listed", d->index.max);
	if (d->index.is_crowded && !was_crowded)
		worker_error(d->w,
		    "more folders of dead letters than %zu can be looked at: what is in the "
		    "others is not listed and stays: remove folders of sinks that are gone from "
		    "%s",
		    d->index.stages, d->index.path);
}

int64_t
deadletter_stage_mark(struct deadletter_stage *d, const struct deadletter_ref *refs, size_t n,
    enum deadletter_over over)
{
	uint32_t now_s = (uint32_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	int64_t marked;

	worker_blocked(d->w, "marks");
	marked = deadletter_marks_add(&d->marks, &d->index, refs, n, over, now_s);
	worker_unblocked(d->w);
	if (marked == -1)
		worker_error(d->w, "cannot write the marks: %s", strerror(errno));
	return marked;
}

void
deadletter_stage_open_receipt(struct deadletter_stage *d)
{
	const struct worker_env *env = d->w->env;

	if (d->has_receipt ||
	    word_load(&env->region->journal->ready_generation) != env->region->header->generation)
		return;
	d->log_dirfd = log_dir_open(env->cfg->journal.path, false);
	if (d->log_dirfd == -1) {
		worker_error(d->w, "%s: %s", env->cfg->journal.path, strerror(errno));
		return;
	}
	receipt_open(&d->receipt, env->region, env->cfg, env->state_dir, d->log_dirfd);
	receipt_note_begin(&d->receipt, false);
	d->has_receipt = true;
}

static void
tick(struct worker *w, uint64_t mono_ns)
{
	struct deadletter_stage *d = deadletter_stage_of(w);

	(void)mono_ns;
	deadletter_stage_open_receipt(d);
	if (d->writer != NULL && d->has_receipt)
		deadletter_intake_follow(d, false);
	if (++d->ticks % TICKS_PER_LOOK == 0) {
		deadletter_stage_refresh(d);
		deadletter_retry_tick(d);
		if (d->has_receipt)
			receipt_note_begin(&d->receipt, true);
	}
	deadletter_copy_tick(d);
	if (d->ticks % TICKS_PER_RETAIN == 0) {
		deadletter_retain(d, clock_wall_ns());
		if (d->has_receipt)
			receipt_trim(&d->receipt);
	}
}

/* The others have ended: what intake refused is all in the log. */
static void
drain(struct worker *w)
{
	struct deadletter_stage *d = deadletter_stage_of(w);

	if (d->writer != NULL && d->has_receipt)
		deadletter_intake_follow(d, true);
	deadletter_intake_stop(d);
	deadletter_copy_stop(d);
}

static bool
is_done(struct worker *w)
{
	(void)w;
	return true;
}

const struct worker_ops deadletter_ops = {
    .open_early = open_early,
    .start = start,
    .tick = tick,
    .drain = drain,
    .is_done = is_done,
    .command = deadletter_command,
    .help = deadletter_command_help,
};
