/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_command - what a sink answers on its own socket
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None beyond what the functions it calls touch.
 */
#include "workers/sink_parts.h"

#include "common/log.h"
#include "shm/word.h"
#include "workers/sink_replay.h"
#include "workers/text.h"

#include <string.h>

static void
show_sink(struct sink *s, struct text_out *out)
{
	const struct sink_engine *e = s->engine;
	uint64_t outcome[SINK_OUTCOMES] = {0};
	uint64_t wait_ns = breaker_wait_ns(&s->breaker, clock_mono_ns());
	char reason[sizeof s->part->reason.text];

	for (int i = 0; i < SINK_PART_STREAMS; i++)
		for (int o = 0; o < SINK_OUTCOMES; o++)
			outcome[o] += e->window.place[i].outcome[o];
	text_add(out, "name=%s kind=%s state=%s source=%s\n", s->cfg->name, s->ops->kind,
	    !e->is_ready     ? "starting"
	    : s->is_held     ? "held"
	    : s->is_careful  ? "careful"
	    : s->is_draining ? "draining"
			     : "running",
	    e->source.is_log ? "log" : "ring");
	text_add(out, "breaker=%s failures=%u wait_ms=%lld\n",
	    sink_breaker_name((enum sink_breaker)word_load(&s->part->breaker)),
	    s->breaker.failures,
	    wait_ns == UINT64_MAX ? -1LL : (long long)(wait_ns / CLOCK_NS_PER_MS));
	if (sink_text_load(&s->part->reason, reason, sizeof reason) && reason[0] != '\0')
		text_add(out, "last_failure=%s\n", reason);
	text_add(out, "in_flight=%llu bytes=%llu unflushed=%llu full=%d waits_for_attempt=%d\n",
	    (unsigned long long)sink_window_in_flight(&e->window),
	    (unsigned long long)e->window.bytes, (unsigned long long)e->unflushed, e->is_full,
	    e->wants_attempt);
	if (e->late != NULL)
		text_add(out, "late_bytes=%zu\n", late_reader_bytes(e->late));
	for (int o = 0; o < SINK_OUTCOMES; o++)
		text_add(out, "%s%s=%llu", o == 0 ? "" : " ", sink_outcome_name(o),
		    (unsigned long long)outcome[o]);
	text_add(out, "\n");
}

static void
show_streams(struct sink *s, struct text_out *out)
{
	const struct sink_engine *e = s->engine;

	for (uint32_t i = 0; e->is_ready && i < e->region->slots; i++) {
		const struct sink_place *p = &e->window.place[i];

		text_add(out, "stream=%u pos=%llu seq=%llu read=%llu limit=%llu durable=%llu\n", i,
		    (unsigned long long)p->pos, (unsigned long long)p->seq,
		    (unsigned long long)e->source.stream[i].pos,
		    (unsigned long long)e->source.stream[i].limit,
		    (unsigned long long)cursor_pos(&e->region->journal->stream[i].durable));
	}
}

static bool
force_breaker(struct sink *s, const char *how, struct text_out *out)
{
	static const struct {
		const char *word;
		enum breaker_force force;
	} words[] = {{"open", BREAKER_FORCE_OPEN}, {"close", BREAKER_FORCE_CLOSED},
	    {"auto", BREAKER_FORCE_AUTO}};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(how, words[i].word) != 0)
			continue;
		breaker_force(&s->breaker, words[i].force);
		/* What was not answered goes again when it may. */
		if (words[i].force == BREAKER_FORCE_OPEN ||
		    sink_window_in_flight(&s->engine->window) != 0)
			s->engine->wants_attempt = true;
		s->engine->is_recovering = false;
		sink_trouble_reason(
		    s, words[i].force == BREAKER_FORCE_OPEN ? "opened by command" : "");
		sink_trouble_show(s);
		log_line(LOG_LEVEL_NOTICE, "breaker: %s by command", words[i].word);
		text_add(out, "breaker=%s%s\n",
		    sink_breaker_name((enum sink_breaker)word_load(&s->part->breaker)),
		    words[i].force == BREAKER_FORCE_AUTO ? "" : " (by command; auto ends it)");
		return true;
	}
	return false;
}

bool
sink_command(struct worker *w, const char *line, struct text_out *out)
{
	struct sink *s = sink_of(w);

	if (strcmp(line, "show sink") == 0) {
		show_sink(s, out);
		return true;
	}
	if (strcmp(line, "show streams") == 0) {
		show_streams(s, out);
		return true;
	}
	if (strncmp(line, "breaker ", 8) == 0)
		return force_breaker(s, line + 8, out);
	if (strncmp(line, "replay ", 7) == 0)
		return sink_replay_command(s, line, out);
	return s->ops->command != NULL && s->ops->command(s, line, out);
}
