/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_sink_show - show sinks, the ledger of sinks, their metrics
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads what stats_sink reads.
 */
#include "common/clock.h"
#include "common/units.h"
#include "shm/word.h"
#include "workers/stats_rows.h"
#include "workers/stats_sink.h"
#include "workers/stats_table.h"

#include <string.h>

#define HEADS(a) a, sizeof a / sizeof a[0]

/*---------------------------------------------------------------------------*
 * show sinks
 *---------------------------------------------------------------------------*/

static void
cells_lag(const struct stats *s, const struct stats_sink *sink, struct stats_table *t)
{
	uint64_t age = stats_sink_age(s, sink);
	char text[STATS_TIME_SIZE], size[UNITS_TEXT_SIZE];

	if (!sink->is_known) {
		for (int i = 0; i < 3; i++)
			stats_table_cell(t, "-");
		return;
	}
	stats_table_number(t, sink->pending);
	if (t->is_json)
		stats_table_number(t, sink->lag.bytes);
	else
		stats_table_cell(t, "%s", units_print_size_about((int64_t)sink->lag.bytes, size));
	if (sink->lag.events != 0 && sink->lag.oldest_ns == 0)
		stats_table_cell(t, "?");
	else if (t->is_json)
		stats_table_cell(t, "%llu.%03llu", (unsigned long long)(age / CLOCK_NS_PER_S),
		    (unsigned long long)(age / CLOCK_NS_PER_MS % 1000));
	else
		stats_table_cell(t, "%s", stats_age(age, text));
}

static void
cells_breaker(const struct stats *s, const struct stats_sink *sink, struct stats_table *t)
{
	char text[STATS_TIME_SIZE];

	stats_table_cell(t, "%s", sink_breaker_name(sink->breaker));
	if (sink->breaker == SINK_BREAKER_CLOSED || sink->next_probe_ns == 0)
		stats_table_cell(t, "-");
	else if (t->is_json)
		stats_table_cell(t, "%s", stats_time(sink->next_probe_ns, text));
	else
		stats_table_cell(t, "%s",
		    sink->next_probe_ns > s->wall_ns
			? stats_age(sink->next_probe_ns - s->wall_ns, text)
			: "now");
}

static const char *const heads[] = {"<sink", "<kind", "<required", "<state", "<breaker",
    "<next_probe", "<source", "pending", "bytes", "lag", "delivered", "dead", "skipped", "late",
    "expired", "corrupt", "failures", "<reason"};

static void
add_sink(const struct stats *s, const struct stats_sink *sink, struct stats_table *t)
{
	stats_table_cell(t, "%s", sink->name);
	stats_table_cell(
	    t, "%s", sink->kind < CONFIG_SINK_KINDS ? config_sink_kind_word(sink->kind) : "?");
	stats_table_cell(t, "%s", sink->is_required ? "yes" : "no");
	stats_table_cell(t, "%s%s%s", sink->state, sink->is_careful ? ", careful" : "",
	    sink->is_behind ? ", stops intake" : "");
	cells_breaker(s, sink, t);
	stats_table_cell(t, "%s", sink->is_reading_log ? "log" : "ring");
	cells_lag(s, sink, t);
	for (int o = 0; o < SINK_OUTCOMES; o++)
		if (sink->is_known)
			stats_table_number(t, sink->outcome[o]);
		else
			stats_table_cell(t, "-");
	stats_table_number(t, sink->failures);
	stats_table_cell(t, "%s", sink->reason[0] == '\0' ? "-" : sink->reason);
}

static int
add_sinks(const struct stats *s, const char *name, struct stats_table *t)
{
	struct stats_sink sink;
	int rows = 0;

	for (int at = 0; stats_sink_next(s, &at, &sink);) {
		if (*name != '\0' && strcmp(name, sink.name) != 0)
			continue;
		add_sink(s, &sink, t);
		rows++;
	}
	return rows;
}

void
stats_sink_table(const struct stats *s, const char *name, struct text_out *out)
{
	struct stats_table t;

	stats_table_begin(&t, HEADS(heads));
	if (add_sinks(s, name, &t) == 0)
		text_free(&t.text);
	else
		stats_table_end(&t, out);
}

void
stats_show_sinks(struct stats *s, const char *arg, struct text_out *out)
{
	struct stats_table t;
	int rows;

	if (!stats_table_begin_as(&t, HEADS(heads), "show sinks", arg, out))
		return;
	rows = add_sinks(s, "", &t);
	if (rows == 0 && !t.is_json) {
		text_free(&t.text);
		text_add(out, "no sinks\n");
	} else {
		stats_table_end_as(&t, "sinks", out);
	}
}

/*---------------------------------------------------------------------------*
 * the ledger
 *---------------------------------------------------------------------------*/

static const char *
balance_of(const struct stats_sink *sink)
{
	return !sink->is_known ? "not_started" : sink->is_balanced ? "balanced" : "unbalanced";
}

