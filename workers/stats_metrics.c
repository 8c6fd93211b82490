/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_metrics - the Prometheus text format, version 0.0.4
 *
 * DESCRIPTION
 *	Each counter is one family: sluice_NAME of streams, sluice_journal_NAME,
 *	sluice_process_NAME, sluice_sink_NAME; counts end in _total, ages become seconds since
 *	1970.  All samples of a family stand together, as the format wants.
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads counters.
 */
#include "common/clock.h"
#include "shm/word.h"
#include "workers/stats.h"
#include "workers/stats_rows.h"
#include "workers/stats_sink.h"

#include <string.h>

static const char *const prefixes[] = {"", "journal_", "process_"};

static void
add_escaped(struct text_out *out, const char *s, bool is_label)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			text_add(out, "\\\\");
		else if (*s == '\n')
			text_add(out, "\\n");
		else if (is_label && *s == '"')
			text_add(out, "\\\"");
		else
			text_add_bytes(out, s, 1);
	}
}

static void
add_head(struct text_out *out, const char *prefix, const char *name, enum counter_nature nature,
    const char *help)
{
	const char *suffix = nature == COUNTER_COUNT ? "_total"
			     : nature == COUNTER_AGE ? "_time_seconds"
						     : "";

	text_add(out, "# HELP sluice_%s%s%s ", prefix, name, suffix);
	add_escaped(out, help, false);
	text_add(out, "\n# TYPE sluice_%s%s%s %s\n", prefix, name, suffix,
	    nature == COUNTER_COUNT ? "counter" : "gauge");
}

/* "sluice_NAME{stage=..,stream=..,page=..} "; the value is the caller's. */
static void
add_name(struct text_out *out, const char *prefix, const char *name, enum counter_nature nature,
    const struct stats_stage *stage, enum counter_owner owner)
{
	text_add(out, "sluice_%s%s%s{stage=\"", prefix, name,
	    nature == COUNTER_COUNT ? "_total"
	    : nature == COUNTER_AGE ? "_time_seconds"
				    : "");
	add_escaped(out, stage->name, true);
	text_add(out, "\"");
	if (owner == COUNTER_OWNER_STREAM)
		text_add(out, ",stream=\"%d\"", stage->slot);
	else if (owner == COUNTER_OWNER_PROCESS)
		text_add(out, ",page=\"%d\"", stage->page);
	text_add(out, "} ");
}

static void
add_value(struct text_out *out, enum counter_nature nature, uint64_t n)
{
	if (nature == COUNTER_AGE)
		text_add(out, "%llu.%03llu\n", (unsigned long long)(n / CLOCK_NS_PER_S),
		    (unsigned long long)(n / CLOCK_NS_PER_MS % 1000));
	else
		text_add(out, "%llu\n", (unsigned long long)n);
}

static bool
has_owner(const struct stats *s, const struct stats_stage *stage, enum counter_owner owner)
{
	switch (owner) {
	case COUNTER_OWNER_STREAM:
		return stage->slot != -1 && stats_slot_is_used(s->region, (uint32_t)stage->slot);
	case COUNTER_OWNER_JOURNAL:
		return stage->role == LAYOUT_ROLE_JOURNAL;
	default:
		return stage->page != -1;
	}
}

static void
counter_family(const struct stats *s, const struct counter_row *c, struct text_out *out)
{
	const char *prefix = prefixes[c->owner];
	struct stats_iter it = {0};
	struct stats_stage stage;
	const _Atomic uint64_t *words;

	add_head(out, prefix, c->name, c->nature, c->help);
	while (stats_next(s, &it, &stage)) {
		if (!has_owner(s, &stage, c->owner))
			continue;
		words = c->owner == COUNTER_OWNER_STREAM    ? s->region->slot[stage.slot]->counter
			: c->owner == COUNTER_OWNER_JOURNAL ? s->region->journal->counter
							    : s->region->page[stage.page]->counter;
		add_name(out, prefix, c->name, c->nature, &stage, c->owner);
		add_value(out, c->nature, counters_get(words, c->id));
		if (c->owner == COUNTER_OWNER_JOURNAL)
			break;
	}
}

/* Those that no counter holds: put, unread_bytes. */
static void
derived_family(const struct stats *s, unsigned which, struct text_out *out)
{
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_row row;
	bool has_head = false;

	while (stats_next(s, &it, &stage)) {
		if (!has_owner(s, &stage, COUNTER_OWNER_STREAM))
			continue;
		stats_rows_derived(s->region, (uint32_t)stage.slot, which, &row);
		if (!has_head)
			add_head(out, "", row.name, row.nature, row.help);
		has_head = true;
		add_name(out, "", row.name, row.nature, &stage, COUNTER_OWNER_STREAM);
		add_value(out, row.nature, row.value);
	}
}

