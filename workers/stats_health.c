/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_health - may traffic come, and how is it in one word
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads the header, pages and the journal's trouble.
 */
#include "common/clock.h"
#include "shm/word.h"
#include "workers/stats_sink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BEHIND "required, and beyond its max-lag-bytes or max-lag-age: no intake"

static void
reason(struct text_out *reasons, bool *is_ready, const char *what, const char *how)
{
	char text[256];

	if (!*is_ready)
		text_add_bytes(reasons, ",", 1);
	*is_ready = false;
	(void)snprintf(text, sizeof text, "%s: %s", what, how);
	text_add_json(reasons, text);
}

/* A stage without which the daemon does not do its work. */
static bool
is_needed(const struct stats_stage *stage)
{
	return stage->page != -1 &&
	       (stage->role == LAYOUT_ROLE_HTTP || stage->role == LAYOUT_ROLE_JOURNAL ||
		   stage->role == LAYOUT_ROLE_ADMIN);
}

/* One that was replaced in a reload and does only finish is no reason. */
static bool
is_leaving(const struct stats *s, const struct stats_stage *stage)
{
	uint64_t state = word_load(&s->region->page[stage->page]->state);

	return state == LAYOUT_STATE_DRAINING || state == LAYOUT_STATE_DONE;
}

bool
stats_is_ready(struct stats *s, struct text_out *reasons)
{
	const struct region *r = s->region;
	uint64_t phase = word_load(&r->header->phase), trouble = word_load(&r->journal->trouble);
	char how[80];
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_sink sink;
	bool is_ready = true;
	unsigned acceptors = 0;

	stats_look(s);
	if (phase != LAYOUT_PHASE_RUNNING)
		reason(reasons, &is_ready, "daemon", stats_phase_name(phase));
	if (!stats_pid_is_alive((pid_t)word_load(&r->header->supervisor_pid)))
		reason(reasons, &is_ready, "supervisor", "dead");
	if (trouble != LAYOUT_TROUBLE_NONE)
		reason(reasons, &is_ready, "journal",
		    layout_trouble_name((enum layout_trouble)trouble));
	while (stats_next(s, &it, &stage)) {
		if (!is_needed(&stage) || is_leaving(s, &stage))
			continue;
		acceptors += stage.role == LAYOUT_ROLE_HTTP && stage.is_ready;
		if (stage.is_stuck) {
			(void)snprintf(how, sizeof how, "blocked in %s for %llu s",
			    stage.blocked_in,
			    (unsigned long long)(stats_blocked_for(s, &stage) / CLOCK_NS_PER_S));
			reason(reasons, &is_ready, stage.name, how);
		} else if (!stage.is_ready) {
			reason(reasons, &is_ready, stage.name, stage.state);
		}
	}
	if (acceptors == 0)
		reason(reasons, &is_ready, "acceptors", "none is ready");
	for (int at = 0; stats_sink_next(s, &at, &sink);)
		if (sink.is_configured && sink.is_behind)
			reason(reasons, &is_ready, sink.name, BEHIND);
	return is_ready;
}

bool
stats_is_well(struct stats *s, struct text_out *reasons)
{
	struct stats_sink sink;
	bool is_well = true;
	char how[200];

	for (int at = 0; stats_sink_next(s, &at, &sink);) {
		if (!sink.is_configured)
			continue;
		if (sink.is_behind)
			reason(reasons, &is_well, sink.name, BEHIND);
		if (sink.breaker != SINK_BREAKER_CLOSED) {
			(void)snprintf(how, sizeof how, "breaker %s: %.120s",
			    sink_breaker_name(sink.breaker), sink.reason);
			reason(reasons, &is_well, sink.name, how);
		} else if (!sink.is_ready) {
			reason(reasons, &is_well, sink.name, sink.state);
		}
	}
	return is_well;
}

const char *
stats_health(struct stats *s)
{
	uint64_t phase = word_load(&s->region->header->phase);
	struct text_out reasons;
	bool is_ready;

	if (phase != LAYOUT_PHASE_RUNNING)
		return stats_phase_name(phase);
	text_init(&reasons, 4096);
	is_ready = stats_is_ready(s, &reasons) && stats_is_well(s, &reasons);
	text_free(&reasons);
	return is_ready ? "ok" : "degraded";
}