void
stats_sink_ledger_table(const struct stats *s, struct text_out *out)
{
	static const char *const columns[] = {"<sink", "put", "delivered", "dead", "skipped",
	    "late", "expired", "corrupt", "pending", "<ledger"};
	struct stats_sink sink;
	struct stats_table t;
	int at = 0, rows = 0;

	stats_table_begin(&t, HEADS(columns));
	for (; stats_sink_next(s, &at, &sink); rows++) {
		stats_table_cell(&t, "%s", sink.name);
		stats_table_number(&t, sink.put);
		for (int o = 0; o < SINK_OUTCOMES; o++)
			stats_table_number(&t, sink.outcome[o]);
		stats_table_number(&t, sink.pending);
		stats_table_cell(&t, "%s", balance_of(&sink));
	}
	if (rows == 0)
		text_free(&t.text);
	else
		stats_table_end(&t, out);
}

void
stats_sink_ledger_json(const struct stats *s, struct text_out *out)
{
	struct stats_sink sink;
	int at = 0;

	text_add(out, "\"sinks\":[");
	for (bool is_first = true; stats_sink_next(s, &at, &sink); is_first = false) {
		text_add(out, "%s{\"sink\":", is_first ? "" : ",");
		text_add_json(out, sink.name);
		text_add(out, ",\"put\":%llu", (unsigned long long)sink.put);
		for (int o = 0; o < SINK_OUTCOMES; o++)
			text_add(out, ",\"%s\":%llu", stats_sink_outcomes[o],
			    (unsigned long long)sink.outcome[o]);
		text_add(out, ",\"pending\":%llu,\"balance\":\"%s\"}",
		    (unsigned long long)sink.pending, balance_of(&sink));
	}
	text_add(out, "]");
}

/*---------------------------------------------------------------------------*
 * metrics
 *---------------------------------------------------------------------------*/

static void
add_name(struct text_out *out, const char *name, const char *suffix, const char *sink)
{
	/* Names of sinks are letters, digits and hyphens. */
	text_add(out, "sluice_sink_%s%s{sink=\"%s\"", name, suffix, sink);
}

static void
add_head(
    struct text_out *out, const char *name, const char *suffix, const char *help, bool is_counter)
{
	text_add(out, "# HELP sluice_sink_%s%s %s\n# TYPE sluice_sink_%s%s %s\n", name, suffix,
	    help, name, suffix, is_counter ? "counter" : "gauge");
}

static void
counter_families(const struct stats *s, struct text_out *out)
{
	const struct counter_row *table;
	struct stats_sink sink;
	size_t n;

	table = counters_table(&n);
	for (size_t i = 0; i < n; i++) {
		bool is_count = table[i].nature == COUNTER_COUNT;
		const char *suffix = is_count ? "_total" : "";

		if (table[i].owner != COUNTER_OWNER_SINK)
			continue;
		add_head(out, table[i].name, suffix, table[i].help, is_count);
		for (int at = 0; stats_sink_next(s, &at, &sink);) {
			add_name(out, table[i].name, suffix, sink.name);
			text_add(out, "} %llu\n",
			    (unsigned long long)counters_get(
				s->region->sink[sink.place]->counter, table[i].id));
		}
	}
}

static uint64_t
gauge_of(const struct stats *s, const struct stats_sink *sink, int which)
{
	switch (which) {
	case 0:
		return sink->is_ready;
	case 1:
		return sink->breaker;
	case 2:
		return sink->pending;
	case 3:
		return sink->lag.bytes;
	case 4:
		return stats_sink_age(s, sink) / CLOCK_NS_PER_MS;
	case 5:
		return sink->is_behind;
	default:
		return !sink->is_balanced;
	}
}

void
stats_sink_metrics(const struct stats *s, struct text_out *out)
{
	static const struct {
		const char *name, *help;
	} gauges[] = {
	    {"ready", "1 if the sink's process can do its job"},
	    {"breaker", "circuit breaker: 0 closed, 1 open, 2 half-open"},
	    {"pending_events", "events that are not finished"},
	    {"lag_bytes", "durable bytes that are not finished"},
	    {"lag_seconds", "age of the oldest event that is not finished, where it is known"},
	    {"stops_intake", "1 if it is required and beyond its max-lag-bytes or max-lag-age"},
	    {"ledger_wrong", "1 if the outcomes do not add up to the events"},
	};
	struct stats_sink sink;

	add_head(out, "events", "_total", "events of a sink, by what became of them", true);
	for (int at = 0; stats_sink_next(s, &at, &sink);)
		for (int o = 0; o < SINK_OUTCOMES; o++) {
			add_name(out, "events", "_total", sink.name);
			text_add(out, ",outcome=\"%s\"} %llu\n", stats_sink_outcomes[o],
			    (unsigned long long)sink.outcome[o]);
		}
	for (int g = 0; g < (int)(sizeof gauges / sizeof gauges[0]); g++) {
		add_head(out, gauges[g].name, "", gauges[g].help, false);
		for (int at = 0; stats_sink_next(s, &at, &sink);) {
			uint64_t n = gauge_of(s, &sink, g);

			add_name(out, gauges[g].name, "", sink.name);
			if (g == 4)
				text_add(out, "} %llu.%03llu\n", (unsigned long long)(n / 1000),
				    (unsigned long long)(n % 1000));
			else
				text_add(out, "} %llu\n", (unsigned long long)n);
		}
	}
	counter_families(s, out);
}