enum stage_value {
	STAGE_UP = 0,
	STAGE_READY,
	STAGE_RESTARTS,
	STAGE_BEAT,
	STAGE_BLOCKED,
	STAGE_VALUES
};

static void
stage_family(const struct stats *s, enum stage_value which, struct text_out *out)
{
	static const struct {
		const char *name, *help;
		enum counter_nature nature;
	} table[] = {
	    {"stage_up", "1 if the stage's process lives", COUNTER_GAUGE},
	    {"stage_ready", "1 if the stage can do its job", COUNTER_GAUGE},
	    {"stage_restarts", "times the stage was started again", COUNTER_COUNT},
	    {"stage_heartbeat_age_ticks", "ticks of 100 ms since the last heartbeat",
		COUNTER_GAUGE},
	    {"process_blocked_seconds",
		"for how long the process has been in a call that may block; 0: in none",
		COUNTER_GAUGE},
	};
	struct stats_iter it = {0};
	struct stats_stage stage;
	uint64_t n;

	add_head(out, "", table[which].name, table[which].nature, table[which].help);
	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1)
			continue;
		n = which == STAGE_UP      ? stage.is_alive
		    : which == STAGE_READY ? stage.is_ready
		    : which == STAGE_RESTARTS
			? word_load(&s->region->header->page[stage.page].restarts)
		    : which == STAGE_BEAT ? stage.beat_age
					  : stats_blocked_for(s, &stage);
		add_name(
		    out, "", table[which].name, table[which].nature, &stage, COUNTER_OWNER_PROCESS);
		/* An age is printed in seconds, which is what this gauge is, too. */
		add_value(out, which == STAGE_BLOCKED ? COUNTER_AGE : table[which].nature, n);
	}
}

static void
daemon_families(struct stats *s, struct text_out *out)
{
	const struct region *r = s->region;
	uint64_t trouble = word_load(&r->journal->trouble);
	uint64_t checkpoint = word_load(&r->journal->checkpoint_ns);
	struct text_out reasons;

	text_init(&reasons, 4096);
	add_head(out, "", "build_info", COUNTER_GAUGE, "1, with the version as a label");
	text_add(out, "sluice_build_info{version=\"%s\"} 1\n", SLUICE_VERSION);
	add_head(out, "", "ready", COUNTER_GAUGE, "1 if traffic may come, as /readyz says");
	text_add(out, "sluice_ready %d\n", stats_is_ready(s, &reasons) ? 1 : 0);
	text_free(&reasons);
	add_head(out, "", "start", COUNTER_AGE, "when the oldest living process started");
	text_add(out, "sluice_start_time_seconds ");
	add_value(out, COUNTER_AGE, stats_started_ns(s));
	add_head(out, "", "ring_capacity_bytes", COUNTER_GAUGE, "bytes in the ring of each stream");
	text_add(out, "sluice_ring_capacity_bytes %llu\n", (unsigned long long)r->ring_capacity);
	add_head(out, "", "journal_trouble", COUNTER_GAUGE,
	    "1 for the reason why there are no durable answers");
	for (int t = LAYOUT_TROUBLE_FULL; t <= LAYOUT_TROUBLE_OPEN; t++)
		text_add(out, "sluice_journal_trouble{reason=\"%s\"} %d\n",
		    layout_trouble_name((enum layout_trouble)t), trouble == (uint64_t)t);
	add_head(
	    out, "", "journal_checkpoint", COUNTER_AGE, "when the last checkpoint was written");
	text_add(out, "sluice_journal_checkpoint_time_seconds ");
	add_value(out, COUNTER_AGE, checkpoint);
}

void
stats_metrics(struct stats *s, struct text_out *out)
{
	const struct counter_row *table;
	size_t n;

	stats_look(s);
	daemon_families(s, out);
	for (int v = 0; v < STAGE_VALUES; v++)
		stage_family(s, (enum stage_value)v, out);
	for (unsigned d = 0; d < STATS_DERIVED; d++)
		derived_family(s, d, out);
	table = counters_table(&n);
	for (size_t i = 0; i < n; i++)
		if (table[i].owner != COUNTER_OWNER_SINK)
			counter_family(s, &table[i], out);
	stats_sink_metrics(s, out);
}
