/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_lag - intake stops when a required sink is too far behind
 *
 * DESCRIPTION
 *	A sink with `required yes` and a max-lag is waited for: the log is kept
 *	for it, and beyond the bound acceptors take nothing new (intake_stop),
 *	until it has caught up to nine tenths of it.  The age of what a sink
 *	waits for is its own word, or the ring's; when neither is there (it is
 *	dead, and what it wants is in the log), the time since it last moved.
 *
 * PROCESS
 *	The journal, from its tick.
 *
 * SHARED STATE
 *	Writes journal_part.intake_stop; reads sink parts.
 */
#include "workers/journal_parts.h"

#include "common/log.h"

#include <string.h>

/* What is known of a sink that has not said anything in this region's life. */
static void
read_checkpoint(const struct journal *j, const char *name, struct sink_lag *lag)
{
	const struct log_retain_sink *s = log_retain_find(&j->retain, name);

	for (uint32_t i = 0; s != NULL && !s->is_bad && i < j->slots; i++) {
		const struct sink_lag_stream at = {.end = j->stream[i].end,
		    .end_seq = j->stream[i].end_seq,
		    .start = word_load(&j->part->stream[i].start),
		    .gap_bytes = j->stream[i].gap_bytes,
		    .pos = s->at.stream[i].pos,
		    .seq = s->at.stream[i].seq};

		sink_lag_add(lag, &at);
	}
}

static uint64_t
age_of(struct journal *j, int place, const struct sink_lag *lag, uint64_t now_ns)
{
	uint64_t wall_ns = clock_wall_ns();

	if (lag->events == 0 || lag->done != j->lag_done[place] || j->lag_moved_ns[place] == 0) {
		j->lag_done[place] = lag->done;
		j->lag_moved_ns[place] = now_ns;
	}
	if (lag->oldest_ns != 0)
		return wall_ns > lag->oldest_ns ? wall_ns - lag->oldest_ns : 0;
	return now_ns - j->lag_moved_ns[place];
}

static bool
is_behind(struct journal *j, const struct config_sink *cfg, int place, bool was_behind)
{
	struct sink_lag lag;
	uint64_t age_ns;

	sink_lag_read(j->region, place, &lag);
	if (!lag.is_known)
		read_checkpoint(j, cfg->name, &lag);
	age_ns = age_of(j, place, &lag, clock_mono_ns());
	return sink_lag_is_behind(&lag, age_ns, cfg->max_lag_bytes,
	    (uint64_t)cfg->max_lag_ms * CLOCK_NS_PER_MS, was_behind);
}

void
journal_lag_look(struct journal *j)
{
	const struct config *cfg = j->w->env->cfg;
	uint64_t was = word_load(&j->part->intake_stop), now = 0;
	const char *name = "";

	for (int c = 0; c < cfg->sinks; c++) {
		const struct config_sink *s = &cfg->sink[c];
		int place;

		if (s->required == 0 || (s->max_lag_bytes == 0 && s->max_lag_ms == 0) ||
		    (place = region_sink_find(j->region, s->name)) == -1 ||
		    !is_behind(j, s, place, was == (uint64_t)place + 1))
			continue;
		/* The one that was said stays the one that is said. */
		if (now == 0 || was == (uint64_t)place + 1) {
			now = (uint64_t)place + 1;
			name = s->name;
		}
	}
	if (now == was)
		return;
	word_store(&j->part->intake_stop, now);
	if (now != 0)
		worker_error(j->w,
		    "required sink %s is beyond its max-lag-bytes or max-lag-age: "
		    "nothing new is taken until it has caught up",
		    name);
	else
		log_line(LOG_LEVEL_NOTICE, "required sinks have caught up: taking events again");
}
