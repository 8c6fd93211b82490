/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_retry - dead letters sent again, asked for over HTTP
 *
 * DESCRIPTION
 *	The events go into a file of the sink's inbox, the sink is asked to
 *	replay it (whatever its match says now: somebody asked for these), and
 *	once a second how far it is.  When it is done the records are marked as
 *	replayed, older ones of the same events too; what was refused again has a
 *	new record.  When it stops, the
 *	sink dies, or it skipped one that was not a late duplicate, nothing is
 *	marked: they can be sent again.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_inbox.h"
#include "workers/deadletter_parts.h"

#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS       500
#define FAILURES_MAX 10

static int
ask(struct deadletter_stage *d, const char *line, struct deadletter_replay *r)
{
	char path[CONFIG_PATH_SIZE + 64];
	struct text_out answer;
	int rc;

	text_init(&answer, 64u << 10);
	(void)snprintf(
	    path, sizeof path, "%s/stage/%s.sock", d->w->env->runtime_dir, d->retry.sink);
	worker_blocked(d->w, "a sink");
	rc = deadletter_inbox_ask(path, line, ASK_MS, &answer);
	worker_unblocked(d->w);
	if (rc == 0 && (answer.buf == NULL || !deadletter_inbox_status(answer.buf, r))) {
		errno = EPROTO;
		rc = -1;
	}
	text_free(&answer);
	return rc;
}

/* The sink unlinks what it took; what it did not, or a dead one left, is ours. */
static void
finish(struct deadletter_stage *d)
{
	char name[48];

	if (d->retry.is_running) {
		(void)snprintf(name, sizeof name, "%s.frames", d->retry.id);
		deadletter_inbox_remove(d->w->env->state_dir, d->retry.sink, name);
	}
	free(d->retry.ids);
	d->retry = (struct deadletter_retry){.is_running = false};
}

/* refs becomes those that are in the file. */
static bool
fill(struct deadletter_stage *d, struct deadletter_inbox *in, struct deadletter_ref *refs,
    size_t n)
{
	struct deadletter_retry *t = &d->retry;
	size_t at = n;

	for (size_t i = n; i-- > 0;) { /* the oldest first */
		struct deadletter_file f;
		struct deadletter_record r;
		int rc = 0;

		if (deadletter_index_read(&d->index, refs[i], &f, &r) == DEADLETTER_FILE_OK)
			rc = deadletter_inbox_add(in, &r);
		deadletter_file_close(&f);
		if (rc == -1)
			return false;
		if (rc == 1)
			refs[--at] = refs[i];
	}
	t->n = n - at;
	memmove(refs, refs + at, t->n * sizeof *refs);
	return true;
}

/* What is open now of the events that are sent; what they leave when they are refused
 * again is not among them. */
static bool
note_ids(struct deadletter_stage *d, const struct deadletter_ref *refs)
{
	struct deadletter_retry *t = &d->retry;
	struct deadletter_ref *same = deadletter_index_same(&d->index, refs, t->n, &t->n_ids);

	t->ids = same == NULL ? NULL : calloc(t->n_ids, sizeof *t->ids);
	for (size_t i = 0; t->ids != NULL && i < t->n_ids; i++)
		deadletter_index_id(&d->index, same[i], t->ids[i]);
	free(same);
	return t->ids != NULL;
}

bool
deadletter_retry_begin(
    struct deadletter_stage *d, struct deadletter_ref *refs, size_t n, char *why, size_t size)
{
	struct deadletter_retry *t = &d->retry;
	const char *sink = d->index.stage[refs[0].stage].name;
	struct deadletter_replay r;
	struct deadletter_inbox in;
	char line[192], name[48];

