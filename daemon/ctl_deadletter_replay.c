/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_deadletter_replay - sluicectl deadletter replay: send refused events again
 *
 * DESCRIPTION
 *	Each sink gets a file of its own events into its inbox and is asked to
 *	deliver it; then the records are marked.  What is refused again has a
 *	new record by then.  Of an event with several open records (a replay that
 *	was cut off leaves the old one beside the new one) the newest is sent, and
 *	all that were there before are marked with it.  When a replay ends before
 *	its time, what was decided is marked (the file's order is the sink's) and
 *	the rest stays open.
 *
 *	The sink's match is not asked: whoever names dead letters wants these.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl_deadletter.h"
#include "daemon/ctl_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sum {
	uint64_t selected, delivered, dead, skipped, left;
};

struct group {
	const char *sink;
	struct deadletter_ref *refs; /* of those in the file, in its order */
	size_t n;
	uint64_t unkept; /* records without their event */
	struct sum sum;
};

static int
fill(const struct ctl_deadletter *l, struct group *g, struct deadletter_inbox *in)
{
	for (size_t i = l->n; i-- > 0;) { /* the oldest first */
		struct deadletter_file f;
		struct deadletter_record r;
		int rc = 0;

		if (strcmp(l->index.stage[l->refs[i].stage].name, g->sink) != 0)
			continue;
		if (ctl_replay_is_interrupted()) {
			errno = EINTR;
			return -1;
		}
		if (deadletter_index_read(&l->index, l->refs[i], &f, &r) == DEADLETTER_FILE_OK)
			rc = deadletter_inbox_add(in, &r);
		deadletter_file_close(&f);
		if (rc == -1)
			return -1;
		if (rc == 1)
			g->refs[g->n++] = l->refs[i];
		else
			g->unkept++;
	}
	return 0;
}

/* The first n are over, with the older records of their events; what was refused again
 * meanwhile is not in the index yet and stays open. */
static int
mark(const struct ctl_deadletter *l, const struct group *g, size_t n)
{
	size_t all_n;
	struct deadletter_ref *all = deadletter_index_same(&l->index, g->refs, n, &all_n);
	int64_t marked = all == NULL ? ctl_deadletter_mark(l, g->refs, n, "replayed")
				     : ctl_deadletter_mark(l, all, all_n, "replayed");

	free(all);
	return marked == -1 ? -1 : 0;
}

/* Frames leave the sink in the file's order, but those in flight when it ended are not
 * known one by one: then only what surely was decided counts as over. */
static size_t
decided(const struct group *g, const struct deadletter_replay *r)
{
	uint64_t n = r->delivered + r->dead + r->skipped;

	/* Some were not sent, and it is not told which. */
	if (r->skipped > r->late)
		return 0;
	if (strcmp(r->state, "done") == 0)
		return g->n;
	return n == r->read && n < g->n ? (size_t)n : 0;
}

static int
replay_group(const struct ctl_deadletter *l, struct group *g)
{
	struct deadletter_replay end = {.state = ""};
	struct deadletter_inbox in;
	char id[48], name[64], line[192];
	int rc;

	/* Nothing shall stay in the inbox when we are ended. */
	ctl_replay_catch();
	ctl_replay_id(id);
	(void)snprintf(name, sizeof name, "%s.frames", id);
	if (deadletter_inbox_open(&in, l->ctl->state_dir, g->sink, name) == -1) {
		ctl_say("%s/sinks/%s/inbox: %s%s", l->ctl->state_dir, g->sink, strerror(errno),
		    errno == ENOENT ? ": no such sink is left" : "");
		return CTL_FAILED;
	}
	if (fill(l, g, &in) == -1 || deadletter_inbox_commit(&in) == -1) {
		ctl_say("%s/sinks/%s/inbox: %s", l->ctl->state_dir, g->sink, strerror(errno));
		deadletter_inbox_drop(&in);
		return CTL_FAILED;
	}
	(void)snprintf(line, sizeof line, "replay file %s %s %" PRIu64 " all\n", id, name, l->rate);
	rc = g->n == 0 ? CTL_OK : ctl_replay_run(l->ctl, g->sink, id, line, g->n, &end);
	g->sum.delivered = end.delivered;
	g->sum.dead = end.dead;
	g->sum.skipped = end.skipped + g->unkept;
	if (end.skipped > end.late)
		ctl_say("sink %s skipped %" PRIu64 ": all %zu stay open", g->sink,
		    end.skipped - end.late, g->n);
	if (end.state[0] != '\0' && mark(l, g, decided(g, &end)) == -1)
		rc = CTL_FAILED;
	deadletter_inbox_drop(&in);
	return rc;
}

