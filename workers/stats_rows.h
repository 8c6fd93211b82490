/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_rows - every number of one stage, from the table of counters
 *
 * DESCRIPTION
 *	A stage's rows: its stream's, the journal's or the sink's counters, what is worked
 *	out of shared words (put, unread_bytes), then its process's.
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads counters.
 */
#ifndef WORKERS_STATS_ROWS_H
#define WORKERS_STATS_ROWS_H

#include "workers/stats.h"

struct stats_row {
	const char *name, *unit, *help;
	enum counter_nature nature;
	bool is_process;
	uint64_t value;
};

struct stats_rows {
	const struct region *region;
	struct stats_stage stage;
	unsigned phase;
	size_t at;
};

void stats_rows_begin(
    struct stats_rows *rows, const struct region *r, const struct stats_stage *stage);
bool stats_rows_next(struct stats_rows *rows, struct stats_row *row);

/* The numbers that are no counters: index 0 .. STATS_DERIVED - 1, of a used stream. */
#define STATS_DERIVED 2
void stats_rows_derived(
    const struct region *r, uint32_t slot, unsigned which, struct stats_row *row);

/* How a number of a nature is added to those of other stages. */
uint64_t stats_rows_sum(enum counter_nature nature, uint64_t a, uint64_t b);

/* A duration of any length, fine at its small end: "85us", "1.2ms", "3.4s"; returns buf. */
const char *stats_short(uint64_t ns, char buf[STATS_TIME_SIZE]);

#endif
