/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_stat - show stat: the counters, as tables, lines or JSON
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads counters.
 */
#include "common/clock.h"
#include "common/units.h"
#include "shm/word.h"
#include "workers/stats.h"
#include "workers/stats_rows.h"
#include "workers/stats_sink.h"
#include "workers/stats_table.h"

#include <string.h>

/* The columns of the first table that are counters as they are. */
#define STREAM_COLUMNS(X)                                                                          \
	X(connections)                                                                             \
	X(requests) X(received) X(duplicate) X(invalid) X(retry) X(interrupted) X(unknown)         \
	    X(acks_waiting) X(evicted) X(answers_4xx) X(answers_5xx)

static const unsigned stream_ids[] = {
#define X(name) counter_id(STREAM, name),
    STREAM_COLUMNS(X)
#undef X
};
#define STREAM_IDS (sizeof stream_ids / sizeof stream_ids[0])

static const char *const stream_heads[] = {"<stage", "stream", "<state", "conns", "requests",
    "received", "duplicate", "invalid", "retry", "interrupted", "unknown", "waiting", "evicted",
    "4xx", "5xx", "put", "unread"};

static void
stream_table(struct stats *s, const char *name, struct text_out *out)
{
	uint64_t sum[STREAM_IDS] = {0}, put = 0, unread = 0, n;
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_ledger l;
	struct stats_table t;
	unsigned rows = 0;

	stats_table_begin(&t, stream_heads, sizeof stream_heads / sizeof stream_heads[0]);
	while (stats_next(s, &it, &stage)) {
		if (stage.slot == -1 || !stats_is_named(&stage, name))
			continue;
		rows++;
		stats_table_cell(&t, "%s", stage.name);
		stats_table_number(&t, (unsigned)stage.slot);
		stats_table_cell(&t, "%s", stage.state);
		for (size_t i = 0; i < STREAM_IDS; i++) {
			n = counters_get(s->region->slot[stage.slot]->counter, stream_ids[i]);
			sum[i] += n;
			stats_table_number(&t, n);
		}
		stats_ledger_read(s->region, (uint32_t)stage.slot, &l);
		put += l.put;
		stats_table_number(&t, l.put);
		n = stats_unread(s->region, (uint32_t)stage.slot);
		unread += n;
		stats_table_number(&t, n);
	}
	if (rows > 1) {
		stats_table_cell(&t, "total");
		stats_table_cell(&t, "-");
		stats_table_cell(&t, "-");
		for (size_t i = 0; i < STREAM_IDS; i++)
			stats_table_number(&t, sum[i]);
		stats_table_number(&t, put);
		stats_table_number(&t, unread);
	}
	if (rows == 0)
		text_free(&t.text);
	else
		stats_table_end(&t, out);
}

static void
journal_table(struct stats *s, const struct stats_stage *stage, struct text_out *out)
{
	static const char *const heads[] = {"<stage", "<state", "commits", "frames", "bytes",
	    "sync_mean", "sync_max", "segments", "disk", "errors", "<trouble"};
	const _Atomic uint64_t *c = s->region->journal->counter;
	uint64_t commits = counters_get(c, counter_id(JOURNAL, commits));
	char mean[STATS_TIME_SIZE], most[STATS_TIME_SIZE], disk[UNITS_TEXT_SIZE];
	struct stats_table t;

	stats_table_begin(&t, heads, sizeof heads / sizeof heads[0]);
	stats_table_cell(&t, "%s", stage->name);
	stats_table_cell(&t, "%s", stage->state);
	stats_table_number(&t, commits);
	stats_table_number(&t, counters_get(c, counter_id(JOURNAL, frames)));
	stats_table_number(&t, counters_get(c, counter_id(JOURNAL, bytes)));
	stats_table_cell(&t, "%s",
	    stats_short(
		commits == 0 ? 0 : counters_get(c, counter_id(JOURNAL, sync_ns)) / commits, mean));
	stats_table_cell(
	    &t, "%s", stats_short(counters_get(c, counter_id(JOURNAL, sync_max_ns)), most));
	stats_table_number(&t, counters_get(c, counter_id(JOURNAL, segments)));
	stats_table_cell(&t, "%s",
	    units_print_size_about(
		(int64_t)counters_get(c, counter_id(JOURNAL, disk_bytes)), disk));
	stats_table_number(&t, counters_get(c, counter_id(JOURNAL, write_errors)) +
				   counters_get(c, counter_id(JOURNAL, sync_errors)) +
				   counters_get(c, counter_id(JOURNAL, space_errors)));
	stats_table_cell(&t, "%s",
	    layout_trouble_name((enum layout_trouble)word_load(&s->region->journal->trouble)));
	stats_table_end(&t, out);
}

/* One line: "http 0.received=12", typed: "http 0.received=12 count events". */
static void
all_lines(struct stats *s, const char *name, bool is_typed, struct text_out *out)
{
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_row row;
	struct stats_rows rows;

	while (stats_next(s, &it, &stage)) {
		if (!stats_is_named(&stage, name))
			continue;
		stats_rows_begin(&rows, s->region, &stage);
		while (stats_rows_next(&rows, &row)) {
			text_add(out, "%s.%s%s=%llu", stage.name, row.is_process ? "process." : "",
			    row.name, (unsigned long long)row.value);
			if (is_typed)
				text_add(out, " %s %s", counters_nature_name(row.nature), row.unit);
			text_add_bytes(out, "\n", 1);
		}
	}
}

void
stats_show_stat(struct stats *s, const char *arg, struct text_out *out)
{
	struct stats_iter it = {0};
	struct stats_stage stage;
	size_t before = out->len, len = strcspn(arg, " \t");
	const char *rest = arg + len + strspn(arg + len, " \t");

	if (len == 3 && memcmp(arg, "all", 3) == 0) {
		all_lines(s, rest, false, out);
		arg = rest;
	} else if (len == 5 && memcmp(arg, "typed", 5) == 0) {
		all_lines(s, rest, true, out);
		arg = rest;
	} else if (len == 4 && memcmp(arg, "json", 4) == 0) {
		stats_json(s, rest, out);
		text_add_bytes(out, "\n", 1);
	} else {
		stream_table(s, arg, out);
		while (stats_next(s, &it, &stage))
			if (stage.role == LAYOUT_ROLE_JOURNAL && stats_is_named(&stage, arg))
				journal_table(s, &stage, out);
		stats_sink_table(s, arg, out);
	}
	if (out->len == before && *arg != '\0')
		text_add(
		    out, "no counters of a stage \"%.40s\" (show proc lists the stages)\n", arg);
	else if (out->len == before)
		text_add(out, "no stage has started yet\n");
}
