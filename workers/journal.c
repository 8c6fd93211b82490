/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal - rings to log, group commit, durable positions
 *
 * DESCRIPTION
 *	When to commit, when to sleep, when to stop; journal_commit.c does it.
 *
 * PROCESS
 *	journal, one.
 *
 * SHARED STATE
 *	Writes its `sleeping` word.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "common/panic.h"

#define TICKS_PER_LAG  5
#define TICKS_PER_TEND 10 /* about a second */

static void
rights(const struct worker_job *job, struct region_rights *rights)
{
	(void)job;
	rights->journal = true;
	rights->dedup = true; /* read-only again when it is filled */
}

static bool
is_in_trouble(const struct journal *j, uint64_t now_ns)
{
	return j->retry_at_ns != 0 && now_ns < j->retry_at_ns;
}

static bool
is_due(const struct journal *j, const struct journal_look *look, uint64_t now_ns)
{
	uint64_t linger_ns = (uint64_t)j->cfg->commit_linger_ms * CLOCK_NS_PER_MS;

	if (look->has_retired)
		return true;
	if (look->unread == 0)
		return false;
	return look->is_urgent || j->w->draining || j->is_cut_short || j->retry_at_ns != 0 ||
	       linger_ns == 0 ||
	       (j->gather_since_ns != 0 && now_ns - j->gather_since_ns >= linger_ns);
}

static void
round_of_work(struct worker *w)
{
	struct journal *j = w->stage;
	struct journal_look look;
	uint64_t now_ns = clock_mono_ns();

	if (is_in_trouble(j, now_ns))
		return;
	if (!j->is_published && !journal_start_publish(j))
		return;
	journal_commit_look(j, &look);
	if (look.unread > 0 && j->gather_since_ns == 0)
		j->gather_since_ns = now_ns;
	if (!is_due(j, &look, now_ns))
		return;
	(void)journal_commit(j);
	j->gather_since_ns = 0;
}

static void
wake_in(struct journal *j, uint64_t ns)
{
	struct timeval tv;

	/* Up to the next whole millisecond: a timer that fires early only
	 * turns the loop. */
	ns = (ns / CLOCK_NS_PER_MS + 1) * CLOCK_NS_PER_MS;
	tv.tv_sec = (time_t)(ns / CLOCK_NS_PER_S);
	tv.tv_usec = (suseconds_t)(ns % CLOCK_NS_PER_S / 1000);
	(void)event_add(j->timer, &tv);
}

static bool
may_sleep(struct worker *w)
{
	struct journal *j = w->stage;
	uint64_t linger_ns = (uint64_t)j->cfg->commit_linger_ms * CLOCK_NS_PER_MS;
	uint64_t now_ns = clock_mono_ns();
	struct journal_look before, after;

	if (is_in_trouble(j, now_ns)) {
		/* Nobody can help by ringing. */
		wake_in(j, j->retry_at_ns - now_ns);
		return true;
	}
	if (!j->is_published)
		return false;
	journal_commit_look(j, &before);
	if (is_due(j, &before, now_ns))
		return false;
	bell_doze(&j->part->sleeping, before.unread == 0 ? LAYOUT_ASLEEP : LAYOUT_LINGERING);
	journal_commit_look(j, &after);
	if (is_due(j, &after, now_ns) || (before.unread == 0 && after.unread != 0)) {
		bell_wake(&j->part->sleeping);
		return false;
	}
	if (after.unread != 0) {
		uint64_t past = j->gather_since_ns == 0 ? 0 : now_ns - j->gather_since_ns;

		wake_in(j, past < linger_ns ? linger_ns - past : 0);
	}
	return true;
}

static void
woke(struct worker *w)
{
	struct journal *j = w->stage;

	bell_wake(&j->part->sleeping);
}

static void
tick(struct worker *w, uint64_t mono_ns)
{
	struct journal *j = w->stage;

	(void)mono_ns;
	j->ticks++;
	if (w->orphaned)
		journal_tend_owners(j);
	if (!j->is_published)
		return;
	if (j->ticks % TICKS_PER_TEND == 0)
		journal_tend_checkpoint(j, false);
	journal_tend_retention(j);
	if (j->ticks % TICKS_PER_LAG == 0)
		journal_lag_look(j);
}

static void
drain(struct worker *w)
{
	struct journal *j = w->stage;

	j->drain_since_ns = clock_mono_ns();
	if (w->orphaned)
		journal_tend_owners(j);
}

/* Everything is on the disk and nobody will put more, or time is up. */
static bool
is_done(struct worker *w)
{
	struct journal *j = w->stage;
	uint64_t limit_ns = (uint64_t)w->env->cfg->global.drain_time_ms * CLOCK_NS_PER_MS;
	bool is_late = clock_mono_ns() - j->drain_since_ns > (w->orphaned ? 2 : 1) * limit_ns;
	struct journal_look look;

	if (j->has_successor && j->is_published) {
		journal_start_stop(j);
		return true;
	}
	journal_commit_look(j, &look);
	if (!is_late && (!j->is_published || look.unread != 0 || (w->orphaned && !j->is_unowned)))
		return false;
	if (look.unread != 0)
		log_line(LOG_LEVEL_ERR,
		    "stopping with %llu bytes that are not on the disk: they stay in the shared "
		    "memory for the next start",
		    (unsigned long long)look.unread);
	journal_start_stop(j);
	return true;
}

const struct worker_ops journal_ops = {
    .rights = rights,
    .open_early = journal_start_early,
    .start = journal_start,
    .round = round_of_work,
    .may_sleep = may_sleep,
    .woke = woke,
    .tick = tick,
    .drain = drain,
    .is_done = is_done,
    .command = journal_command,
    .help = "show journal    segment, offset, commit, trouble, spare\n",
};