static void
print(const struct ctl_deadletter *l, const char *sink, const struct sum *s, bool is_first)
{
	if (l->ctl->is_json)
		(void)printf("%s{\"sink\":\"%s\",\"selected\":%" PRIu64 ",\"delivered\":%" PRIu64
			     ",\"deadAgain\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"left\":%" PRIu64
			     "}",
		    is_first ? "" : ",", sink, s->selected, s->delivered, s->dead, s->skipped,
		    s->left);
	else
		(void)printf("%s: selected %" PRIu64 " = delivered %" PRIu64
			     " + dead again %" PRIu64 " + skipped %" PRIu64 " + left %" PRIu64 "\n",
		    sink, s->selected, s->delivered, s->dead, s->skipped, s->left);
}

static int
replay_all(struct ctl_deadletter *l)
{
	struct sum all = {0};
	bool is_first = true;
	int rc = CTL_OK, groups = 0;

	if (l->ctl->is_json)
		(void)printf("{\"sinks\":[");
	for (size_t i = 0; i < l->index.stages; i++) {
		struct group g = {.sink = l->index.stage[i].name};
		uint64_t n = 0;
		int one;

		for (size_t k = 0; k < l->n; k++)
			n += l->refs[k].stage == i;
		if (n == 0)
			continue;
		if ((g.refs = calloc(n, sizeof *g.refs)) == NULL)
			return CTL_FAILED;
		one = replay_group(l, &g);
		g.sum.selected = n;
		g.sum.left = n - g.sum.delivered - g.sum.dead - g.sum.skipped;
		rc = one != CTL_OK ? one : rc;
		print(l, g.sink, &g.sum, is_first);
		free(g.refs);
		is_first = false;
		groups++;
		all.selected += g.sum.selected;
		all.delivered += g.sum.delivered;
		all.dead += g.sum.dead;
		all.skipped += g.sum.skipped;
		all.left += g.sum.left;
	}
	if (l->ctl->is_json)
		(void)printf("]}\n");
	else if (groups != 1)
		print(l, "all", &all, true);
	if (rc == CTL_OK && l->n_ids > 0 && all.delivered + all.dead < all.selected)
		return CTL_FAILED; /* named, and not sent */
	return rc == CTL_OK && all.dead > 0 ? CTL_FINDINGS : rc;
}

/* Nobody but the producer can mend these.  How many. */
static size_t
leave_out_intake(struct ctl_deadletter *l)
{
	size_t kept = 0, left_out;
	char id[DEADLETTER_ID_SIZE] = "";

	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->index.stage[l->refs[i].stage].name, "intake") != 0)
			l->refs[kept++] = l->refs[i];
		else
			deadletter_index_id(&l->index, l->refs[i], id);
	}
	left_out = l->n - kept;
	l->n = kept;
	if (left_out > 0)
		ctl_say("%zu refused at intake are left out: mend them and send them again, e.g. "
			"sluicectl deadletter show %s | jq -r .body | ... | sluicectl send -",
		    left_out, id);
	return left_out;
}

static int
dry_run(const struct ctl_deadletter *l)
{
	const char *comma = "";

	if (l->ctl->is_json)
		(void)printf("{\"sinks\":[");
	for (size_t i = 0; i < l->index.stages; i++) {
		size_t n = 0;

		for (size_t k = 0; k < l->n; k++)
			n += l->refs[k].stage == i;
		if (n == 0)
			continue;
		if (l->ctl->is_json)
			(void)printf("%s{\"sink\":\"%s\",\"wouldSend\":%zu}", comma,
			    l->index.stage[i].name, n);
		else
			(void)printf("would send %zu again to %s\n", n, l->index.stage[i].name);
		comma = ",";
	}
	if (l->ctl->is_json)
		(void)printf("]}\n");
	else if (l->n == 0)
		(void)printf("nothing to send\n");
	return CTL_OK;
}

int
ctl_deadletter_replay(struct ctl_deadletter *l)
{
	size_t left_out;
	int rc;

	if (l->n_ids == 0 && !l->has_filter)
		return ctl_usage(
		    "deadletter", "replay: give ids, or say which with --sink, --where or --since");
	l->query.is_all = false;
	if ((rc = ctl_deadletter_select(l)) != CTL_OK)
		return rc;
	left_out = leave_out_intake(l);
	l->n = deadletter_index_unique(&l->index, l->refs, l->n);
	rc = l->is_dry ? dry_run(l) : replay_all(l);
	return rc == CTL_OK && l->n_ids > 0 && left_out > 0 ? CTL_FAILED : rc;
}