	if (t->is_running) {
		(void)snprintf(why, size, "a retry is running, try again later");
		return false;
	}
	if (strcmp(sink, DEADLETTER_INTAKE) == 0) {
		(void)snprintf(why, size, "it was refused at intake: mend it and send it again");
		return false;
	}
	*t = (struct deadletter_retry){.is_running = false};
	(void)snprintf(t->sink, sizeof t->sink, "%s", sink);
	(void)snprintf(t->id, sizeof t->id, "retry-%" PRIx64, clock_wall_ns());
	(void)snprintf(name, sizeof name, "%s.frames", t->id);
	n = deadletter_index_unique(&d->index, refs, n);
	if (deadletter_inbox_open(&in, d->w->env->state_dir, sink, name) == -1) {
		(void)snprintf(why, size, "the sink's inbox: %s", strerror(errno));
		finish(d);
		return false;
	}
	(void)snprintf(line, sizeof line, "replay file %s %s 0 all\n", t->id, name);
	worker_blocked(d->w, "inbox");
	if (!fill(d, &in, refs, n) || deadletter_inbox_commit(&in) == -1) {
		(void)snprintf(why, size, "the sink's inbox: %s", strerror(errno));
	} else if (in.frames == 0) {
		(void)snprintf(why, size, "the event itself was not kept");
	} else if (!note_ids(d, refs)) {
		(void)snprintf(why, size, "no memory");
	} else if (ask(d, line, &r) == -1) {
		(void)snprintf(why, size, "the sink does not answer: %s", strerror(errno));
	} else if (strcmp(r.state, "running") != 0 && strcmp(r.state, "done") != 0) {
		(void)snprintf(why, size, "the sink refused: %s", r.reason);
	} else {
		t->is_running = true;
	}
	worker_unblocked(d->w);
	if (t->is_running) {
		(void)close(in.dirfd);
		return true;
	}
	deadletter_inbox_drop(&in);
	finish(d);
	return false;
}

/* All were sent: those that are still there are over. */
static void
mark(struct deadletter_stage *d)
{
	struct deadletter_retry *t = &d->retry;
	struct deadletter_ref *refs = calloc(t->n_ids, sizeof *refs);
	size_t n = 0;

	if (refs == NULL)
		return;
	deadletter_stage_refresh(d);
	for (size_t i = 0; i < t->n_ids; i++)
		if (deadletter_index_find(&d->index, t->ids[i], &refs[n]))
			n++;
	(void)deadletter_stage_mark(d, refs, n, DEADLETTER_REPLAYED);
	free(refs);
}

void
deadletter_retry_tick(struct deadletter_stage *d)
{
	struct deadletter_retry *t = &d->retry;
	struct deadletter_replay r;
	char line[96];

	if (!t->is_running)
		return;
	(void)snprintf(line, sizeof line, "replay status %s\n", t->id);
	if (ask(d, line, &r) == -1) {
		/* An answer that knows nothing of it is a new process's. */
		if (errno != EPROTO && ++t->failures < FAILURES_MAX)
			return;
		worker_error(d->w, "retry: sink %s %s: given up", t->sink,
		    errno == EPROTO ? "was restarted" : "does not answer");
		finish(d);
		return;
	}
	t->failures = 0;
	if (strcmp(r.state, "running") == 0)
		return;
	if (strcmp(r.state, "done") == 0 && r.skipped > r.late) {
		/* Which ones is not told. */
		worker_error(d->w,
		    "retry: sink %s skipped %" PRIu64 " of %zu: all of them stay open", t->sink,
		    r.skipped - r.late, t->n);
	} else if (strcmp(r.state, "done") == 0) {
		mark(d);
		log_line(LOG_LEVEL_NOTICE,
		    "retry of %zu dead letters: sink=%s delivered=%" PRIu64 " dead=%" PRIu64
		    " skipped=%" PRIu64,
		    t->n, t->sink, r.delivered, r.dead, r.skipped);
	} else {
		worker_error(d->w, "retry: sink %s: %s %s", t->sink, r.state, r.reason);
	}
	finish(d);
}
