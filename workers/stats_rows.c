/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_rows - every number of one stage, from the table of counters
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads counters.
 */
#include "workers/stats_rows.h"

#include "workers/stats_sink.h"

#include <stdio.h>

enum {
	PHASE_STREAM = 0,
	PHASE_DERIVED,
	PHASE_JOURNAL,
	PHASE_SINK,
	PHASE_SINK_DERIVED,
	PHASE_PROCESS,
	PHASE_END
};

static const enum counter_owner owners[] = {
    COUNTER_OWNER_STREAM, COUNTER_OWNER_STREAM, COUNTER_OWNER_JOURNAL, COUNTER_OWNER_SINK,
    COUNTER_OWNER_SINK, COUNTER_OWNER_PROCESS};

void
stats_rows_begin(struct stats_rows *rows, const struct region *r, const struct stats_stage *stage)
{
	*rows = (struct stats_rows){.region = r, .stage = *stage};
}

static const _Atomic uint64_t *
words_of(const struct stats_rows *rows)
{
	const struct region *r = rows->region;

	switch (rows->phase) {
	case PHASE_STREAM:
		return rows->stage.slot == -1 ? NULL : r->slot[rows->stage.slot]->counter;
	case PHASE_JOURNAL:
		return rows->stage.role != LAYOUT_ROLE_JOURNAL ? NULL : r->journal->counter;
	case PHASE_SINK:
		return rows->stage.sink == -1 ? NULL : r->sink[rows->stage.sink]->counter;
	case PHASE_PROCESS:
		return rows->stage.page == -1 ? NULL : r->page[rows->stage.page]->counter;
	default:
		return NULL;
	}
}

/* The next counter of this phase's owner. */
static bool
next_counter(struct stats_rows *rows, const _Atomic uint64_t *words, struct stats_row *row)
{
	const struct counter_row *table;
	size_t n;

	table = counters_table(&n);
	while (words != NULL && rows->at < n) {
		const struct counter_row *c = &table[rows->at++];

		if (c->owner != owners[rows->phase])
			continue;
		*row = (struct stats_row){.name = c->name,
		    .unit = c->unit,
		    .help = c->help,
		    .nature = c->nature,
		    .is_process = c->owner == COUNTER_OWNER_PROCESS,
		    .value = counters_get(words, c->id)};
		return true;
	}
	return false;
}

bool
stats_rows_next(struct stats_rows *rows, struct stats_row *row)
{
	for (; rows->phase < PHASE_END; rows->phase++, rows->at = 0) {
		if (rows->phase == PHASE_DERIVED) {
			if (rows->stage.slot == -1 || rows->at == STATS_DERIVED)
				continue;
			stats_rows_derived(
			    rows->region, (uint32_t)rows->stage.slot, (unsigned)rows->at++, row);
			return true;
		}
		if (rows->phase == PHASE_SINK_DERIVED) {
			if (rows->stage.sink == -1 || rows->at == STATS_SINK_DERIVED)
				continue;
			stats_sink_derived(
			    rows->region, rows->stage.sink, (unsigned)rows->at++, row);
			return true;
		}
		if (next_counter(rows, words_of(rows), row))
			return true;
	}
	return false;
}

void
stats_rows_derived(const struct region *r, uint32_t slot, unsigned which, struct stats_row *row)
{
	struct stats_ledger l;

	if (which == 0) {
		stats_ledger_read(r, slot, &l);
		*row = (struct stats_row){.name = "put",
		    .unit = "events",
		    .help = "events put into the stream since the region was made",
		    .nature = COUNTER_COUNT,
		    .value = l.put};
	} else {
		*row = (struct stats_row){.name = "unread_bytes",
		    .unit = "bytes",
		    .help = "bytes of the stream that the journal has not made durable yet",
		    .nature = COUNTER_GAUGE,
		    .value = stats_unread(r, slot)};
	}
}

uint64_t
stats_rows_sum(enum counter_nature nature, uint64_t a, uint64_t b)
{
	if (nature == COUNTER_MAX || nature == COUNTER_AGE)
		return a > b ? a : b;
	return a + b;
}

const char *
stats_short(uint64_t ns, char buf[STATS_TIME_SIZE])
{
	double v = (double)ns;

	if (ns < 1000)
		(void)snprintf(buf, STATS_TIME_SIZE, "%lluns", (unsigned long long)ns);
	else if (ns < 1000000)
		(void)snprintf(buf, STATS_TIME_SIZE, "%.0fus", v / 1e3);
	else if (ns < 1000000000)
		(void)snprintf(buf, STATS_TIME_SIZE, "%.1fms", v / 1e6);
	else
		(void)snprintf(buf, STATS_TIME_SIZE, "%.1fs", v / 1e9);
	return buf;
}
