/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_sink - what shared memory says about each sink
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads the header, sink parts, cursors, rings; writes nothing.
 */
#include "workers/stats_sink.h"

#include "common/clock.h"
#include "shm/word.h"
#include "workers/stats_rows.h"

#include <stdio.h>
#include <string.h>

#define LOOKS 8 /* at a cursor that moves */

const char *const stats_sink_outcomes[SINK_OUTCOMES] = {
    "delivered", "dead", "skipped", "late", "expired", "corrupt"};

/* Events of the stream so far. */
static uint64_t
sequence_of(const struct region *r, uint32_t slot)
{
	uint64_t pos, seq = 0, durable = 0;

	for (int i = 0; i < LOOKS; i++)
		if (cursor_load(&r->journal->stream[slot].durable, &pos, &durable))
			break;
	for (int i = 0; stats_slot_is_used(r, slot) && i < LOOKS; i++)
		if (cursor_load(&r->slot[slot]->ring.tail, &pos, &seq))
			break;
	return (int64_t)(seq - durable) > 0 ? seq : durable;
}

void
stats_sink_ledger(const struct region *r, int place, struct stats_sink *sink)
{
	const struct sink_part *part = r->sink[place];

	sink->put = sink->pending = 0;
	sink->is_balanced = true;
	memset(sink->outcome, 0, sizeof sink->outcome);
	sink->is_known = word_load(&part->ready_generation) == r->header->generation;
	for (uint32_t i = 0; sink->is_known && i < r->slots; i++) {
		uint64_t start = word_load(&part->stream[i].start_seq), sum = 0, now;
		struct sink_place at = {0};
		bool is_read = false;

		for (int look = 0; !is_read && look < LOOKS; look++)
			is_read = sink_cursor_load(&part->stream[i].done, &at);
		if (!is_read) {
			sink->is_balanced = false;
			continue;
		}
		/* The sink first: it never passes a sequence that is read later. */
		now = sequence_of(r, i);
		for (int o = 0; o < SINK_OUTCOMES; o++) {
			sink->outcome[o] += at.outcome[o];
			sum += at.outcome[o];
		}
		sink->put += now - start;
		sink->pending += now - at.seq;
		if (sum != at.seq - start || (int64_t)(now - at.seq) < 0)
			sink->is_balanced = false;
	}
}

/* The process that was last forked for it. */
static void
find_process(const struct stats *s, struct stats_sink *sink)
{
	const struct layout_assignment *a = &s->region->header->sink[sink->place];
	struct stats_iter it = {0};
	struct stats_stage stage;

	sink->state = sink->is_configured ? "starting" : "not configured";
	if (word_load(&a->assigned) == 0)
		return;
	while (stats_next(s, &it, &stage)) {
		if (stage.sink != sink->place || (uint64_t)stage.page != word_load(&a->page))
			continue;
		sink->is_alive = stage.is_alive;
		sink->is_ready = stage.is_ready;
		if (sink->is_configured || stage.is_alive)
			sink->state = stage.state;
		return;
	}
}

bool
stats_sink_next(const struct stats *s, int *at, struct stats_sink *sink)
{
	const struct region *r = s->region;
	const struct layout_sink *place;
	const struct sink_part *part;
	char text[sizeof sink->reason];

	while (*at < SINK_PART_MAX && r->header->sink_name[*at].name[0] == '\0')
		++*at;
	if (*at == SINK_PART_MAX)
		return false;
	place = &r->header->sink_name[*at];
	part = r->sink[*at];
	memset(sink, 0, sizeof *sink);
	sink->place = (*at)++;
	stats_clean(sink->name, sizeof sink->name, place->name, sizeof place->name);
	sink->kind = (enum config_sink_kind)word_load(&place->kind);
	sink->is_configured = word_load(&place->is_configured) != 0;
	sink->is_required = word_load(&place->is_required) != 0;
	find_process(s, sink);
	sink->breaker = (enum sink_breaker)word_load(&part->breaker);
	sink->breaker_since_ns = word_load(&part->breaker_since_ns);
	sink->next_probe_ns = word_load(&part->next_probe_ns);
	sink->failures = word_load(&part->failures);
	sink->is_careful = word_load(&part->is_careful) != 0;
	sink->is_reading_log = word_load(&part->reading_log) != 0;
	sink->is_behind = word_load(&r->journal->intake_stop) == (uint64_t)sink->place + 1;
	if (sink_text_load(&part->reason, text, sizeof text))
		stats_clean(sink->reason, sizeof sink->reason, text, sizeof text);
	stats_sink_ledger(r, sink->place, sink);
	sink_lag_read(r, sink->place, &sink->lag);
	return true;
}

uint64_t
stats_sink_age(const struct stats *s, const struct stats_sink *sink)
{
	uint64_t ns = sink->lag.oldest_ns;

	return ns != 0 && s->wall_ns > ns ? s->wall_ns - ns : 0;
}

void
stats_sink_derived(const struct region *r, int place, unsigned which, struct stats_row *row)
{
	static const char *const helps[SINK_OUTCOMES] = {"events delivered",
	    "events set aside as dead letters", "events that do not match",
	    "events that another node had first", "events that retention took before the sink",
	    "events that the log could not give back"};
	static const struct {
		const char *name, *unit, *help;
		enum counter_nature nature;
	} more[] = {
	    {"put", "events", "events of its streams since the sink began", COUNTER_COUNT},
	    {"pending", "events", "events that are not finished", COUNTER_GAUGE},
	    {"lag_bytes", "bytes", "durable bytes that are not finished", COUNTER_GAUGE},
	    {"breaker", "state", "0 closed, 1 open, 2 half-open", COUNTER_GAUGE},
	    {"ledger_wrong", "sinks", "1: the outcomes do not add up", COUNTER_GAUGE},
	};
	struct stats_sink sink = {.place = place};
	struct sink_lag lag;

	stats_sink_ledger(r, place, &sink);
	if (which < SINK_OUTCOMES) {
		*row = (struct stats_row){.name = stats_sink_outcomes[which],
		    .unit = "events",
		    .help = helps[which],
		    .nature = COUNTER_COUNT,
		    .value = sink.outcome[which]};
		return;
	}
	which -= SINK_OUTCOMES;
	sink_lag_read(r, place, &lag);
	*row = (struct stats_row){.name = more[which].name,
	    .unit = more[which].unit,
	    .help = more[which].help,
	    .nature = more[which].nature,
	    .value = which == 0   ? sink.put
		     : which == 1 ? sink.pending
		     : which == 2 ? lag.bytes
		     : which == 3 ? word_load(&r->sink[place]->breaker)
				  : (uint64_t)!sink.is_balanced};
}
